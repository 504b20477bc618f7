import CDCBridge
import Foundation
import MilvusWire
import TestSupport
import Testing

/// The follower over a log in memory, on a clock that the test moves: reconnects, questions beside silent streams, and what ends it.
@Suite(.timeLimit(.minutes(5))) struct LogFollowerTests {
  private static let pchannel = "src-rootcoord-dml_0"
  private static let other = "src-rootcoord-dml_1"

  private struct Writing {
    var writer = LogWriter(LogFollowerTests.pchannel, entry: 4)
    var stored: LogMessage
    var log: RecordedLog
    init(_ kind: LogKind = .woodPecker) throws {
      writer = LogWriter(LogFollowerTests.pchannel, kind, entry: 1004)
      stored = try writer.plain()
      log = RecordedLog([LogFollowerTests.pchannel: [stored]])
    }
    var position: LogPosition { LogPosition(after: stored) }
    /// Ticks go on behind what the log has said so far.
    mutating func append(_ count: Int = 1) throws -> [LogMessage] {
      writer.tick = max(writer.tick, log.units(LogFollowerTests.pchannel).last?.last?.timeTick.rawValue ?? 0)
      writer.tick = max(writer.tick, log.clock.rawValue)
      let messages = try (0..<count).map { _ in try writer.plain() }
      log.append(messages, to: LogFollowerTests.pchannel)
      return messages
    }
    func scene(limits: LogLimits = LogLimits()) -> FollowScene {
      FollowScene(log, from: [LogFollowerTests.pchannel: position], limits: limits)
    }
  }

  private func lines(_ messages: [LogMessage]) -> [String] { messages.map { LogLedger.line([$0]) } }

  // MARK: Recordings

  @Test(arguments: Recordings.names, [1 as UInt64, 2])
  func `a recording with random faults comes whole`(name: String, seed: UInt64) async throws {
    let log = try Recordings.log(name)
    var random = SplitMix(seed: seed)
    var positions: [String: LogPosition] = [:], wanted: [String: [String]] = [:]
    for pchannel in log.pchannels {
      let units = log.units(pchannel)
      let place = Int.random(in: 0..<max(1, units.count / 2), using: &random)
      positions[pchannel] = LogLedger.position(after: units[place])
      wanted[pchannel] = units[(place + 1)...].map(LogLedger.line(unit:))
      log.script(
        (0..<12).map { _ in
          let after = Int.random(in: 0..<60, using: &random)
          return switch Int.random(in: 0..<7, using: &random) {
          case 0: .cut(after: after, RecordedLog.error(.unavailable))
          case 1: .cut(after: after, RecordedLog.error(.unknown, "stream timeout"))
          case 2: .end(after: after)
          case 3: .silence(after: after)
          case 4: .refuse(RecordedLog.error(.unknown))
          case 5: .repeat(at: after)
          default: .unfiltered
          }
        }, on: pchannel)
    }
    let scene = FollowScene(log, from: positions)
    scene.start()
    let end = await scene.run { [wanted] in
      wanted.allSatisfy { scene.ledger[$0.key].lines.count >= $0.value.count }
    }
    #expect(end, "seed \(seed): \(scene.reports.troubles.suffix(3))")
    await scene.stop()
    for (pchannel, lines) in wanted {
      #expect(scene.ledger[pchannel].lines == lines, "\(pchannel), seed \(seed)")
      #expect(scene.ledger[pchannel].ticks == scene.ledger[pchannel].ticks.sorted())
    }
    #expect(scene.ledger.gaps == [], "seed \(seed)")
    #expect(scene.ledger.overlaps == 0)
  }

  // MARK: Completeness of what is idle

  @Test func `an idle pchannel is proven again and again`() async throws {
    let writing = try Writing()
    let scene = writing.scene()
    scene.start()
    #expect(await scene.run { scene.ledger[Self.pchannel].ticks.count >= 3 })
    await scene.stop()
    let channel = scene.ledger[Self.pchannel]
    #expect(channel.lines == [])
    #expect(Set(channel.ticks).count == channel.ticks.count)
    #expect(channel.proven > writing.position.timeTick)
    #expect(scene.reports.all == [])
    let asked = writing.log.requests.filter { $0.endTick.rawValue != 0 }
    #expect(
      asked.allSatisfy { $0.startTick.rawValue == writing.position.timeTick.rawValue + 1 && $0.isInclusive })
  }

  @Test func `whoever asks is answered at once, and all by one question`() async throws {
    let writing = try Writing()
    var limits = LogLimits()
    limits.idleAfter = .seconds(3600)
    let scene = writing.scene(limits: limits)
    scene.start()
    let tick = try await writing.log.allocTimestamp()
    let answers = Locked<[Bool]>([])
    let askers = (0..<5).map { _ in
      Task {
        let answer = await scene.follower.prove(upTo: tick)
        answers.withLock { $0.append(answer) }
      }
    }
    #expect(await scene.run(atMost: .seconds(60)) { answers.withLock { $0.count } == 5 })
    for asker in askers { await asker.value }
    #expect(answers.withLock { $0 } == [true, true, true, true, true])
    #expect(scene.ledger[Self.pchannel].proven == tick)
    #expect(writing.log.requests.count { $0.endTick.rawValue != 0 } <= 2)
    #expect(await scene.follower.prove(upTo: tick), "what is reached needs no question")
    #expect(
      await scene.follower.prove(upTo: TimeTick(.max), on: ["another"]), "what is not followed does not count"
    )
    // A log that answers would have shown it before the end came.
    writing.log.always(live: .silence(after: 0), bounded: .silence(after: 0), on: Self.pchannel)
    let late = Task { await scene.follower.prove(upTo: TimeTick(.max)) }
    await scene.stop()
    #expect(await late.value == false)
  }

  @Test func `an asker that is cancelled leaves`() async throws {
    let writing = try Writing()
    let scene = writing.scene()
    writing.log.always(live: .silence(after: 0), bounded: .silence(after: 0), on: Self.pchannel)
    scene.start()
    let asker = Task { await scene.follower.prove(upTo: TimeTick(.max)) }
    _ = await scene.run(atMost: .seconds(5)) { false }
    asker.cancel()
    #expect(await asker.value == false)
    await scene.stop()
  }

  @Test func `a stream that stands still although the log goes on is opened again`() async throws {
    var writing = try Writing()
    writing.log.script([.silence(after: 1)], on: Self.pchannel)
    let scene = writing.scene()
    scene.start()
    #expect(await scene.run { scene.ledger[Self.pchannel].proven > scene.stored })
    let sent = try writing.append(3)
    #expect(await scene.run { scene.ledger[Self.pchannel].lines.count == 3 })
    #expect(scene.ledger[Self.pchannel].lines == lines(sent))
    #expect(scene.reports.troubles.contains { $0.contains("stood still") })
    #expect(await scene.run { scene.reports.recoveries >= 1 })
    #expect(scene.ledger.gaps == [])
    await scene.stop()
  }

  @Test func `a consumer that takes its time is no silence, and holds the stream`() async throws {
    var writing = try Writing()
    let scene = writing.scene()
    scene.ledger.hold(Self.pchannel)
    scene.start()
    let sent = try writing.append(5)
    _ = await scene.run(atMost: .seconds(120)) { false }
    #expect(scene.ledger[Self.pchannel].lines == [])
    #expect(writing.log.liveCount(Self.pchannel) == 1)
    scene.ledger.release(Self.pchannel)
    #expect(await scene.run { scene.ledger[Self.pchannel].lines.count == 5 })
    #expect(scene.ledger[Self.pchannel].lines == lines(sent))
    #expect(scene.ledger.overlaps == 0)
    #expect(scene.reports.all == [])
    await scene.stop()
  }

  // MARK: Gaps

  @Test(arguments: [LogKind.woodPecker, .pulsar, .kafka, .rocksMQ])
  func `a truncation is noticed within ten seconds of the next read, also in silence`(kind: LogKind)
    async throws
  {
    var writing = try Writing(kind)
    let lost = try writing.append(2)
    writing.log.truncate(Self.pchannel, to: 3)
    let scene = writing.scene()
    scene.start()
    #expect(await scene.run(atMost: .seconds(10)) { scene.ledger[Self.pchannel].gaps.count == 1 })
    #expect(scene.ledger[Self.pchannel].gaps.first?.after == writing.position)
    #expect(scene.ledger[Self.pchannel].gaps.first?.firstSeen == nil)
    let sent = try writing.append(2)
    #expect(await scene.run { scene.ledger[Self.pchannel].lines.count == 2 })
    #expect(scene.ledger[Self.pchannel].lines == lines(sent))
    #expect(!lost.isEmpty && scene.ledger[Self.pchannel].gaps.count == 1)
    await scene.stop()
  }

  @Test func `a fresh start whose barrier is gone is a gap`() async throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let barrier = try writer.flushAll(), later = try writer.plain()
    let log = RecordedLog([Self.pchannel: [barrier, later]])
    log.truncate(Self.pchannel, to: 1)
    let scene = FollowScene(log, from: [Self.pchannel: LogPosition(after: barrier)])
    scene.start()
    #expect(await scene.run { scene.ledger[Self.pchannel].lines.count == 1 })
    #expect(scene.ledger[Self.pchannel].gaps.map(\.reason) == [.truncated])
    await scene.stop()
  }

  @Test func `a start that is there but is not delivered is no gap`() async throws {
    let writing = try Writing()
    writing.log.script([.silence(after: 0), .silence(after: 0)], on: Self.pchannel)
    let scene = writing.scene()
    scene.start()
    #expect(await scene.run { scene.ledger[Self.pchannel].proven > scene.stored })
    #expect(scene.ledger.gaps == [])
    #expect(writing.log.liveCount(Self.pchannel) == 3)
    await scene.stop()
  }

  @Test func `a position behind the end of a new log begins at its earliest entry`() async throws {
    var writing = try Writing()
    // The log was made anew: the stored position lies behind its end, where every dump waits for ever.
    writing.log.always(live: .silence(after: 0), bounded: nil, on: Self.pchannel)
    writing.log.scriptBounded([.silence(after: 0)], on: Self.pchannel)
    writing.log.truncate(Self.pchannel, to: 1)
    let scene = writing.scene()
    scene.start()
    #expect(await scene.run { scene.ledger[Self.pchannel].gaps.count == 1 })
    #expect(scene.ledger[Self.pchannel].gaps.first?.reason == .unproven)
    writing.log.always(live: nil, bounded: nil, on: Self.pchannel)
    let sent = try writing.append(2)
    #expect(await scene.run { scene.ledger[Self.pchannel].lines.count == 2 })
    #expect(scene.ledger[Self.pchannel].lines == lines(sent))
    let restart = writing.log.requests.last { $0.endTick.rawValue == 0 && $0.start.text == "CAAQAQ==" }
    #expect(restart?.startTick.rawValue == writing.position.timeTick.rawValue + 1)
    await scene.stop()
  }

  @Test func `an empty last-confirmed id is followed from the earliest entry`() async throws {
    var writer = LogWriter(Self.pchannel)
    let messages = try (0..<6).map { _ in try writer.plain() }
    #expect(messages[0].lastConfirmedID.text.isEmpty)
    let log = RecordedLog([Self.pchannel: messages])
    log.setFlushCheckpoint(Self.pchannel, to: 4)
    let scene = FollowScene(log, from: [Self.pchannel: LogPosition(after: messages[0])])
    scene.start()
    #expect(await scene.run { scene.ledger[Self.pchannel].lines.count == 5 })
    #expect(scene.ledger[Self.pchannel].lines == lines(Array(messages[1...])))
    #expect(scene.ledger.gaps == [])
    await scene.stop()
  }

  // MARK: Troubles

  @Test func `a proxy that cuts an idle stream is not worth a word`() async throws {
    var writing = try Writing()
    for code in [RPCStatusCode.unknown, .unavailable, .internal] {
      writing.log.script([.cut(after: 1, RecordedLog.error(code, "stream timeout"))], on: Self.pchannel)
    }
    writing.log.script([.end(after: 1)], on: Self.pchannel)
    let scene = writing.scene()
    // Between two cuts a message comes, as on any stream that works.
    scene.start()
    #expect(await scene.run { scene.log.liveCount(Self.pchannel) >= 2 })
    let sent = try writing.append(1)
    #expect(await scene.run { scene.ledger[Self.pchannel].lines.count == 1 })
    #expect(scene.ledger[Self.pchannel].lines == lines(sent))
    await scene.stop()
    #expect(scene.ledger.gaps == [])
  }

  @Test func `a source that stays away is told, tried for ever, and told when it is back`() async throws {
    var writing = try Writing()
    writing.log.always(live: .refuse(RecordedLog.error(.unavailable)), bounded: nil, on: Self.pchannel)
    let scene = writing.scene()
    scene.start()
    #expect(await scene.run { scene.log.liveCount(Self.pchannel) >= 12 })
    let troubles = scene.reports.all
    guard case .trouble(Self.pchannel, let error, let attempt, let wait)? = troubles.last else {
      Issue.record("no trouble was told")
      return
    }
    #expect(error.code == .call && error.side == .source)
    #expect(attempt >= 11)
    #expect(wait == RetryBackoff.longest)
    if case .trouble(_, _, let first, _)? = troubles.first { #expect(first == 2, "the first cut is quiet") }
    writing.log.always(live: nil, bounded: nil, on: Self.pchannel)
    let sent = try writing.append(2)
    #expect(await scene.run { scene.ledger[Self.pchannel].lines.count == 2 })
    #expect(scene.ledger[Self.pchannel].lines == lines(sent))
    #expect(scene.reports.recoveries == 1)
    await scene.stop()
  }

  @Test(arguments: [0, 1, 2])
  func `a peer that accepts and never answers is noticed`(form: Int) async throws {
    let writing = try Writing()
    switch form {
    case 0: writing.log.always(live: .hang, bounded: .hang, on: Self.pchannel)
    case 1: writing.log.always(live: .silence(after: 0), bounded: .silence(after: 0), on: Self.pchannel)
    default:
      writing.log.always(live: .silence(after: 1), bounded: nil, on: Self.pchannel)
      writing.log.hangTimestamps(true)
    }
    let scene = writing.scene()
    scene.start()
    #expect(
      await scene.run(atMost: .seconds(400)) {
        scene.reports.troubles.contains { $0.contains("no answer within") }
      })
    #expect(scene.ledger.gaps == [], "silence is not a success, and no loss either")
    await scene.stop()
  }

  @Test(arguments: [RPCStatusCode.unauthenticated, .permissionDenied, .unimplemented])
  func `what only a person can mend ends it with a hint`(code: RPCStatusCode) async throws {
    let writing = try Writing()
    writing.log.script([.cut(after: 1, RecordedLog.error(code))], on: Self.pchannel)
    let scene = writing.scene()
    scene.start()
    #expect(await scene.run { scene.hasEnded })
    let failure = try #require(scene.failure)
    let policy = ErrorPolicy(sourceIsLite: false, targetIsLite: false)
    guard case .stopTask(let hint) = policy.decide(failure) else {
      Issue.record("\(failure) does not stop the task")
      return
    }
    #expect(
      hint.contains(
        code == .permissionDenied
          ? "PrivilegeManageOwnership" : code == .unimplemented ? "2.6.20" : "credentials"))
  }

  @Test func `an unexpanded transaction ends it`() async throws {
    var writing = try Writing()
    let scene = writing.scene()
    scene.start()
    var builder = LogMessageBuilder(try writing.writer.plain())
    builder.type = .txn
    writing.log.append([try builder.message()], to: Self.pchannel)
    #expect(await scene.run { scene.hasEnded })
    #expect(scene.failure?.code == .logUnusable)
    #expect(scene.failure?.hint?.contains("2.6.20") == true)
  }

  @Test func `a position of an unknown log ends it before a call is made`() async throws {
    let writing = try Writing()
    let position = LogPosition(confirmed: LogMessageID("1", LogKind(rawValue: 77)), timeTick: TimeTick(5))
    let scene = FollowScene(writing.log, from: [Self.pchannel: position])
    scene.start()
    #expect(await scene.run { scene.hasEnded })
    #expect(scene.failure?.code == .logUnusable)
    #expect(writing.log.requests == [])
  }

  @Test func `a position that the source refuses, and only that, ends it`() async throws {
    let writing = try Writing()
    let refused = LogPosition(
      confirmed: LogMessageID("CAEQAg==", .woodPecker), timeTick: writing.position.timeTick)
    let scene = FollowScene(writing.log, from: [Self.pchannel: refused])
    writing.log.refuseStart("CAEQAg==")
    scene.start()
    #expect(await scene.run { scene.hasEnded })
    #expect(scene.failure?.code == .logUnusable)
    #expect(scene.failure?.message.contains("refuses the stored position") == true)

    let away = try Writing()
    away.log.always(
      live: .refuse(RecordedLog.error(.unknown)), bounded: .refuse(RecordedLog.error(.unknown)),
      on: Self.pchannel)
    let other = away.scene()
    other.start()
    #expect(await other.run { other.log.liveCount(Self.pchannel) >= 8 })
    #expect(!other.hasEnded, "a source that refuses everything is tried again")
    await other.stop()
  }

  @Test func `a broken transaction is read again and told, not delivered`() async throws {
    var writing = try Writing()
    var broken = try writing.writer.transaction()
    broken.remove(at: 0)
    let next = try writing.writer.plain()
    // The stream begins with the stored message, so that the orphans are no leftover of a start.
    writing.log.append(broken + [next], to: Self.pchannel)
    let scene = writing.scene()
    scene.start()
    #expect(await scene.run { scene.reports.troubles.count >= 3 })
    #expect(scene.reports.troubles.allSatisfy { $0.contains("without its beginning") })
    #expect(scene.ledger.units == 0)
    #expect(!scene.hasEnded)
    await scene.stop()
  }

  @Test func `what the consumer throws ends all pchannels`() async throws {
    var first = LogWriter(Self.pchannel, entry: 4), second = LogWriter(Self.other, entry: 4)
    let a = try first.plain(), b = try second.plain()
    let log = RecordedLog([Self.pchannel: [a, try first.plain()], Self.other: [b]])
    let scene = FollowScene(
      log, from: [Self.pchannel: LogPosition(after: a), Self.other: LogPosition(after: b)])
    let failure = BridgeError(.storage, side: .local, operation: "store", message: "full")
    scene.ledger.fail(failure)
    scene.start()
    #expect(await scene.run { scene.hasEnded })
    #expect(scene.failure == failure)
  }

  @Test func `one timestamp serves all pchannels`() async throws {
    let log = try Recordings.log("source")
    var positions: [String: LogPosition] = [:]
    for pchannel in log.pchannels {
      positions[pchannel] = log.units(pchannel).last.flatMap(LogLedger.position(after:))
    }
    let scene = FollowScene(log, from: positions)
    scene.start()
    #expect(await scene.run { log.pchannels.allSatisfy { scene.ledger[$0].ticks.count >= 3 } })
    #expect(log.timestampCount < 12)
    await scene.stop()
  }
}

/// Random numbers that a seed repeats.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
