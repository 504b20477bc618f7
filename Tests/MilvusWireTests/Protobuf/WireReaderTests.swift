import MilvusWire
import Testing

/// Bytes are those of the protobuf "Encoding" guide or were written by Google's Python runtime.
@Suite struct WireReaderTests {
  @Test func readsEachWireType() throws {
    // field 1 = 150; field 2 = "testing"; field 3 = fixed32 1; field 4 = fixed64 -2; field 536870911 = 0
    let bytes: [UInt8] =
      [0x08, 0x96, 0x01, 0x12, 0x07] + Array("testing".utf8) + [0x1D, 1, 0, 0, 0]
      + [0x21, 0xFE] + [UInt8](repeating: 0xFF, count: 7) + [0xF8, 0xFF, 0xFF, 0xFF, 0x0F, 0x00]
    #expect(
      try fields(bytes) == [
        WireField(number: 1, content: .varint(150)),
        WireField(number: 2, content: .lengthDelimited(5..<12)),
        WireField(number: 3, content: .fixed32(1)),
        WireField(number: 4, content: .fixed64(UInt64(bitPattern: -2))),
        WireField(number: 536_870_911, content: .varint(0)),
      ])
  }

  @Test func readsOnlyItsRange() throws {
    let bytes: [UInt8] = [0xFF, 0xFF, 0x08, 0x01, 0xFF]
    var reader = WireReader(bytes, in: 2..<4)
    #expect(try reader.next() == WireField(number: 1, content: .varint(1)))
    #expect(try reader.next() == nil)
    #expect(reader.isAtEnd)
    var outside = WireReader(bytes, in: 3..<90)
    #expect(throws: ProtobufError.self) { try outside.next() }
  }

  @Test func everyPrefixOfAFieldIsTruncated() {
    let whole: [UInt8] = [0x12, 0x03, 0x61, 0x62, 0x63]
    for count in 1..<whole.count {
      #expect(code(Array(whole.prefix(count))) == .truncated)
    }
    #expect(code([0x21, 1, 2, 3, 4, 5, 6, 7]) == .truncated)
    #expect(code([0x1D, 1, 2, 3]) == .truncated)
  }

  @Test func refusesWhatNoEncoderWrites() {
    #expect(code([0x00, 0x00]) == .malformed, "field number 0")
    #expect(code([0x0B]) == .malformed, "start of a group")
    #expect(code([0x0C]) == .malformed, "end of a group")
    #expect(code([0x0E]) == .malformed, "wire type 6")
    #expect(code([0x0F]) == .malformed, "wire type 7")
    #expect(code([0x80, 0x80, 0x80, 0x80, 0x10, 0x00]) == .malformed, "field number 2^29")
    let overlong: [UInt8] = [0x08] + [UInt8](repeating: 0x80, count: 10) + [0x01]
    #expect(code(overlong) == .malformed, "eleven bytes")
    #expect(code([0x08] + [UInt8](repeating: 0xFF, count: 9) + [0x02]) == .malformed, "65 bits")
  }

  @Test func takesTheLargestVarintAndRefusesTheLargestLength() throws {
    let ones = [UInt8](repeating: 0xFF, count: 9) + [0x01]
    #expect(try fields([0x08] + ones) == [WireField(number: 1, content: .varint(.max))])
    #expect(code([0x12] + ones) == .truncated)
    // 2^63 − 1 and 2^31: lengths that overflow a signed sum.
    #expect(code([0x12] + [UInt8](repeating: 0xFF, count: 8) + [0x7F]) == .truncated)
    #expect(code([0x12, 0x80, 0x80, 0x80, 0x80, 0x08]) == .truncated)
  }

  @Test func writesWhatItReads() throws {
    var writer = WireWriter()
    writer.varint(1, 150)
    writer.string(2, "testing")
    writer.fixed32(3, 1)
    writer.fixed64(4, UInt64(bitPattern: -2))
    writer.varint(536_870_911, 0)
    writer.lengthDelimited(5, [1, 2, 3])
    let read = try fields(writer.bytes)
    #expect(read.map(\.number) == [1, 2, 3, 4, 536_870_911, 5])
    #expect(read[2].content == .fixed32(1) && read[3].content == .fixed64(UInt64(bitPattern: -2)))
    #expect(writer.bytes.starts(with: [0x08, 0x96, 0x01, 0x12, 0x07, 0x74]))
  }

  @Test(arguments: [0, 1, 127, 128, 16383, 16384, 1 << 35, UInt64.max])
  func knowsTheSizeOfAVarint(value: UInt64) {
    var writer = WireWriter()
    writer.rawVarint(value)
    #expect(WireWriter.varintBytes(value) == writer.bytes.count)
  }

  private func fields(_ bytes: [UInt8]) throws -> [WireField] {
    var reader = WireReader(bytes)
    var fields: [WireField] = []
    while let field = try reader.next() { fields.append(field) }
    return fields
  }

  private func code(_ bytes: [UInt8]) -> ProtobufError.Code? {
    do {
      _ = try fields(bytes)
      return nil
    } catch { return (error as? ProtobufError)?.code }
  }
}
