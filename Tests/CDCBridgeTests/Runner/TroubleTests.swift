import CDCBridge
import MilvusWire
import Synchronization
import TestSupport
import Testing

/// What goes wrong around a task: servers that go away, collections that cannot be replicated, state that cannot be read.
@Suite struct TroubleTests {
  @Test func `a target that is away is shown with the reason and the next try, and the task recovers by itself`() async throws {
    let harness = RunnerHarness()
    try await harness.scene.make("a")
    harness.target.setFaults { _ in .notListening }
    await harness.start()
    var delays: [Duration] = []
    for attempt in 1...9 {
      let board = harness.board
      #expect(board.phase == .retrying)
      #expect(board.lastError?.contains("connection refused") == true)
      #expect(board.lastError?.contains("target") == true)
      #expect(board.retryAttempt == attempt)
      let next = try #require(board.nextRetryAt)
      delays.append(next - harness.time.now)
      await harness.advance(by: next - harness.time.now)
    }
    #expect(delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30].map { .milliseconds(Int64($0 * 1000)) })
    harness.target.setFaults { _ in nil }
    await harness.advance()
    harness.expectEqual()
    #expect(harness.board.phase == .following)
    #expect(harness.board.lastError == nil)
    #expect(harness.board.nextRetryAt == nil)
    #expect(harness.board.retryAttempt == 0)
    await harness.stop()
  }

