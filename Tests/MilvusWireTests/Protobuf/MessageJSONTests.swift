import MilvusWire
import Testing

/// Every recorded message against the JSON that Google's Python runtime made of it (`Fixtures/public-rpc`).
@Suite struct MessageJSONTests {
  struct Recording: Sendable, CustomTestStringConvertible {
    var file: String
    var type: MessageDescriptor
    var bytes: [UInt8]
    var json: JSONValue
    var testDescription: String { file }
  }

  static let recordings: [Recording] = {
    guard let text = try? FixtureFiles.bytes("public-rpc/decoded.json"),
      let root = try? JSONParser.parse(text)
    else {
      return []
    }
    return root.objectValue?.members.compactMap { name, entry in
      guard let message = entry.objectValue?["message"]?.stringValue, let json = entry.objectValue?["json"]
      else {
        return nil
      }
      let fullName = message.contains(".") ? message : "milvus.proto.milvus.\(message)"
      guard let type = MessageDescriptor(named: fullName),
        let bytes = try? FixtureFiles.bytes("public-rpc/\(name)")
      else { return nil }
      return Recording(file: name, type: type, bytes: bytes, json: json)
    } ?? []
  }()

  @Test func allRecordingsAreThere() { #expect(Self.recordings.count == 78) }

  @Test(arguments: recordings)
  func decodesAsTheOfficialRuntimeDoes(recording: Recording) throws {
    let json = try MessageJSON().json(of: recording.bytes, as: recording.type)
    #expect(Self.same(json, recording.json), "\(JSONWriter().text(of: json))")
  }

  @Test(arguments: recordings)
  func encodesBackToTheSameFields(recording: Recording) throws {
    let bytes = try MessageJSON().bytes(of: recording.json, as: recording.type)
    #expect(try Self.canonical(bytes, recording.type) == Self.canonical(recording.bytes, recording.type))
    let camel = try MessageJSON(names: .lowerCamel).json(of: recording.bytes, as: recording.type)
    #expect(try MessageJSON().bytes(of: camel, as: recording.type) == bytes)
  }

  // MARK: Rules of ProtoJSON

  @Test func fieldsAtTheirDefaultAreLeftOutUnlessInAOneof() throws {
    let empty = try json([0x18, 0, 0x12, 0, 0x20, 0], "common.Status")
    #expect(empty == .object(JSONObject()))
    // ValueField.long_data = 0 is present.
    #expect(try json([0x18, 0], "schema.ValueField") == ["long_data": "0"])
    #expect(try bytes(["long_data": "0"], "schema.ValueField") == [0x18, 0])
    #expect(try bytes(["code": 0, "reason": "", "detail": nil], "common.Status") == [])
  }

  @Test func theLastMemberOfAOneofWins() throws {
    #expect(try json([0x18, 1, 0x32, 1, 0x61], "schema.ValueField") == ["string_data": "a"])
    #expect(throws: ProtobufError(.invalidJSON, "string_data: another member of the same oneof is set")) {
      try bytes(["long_data": "1", "string_data": "a"], "schema.ValueField")
    }
  }

  @Test func aMessageInTwoPartsIsMerged() throws {
    // MutationResult.status twice: code 5, then reason "a".
    let parts: [UInt8] = [0x0A, 2, 0x18, 5, 0x0A, 3, 0x12, 1, 0x61]
    #expect(try json(parts, "milvus.MutationResult") == ["status": ["reason": "a", "code": 5]])
  }

