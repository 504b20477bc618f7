import MilvusWire
import Testing

/// Answers recorded from Milvus 2.3.5 and Milvus Lite 3.2.2 (`Fixtures/public-rpc`).
@Suite struct ResponseTests {
  private let path = CollectionPath(database: "", name: "fx_mixed")

  @Test func serverCalls() async throws {
    let milvus = try await client("m235-connect").connect()
    #expect(milvus.buildTags == "v2.3.5-lite" && milvus.deployMode == "STANDALONE")
    #expect(milvus.buildTime == "Fri Jan 19 14:23:10 UTC 2024" && milvus.gitCommit == "9aceff5a6")
    #expect(milvus.identifier == 470_600_837_614_796_827)
    let lite = try await client("lite322-connect").connect()
    #expect(lite.buildTags == "milvus_lite" && lite.deployMode == "embedded" && lite.identifier == 0)
    #expect(try await client("m235-getversion").getVersion() == "v2.3.5-lite")
    #expect(try await client("lite322-getversion").getVersion() == "milvus_lite-3.2.2")
    #expect(try await client("m235-checkhealth").checkHealth() == HealthReport())
    #expect(try await client("m235-listdatabases").listDatabases() == ["default"])
  }

  @Test func aMilvusWithoutConnectIsNoError() async throws {
    let absent = RPCError(.unimplemented, "unknown method Connect", initiator: .remote)
    let caller = RecordedCaller(["Connect": .failure(absent), "GetVersion": .success([0x12, 1, 0x76])])
    #expect(try await MilvusClient(caller: caller).connect() == ServerInfo())
    #expect(caller.requests.map(\.method) == ["Connect", "GetVersion"])
  }

