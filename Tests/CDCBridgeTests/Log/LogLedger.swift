import CDCBridge
import Foundation
import MilvusWire
import TestSupport

/// What a follower delivered, as one line per delivery, and the positions that a task would store.
final class LogLedger: LogConsumer {
  struct Channel: Sendable {
    var lines: [String] = []
    var position: LogPosition?
    var proven = TimeTick(0)
    var gaps: [LogGap] = []
    /// Ticks of messages and proofs as they came.
    var ticks: [TimeTick] = []
    var isBusy = false
  }
  private struct State: Sendable {
    var channels: [String: Channel] = [:]
    var overlaps = 0
    var held: [String: CheckedContinuation<Void, Never>] = [:]
    var holds: Set<String> = []
    var failure: BridgeError?
  }
  private let state = Locked(State())

  subscript(_ pchannel: String) -> Channel { state.withLock { $0.channels[pchannel] ?? Channel() } }
  /// Deliveries of one pchannel that came while another of it was being taken.
  var overlaps: Int { state.withLock { $0.overlaps } }
  var units: Int { state.withLock { $0.channels.values.reduce(0) { $0 + $1.lines.count } } }
  var gaps: [LogGap] { state.withLock { $0.channels.values.flatMap(\.gaps) } }

  /// Keeps the next `take` of the pchannel waiting until `release`.
  func hold(_ pchannel: String) { state.withLock { _ = $0.holds.insert(pchannel) } }
  func release(_ pchannel: String) {
    state.withLock { state in
      state.holds.remove(pchannel)
      return state.held.removeValue(forKey: pchannel)
    }?.resume()
  }
  func fail(_ error: BridgeError) { state.withLock { $0.failure = error } }

  func take(_ delivery: LogDelivery, pchannel: String) async throws(BridgeError) {
    let failure = state.withLock { state in
      if state.channels[pchannel, default: Channel()].isBusy { state.overlaps += 1 }
      state.channels[pchannel, default: Channel()].isBusy = true
      return state.failure
    }
    if let failure { throw failure }
    await Task.yield()
    await withCheckedContinuation { continuation in
      let waits = state.withLock { state -> Bool in
        guard state.holds.contains(pchannel) else { return false }
        state.held[pchannel] = continuation
        return true
      }
      if !waits { continuation.resume() }
    }
    state.withLock { state in
      var channel = state.channels[pchannel] ?? Channel()
      switch delivery {
      case .message(let message, let position):
        channel.lines.append(Self.line([message]))
        channel.position = position
        channel.ticks.append(position.timeTick)
      case .transaction(let bodies, let commit, let position):
        channel.lines.append(Self.line(bodies + [commit]))
        channel.position = position
        channel.ticks.append(position.timeTick)
      case .proven(let tick):
        channel.proven = tick
        channel.ticks.append(tick)
      case .gap(let gap): channel.gaps.append(gap)
      }
      channel.isBusy = false
      state.channels[pchannel] = channel
    }
  }

  static func line(_ messages: [LogMessage]) -> String {
    messages.map { "\($0.type) \($0.id)" }.joined(separator: " + ")
  }
  /// A recorded unit as `take` writes it.
  static func line(unit: [LogMessage]) -> String {
    line(unit.count > 1 && unit.first?.type == .beginTxn ? Array(unit.dropFirst()) : unit)
  }
  static func position(after unit: [LogMessage]) -> LogPosition? {
    guard let first = unit.first, let last = unit.last else { return nil }
    return unit.count > 1 ? LogPosition(afterCommit: last, begin: first) : LogPosition(after: last)
  }
}

/// What a follower reported.
final class LogReports: Sendable {
  private let reports = Locked<[LogReport]>([])
  var all: [LogReport] { reports.withLock { $0 } }
  var troubles: [String] {
    all.compactMap { if case .trouble(_, let error, _, _) = $0 { error.description } else { nil } }
  }
  var recoveries: Int { all.count { if case .recovered = $0 { true } else { false } } }
  func add(_ report: LogReport) { reports.withLock { $0.append(report) } }
}

/// A follower that runs beside a test. The test moves the time.
final class FollowScene: Sendable {
  let log: RecordedLog
  let ledger = LogLedger()
  let reports = LogReports()
  let time = SteppedTime()
  let follower: LogFollower
  /// The lowest tick that it starts from.
  let stored: TimeTick
  private let running = Locked<Task<BridgeError?, Never>?>(nil)
  private let ended = Locked<BridgeError??>(nil)

  init(_ log: RecordedLog, from positions: [String: LogPosition], limits: LogLimits = LogLimits()) {
    self.log = log
    stored = positions.values.map(\.timeTick).min() ?? TimeTick(0)
    let reports = reports
    follower = LogFollower(
      log: log, positions: positions, limits: limits, time: time.runnerTime, consumer: ledger,
      report: { reports.add($0) })
  }

  func start() {
    let (follower, ended) = (follower, ended)
    running.withLock {
      $0 = Task {
        var failure: BridgeError?
        do throws(BridgeError) { try await follower.run() } catch { failure = error }
        ended.withLock { [failure] in $0 = .some(failure) }
        return failure
      }
    }
  }

  /// What it ended with, once it has.
  var failure: BridgeError? { ended.withLock { $0 ?? nil } }
  var hasEnded: Bool { ended.withLock { $0 != nil } }

  @discardableResult
  func stop() async -> BridgeError? {
    let task = running.withLock { $0 }
    task?.cancel()
    return await task?.value
  }

  func run(atMost limit: Duration = .seconds(600), until isDone: @Sendable () -> Bool) async -> Bool {
    await time.run(atMost: limit, until: isDone)
  }
}

enum Recordings {
  static var folder: URL {
    TestPaths.projectRoot.appending(path: "Tests/MilvusWireTests/Fixtures/wal-live")
  }
  static let names = [
    "source", "source-v3", "source-rocksmq", "target", "switchover/a", "switchover/b", "promote",
  ]
  static func log(_ name: String) throws -> RecordedLog {
    try RecordedLog(folder: folder.appending(path: name))
  }
}
