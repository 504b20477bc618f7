import CDCBridge
import MilvusWire
import Synchronization
import TestSupport
import Testing

/// A whole task between two fake clusters: what an application does on the source arrives on the target.
@Suite struct ReconcileRunnerTests {
  struct Route: Sendable, CustomTestStringConvertible {
    var source: FakeCluster.Manners, target: FakeCluster.Manners
    var testDescription: String { "\(source.versionText) → \(target.versionText)" }
  }
  static let routes = [
    Route(source: .milvus235, target: .lite), Route(source: .lite, target: .milvus235),
    Route(source: .milvus235, target: .milvus235), Route(source: .lite, target: .lite),
  ]

  private func started(
    _ route: Route = routes[0], patterns: [(String, String)] = [("*", "*")],
    _ prepare: (SourceScene) async throws -> Void = { _ in }
  ) async throws -> RunnerHarness {
    let harness = RunnerHarness(route.source, route.target, patterns: patterns)
    try await prepare(harness.scene)
    await harness.start()
    return harness
  }

  @Test(arguments: routes)
  func `what exists is copied with its index, load state, aliases, partitions and databases`(_ route: Route) async throws {
    let harness = try await started(route) { scene in
      try await scene.make("a", rows: 5, partitions: ["p1"])
      scene.put("a", 9, partition: "p1")
      try await scene.make("b", database: "films")
      try await scene.cluster.createAlias("al", for: Sample.path("a"))
      try await scene.cluster.alterCollection(
        Sample.path("a"), set: [KeyValuePair("collection.ttl.seconds", "99")], delete: [])
    }
    harness.expectEqual()
    #expect(harness.board.phase == .following)
    #expect(harness.board.capture == .reconcile)
    #expect(harness.board.captureReason.contains("no log"))
    let seen = try #require(harness.collection("a"))
    #expect(seen.state == .following)
    #expect(seen.isCopied)
    #expect(seen.inserted == 6)
    #expect(seen.rowsTotal == 6)
    #expect(seen.watermarkUnixMs != nil)
    #expect(await harness.stop() == nil)
  }

  @Test(arguments: [routes[0], routes[2]])
  func `a new collection is indexed after its rows, on Lite before them`(_ route: Route) async throws {
    let harness = try await started(route) { try await $0.make("a") }
    let methods = harness.target.calls.map(\.method)
    let index = try #require(methods.firstIndex(of: "CreateIndex"))
    // What the stand-in for the row engine calls where it writes.
    let rows = try #require(methods.firstIndex(of: "HasCollection"))
    #expect((index < rows) == route.target.isLite)
    // A new collection of Lite is loaded as it is.
    #expect(!methods[..<rows].contains("LoadCollection"))
    harness.expectEqual()
    #expect(await harness.stop() == nil)
  }

  @Test(arguments: routes)
  func `inserts, updates and deletes follow`(_ route: Route) async throws {
    let harness = try await started(route) { try await $0.make("a") }
    harness.scene.put("a", 4)
    harness.scene.put("a", 2, value: 7)
    harness.scene.remove("a", 1)
    await harness.advance()
    harness.expectEqual()
    let seen = try #require(harness.collection("a"))
    #expect([seen.inserted, seen.updated, seen.deleted] == [4, 1, 1])
    await harness.stop()
  }

  @Test(arguments: routes)
  func `new, dropped and recreated collections follow`(_ route: Route) async throws {
    let harness = try await started(route) { scene in
      try await scene.make("a")
      try await scene.make("b")
      try await scene.make("c")
    }
    try await harness.source.dropCollection(Sample.path("a"))
    try await harness.source.dropCollection(Sample.path("b"))
    try await harness.scene.make("b", rows: 1, more: [Sample.field("n", .int64)])
    try await harness.scene.make("d")
    await harness.advance()
    harness.expectEqual()
    #expect(harness.board.collections.map(\.source.name) == ["b", "c", "d"])
    await harness.stop()
  }

  @Test(arguments: routes)
  func `renames follow, also chains and swaps`(_ route: Route) async throws {
    let harness = try await started(route) { scene in
      for (name, rows) in [("a", 1), ("b", 2), ("c", 3)] { try await scene.make(name, rows: Int64(rows)) }
    }
    let source = harness.source
    try await source.renameCollection(Sample.path("a"), to: Sample.path("tmp"))
    try await source.renameCollection(Sample.path("b"), to: Sample.path("a"))
    try await source.renameCollection(Sample.path("tmp"), to: Sample.path("b"))
    try await source.renameCollection(Sample.path("c"), to: Sample.path("d"))
    await harness.advance()
    harness.expectEqual()
    if !route.source.isLite {
      // Nothing was copied again: three renames and a way station.
      #expect(harness.target.calls.count { $0.method == "RenameCollection" } == 4)
      #expect(!harness.target.calls.contains { $0.method == "DropCollection" })
    }
    await harness.stop()
  }