  @Test func aServerThatIsNoMilvusIsAnError() async {
    let unknown = RPCError(
      .unimplemented, "unknown service milvus.proto.milvus.MilvusService", initiator: .remote)
    await #expect(throws: CallError.rpc(unknown, method: "GetVersion")) {
      try await MilvusClient(caller: RecordedCaller(unknown)).connect()
    }
    let refused = RPCError(.unauthenticated, "auth check failure", initiator: .remote)
    await #expect(throws: CallError.rpc(refused, method: "Connect")) {
      try await MilvusClient(caller: RecordedCaller(refused)).connect()
    }
  }

  @Test func collectionsOfMilvus() async throws {
    let summary = try await client("m235-showcollections").showCollections(database: "default")
    #expect(summary.map(\.name) == ["fx_mixed"])
    #expect(summary.map(\.id) == [470_600_833_006_305_388])
    #expect(summary.map(\.createdAt.unixMilliseconds) == [1_795_199_728_499])
    let collection = try await client("m235-describecollection").describeCollection(path)
    #expect(collection.id == 470_600_833_006_305_388)
    #expect(collection.virtualChannelNames == ["by-dev-rootcoord-dml_0_470600833006305388v0"])
    #expect(collection.physicalChannelNames == ["by-dev-rootcoord-dml_0"])
    #expect(collection.createdAt == TimeTick(470_600_837_627_641_863))
    #expect(collection.shardsNum == 1 && collection.consistencyLevel == 2 && collection.numPartitions == 2)
    #expect(collection.aliases == ["fx_mixed_alias"])
    #expect(collection.name == "fx_mixed" && collection.dbName == "default")
    #expect(collection.properties == [KeyValuePair("collection.ttl.seconds", "86400")])
    #expect(collection.schema.fields.map(\.fieldID) == Array(100...110))
    #expect(collection.schema.fields[10].typeParams["max_length"] == "16")
    #expect(collection.schema.enableDynamicField && !collection.schema.autoID)
  }

  @Test func collectionsOfLite() async throws {
    let summary = try await client("lite322-showcollections").showCollections(database: "default")
    #expect(summary == [CollectionSummary(name: "fx_mixed")])
    let collection = try await client("lite322-describecollection-null").describeCollection(path)
    #expect(collection.schema.fields.map(\.nullable) == [false, false, true, false, false, true, false])
    #expect(collection.schema.fields[3].defaultValue == .double(1.5))
    #expect(collection.schema.fields[4].dataType == .sparseFloatVector)
    #expect(collection.schema.fields[5].dataType == .timestamptz)
    #expect(collection.schema.primaryKey?.name == "id")
  }

  @Test func partitionsIndexesAndLoad() async throws {
    let partitions = try await client("m235-showpartitions").showPartitions(path)
    #expect(partitions.map(\.name) == ["_default", "p1"])
    #expect(partitions.map(\.id) == [470_600_833_006_305_389, 470_600_833_006_305_395])
    let lite = try await client("lite322-showpartitions").showPartitions(path)
    #expect(lite == [PartitionDescription(name: "_default"), PartitionDescription(name: "p1")])
    let indexes = try await client("m235-describeindex").describeIndexes(path)
    #expect(indexes.map(\.indexName) == ["vec_hnsw"] && indexes.map(\.fieldName) == ["vec"])
    #expect(indexes.map(\.state) == [3])
    #expect(indexes[0].params["params"] == #"{"M":8,"efConstruction":64}"#)
    #expect(try await client("m235-getloadstate").loadState(path, partitions: []) == .loading)
    #expect(try await client("lite322-getloadstate").loadState(path, partitions: []) == .loaded)
  }

  @Test func aMissingIndexIsAnEmptyList() async throws {
    // {code: 700} as Milvus says it; {error_code: 25} alone as servers before 2.3 did.
    #expect(try await answering([0x0A, 3, 0x18, 0xBC, 0x05]).describeIndexes(path) == [])
    #expect(try await answering([0x0A, 2, 0x08, 25]).describeIndexes(path) == [])
    await #expect(throws: CallError.self) { try await answering([0x0A, 2, 0x18, 100]).describeIndexes(path) }
  }

  @Test func pagesKeepColumnsWhereTheyArrived() async throws {
    let page = try await client("m235-query").query(RowQuery(path: path, outputFields: ["*"]))
    #expect(page.columns.count == 12)
    #expect(page.bytes == (try FixtureFiles.bytes("public-rpc/m235-query-resp.bin")))
    let names = try page.columns.map { range in
      var reader = WireReader(page.bytes, in: range)
      while let field = try reader.next() {
        if field.number == 2, let name = field.range {
          return String(decoding: page.bytes[name], as: UTF8.self)
        }
      }
      return ""
    }
    #expect(Set(names) == ["id", "vec", "b", "i8", "i64", "f", "d", "s", "j", "a_i32", "a_s", "$meta"])
    #expect(
      try await client("m235-query-empty").query(RowQuery(path: path, outputFields: ["id"])).columns.count
        == 2)
  }

  @Test func countsAreRead() async throws {
    #expect(try await client("m235-query-count").count(path, expression: "", partitions: []) == 4)
    #expect(try await client("lite322-query-count").count(path, expression: "", partitions: []) == 4)
    await #expect(throws: CallError.self) {
      try await client("m235-query-empty").count(path, expression: "", partitions: [])
    }
    let batch = RowBatch(path: path, columns: [[]], rowCount: 1)
    var counts = try await client("m235-upsert").upsert(batch)
    #expect(counts.inserted == 4 && counts.deleted == 4 && counts.upserted == 4)
    counts = try await client("lite322-delete").delete(path, expression: "id in [1]", partition: "")
    #expect(counts.inserted == 0 && counts.deleted == 2 && counts.upserted == 0)
  }

  @Test func aMilvusStatusIsAnError() async throws {
    let absent = await status { () async throws(CallError) in
      _ = try await client("m235-describecollection-absent").describeCollection(path)
    }
    #expect(absent?.code == 100 && absent?.legacyErrorCode == 1)
    #expect(absent?.detail == "collection not found[database=default][collection=fx_absent]")
    let batch = RowBatch(path: path, columns: [[]], rowCount: 1)
    let insert = await status { () async throws(CallError) in
      _ = try await client("m235-insert-nocollection").insert(batch)
    }
    #expect(insert?.code == 100 && insert?.legacyErrorCode == 4)
    let query = await status { () async throws(CallError) in
      _ = try await client("lite322-query-notloaded").query(RowQuery(path: path, outputFields: ["id"]))
    }
    #expect(query?.code == nil, "Lite answers: a collection without index is always loaded")
    let again = await status { () async throws(CallError) in
      try await client("lite322-createcollection-again").createPartition(path, name: "p")
    }
    #expect(again?.reason == "collection 'fx_mixed' already exists")
  }

  @Test func bothCodesOfAStatusCount() async throws {
    // Lite: error_code 0, code 1. Servers before 2.3: error_code only. Early 2.3: flags above bit 16.
    for (bytes, code): ([UInt8], Int32) in [
      ([0x18, 1], 1), ([0x08, 26], 26), ([0x18, 0xE4, 0x80, 0x04], 100),
    ] {
      let failure = await status { () async throws(CallError) in
        try await answering(bytes).createPartition(path, name: "p")
      }
      #expect(failure?.decidingCode == code)
    }
    try await answering([]).createPartition(path, name: "p")
  }

  @Test func anOddTextDoesNotHideTheCode() async {
    // reason with a NUL and a byte that is not UTF-8; extra_info is a map.
    let odd: [UInt8] = [0x12, 3, 0x61, 0, 0xFF, 0x18, 5, 0x20, 1, 0x32, 6, 0x0A, 1, 0x6B, 0x12, 1, 0x76]
    let failure = await status { () async throws(CallError) in
      try await answering(odd).createPartition(path, name: "p")
    }
    #expect(failure?.code == 5 && failure?.isRetriable == true && failure?.reason == "a\0\u{FFFD}")
    #expect(failure?.extraInfo == ["k": "v"])
  }

  @Test func keysInAnExpressionAreNotShown() async throws {
    var status = WireWriter()
    status.string(2, "cannot parse expression: id in [\"secret\"], error: mismatched input")
    status.varint(3, 1100)
    var answer = WireWriter()
    answer.lengthDelimited(1, status.bytes)
    do {
      _ = try await answering(answer.bytes).delete(path, expression: "id in [\"secret\"]", partition: "")
      Issue.record("no error")
    } catch {
      #expect("\(error)" == "Delete: Milvus code 1100: cannot parse expression: …, error: mismatched input")
    }
  }

  @Test func garbageIsAnErrorThatNamesTheCall() async throws {
    await #expect(throws: CallError.self) { try await answering([0xFF]).listDatabases() }
    await #expect(throws: CallError.self) { try await answering([0x0A, 0x05, 1]).listDatabases() }
    do {
      _ = try await answering([0x10, 1]).listDatabases()
      Issue.record("no error")
    } catch {
      #expect(
        "\(error)" == "ListDatabases: milvus.proto.milvus.ListDatabasesResponse.db_names has wire type 0")
    }
    do {
      _ = try await answering([0x10, 9]).loadState(path, partitions: [])
      Issue.record("no error")
    } catch { #expect("\(error)" == "GetLoadState: load state 9 is not known") }
    do {
      _ = try await answering([]).describeCollection(path)
      Issue.record("no error")
    } catch { #expect("\(error)" == "DescribeCollection: the answer has no schema") }
  }

  private func client(_ recording: String) -> MilvusClient {
    let bytes = try? FixtureFiles.bytes("public-rpc/\(recording)-resp.bin")
    if bytes == nil { Issue.record("no recording \(recording)") }
    return answering(bytes ?? [0xFF])
  }

  private func status(_ call: () async throws(CallError) -> Void) async -> MilvusStatus? {
    do throws(CallError) {
      try await call()
    } catch {
      if case .status(let status, _) = error { return status }
      Issue.record("\(error)")
    }
    return nil
  }

  private func answering(_ bytes: [UInt8]) -> MilvusClient { MilvusClient(caller: RecordedCaller(bytes)) }
}
