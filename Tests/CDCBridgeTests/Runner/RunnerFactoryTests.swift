import CDCBridge
import MilvusWire
import Synchronization
import TestSupport
import Testing

@Suite struct RunnerFactoryTests {
  private func factory(_ harness: RunnerHarness) -> MilvusRunnerFactory {
    MilvusRunnerFactory(environment: harness.environment)
  }

  @Test func `a target that answers is connected`() async throws {
    let harness = RunnerHarness()
    try await factory(harness).checkConnection(harness.spec.withLock { $0 })
    #expect(harness.target.calls.map(\.method) == ["Connect", "GetVersion"])
    #expect(harness.source.calls == [])
  }

  @Test func `a target that comes up within the timeout is waited for`() async throws {
    let harness = RunnerHarness()
    harness.target.setFaults { $0.index < 3 ? .notListening : nil }
    // The waits move the time themselves: a hand on the clock could let the timeout pass before the next try is made.
    harness.time.pass(waitsUpTo: .seconds(60))
    try await factory(harness).checkConnection(harness.spec.withLock { $0 })
    #expect(harness.target.calls.count == 5)
  }

  @Test func `wrong credentials are not tried again`() async throws {
    let harness = RunnerHarness()
    harness.target.setFaults { _ in .rpc(.unauthenticated) }
    let error = await #expect(throws: BridgeError.self) {
      try await factory(harness).checkConnection(harness.spec.withLock { $0 })
    }
    #expect(error?.cause?.rpcCode == .unauthenticated)
    #expect(harness.target.calls.count == 1)
  }

  @Test func `a plan says everything and does nothing`() async throws {
    let harness = RunnerHarness(.milvus235, .lite, patterns: [("*", "*"), ("default", "later")])
    try await harness.scene.make("a", rows: 3, partitions: ["p1"])
    try await harness.scene.make("asleep", rows: 0, isLoaded: false)
    try await harness.scene.make("mine", database: "films")
    try await harness.source.createAlias("al", for: Sample.path("a"))
    let scene = SourceScene(cluster: harness.target)
    try await scene.make("asleep", rows: 2)
    let before = RunnerHarness.picture(harness.target)
    let calls = harness.target.calls.count
    let lines = try await factory(harness).plan(harness.spec.withLock { $0 })
    #expect(
      lines == [
        "source: Milvus 2.3.5 at source:1", "target: Milvus Lite 3.2.2 at target:1",
        "capture: reconcile (Milvus 2.3.5 has no log that clients may read (that needs 2.6.20 or newer))",
        "create database films",
        "wait for default.later: It is not on the source yet; it is copied when it appears.",
        "create default.a and copy default.a (3 rows), then follow it",
        "  create partition p1 of default.a",
        "  create index iv on v of default.a: HNSW L2 M=8 efConstruction=64", "  load default.a",
        "  point alias al to default.a",
        "refuse default.asleep: the collection exists on the target, this task did not make it, and it holds 2 rows — Drop or rename it on the target, or have it adopted (--adopt, or adopt: true in a request); rows that the source lacks are deleted then.",
        "create films.mine and copy films.mine (3 rows), then follow it",
        "  create index iv on v of films.mine: HNSW L2 M=8 efConstruction=64", "  load films.mine",
      ])
    #expect(RunnerHarness.picture(harness.target) == before)
    let reading = Set(harness.target.calls.dropFirst(calls).map(\.method))
    #expect(!reading.contains { $0.hasPrefix("Create") || $0.hasPrefix("Drop") || $0.hasPrefix("Load") })
    #expect(harness.checkpoints.saves == 0)
  }

  @Test(arguments: [
    (
      FakeCluster.Manners.milvus235, TaskSpec.Capture.wal,
      "capture: wal (asked for, although Milvus 2.3.5 has no log that clients may read (that needs 2.6.20 or newer))"
    ),
    (.milvus235, .reconcile, "capture: reconcile (asked for)"),
    (
      .lite, .wal,
      "refuse the task: capture wal: Milvus Lite 3.2.2 has no log that clients may read (that needs 2.6.20 or newer) — Create the task with capture auto or reconcile, which compares the clusters instead."
    ),
  ])
  func `a plan says which capture a task would take`(source: FakeCluster.Manners, capture: TaskSpec.Capture, line: String) async throws {
    let harness = RunnerHarness(source, .lite)
    harness.spec.withLock { $0.capture = capture }
    let lines = try await factory(harness).plan(harness.spec.withLock { $0 })
    #expect(lines[2] == line)
  }
}
