@testable import MilvusWire
import Testing
internal import CProtobuf

@Suite struct ProtobufMessageTests {
  @Test func anEmptyMessageDecodes() throws {
    let schema = try CollectionSchema(encoded: [])
    #expect(schema == CollectionSchema(name: ""))
    #expect(try schema.encoded() == [])
  }

  @Test func aStringWithNULIsRefusedByName() {
    var schema = CollectionSchema(name: "a\0b")
    #expect(throws: ProtobufError(.invalidString, "schema.name holds a NUL")) { try schema.encoded() }
    schema = CollectionSchema(name: "a")
    var field = FieldSchema(name: "f", dataType: .int64)
    field.typeParams = [KeyValuePair("k", "\0")]
    schema.fields = [field]
    #expect(throws: ProtobufError(.invalidString, "field.type_params holds a NUL")) { try schema.encoded() }
  }

  @Test func memoryForADecodedMessageIsLimited() throws {
    // Two bytes each; protobuf-c takes about 200 for an empty FieldSchema.
    var writer = WireWriter()
    for _ in 0..<10_000 { writer.lengthDelimited(4, []) }
    var limits = NestingGuard.Limits()
    let fields = try ProtobufMessage.decode(writer.bytes, as: Schema__CollectionSchema.self, limits: limits) {
      $0.n_fields
    }
    #expect(fields == 10_000)
    limits.decodedBytesMax = 1 << 20
    #expect(throws: ProtobufError.self) {
      try ProtobufMessage.decode(writer.bytes, as: Schema__CollectionSchema.self, limits: limits) { _ in }
    }
    do {
      try ProtobufMessage.decode(writer.bytes, as: Schema__CollectionSchema.self, limits: limits) { _ in }
    } catch { #expect(error.code == .tooLarge) }
  }

  @Test func everyDefaultValueSurvives() throws {
    let values: [DefaultValue?] = [
      nil, .bool(false), .bool(true), .int(-1), .int(0), .long(.min), .float(1.5), .double(-0.0), .string(""),
      .string("ä"), .bytes([]), .bytes([0, 255]), .timestamptz(-1), .date(-5), .time(7),
    ]
    for value in values {
      var field = FieldSchema(name: "f", dataType: .int64)
      field.defaultValue = value
      var schema = CollectionSchema(name: "c")
      schema.fields = [field]
      #expect(try CollectionSchema(encoded: schema.encoded()) == schema)
    }
  }

  @Test func everyMemberOfASchemaSurvives() throws {
    var field = FieldSchema(name: "f", dataType: DataType(rawValue: 9999))
    field.fieldID = -7
    field.isPrimaryKey = true
    field.description = "ü"
    field.typeParams = [KeyValuePair("dim", "4"), KeyValuePair("", "")]
    field.indexParams = [KeyValuePair("a", "b")]
    field.autoID = true
    field.state = 3
    field.elementType = .varChar
    field.isDynamic = true
    field.isPartitionKey = true
    field.isClusteringKey = true
    field.nullable = true
    field.isFunctionOutput = true
    field.externalField = "e"
    var function = FunctionSchema(name: "bm25", type: 1)
    function.id = 5
    function.description = "d"
    function.inputFieldNames = ["a", ""]
    function.inputFieldIDs = [1, 2]
    function.outputFieldNames = ["o"]
    function.outputFieldIDs = [3]
    function.params = [KeyValuePair("k", "v")]
    var structure = StructArrayFieldSchema(name: "s")
    structure.fieldID = 9
    structure.description = "d"
    structure.fields = [field]
    structure.typeParams = [KeyValuePair("max_capacity", "3")]
    structure.nullable = true
    var schema = CollectionSchema(name: "c")
    schema.description = "d"
    schema.autoID = true
    schema.fields = [field, FieldSchema(name: "g", dataType: .json)]
    schema.enableDynamicField = true
    schema.properties = [KeyValuePair("p", "q")]
    schema.functions = [function]
    schema.dbName = "db"
    schema.structArrayFields = [structure]
    schema.version = 4
    schema.externalSource = "x"
    schema.externalSpec = "y"
    schema.doPhysicalBackfill = true
    schema.fileResourceIDs = [1, -1]
    schema.enableNamespace = true
    #expect(try CollectionSchema(encoded: schema.encoded()) == schema)
  }

  /// The bytes were written by Google's Python runtime.
  @Test func aSchemaIsWrittenAsTheOfficialRuntimeWritesIt() throws {
    let bytes = try FixtureFiles.bytes("public-rpc/m235-createcollection-schema.bin")
    let schema = try CollectionSchema(encoded: bytes)
    #expect(schema.name == "fx_mixed")
    #expect(schema.enableDynamicField)
    #expect(schema.fields.map(\.name) == ["id", "vec", "b", "i8", "i64", "f", "d", "s", "j", "a_i32", "a_s"])
    #expect(schema.primaryKey?.name == "id" && schema.primaryKey?.description == "key")
    #expect(schema.fields[1].dataType == .floatVector && schema.fields[1].dimension == 4)
    #expect(schema.fields[10].elementType == .varChar)
    #expect(try schema.encoded() == bytes)
  }
}
