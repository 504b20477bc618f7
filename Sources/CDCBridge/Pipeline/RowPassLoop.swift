internal import MilvusWire

/// One pass while it runs: reads a page ahead on both sides, merges, and keeps writes in flight. All decisions are made by the pure parts
/// (`OrderedScan`, `RowMerge`, `WriteQueue`, `ConfirmedProgress`); here is what they act on.
struct RowPassLoop {
  private enum Event: Sendable {
    case page(PairedScan.Answer)
    case written(WriteJob, WriteOutcome)
    case pauseEnded
    case maximum(Result<Bool, CallError>)
    case entered(Result<TouchedKeys, BridgeError>)
  }
  /// Deletes wait for company: each batch costs a look at the source.
  static let deletesPerBatch = 1_000

  private let pair: ClusterPair
  private let unit: RowUnit
  private let options: RowPassOptions
  private let plan: RowPlan
  private let reporter: PassReporter
  private let sink: PublicRowSink
  private let witness: SourceWitness
  private let readTimestamp: TimeTick?

  private var scan: PairedScan
  private var queue: WriteQueue
  private var progress: ConfirmedProgress
  private var deletes: (keys: [RowKey], stretches: [Int]) = ([], [])
  private var counts = RowCounts()
  private var refused: [RefusedRows] = []
  private var failure: BridgeError?
  private var isAskingMaximum = false
  private var sourceCountsMaximum = false
  private var hasSeenMaximum = false
  private var turn = RowPassTurn()

  init(
    pair: ClusterPair, unit: RowUnit, options: RowPassOptions, plan: RowPlan, reporter: PassReporter,
    source: ReadConsistency, target: ReadConsistency
  ) {
    (self.pair, self.unit, self.options, self.plan, self.reporter) = (pair, unit, options, plan, reporter)
    scan = PairedScan(
      pair: pair, unit: unit, plan: plan, operation: "copy \(unit.source)", consistency: (source, target),
      pageBytes: options.pageBytes, startAfter: options.startAfterKey, clock: options.clock, waits: reporter.wait)
    if case .at(let tick) = source { readTimestamp = tick } else { readTimestamp = nil }
    let columnGuard = ColumnGuard(
      schema: unit.targetSchema, acceptsNullFlags: pair.targetProfile.isAtLeast(2, 5))
    sink = PublicRowSink(
      cluster: pair.target, isLite: pair.targetProfile.isLite,
      replacing: PublicRowSink.Replacing(unit.targetSchema, on: pair.targetProfile), unit: unit, plan: plan,
      isTargetEmpty: options.isTargetEmpty, columnGuard: columnGuard)
    witness = SourceWitness(
      cluster: pair.source, isLite: pair.sourceProfile.isLite, unit: unit, key: plan.key,
      patience: Patience(side: .source, isLite: pair.sourceProfile.isLite, clock: options.clock, waits: reporter.wait))
    queue = WriteQueue(
      collection: "\(unit.source)",
      policy: ErrorPolicy(sourceIsLite: pair.sourceProfile.isLite, targetIsLite: pair.targetProfile.isLite),
      inFlightMax: pair.targetProfile.isLite ? 1 : options.callsInFlight, refusedRowsMax: options.refusedRowsMax)
    progress = ConfirmedProgress(startAfter: options.startAfterKey)
    if options.isTargetEmpty { scan.skip(.target) }
  }

  func run() async throws(BridgeError) -> RowPassResult {
    let start = self
    let outcome: Result<RowPassResult, BridgeError> = await withTaskGroup(of: Event.self) { group in
      var loop = start
      loop.askMaximum(&group)
      while !loop.isDone {
        // Merging first: a page that is used up makes room for the next one to be asked for.
        if Task.isCancelled { loop.fail(loop.cancelled) }
        await loop.takeTurns(&group)
        loop.mergeMore()
        loop.read(&group)
        loop.send(&group)
        if loop.failure != nil || loop.isDone { break }
        guard let event = await group.next() else {
          loop.fail(loop.standstill)
          break
        }
        loop.handle(event)
      }
      if let failure = loop.failure {
        // Everything of ours ends before the caller hears of it; what was out has an unknown outcome.
        group.cancelAll()
        await group.waitForAll()
        return .failure(failure)
      }
      return .success(loop.result)
    }
    await options.gate?.leave()
    return try outcome.get()
  }

