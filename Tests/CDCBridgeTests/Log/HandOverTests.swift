import MilvusWire
import TestSupport
import Testing

@testable import CDCBridge

/// Only what an earlier run may have handed to the target is uncertain; the bound is on disk before a row beyond it goes out (D16).
@Suite struct HandOverTests {
  private static func tick(_ seconds: UInt64) -> TimeTick { TimeTick(seconds * 1_000 << 18) }
  private let start = ContinuousClock.now

  @Test func `nothing goes out before its bound is stored`() {
    var bound = HandOver(from: ["a": Self.tick(100)])
    #expect(bound.written == ["a": Self.tick(100)])
    #expect(!bound.allows(Self.tick(100), on: "a"))
    bound.stored(bound.written)
    #expect(bound.allows(Self.tick(100), on: "a") && !bound.allows(Self.tick(101), on: "a") && !bound.allows(Self.tick(1), on: "b"))
    bound.raise(over: Self.tick(101), on: "a", now: start)
    #expect(bound.written["a"] == Self.tick(111))
    #expect(!bound.allows(Self.tick(101), on: "a"))
    // A larger one is on its way.
    bound.raise(over: Self.tick(105), on: "a", now: start)
    #expect(bound.written["a"] == Self.tick(111))
    bound.stored(["a": Self.tick(111)])
    #expect(bound.allows(Self.tick(111), on: "a") && !bound.allows(Self.tick(112), on: "a"))
    // A checkpoint that was begun earlier is finished later.
    bound.stored(["a": Self.tick(100)])
    #expect(bound.allows(Self.tick(111), on: "a"))
  }

  @Test func `a backlog has larger steps, a quiet log small ones again`() {
    var bound = HandOver(from: ["a": Self.tick(0)])
    var now = start
    var length: [UInt64] = []
    for _ in 0..<12 {
      let before = bound.written["a"] ?? TimeTick(0)
      bound.raise(over: TimeTick(before.rawValue + 1), on: "a", now: now)
      length.append(((bound.written["a"]?.rawValue ?? 0) - before.rawValue) >> 18 / 1_000)
      now += .milliseconds(100)
    }
    #expect(length == [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600, 3_600])
    let before = bound.written["a"] ?? TimeTick(0)
    bound.raise(over: TimeTick(before.rawValue + 1), on: "a", now: now + .seconds(5))
    #expect(bound.written["a"] == TimeTick(before.rawValue + 1 + (10_000 << 18)))
    bound.raise(over: TimeTick(.max), on: "a", now: now)
    #expect(bound.written["a"] == TimeTick(.max))
  }

  @Test func `a steady flow never waits`() {
    var bound = HandOver(from: ["a": Self.tick(0), "quiet": Self.tick(0)])
    bound.raise(over: Self.tick(1), on: "a", now: start)
    bound.stored(bound.written)
    for second in UInt64(1)...60 {
      let now = start + .seconds(Int64(second))
      #expect(bound.allows(Self.tick(second), on: "a"), "second \(second)")
      bound.hand(Self.tick(second), on: "a")
      bound.keepAhead(now: now)
      bound.stored(bound.written)
    }
    #expect(bound.written["quiet"] == Self.tick(0))
    #expect((bound.written["a"] ?? TimeTick(0)) < Self.tick(90))
  }

  @Test func `what a run leaves is what it handed over, or what was uncertain before`() {
    var bound = HandOver(after: ["a": Self.tick(50), "b": Self.tick(50)])
    bound.stored(bound.written)
    #expect(bound.isUncertain(Self.tick(50), on: "a") && !bound.isUncertain(Self.tick(51), on: "a"))
    #expect(!bound.isUncertain(Self.tick(1), on: "new"))
    bound.hand(Self.tick(20), on: "a")
    bound.raise(over: Self.tick(60), on: "b", now: start)
    bound.hand(Self.tick(61), on: "b")
    bound.raise(over: Self.tick(70), on: "new", now: start)
    #expect(bound.atEnd == ["a": Self.tick(50), "b": Self.tick(61)])
  }

  // MARK: Tasks

