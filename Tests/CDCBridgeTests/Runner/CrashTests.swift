import CDCBridge
import MilvusWire
import Synchronization
import TestSupport
import Testing

/// A kill around every call with which the task changes its target, before and after the call took effect, and at many that only read:
/// the next run ends as if nothing had been. (Between two reads nothing happens that a kill could cut in two.)
@Suite struct CrashTests {
  struct Story: Sendable, CustomTestStringConvertible {
    var name: String
    var source: FakeCluster.Manners, target: FakeCluster.Manners
    /// What is there before the task's first run.
    var before: @Sendable (SourceScene) async throws -> Void
    /// What happens after its first look, nil: the kill hits the first look.
    var change: (@Sendable (SourceScene) async throws -> Void)?
    var testDescription: String { "\(name), \(source.versionText) → \(target.versionText)" }
  }

  static let stories: [Story] = [
    (FakeCluster.Manners.milvus235, FakeCluster.Manners.lite), (.lite, .milvus235), (.milvus235, .milvus235),
  ].flatMap { source, target in
    [
      Story(
        name: "the first copy", source: source, target: target,
        before: { scene in
          try await scene.make("a", rows: 4, partitions: ["p1"])
          scene.put("a", 9, partition: "p1")
          try await scene.make("b", rows: 2, database: "films")
          try await scene.cluster.createAlias("al", for: Sample.path("a"))
        }),
      Story(
        name: "a drop, a recreation, a new collection and rows", source: source, target: target,
        before: { scene in
          for name in ["a", "b", "c"] { try await scene.make(name) }
          try await scene.cluster.createAlias("al", for: Sample.path("a"))
        },
        change: { scene in
          try await scene.cluster.alterAlias("al", to: Sample.path("c"))
          try await scene.cluster.dropCollection(Sample.path("a"))
          try await scene.cluster.dropCollection(Sample.path("b"))
          try await scene.make("b", rows: 1, more: [Sample.field("n", .int64)])
          try await scene.make("d", rows: 2)
          scene.remove("c", 1)
          scene.put("c", 2, value: 5)
          scene.put("c", 8)
        }),
      Story(
        name: "names that swap", source: source, target: target,
        before: { scene in for (name, rows) in [("a", 1), ("b", 2)] { try await scene.make(name, rows: Int64(rows)) } },
        change: { scene in
          let source = scene.cluster
          try await source.renameCollection(Sample.path("a"), to: Sample.path("tmp"))
          try await source.renameCollection(Sample.path("b"), to: Sample.path("a"))
          try await source.renameCollection(Sample.path("tmp"), to: Sample.path("b"))
        }),
    ]
  }

  @Test(arguments: stories) func `every instant of a kill`(_ story: Story) async throws {
    let methods = try await run(story, killAt: nil, isAfter: false)
    #expect(methods.count > 10)
    for (call, method) in methods.enumerated() {
      let isReading = Self.reading.contains(method)
      if call % SearchDepth.stride != 0 || isReading && call % 5 != 0 { continue }
      _ = try await run(story, killAt: call, isAfter: false)
      if !isReading { _ = try await run(story, killAt: call, isAfter: true) }
    }
  }

  /// `HasCollection` is what the stand-in for the row engine calls where it writes.
  private static let reading: Set<String> = [
    "Connect", "GetVersion", "CheckHealth", "AllocTimestamp", "ListDatabases", "DescribeDatabase", "ShowCollections",
    "DescribeCollection", "ShowPartitions", "DescribeIndex", "GetLoadState", "ListAliases", "DescribeAlias", "Query",
  ]

  /// Returns the calls that the part that may be killed makes on the target.
  private func run(_ story: Story, killAt: Int?, isAfter: Bool) async throws -> [String] {
    let harness = RunnerHarness(story.source, story.target)
    try await story.before(harness.scene)
    if story.change != nil { await harness.start() }
    let first = harness.target.calls.count
    // From the call on, nothing of the killed process reaches the target or the disk.
    if let killAt {
      let checkpoints = harness.checkpoints
      harness.target.setFaults { call in
        guard call.index >= first + killAt else { return nil }
        checkpoints.freeze(true)
        return call.index == first + killAt && isAfter ? .dropAfter : .notListening
      }
    }
    if let change = story.change {
      try await change(harness.scene)
      await harness.advance()
    } else {
      await harness.start()
    }
    let calls = harness.target.calls.dropFirst(first).map(\.method)
    await harness.stop()
    if killAt != nil {
      harness.target.setFaults { _ in nil }
      harness.checkpoints.freeze(false)
      await harness.start()
      await harness.advance()
      await harness.stop()
    }
    harness.expectEqual()
    let names = harness.target.withState { state in state.databases.values.flatMap { $0.collections.keys } }
    #expect(!names.contains { $0.hasPrefix("cdc_bridge") }, "killed at \(killAt ?? -1) \(isAfter)")
    return calls
  }

  @Test func `what a killed pass may have written is written by upsert the next time`() async throws {
    let harness = RunnerHarness()
    try await harness.scene.make("a")
    await harness.start()
    harness.checkpoints.freeze(true)
    await harness.stop()
    harness.checkpoints.freeze(false)
    #expect(try harness.checkpoints.checkpoint().collections.allSatisfy { $0.isUncertain })
    await harness.start()
    await harness.stop()
    // A clean end takes the mark away.
    #expect(try harness.checkpoints.checkpoint().collections.allSatisfy { !$0.isUncertain })
  }
}
