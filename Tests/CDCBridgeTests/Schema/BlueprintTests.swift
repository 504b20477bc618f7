import CDCBridge
import MilvusWire
import Testing

@Suite struct BlueprintTests {
  private func blueprint(
    _ source: CollectionState, from: ServerProfile = Sample.milvus235,
    to: ServerProfile = Sample.milvus235, name: String = "b"
  ) throws -> SchemaBlueprint {
    try SchemaBlueprint(
      source: source, target: Sample.path(name), sourceProfile: from, targetProfile: to)
  }

  @Test func `what a server assigns is not sent to another one`() throws {
    var schema = Sample.schema("a")
    schema.dbName = "other"
    schema.version = 3
    schema.autoID = true
    schema.fields[0].autoID = true
    schema.fields[0].fieldID = 100
    schema.fields[0].state = 1
    schema.fields.append(Sample.field("$meta", .json) { $0.isDynamic = true })
    schema.fields.append(Sample.field("RowID", .int64))
    schema.fields.append(Sample.field("Timestamp", .int64))
    let made = try blueprint(Sample.state(schema)).creation.schema
    #expect(made.name == "b")
    #expect(made.dbName == "")
    #expect(made.version == 0)
    #expect(!made.autoID)
    #expect(made.fields.map(\.name) == ["id", "v"])
    #expect(made.fields.allSatisfy { $0.fieldID == 0 && $0.state == 0 && !$0.autoID })
  }

  @Test func `an array of texts without a length gets the longest one`() throws {
    let tags = Sample.field("tags", .array, ["max_capacity": "10"]) { $0.elementType = .varChar }
    let made = try blueprint(Sample.state(Sample.schema("a", [tags])), from: Sample.lite)
    #expect(made.creation.schema.fields[2].typeParams["max_length"] == "65535")
    #expect(made.creation.schema.fields[2].typeParams["max_capacity"] == "10")
  }

  @Test func `a partition key keeps the number of partitions and nothing else sends one`() throws {
    let key = Sample.field("k", .varChar, ["max_length": "9"]) { $0.isPartitionKey = true }
    let keyed = Sample.state(Sample.schema("a", [key])) { $0.description.numPartitions = 5 }
    #expect(try blueprint(keyed).creation.numPartitions == 5)
    let plain = Sample.state() { $0.description.numPartitions = 3 }
    #expect(try blueprint(plain).creation.numPartitions == 0)
  }

  @Test func `properties of the data travel and those of a server are named`() throws {
    let source = Sample.state {
      $0.description.properties = [
        KeyValuePair("collection.ttl.seconds", "9"), KeyValuePair("collection.resource_groups", "x"),
      ]
    }
    let made = try blueprint(source)
    #expect(made.creation.properties == [KeyValuePair("collection.ttl.seconds", "9")])
    #expect(made.notReplicated == ["property collection.resource_groups: the target keeps its own"])
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    var what: String
    var field: FieldSchema
    var target: ServerProfile
    var isRefused: Bool
    var testDescription: String { "\(what) on \(target.title)" }
  }
  static let refusals: [Refusal] = [
    Refusal(what: "binary", field: Sample.field("b", .binaryVector, ["dim": "8"]), target: Sample.lite, isRefused: true),
    Refusal(what: "sparse", field: Sample.field("s", .sparseFloatVector), target: Sample.milvus235, isRefused: true),
    Refusal(what: "sparse", field: Sample.field("s", .sparseFloatVector), target: Sample.lite, isRefused: false),
    Refusal(what: "second vector", field: Sample.field("w", .floatVector, ["dim": "4"]), target: Sample.milvus235, isRefused: true),
    Refusal(what: "second vector", field: Sample.field("w", .floatVector, ["dim": "4"]), target: Sample.lite, isRefused: false),
    Refusal(what: "second vector", field: Sample.field("w", .floatVector, ["dim": "4"]), target: Sample.milvus26, isRefused: false),
    Refusal(what: "nullable", field: Sample.field("n", .int64) { $0.nullable = true }, target: Sample.milvus235, isRefused: true),
    Refusal(what: "nullable", field: Sample.field("n", .int64) { $0.nullable = true }, target: Sample.lite, isRefused: false),
    Refusal(what: "geometry", field: Sample.field("g", .geometry), target: Sample.milvus235, isRefused: true),
    Refusal(what: "timestamptz", field: Sample.field("t", .timestamptz), target: Sample.milvus26, isRefused: false),
    Refusal(what: "decimal", field: Sample.field("d", .decimal), target: Sample.milvus26, isRefused: true),
    Refusal(what: "an unknown type", field: Sample.field("u", DataType(rawValue: 77)), target: Sample.milvus26, isRefused: true),
    Refusal(what: "JSON", field: Sample.field("j", .json), target: Sample.milvus235, isRefused: false),
  ]

  @Test(arguments: refusals)
  func `a target is not asked for what it cannot hold`(_ row: Refusal) throws {
    let source = Sample.state(Sample.schema("a", [row.field]))
    if row.isRefused {
      let error = #expect(throws: BridgeError.self) {
        try blueprint(source, from: Sample.milvus26, to: row.target)
      }
      #expect(error?.code == .targetUnsupported)
      #expect(error?.message.contains(row.field.name) == true)
    } else {
      #expect(throws: Never.self) { try blueprint(source, from: Sample.milvus26, to: row.target) }
    }
  }

  @Test func `a function that the target would drop is refused by name`() throws {
    var schema = Sample.schema("a", [Sample.field("t", .varChar, ["max_length": "9"])])
    var function = FunctionSchema(name: "words", type: 1)
    function.inputFieldNames = ["t"]
    schema.functions = [function]
    let error = #expect(throws: BridgeError.self) {
      try blueprint(Sample.state(schema), from: Sample.milvus26, to: Sample.milvus235)
    }
    #expect(error?.message.contains("words (BM25)") == true)
    #expect(try blueprint(Sample.state(schema), to: Sample.lite).creation.schema.functions.count == 1)
  }

  @Test(arguments: ["0", "-4", "x"])
  func `a vector without a dimension is never sent`(_ dimension: String) throws {
    var schema = Sample.schema()
    schema.fields[1].typeParams = [KeyValuePair("dim", dimension)]
    let error = #expect(throws: BridgeError.self) { try blueprint(Sample.state(schema)) }
    #expect(error?.code == .dangerousValue)
  }

  @Test func `a default that would panic an old target stays behind and is named`() throws {
    let field = Sample.field("d", .int64) { $0.defaultValue = .long(3) }
    let source = Sample.state(Sample.schema("a", [field]))
    let old = try blueprint(source, from: Sample.milvus26, to: Sample.milvus235)
    #expect(old.creation.schema.fields[2].defaultValue == nil)
    #expect(old.notReplicated.count == 1)
    let same = try blueprint(source, from: Sample.milvus235, to: Sample.milvus235)
    #expect(same.creation.schema.fields[2].defaultValue == .long(3))
    #expect(try blueprint(source, to: Sample.lite).creation.schema.fields[2].defaultValue == .long(3))
  }

  @Test(arguments: [("9a", true), ("a-b", true), ("a_9", false), ("é", true), ("", true)])
  func `names follow the rules of Milvus`(_ name: String, _ isRefused: Bool) {
    #expect((FeatureGate(Sample.milvus235).nameRefusal(name) != nil) == isRefused)
  }

  @Test(arguments: [("9a", false), ("a/b", true), ("..", true), ("", true)])
  func `names on Lite are file names`(_ name: String, _ isRefused: Bool) {
    #expect((FeatureGate(Sample.lite).nameRefusal(name) != nil) == isRefused)
  }
}
