internal import MilvusWire

/// Rows of the log on their way to the target; what a failed write means is `WriteQueue`'s matter, what a failed queue means is decided here.
extension LogSession {
  private typealias Write = RowBatchPlan<RowColumns>.Write

  func pumpRows(_ id: Int64, _ group: inout TaskGroup<Event>) {
    guard var follow = follows[id] else { return }
    if follow.failure != nil, follow.calls == 0 {
      follows[id] = follow
      resolveFailure(of: id)
      return
    }
    if follow.mode == .waiting, let retryAt = follow.retryAt, retryAt <= time.now() {
      follow.retryAt = nil
      follows[id] = follow
      request(.align(id))
      return
    }
    guard follow.mode == .writing, follow.failure == nil, let form = follow.form else { return }
    openGate(&follow)
    if follow.gate == nil, !follow.isGateHeld {
      let bound = handOver
      let mayGo = { (change: LogRowChange<RowColumns>) in bound.allows(change.tick, on: change.receipt.pchannel) }
      while follow.failure == nil,
        let (number, plan) = follow.flow.next(upsertReachesAll: form.upsertReachesAll, mayGo: mayGo)
      {
        begin(number, plan, &follow)
      }
      for (pchannel, tick) in follow.flow.reach { handOver.hand(tick, on: pchannel) }
      if let first = follow.flow.first, !mayGo(first) {
        handOver.raise(over: first.tick, on: first.receipt.pchannel, now: time.now())
        awaitsBound = true
      }
    }
    send(&follow, form, &group)
    follows[id] = follow
  }

  private func begin(_ number: Int, _ plan: RowBatchPlan<RowColumns>, _ follow: inout LogFollow) {
    var batch = LogFollow.Batch(isUncertain: plan.isUncertain)
    for delete in plan.deletes {
      let keys = delete.keys.filter(KeyExpression.canBeNamed)
      if keys.count < delete.keys.count {
        reporter.addNotes(["deletes of the smallest key, which no delete can name"], of: follow.path)
      }
      guard !keys.isEmpty else { continue }
      batch.open += 1
      follow.queue.add(
        .delete(keys), stretches: [number, follow.partitionNumber(delete.partition)], isUncertain: false)
    }
    if plan.deletesFirst, batch.open > 0 { batch.later = plan.writes }
    follow.batches[number] = batch
    if batch.later.isEmpty { add(plan.writes, number, &follow) }
    if follow.batches[number]?.open == 0 { finish(number, &follow) }
  }

  /// Rows of many messages become one request: they are joined where partition and kind of write are the same.
  private func add(_ writes: [Write], _ number: Int, _ follow: inout LogFollow) {
    guard var batch = follow.batches[number] else { return }
    var rest = writes[...]
    while let first = rest.first {
      let alike = rest.prefix { $0.partition == first.partition && $0.isReplacing == first.isReplacing }
      rest = rest.dropFirst(alike.count)
      let work: WriteJob.Work
      if alike.count == 1 {
        work = .rows(first.rows, first.selection, isUpdate: first.isReplacing)
      } else {
        do throws(ColumnError) {
          work = .rows(try RowColumns.joined(alike.map { RowPart($0.rows, $0.selection) }), .all, isUpdate: first.isReplacing)
        } catch {
          follow.failure =
            follow.failure
            ?? BridgeError(
              .dangerousValue, side: .source, operation: "write rows of \(follow.path)", message: error.description)
          return
        }
      }
      batch.open += 1
      follow.queue.add(
        work, stretches: [number, follow.partitionNumber(first.partition)], isUncertain: batch.isUncertain)
    }
    follow.batches[number] = batch
  }

  private func send(_ follow: inout LogFollow, _ form: LogFollow.Form, _ group: inout TaskGroup<Event>) {
    let (id, generation) = (follow.id, follow.generation)
    while true {
      switch follow.queue.next() {
      case .none: return
      case .pause(let delay, let reason, let attempt):
        reporter.setTrouble(
          ProgressReporter.Trouble(
            message: "target: \(reason)", hint: nil, attempt: attempt, nextTryAt: time.now() + delay), of: follow.path)
        follow.isPaused = true
        let clock = time.clock
        group.addTask {
          try? await clock.sleep(for: delay)
          return .pauseEnded(id, generation: generation)
        }
      case .send(let job):
        follow.calls += 1
        let partition = job.stretches.count > 1 ? follow.partitions[job.stretches[1]] : nil
        let sink = sink(form, partition)
        group.addTask {
          let outcome =
            switch job.work {
            case .rows(let columns, let rows, let isUpdate):
              await sink.write(columns, rows, isUpdate: isUpdate, isUncertain: job.isUncertain)
            case .delete(let keys): await sink.delete(keys)
            }
          return .written(id, generation: generation, job, outcome)
        }
      }
    }
  }

