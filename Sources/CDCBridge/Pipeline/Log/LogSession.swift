internal import MilvusWire

/// One run of a task that follows its source's log. Not used again after `run`.
///
/// ```
///  LogFollower ─ take ─► ledger ─► BarrierBoard ─► rows ─► LogFollow (flow, queue) ─► PublicRowSink ─► target
///     per pchannel          ▲           └─► schema change ─► LogCatalog ─► CollectionVisit ─► target
///                           └──────────── confirmed ◄──────────────────────────────┘
///  RowPass (copy, healing) ─► LogGate: takes turns with the log of its collection
/// ```
/// Everything is decided in this actor; calls run beside it. One schema change is executed at a time, in the order of the control channel.
actor LogSession {
  enum Event: Sendable {
    case woken
    case written(Int64, generation: Int, WriteJob, WriteOutcome)
    case pauseEnded(Int64, generation: Int)
    case worked(TaskStop?)
    case passEnded(Int64, BridgeError?)
    case ticked
    case saved(BridgeError?)
    case followerEnded(BridgeError?)
  }
  /// Work on names and schemas; one at a time.
  enum Work: Sendable {
    case change(BarrierBoard<Waiting>.Ready)
    case align(Int64)
    /// The live catalogue is read again, because part of the log is gone.
    case seed
    /// The source has pchannels that are not followed yet.
    case grow
  }
  /// Something of the log that may have to wait for a schema change.
  struct Waiting: Sendable {
    var receipt: LogReceipt
    var messages: [LogMessage]
    var tick: TimeTick
    var isRows: Bool
  }

  /// A log that is played by somebody who remembers nothing: every row may have been written before, so all are upserted.
  struct Repeatable: Sendable {
    /// Rows of these keys stay on the target as they are; by the source's path.
    var kept: [CollectionPath: Set<RowKey>] = [:]
  }

  /// Bytes that were delivered and are not confirmed, of all pchannels together; each has an equal share, and one delivery beside it.
  static let openBytesMax = 16 << 20
  /// A share holds at least some ordinary messages, whatever the number of pchannels.
  static let shareBytesMin = 512 << 10
  static let passesAtOnce = 2
  static let alignedAtOnce = 4
  /// How often a collection is looked at that needs a person.
  static let stoppedLook: Duration = .seconds(600)
  static let tick: Duration = .seconds(1)

  let spec: TaskSpec
  let environment: ReconcileRunner.Environment
  let keeper: CheckpointKeeper
  let reporter: ProgressReporter
  let log: any MilvusLog
  let pair: ClusterPair
  let captureReason: String
  /// nil: the task remembers what it has written.
  let repeatable: Repeatable?

  var catalog = LogCatalog()
  var seededAt = TimeTick(0)
  /// The catalogue was read, or came from the checkpoint.
  var isSeeded = false
  /// When this run began, on the source's clock; 0 where it is the task's first.
  var startedAt = TimeTick(0)
  /// What earlier runs may have applied, and how far this one may go (D16).
  var handOver = HandOver()
  /// Rows wait until a larger bound is on disk.
  var awaitsBound = false
  /// The last checkpoint could not be written: the next tick tries again.
  private var isStorageTroubled = false
  var start: LogStart
  var ledgers: [String: DeliveryLedger<LogPosition>] = [:]
  /// What a pchannel has delivered, applied or not.
  var board = BarrierBoard<Waiting>()
  var applied: [LogCheckpoint.Applied] = []
  var follows: [Int64: LogFollow] = [:]
  /// What the catalogue may have been read too early for.
  var doubts = SeedDoubts()
  var works: [Work] = []
  var isWorking = false
  /// Collections whose rows were lost or left out since they were last compared.
  var uncompared: Set<Int64> = []
  var conflicts: [CollectionPath: BridgeError] = [:]
  /// What stood before of users and roles has been copied.
  var isAccessCopied = false
  /// Kinds of changes of users and roles that were named.
  var namedAccess: Set<AccessStep.Subject> = []
  /// Objects of the task that are not replicated, each once.
  var notes: [String] = []
  var gaps: [String] = []
  /// Target's own id in replication: what came from there is not sent back.
  var targetReplicationID: String?
  var stop: TaskStop?
  /// The source's clock less this host's.
  var clockOffsetMs: Int64 = 0
  var follower: LogFollower?
  /// pchannels that something named although nobody follows them.
  var unfollowed: Set<String> = []
  /// Deliveries that wait for room, by pchannel.
  var takers: [String: LogLatch] = [:]
  /// pchannels that have reached `end_at`.
  var finished: Set<String> = []
  var changedSinceSave = false
  var isSaving = false
  private var waker: LogLatch?
  private var isWoken = false

  init(
    spec: TaskSpec, environment: ReconcileRunner.Environment, keeper: CheckpointKeeper, reporter: ProgressReporter,
    pair: ClusterPair, log: any MilvusLog, start: LogStart, captureReason: String,
    repeatable: Repeatable? = nil
  ) {
    self.spec = spec
    self.environment = environment
    self.keeper = keeper
    self.reporter = reporter
    self.pair = pair
    self.log = log
    self.start = start
    self.captureReason = captureReason
    self.repeatable = repeatable
  }

  nonisolated var time: RunnerTime { environment.time }
  nonisolated var policy: ErrorPolicy {
    ErrorPolicy(sourceIsLite: pair.sourceProfile.isLite, targetIsLite: pair.targetProfile.isLite)
  }

  func run() async throws(TaskStop) {
    reporter.began(capture: .wal, reason: captureReason)
    let stop = await withTaskGroup(of: Event.self) { group -> TaskStop? in
      if let stop = await prepare() { return stop }
      let stop = await loop(&group)
      end()
      group.cancelAll()
      for await _ in group {}
      return stop
    }
    // Before that there is no catalogue that a position could belong to.
    if isSeeded { await storePositions(isEnd: true) }
    // A disk that cannot be written leaves the uncertain marks and older positions, which is safe.
    try? await keeper.saveCleanEnd()
    // The follower holds this session, and a gate of a pass holds both.
    follower = nil
    follows.removeAll()
    if let stop { throw stop }
  }

  private func loop(_ group: inout TaskGroup<Event>) async -> TaskStop? {
    let follower = LogFollower(
      log: log, positions: start.positions, time: time, consumer: self,
      report: { [weak self] report in
        guard let self else { return }
        Task { await self.heard(report) }
      })
    self.follower = follower
    group.addTask {
      do throws(BridgeError) {
        try await follower.run()
        return .followerEnded(nil)
      } catch {
        return .followerEnded(error)
      }
    }
    addTimer(&group)
    addWaker(&group)
    while !Task.isCancelled, stop == nil {
      pump(&group)
      if stop != nil { break }
      if isIdle { environment.whenIdle() }
      guard let event = await group.next() else { break }
      await handle(event, &group)
    }
    return Task.isCancelled ? nil : stop
  }

  /// Everything that was delivered has taken effect, and nothing is being done.
  var isIdle: Bool {
    !isWorking && works.isEmpty && board.isIdle && ledgers.values.allSatisfy(\.isEmpty)
      && follows.values.allSatisfy { $0.isDrained && $0.job == nil && $0.pass == nil }
  }

  private func handle(_ event: Event, _ group: inout TaskGroup<Event>) async {
    switch event {
    case .woken: addWaker(&group)
    case .ticked:
      addTimer(&group)
      if doubts.isDue(time.now()) { request(.seed) }
      await showProgress()
      if changedSinceSave { handOver.keepAhead(now: time.now()) }
      save(&group)
    case .written(let id, let generation, let job, let outcome): written(id, generation, job, outcome)
    case .pauseEnded(let id, let generation):
      guard follows[id]?.generation == generation else { break }
      follows[id]?.queue.pauseEnded()
    case .worked(let stop):
      isWorking = false
      if let stop { self.stop = self.stop ?? stop }
    case .passEnded(let id, let error): await passEnded(id, error)
    case .saved(let error):
      isSaving = false
      storageTrouble(error)
    case .followerEnded(let error):
      if Task.isCancelled { break }
      if let error { stop = stop ?? TaskStop(error) }
    }
  }

  private func pump(_ group: inout TaskGroup<Event>) {
    for ready in sequence(state: (), next: { _ in self.board.nextReady() }) { works.append(.change(ready)) }
    awaitsBound = false
    for id in follows.keys { pumpRows(id, &group) }
    if awaitsBound, !isStorageTroubled {
      changedSinceSave = true
      save(&group)
    }
    startWork(&group)
    startPasses(&group)
    letIn()
  }

  // MARK: Waking

  /// Something changed that the loop does not hear of otherwise.
  func wake() {
    if let waker {
      waker.open()
      self.waker = nil
    } else {
      isWoken = true
    }
  }

  private func addWaker(_ group: inout TaskGroup<Event>) {
    let latch = LogLatch()
    if isWoken {
      isWoken = false
      latch.open()
    } else {
      waker = latch
    }
    group.addTask {
      _ = await latch.wait()
      return .woken
    }
  }

  private func addTimer(_ group: inout TaskGroup<Event>) {
    let until = time.now() + Self.tick
    let sleepUntil = time.sleepUntil
    group.addTask {
      _ = await sleepUntil(until)
      return .ticked
    }
  }

  private func end() {
    for latch in takers.values { latch.open(false) }
    for id in follows.keys {
      follows[id]?.pass?.cancel()
      follows[id]?.gate?.open(false)
    }
  }

  // MARK: Checkpoint

  /// `isEnd`: no call is out, and none will be made.
  func storePositions(isEnd: Bool = false) async {
    var state = LogCheckpoint(start: start, catalog: catalog, seededAt: seededAt)
    state.handed = isEnd ? handOver.atEnd : handOver.written
    for (pchannel, ledger) in ledgers {
      guard var position = ledger.confirmed else { continue }
      position.provenUpTo = ledger.appliedTick > position.timeTick ? ledger.appliedTick : nil
      state.positions[pchannel] = position
    }
    state.applied = applied
    state.isDoubted = !doubts.isEmpty
    state.isAccessCopied = isAccessCopied
    state.prune()
    for entry in applied where !state.applied.contains(where: { $0.id == entry.id }) { board.forget(entry.id) }
    applied = state.applied
    let stored = state
    let counts = follows.values.map { ($0.target, $0.counts, $0.refused) }
    for id in follows.keys {
      follows[id]?.counts = RowCounts()
      follows[id]?.refused = nil
    }
    let uncompared = self.uncompared.compactMap { follows[$0]?.target }
    await keeper.change { checkpoint in
      let known = checkpoint.log?.handed
      checkpoint.log = stored
      // Two may be on their way at a time: the bound of a run never goes back.
      if !isEnd, let known { checkpoint.log?.handed?.merge(known) { max($0, $1) } }
      for target in uncompared {
        checkpoint.changeRecord(target) { record in
          record.needsComparison = true
          record.copy = nil
        }
      }
      for (target, counts, refused) in counts {
        checkpoint.changeRecord(target) { record in
          if let refused {
            record.refused = OwnedCollection.Refused(rows: (record.refused?.rows ?? 0) &+ refused.rows, reason: refused.reason)
          }
          record.inserted &+= counts.inserted
          record.updated &+= counts.updated
          record.deleted &+= counts.deleted
          record.bytesWritten &+= counts.bytesWritten
        }
      }
    }
  }

  private func save(_ group: inout TaskGroup<Event>) {
    guard changedSinceSave, !isSaving else { return }
    changedSinceSave = false
    isSaving = true
    group.addTask { .saved(await self.saveNow()) }
  }

  private func saveNow() async -> BridgeError? {
    let bounds = handOver.written
    await storePositions()
    do throws(BridgeError) {
      try await keeper.save()
      handOver.stored(bounds)
      return nil
    } catch {
      return error
    }
  }

  private func storageTrouble(_ error: BridgeError?) {
    guard let error else {
      if isStorageTroubled { reporter.setTaskTrouble(nil) }
      isStorageTroubled = false
      return
    }
    // The next tick tries again; what the target has is not lost by it.
    changedSinceSave = true
    isStorageTroubled = true
    reporter.setTaskTrouble(
      ProgressReporter.Trouble(message: error.description, hint: error.hint, attempt: 1, nextTryAt: time.now() + Self.tick))
  }

  // MARK: Reports

  func note(_ text: String) {
    guard !notes.contains(text), notes.count < 1_000 else { return }
    notes.append(text)
    reporter.setNotes(notes, of: nil)
  }

  private func heard(_ report: LogReport) {
    switch report {
    case .trouble(_, let error, let attempt, let delay):
      reporter.setTaskTrouble(
        ProgressReporter.Trouble(
          message: error.description, hint: error.hint, attempt: attempt, nextTryAt: time.now() + delay))
    case .recovered: reporter.setTaskTrouble(nil)
    }
  }
}
