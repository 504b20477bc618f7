import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// What is not in the log any more is found by comparing; what a copy reads is never older than the log beside it.
@Suite struct LogGapTests {
  @Test func `a log that was cut while the task stood still is healed and named`() async throws {
    let harness = try LogHarness(pchannels: 1)
    try await harness.scene.create("a", isLogged: false)
    harness.scene.putSilently("a", 1...10)
    harness.start()
    await harness.waitUntilEqual()
    try harness.scene.insert("a", [20])
    await harness.waitUntilEqual()
    await harness.stop()
    try harness.scene.insert("a", [21, 22])
    try harness.scene.delete("a", [1, 20])
    try await harness.scene.create("b")
    try harness.scene.insert("b", [5])
    let pchannel = harness.scene.pchannels[0]
    harness.scene.log.truncate(pchannel, to: harness.scene.log.units(pchannel).count)
    harness.start()
    try harness.scene.insert("a", [23])
    await harness.waitUntilEqual()
    #expect(harness.board.notReplicated.contains { $0.contains(pchannel) })
    await harness.stop()
  }

  @Test func `channels that the source is given later are noticed and followed`() async throws {
    let harness = try LogHarness(pchannels: 4)
    let (log, pchannels) = (harness.scene.log, harness.scene.pchannels)
    log.hide(Set(pchannels[2...]))
    harness.scene.usedChannels.withLock { $0 = 2 }
    try await harness.scene.create("a", shards: 2, isLogged: false)
    harness.scene.putSilently("a", 1...10)
    harness.start()
    await harness.waitUntilEqual()
    log.hide([])
    harness.scene.flushAnew()
    harness.scene.usedChannels.withLock { $0 = 4 }
    // The first channel that the task follows tells of it when the new ones have their copies and rows: no position leads to those any more.
    try await harness.scene.create("b", shards: 4, silently: Array(1...5))
    try harness.scene.insert("b", [11, 12, 13, 14])
    try harness.scene.insert("a", [20])
    await harness.waitUntilEqual()
    #expect(pchannels[2...].allSatisfy { name in harness.board.notReplicated.contains { $0.contains(name) } })
    await harness.stop()
    try harness.scene.delete("b", [1, 11, 12, 13, 14])
    harness.start()
    await harness.waitUntilEqual()
    await harness.wait("all channels are shown") { Set(harness.board.pchannels.map(\.name)) == Set(pchannels) }
    await harness.stop()
  }

  @Test func `a row that the target refuses stays named, over alignments and restarts`() async throws {
    let harness = try LogHarness(pchannels: 1)
    try await harness.scene.create("a", isLogged: false)
    harness.start()
    await harness.waitUntilEqual()
    harness.target.setFaults { call in
      call.method == "Insert" && call.rowCount == 1 ? .status(MilvusStatus(code: 1100, reason: "invalid parameter")) : nil
    }
    try harness.scene.insert("a", [7])
    func isNamed() -> Bool { harness.collection("a")?.lastError?.contains("1 rows were not written") ?? false }
    await harness.wait("the row is named") { isNamed() }
    harness.target.setFaults { _ in nil }
    try await harness.scene.alias("al", "a")
    try await harness.scene.partition("a", "p")
    try harness.scene.insert("a", [8])
    await harness.wait("all but that row is there") { harness.differences.count == 1 }
    #expect(isNamed())
    await harness.stop()
    harness.start()
    await harness.wait("it is named again") { isNamed() }
    await harness.stop()
  }