  @Test func mapsTakeTheLastEntryOfAKey() throws {
    // Status.extra_info: k=v, k=w, an empty entry.
    let entries: [UInt8] = [
      0x32, 6, 0x0A, 1, 0x6B, 0x12, 1, 0x76, 0x32, 6, 0x0A, 1, 0x6B, 0x12, 1, 0x77, 0x32, 0,
    ]
    #expect(try json(entries, "common.Status") == ["extra_info": ["k": "w", "": ""]])
    let written = try bytes(["extra_info": ["k": "w"]], "common.Status")
    #expect(written == [0x32, 6, 0x0A, 1, 0x6B, 0x12, 1, 0x77])
    // Keys that are numbers stand as texts.
    let type = "messages.Binlog"
    #expect(
      try json(bytes(["field_null_counts": ["-7": "3"]], type), type) == ["field_null_counts": ["-7": "3"]])
  }

  @Test func numbersKeepTheirExactValue() throws {
    let type = "schema.ValueField"
    #expect(
      try json(bytes(["long_data": -9_223_372_036_854_775_808], type), type) == [
        "long_data": "-9223372036854775808"
      ])
    #expect(try json(bytes(["float_data": 0.1], type), type) == ["float_data": 0.1])
    #expect(try bytes(["float_data": 0.1], type) == [0x25, 0xCD, 0xCC, 0xCC, 0x3D])
    for special in ["NaN", "Infinity", "-Infinity"] {
      #expect(
        try json(bytes(["double_data": .string(special)], type), type) == ["double_data": .string(special)])
      #expect(
        try json(bytes(["float_data": .string(special)], type), type) == ["float_data": .string(special)])
    }
    #expect(try json(bytes(["int_data": -1], type), type) == ["int_data": -1])
    #expect(try bytes(["int_data": -1], type) == [0x10] + [UInt8](repeating: 0xFF, count: 9) + [1])
    #expect(
      try json(
        bytes(["guarantee_timestamp": "18446744073709551615"], "milvus.QueryRequest"), "milvus.QueryRequest")
        == ["guarantee_timestamp": "18446744073709551615"])
  }

  @Test func enumsAreNamesAndUnknownOnesNumbers() throws {
    let type = "schema.FieldSchema"
    #expect(try json(bytes(["data_type": "Int64"], type), type) == ["data_type": "Int64"])
    #expect(try json(bytes(["data_type": 5], type), type) == ["data_type": "Int64"])
    #expect(try json(bytes(["data_type": 4711], type), type) == ["data_type": 4711])
    #expect(try json(bytes(["data_type": -1], type), type) == ["data_type": -1])
    #expect(throws: ProtobufError(.invalidJSON, "data_type: milvus.proto.schema.DataType has no such value. Did you mean 'Int64'?")) {
      try bytes(["data_type": "Int65"], type)
    }
  }

  @Test func bytesAreBase64OfEitherAlphabet() throws {
    let type = "schema.ValueField"
    #expect(try json([0x3A, 2, 0xFB, 0xFF], type) == ["bytes_data": "+/8="])
    for spelling in ["+/8=", "-_8=", "-_8", "+/8"] {
      #expect(try bytes(["bytes_data": .string(spelling)], type) == [0x3A, 2, 0xFB, 0xFF])
    }
    #expect(throws: ProtobufError.self) { try bytes(["bytes_data": "*"], type) }
  }

  @Test func aFieldMaskIsOneText() throws {
    let type = "messages.AlterCollectionMessageHeader"
    let mask: JSONValue = ["update_mask": "db,collectionName"]
    let written = try bytes(mask, type)
    #expect(written == [0x1A, 21, 0x0A, 2] + Array("db".utf8) + [0x0A, 15] + Array("collection_name".utf8))
    #expect(try json(written, type) == mask)
  }

  @Test func anOptionalFieldIsPresentAlsoAtItsDefault() throws {
    let type = "messages.InsertMessageHeader"
    #expect(try json([0x18, 0], type) == ["schema_version": 0])
    #expect(try bytes(["schema_version": 0], type) == [0x18, 0])
  }

  @Test func unpackedAndPackedListsAreRead() throws {
    #expect(try json([0x08, 1, 0x0A, 2, 2, 3], "schema.LongArray") == ["data": ["1", "2", "3"]])
    #expect(try json([0x0A, 0], "schema.LongArray") == .object(JSONObject()))
    #expect(try bytes(["data": [1, "2"]], "schema.LongArray") == [0x0A, 2, 1, 2])
  }

  @Test(
    arguments: [
      (["code": "x"], "code: expected int32, a whole number from -2147483648 to 2147483647, found a string"),
      (["code": 2_147_483_648], "code: expected int32, a whole number from -2147483648 to 2147483647, found a number"),
      (["code": 1.5], "code: expected int32, a whole number from -2147483648 to 2147483647, found a number"),
      (["reason": 1], "reason: expected string, found a number"),
      (["retriable": "true"], "retriable: expected bool, true or false, found a string"),
      (["cod": 1], "cod: milvus.proto.common.Status has no such field. Did you mean 'code'?"),
      (["extra_info": []], "extra_info: expected an object (map<string, string>), found an array"),
      (["extra_info": ["k": 1]], "extra_info[k]: expected string, found a number"),
      (["error_code": 1, "errorCode": 1], "errorCode: the field stands twice"),
      (["error_code": true], "error_code: expected a name or number of milvus.proto.common.ErrorCode, found a bool"),
      ([], "the message: expected an object (milvus.proto.common.Status), found an array"),
    ] as [(JSONValue, String)])
  func namesThePlaceOfWhatIsWrong(json: JSONValue, message: String) {
    #expect(throws: ProtobufError(.invalidJSON, message)) { try bytes(json, "common.Status") }
  }

  @Test func placesInListsAreNumbered() {
    let json: JSONValue = ["fields": [["name": "a"], ["type_params": [["key": 1]]]]]
    #expect(
      throws: ProtobufError(.invalidJSON, "fields[1].type_params[0].key: expected string, found a number")
    ) { try bytes(json, "schema.CollectionSchema") }
  }

  @Test func depthAndNumberOfValuesAreLimited() throws {
    var nested: [UInt8] = []
    for level in 1..<100 {
      var writer = WireWriter()
      writer.lengthDelimited((100 - level) % 2 == 1 ? 8 : 1, nested)
      nested = writer.bytes
    }
    #expect(try json(nested, "schema.ScalarField").objectValue?.count == 1)
    var deeper = WireWriter()
    deeper.lengthDelimited(1, nested)
    #expect(throws: ProtobufError.self) { try json(deeper.bytes, "schema.ArrayArray") }
    let list: [UInt8] = [0x0A, 3, 1, 1, 1]
    let type = try #require(MessageDescriptor(named: "milvus.proto.schema.LongArray"))
    for (limit, fits) in [(2, false), (3, true), (4, true)] {
      let reader = MessageJSON(limits: MessageJSON.Limits(valueCountMax: limit))
      #expect(((try? reader.json(of: list, as: type)) != nil) == fits)
    }
  }

  // MARK: Helpers

  private func json(_ bytes: [UInt8], _ type: String) throws -> JSONValue {
    try MessageJSON().json(of: bytes, as: try #require(MessageDescriptor(named: "milvus.proto.\(type)")))
  }

  private func bytes(_ json: JSONValue, _ type: String) throws -> [UInt8] {
    try MessageJSON().bytes(of: json, as: try #require(MessageDescriptor(named: "milvus.proto.\(type)")))
  }

  /// Equal up to the order of members and the spelling of numbers (`10.0` and `10`).
  private static func same(_ a: JSONValue, _ b: JSONValue) -> Bool {
    switch (a, b) {
    case (.object(let x), .object(let y)):
      return x.count == y.count
        && x.members.allSatisfy { key, value in y[key].map { same(value, $0) } ?? false }
    case (.array(let x), .array(let y)):
      return x.count == y.count && zip(x, y).allSatisfy { same($0, $1) }
    case (.number(let x), .number(let y)): return x.double == y.double
    default: return a == b
    }
  }

  /// The message with the entries of its maps in order, all the way down; nothing else is changed.
  private static func canonical(_ bytes: [UInt8], _ type: MessageDescriptor) throws -> [UInt8] {
    var fields: [(number: UInt32, bytes: [UInt8])] = []
    var reader = WireReader(bytes)
    var start = 0
    while let wire = try reader.next() {
      let known = type.field(number: wire.number)
      if let inner = known?.message, let range = wire.range {
        var writer = WireWriter()
        writer.lengthDelimited(wire.number, try canonical(Array(bytes[range]), inner))
        fields.append((wire.number, writer.bytes))
      } else {
        fields.append((wire.number, Array(bytes[start..<reader.position])))
      }
      start = reader.position
    }
    // Stable by number; entries of a map also by content.
    let sorted = fields.enumerated().sorted { a, b in
      if a.element.number != b.element.number { return a.element.number < b.element.number }
      if type.field(number: a.element.number)?.isMap == true {
        return a.element.bytes.lexicographicallyPrecedes(b.element.bytes)
      }
      return a.offset < b.offset
    }
    return sorted.flatMap(\.element.bytes)
  }
}
