import MilvusWire
import TestSupport
import Testing

@testable import CDCBridge

/// A clock that moves by the pauses that are made: a short one is over at once, a long one when the test says so.
private final class LeapingTime: Sendable {
  private struct State: Sendable {
    var now = ContinuousClock.now
    var sleepers: [LogLatch] = []
  }
  private let state = Locked(State())

  var runnerTime: RunnerTime {
    RunnerTime(
      now: { self.state.withLock { $0.now } }, sleep: { await self.sleep($0) },
      sleepUntil: { instant in await self.sleep(instant - self.state.withLock { $0.now }) }, unixMs: { 1_700_000_000_000 }, random: { 0 },
      clock: ContinuousClock())
  }

  private func sleep(_ duration: Duration) async -> Bool {
    guard duration > .seconds(10) else {
      state.withLock { $0.now += duration }
      // Others get a turn, and a loop of short pauses is no busy one.
      try? await Task.sleep(for: .milliseconds(1))
      return !Task.isCancelled
    }
    let latch = LogLatch()
    state.withLock { $0.sleepers.append(latch) }
    return await latch.wait()
  }

  func pass(_ duration: Duration) {
    let sleepers = state.withLock { state in
      state.now += duration
      defer { state.sleepers = [] }
      return state.sleepers
    }
    for latch in sleepers { latch.open() }
  }
}

/// One pchannel's relay against a standby in memory. The clock moves by its own pauses; nothing depends on real time.
@Suite struct PchannelRelayTests {
  private static let source = "src-rootcoord-dml_0", target = "dst-rootcoord-dml_0"
  private static let start = LogPosition(confirmed: LogMessageID("CAE=", .woodPecker), timeTick: TimeTick(1))

  /// A relay that runs, and what it ended with.
  private final class Rig: Sendable {
    let replica: FakeReplica
    let time = LeapingTime()
    let relay: PchannelRelay
    let troubles = Locked<[String]>([])
    let isEnded = Locked(false)
    let task: Task<PchannelRelay.End, Never>

    init(openBytesMax: Int = 1 << 20, tick: TimeTick = TimeTick(0), change: (inout FakeReplica.State) -> Void = { _ in }) {
      let replica = FakeReplica(pchannels: [PchannelRelayTests.target])
      replica.state.withLock { state in
        state.sourceID = "src"
        var checkpoint = ReplicateCheckpoint()
        (checkpoint.clusterID, checkpoint.pchannel) = ("src", PchannelRelayTests.source)
        state.checkpoints[PchannelRelayTests.target] = checkpoint
        change(&state)
      }
      self.replica = replica
      var limits = PchannelRelay.Limits()
      limits.openBytesMax = openBytesMax
      let troubles = troubles
      let relay = PchannelRelay(
        pchannel: PchannelRelayTests.source, targetPchannel: PchannelRelayTests.target, replica: replica, sourceID: "src", targetID: "dst",
        queue: RelayQueue(at: PchannelRelayTests.start, targetTick: tick), limits: limits, time: time.runnerTime,
        report: { _, trouble in if let trouble { troubles.withLock { $0.append(trouble.message) } } })
      self.relay = relay
      let isEnded = isEnded
      task = Task {
        let end = await relay.run()
        isEnded.withLock { $0 = true }
        return end
      }
    }

    /// The time is a limit for a test that fails.
    func until(_ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ isTrue: () async -> Bool) async {
      let end = ContinuousClock.now + .seconds(600)
      while await !isTrue() {
        guard ContinuousClock.now < end else {
          Issue.record("waited in vain until \(what)", sourceLocation: sourceLocation)
          return
        }
        try? await Task.sleep(for: .milliseconds(1))
      }
    }

    func stop() async -> PchannelRelay.End {
      task.cancel()
      return await task.value
    }
  }

  private static func history(_ count: Int, seed: UInt64 = 1) throws -> [RelayUnit] {
    var writer = LogWriter(source)
    var random = SeededGenerator(seed: seed)
    return try (0..<count).map { _ in
      if Bool.random(using: &random) {
        let messages = try writer.transaction(Bool.random(using: &random) ? [.delete, .insert] : [.insert, .insert, .delete])
        return RelayUnit(messages, position: LogPosition(afterCommit: messages[messages.count - 1], begin: messages[0]))
      }
      let message = try writer.plain()
      return RelayUnit([message], position: LogPosition(after: message))
    }
  }

  /// Short enough to be read where they differ.
  private static func lines(_ messages: [LogMessage]) -> [String] { messages.map { "\($0.type) \($0.id.text)" } }
  private static func messages(_ units: [RelayUnit]) -> [LogMessage] { units.flatMap(\.messages) }

  @Test(arguments: [UInt64](1...6))
  func `whatever ends the streams, each message arrives once and in order`(seed: UInt64) async throws {
    let units = try Self.history(60, seed: seed)
    var random = SeededGenerator(seed: seed &+ 100)
    let cuts = (0..<12).map { _ in Int.random(in: 0..<9, using: &random) }
    let rig = Rig { state in
      state.endsAfter = Array(cuts.prefix(6))
      state.breaksAfter = Array(cuts.suffix(6))
      state.isSilentAboutRepeats = seed.isMultiple(of: 2)
    }
    let feeder = Task { for unit in units { await rig.relay.take(unit) } }
    let all = Self.messages(units)
    await rig.until("everything is there") { rig.replica.applied(Self.source).count == all.count }
    await feeder.value
    #expect(Self.lines(rig.replica.applied(Self.source)) == Self.lines(all))
    #expect(rig.replica.state.withLock { $0.opened } > 6)
    #expect(await rig.stop() == .cancelled)
  }

