@testable import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// A first copy that is cut off goes on after the last key that was stored; nothing else does.
@Suite struct ResumeTests {
  private static let rowCount: Int64 = 400

  /// Pages of a few rows; each write of rows takes six seconds of the virtual clock, so that the place is stored after each.
  private func scene(_ route: ReconcileRunnerTests.Route, partitions: [String] = [], rows: Int64 = rowCount) async throws -> RunnerHarness {
    let harness = RunnerHarness(route.source, route.target)
    harness.usesRealEngine.withLock { $0 = true }
    harness.pageBytes.withLock { $0 = 1_000 }
    try await harness.scene.make("a", rows: 0, more: Self.more, partitions: partitions)
    for key in 1...rows { put(harness, key, partition: key % 2 == 0 ? "_default" : partitions.first ?? "_default") }
    return harness
  }
  private static let more = [Sample.field("n", .int64)]
  private func put(_ harness: RunnerHarness, _ key: Int64, n: Int64 = 0, partition: String = "_default") {
    harness.source.withState { state in
      let row = FakeRow(
        key: .int(key), values: ["id": .int(key), "v": .floats([Float(key), 1, 2, 3]), "n": .int(n)], version: state.now())
      state[Sample.path("a")]?.rows[partition]?.removeAll { $0.key == .int(key) }
      state[Sample.path("a")]?.rows[partition, default: []].append(row)
    }
  }

  /// Behind the given number of writes of rows nothing of the process reaches the target or the disk. Writes before the source's given scan
  /// begins do not count. The write that comes next waits until the places of so many partitions are stored: storing goes on beside the copy.
  private func kill(_ harness: RunnerHarness, atWrite number: Int, ofScan scan: Int = 1, placesStored places: Int = 1) {
    let (time, checkpoints, source) = (harness.time, harness.checkpoints, harness.source)
    let writes = Locked(0)
    let isDead = Locked(false)
    harness.target.setPatience { method in
      guard method == "Insert" || method == "Upsert" else { return }
      // Several are on their way at the same time: each is counted once, here.
      let counts = scan == 1 || source.calls.count { $0.method == "Query" && $0.expression.isEmpty } >= scan
      let place = writes.withLock { writes in
        writes += counts ? 1 : 0
        return writes
      }
      guard counts, place > number else { return }
      let end = ContinuousClock.now + .seconds(120)
      while ContinuousClock.now < end, (try? checkpoints.checkpoint()[target: Sample.path("a")]?.copy?.confirmed.count) ?? 0 < places {
        try? await Task.sleep(for: .milliseconds(1))
      }
      checkpoints.freeze(true)
      isDead.withLock { $0 = true }
    }
    harness.target.setFaults { call in
      let isWrite = call.method == "Insert" || call.method == "Upsert"
      if isDead.withLock({ $0 }) { return .rpc(isWrite ? .internal : .cancelled) }
      if isWrite { time.advance(by: .seconds(6)) }
      return nil
    }
  }
  /// Writes of rows that the whole copy takes.
  private func writeCount(_ route: ReconcileRunnerTests.Route) async throws -> Int {
    let harness = try await scene(route)
    await harness.start()
    await harness.stop()
    let count = harness.target.calls.count { $0.method == "Insert" }
    try #require(count > 6)
    return count
  }
  private func restart(_ harness: RunnerHarness) async {
    await harness.stop()
    harness.target.setFaults { _ in nil }
    harness.target.setPatience { _ in }
    harness.checkpoints.freeze(false)
    await harness.start()
  }
  private func record(_ harness: RunnerHarness) throws -> OwnedCollection {
    try #require(try harness.checkpoints.checkpoint()[target: Sample.path("a")])
  }
  /// The expressions of the scans of the source from a call on.
  private func scans(_ harness: RunnerHarness, from first: Int) -> [String] {
    harness.source.calls.dropFirst(first).filter { $0.method == "Query" && ($0.expression.isEmpty || $0.expression.hasPrefix("id >")) }
      .map(\.expression)
  }
  private func expectWhole(_ harness: RunnerHarness, _ location: SourceLocation = #_sourceLocation) {
    let path = Sample.path("a")
    let (a, b) = (harness.source.withState { $0[path]?.visible() ?? [:] }, harness.target.withState { $0[path]?.visible() ?? [:] })
    #expect(a.mapValues(\.values) == b.mapValues(\.values), sourceLocation: location)
    #expect(harness.target.withState { $0[path]?.repeatedKeys } == [], sourceLocation: location)
    #expect(harness.target.violations == [], sourceLocation: location)
  }

