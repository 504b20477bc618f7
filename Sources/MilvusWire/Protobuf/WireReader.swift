/// One field as it stands on the wire, not interpreted (protobuf "Encoding": records).
package struct WireField: Sendable, Equatable {
  /// What a tag announces. Groups (3, 4) do not exist in proto3 and are refused.
  package enum WireType: UInt8, Sendable {
    case varint = 0, fixed64 = 1, lengthDelimited = 2, fixed32 = 5
  }
  package enum Content: Sendable, Equatable {
    case varint(UInt64)
    case fixed64(UInt64)
    case fixed32(UInt32)
    /// Where the content of a string, message, bytes or packed list lies, length excluded.
    case lengthDelimited(Range<Int>)
  }
  package var number: UInt32
  package var content: Content

  package init(number: UInt32, content: Content) {
    self.number = number
    self.content = content
  }
  package var wireType: WireType {
    switch content {
    case .varint: .varint
    case .fixed64: .fixed64
    case .fixed32: .fixed32
    case .lengthDelimited: .lengthDelimited
    }
  }
  /// The range of a length-delimited field, nil for any other.
  package var range: Range<Int>? {
    if case .lengthDelimited(let range) = content { range } else { nil }
  }
  package var varint: UInt64? {
    if case .varint(let value) = content { value } else { nil }
  }
}

/// Walks the fields of one message in place: no copy, no tree, never past its end (D3).
///
/// After an error the reader stands still and `next` must not be called again.
package struct WireReader: Sendable {
  /// 2^29 − 1 (protobuf "Field numbers").
  package static let fieldNumberMax: UInt64 = 0x1FFF_FFFF

  package let bytes: [UInt8]
  package private(set) var position: Int
  private let end: Int

  /// `range` is clamped to the bytes.
  package init(_ bytes: [UInt8], in range: Range<Int>? = nil) {
    self.bytes = bytes
    let range = (range ?? 0..<bytes.count).clamped(to: 0..<bytes.count)
    position = range.lowerBound
    end = range.upperBound
  }

  package var isAtEnd: Bool { position == end }

  /// The next field, nil at the end.
  package mutating func next() throws(ProtobufError) -> WireField? {
    guard position < end else { return nil }
    let start = position
    let tag = try varint()
    let number = tag >> 3
    guard number > 0, number <= Self.fieldNumberMax else {
      throw ProtobufError(.malformed, "field number \(number) at byte \(start)")
    }
    guard let type = WireField.WireType(rawValue: UInt8(tag & 7)) else {
      throw ProtobufError(.malformed, "wire type \(tag & 7) of field \(number) at byte \(start)")
    }
    return WireField(number: UInt32(number), content: try content(type))
  }

  /// The next base-128 number, at most ten bytes and 64 bits.
  @inline(__always)
  package mutating func varint() throws(ProtobufError) -> UInt64 {
    // One byte: nearly every tag, and the lengths of most texts.
    if position < end {
      let byte = bytes[position]
      if byte < 0x80 {
        position += 1
        return UInt64(byte)
      }
    }
    return try longVarint()
  }

  @inline(never)
  private mutating func longVarint() throws(ProtobufError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    let start = position
    while position < end {
      let byte = bytes[position]
      position += 1
      if shift == 63 && byte > 1 { throw ProtobufError(.malformed, "varint over 64 bits at byte \(start)") }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw ProtobufError(.truncated, "message ends inside the varint at byte \(start)")
  }

  /// The next four bytes, little endian.
  package mutating func fixed32() throws(ProtobufError) -> UInt32 {
    let range = try take(4)
    return range.reversed().reduce(0) { $0 << 8 | UInt32(bytes[$1]) }
  }

  /// The next eight bytes, little endian.
  package mutating func fixed64() throws(ProtobufError) -> UInt64 {
    let range = try take(8)
    return range.reversed().reduce(0) { $0 << 8 | UInt64(bytes[$1]) }
  }

  /// The content that follows a tag of this wire type, or one element of a packed list.
  package mutating func content(_ type: WireField.WireType) throws(ProtobufError) -> WireField.Content {
    switch type {
    case .varint: return .varint(try varint())
    case .fixed64: return .fixed64(try fixed64())
    case .fixed32: return .fixed32(try fixed32())
    case .lengthDelimited:
      let length = try varint()
      return .lengthDelimited(try take(Int(exactly: length) ?? Int.max))
    }
  }

  private mutating func take(_ count: Int) throws(ProtobufError) -> Range<Int> {
    guard count <= end - position else {
      throw ProtobufError(.truncated, "\(count) bytes announced at byte \(position), \(end - position) left")
    }
    let range = position..<(position + count)
    position = range.upperBound
    return range
  }
}
