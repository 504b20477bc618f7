internal import MilvusWire

/// One run of a reconcile task: the loop that decides when to look and which rows to pass over. Not used again after `run`.
///
/// | Collection is | Entered by                                  | Exits to                                        |
/// |---------------|---------------------------------------------|-------------------------------------------------|
/// | due           | it is new; its `nextVisit` has come         | queued (visited, rows can be read), idle (not loaded), failed |
/// | queued        | visited                                     | running (one of `passesAtOnce` is free)         |
/// | running       | a row job starts                            | idle (`nextVisit` = an interval after the look), failed |
/// | failed        | a visit or a job ended with an error        | due (after back-off, or after `stoppedLook` where a person is needed) |
actor ReconcileSession {
  struct Slot {
    var source: CollectionPath
    var identity: CollectionIdentity
    var nextVisit: ContinuousClock.Instant
    var isRunning = false
    var queued: RowJob?
    var backoff = RetryBackoff()
    /// From the last visit; aliases are told apart by all of them together.
    var aliases: [String] = []
  }
  enum Event: Sendable {
    case timer(ContinuousClock.Instant)
    case ended(CollectionPath, BridgeError?)
  }

  /// Collections whose rows are passed over at the same time.
  static let passesAtOnce = 2
  /// Collections that are looked at at the same time.
  static let visitsAtOnce = 4
  /// How often a collection is looked at whose rows were refused.
  static let stoppedLook: Duration = .seconds(600)

  let spec: TaskSpec
  let environment: ReconcileRunner.Environment
  let keeper: CheckpointKeeper
  let reporter: ProgressReporter
  let source: any MilvusCluster
  let target: any MilvusCluster
  /// Why this capture was chosen; nil: what the source is tells.
  let captureReason: String?
  /// nil until both sides were probed, and again after either was away.
  var pair: ClusterPair? { didSet { if let pair { lastPair = pair } } }
  private var lastPair: ClusterPair?
  /// Source collections that cannot be replicated whatever they are, from the last look.
  var conflicts: [CollectionPath: BridgeError] = [:]
  var slots: [CollectionPath: Slot] = [:]
  /// New names whose collections are still being written under their old ones, from the last look: they are renamed, not made, when that ends.
  var held: [CollectionPath: CollectionPath] = [:]
  var nextLook: ContinuousClock.Instant
  var taskBackoff = RetryBackoff()
  /// When the next try is due while a cluster is away; nil: nothing is wrong with the clusters.
  var retryAt: ContinuousClock.Instant?
  private var isInTrouble: Bool { retryAt != nil }

  init(
    spec: TaskSpec, environment: ReconcileRunner.Environment, keeper: CheckpointKeeper,
    reporter: ProgressReporter, captureReason: String? = nil
  ) {
    self.spec = spec
    self.captureReason = captureReason
    self.environment = environment
    self.keeper = keeper
    self.reporter = reporter
    source = environment.connect(spec.source)
    target = environment.connect(spec.target)
    nextLook = environment.time.now()
  }

  var time: RunnerTime { environment.time }

  func run() async throws(TaskStop) {
    let stop = await withTaskGroup(of: Event.self) { group -> TaskStop? in
      let stop = await loop(&group)
      group.cancelAll()
      while let event = await group.next() {
        if case .ended(let path, _) = event { slots[path]?.isRunning = false }
      }
      return stop
    }
    await source.close()
    await target.close()
    // A disk that cannot be written leaves the uncertain marks, which is safe.
    try? await keeper.saveCleanEnd()
    if let stop { throw stop }
  }

  private func loop(_ group: inout TaskGroup<Event>) async -> TaskStop? {
    var timers: Set<ContinuousClock.Instant> = []
    while !Task.isCancelled {
      if time.now() >= nextLook {
        do {
          try await look()
          if isInTrouble { recovered() }
        } catch {
          if Task.isCancelled { return nil }
          if let stop = failed(error) { return stop }
        }
      }
      if !isInTrouble { startJobs(&group) }
      let wake = nextWake()
      if !timers.contains(where: { $0 <= wake }) {
        timers.insert(wake)
        let sleepUntil = time.sleepUntil
        group.addTask {
          _ = await sleepUntil(wake)
          return .timer(wake)
        }
      }
      if !slots.values.contains(where: { $0.isRunning || ($0.queued != nil && !isInTrouble) }) {
        environment.whenIdle()
      }
      switch await group.next() {
      case .timer(let instant)?: timers.remove(instant)
      case .ended(let path, let error)?:
        if Task.isCancelled { return nil }
        if let stop = ended(path, error) { return stop }
      case nil: return nil
      }
    }
    return nil
  }

  private func startJobs(_ group: inout TaskGroup<Event>) {
    var free = Self.passesAtOnce - slots.values.count(where: \.isRunning)
    // What was never copied comes first, then the order of names.
    let queued = slots.values.filter { $0.queued != nil && !$0.isRunning }.sorted {
      ($0.nextVisit, $0.source) < ($1.nextVisit, $1.source)
    }
    for slot in queued where free > 0 {
      guard let job = slot.queued else { continue }
      free -= 1
      slots[slot.source]?.queued = nil
      slots[slot.source]?.isRunning = true
      let path = slot.source
      group.addTask {
        do throws(BridgeError) {
          try await job.run()
          return .ended(path, nil)
        } catch {
          return .ended(path, error)
        }
      }
    }
  }

  /// The earliest thing to do by the clock. A collection that is queued or running needs no clock.
  private func nextWake() -> ContinuousClock.Instant {
    if isInTrouble { return nextLook }
    let visits = slots.values.filter { !$0.isRunning && $0.queued == nil }.map(\.nextVisit)
    let wake = min(nextLook, visits.min() ?? nextLook)
    nextLook = wake
    return wake
  }

  // MARK: Endings

  private func ended(_ path: CollectionPath, _ error: BridgeError?) -> TaskStop? {
    slots[path]?.isRunning = false
    for (new, old) in held where old == path {
      slots[new]?.nextVisit = time.now()
      nextLook = time.now()
    }
    guard let error else {
      slots[path]?.backoff.succeeded()
      return nil
    }
    return collectionFailed(path, error, isRowFailure: true)
  }

  /// Decides by the policy; returns the stop where the whole task has to end.
  func collectionFailed(
    _ path: CollectionPath, _ error: BridgeError, isRowFailure: Bool
  ) -> TaskStop? {
    let policy = self.policy
    if policy.concernsWholeCluster(error) {
      let stop = failed(error)
      // The others go on when the cluster is back; the one that failed keeps a back-off of its own, in case it is the cause.
      let delay = nextDelay(of: path, .quick)
      if let visit = slots[path]?.nextVisit { slots[path]?.nextVisit = max(visit, time.now() + delay) }
      return stop
    }
    let mapped = spec.selection.target(of: path)
    switch policy.decide(error) {
    case .stopTask(let hint): return TaskStop(error, hint: hint)
    case .stopCollection(let hint):
      slots[path]?.nextVisit = time.now() + (isRowFailure ? Self.stoppedLook : spec.reconcileInterval)
      reporter.setTrouble(nil, of: path)
      reporter.update(path, target: mapped) { collection in
        collection.state = .stopped
        collection.lastError = error.description
        collection.hint = hint
      }
    case .retry(let pace, let hint):
      let delay = nextDelay(of: path, pace)
      slots[path]?.nextVisit = time.now() + delay
      reporter.setTrouble(
        ProgressReporter.Trouble(
          message: error.description, hint: hint, attempt: slots[path]?.backoff.attempt ?? 1,
          nextTryAt: time.now() + delay),
        of: path)
      reporter.update(path, target: mapped) { collection in
        collection.state = .retrying
        collection.lastError = error.description
        collection.hint = hint
      }
    }
    return nil
  }

  private func nextDelay(of path: CollectionPath, _ pace: ErrorPolicy.Pace) -> Duration {
    guard var slot = slots[path] else { return .seconds(1) }
    let delay = slot.backoff.nextDelay(pace, random: time.random())
    slots[path] = slot
    return delay
  }

  /// A failure of the look itself, or one that says that a cluster is away: everything waits for it.
  private func failed(_ error: BridgeError) -> TaskStop? {
    let pace: ErrorPolicy.Pace
    let hint: String?
    switch policy.decide(error) {
    case .stopTask(let hint): return TaskStop(error, hint: hint)
    case .stopCollection(let found): return TaskStop(error, hint: found)
    case .retry(let found, let advice): (pace, hint) = (found, advice)
    }
    // Several jobs fail together when a cluster goes away: that is one failure.
    if let retryAt, retryAt > time.now() { return nil }
    let delay = taskBackoff.nextDelay(pace, random: time.random())
    // The server that comes back may be another version.
    pair = nil
    nextLook = time.now() + delay
    retryAt = nextLook
    for path in slots.keys { slots[path]?.nextVisit = nextLook }
    reporter.setTaskTrouble(
      ProgressReporter.Trouble(
        message: error.description, hint: hint, attempt: taskBackoff.attempt, nextTryAt: nextLook))
    return nil
  }

  private func recovered() {
    retryAt = nil
    taskBackoff.succeeded()
    reporter.setTaskTrouble(nil)
  }

  /// True where a failure of one collection says that the whole task waits or stops.
  func errorConcernsTask(_ error: BridgeError) -> Bool { policy.concernsWholeCluster(error) }

  var policy: ErrorPolicy {
    ErrorPolicy(
      sourceIsLite: lastPair?.sourceProfile.isLite ?? false,
      targetIsLite: lastPair?.targetProfile.isLite ?? false)
  }
}