  private var isDone: Bool {
    scan.isFinished && queue.isIdle && deletes.keys.isEmpty && !isAskingMaximum && turn.isOver
  }

  private var result: RowPassResult {
    var result = RowPassResult()
    result.counts = counts
    result.readTimestamp = readTimestamp
    result.refused = refused
    if sourceCountsMaximum, !hasSeenMaximum {
      result.refused.append(
        RefusedRows(reason: "the source counts a row with the largest key and does not return it", count: 1, sampleKeys: [.int(.max)]))
    }
    return result
  }

  /// Nothing runs and nothing is done: a broken invariant of ours, which must not look like a finished pass.
  private var standstill: BridgeError {
    assertionFailure("the pass stands still")
    return BridgeError(.invalidInput, side: .local, operation: operation, message: "the pass came to a standstill")
  }

  private var cancelled: BridgeError {
    BridgeError(
      .rpc(RPCError(.cancelled, "the pass was cancelled", initiator: .local), method: "Query"), side: .local, operation: operation)
  }

  private mutating func fail(_ error: BridgeError) { if failure == nil { failure = error } }
  private var operation: String { "copy \(unit.source)" }

  // MARK: Reading

  private mutating func read(_ group: inout TaskGroup<Event>) {
    let gate = options.gate
    for request in scan.requests(mark: { gate?.mark() ?? 0 }) {
      group.addTask { .page(await request.perform()) }
    }
  }

  /// A row of Milvus with the largest key is counted and never returned (`public-rpc.md` §8.3, 20): it is named, not lost in silence.
  private mutating func askMaximum(_ group: inout TaskGroup<Event>) {
    guard !pair.sourceProfile.isLite, plan.key.dataType == .int64 else { return }
    isAskingMaximum = true
    let witness = witness
    group.addTask {
      do throws(CallError) {
        return .maximum(.success(try await witness.holdsMaximum()))
      } catch {
        return .maximum(.failure(error))
      }
    }
  }

  // MARK: Merging

  private mutating func mergeMore() {
    if options.gate != nil { return reporter.update(counts, confirmedThrough: progress.through) }
    while failure == nil, !queue.isFull, let stretch = scan.next() { take(stretch) }
    if scan.isMerged || deletes.keys.count >= Self.deletesPerBatch { flushDeletes() }
    reporter.update(counts, confirmedThrough: progress.through)
  }

  /// Beside a log: collects what a few pages came to, asks to enter, writes all of it and leaves.
  private mutating func takeTurns(_ group: inout TaskGroup<Event>) async {
    guard let gate = options.gate, failure == nil else { return }
    if turn.isInside, queue.isIdle, deletes.keys.isEmpty {
      turn.left()
      await gate.leave()
    }
    while turn.collects {
      let mark = scan.oldestMark
      guard let stretch = scan.next() else { break }
      turn.add(stretch, mark: mark)
    }
    guard let mark = turn.ask(isLast: scan.isMerged) else { return }
    group.addTask {
      do throws(BridgeError) { return .entered(.success(try await gate.enter(since: mark))) } catch {
        return .entered(.failure(error))
      }
    }
  }

  private mutating func entered(_ touched: TouchedKeys) {
    for stretch in turn.entered() { take(stretch.without(touched)) }
    flushDeletes()
  }

  private mutating func take(_ stretch: MergedStretch) {
    var works: [WriteJob.Work] = []
    if let page = stretch.page {
      counts.rowsRead += Int64(page.count)
      if page.key(page.count - 1) == .int(.max) { hasSeenMaximum = true }
      works = batches(page, stretch.sourceOnly, isWhole: stretch.isWholePageNew, isUpdate: false)
      works += batches(page, stretch.different, isWhole: false, isUpdate: true)
    }
    var doomed: [RowKey] = []
    for key in stretch.targetOnly {
      if KeyExpression.canBeNamed(key) {
        doomed.append(key)
      } else {
        refuse("the smallest key cannot be named in a delete", keys: [key])
      }
    }
    let number = progress.add(through: stretch.through, open: works.count + (doomed.isEmpty ? 0 : 1))
    for work in works { queue.add(work, stretches: [number], isUncertain: options.isUncertain) }
    if !doomed.isEmpty {
      deletes.keys += doomed
      deletes.stretches.append(number)
    }
  }

