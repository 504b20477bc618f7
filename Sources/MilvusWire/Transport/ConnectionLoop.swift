/// One thread that waits for sockets, timers and jobs, and runs the actors confined to it (`design.md` D13).
///
/// An actor on this loop returns `loop.asUnownedSerialExecutor()` from `unownedExecutor` and holds the loop. Calls between
/// two actors of one loop do not leave the thread. Nothing on the loop may block. An idle loop sleeps without a wake-up.
/// The thread ends when nobody holds the loop any more.
package final class ConnectionLoop: SerialExecutor {
  let core: LoopCore
  /// For whole tasks: `withTaskExecutorPreference`. Whoever prefers it holds the loop.
  package let tasks: LoopTaskExecutor

  package init() throws(WireError) {
    core = try LoopCore()
    tasks = LoopTaskExecutor(core: core)
    try core.start(for: self)
  }

  deinit { core.stop() }

  /// True on the loop's own thread.
  package var isCurrent: Bool { core.isCurrent }

  /// Runs `body` on the loop, in the order of the calls. Always later, even when called on the loop.
  package func execute(_ body: @escaping @Sendable () -> Void) { core.execute(body) }

  /// Runs `action` on the loop once `delay` has passed, at most a millisecond late on an idle loop and never early.
  @discardableResult
  package func schedule(after delay: Duration, _ action: @escaping @Sendable () -> Void) -> LoopTimer {
    let timer = LoopTimer(deadline: .now + delay, core: core, action: action)
    core.runOrExecute { [core] in core.insert(timer) }
    return timer
  }

  /// Waits for `delay`; fails with `WireError.cancelled` when the task is cancelled.
  package func pause(for delay: Duration) async throws(WireError) {
    let sleeper = LoopSleeper(loop: self)
    guard await sleeper.pause(for: delay) else { throw WireError.cancelled("waiting") }
  }

  /// Lets everything else that is ready on the loop run first.
  func yield() async {
    await withUnsafeContinuation { continuation in
      core.execute { continuation.resume() }
    }
  }

  // MARK: SerialExecutor

  package func enqueue(_ job: consuming ExecutorJob) { core.enqueue(UnownedJob(job)) }

  package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    UnownedSerialExecutor(ordinary: self)
  }

  package func isSameExclusiveExecutionContext(other: ConnectionLoop) -> Bool { self === other }

  package func checkIsolated() {
    precondition(isCurrent, "this code must run on its connection loop")
  }

  package func isIsolatingCurrentContext() -> Bool? { isCurrent }
}

/// Runs tasks on a loop's thread, and the actors without an executor of their own that they enter. Steps between such a task and the
/// connections of the loop do not leave the thread.
package final class LoopTaskExecutor: TaskExecutor {
  private let core: LoopCore

  fileprivate init(core: LoopCore) { self.core = core }

  package func enqueue(_ job: consuming ExecutorJob) { core.enqueue(taskJob: UnownedJob(job)) }
}

/// One sleeping task. Resumes it exactly once, by the timer or by the cancellation, whichever reaches the loop first.
///
/// `@unchecked Sendable`: the variables are touched on the loop's thread only.
private final class LoopSleeper: @unchecked Sendable {
  private let loop: ConnectionLoop
  private var timer: LoopTimer?
  private var continuation: UnsafeContinuation<Bool, Never>?
  private var isCancelled = false

  init(loop: ConnectionLoop) { self.loop = loop }

  /// False when the task was cancelled first.
  func pause(for delay: Duration) async -> Bool {
    await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        loop.core.runOrExecute { [self] in begin(delay, continuation) }
      }
    } onCancel: {
      loop.core.execute { [self] in
        isCancelled = true
        finish(false)
      }
    }
  }

  private func begin(_ delay: Duration, _ continuation: UnsafeContinuation<Bool, Never>) {
    guard !isCancelled else { return continuation.resume(returning: false) }
    self.continuation = continuation
    timer = loop.schedule(after: delay) { [self] in finish(true) }
  }

  private func finish(_ slept: Bool) {
    guard let continuation else { return }
    self.continuation = nil
    timer?.cancel()
    timer = nil
    continuation.resume(returning: slept)
  }
}

/// The loops of one process: one for each core, at most as many as asked for.
package final class ConnectionLoopGroup: Sendable {
  package let loops: [ConnectionLoop]
  private let turn = RoundRobin()

  /// `loopCountMax` is at least 1; there are never more loops than cores that this process may use.
  package init(loopCountMax: Int = 64) throws(WireError) {
    precondition(loopCountMax >= 1, "a group needs a loop")
    var loops: [ConnectionLoop] = []
    for _ in 0..<min(loopCountMax, ProcessorCount.available) { loops.append(try ConnectionLoop()) }
    self.loops = loops
  }

  /// One loop that others may use as well.
  package init(sharing loop: ConnectionLoop) { loops = [loop] }

  /// The loop for the next connection, in turn. Connections that feed each other take the same one (`design.md` D13).
  package func next() -> ConnectionLoop { loops[turn.next(below: loops.count)] }
}
