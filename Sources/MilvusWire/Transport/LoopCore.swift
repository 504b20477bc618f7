internal import Synchronization

/// The moving parts of one `ConnectionLoop`: its poll set, its inbox, its timers and its thread.
///
/// The thread holds this object and not the loop, so that a loop nobody uses any more can end its thread.
///
/// `@unchecked Sendable`: `inbox`, `threadID` and `pollSet.wake` are safe from any thread; every other variable is
/// touched by the loop's thread only.
final class LoopCore: @unchecked Sendable {
  private enum Work {
    case job(UnownedJob)
    /// Of a task that prefers the loop, and of actors without an executor that it enters.
    case taskJob(UnownedJob)
    case closure(@Sendable () -> Void)
  }

  private struct Inbox {
    var work: [Work] = []
    /// The thread waits, or is about to: whoever adds work must wake it.
    var isAsleep = false
    var isStopping = false
    /// The thread has ended: nobody would run what is added.
    var hasEnded = false

    /// True once for each sleep: the caller wakes the thread.
    mutating func takeAsleep() -> Bool {
      defer { isAsleep = false }
      return isAsleep
    }
  }

  /// Bytes that one stream may move in one turn of the loop before others get theirs.
  static let bytesPerTurnMax = 1 << 20
  /// Bytes that one receive can bring; the scratch buffer below.
  static let receiveBytesMax = 512 << 10

  private let pollSet: PollSet
  private let inbox = Locked(Inbox())
  private let threadID = Atomic<UInt>(0)
  private var timers = TimerHeap()
  private var sockets: [UInt64: WeakSocket] = [:]
  private var nextToken: UInt64 = 1
  /// Set once before the thread starts. Weak: the loop owns this object.
  private weak var executor: ConnectionLoop?
  /// Counts the turns of the loop: streams measure their fair share with it.
  private(set) var turn: UInt64 = 0
  /// Where every socket of this loop receives; bytes are copied out at once, so idle connections hold no buffer.
  let receiveBuffer = ReceiveBuffer(byteCount: LoopCore.receiveBytesMax)

  private struct WeakSocket {
    weak var socket: WatchedSocket?
  }

  init() throws(WireError) {
    pollSet = try PollSet()
  }

  /// True on the loop's thread.
  var isCurrent: Bool { threadID.load(ordering: .relaxed) == DedicatedThread.currentID }

  func start(for executor: ConnectionLoop) throws(WireError) {
    self.executor = executor
    guard DedicatedThread.start({ [self] in run() }) else {
      throw WireError(.resourceLimit, "cannot start a thread for a connection loop")
    }
  }

  /// Ends the thread after the work that is already there.
  func stop() {
    let mustWake = inbox.withLock { inbox in
      inbox.isStopping = true
      return inbox.takeAsleep()
    }
    if mustWake { pollSet.wake() }
  }

  // MARK: Any thread

  func enqueue(_ job: UnownedJob) { submit(.job(job)) }

  func enqueue(taskJob job: UnownedJob) { submit(.taskJob(job)) }

  func execute(_ body: @escaping @Sendable () -> Void) { submit(.closure(body)) }

  /// Now when this is the loop's thread, otherwise on its next turn.
  func runOrExecute(_ body: @escaping @Sendable () -> Void) {
    if isCurrent { body() } else { execute(body) }
  }

  private func submit(_ work: Work) {
    let mustWake = inbox.withLock { inbox in
      // Nobody holds the loop then, so what comes late can only be the clearing up of a timer.
      if inbox.hasEnded { return false }
      inbox.work.append(work)
      return inbox.takeAsleep()
    }
    if mustWake { pollSet.wake() }
  }

  // MARK: The loop's thread

  func insert(_ timer: LoopTimer) {
    if !timer.isCancelled { timers.insert(timer) }
  }

  func remove(_ timer: LoopTimer) { timers.remove(timer) }

  /// Watches a socket from now on; the loop does not keep it alive.
  func register(_ socket: WatchedSocket, fd: Int32) throws(WireError) -> UInt64 {
    let token = nextToken
    nextToken += 1
    try pollSet.add(fd, token: token)
    sockets[token] = WeakSocket(socket: socket)
    return token
  }

  /// Events that are already on their way for this token are dropped: tokens are never used twice.
  func unregister(_ token: UInt64) { sockets[token] = nil }

  private func run() {
    threadID.store(DedicatedThread.currentID, ordering: .relaxed)
    while let timeoutMs = sleepMs() {
      pollSet.wait(timeoutMs: timeoutMs) { event in
        sockets[event.token]?.socket?.received(event)
      }
      turn &+= 1
      fireTimers()
      runInbox()
    }
    // A timer holds these parts, as they hold the timer: what is still set would keep all of it for ever.
    timers.removeAll()
    threadID.store(0, ordering: .relaxed)
  }

  /// How long to wait for events: not at all when there is work, -1 for ever; nil when the thread must end.
  private func sleepMs() -> Int32? {
    let timerMs = timers.earliest.map { Self.wholeMs(until: $0) } ?? -1
    return inbox.withLock { inbox in
      if !inbox.work.isEmpty { return 0 }
      if inbox.isStopping {
        inbox.hasEnded = true
        return nil
      }
      inbox.isAsleep = timerMs != 0
      return timerMs
    }
  }

  /// Milliseconds until a deadline, rounded up, so that a timer never finds itself early and spins.
  private static func wholeMs(until deadline: ContinuousClock.Instant) -> Int32 {
    let (seconds, attoseconds) = (deadline - ContinuousClock.now).components
    if seconds < 0 || (seconds == 0 && attoseconds <= 0) { return 0 }
    // An hour at most: the loop then looks again. It also keeps the arithmetic inside 32 bits.
    guard seconds < 3600 else { return 3_600_000 }
    return Int32(seconds) * 1000 + Int32((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
  }

  private func fireTimers() {
    guard timers.earliest != nil else { return }
    let now = ContinuousClock.now
    while let timer = timers.popExpired(at: now) { timer.fire() }
  }

  private func runInbox() {
    let work = inbox.withLock { inbox in
      inbox.isAsleep = false
      var work: [Work] = []
      swap(&work, &inbox.work)
      return work
    }
    guard !work.isEmpty else { return }
    // A job exists only while an actor on this loop exists, and that actor holds the loop. The strong reference keeps
    // it alive until the last job of this turn has returned.
    let executor = self.executor
    for item in work {
      switch item {
      case .job(let job):
        precondition(executor != nil, "a job outlived its loop")
        if let executor { job.runSynchronously(on: executor.asUnownedSerialExecutor()) }
      case .taskJob(let job):
        precondition(executor != nil, "a job outlived its loop")
        if let executor { job.runSynchronously(on: executor.tasks.asUnownedTaskExecutor()) }
      case .closure(let body): body()
      }
    }
  }
}
