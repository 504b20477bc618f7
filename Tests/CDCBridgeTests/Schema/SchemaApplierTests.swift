import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Every step on both kinds of server, once and again: a repeat must end like the first time (`public-rpc.md` §3).
@Suite struct SchemaApplierTests {
  struct Server: Sendable, CustomTestStringConvertible {
    var manners: FakeCluster.Manners
    var profile: ServerProfile
    var testDescription: String { profile.title }
  }
  static let both = [
    Server(manners: .milvus235, profile: Sample.milvus235), Server(manners: .lite, profile: Sample.lite),
  ]
  private let path = Sample.path("a")

  private func applier(_ cluster: FakeCluster, _ server: Server) -> SchemaApplier {
    SchemaApplier(cluster: cluster, profile: server.profile, pause: { _ in true })
  }
  private func creation(_ name: String = "a") -> CollectionCreation {
    CollectionCreation(path: Sample.path(name), schema: Sample.schema(name))
  }
  /// A cluster with collection `a`.
  private func cluster(_ server: Server, _ more: [SchemaAction] = []) async throws -> FakeCluster {
    let cluster = FakeCluster(server.manners)
    let applier = applier(cluster, server)
    for action in [.createCollection(creation())] + more { try await applier.perform(action) }
    return cluster
  }

  @Test(arguments: both) func `every creating step may be repeated`(_ server: Server) async throws {
    let cluster = FakeCluster(server.manners)
    let applier = applier(cluster, server)
    let steps: [SchemaAction] = [
      .createDatabase("films", properties: []), .createCollection(creation()),
      .createPartition(path, "p1"), .createIndex(path, Sample.hnsw, standIn: nil),
      .load(path, partitions: nil), .setAlias("al", path, movableFrom: ["a"]),
      .alterCollection(path, set: [KeyValuePair("timezone", "UTC")], delete: []),
    ]
    for step in steps {
      try await applier.perform(step)
      let once = cluster.withState { $0.databases["default"]?.collections["a"]?.description }
      try await applier.perform(step)
      #expect(cluster.withState { $0.databases["default"]?.collections["a"]?.description } == once)
    }
    #expect(cluster.withState { $0.databases.keys.sorted() } == ["default", "films"])
    let made = try #require(cluster.withState { $0[self.path] })
    #expect(made.partitions.map(\.name) == ["_default", "p1"])
    #expect(made.indexes.count == 1)
    #expect(made.isLoaded)
    #expect(cluster.withState { $0.databases["default"]?.aliases } == ["al": "a"])
    #expect(cluster.violations == [])
  }

  @Test(arguments: both) func `every removing step may be repeated`(_ server: Server) async throws {
    let cluster = try await cluster(
      server,
      [
        .createDatabase("films", properties: []), .createPartition(path, "p1"),
        .createIndex(path, Sample.hnsw, standIn: nil), .load(path, partitions: nil),
        .setAlias("al", path, movableFrom: []),
      ])
    let applier = applier(cluster, server)
    let index = try #require(cluster.withState { $0[self.path]?.indexes.first?.indexName })
    for step: SchemaAction in [
      .dropPartition(path, "p1"), .release(path), .dropIndex(path, field: "v", name: index),
      .dropAlias(database: "default", alias: "al"), .dropCollection(path, identity: .unknown),
      .dropDatabase("films"),
    ] {
      try await applier.perform(step)
      try await applier.perform(step)
    }
    #expect(cluster.withState { $0.databases.keys.sorted() } == ["default"])
    #expect(cluster.withState { $0.databases["default"]?.collections.isEmpty } == true)
    #expect(cluster.withState { $0.databases["default"]?.aliases.isEmpty } == true)
  }

  @Test(arguments: both) func `a step whose answer was lost ends well when it is repeated`(_ server: Server) async throws {
    let steps: [SchemaAction] = [
      .createPartition(path, "p1"), .createIndex(path, Sample.hnsw, standIn: nil),
      .setAlias("al", path, movableFrom: []), .dropPartition(path, "p1"),
      .renameCollection(path, to: Sample.path("b"), identity: .unknown),
    ]
    let cluster = try await cluster(server)
    let applier = applier(cluster, server)
    let changing: Set<String> = [
      "CreatePartition", "CreateIndex", "CreateAlias", "DropPartition", "RenameCollection",
    ]
    for step in steps {
      cluster.setFaults { changing.contains($0.method) ? .timeoutAfter : nil }
      await #expect(throws: BridgeError.self) { try await applier.perform(step) }
      cluster.setFaults { _ in nil }
      try await applier.perform(step)
    }
    #expect(cluster.withState { $0.databases["default"]?.collections.keys.sorted() } == ["b"])
    #expect(cluster.withState { $0.databases["default"]?.aliases } == ["al": "b"])
  }

  @Test(arguments: both) func `an alias moves from one collection of the task to another`(_ server: Server) async throws {
    let cluster = try await cluster(server, [.createCollection(creation("b")), .setAlias("al", path, movableFrom: [])])
    let applier = applier(cluster, server)
    try await applier.perform(.setAlias("al", Sample.path("b"), movableFrom: ["a", "b"]))
    #expect(cluster.withState { $0.databases["default"]?.aliases } == ["al": "b"])
  }

  @Test(arguments: both) func `an alias of somebody else stays where it is and is named`(_ server: Server) async throws {
    let cluster = try await cluster(server, [.createCollection(creation("b")), .setAlias("al", path, movableFrom: [])])
    let notes = try await applier(cluster, server).perform(
      .setAlias("al", Sample.path("b"), movableFrom: ["b"]))
    #expect(notes.count == 1)
    #expect(cluster.withState { $0.databases["default"]?.aliases } == ["al": "a"])
  }

