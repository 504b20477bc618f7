import MilvusWire
import Testing

/// Requests against those that Google's Python runtime wrote (`Fixtures/public-rpc`). Ours name the database
/// as well.
@Suite struct RequestTests {
  private let path = CollectionPath(database: "", name: "fx_mixed")

  @Test func objectCallsAreWrittenAsTheOfficialRuntimeWritesThem() async throws {
    try await same("createpartition") { try await $0.createPartition(path, name: "p1") }
    try await same("createalias") { try await $0.createAlias("fx_mixed_alias", for: path) }
    try await same("describecollection") { _ = try? await $0.describeCollection(path) }
    try await same("describeindex") { _ = try await $0.describeIndexes(path) }
    try await same("flush") { try await $0.flush(path) }
    var index = IndexDescription(fieldName: "vec", indexName: "vec_hnsw")
    index.params = [
      KeyValuePair("index_type", "HNSW"), KeyValuePair("metric_type", "L2"),
      KeyValuePair("params", #"{"M":8,"efConstruction":64}"#),
    ]
    try await same("createindex") { try await $0.createIndex(path, index: index) }
  }

  @Test func rowCallsAreWrittenAsTheOfficialRuntimeWritesThem() async throws {
    var query = RowQuery(path: path, outputFields: ["*"])
    query.limit = 100
    query.isScan = true
    try await same("query") { _ = try await $0.query(query) }
    try await same("query-count") { _ = try? await $0.count(path, expression: "", partitions: []) }
    try await same("delete") { _ = try await $0.delete(path, expression: "id in [1,-3]", partition: "") }
  }

  @Test func aCollectionIsCreatedFromItsSchemaBytes() async throws {
    let schema = try CollectionSchema(
      encoded: FixtureFiles.bytes("public-rpc/m235-createcollection-schema.bin"))
    var creation = CollectionCreation(path: path, schema: schema)
    creation.shardsNum = 1
    creation.consistencyLevel = 2
    creation.properties = [KeyValuePair("collection.ttl.seconds", "86400")]
    try await same("createcollection") { try await $0.createCollection(creation) }
  }

  @Test func columnsOfAnInsertAreSentAsTheyAre() async throws {
    let golden = try FixtureFiles.bytes("public-rpc/m235-insert-req.bin")
    var columns: [[UInt8]] = []
    var reader = WireReader(golden)
    while let field = try reader.next() {
      if field.number == 5, let range = field.range { columns.append(Array(golden[range])) }
    }
    #expect(columns.count == 12)
    var batch = RowBatch(path: path, columns: columns, rowCount: 4)
    batch.partition = "p1"
    try await same("insert") { _ = try await $0.insert(batch) }
    let caller = RecordedCaller([])
    _ = try await MilvusClient(caller: caller).upsert(batch)
    #expect(try withoutDatabase(caller.requests[0].message) == golden)
    #expect(caller.requests[0].method == "Upsert")
  }

  @Test func aReadTimestampIsSentWithItsLevel() async throws {
    let caller = RecordedCaller([])
    var query = RowQuery(path: path, outputFields: ["id"])
    query.consistency = .at(TimeTick(7))
    query.partitions = ["a", "b"]
    query.expression = "id > 3"
    _ = try await MilvusClient(caller: caller).query(query)
    // 4 expr, 5 output_fields, 6 partition_names, 8 guarantee_timestamp = 7, 11 consistency_level = 4
    let expected: [UInt8] =
      [0x12, 7] + Array("default".utf8) + [0x1A, 8] + Array("fx_mixed".utf8) + [0x22, 6]
      + Array("id > 3".utf8)
      + [0x2A, 2, 0x69, 0x64, 0x32, 1, 0x61, 0x32, 1, 0x62, 0x40, 7, 0x58, 4]
    #expect(caller.requests[0].message == expected)
  }

  @Test func anExpressionMayHoldANUL() async throws {
    let caller = RecordedCaller([])
    _ = try await MilvusClient(caller: caller).delete(path, expression: "id in [\"a\0b\"]", partition: "p")
    let expression = Array("id in [\"a\0b\"]".utf8)
    #expect(caller.requests[0].message.suffix(expression.count) == expression[...])
  }

  @Test func renameNamesBothDatabases() async throws {
    let caller = RecordedCaller([])
    let client = MilvusClient(caller: caller)
    try await client.renameCollection(
      CollectionPath(database: "a", name: "x"), to: CollectionPath(database: "b", name: "y"))
    #expect(caller.requests[0].message == [0x12, 1, 0x61, 0x1A, 1, 0x78, 0x22, 1, 0x79, 0x2A, 1, 0x62])
  }

  @Test func loadStateUsesItsOwnFieldNumbers() async throws {
    let caller = RecordedCaller([])
    let client = MilvusClient(caller: caller)
    _ = try await client.loadState(CollectionPath(database: "d", name: "c"), partitions: ["p"])
    #expect(caller.requests[0].message == [0x12, 1, 0x63, 0x1A, 1, 0x70, 0x22, 1, 0x64])
    try await client.dropAlias(database: "d", alias: "a")
    #expect(caller.requests[1].message == [0x12, 1, 0x64, 0x1A, 1, 0x61])
  }

  @Test func whatAServerReadsAsEverythingIsNotSent() async throws {
    let caller = RecordedCaller([])
    let client = MilvusClient(caller: caller)
    let nameless = CollectionPath(database: "d", name: "")
    let batch = RowBatch(path: path, columns: [[1]], rowCount: 1)
    await refused("Delete: expr is empty") {
      _ = try await client.delete(path, expression: "", partition: "")
    }
    await refused("Delete: expr is empty") {
      _ = try await client.delete(path, expression: " \n", partition: "")
    }
    await refused("DropIndex: index_name is empty") {
      try await client.dropIndex(path, fieldName: "f", indexName: "")
    }
    await refused("DropIndex: field_name is empty") {
      try await client.dropIndex(path, fieldName: "", indexName: "i")
    }
    await refused("DropCollection: collection_name is empty") { try await client.dropCollection(nameless) }
    await refused("DropPartition: partition_name is empty") { try await client.dropPartition(path, name: "") }
    await refused("AlterDatabase: db_name is empty") {
      try await client.alterDatabase("", set: [], delete: [])
    }
    await refused("DropDatabase: db_name is empty") { try await client.dropDatabase("") }
    await refused("Insert: 0 rows in 1 columns") {
      _ = try await client.insert(RowBatch(path: path, columns: [[1]], rowCount: 0))
    }
    await refused("Insert: 1 rows in 0 columns") {
      _ = try await client.insert(RowBatch(path: path, columns: [], rowCount: 1))
    }
    await refused("Upsert: 4294967296 rows in 1 columns") {
      _ = try await client.upsert(RowBatch(path: path, columns: [[1]], rowCount: 1 << 32))
    }
    await refused("Insert: collection_name is empty") {
      _ = try await client.insert(RowBatch(path: nameless, columns: batch.columns, rowCount: 1))
    }
    await refused("ReleasePartitions: partition_names is empty") {
      try await client.releasePartitions(path, names: [])
    }
    await refused("Query: limit is 0") {
      var query = RowQuery(path: path, outputFields: [])
      query.limit = 0
      _ = try await client.query(query)
    }
    #expect(caller.requests.isEmpty)
  }

  @Test func aCallCarriesItsPathDeadlineAndCredential() async throws {
    let caller = RecordedCaller([])
    // base64 of root:Milvus, padded (RFC 4648 §4).
    let client = MilvusClient(caller: caller, token: Secret("root:Milvus"))
    _ = try await client.getVersion()
    _ = try await client.query(RowQuery(path: path, outputFields: ["id"]))
    try await client.loadCollection(path, options: LoadOptions())
    #expect(
      caller.requests.map(\.path) == [
        "/milvus.proto.milvus.MilvusService/GetVersion", "/milvus.proto.milvus.MilvusService/Query",
        "/milvus.proto.milvus.MilvusService/LoadCollection",
      ])
    #expect(caller.requests.map(\.timeout) == [.seconds(10), .seconds(180), .seconds(60)])
    #expect(caller.requests.allSatisfy { $0.authorization == "cm9vdDpNaWx2dXM=" })
    let open = RecordedCaller([])
    _ = try await MilvusClient(caller: open).getVersion()
    #expect(open.requests[0].authorization == nil)
  }

  // MARK: Helpers

  /// The request of a call equals the recorded one once its `db_name` is taken out.
  private func same(_ name: String, _ call: (MilvusClient) async throws -> Void) async throws {
    let caller = RecordedCaller([])
    try await call(MilvusClient(caller: caller))
    let golden = try FixtureFiles.bytes("public-rpc/m235-\(name)-req.bin")
    let request = try #require(caller.requests.first)
    #expect(try withoutDatabase(request.message) == golden, "\(name)")
  }

  private func withoutDatabase(_ message: [UInt8]) throws -> [UInt8] {
    var reader = WireReader(message)
    let field = try #require(try reader.next())
    let range = try #require(field.range)
    #expect(field.number == 2 && message[range] == Array("default".utf8)[...])
    return Array(message[range.upperBound...])
  }

  private func refused(_ description: String, _ call: () async throws -> Void) async {
    do {
      try await call()
      Issue.record("sent: \(description)")
    } catch { #expect("\(error)" == description) }
  }
}