  /// So far that no bound in the checkpoint reaches what comes next.
  private func passBounds(_ harness: LogHarness) async throws {
    let bounds = try #require(try harness.checkpoints.checkpoint().log?.handed)
    let highest = bounds.values.max() ?? TimeTick(0)
    while harness.scene.log.clock <= highest { _ = try await harness.scene.log.allocTimestamp() }
  }
  private func upserts(_ harness: LogHarness) -> Int { harness.target.calls.count { $0.method == "Upsert" } }

  @Test(arguments: [false, true])
  func `what came while a task stood still is inserted, repeated keys and all`(_ isKilled: Bool) async throws {
    let harness = try LogHarness()
    try await harness.scene.create("a", shards: 2, isLogged: false)
    harness.start()
    await harness.waitUntilEqual()
    try harness.scene.insert("a", Array(1...9))
    await harness.waitUntilEqual()
    if isKilled { await harness.kill() } else { await harness.stop() }
    if isKilled { try await passBounds(harness) }
    try harness.scene.insert("a", [20, 21])
    try harness.scene.insert("a", [20, 21, 22])
    let before = upserts(harness)
    harness.start()
    await harness.waitUntilEqual()
    await harness.stop()
    // After a kill some of 1...9 may come again, and are written so that nothing is doubled.
    if !isKilled { #expect(upserts(harness) == before) }
    #expect(Set(harness.target.withState { $0[Sample.path("a")]?.repeatedKeys ?? [] }) == [.int(20), .int(21)])
  }

  @Test func `rows that were handed over just before a kill are not doubled`() async throws {
    let harness = try LogHarness()
    try await harness.scene.create("a", isLogged: false)
    harness.start()
    await harness.waitUntilEqual()
    for round in 0..<6 {
      // The answer is lost with the process: the rows are there, and no position says so.
      harness.target.setFaults { $0.method == "Insert" || $0.method == "Upsert" ? .dropAfter : nil }
      let calls = harness.target.calls.count
      try harness.scene.insert("a", [Int64(round * 10), Int64(round * 10 + 1)])
      await harness.wait("a write was made") { harness.target.calls.dropFirst(calls).contains { $0.rowCount > 0 } }
      await harness.kill()
      if round % 2 == 1 { try await passBounds(harness) }
      harness.start()
    }
    await harness.waitUntilEqual()
    await harness.stop()
    #expect(harness.target.withState { $0[Sample.path("a")]?.repeatedKeys } == [])
  }

  @Test func `no row goes out beyond a bound that cannot be stored`() async throws {
    let harness = try LogHarness(pchannels: 1)
    try await harness.scene.create("a", isLogged: false)
    harness.start()
    await harness.waitUntilEqual()
    try harness.scene.insert("a", [1])
    await harness.waitUntilEqual()
    // The last checkpoint of this run is on disk only when it has ended.
    await harness.stop()
    harness.start()
    await harness.wait("it follows") { harness.board.phase == .following }
    harness.checkpoints.fail(
      with: BridgeError(.storage, side: .local, operation: "write the checkpoint", message: "no space left on device"))
    try await passBounds(harness)
    try harness.scene.insert("a", [2])
    await harness.wait("the trouble is in sight") { harness.board.lastError?.contains("no space left") == true }
    #expect(harness.target.withState { $0[Sample.path("a")]?.rows.values.joined().count } == 1)
    harness.checkpoints.fail(with: nil)
    await harness.waitUntilEqual()
    await harness.kill()
    harness.start()
    await harness.waitUntilEqual()
    await harness.stop()
    #expect(harness.target.withState { $0[Sample.path("a")]?.repeatedKeys } == [])
  }

  @Test func `a checkpoint of an older build tells no bound: all of the backlog is uncertain`() async throws {
    let harness = try LogHarness()
    try await harness.scene.create("a", isLogged: false)
    harness.start()
    await harness.waitUntilEqual()
    await harness.stop()
    var checkpoint = try harness.checkpoints.checkpoint()
    checkpoint.log?.handed = nil
    try await harness.checkpoints.save(taskID: "t", document: checkpoint.document())
    try harness.scene.insert("a", [1, 2])
    harness.start()
    await harness.waitUntilEqual()
    await harness.stop()
    #expect(upserts(harness) > 0)
    #expect(try harness.checkpoints.checkpoint().log?.handed != nil)
  }
}