  @Test func `an alias name that 2.3.5 keeps after a drop is moved`() async throws {
    let server = Self.both[0]
    let cluster = try await cluster(server, [.createCollection(creation("b"))])
    cluster.withState { $0.databases["default"]?.aliases["al"] = "gone" }
    cluster.setFaults {
      $0.method == "DescribeAlias" ? .status(MilvusStatus(code: 1600, reason: "alias not found")) : nil
    }
    try await applier(cluster, server).perform(.setAlias("al", Sample.path("b"), movableFrom: []))
    #expect(cluster.withState { $0.databases["default"]?.aliases } == ["al": "b"])
  }

  @Test(arguments: both) func `dropping a collection takes its aliases first`(_ server: Server) async throws {
    let cluster = try await cluster(server, [.setAlias("al", path, movableFrom: [])])
    try await applier(cluster, server).perform(.dropCollection(path, identity: .unknown))
    let methods = cluster.calls.map(\.method)
    let alias = try #require(methods.lastIndex(of: "DropAlias"))
    let collection = try #require(methods.lastIndex(of: "DropCollection"))
    #expect(alias < collection)
  }

  @Test func `Lite is never asked to drop a collection by its alias`() async throws {
    let server = Self.both[1]
    let cluster = try await cluster(server, [.setAlias("al", path, movableFrom: [])])
    try await applier(cluster, server).perform(.dropCollection(Sample.path("al"), identity: .unknown))
    #expect(cluster.withState { $0[self.path] } != nil)
  }

  @Test func `a collection that took the name is not dropped`() async throws {
    let server = Self.both[0]
    let cluster = try await cluster(server)
    let error = await #expect(throws: BridgeError.self) {
      try await applier(cluster, server).perform(
        .dropCollection(path, identity: CollectionIdentity(id: 999_999, createdAt: TimeTick(1))))
    }
    #expect(error?.code == .notOwned)
    #expect(cluster.withState { $0[self.path] } != nil)
  }

  @Test(arguments: both) func `a rename to a name that is taken is refused`(_ server: Server) async throws {
    let cluster = try await cluster(server, [.createCollection(creation("b"))])
    let error = await #expect(throws: BridgeError.self) {
      try await applier(cluster, server).perform(
        .renameCollection(path, to: Sample.path("b"), identity: CollectionIdentity(id: 5, createdAt: TimeTick(5))))
    }
    #expect(error?.code == .notOwned)
  }

  @Test func `an index that is not there is not dropped, whatever else there is`() async throws {
    let server = Self.both[1]
    let cluster = try await cluster(server, [.createIndex(path, Sample.hnsw, standIn: nil), .release(path)])
    try await applier(cluster, server).perform(.dropIndex(path, field: "v", name: "other"))
    #expect(!cluster.calls.contains { $0.method == "DropIndex" })
    #expect(cluster.withState { $0[self.path]?.indexes.count } == 1)
  }

  @Test func `a refused vector index is replaced by its stand-in and named`() async throws {
    let server = Self.both[0]
    let cluster = try await cluster(server)
    cluster.setFaults { call in
      let isFirst = call.method == "CreateIndex" && call.index < 3
      return isFirst ? .status(MilvusStatus(code: 1100, reason: "invalid index type: FANCY")) : nil
    }
    let fancy = Sample.index("v", "iv", ["index_type": "FANCY", "metric_type": "L2"])
    let flat = Sample.index("v", "iv", ["index_type": "FLAT", "metric_type": "L2"])
    let notes = try await applier(cluster, server).perform(.createIndex(path, fancy, standIn: flat))
    #expect(notes.count == 1)
    #expect(notes[0].contains("invalid index type: FANCY"))
    #expect(cluster.withState { $0[self.path]?.indexes.first?.params["index_type"] } == "FLAT")
  }

  @Test func `a database that holds collections of others is kept and named`() async throws {
    let server = Self.both[0]
    let cluster = try await cluster(server, [.createDatabase("films", properties: [])])
    try await applier(cluster, server).perform(
      .createCollection(CollectionCreation(path: Sample.path("x", database: "films"), schema: Sample.schema("x"))))
    let notes = try await applier(cluster, server).perform(.dropDatabase("films"))
    #expect(notes.count == 1)
    #expect(cluster.withState { $0.databases["films"] } != nil)
  }

  static let dangers: [SchemaAction] = [
    .dropDatabase("default"), .dropDatabase(""), .createDatabase("", properties: []),
    .alterDatabase("", set: [], delete: []), .dropCollection(Sample.path(""), identity: .unknown),
    .release(Sample.path("")), .load(Sample.path("a"), partitions: []),
    .dropPartition(Sample.path("a"), "_default"), .dropPartition(Sample.path("a"), ""),
    .dropIndex(Sample.path("a"), field: "v", name: ""), .dropIndex(Sample.path("a"), field: "", name: "iv"),
    .dropAlias(database: "default", alias: ""),
    .renameCollection(Sample.path("a"), to: Sample.path("a", database: "films"), identity: .unknown),
    .createCollection(CollectionCreation(path: Sample.path("a"), schema: Sample.schema("b"))),
  ]
  @Test(arguments: dangers) func `what would harm a server is not sent`(_ action: SchemaAction) async throws {
    let cluster = FakeCluster(.lite)
    let error = await #expect(throws: BridgeError.self) {
      try await applier(cluster, Self.both[1]).perform(action)
    }
    #expect(error?.code == .dangerousValue)
    #expect(cluster.calls == [])
  }
}
