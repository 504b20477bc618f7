internal import MilvusWire

/// Makes the row engine for one unit. The engine itself stands behind `RowPassRunning`; tests put their own here.
package typealias RowPassMaker =
  @Sendable (
    _ pair: ClusterPair, _ unit: RowUnit, _ options: RowPassOptions,
    _ report: @escaping @Sendable (RowPassReport) -> Void
  ) -> any RowPassRunning

/// One pass over all rows of one collection, unit after unit, and what follows it on the board and in the checkpoint.
struct RowJob: Sendable {
  let visit: CollectionVisit
  let work: CollectionVisit.RowWork
  let makePass: RowPassMaker
  let reporter: ProgressReporter
  let time: RunnerTime
  /// Where a log is followed beside the pass. Then the log alone says how far the target is: a pass has read later than what it is woven
  /// into, so the watermark and the end of its reading are not the pass's to tell.
  var gate: (any RowPassGate)?
  /// When the look began that found schema, indexes and names as they are on the target now. The rows are read later, and what changed in
  /// between is not there yet: the watermark is of that time. nil: nobody looked, a log tells.
  var seenAt: ContinuousClock.Instant?

  private var pair: ClusterPair { visit.pair }
  private var path: CollectionPath { visit.source.path }
  private var target: CollectionPath { visit.spec.selection.target(of: path) }

  func run() async throws(BridgeError) {
    let record = await visit.keeper.current[target: target]
    // Durable before the first write: whoever starts after a kill knows that rows may be half written.
    try await visit.keeper.beginPass(target: target)
    let wasUncertain = record?.isUncertain ?? false
    await visit.keeper.change { [target] in
      $0.changeRecord(target) { $0.isUncertain = true }
    }
    let resumed = resumable(record)
    let meter = RowMeter(record: record, rowsBefore: resumed?.rowsRead ?? 0, path: path, target: target, reporter: reporter, time: time)
    meter.begin(total: await totalRows())
    let startedAt = await sourceClock()
    let schemaAt = seenAt.map { startedAt &- Self.milliseconds(time.now() - $0) } ?? startedAt
    guard record?.isCopied != true, canResume else {
      return try await passAll(meter, wasUncertain: wasUncertain, startedAt: startedAt, schemaAt: schemaAt)
    }
    let tracker = CopyTracker(
      resumed ?? OwnedCollection.CopyProgress(readAtUnixMs: startedAt), target: target, keeper: visit.keeper, now: time.now)
    try await tracker.track { () async throws(BridgeError) in
      try await passAll(
        meter, wasUncertain: wasUncertain, startedAt: tracker.readAtUnixMs, schemaAt: schemaAt, tracker: tracker, resumed: resumed)
    }
  }

  /// Lite deletes a key from every partition (see `passAll`): what one unit lost to another is found by reading all of both again.
  private var canResume: Bool { !pair.targetProfile.isLite || work.units.count == 1 }

  /// Where an earlier run's first copy got to, as far as it is about partitions that are still there; nil where changes of a log were
  /// lost, which may lie before the keys.
  private func resumable(_ record: OwnedCollection?) -> OwnedCollection.CopyProgress? {
    guard canResume, !work.isTargetEmpty, let record, !record.isCopied, !record.needsComparison, var copy = record.copy else {
      return nil
    }
    let names = Set(work.units.map(CopyTracker.name))
    copy.confirmed = copy.confirmed.filter { names.contains($0.key) }
    return copy.confirmed.isEmpty ? nil : copy
  }

