internal import Synchronization

extension ConnectionLoop {
  /// Runs `body` in the calling task, and ends it when `budget` is over by calling `onExpiry` on the loop: that closes what
  /// the body waits for. Whatever the body then throws or returns, the caller gets `timedOut`.
  ///
  /// There is no second task and nothing is raced: `body` has returned when this returns.
  package func withDeadline<Value>(
    _ budget: Duration, _ message: @autoclosure () -> String,
    onExpiry: @escaping @Sendable () -> Void,
    _ body: () async throws(WireError) -> Value
  ) async throws(WireError) -> Value {
    let expiry = ExpiryFlag()
    let timer = schedule(after: budget) {
      expiry.set()
      onExpiry()
    }
    defer { timer.cancel() }
    do throws(WireError) {
      let value = try await body()
      // What the body returned may be closed already.
      if expiry.isSet { throw WireError(.timedOut, message()) }
      return value
    } catch {
      throw expiry.isSet ? WireError(.timedOut, message()) : error
    }
  }
}

/// Set once, by the timer.
private final class ExpiryFlag: Sendable {
  private let flag = Atomic<Bool>(false)
  var isSet: Bool { flag.load(ordering: .acquiring) }
  func set() { flag.store(true, ordering: .releasing) }
}