  /// The second that fails is tried again later than the first: until then the task has not caught up.
  @Test func `a collection is on the board from when the source names it, whatever its first look came to`() async throws {
    let harness = RunnerHarness()
    for name in ["a", "b", "c"] { try await harness.scene.make(name) }
    let failures = Locked(0)
    harness.target.setFaults { call in
      guard call.method == "CreateCollection", call.path != Sample.path("c") else { return nil }
      return failures.withLock {
        $0 += 1; return $0
      } <= 2 ? .dropBefore : nil
    }
    await harness.start()
    func names() -> [String] { harness.board.collections.map(\.source.name) }
    #expect(names() == ["a", "b", "c"])
    await harness.advance(by: try #require(harness.board.nextRetryAt) - harness.time.now)
    #expect(names() == ["a", "b", "c"])
    await harness.advance()
    #expect(harness.board.collections.allSatisfy { $0.state == .following })
    #expect(failures.withLock { $0 } == 4)
    harness.expectEqual()
    // Known from the checkpoint as copied, and not yet looked at.
    await harness.stop()
    harness.target.setFaults { $0.method == "DescribeCollection" && $0.path == Sample.path("b") ? .dropBefore : nil }
    await harness.start()
    let waiting = try #require(harness.collection("b"))
    #expect(waiting.state != .following && waiting.isCopied && waiting.watermarkUnixMs != nil)
    await harness.stop()
  }

  @Test func `a task says that it follows only when it has copied`() async throws {
    let harness = RunnerHarness()
    try await harness.scene.make("a")
    let phases = Locked<[TaskProgress.Phase]>([])
    harness.source.setPatience { [unowned harness] method in
      if method == "DescribeCollection" { phases.withLock { $0.append(harness.board.phase) } }
    }
    await harness.start()
    #expect(phases.withLock { !$0.isEmpty && !$0.contains(.following) }, "\(phases.withLock { $0 })")
    #expect(harness.board.phase == .following)
    await harness.stop()
  }

  @Test func `a source that is away drops nothing`() async throws {
    let harness = RunnerHarness()
    try await harness.scene.make("a")
    await harness.start()
    harness.source.setFaults { _ in .notListening }
    for _ in 0..<5 { await harness.advance() }
    #expect(harness.board.phase == .retrying)
    harness.source.setFaults { _ in nil }
    await harness.advance()
    await harness.advance()
    harness.expectEqual()
    await harness.stop()
  }

  static let lies: [(String, FakeFault)] = [
    ("ShowCollections", .timeoutBefore), ("ShowCollections", .status(MilvusStatus(code: 1, reason: "not ready"))),
    ("ListDatabases", .status(MilvusStatus(code: 2))), ("DescribeCollection", .status(MilvusStatus(code: 65535, reason: "x"))),
    ("ShowCollections", .rpc(.unknown)), ("DescribeCollection", .status(MilvusStatus(code: 100, reason: "not found"))),
  ]
  @Test(arguments: lies.indices) func `an error of the source never drops a collection`(_ at: Int) async throws {
    let harness = RunnerHarness()
    try await harness.scene.make("a")
    await harness.start()
    let (method, fault) = Self.lies[at]
    harness.source.setFaults { $0.method == method ? fault : nil }
    for _ in 0..<4 { await harness.advance() }
    #expect(!harness.target.calls.contains { $0.method == "DropCollection" })
    harness.source.setFaults { _ in nil }
    harness.scene.put("a", 9)
    await harness.advance()
    await harness.advance()
    harness.expectEqual()
    await harness.stop()
  }

  @Test func `a source that says it is not healthy is not believed when something is missing`() async throws {
    let harness = RunnerHarness()
    try await harness.scene.make("a")
    await harness.start()
    try await harness.source.dropCollection(Sample.path("a"))
    harness.source.setFaults { $0.method == "CheckHealth" ? .status(MilvusStatus(code: 1, reason: "starting")) : nil }
    await harness.advance()
    #expect(harness.target.withState { $0[Sample.path("a")] } != nil)
    harness.source.setFaults { _ in nil }
    await harness.advance()
    #expect(harness.target.withState { $0[Sample.path("a")] } == nil)
    await harness.stop()
  }

  @Test func `a collection that cannot be replicated stops alone, named, with a hint`() async throws {
    let harness = RunnerHarness()
    try await harness.scene.make("a")
    try await harness.source.createCollection(
      CollectionCreation(
        path: Sample.path("pictures"),
        schema: {
          var schema = CollectionSchema(name: "pictures")
          schema.fields = [
            Sample.field("id", .int64) { $0.isPrimaryKey = true },
            Sample.field("bits", .binaryVector, ["dim": "8"]),
          ]
          return schema
        }()))
    await harness.start()
    let stopped = try #require(harness.collection("pictures"))
    #expect(stopped.state == .stopped)
    #expect(stopped.lastError?.contains("bits") == true)
    #expect(stopped.hint != nil)
    #expect(harness.collection("a")?.state == .following)
    #expect(harness.board.phase == .following)
    harness.scene.put("a", 8)
    try await harness.source.dropCollection(Sample.path("pictures"))
    await harness.advance()
    harness.expectEqual()
    await harness.stop()
  }

  /// A collection of somebody else on the target, with `rows` rows.
  private func foreign(_ harness: RunnerHarness, rows: Int64, more: [FieldSchema] = []) async throws {
    let scene = SourceScene(cluster: harness.target)
    try await scene.make("a", rows: 0, more: more)
    for key in 0..<rows { scene.put("a", 1000 + key) }
  }

  @Test func `a target collection with rows of somebody else is not touched`() async throws {
    let harness = RunnerHarness()
    try await foreign(harness, rows: 2)
    try await harness.scene.make("a")
    try await harness.scene.make("b")
    let before = RunnerHarness.picture(harness.target, only: [Sample.path("a")])
    await harness.start()
    await harness.advance()
    #expect(
      RunnerHarness.picture(harness.target, only: [Sample.path("a")]).filter { $0.contains(".a") } == before.filter { $0.contains(".a") })
    #expect(harness.collection("a")?.state == .stopped)
    #expect(harness.collection("a")?.hint?.contains("adopt: true") == true)
    #expect(harness.collection("b")?.state == .following)
    try await harness.source.dropCollection(Sample.path("a"))
    await harness.advance()
    #expect(harness.target.withState { $0[Sample.path("a")] } != nil)
    await harness.stop()
  }

  @Test(arguments: [true, false]) func `adopt takes rows over, an empty collection needs no adopt`(_ adopt: Bool) async throws {
    let harness = RunnerHarness()
    harness.spec.withLock { $0.adopt = adopt }
    try await foreign(harness, rows: adopt ? 2 : 0)
    try await harness.scene.make("a")
    await harness.start()
    harness.expectEqual()
    // What was adopted with rows is kept when its source goes.
    try await harness.source.dropCollection(Sample.path("a"))
    await harness.advance()
    #expect((harness.target.withState { $0[Sample.path("a")] } != nil) == adopt)
    await harness.stop()
  }

  @Test func `a target collection that somebody dropped is made again`() async throws {
    let harness = RunnerHarness()
    try await harness.scene.make("a")
    await harness.start()
    try await harness.target.dropCollection(Sample.path("a"))
    await harness.advance()
    harness.expectEqual()
    await harness.stop()
  }

