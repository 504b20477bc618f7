/// CRC-32C (Castagnoli, RFC 3720 §12.1): polynomial 0x1EDC6F41 reflected, all ones before and after. Of `123456789` it is 0xE3069283.
package struct CRC32C: Sendable, Equatable {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78 }
  }
  private var state = UInt32.max

  package init() {}

  package mutating func add(_ bytes: some Sequence<UInt8>) {
    var state = state
    for byte in bytes { state = state >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: state) ^ byte)] }
    self.state = state
  }

  package var value: UInt32 { ~state }

  package static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var sum = CRC32C()
    sum.add(bytes)
    return sum.value
  }
}
