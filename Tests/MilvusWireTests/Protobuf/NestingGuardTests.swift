import MilvusWire
import Testing

@Suite struct NestingGuardTests {
  @Test(arguments: [(1, true), (99, true), (100, true), (101, false), (5000, false), (200_000, false)])
  func limitsNesting(depth: Int, isAccepted: Bool) throws {
    let code = try code(nested(depth), "milvus.proto.schema.ScalarField")
    #expect(code == (isAccepted ? nil : .tooDeep))
  }

  @Test func nestingInUnknownFieldsIsNotFollowed() throws {
    var writer = WireWriter()
    writer.lengthDelimited(99, nested(5000))
    #expect(try code(writer.bytes, "milvus.proto.schema.ScalarField") == nil)
  }

  @Test(arguments: [(9, true), (10, true), (11, false)])
  func limitsTheMessage(size: Int, isAccepted: Bool) throws {
    var writer = WireWriter()
    writer.string(2, String(repeating: "x", count: size - 2))
    #expect(writer.bytes.count == size)
    let limits = NestingGuard.Limits(messageBytesMax: 10)
    #expect(try code(writer.bytes, "milvus.proto.common.Status", limits) == (isAccepted ? nil : .tooLarge))
  }

  @Test func aKnownFieldMustHaveItsWireType() throws {
    // Status.code (3, int32) as a string and Status.reason (2, string) as a number.
    #expect(try code([0x1A, 0x01, 0x31], "milvus.proto.common.Status") == .wrongType)
    #expect(try code([0x10, 0x01], "milvus.proto.common.Status") == .wrongType)
    #expect(throws: ProtobufError(.wrongType, "milvus.proto.common.Status.reason has wire type 0")) {
      try check([0x10, 0x01], "milvus.proto.common.Status")
    }
  }

  @Test func repeatedNumbersMayBePackedOrNot() throws {
    #expect(try code([0x08, 0x01, 0x0A, 0x02, 0x02, 0x03], "milvus.proto.schema.LongArray") == nil)
  }

  @Test func aStringMustBeTextThatCCanHold() throws {
    let type = "milvus.proto.common.Status"
    #expect(try code([0x12, 0x02, 0xC3, 0xA4], type) == nil)
    #expect(try code([0x12, 0x00], type) == nil)
    #expect(try code([0x12, 0x01, 0x00], type) == .invalidString)
    #expect(try code([0x12, 0x02, 0x61, 0xC3], type) == .invalidString)
    #expect(try code([0x12, 0x03, 0xED, 0xA0, 0x80], type) == .invalidString, "a lone surrogate")
    #expect(try code([0x0A, 0x01, 0x00], "milvus.proto.schema.JSONArray") == nil, "bytes may hold anything")
  }

  /// `depth` messages inside each other: ScalarField.array_data (8) and ArrayArray.data (1) in turn.
  private func nested(_ depth: Int) -> [UInt8] {
    var lengths: [Int] = [0]
    for level in stride(from: depth - 1, to: 0, by: -1) {
      let inner = lengths[lengths.count - 1]
      lengths.append(WireWriter.lengthDelimitedBytes(level % 2 == 1 ? 8 : 1, count: inner))
    }
    var writer = WireWriter()
    for level in stride(from: 1, to: depth, by: 1) {
      writer.tag(level % 2 == 1 ? 8 : 1, .lengthDelimited)
      writer.rawVarint(UInt64(lengths[depth - 1 - level]))
    }
    return writer.bytes
  }

  private func check(_ bytes: [UInt8], _ type: String, _ limits: NestingGuard.Limits = NestingGuard.Limits())
    throws
  {
    try NestingGuard.check(bytes, as: try #require(MessageDescriptor(named: type)), limits: limits)
  }

  private func code(_ bytes: [UInt8], _ type: String, _ limits: NestingGuard.Limits = NestingGuard.Limits())
    throws
    -> ProtobufError.Code?
  {
    do {
      try check(bytes, type, limits)
      return nil
    } catch let error as ProtobufError { return error.code }
  }
}