  @Test(arguments: [RPCStatusCode.unauthenticated, .permissionDenied])
  func `refused credentials stop the task with a hint`(_ code: RPCStatusCode) async throws {
    let harness = RunnerHarness()
    harness.target.setFaults { _ in .rpc(code) }
    await harness.start()
    let stop = try #require(await harness.ended())
    #expect(stop.hint != nil)
    #expect(harness.board.phase == .stopped)
    #expect(harness.board.lastError == stop.reason)
  }

  @Test func `a target that stands by in Milvus's own replication stops the task`() async throws {
    let harness = RunnerHarness(.milvus235, .milvus235)
    try await harness.scene.make("a")
    harness.target.setFaults {
      $0.method == "CreateCollection"
        ? .status(MilvusStatus(code: 65535, reason: "STREAMING_CODE_REPLICATE_VIOLATION: secondary")) : nil
    }
    await harness.start()
    #expect(await harness.ended()?.hint?.contains("standby") == true)
  }

  @Test func `a checkpoint that cannot be read stops the task and is not overwritten`() async throws {
    let harness = RunnerHarness()
    harness.checkpoints.put(#"{"version": 9, "capture": "reconcile"}"#)
    await harness.start()
    let stop = try #require(await harness.ended())
    #expect(stop.reason.contains("version 9"))
    #expect(stop.hint?.contains("Restore") == true)
    #expect(harness.checkpoints.saves == 0)
    #expect(harness.target.calls == [])
  }

  @Test func `a disk that is full is waited for before the target is touched`() async throws {
    let harness = RunnerHarness()
    try await harness.scene.make("a")
    harness.checkpoints.fail(
      with: BridgeError(.storage, side: .local, operation: "save", message: "no space left on device"))
    await harness.start()
    #expect(harness.board.phase == .retrying)
    #expect(harness.board.lastError?.contains("no space") == true)
    #expect(!harness.target.calls.contains { $0.method == "CreateCollection" })
    harness.checkpoints.fail(with: nil)
    await harness.advance()
    harness.expectEqual()
    await harness.stop()
  }

  @Test(arguments: [("native", "name_mapping"), ("initial_copy", "initial_copy")])
  func `what this build cannot do is refused before anything is asked`(_ what: String, _ word: String) async throws {
    let harness = RunnerHarness()
    harness.spec.withLock {
      switch what {
      case "native":
        $0.apply = .native
        $0.selection.mappings = [ObjectSelection.Mapping(sourceDatabase: "a", targetDatabase: "b", collections: [:])]
      default: $0.initialCopy = false
      }
    }
    await harness.start()
    let stop = try #require(await harness.ended())
    #expect(stop.reason.contains(word))
    #expect(stop.hint != nil)
    #expect(harness.source.calls == [])
  }

  @Test func `ddl stop ends the task at the first change after its first look`() async throws {
    let harness = RunnerHarness()
    harness.spec.withLock { $0.ddl = .stop }
    try await harness.scene.make("a")
    await harness.start()
    harness.scene.put("a", 9)
    await harness.advance()
    harness.expectEqual()
    try await harness.source.dropCollection(Sample.path("a"))
    harness.time.advance(by: .seconds(30))
    let stop = try #require(await harness.ended())
    #expect(stop.reason.contains("drop collection default.a"))
    #expect(harness.target.withState { $0[Sample.path("a")] } != nil)
  }

  @Test func `ddl ignore follows rows and names the changes it holds back`() async throws {
    let harness = RunnerHarness()
    harness.spec.withLock { $0.ddl = .ignore }
    try await harness.scene.make("a")
    try await harness.scene.make("b")
    await harness.start()
    try await harness.source.dropCollection(Sample.path("b"))
    try await harness.scene.make("c")
    try await harness.source.createPartition(Sample.path("a"), name: "p")
    harness.scene.put("a", 9)
    await harness.advance()
    #expect(harness.target.withState { $0.databases["default"]?.collections.keys.sorted() } == ["a", "b"])
    #expect(harness.target.withState { $0[Sample.path("a")]?.visible().count } == 4)
    let notes = harness.board.notReplicated.joined(separator: "\n")
    #expect(notes.contains("drop collection default.b"))
    #expect(notes.contains("create partition p"))
    #expect(harness.collection("c")?.lastError?.contains("new collection") == true)
    await harness.stop()
  }
}
