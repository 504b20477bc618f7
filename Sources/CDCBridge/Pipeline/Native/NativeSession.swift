internal import MilvusWire

/// One run of a task that makes its target a standby and forwards the source's log to it (D6, `native`).
///
/// ```
///  LogFollower ─ take ─► admission ─► PchannelRelay (queue of unconfirmed units) ─► replicate stream ─► target
///     per pchannel                         ▲ released by confirmations                                   │
///                                          └──────── GetReplicateInfo: only then may the position be stored
/// ```
/// Bytes are forwarded as they came; nothing is decoded but what the admission looks at. What may not be sent stops its pchannel, by name; the
/// others go on.
actor NativeSession {
  struct Lane {
    var relay: PchannelRelay
    /// Everything up to here was looked for on the source.
    var proven = TimeTick(0)
    /// The target has it, as it says itself.
    var applied: LogPosition
    var appliedSent: TimeTick
    /// Everything that was taken was on the target when it was asked last.
    var isDrained = true
    /// Taken last.
    var taken: TimeTick
    var lastAsked: ContinuousClock.Instant
    /// Confirmed units when it was asked last.
    var askedAt = -1
    var held: String?
    var isFinished = false
    var rate = NativeRate()
  }
  enum Event: Sendable {
    case relayEnded(String, PchannelRelay.End)
    case followerEnded(BridgeError?)
    case ticked
    case asked
    case saved(BridgeError?)
  }

  /// Unconfirmed bytes of all pchannels together; each has an equal share.
  static let openBytesMax = 10 << 20
  static let shareBytesMin = 512 << 10
  static let tick: Duration = .seconds(1)
  /// A target whose pchannels are quiet is asked for its role this often.
  static let roleInterval: Duration = .seconds(4)

  let spec: TaskSpec
  let environment: ReconcileRunner.Environment
  let keeper: CheckpointKeeper
  let reporter: ProgressReporter
  let pair: NativePair
  var checkpoint: NativeCheckpoint
  let admission: LogAdmission
  var lanes: [String: Lane] = [:]
  var notes: [String] = []
  var stop: TaskStop?
  var isRewound = false
  var isAsking = false
  var isSaving = false
  var changedSinceSave = false
  var clockOffsetMs: Int64 = 0
  /// Deliveries that never return: of a pchannel that is held, or has reached `end_at`.
  var parked: [LogLatch] = []
  /// What the target had at the start.
  private let states: [String: ReplicaState]
  private var troubles: [String: ProgressReporter.Trouble] = [:]

  nonisolated var time: RunnerTime { environment.time }

  init(
    spec: TaskSpec, environment: ReconcileRunner.Environment, keeper: CheckpointKeeper, reporter: ProgressReporter, pair: NativePair,
    checkpoint: NativeCheckpoint, states: [String: ReplicaState]
  ) {
    self.spec = spec
    self.environment = environment
    self.keeper = keeper
    self.reporter = reporter
    self.pair = pair
    self.checkpoint = checkpoint
    let pairing = checkpoint.pairing
    admission = LogAdmission(
      sourcePchannels: Set(pairing.sourcePchannels), typeMax: pair.typeMax, targetKind: checkpoint.targetKind)
    self.states = states
  }

  /// Unconfirmed bytes of one pchannel.
  private var share: Int { max(Self.shareBytesMin, Self.openBytesMax / max(1, checkpoint.pairing.sourcePchannels.count)) }

  private func makeLanes() {
    let pairing = checkpoint.pairing
    var limits = PchannelRelay.Limits()
    limits.openBytesMax = share
    limits.burstBytesMax = min(limits.burstBytesMax, share / 4)
    let now = time.now()
    for (source, target) in zip(pairing.sourcePchannels, pairing.targetPchannels) {
      guard case .standby(let tick, let confirmed)? = states[source],
        let position = checkpoint.position(source, targetHas: tick, confirmed: confirmed)
      else { continue }
      let relay = PchannelRelay(
        pchannel: source, targetPchannel: target, replica: pair.replica, sourceID: pairing.sourceID, targetID: pairing.targetID,
        queue: RelayQueue(at: position, targetTick: tick), limits: limits, time: environment.time,
        report: { [weak self] pchannel, trouble in
          guard let self else { return }
          Task { await self.heard(trouble, of: pchannel) }
        })
      lanes[source] = Lane(
        relay: relay, applied: position, appliedSent: tick, taken: position.timeTick, lastAsked: now)
    }
  }

  /// True: the target has less than it had confirmed, and the session has to begin again.
  func run() async throws(TaskStop) -> Bool {
    makeLanes()
    let ended = await withTaskGroup(of: Event.self) { group -> TaskStop? in
      let positions = lanes.mapValues(\.applied)
      // What is handed over comes on top of what is held.
      var limits = LogLimits()
      limits.batchBytesMax = min(limits.batchBytesMax, share / 4)
      let follower = LogFollower(
        log: pair.log, positions: positions, limits: limits, time: time, keepsBegins: true, consumer: self,
        report: { [weak self] report in
          guard let self else { return }
          Task { await self.heard(report) }
        })
      group.addTask {
        do throws(BridgeError) {
          try await follower.run()
          return .followerEnded(nil)
        } catch {
          return .followerEnded(error)
        }
      }
      for (pchannel, lane) in lanes { group.addTask { .relayEnded(pchannel, await lane.relay.run()) } }
      addTimer(&group)
      await measureClock()
      await showProgress()
      while !Task.isCancelled, self.stop == nil, !isRewound {
        guard let event = await group.next() else { break }
        await handle(event, &group)
      }
      let ended = Task.isCancelled ? nil : self.stop
      for latch in parked { latch.open(false) }
      group.cancelAll()
      for await _ in group {}
      return ended
    }
    // What was confirmed since the last question is asked for at the next start.
    await store()
    try? await keeper.saveCleanEnd()
    if let ended { throw ended }
    return isRewound
  }

  private func handle(_ event: Event, _ group: inout TaskGroup<Event>) async {
    switch event {
    case .relayEnded(let pchannel, let end):
      switch end {
      case .cancelled: break
      case .rewind:
        note("\(pchannel): the target had less than it had confirmed; its log was sent again from what it has")
        isRewound = true
      case .stop(let reason): stop = stop ?? reason
      }
    case .followerEnded(let error):
      if !Task.isCancelled, let error { stop = stop ?? TaskStop(error) }
    case .ticked:
      addTimer(&group)
      await checkEnd()
      await showProgress()
      ask(&group)
      save(&group)
    case .asked: isAsking = false
    case .saved(let error):
      isSaving = false
      guard let error else { break }
      changedSinceSave = true
      reporter.setTaskTrouble(
        ProgressReporter.Trouble(message: error.description, hint: error.hint, attempt: 1, nextTryAt: time.now() + Self.tick))
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

  // MARK: What the target has

  /// Asks for the pchannels on which something happened; where nothing does, for one now and then, because roles change quietly.
  private func ask(_ group: inout TaskGroup<Event>) {
    guard !isAsking else { return }
    isAsking = true
    group.addTask {
      await self.askAll()
      return .asked
    }
  }

  private func askAll() async {
    let now = time.now()
    var isRoleKnown = false
    for pchannel in checkpoint.pairing.sourcePchannels {
      guard let lane = lanes[pchannel] else { continue }
      let confirmed = await lane.relay.confirmedUnits
      let isEmpty = await lane.relay.summary.isEmpty
      let isDue = confirmed != lane.askedAt || !lane.isDrained || !isEmpty
      let isRoleDue = !isRoleKnown && now - lane.lastAsked >= Self.roleInterval
      guard isDue || isRoleDue else { continue }
      isRoleKnown = true
      await askLane(pchannel, confirmed)
      if stop != nil || Task.isCancelled { return }
    }
  }

  private func askLane(_ pchannel: String, _ confirmedUnits: Int) async {
    guard let relay = lanes[pchannel]?.relay, let target = checkpoint.pairing.target(of: pchannel) else { return }
    let before = await relay.summary
    let info: ReplicateInfo
    do throws(CallError) {
      info = try await pair.replica.replicateInfo(sourceClusterID: checkpoint.pairing.sourceID, targetPchannel: target)
    } catch {
      // The relay finds out by itself, and says so.
      lanes[pchannel]?.lastAsked = time.now()
      return
    }
    lanes[pchannel]?.lastAsked = time.now()
    let state = ReplicaState(info, sourceClusterID: checkpoint.pairing.sourceID)
    guard await relay.heard(state), case .standby(let tick, _) = state, tick >= before.confirmedTick else { return }
    if lanes[pchannel]?.applied != before.confirmed { changedSinceSave = true }
    lanes[pchannel]?.applied = before.confirmed
    lanes[pchannel]?.appliedSent = before.confirmedTick
    lanes[pchannel]?.askedAt = confirmedUnits
    lanes[pchannel]?.isDrained = before.isEmpty
  }

  // MARK: Storing

  private func save(_ group: inout TaskGroup<Event>) {
    guard changedSinceSave, !isSaving else { return }
    changedSinceSave = false
    isSaving = true
    group.addTask {
      await self.store()
      do throws(BridgeError) {
        try await self.keeper.save()
        return .saved(nil)
      } catch {
        return .saved(error)
      }
    }
  }

  private func store() async {
    for (pchannel, lane) in lanes {
      var position = lane.applied
      // Nothing was there up to here, so nothing is missing if the message itself is forgotten.
      if lane.isDrained, lane.proven > position.timeTick { position.provenUpTo = lane.proven }
      checkpoint.lanes[pchannel]?.position = position
      checkpoint.lanes[pchannel]?.sentTick = lane.appliedSent
    }
    let stored = checkpoint
    await keeper.change { $0.native = stored }
  }

  // MARK: Reports

  func note(_ text: String) {
    guard !notes.contains(text), notes.count < 1_000 else { return }
    notes.append(text)
    showNotes()
  }

  func showNotes() {
    let held = lanes.sorted { $0.key < $1.key }.compactMap { entry in entry.value.held.map { "\(entry.key): \($0)" } }
    let rates = lanes.sorted { $0.key < $1.key }.compactMap { entry in entry.value.rate.warning.map { "\(entry.key): \($0)" } }
    reporter.setNotes(held + rates + notes, of: nil)
  }

  func heard(_ trouble: ProgressReporter.Trouble?, of pchannel: String) {
    troubles[pchannel] = trouble
    showTroubles()
  }

  func showTroubles() {
    // What needs a person goes before what is tried again.
    if let (pchannel, held) = lanes.sorted(by: { $0.key < $1.key }).lazy.compactMap({ entry in entry.value.held.map { (entry.key, $0) } })
      .first
    {
      reporter.setTaskTrouble(
        ProgressReporter.Trouble(
          message: "\(pchannel) stands still: \(held)",
          hint:
            "Nothing behind this message is sent on this pchannel, since the target could not go on with it. Report it; then empty the target and create the task again, or use apply public.",
          attempt: 1, nextTryAt: time.now()))
      return
    }
    reporter.setTaskTrouble(troubles.sorted { $0.key < $1.key }.first?.value)
  }

  private func heard(_ report: LogReport) {
    switch report {
    case .trouble(let pchannel, let error, let attempt, let delay):
      if case .malformed(_, let what)? = error.cause {
        hold(pchannel, "a message that cannot be read, and that a target could die of, is held back: \(what)")
      }
      troubles["source \(pchannel)"] = ProgressReporter.Trouble(
        message: error.description, hint: error.hint, attempt: attempt, nextTryAt: time.now() + delay)
    case .recovered(let pchannel): troubles["source \(pchannel)"] = nil
    }
    showTroubles()
  }

  func hold(_ pchannel: String, _ reason: String) {
    guard lanes[pchannel]?.held == nil else { return }
    lanes[pchannel]?.held = reason
    showNotes()
    showTroubles()
  }
}