  /// `startedAt`: when this copy, or pass, began to read.
  private func passAll(
    _ meter: RowMeter, wasUncertain: Bool, startedAt: Int64, schemaAt: Int64, tracker: CopyTracker? = nil,
    resumed: OwnedCollection.CopyProgress? = nil
  ) async throws(BridgeError) {
    var readAt: TimeTick?
    // Rows that an earlier run read were read at its time.
    var everyUnitTold = !work.units.isEmpty && resumed == nil
    var refused: [RefusedRows] = []
    for round in 0..<2 {
      refused = []
      let deletedBefore = meter.counts.deleted
      for unit in work.units {
        var options = RowPassOptions()
        options.isTargetEmpty = work.isTargetEmpty && !wasUncertain
        options.isUncertain = wasUncertain
        options.startAfterKey = round == 0 ? resumed?.confirmed[CopyTracker.name(unit)] : nil
        let result = try await pass(unit, options, meter: meter, tracker: tracker)
        refused += result.refused
        if let told = result.readTimestamp {
          readAt = round == 0 ? min(readAt ?? told, told) : readAt
        } else {
          everyUnitTold = false
        }
      }
      // Lite deletes a key from every partition, whatever partition was named (`public-rpc.md` §8.2 no. 6): what was taken from another
      // partition comes back in a second round.
      let mayHaveOverreached =
        pair.targetProfile.isLite && work.units.count > 1 && meter.counts.deleted > deletedBefore
      guard mayHaveOverreached else { break }
    }
    let watermark = everyUnitTold ? readAt?.unixMilliseconds ?? startedAt : startedAt
    await finish(meter.counts, watermark: min(watermark, schemaAt), refused: refused)
    // The rows are safe now: a load that takes long does not make them uncertain again.
    reporter.addNotes(try await visit.finish(work), of: path)
    // Beside a log the alignment that follows the pass says it, when the aliases stand.
    if gate == nil { reporter.update(path, target: target) { $0.state = .following } }
  }

  private func pass(
    _ unit: RowUnit, _ options: RowPassOptions, meter: RowMeter, tracker: CopyTracker?
  ) async throws(BridgeError) -> RowPassResult {
    var options = options
    options.clock = time.clock
    options.gate = gate
    meter.beginUnit()
    tracker?.begin(unit)
    let result = try await makePass(pair, unit, options) {
      meter.take($0)
      tracker?.take($0)
    }.run()
    meter.endUnit(result.counts)
    tracker?.end(result.counts)
    return result
  }

  /// nil: the source could not tell; progress then has no percentage.
  private func totalRows() async -> Int64? {
    guard let rows = try? await pair.source.count(path, expression: "", partitions: []) else {
      return nil
    }
    return rows
  }

  private static func milliseconds(_ duration: Duration) -> Int64 { Int64((duration / .milliseconds(1)).rounded(.up)) }

  /// Now, on the source's clock; Lite has none, there this host's clock stands in.
  private func sourceClock() async -> Int64 {
    let local = time.unixMs()
    guard pair.sourceProfile.hasAllocTimestamp, let tick = try? await pair.source.allocTimestamp() else {
      return local
    }
    reporter.setClockOffset(tick.unixMilliseconds &- local)
    return tick.unixMilliseconds
  }

  private func finish(_ counts: RowCounts, watermark: Int64, refused: [RefusedRows]) async {
    let target = self.target
    let refusedRows = refused.reduce(0) { $0 &+ $1.count }
    let left = refusedRows == 0 ? nil : OwnedCollection.Refused(rows: Int64(refusedRows), reason: refused.last?.reason ?? "")
    let watermark = gate == nil ? watermark : nil
    await visit.keeper.change { checkpoint in
      checkpoint.changeRecord(target) { record in
        record.isUncertain = false
        record.isCopied = true
        record.copy = nil
        record.refused = left
        record.watermarkUnixMs = watermark
        record.inserted &+= counts.inserted
        record.updated &+= counts.updated
        record.deleted &+= counts.deleted
        record.bytesWritten &+= counts.bytesWritten
      }
    }
    reporter.setTrouble(nil, of: path)
    let ended = time.unixMs()
    reporter.update(path, target: target) { collection in
      if collection.state == .retrying { collection.state = .copying }
      collection.isCopied = true
      if let watermark {
        collection.watermarkUnixMs = watermark
        collection.readEndedUnixMs = ended
      }
      collection.lastError =
        refusedRows == 0
        ? nil : "\(refusedRows) rows were not written: \(refused.map(\.reason).joined(separator: "; "))"
      collection.hint =
        refusedRows == 0 ? nil : "They are tried again with every pass; cdc-bridge compare names them."
    }
  }
}

extension TaskCheckpoint {
  /// Changes the record of a target collection; nothing happens where there is none.
  mutating func changeRecord(_ target: CollectionPath, _ body: (inout OwnedCollection) -> Void) {
    guard var record = self[target: target] else { return }
    body(&record)
    set(record)
  }
}
