import CDCBridge
import Foundation
import MilvusWire
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct LogBootstrapTests {
  private static let names = ["src-rootcoord-dml_0", "src-rootcoord-dml_1"]

  /// Two channels with a FlushAll at their ends.
  private func log(_ kind: LogKind = .woodPecker, _ names: [String] = names) throws -> RecordedLog {
    var channels: [String: [LogMessage]] = [:]
    for name in names {
      var writer = LogWriter(name, kind, entry: 1000)
      channels[name] = try [writer.plain(), writer.flushAll()]
    }
    return RecordedLog(channels)
  }

  /// Beside a clock that goes on.
  private func start(_ log: RecordedLog) async -> Result<LogStart, BridgeError> {
    let time = SteppedTime()
    let result = Locked<Result<LogStart, BridgeError>?>(nil)
    let task = Task {
      do throws(BridgeError) {
        let start = try await LogBootstrap.start(log: log, time: time.runnerTime)
        result.withLock { $0 = .success(start) }
      } catch {
        result.withLock { $0 = .failure(error) }
      }
    }
    let ended = await time.run(until: { result.withLock { $0 != nil } })
    #expect(ended)
    task.cancel()
    await task.value
    return result.withLock { $0 }
      ?? .failure(BridgeError(.notReady, side: .local, operation: "test", message: "no end"))
  }

  @Test(arguments: [LogKind.woodPecker, .rocksMQ, .kafka, .pulsar])
  func `FlushAll tells channels, positions and the replication id`(kind: LogKind) async throws {
    let log = try log(kind)
    let start = try await start(log).get()
    #expect(start.replicationID == "src")
    #expect(start.controlChannel == "src-rootcoord-dml_0_vcchan")
    #expect(start.pchannels == Self.names)
    for name in Self.names {
      let message = try #require(log.units(name).last?.last)
      #expect(start.positions[name] == LogPosition(after: message))
      #expect(start.positions[name]?.probe == message.id)
      #expect(start.barriers[name] == message.timeTick)
    }
    let probe = try #require(log.requests.first)
    #expect(log.requests.count == 1)
    #expect(
      probe.isInclusive && probe.startTick == probe.endTick
        && probe.start == start.positions[probe.pchannel]?.probe)
  }

  @Test(arguments: ["source", "source-v3", "source-rocksmq"])
  func `a recorded FlushAll is a start`(name: String) async throws {
    let start = try await start(Recordings.log(name)).get()
    #expect(start.replicationID == "cdc-src")
    #expect(start.pchannels.count == 4)
    #expect(start.controlChannel == "cdc-src-rootcoord-dml_0_vcchan")
  }

  @Test func `a server without inclusive starts is too old`() async throws {
    let log = try log()
    log.ignoreInclusive()
    guard case .failure(let error) = await start(log) else {
      Issue.record("it was taken")
      return
    }
    #expect(error.code == .logUnusable)
    #expect(error.message.contains("older than 2.6.20"))
    #expect(error.hint?.contains("capture=reconcile") == true)
  }

  @Test func `a log that keeps nothing is named`() async throws {
    let log = try log(.pulsar)
    for name in Self.names { log.truncate(name, to: 2) }
    guard case .failure(let error) = await start(log) else {
      Issue.record("it was taken")
      return
    }
    #expect(error.hint?.contains("retention") == true)
  }

  @Test func `answers without fields, positions or a known log are refused`() throws {
    var writer = LogWriter(Self.names[0])
    let message = try writer.flushAll()
    var whole = FlushAllAnswer()
    whole.controlChannel = "src-rootcoord-dml_0_vcchan"
    whole.pchannels = [Self.names[0]]
    whole.messages = [Self.names[0]: message]
    #expect(throws: Never.self) { try LogBootstrap.read(whole) }
    var cases: [(String, FlushAllAnswer)] = [("older than 2.6.8", FlushAllAnswer())]
    var answer = whole
    answer.controlChannel = ""
    cases.append(("schema changes", answer))
    answer = whole
    answer.controlChannel = "src-rootcoord-dml_7_vcchan"
    cases.append(("schema changes", answer))
    answer = whole
    answer.pchannels.append(Self.names[1])
    cases.append(("no position", answer))
    for kind in [LogKind.unknown, .test, LogKind(rawValue: 77)] {
      var builder = LogMessageBuilder(message)
      builder.id.kind = kind
      answer = whole
      answer.messages = [Self.names[0]: try builder.message()]
      cases.append(("does not know", answer))
    }
    for (text, answer) in cases {
      let error = #expect(throws: BridgeError.self) { try LogBootstrap.read(answer) }
      #expect(error?.code == .logUnusable)
      #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    }
    answer = whole
    answer.pchannels = ["in01-a_0"]
    answer.controlChannel = "in01-a_0_vcchan"
    answer.messages = ["in01-a_0": message]
    #expect(try LogBootstrap.read(answer).replicationID == nil, "other names name no cluster")
  }

  @Test func `refusals are told apart`() async throws {
    let secondary = MilvusStatus(code: 65535, reason: "cannot flush all: not primary")
    let cases: [(CallError, BridgeError.Code, String)] = [
      (.status(secondary, method: "FlushAll"), .logUnusable, "primary's address"),
      (RecordedLog.error(.unimplemented), .logUnusable, "2.6.20"),
      (RecordedLog.error(.permissionDenied), .call, "PrivilegeManageOwnership"),
      (RecordedLog.error(.unauthenticated), .call, "credentials"),
    ]
    let policy = ErrorPolicy(sourceIsLite: false, targetIsLite: false)
    for (cause, code, hint) in cases {
      let log = try log()
      log.answerFlushAll(.failure(cause))
      guard case .failure(let error) = await start(log) else {
        Issue.record("\(cause) was taken")
        continue
      }
      #expect(error.code == code)
      #expect(error.hint?.contains(hint) == true, "\(error.hint ?? "")")
      guard case .stopTask = policy.decide(error) else {
        Issue.record("\(error) does not stop the task")
        continue
      }
    }
    let log = try log()
    log.answerFlushAll(.failure(RecordedLog.error(.unavailable)))
    guard case .failure(let error) = await start(log), case .retry = policy.decide(error) else {
      Issue.record("a source that is away is tried again")
      return
    }
  }

  @Test(arguments: [true, false])
  func `a source that does not answer is tried again`(hangsAtOnce: Bool) async throws {
    let log = try log()
    if hangsAtOnce {
      log.hangFlushAll()
    } else {
      log.always(live: nil, bounded: .silence(after: 0), on: Self.names[0])
    }
    guard case .failure(let error) = await start(log) else {
      Issue.record("it was taken")
      return
    }
    #expect(error.cause?.rpcCode == .deadlineExceeded)
    guard case .retry = ErrorPolicy(sourceIsLite: false, targetIsLite: false).decide(error) else {
      Issue.record("\(error)")
      return
    }
  }

  // MARK: Retention

  private static let now: Int64 = 1_700_000_000_000

  @Test func `only 2_6 with WoodPecker tells how long a position lasts`() {
    let v26 = ServerProfile.Version(2, 6, 20), v30 = ServerProfile.Version(3, 0, 1)
    #expect(RetentionWatch(kind: .woodPecker, version: v26).retentionSeconds == 600)
    #expect(RetentionWatch(kind: .woodPecker, version: v30).retentionSeconds == nil)
    #expect(RetentionWatch(kind: .woodPecker, version: nil).retentionSeconds == nil)
    #expect(RetentionWatch(kind: .rocksMQ, version: v26).retentionSeconds == nil)
    #expect(RetentionWatch(kind: .pulsar, version: v30, configuredSeconds: 3600).retentionSeconds == 3600)
    #expect(RetentionWatch(kind: .pulsar, version: v30, configuredSeconds: 0).retentionSeconds == nil)
    #expect(
      RetentionWatch(kind: .pulsar, version: v30).secondsLeft(since: TimeTick(1), nowMs: Self.now) == nil)
  }

  @Test(arguments: [
    (0, 600, false), (1, 599, false), (400, 200, false), (401, 199, true), (600, 0, true), (100_000, 0, true),
    (-50, 600, false),
  ])
  func `what is left shrinks with the age of the position`(age: Int64, left: Int64, isShort: Bool) {
    let watch = RetentionWatch(kind: .woodPecker, version: ServerProfile.Version(2, 6, 20))
    let tick = TimeTick(UInt64(Self.now - age * 1000) << 18)
    #expect(watch.secondsLeft(since: tick, nowMs: Self.now) == left)
    #expect(watch.isShort(since: tick, nowMs: Self.now) == isShort)
    #expect(watch.secondsLeft(since: TimeTick(0), nowMs: .min) != nil)
  }
}
