internal import Synchronization

extension ConnectionLoop {
  /// Runs `body` in the calling task, and ends it when `budget` is over by calling `onExpiry` on the loop: that closes what
  /// the body waits for. Whatever the body then throws or returns, the caller gets `timedOut`; what the body returned in time
  /// is not closed afterwards.
  ///
  /// There is no second task and nothing is raced: `body` has returned when this returns.
  package func withDeadline<Value>(
    _ budget: Duration, _ message: @autoclosure () -> String,
    onExpiry: @escaping @Sendable () -> Void,
    _ body: () async throws(WireError) -> Value
  ) async throws(WireError) -> Value {
    let end = FirstEnd()
    let timer = schedule(after: budget) {
      if end.claim() { onExpiry() }
    }
    defer { timer.cancel() }
    do throws(WireError) {
      let value = try await body()
      // Once the body has won, the timer that fires all the same closes nothing.
      guard end.claim() else { throw WireError(.timedOut, message()) }
      return value
    } catch {
      throw end.claim() ? error : WireError(.timedOut, message())
    }
  }
}

/// The body's end and the timer's: what comes first counts.
private final class FirstEnd: Sendable {
  private let isTaken = Atomic<Bool>(false)

  /// Whether nobody has claimed it before.
  func claim() -> Bool { !isTaken.exchange(true, ordering: .acquiringAndReleasing) }
}