  @Test func `too much that is unconfirmed holds the source back, and one unit is always taken`() async throws {
    let units = try Self.history(40)
    let rig = Rig(openBytesMax: units[0].byteCount) { $0.holdsConfirmations = true }
    let taken = Locked(0)
    let feeder = Task {
      for unit in units {
        await rig.relay.take(unit)
        taken.withLock { $0 += 1 }
      }
    }
    await rig.until("something was sent") { !rig.replica.sent(Self.source).isEmpty }
    // The first fits, the second is taken and waits: no third one.
    await rig.until("the second is taken too") { await rig.relay.queue.count == 2 }
    #expect(taken.withLock { $0 } <= 2)
    #expect(await rig.relay.queue.count <= 2)
    rig.replica.confirmAll()
    await rig.until("everything is there") { rig.replica.applied(Self.source).count == Self.messages(units).count }
    await feeder.value
    #expect(rig.replica.applied(Self.source) == Self.messages(units))
    _ = await rig.stop()
  }

  @Test func `confirmations that come late repeat nothing`() async throws {
    let units = try Self.history(20)
    let rig = Rig { $0.holdsConfirmations = true }
    for unit in units { await rig.relay.take(unit) }
    await rig.until("everything was sent") { rig.replica.applied(Self.source).count == Self.messages(units).count }
    #expect(await rig.relay.queue.confirmedTick == TimeTick(0))
    rig.replica.confirmAll()
    await rig.until("all are confirmed") { await rig.relay.queue.isEmpty }
    #expect(rig.replica.sent(Self.source) == Self.messages(units))
    _ = await rig.stop()
  }

  @Test func `a target that takes everything and says nothing is asked, and believed`() async throws {
    let units = try Self.history(5)
    let rig = Rig { $0.holdsConfirmations = true }
    for unit in units { await rig.relay.take(unit) }
    await rig.until("everything was sent") { rig.replica.applied(Self.source).count == Self.messages(units).count }
    #expect(await rig.relay.queue.count == 5)
    // Long enough for it to be asked: the stream is cut, and what the target says releases what it never confirmed.
    await rig.until("it was asked, and believed") {
      rig.time.pass(.seconds(16))
      return await rig.relay.queue.isEmpty
    }
    #expect(Self.lines(rig.replica.sent(Self.source)) == Self.lines(Self.messages(units)))
    _ = await rig.stop()
  }

  @Test func `a promoted target ends the task with what it missed`() async throws {
    let rig = Rig()
    let units = try Self.history(4)
    for unit in units.prefix(2) { await rig.relay.take(unit) }
    await rig.until("two are there") { rig.replica.applied(Self.source).count == Self.messages(Array(units.prefix(2))).count }
    rig.replica.promote()
    for unit in units.suffix(2) { await rig.relay.take(unit) }
    await rig.until("it ends") { rig.isEnded.withLock { $0 } }
    guard case .stop(let stop) = await rig.task.value else {
      Issue.record("it goes on")
      return
    }
    #expect(stop.reason.contains("promoted by force"))
    #expect(stop.hint?.contains("\(units[1].timeTick)") == true)
  }

  @Test func `a target that dies of a message twice is left alone`() async throws {
    let units = try Self.history(3)
    let poison = units[1].timeTick
    let rig = Rig { $0.poison = poison }
    for unit in units { await rig.relay.take(unit) }
    let deaths = Locked(0)
    // Somebody starts it again after each death, which takes a while: ten calls with growing pauses.
    let nurse = Task {
      while !Task.isCancelled {
        if rig.replica.state.withLock({ $0.isDown && $0.refusals >= 10 }) {
          deaths.withLock { $0 += 1 }
          rig.replica.revive()
        }
        try? await Task.sleep(for: .milliseconds(1))
      }
    }
    await rig.until("it ends") { rig.isEnded.withLock { $0 } }
    guard case .stop(let stop) = await rig.task.value else {
      Issue.record("it goes on")
      return
    }
    nurse.cancel()
    #expect(stop.reason.contains("died twice") && stop.reason.contains("\(poison)"))
    #expect(deaths.withLock { $0 } == 2)
  }

  @Test func `a target that has less than it confirmed is sent its log again`() async throws {
    let rig = Rig()
    let units = try Self.history(4)
    for unit in units.prefix(3) { await rig.relay.take(unit) }
    let relay = rig.relay
    await rig.until("three are there") { rig.replica.applied(Self.source).count == Self.messages(Array(units.prefix(3))).count }
    await rig.until("they are confirmed") { await relay.queue.isEmpty }
    rig.replica.state.withLock { $0.checkpoints[Self.target]?.timeTick = units[0].timeTick }
    rig.replica.breakStreams()
    await relay.take(units[3])
    await rig.until("it ends") { rig.isEnded.withLock { $0 } }
    #expect(await rig.task.value == .rewind)
  }
}