  @Test(arguments: ReconcileRunnerTests.routes, [0.3, 0.8])
  func `the next run starts after the key that was stored`(_ route: ReconcileRunnerTests.Route, part: Double) async throws {
    let writes = try await writeCount(route)
    let harness = try await scene(route)
    kill(harness, atWrite: Int(Double(writes) * part))
    await harness.start()
    await harness.stop()
    let copy = try #require(try record(harness).copy)
    let key = try #require(copy.confirmed[""])
    #expect(copy.rowsRead > 0)
    let seen = harness.source.calls.count
    await restart(harness)
    let scans = scans(harness, from: seen)
    #expect(scans.first == "id > \(key.persisted.dropFirst(2))", "\(scans)")
    expectWhole(harness)
    #expect(try record(harness).isUncertain && (harness.collection("a")?.isCopied ?? false))
    await harness.stop()
    #expect(try record(harness).copy == nil && record(harness).isCopied)
  }

  @Test func `an idle pass stores nothing and looks at all rows`() async throws {
    // Lite has no clock and this host's stands still: no watermark moves.
    let harness = try await scene(ReconcileRunnerTests.routes[1])
    await harness.start()
    // The look after the copy stores its end.
    await harness.advance()
    let saves = harness.checkpoints.saves
    let seen = harness.source.calls.count
    for _ in 0..<3 { await harness.advance() }
    #expect(harness.checkpoints.saves == saves)
    #expect(scans(harness, from: seen).first == "")
    // Neither does the first pass after a kill of a task that has copied.
    harness.checkpoints.freeze(true)
    put(harness, 1, n: 77)
    let again = harness.source.calls.count
    await restart(harness)
    #expect(scans(harness, from: again).first == "")
    expectWhole(harness)
    await harness.stop()
  }

  @Test func `the place is stored after five seconds or fifty thousand rows, not with each page`() async throws {
    let harness = try await scene(ReconcileRunnerTests.routes[0])
    let began = harness.checkpoints.saves
    await harness.start()
    let quick = harness.checkpoints.saves - began
    await harness.stop()
    let slow = try await scene(ReconcileRunnerTests.routes[0])
    let time = slow.time
    slow.target.setFaults { call in
      if call.method == "Insert" { time.advance(by: .seconds(1)) }
      return nil
    }
    let before = slow.checkpoints.saves
    await slow.start()
    let writes = slow.target.calls.count { $0.method == "Insert" }
    #expect(writes > 10)
    #expect(slow.checkpoints.saves - before - quick <= writes / 5)
    await slow.stop()
  }

  @Test func `what changed before the key is the next pass's, and the watermark says so`() async throws {
    let harness = try await scene(ReconcileRunnerTests.routes[0])
    kill(harness, atWrite: 5)
    await harness.start()
    await harness.stop()
    let began = try #require(try record(harness).copy?.readAtUnixMs)
    put(harness, 1, n: 4_711)
    harness.scene.remove("a", 2)
    await restart(harness)
    #expect(harness.collection("a")?.watermarkUnixMs == began)
    let path = Sample.path("a")
    #expect(harness.target.withState { $0[path]?.visible()[.int(2)] } != nil, "not looked at yet")
    await harness.advance()
    expectWhole(harness)
    #expect((harness.collection("a")?.watermarkUnixMs ?? 0) > began)
    await harness.stop()
  }

