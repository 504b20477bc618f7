import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// The runner and the real row engine together, as `serve` runs them, between two fake clusters.
@Suite struct WholeTaskTests {
  private static func put(_ cluster: FakeCluster, _ name: String, keys: ClosedRange<Int64>, n: Int64 = 0) {
    cluster.withState { state in
      let version = state.now()
      for key in keys {
        state[Sample.path(name)]?.rows["_default"]?.removeAll { $0.key == .int(key) }
        state[Sample.path(name)]?.rows["_default", default: []].append(
          FakeRow(
            key: .int(key),
            values: [
              "id": .int(key), "v": .floats([Float(key), 1, 2, 3]), "n": .int(n), "s": .text("row \(key)"),
            ], version: version))
      }
    }
  }

  private static func rows(_ cluster: FakeCluster, _ name: String) -> [RowKey: [String: FakeValue]] {
    cluster.withState { $0[Sample.path(name)]?.visible().mapValues(\.values) } ?? [:]
  }

  @Test(arguments: ReconcileRunnerTests.routes)
  func `rows are copied, followed, and survive a target that goes away and a kill`(
    _ route: ReconcileRunnerTests.Route
  ) async throws {
    let harness = RunnerHarness(route.source, route.target)
    harness.usesRealEngine.withLock { $0 = true }
    let more = [Sample.field("n", .int64), Sample.field("s", .varChar, ["max_length": "50"])]
    try await harness.scene.make("a", rows: 0, more: more)
    Self.put(harness.source, "a", keys: 1...500)
    await harness.start()
    #expect(Self.rows(harness.target, "a") == Self.rows(harness.source, "a"))
    #expect(harness.collection("a")?.inserted == 500)

    Self.put(harness.source, "a", keys: 490...520, n: 7)
    for key in Int64(1)...20 { harness.scene.remove("a", key) }
    await harness.advance()
    #expect(Self.rows(harness.target, "a") == Self.rows(harness.source, "a"))

    // Killed in the middle of its writes: the next run does not double a row.
    Self.put(harness.source, "a", keys: 600...900)
    let checkpoints = harness.checkpoints
    harness.target.setFaults { call in
      guard call.method == "Insert" || call.method == "Upsert" else { return nil }
      checkpoints.freeze(true)
      return .rpc(.cancelled)
    }
    await harness.advance()
    await harness.stop()
    harness.target.setFaults { _ in nil }
    checkpoints.freeze(false)
    await harness.start()
    #expect(Self.rows(harness.target, "a") == Self.rows(harness.source, "a"))
    #expect(harness.target.withState { $0[Sample.path("a")]?.repeatedKeys } == [])
    #expect(harness.target.violations == [])
    await harness.stop()
  }
}
