internal import MilvusWire

/// How far rows of each pchannel may have been handed to the target, kept on disk ahead of what is handed (D16). Pure.
///
/// After a start, whatever an earlier run may have handed over is written so that a repeat doubles nothing; what lies beyond is new, and is
/// inserted. So the bound has to be durable before a row beyond it goes out. It is written ahead in steps of the log's time, one write for
/// many batches; a backlog, where minutes of a log pass in a second, has larger steps.
///
/// | Bound     | Is                                            | Moves                                 |
/// |-----------|-----------------------------------------------|---------------------------------------|
/// | uncertain | what earlier runs may have handed over        | never in a run                        |
/// | durable   | what may be handed over now                   | `stored`: a checkpoint is on disk     |
/// | written   | what the next checkpoint holds, ≥ durable     | `raise`, `keepAhead`                  |
/// | handed    | what this run has handed over, ≤ durable      | `hand`                                |
struct HandOver: Sendable, Equatable {
  static let stepMin: Duration = .seconds(10)
  static let stepMax: Duration = .seconds(3_600)
  /// Bounds that are used up within this time get a larger step.
  static let stepLifetime: Duration = .seconds(2)

  private struct Step: Sendable, Equatable {
    var length: Duration
    var at: ContinuousClock.Instant
  }
  private let base: [String: TimeTick]
  private let uncertain: [String: TimeTick]
  private var durable: [String: TimeTick] = [:]
  private(set) var written: [String: TimeTick]
  private var handed: [String: TimeTick] = [:]
  private var steps: [String: Step] = [:]

  /// Of a task that has handed over nothing: it begins at these ticks.
  init(from start: [String: TimeTick] = [:]) {
    base = start
    uncertain = [:]
    written = start
  }

  /// After earlier runs.
  init(after earlier: [String: TimeTick]) {
    base = earlier
    uncertain = earlier
    written = earlier
  }

  func isUncertain(_ tick: TimeTick, on pchannel: String) -> Bool { uncertain[pchannel].map { tick <= $0 } ?? false }
  func allows(_ tick: TimeTick, on pchannel: String) -> Bool { durable[pchannel].map { tick <= $0 } ?? false }

  mutating func hand(_ tick: TimeTick, on pchannel: String) { handed[pchannel] = max(handed[pchannel] ?? tick, tick) }

  /// A row waits for the bound. Nothing where a larger one is on its way to disk.
  mutating func raise(over tick: TimeTick, on pchannel: String, now: ContinuousClock.Instant) {
    if let known = written[pchannel], known >= tick { return }
    var length = Self.stepMin
    if let last = steps[pchannel], now - last.at < Self.stepLifetime { length = min(Self.stepMax, last.length * 2) }
    steps[pchannel] = Step(length: length, at: now)
    let (sum, isTooLarge) = tick.rawValue.addingReportingOverflow(UInt64(length.components.seconds) * 1_000 << 18)
    written[pchannel] = TimeTick(isTooLarge ? .max : sum)
  }

  /// Before a checkpoint that is written anyway: a steady flow of rows never waits for the bound.
  mutating func keepAhead(now: ContinuousClock.Instant) {
    let half = UInt64(Self.stepMin.components.seconds) * 500 << 18
    for (pchannel, tick) in handed {
      guard let known = written[pchannel], known.rawValue.subtractingReportingOverflow(half).partialValue < tick.rawValue,
        known.rawValue >= half
      else { continue }
      raise(over: TimeTick(known.rawValue == .max ? .max : known.rawValue + 1), on: pchannel, now: now)
    }
  }

  /// A checkpoint with these bounds is on disk.
  mutating func stored(_ bounds: [String: TimeTick]) {
    for (pchannel, tick) in bounds { durable[pchannel] = max(durable[pchannel] ?? tick, tick) }
  }

  /// What a run leaves that ended with no call out: nothing beyond this was ever handed over.
  var atEnd: [String: TimeTick] {
    written.reduce(into: [:]) { found, entry in
      let known = [base[entry.key], uncertain[entry.key], handed[entry.key]].compactMap(\.self).max()
      if let known { found[entry.key] = known }
    }
  }
}
