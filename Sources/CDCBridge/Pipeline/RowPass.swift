internal import MilvusWire

/// The row engine's entry point; see `RowPassRunning` for the contract.
package struct RowPass: RowPassRunning {
  private let pair: ClusterPair
  private let unit: RowUnit
  private let options: RowPassOptions
  private let report: @Sendable (RowPassReport) -> Void

  /// `report` is called from the tasks of the pass, never twice at the same time; it must not block and must not call back.
  package init(
    pair: ClusterPair, unit: RowUnit, options: RowPassOptions,
    report: @escaping @Sendable (RowPassReport) -> Void
  ) {
    (self.pair, self.unit, self.options, self.report) = (pair, unit, options, report)
  }

  package func run() async throws(BridgeError) -> RowPassResult {
    let plan = try RowPlan.make(unit, target: pair.targetProfile)
    let reporter = PassReporter(report)
    let operation = "copy \(unit.source)"
    func patience(_ side: BridgeError.Side, _ profile: ServerProfile) -> Patience {
      Patience(side: side, isLite: profile.isLite, clock: options.clock, waits: reporter.wait)
    }
    var source = ReadConsistency.strong
    var target = ReadConsistency.strong
    if options.gate == nil {
      source = try await pair.consistency(
        of: .source, operation: operation, patience: patience(.source, pair.sourceProfile))
    }
    if options.gate == nil, !options.isTargetEmpty {
      target = try await pair.consistency(
        of: .target, operation: operation, patience: patience(.target, pair.targetProfile))
    }
    let loop = RowPassLoop(
      pair: pair, unit: unit, options: options, plan: plan, reporter: reporter, source: source, target: target)
    return try await loop.run()
  }
}

/// Collects what the tasks of a pass have to tell and passes it on, one report at a time.
final class PassReporter: Sendable {
  private let state = Locked(RowPassReport())
  private let report: @Sendable (RowPassReport) -> Void
  init(_ report: @escaping @Sendable (RowPassReport) -> Void) { self.report = report }

  func update(_ counts: RowCounts, confirmedThrough: RowKey?) {
    state.withLock { state in
      state.counts = counts
      state.confirmedThrough = confirmedThrough
      report(state)
    }
  }
  func wait(_ waiting: RowPassReport.Waiting?) {
    state.withLock { state in
      guard state.waiting != waiting else { return }
      state.waiting = waiting
      report(state)
    }
  }
}
