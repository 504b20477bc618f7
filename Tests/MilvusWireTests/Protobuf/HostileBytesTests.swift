import MilvusWire
import Testing

/// Bytes of a peer never trap: every prefix of every recording and thousands of seeded mutations go through
/// every decoder.
@Suite struct HostileBytesTests {
  @Test func everyPrefixIsAcceptedOrRefused() async throws {
    for recording in MessageJSONTests.recordings {
      for count in 0...recording.bytes.count {
        try await decode(Array(recording.bytes.prefix(count)), recording.type)
      }
    }
  }

  /// A report names the seed; the same seed gives the same bytes.
  @Test(arguments: [1, 2, 3, 4] as [UInt64]) func mutationsNeverTrap(seed: UInt64) async throws {
    var random = SplitMix(state: seed)
    for recording in MessageJSONTests.recordings where !recording.bytes.isEmpty {
      for _ in 0..<25 {
        try await decode(mutated(recording.bytes, &random), recording.type)
      }
    }
  }

  @Test func randomBytesNeverTrap() async throws {
    var random = SplitMix(state: 99)
    let types = [
      "milvus.QueryResults", "milvus.DescribeCollectionResponse", "schema.CollectionSchema",
      "msg.InsertRequest",
    ]
    for _ in 0..<500 {
      let bytes = (0..<Int(random.next() % 64)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      for name in types {
        try await decode(bytes, try #require(MessageDescriptor(named: "milvus.proto.\(name)")))
      }
    }
  }

  /// A few kilobytes that overflow the stack of a decoder without a limit (FieldData inside StructArrayField
  /// inside FieldData …).
  @Test(arguments: [1000, 20_000]) func nestingBombsAreRefused(levels: Int) async throws {
    var lengths = [0]
    for _ in 0..<levels {
      lengths.append(WireWriter.lengthDelimitedBytes(1, count: lengths[lengths.count - 1]))
    }
    var writer = WireWriter()
    for level in 0..<levels {
      writer.tag(level % 2 == 0 ? 8 : 1, .lengthDelimited)
      writer.rawVarint(UInt64(lengths[levels - 1 - level]))
    }
    let type = try #require(MessageDescriptor(named: "milvus.proto.schema.FieldData"))
    #expect(code { () throws(ProtobufError) in try NestingGuard.check(writer.bytes, as: type) } == .tooDeep)
    #expect(
      code { () throws(ProtobufError) in _ = try MessageJSON().json(of: writer.bytes, as: type) } == .tooDeep)
    var request = WireWriter()
    request.lengthDelimited(13, writer.bytes)
    try await decode(request.bytes, try #require(MessageDescriptor(named: "milvus.proto.msg.InsertRequest")))
  }

  // MARK: Helpers

  /// Everything that reads bytes of this type. Errors are fine, and the same bytes give the same verdict
  /// twice.
  private func decode(_ bytes: [UInt8], _ type: MessageDescriptor) async throws {
    let json = try? MessageJSON().json(of: bytes, as: type)
    if let json {
      let again = try MessageJSON().bytes(of: json, as: type)
      #expect(try MessageJSON().json(of: again, as: type) == json)
    }
    _ = try? NestingGuard.check(bytes, as: type)
    _ = try? CollectionSchema(encoded: bytes)
    let client = MilvusClient(caller: RecordedCaller(bytes))
    let path = CollectionPath(database: "", name: "c")
    _ = try? await client.describeCollection(path)
    _ = try? await client.describeIndexes(path)
    _ = try? await client.showCollections(database: "")
    _ = try? await client.connect()
    _ = try? await client.count(path, expression: "", partitions: [])
    if let page = try? await client.query(RowQuery(path: path, outputFields: ["*"])) {
      #expect(page.columns.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= bytes.count })
      let batch = RowBatch(path: path, columns: page.columns.map { Array(page.bytes[$0]) }, rowCount: 4)
      _ = try? ColumnGuard(schema: Self.schema, acceptsNullFlags: true).check(batch)
    }
  }

  private static let schema =
    (try? CollectionSchema(encoded: FixtureFiles.bytes("public-rpc/m235-createcollection-schema.bin")))
    ?? CollectionSchema(name: "")

  private func code(_ body: () throws(ProtobufError) -> Void) -> ProtobufError.Code? {
    do throws(ProtobufError) {
      try body()
      return nil
    } catch { return error.code }
  }

  /// One to three changes: a bit, a byte, a cut, a repeated or inserted piece.
  private func mutated(_ bytes: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    var bytes = bytes
    for _ in 0...(random.next() % 3) where !bytes.isEmpty {
      let place = Int(random.next() % UInt64(bytes.count))
      switch random.next() % 6 {
      case 0: bytes[place] ^= 1 << UInt8(random.next() % 8)
      case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
      case 2: bytes[place] = [0x00, 0x7F, 0x80, 0xFF][Int(random.next() % 4)]
      case 3: bytes.remove(at: place)
      case 4: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 9)], at: place)
      default: bytes.insert(contentsOf: [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], at: place)
      }
    }
    return bytes
  }
}

/// A small generator with a seed (Steele, Lea, Flood: SplitMix64), so that every run is the same.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