  @Test func `partitions go on each after its own key`() async throws {
    let route = ReconcileRunnerTests.Route(source: .milvus235, target: .milvus235)
    let harness = try await scene(route, partitions: ["p1"])
    let perUnit = Self.rowCount / 2
    kill(harness, atWrite: 3, ofScan: 2, placesStored: 2)
    await harness.start()
    await harness.stop()
    let copy = try #require(try record(harness).copy)
    #expect(copy.confirmed.count == 2 && copy.rowsRead > perUnit, "the second one was begun: \(copy)")
    let seen = harness.source.calls.count
    await restart(harness)
    let scans = scans(harness, from: seen)
    #expect(!scans.contains(""), "\(scans)")
    expectWhole(harness)
    await harness.stop()
  }

  @Test func `on Lite several partitions are read again from the first row`() async throws {
    let harness = try await scene(ReconcileRunnerTests.routes[0], partitions: ["p1"])
    kill(harness, atWrite: 9, placesStored: 0)
    await harness.start()
    await harness.stop()
    #expect(try record(harness).copy == nil)
    await restart(harness)
    expectWhole(harness)
    await harness.stop()
  }

  @Test func `a collection that was made anew meanwhile is copied from its first row`() async throws {
    let harness = try await scene(ReconcileRunnerTests.routes[0])
    kill(harness, atWrite: 5)
    await harness.start()
    await harness.stop()
    #expect(try record(harness).copy != nil)
    try await harness.source.dropCollection(Sample.path("a"))
    try await harness.scene.make("a", rows: 0, more: Self.more)
    for key in Int64(1)...30 { put(harness, key) }
    let seen = harness.source.calls.count
    await restart(harness)
    #expect(scans(harness, from: seen).first == "")
    expectWhole(harness)
    await harness.stop()
  }

  @Test func `a collection that has lost changes of a log is compared from its first row`() async throws {
    let harness = try await scene(ReconcileRunnerTests.routes[0])
    kill(harness, atWrite: 5)
    await harness.start()
    await harness.stop()
    var checkpoint = try harness.checkpoints.checkpoint()
    #expect(checkpoint[target: Sample.path("a")]?.copy != nil)
    checkpoint.changeRecord(Sample.path("a")) { $0.needsComparison = true }
    harness.checkpoints.put(String(decoding: try checkpoint.document(), as: UTF8.self))
    let seen = harness.source.calls.count
    await restart(harness)
    #expect(scans(harness, from: seen).first == "")
    expectWhole(harness)
    await harness.stop()
  }

  @Test func `a pass that fails is tried again after its last key, in the same run`() async throws {
    let harness = try await scene(ReconcileRunnerTests.routes[0])
    let writes = Locked(0)
    harness.target.setFaults { call in
      guard call.method == "Insert" else { return nil }
      return writes.withLock {
        $0 += 1; return $0
      } == 6 ? .rpc(.internal) : nil
    }
    await harness.start()
    #expect(harness.collection("a")?.isCopied == false)
    let seen = harness.source.calls.count
    await harness.advance(by: .seconds(700))
    #expect(scans(harness, from: seen).first?.hasPrefix("id > ") == true)
    expectWhole(harness)
    await harness.stop()
    #expect(try record(harness).copy == nil)
  }

  @Test func `a key that a state file cannot hold is not stored`() async throws {
    let store = MemoryCheckpoints()
    let keeper = try await CheckpointKeeper(taskID: "t", store: store)
    let path = Sample.path("a")
    await keeper.change {
      $0.set(OwnedCollection(source: path, target: path, stage: .owned, sourceIdentity: .unknown, fingerprint: ""))
    }
    let tracker = CopyTracker(.init(readAtUnixMs: 1), target: path, keeper: keeper, now: { .now })
    let failure = BridgeError(.storage, side: .local, operation: "copy", message: "no")
    await #expect(throws: BridgeError.self) {
      try await tracker.track { () async throws(BridgeError) in
        var report = RowPassReport()
        report.confirmedThrough = .text([0x61])
        tracker.take(report)
        report.confirmedThrough = .text([0x62, 0xFF])
        tracker.take(report)
        throw failure
      }
    }
    #expect(await keeper.current[target: path]?.copy?.confirmed == ["": .text("a")])
  }
}