  /// Also to the name of one that is not being written at that time.
  @Test(arguments: routes, ["c", "b"])
  func `a collection that is renamed while its rows are written is not made twice`(_ route: Route, name: String) async throws {
    let harness = RunnerHarness(route.source, route.target)
    try await harness.scene.make("a", rows: 3)
    let source = harness.source, time = harness.time
    let isDone = Locked(false)
    harness.target.setPatience { [unowned harness] method in
      // What the stand-in for the row engine calls where it writes.
      guard method == "HasCollection",
        !isDone.withLock({
          let was = $0; $0 = true; return was
        })
      else { return }
      try? await source.renameCollection(Sample.path("a"), to: Sample.path(name))
      if name == "b" { try? await harness.scene.make("a", rows: 2) }
      let looks = source.calls.count { $0.method == "ShowCollections" }
      time.advance(by: .seconds(30))
      let end = ContinuousClock.now + .seconds(120)
      func hasLooked() -> Bool {
        let now = source.calls.count { $0.method == "ShowCollections" }
        return now > looks && harness.collection(name) != nil
      }
      while ContinuousClock.now < end, !hasLooked() {
        try? await Task.sleep(for: .milliseconds(1))
      }
    }
    await harness.start()
    #expect(isDone.withLock { $0 })
    for _ in 0..<3 { await harness.advance() }
    harness.expectEqual()
    #expect(Set(harness.board.collections.map(\.source.name)) == (name == "b" ? ["a", "b"] : ["c"]))
    #expect(harness.board.collections.allSatisfy { $0.state == .following && $0.hint == nil })
    let records = try harness.checkpoints.checkpoint().collections
    #expect(records.map(\.source.name).sorted() == (name == "b" ? ["a", "b"] : ["c"]))
    if !route.source.isLite { #expect(!harness.target.calls.contains { $0.method == "DropCollection" }) }
    await harness.stop()
  }

  /// An index that is made on the source while another collection is loaded comes with the next look: until then nobody may cut over.
  @Test func `the watermark is not later than the look that found the schema`() async throws {
    let harness = RunnerHarness(.lite, .milvus235)
    for name in ["a", "b"] { try await harness.scene.make(name) }
    let time = harness.time
    let isDone = Locked(false)
    harness.target.setPatience { method in
      guard method == "CreateCollection",
        !isDone.withLock({
          let was = $0; $0 = true; return was
        })
      else { return }
      time.advance(by: .seconds(7))
    }
    await harness.start()
    // The harness's clock of the day stands still.
    for name in ["a", "b"] {
      let watermark = try #require(harness.collection(name)?.watermarkUnixMs)
      #expect(watermark <= 1_700_000_000_000 - 7_000)
    }
    await harness.advance()
    for name in ["a", "b"] { #expect(try #require(harness.collection(name)?.watermarkUnixMs) > 1_700_000_000_000 - 7_000) }
    await harness.stop()
  }

  @Test(arguments: routes)
  func `aliases move and vanish`(_ route: Route) async throws {
    let harness = try await started(route) { scene in
      try await scene.make("a")
      try await scene.make("b")
      try await scene.cluster.createAlias("al", for: Sample.path("a"))
      try await scene.cluster.createAlias("old", for: Sample.path("a"))
    }
    try await harness.source.alterAlias("al", to: Sample.path("b"))
    try await harness.source.dropAlias(database: "default", alias: "old")
    try await harness.source.createAlias("new", for: Sample.path("a"))
    await harness.advance()
    harness.expectEqual()
    // The alias was never missing in between.
    let moves = harness.target.calls.map(\.method)
    #expect(moves.count { $0 == "DropAlias" } == 1)
    await harness.stop()
  }

  @Test(arguments: routes)
  func `partitions, indexes, properties and load state follow`(_ route: Route) async throws {
    let harness = try await started(route) { try await $0.make("a", partitions: ["p1", "p2"]) }
    let (source, path) = (harness.source, Sample.path("a"))
    if !route.source.isLite { try await source.releasePartitions(path, names: ["p1"]) }
    try await source.dropPartition(path, name: "p1")
    try await source.createPartition(path, name: "p3")
    if !route.source.isLite { try await source.loadCollection(path, options: LoadOptions()) }
    harness.scene.put("a", 77, partition: "p3")
    try await source.alterCollection(path, set: [KeyValuePair("timezone", "UTC")], delete: [])
    await harness.advance()
    harness.expectEqual()

    try await source.releaseCollection(path)
    let name = try #require(try await source.describeIndexes(path).first?.indexName)
    try await source.dropIndex(path, fieldName: "v", indexName: name)
    try await source.createIndex(
      path, index: Sample.index("v", "iv", ["index_type": "FLAT", "metric_type": "IP"]))
    try await source.releaseCollection(path)
    await harness.advance()
    harness.expectEqual()
    #expect(harness.collection("a")?.state == .waiting)
    #expect(harness.collection("a")?.hint?.contains("Load default.a") == true)

    try await source.loadCollection(path, options: LoadOptions())
    harness.scene.put("a", 5)
    await harness.advance()
    harness.expectEqual()
    #expect(harness.collection("a")?.state == .following)
    await harness.stop()
  }

  @Test(arguments: [routes[0], routes[2]])
  func `a partition key keeps its partitions to itself`(_ route: Route) async throws {
    let key = Sample.field("k", .int64) { $0.isPartitionKey = true }
    let harness = try await started(route) { try await $0.make("a", more: [key], numPartitions: 5) }
    harness.expectEqual()
    if !route.target.isLite {
      #expect(harness.target.withState { $0[Sample.path("a")]?.partitions.count } == 5)
    }
    #expect(!harness.target.calls.contains { $0.method.hasSuffix("Partition") })
    await harness.stop()
  }

  @Test func `only the collections that the task covers are touched`() async throws {
    let harness = try await started(patterns: [("default", "a"), ("default", "later")]) { scene in
      try await scene.make("a")
      try await scene.make("b")
    }
    #expect(harness.target.withState { $0.databases["default"]?.collections.keys.sorted() } == ["a"])
    #expect(harness.collection("later")?.state == .waiting)
    try await harness.scene.make("later")
    await harness.advance()
    #expect(harness.target.withState { $0.databases["default"]?.collections.keys.sorted() } == ["a", "later"])
    #expect(harness.collection("later")?.isCopied == true)
    await harness.stop()
  }

  @Test func `an alias in the list of the task is named and not a collection`() async throws {
    let harness = try await started(patterns: [("default", "al")]) { scene in
      try await scene.make("a")
      try await scene.cluster.createAlias("al", for: Sample.path("a"))
    }
    #expect(harness.target.withState { $0.databases["default"]?.collections.isEmpty } == true)
    #expect(harness.board.notReplicated.contains { $0.contains("alias of a") })
    await harness.stop()
  }

  @Test func `names are mapped`() async throws {
    let harness = RunnerHarness(.milvus235, .lite)
    harness.spec.withLock {
      $0.selection.mappings = [
        .init(sourceDatabase: "default", targetDatabase: "mirror", collections: [:]),
        .init(sourceDatabase: "default", targetDatabase: "other", collections: ["b": "bb"]),
      ]
    }
    try await harness.scene.make("a")
    try await harness.scene.make("b")
    await harness.start()
    let found = harness.target.withState { state in
      state.databases.mapValues { $0.collections.keys.sorted() }
    }
    #expect(found == ["default": [], "mirror": ["a"], "other": ["bb"]])
    await harness.stop()
  }

  @Test func `a database that the task made is dropped with its source, one that others use is kept`() async throws {
    let harness = try await started { scene in
      try await scene.make("a", database: "films")
      try await scene.make("b", database: "books")
    }
    try await harness.target.createCollection(
      CollectionCreation(path: Sample.path("mine", database: "books"), schema: Sample.schema("mine")))
    for database in ["films", "books"] {
      let name = database == "films" ? "a" : "b"
      try await harness.source.dropCollection(Sample.path(name, database: database))
      try await harness.source.dropDatabase(database)
    }
    await harness.advance()
    let found = harness.target.withState { state in state.databases.mapValues { $0.collections.keys.sorted() } }
    #expect(found == ["default": [], "books": ["mine"]])
    #expect(harness.board.notReplicated.contains { $0.contains("mine") })
    await harness.stop()
  }

  @Test func `the properties of a database follow where both servers know them, quotas are named`() async throws {
    let harness = try await started(Self.routes[3]) { scene in
      try await scene.cluster.createDatabase(
        "films", properties: [KeyValuePair("timezone", "UTC"), KeyValuePair("database.diskQuota.mb", "5")])
    }
    #expect(harness.target.withState { $0.databases["films"]?.properties } == [KeyValuePair("timezone", "UTC")])
    #expect(harness.board.notReplicated.contains { $0.contains("database.diskQuota.mb") })
    try await harness.source.alterDatabase("films", set: [], delete: ["timezone"])
    await harness.advance()
    #expect(harness.target.withState { $0.databases["films"]?.properties } == [])
    await harness.stop()
  }

  @Test func `Lite after a restart is loaded again`() async throws {
    let harness = try await started { try await $0.make("a") }
    harness.target.restart()
    #expect(harness.target.withState { $0[Sample.path("a")]?.isLoaded } == false)
    harness.scene.put("a", 8)
    await harness.advance()
    harness.expectEqual()
    await harness.stop()
  }

  @Test func `deletes on Lite that took rows of another partition are put right in a second round`() async throws {
    let harness = try await started { scene in
      try await scene.make("a", rows: 0, partitions: ["p1"])
      scene.put("a", 1, partition: "p1")
    }
    // The same key moves from p1 to the default partition: the delete in p1 hits both on Lite.
    harness.scene.put("a", 1, partition: "_default")
    await harness.advance()
    harness.expectEqual()
    await harness.stop()
  }

  @Test func `between looks nothing is asked and nothing is stored`() async throws {
    let harness = try await started { try await $0.make("a") }
    await harness.advance()
    let (calls, saves) = (harness.source.calls.count, harness.checkpoints.saves)
    harness.time.advance(by: .seconds(20))
    for _ in 0..<100 { await Task.yield() }
    #expect(harness.source.calls.count == calls)
    await harness.advance(by: .seconds(10))
    #expect(harness.source.calls.count > calls)
    #expect(harness.checkpoints.saves <= saves + 1)
    await harness.stop()
  }
}
