internal import MilvusWire

/// Sends the units of one pchannel to the target: one replicate stream at a time, opened again for as long as it runs.
///
/// Whoever takes from the source gives units to `take`, which waits while too much is unconfirmed. Sending and the taking of confirmations
/// are two tasks over one `RelayQueue`. Every stream begins with the question what the target has; its answer counts, not the confirmations
/// (`wal-protocol.md` §6.3, §6.7): what it has is released, the rest is sent again from its first message.
///
/// | The stream | Then |
/// |------------|------|
/// | ends with OK | something was refused, or the role changed: the next question tells. Again, with pauses from 0.1 s to 10 s |
/// | breaks | again; a target that dies twice of the same message stops the task |
/// | confirms nothing for `stuckAfter` while GetReplicateInfo stands still | cut, again |
actor PchannelRelay {
  /// Why the relay does not go on by itself.
  enum End: Sendable, Equatable {
    case cancelled
    case stop(TaskStop)
    /// The target has less than was released: the source has to be read again from there.
    case rewind
  }
  struct Limits: Sendable {
    /// Bytes taken and not confirmed; a unit that is alone may be larger.
    var openBytesMax = 1 << 20
    /// Messages given to the stream at once.
    var burstBytesMax = 512 << 10
    /// Units taken and not confirmed; small ones would fill memory with more than their bytes.
    var openUnitsMax = 8192
    var call: Duration = .seconds(10)
    var open: Duration = .seconds(20)
    var stuckAfter: Duration = .seconds(60)
    init() {}
  }
  /// A failure that passes by itself, for the task's view; nil: it works again.
  typealias Report = @Sendable (String, ProgressReporter.Trouble?) -> Void

  let pchannel: String
  let targetPchannel: String
  private let replica: any MilvusReplica
  private let sourceID: String
  private let targetID: String
  private let limits: Limits
  private let time: RunnerTime
  private let report: Report
  private let policy = ErrorPolicy(sourceIsLite: false, targetIsLite: false)

  private(set) var queue: RelayQueue
  /// Of the queue: whoever held the queue itself would make its next change a copy of it.
  var summary: RelayQueue.Summary { queue.summary }
  /// Whoever waits for something to send.
  private var idler: LogLatch?
  private var room: LogLatch?
  private var deaths = DeathWatch()
  private var failures = 0
  private var isTroubled = false
  private var end: End?
  /// When the head was sent, or something was confirmed, whichever was later.
  private var lastProgress: ContinuousClock.Instant
  /// Answers in a row by which the target has less than it confirmed.
  private var behind = 0
  private static let behindMax = 4
  private(set) var confirmedUnits = 0
  private(set) var confirmedBytes = 0
  /// How long `take` has waited for room altogether.
  private(set) var waited: Duration = .zero
  private var waitingSince: ContinuousClock.Instant?

  init(
    pchannel: String, targetPchannel: String, replica: any MilvusReplica, sourceID: String, targetID: String, queue: RelayQueue,
    limits: Limits, time: RunnerTime, report: @escaping Report
  ) {
    self.pchannel = pchannel
    self.targetPchannel = targetPchannel
    self.replica = replica
    self.sourceID = sourceID
    self.targetID = targetID
    self.queue = queue
    self.limits = limits
    self.time = time
    self.report = report
    lastProgress = time.now()
  }

  // MARK: Taking

  /// Takes units behind all that came before, and then waits while too much is unconfirmed; they are taken whatever their size.
  func take(_ units: [RelayUnit]) async {
    for unit in units { queue.add(unit) }
    if queue.hasUnsent { wake() }
    guard !hasRoom, end == nil else { return }
    let latch = LogLatch()
    room = latch
    let began = time.now()
    waitingSince = began
    _ = await latch.wait()
    waitingSince = nil
    waited += time.now() - began
  }

  func take(_ unit: RelayUnit) async { await take([unit]) }

  private var hasRoom: Bool { queue.byteCount <= limits.openBytesMax && queue.count <= limits.openUnitsMax }

  /// Whoever waits is let in when half is free, so that it brings many messages and not one for each confirmation.
  private func letIn() {
    let isFree = queue.byteCount <= limits.openBytesMax / 2 && queue.count <= limits.openUnitsMax / 2
    guard isFree || end != nil, let room else { return }
    self.room = nil
    room.open()
  }

  /// How long the source has been held back up to now.
  func waitedUntil(_ now: ContinuousClock.Instant) -> Duration { waited + (waitingSince.map { now - $0 } ?? .zero) }

  // MARK: Streams

  func run() async -> End {
    while !Task.isCancelled, end == nil {
      if !queue.hasUnsent {
        await idle()
        continue
      }
      guard await ask() else { continue }
      guard queue.hasUnsent else { continue }
      await relay()
    }
    let result = end ?? .cancelled
    end = result
    letIn()
    return result
  }

  /// Asks what the target has, and takes it for the truth. False: not now, or never.
  private func ask() async -> Bool {
    do throws(CallError) {
      let info = try await replica.replicateInfo(sourceClusterID: sourceID, targetPchannel: targetPchannel)
      if Task.isCancelled { return false }
      if heard(ReplicaState(info, sourceClusterID: sourceID)) { return true }
      if end == nil { _ = await time.sleep(.seconds(1)) }
      return false
    } catch {
      if Task.isCancelled { return false }
      if error.isConnectionLoss { deaths.refused(at: time.now()) }
      await failed(error, what: "ask what the target has")
      return false
    }
  }

  /// What the target says of itself, whoever asked. False where this stream must not go on.
  @discardableResult
  func heard(_ state: ReplicaState) -> Bool {
    switch state {
    case .primary(let promotedAt):
      finish(.stop(Self.noStandby(promotedAt: promotedAt, sourceID: sourceID)))
    case .standbyOf(let other):
      finish(
        .stop(
          TaskStop(
            reason: "the target is a standby of \(other) now, and not of \(sourceID)",
            hint: "Somebody changed the target's replication. Delete this task, or make the target a standby of \(sourceID) again.")))
    case .standby(let tick, _):
      if tick < queue.confirmedTick {
        // What it says may lag what it confirmed by a moment.
        behind += 1
        if behind >= Self.behindMax { finish(.rewind) }
        return false
      }
      behind = 0
      if deaths.answered(tick), let head = queue.head {
        finish(.stop(Self.killed(by: head, pchannel)))
      } else {
        release(tick, isConfirmation: false)
      }
    }
    return end == nil
  }

  private func finish(_ end: End) {
    guard self.end == nil else { return }
    self.end = end
    wake()
    letIn()
  }

  /// Waits until there is something to send, or the end.
  private func idle() async {
    guard !queue.hasUnsent, end == nil else { return }
    let latch = LogLatch()
    idler = latch
    _ = await latch.wait()
  }

  private func wake() {
    idler?.open()
    idler = nil
  }

  private func relay() async {
    let stream: any ReplicateStream
    do throws(CallError) {
      stream = try await replica.replicate(from: sourceID, to: targetID)
    } catch {
      if error.isConnectionLoss { deaths.refused(at: time.now()) }
      return await failed(error, what: "open a replicate stream")
    }
    lastProgress = time.now()
    let failure = await withTaskGroup(of: CallError?.self) { group in
      group.addTask { await self.send(stream) }
      group.addTask { await self.takeConfirmations(stream) }
      group.addTask { await self.watch(stream) }
      // The first to end tells why; the others end because of it.
      let first = await group.next() ?? nil
      group.cancelAll()
      await stream.cancel()
      return first
    }
    let wasInFlight = queue.isInFlight
    queue.streamEnded()
    if Task.isCancelled || end != nil { return }
    if let failure {
      if failure.isConnectionLoss, wasInFlight, let head = queue.head {
        deaths.broke(head: head.timeTick, after: time.now() - lastProgress)
      }
      await failed(failure, what: "send to \(targetPchannel)")
    } else {
      await endedCleanly(wasInFlight)
    }
  }

  private func send(_ stream: any ReplicateStream) async -> CallError? {
    while !Task.isCancelled, end == nil {
      guard let messages = queue.takeUnsent(bytesMax: limits.burstBytesMax) else {
        await idle()
        continue
      }
      if !queue.isInFlight { lastProgress = time.now() }
      guard !messages.isEmpty else { continue }
      do throws(CallError) { try await stream.send(messages) } catch { return error }
    }
    return nil
  }

  private func takeConfirmations(_ stream: any ReplicateStream) async -> CallError? {
    while !Task.isCancelled {
      do throws(CallError) {
        guard let tick = try await stream.confirmed() else { return nil }
        deaths.confirmed()
        release(tick, isConfirmation: true)
      } catch {
        return error
      }
    }
    return nil
  }

  /// A peer that takes everything and says nothing.
  private func watch(_ stream: any ReplicateStream) async -> CallError? {
    while await time.sleep(limits.stuckAfter / 4) {
      if end != nil { return nil }
      guard queue.isInFlight, time.now() - lastProgress > limits.stuckAfter else { continue }
      return .rpc(
        RPCError(
          .deadlineExceeded, "nothing was confirmed within \(limits.stuckAfter.spelled)", initiator: .local, peer: replica.peer),
        method: "CreateReplicateStream")
    }
    return nil
  }

  private func release(_ tick: TimeTick, isConfirmation: Bool) {
    let (count, bytes) = (queue.count, queue.byteCount)
    guard queue.confirm(tick) else { return }
    confirmedUnits &+= count - queue.count
    confirmedBytes &+= bytes - queue.byteCount
    lastProgress = time.now()
    if isConfirmation || isTroubled { recovered() }
    letIn()
  }

  // MARK: Failures

  private func recovered() {
    failures = 0
    guard isTroubled else { return }
    isTroubled = false
    report(pchannel, nil)
  }

  private func endedCleanly(_ wasInFlight: Bool) async {
    // The target's own restart, or a proxy between, ends a quiet stream; nothing was lost by it.
    guard let head = queue.head, wasInFlight else { return await pause(nil, hint: nil) }
    let type = head.messages.first?.type.name ?? "a message"
    await pause(
      "\(pchannel): the target ends the stream, without a reason, at \(head.messages.count > 1 ? "a transaction" : type)"
        + " on \(head.messages.first?.vchannel ?? "") (tick \(head.timeTick))",
      hint:
        "The target's log says why. Usual causes: a collection that the target does not have, a control channel on another index, a target that is no standby any more."
    )
  }

  private func failed(_ cause: CallError, what: String) async {
    let error = BridgeError(cause, side: .target, operation: "\(pchannel): \(what)")
    switch policy.decide(error) {
    case .stopTask(let hint): finish(.stop(TaskStop(error, hint: hint)))
    case .stopCollection(let hint): finish(.stop(TaskStop(error, hint: hint)))
    case .retry(_, let hint): await pause(error.description, hint: hint)
    }
  }

  /// 0.1 s, doubling to 10 s, with jitter (`wal-protocol.md` §6.7). The first failure in a row is not worth a word.
  private func pause(_ message: String?, hint: String?) async {
    let full = min(Duration.milliseconds(100) * (1 << min(failures, 7)), .seconds(10))
    failures += 1
    let delay = full * (1 - 0.5 * min(max(time.random(), 0), 1))
    if failures > 1, let message {
      isTroubled = true
      report(
        pchannel, ProgressReporter.Trouble(message: message, hint: hint, attempt: failures, nextTryAt: time.now() + delay))
    }
    _ = await time.sleep(delay)
  }

  // MARK: Words

  static func noStandby(promotedAt: TimeTick?, sourceID: String) -> TaskStop {
    if let promotedAt {
      let lost = promotedAt.rawValue > 0 ? "wrote after tick \(promotedAt)" : "wrote and had not been sent yet"
      return TaskStop(
        reason: "the target was promoted by force: it is a primary of its own, and takes nothing from \(sourceID) any more",
        hint:
          "What \(sourceID) \(lost) never reached the target; fetch it from there soon. Delete this task. To go on, empty the target and create the task again."
      )
    }
    return TaskStop(
      reason: "the target is no standby of \(sourceID) any more: it was taken out of the replication, or its role was switched",
      hint: "Delete this task. After a switch-over, create one from the new primary to the new standby.")
  }

  private static func killed(by unit: RelayUnit, _ pchannel: String) -> TaskStop {
    TaskStop(
      reason:
        "\(pchannel): the target died twice when it was sent \(unit.messages.first?.type.name ?? "a message") at tick \(unit.timeTick); it is not sent again",
      hint:
        "See the target's log. If it dies at every start, its own log has to be wiped; then create the task again. If another pchannel is named too, one of the messages is the culprit."
    )
  }
}