  private func sink(_ form: LogFollow.Form, _ partition: String?) -> PublicRowSink {
    var unit = form.unit
    unit.sourcePartition = partition
    unit.targetPartition = partition
    let profile = pair.targetProfile
    return PublicRowSink(
      cluster: pair.target, isLite: profile.isLite, replacing: PublicRowSink.Replacing(unit.targetSchema, on: profile),
      unit: unit, plan: form.plan, isTargetEmpty: false,
      columnGuard: ColumnGuard(schema: unit.targetSchema, acceptsNullFlags: profile.isAtLeast(2, 5)))
  }

  // MARK: Answers

  func written(_ id: Int64, _ generation: Int, _ job: WriteJob, _ outcome: WriteOutcome) {
    guard var follow = follows[id] else { return }
    follow.calls -= 1
    defer { follows[id] = follow }
    guard generation == follow.generation else { return }
    if let settled = follow.queue.finished(job, outcome) { settle(settled, &follow) }
    if let error = follow.queue.failure { follow.failure = follow.failure ?? error }
  }

  private func settle(_ settled: WriteQueue.Settled, _ follow: inout LogFollow) {
    if let confirmed = settled.confirmed {
      follow.backoff.succeeded()
      if follow.isPaused {
        follow.isPaused = false
        reporter.setTrouble(nil, of: follow.path)
      }
      let rows = Int64(confirmed.rows)
      switch settled.job.work {
      case .rows(_, _, let isUpdate):
        if isUpdate { follow.counts.updated &+= rows } else { follow.counts.inserted &+= rows }
      case .delete: follow.counts.deleted &+= rows
      }
      follow.counts.bytesWritten &+= Int64(confirmed.bytes)
    }
    if let reason = settled.refusedReason {
      follow.refused = OwnedCollection.Refused(rows: (follow.refused?.rows ?? 0) &+ 1, reason: reason)
      reporter.update(follow.path, target: follow.target) { collection in
        collection.lastError = "rows were not written, the last one: \(reason)"
        collection.hint = OwnedCollection.Refused.hint
      }
    }
    guard let number = settled.job.stretches.first, var batch = follow.batches[number] else { return }
    batch.open += settled.replacedBy - 1
    follow.batches[number] = batch
    guard batch.open == 0 else { return }
    if !batch.later.isEmpty {
      let later = batch.later
      follow.batches[number]?.later = []
      add(later, number, &follow)
    }
    if follow.batches[number]?.open == 0 { finish(number, &follow) }
  }

  private func finish(_ number: Int, _ follow: inout LogFollow) {
    follow.batches[number] = nil
    for receipt in follow.flow.confirmed(number) { done(receipt) }
  }

  // MARK: Failures

  func newQueue(_ path: CollectionPath) -> WriteQueue {
    WriteQueue(
      collection: "\(path)", policy: policy, inFlightMax: pair.targetProfile.isLite ? 1 : 4, refusedRowsMax: 1_000)
  }

  /// Nothing of the collection is out: what has failed waits again, or is left to a comparison.
  private func resolveFailure(of id: Int64) {
    guard let error = follows[id]?.failure else { return }
    rewind(id)
    failed(id, error)
  }

  func rewind(_ id: Int64) {
    guard var follow = follows[id] else { return }
    follow.failure = nil
    follow.generation += 1
    follow.batches = [:]
    follow.queue = newQueue(follow.path)
    follow.flow.rewind()
    follows[id] = follow
  }

  /// Decides by the policy what becomes of a collection.
  func failed(_ id: Int64, _ error: BridgeError) {
    guard var follow = follows[id] else { return }
    switch policy.decide(error) {
    case .stopTask(let hint): stop = stop ?? TaskStop(error, hint: hint)
    case .stopCollection(let hint): stopFollow(id, error.description, hint: hint)
    case .retry(let pace, let hint):
      let delay = follow.backoff.nextDelay(pace, random: time.random())
      follow.mode = .waiting
      follow.retryAt = time.now() + delay
      follows[id] = follow
      // Rows that were not understood are nowhere else any more.
      if error.side == .source { requireComparison(id) }
      reporter.setTrouble(
        ProgressReporter.Trouble(
          message: error.description, hint: hint, attempt: follow.backoff.attempt, nextTryAt: time.now() + delay),
        of: follow.path)
      reporter.update(follow.path, target: follow.target) { collection in
        collection.state = .retrying
        collection.lastError = error.description
        collection.hint = hint
      }
    }
  }

  /// A person is needed: the log goes on without the collection, which is compared when it comes back.
  func stopFollow(_ id: Int64, _ message: String, hint: String?) {
    guard var follow = follows[id] else { return }
    follow.mode = .stopped
    follow.retryAt = nil
    follow.generation += 1
    follow.failure = nil
    follow.batches = [:]
    follow.queue = newQueue(follow.path)
    let receipts = follow.flow.abandon()
    follow.job = nil
    follow.pass?.cancel()
    follows[id] = follow
    for receipt in receipts { done(receipt) }
    requireComparison(id)
    reporter.setTrouble(nil, of: follow.path)
    reporter.update(follow.path, target: follow.target) { collection in
      collection.state = .stopped
      collection.lastError = message
      collection.hint = hint
    }
    follows[id]?.retryAt = time.now() + Self.stoppedLook
  }
}
