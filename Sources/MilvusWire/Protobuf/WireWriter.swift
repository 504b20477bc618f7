/// Writes the fields of one message in the order in which they are given.
package struct WireWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  /// `capacity`: bytes the message will have, to allocate once.
  package init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  package mutating func tag(_ number: UInt32, _ type: WireField.WireType) {
    rawVarint(UInt64(number) << 3 | UInt64(type.rawValue))
  }

  /// A number of any integer type, bool or enum. Negative ones are sign-extended: ten bytes.
  package mutating func varint(_ number: UInt32, _ value: UInt64) {
    tag(number, .varint)
    rawVarint(value)
  }

  package mutating func fixed32(_ number: UInt32, _ value: UInt32) {
    tag(number, .fixed32)
    rawFixed(value)
  }

  package mutating func fixed64(_ number: UInt32, _ value: UInt64) {
    tag(number, .fixed64)
    rawFixed(value)
  }

  /// Bytes, a finished sub-message or a packed list.
  package mutating func lengthDelimited(_ number: UInt32, _ content: some Collection<UInt8>) {
    tag(number, .lengthDelimited)
    rawVarint(UInt64(content.count))
    bytes.append(contentsOf: content)
  }

  package mutating func string(_ number: UInt32, _ text: String) {
    lengthDelimited(number, text.utf8)
  }

  /// An encoded field or message as it is.
  package mutating func raw(_ content: some Collection<UInt8>) { bytes.append(contentsOf: content) }

  package mutating func rawVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  /// Little endian.
  package mutating func rawFixed(_ value: some FixedWidthInteger) {
    var rest = value
    for _ in 0..<(value.bitWidth / 8) {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  /// The bytes that `lengthDelimited` writes for a content of `count` bytes.
  package static func lengthDelimitedBytes(_ number: UInt32, count: Int) -> Int {
    varintBytes(UInt64(number) << 3) + varintBytes(UInt64(count)) + count
  }

  package static func varintBytes(_ value: UInt64) -> Int {
    max(1, (64 - value.leadingZeroBitCount + 6) / 7)
  }
}