  /// Rows of a page in batches of about the wanted size; the page's own size tells how large a row is.
  private func batches(_ page: ScanPage, _ rows: [Int32], isWhole: Bool, isUpdate: Bool) -> [WriteJob.Work] {
    guard !rows.isEmpty else { return [] }
    let rowBytes = max(1, page.columns.byteCount / max(1, page.columns.rowCount))
    // A page that came out a little larger than wanted is still one batch.
    let limit = max(1, (options.batchBytes + options.batchBytes / 4) / rowBytes)
    if rows.count <= limit { return [.rows(page.columns, isWhole ? .all : .rows(rows), isUpdate: isUpdate)] }
    return stride(from: 0, to: rows.count, by: limit).map { start in
      .rows(page.columns, .rows(Array(rows[start..<min(start + limit, rows.count)])), isUpdate: isUpdate)
    }
  }

  private mutating func flushDeletes() {
    guard !deletes.keys.isEmpty else { return }
    queue.add(.delete(deletes.keys), stretches: deletes.stretches, isUncertain: false)
    deletes = ([], [])
  }

  // MARK: Writing

  private mutating func send(_ group: inout TaskGroup<Event>) {
    while true {
      switch queue.next() {
      case .none: return
      case .pause(let delay, let reason, let attempt):
        reporter.wait(RowPassReport.Waiting(side: .target, reason: reason, attempt: attempt, nextTryIn: delay))
        let clock = options.clock
        group.addTask {
          // Cancelled: the loop is ending and asks for nothing more.
          try? await clock.sleep(for: delay)
          return .pauseEnded
        }
      case .send(let job):
        let sink = sink, witness = witness
        group.addTask { .written(job, await Self.perform(job, sink, witness)) }
      }
    }
  }

  private static func perform(_ job: WriteJob, _ sink: PublicRowSink, _ witness: SourceWitness) async -> WriteOutcome {
    switch job.work {
    case .rows(let columns, let rows, let isUpdate):
      return await sink.write(columns, rows, isUpdate: isUpdate, isUncertain: job.isUncertain)
    case .delete(let keys):
      do throws(BridgeError) {
        return await sink.delete(try await witness.absent(keys))
      } catch {
        return .stopped(error)
      }
    }
  }

  private mutating func handle(_ event: Event) {
    switch event {
    case .page(let answer):
      do throws(BridgeError) { try scan.received(answer) } catch { fail(error) }
    case .pauseEnded: queue.pauseEnded()
    case .entered(.success(let touched)): entered(touched)
    case .entered(.failure(let error)): fail(error)
    case .maximum(.success(let isThere)):
      isAskingMaximum = false
      // A server that returns the row shows it in the scan as well, which is checked at the end.
      sourceCountsMaximum = isThere
    case .maximum(.failure(let cause)):
      fail(ReadFailure.call(cause).bridgeError(side: .source, operation: operation))
    case .written(let job, let outcome):
      if let settled = queue.finished(job, outcome) { settle(settled) }
      if let error = queue.failure { fail(error) }
    }
  }

  private mutating func settle(_ settled: WriteQueue.Settled) {
    let job = settled.job
    if let confirmed = settled.confirmed {
      reporter.wait(nil)
      let rows = Int64(confirmed.rows)
      switch job.work {
      case .rows(_, _, let isUpdate): if isUpdate { counts.updated += rows } else { counts.inserted += rows }
      case .delete: counts.deleted += rows
      }
      counts.bytesWritten += Int64(confirmed.bytes)
    }
    if let reason = settled.refusedReason { refuse(reason, keys: job.keyRange.map { [$0.0] } ?? []) }
    for number in job.stretches {
      progress.opened(settled.replacedBy, of: number)
      progress.closed(number)
    }
    reporter.update(counts, confirmedThrough: progress.through)
  }

  private mutating func refuse(_ reason: String, keys: [RowKey]) {
    let index = refused.firstIndex { $0.reason == reason } ?? refused.count
    if index == refused.count { refused.append(RefusedRows(reason: reason)) }
    refused[index].count += Int64(keys.count)
    if refused[index].sampleKeys.count < RefusedRows.sampleKeysMax { refused[index].sampleKeys += keys }
  }
}
