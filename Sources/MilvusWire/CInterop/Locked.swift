internal import Glibc

/// State that every thread may use, one at a time. For short synchronous sections: never hold it across a callback.
///
/// It does what `Synchronization.Mutex` does, with the system's lock. The thread sanitizer knows that lock; of `Mutex`, which
/// lives in a library that is not instrumented, it sees nothing and reports every use of its state as a race.
///
/// `@unchecked Sendable`: the state is reached through the lock only.
package final class Locked<State>: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private nonisolated(unsafe) var state: State

  package init(_ state: consuming sending State) {
    self.state = state
    // SAFETY: owned by this object alone and at one address for its life, as the system wants it; freed in deinit.
    lock = .allocate(capacity: 1)
    let code = pthread_mutex_init(lock, nil)
    precondition(code == 0, "the system has no lock to give")
  }

  deinit {
    pthread_mutex_destroy(lock)
    lock.deallocate()
  }

  /// Runs `body` with the state for itself alone.
  package func withLock<Value, Failure: Error>(
    _ body: (inout sending State) throws(Failure) -> sending Value
  ) throws(Failure) -> sending Value {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return try body(&state)
  }
}