  @Test(arguments: [false, true])
  func `a source whose catalogue is long behind its log is looked at again`(_ isStopped: Bool) async throws {
    let harness = try LogHarness(pchannels: 1)
    try await harness.scene.create("a", isLogged: false)
    harness.scene.putSilently("a", 1...5)
    let isSlow = Locked(true), isLogged = Locked(false)
    harness.source.setPatience { method in
      // All copies of the change are in the log by now.
      if method == "RenameCollection" { isLogged.withLock { $0 = true } }
      while method == "RenameCollection", isSlow.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(1)) }
    }
    let renaming = Task { try await harness.scene.rename("a", to: "b") }
    await harness.wait("the log tells of the new name") { isLogged.withLock { $0 } }
    // Far enough before the first look that the log says nothing of that time.
    for _ in 0..<20 { _ = try await harness.scene.log.allocTimestamp() }
    harness.start()
    await harness.wait("the collection is copied by its old name") { harness.collection("a")?.isCopied ?? false }
    if isStopped { await harness.stop() }
    isSlow.withLock { $0 = false }
    try await renaming.value
    if isStopped { harness.start() }
    await harness.waitUntilEqual()
    try harness.scene.insert("b", [7])
    await harness.waitUntilEqual()
    await harness.stop()
  }

  @Test func `a copy never takes the rows of another collection that has its name now`() async throws {
    let harness = try LogHarness(pchannels: 2)
    try await harness.scene.create("a", isLogged: false)
    try await harness.scene.create("b", isLogged: false)
    harness.scene.putSilently("a", 1...50)
    harness.scene.putSilently("b", 1001...1040)
    harness.source.setFaults { $0.method == "Query" ? .rateLimited : nil }
    harness.start()
    await harness.wait("the copies wait for the source") { harness.collection("a")?.state == .retrying }
    // A change that cannot take effect yet holds up those behind it: the names change on the source alone.
    harness.target.setFaults { $0.method == "CreateCollection" ? .notListening : nil }
    try await harness.scene.create("z")
    try await harness.scene.rename("a", to: "t")
    try await harness.scene.rename("b", to: "a")
    try await harness.scene.rename("t", to: "b")
    await harness.wait("the change is tried") { harness.target.calls.contains { $0.path == Sample.path("z") } }
    harness.source.setFaults { _ in nil }
    let asked = harness.source.calls.count { $0.method == "Query" }
    await harness.wait("the copies have read") { harness.source.calls.count { $0.method == "Query" } > asked + 4 }
    harness.target.setFaults { _ in nil }
    await harness.waitUntilEqual()
    await harness.stop()
  }

  @Test func `on_gap stop ends the task with a reason and a hint`() async throws {
    let harness = try LogHarness(pchannels: 1)
    harness.spec.withLock { $0.onGap = .stop }
    try await harness.scene.create("a", isLogged: false)
    harness.start()
    try harness.scene.insert("a", [1])
    await harness.waitUntilEqual()
    await harness.stop()
    try harness.scene.insert("a", [2])
    let pchannel = harness.scene.pchannels[0]
    harness.scene.log.truncate(pchannel, to: harness.scene.log.units(pchannel).count)
    harness.start()
    try harness.scene.insert("a", [3])
    let stop = try #require(await harness.ended())
    #expect(stop.reason.contains("log"))
    #expect(stop.hint != nil)
  }

  @Test(arguments: [FakeCluster.Manners.milvus235, .lite])
  func `a copy while rows change beneath it`(_ target: FakeCluster.Manners) async throws {
    let harness = try LogHarness(target, pchannels: 2)
    try await harness.scene.create("a", shards: 2, isLogged: false)
    let rounds = SearchDepth.rounds(60)
    harness.scene.putSilently("a", 1...Int64(rounds) * 66)
    harness.start()
    // Changes fall before, into and behind what the copy has read.
    for round in 0..<rounds {
      let key = Int64(round * 61 + 1)
      try harness.scene.upsert("a", [key, key + 7], value: Int64(round + 1))
      try harness.scene.delete("a", [key + 3])
      try harness.scene.insert("a", [10_000 + key], value: 5)
      try? await Task.sleep(for: .milliseconds(1))
    }
    await harness.waitUntilEqual()
    await harness.stop()
  }

  @Test func `without a copy only changes from now on are written`() async throws {
    let harness = try LogHarness()
    harness.spec.withLock { $0.initialCopy = false }
    try await harness.scene.create("a", isLogged: false)
    harness.scene.putSilently("a", 1...5)
    harness.start()
    await harness.wait("the first look is over") { harness.board.phase == .following }
    try harness.scene.insert("a", [10])
    await harness.wait("the row is there") {
      harness.target.withState { $0[Sample.path("a")]?.visible().keys.sorted() } == [.int(10)]
    }
    await harness.stop()
  }

  @Test func `end_at stops the task when everything up to there is on the target`() async throws {
    let harness = try LogHarness()
    try await harness.scene.create("a", isLogged: false)
    harness.scene.putSilently("a", 1...5)
    let end = try await harness.scene.log.allocTimestamp()
    harness.spec.withLock { $0.endAt = TimeTick(end.rawValue + (10_000 << 18)) }
    harness.start()
    try harness.scene.insert("a", [10])
    await harness.waitUntilEqual()
    // A minute later, by the source's clock.
    for _ in 0..<600 { _ = try await harness.scene.log.allocTimestamp() }
    try harness.scene.insert("a", [11])
    let stop = try #require(await harness.ended())
    #expect(stop.reason == "reached end_at")
    let keys = harness.target.withState { $0[Sample.path("a")]?.visible().keys.sorted() ?? [] }
    #expect(keys == [1, 2, 3, 4, 5, 10].map { .int($0) })
  }

  @Test func `a source without a log is refused where wal was asked for, and compared where it was not`() async throws {
    let harness = try LogHarness()
    let (source, target) = (FakeCluster(.milvus235, peer: "source:1", seed: 1), harness.target)
    func run(_ capture: TaskSpec.Capture) async -> (TaskStop?, TaskProgress) {
      let board = ProgressBoard()
      var spec = harness.spec.withLock { $0 }
      spec.capture = capture
      let environment = ReconcileRunner.Environment(
        connect: { $0.endpoint.host == "source" ? source : target },
        makePass: { RowPass(pair: $0, unit: $1, options: $2, report: $3) })
      let runner = CaptureRunner(
        taskID: "x", spec: spec, checkpoints: MemoryCheckpoints(), board: board, environment: environment)
      let task = Task { () -> TaskStop? in
        do throws(TaskStop) {
          try await runner.run()
          return nil
        } catch {
          return error
        }
      }
      if capture == .auto {
        await harness.wait("the first look is over") { board.read().phase == .following }
        task.cancel()
      }
      return (await task.value, board.read())
    }
    let asked = await run(.wal)
    #expect(asked.0?.reason.contains("no log that clients may read") == true)
    #expect(asked.0?.hint != nil)
    let chosen = await run(.auto)
    #expect(chosen.0 == nil)
    #expect(chosen.1.capture == .reconcile)
    #expect(chosen.1.captureReason.contains("2.6.20"))
  }
}
