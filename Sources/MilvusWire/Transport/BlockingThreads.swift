/// A few threads for calls that block (name lookups, reading files): they start when there is work and end when there is none.
final class BlockingThreads: Sendable {
  private struct State {
    var runningCount = 0
    var waiting: [@Sendable () -> Void] = []
  }

  private let threadCountMax: Int
  private let state = Locked(State())

  /// More calls than threads wait for their turn.
  init(threadCountMax: Int) { self.threadCountMax = threadCountMax }

  /// Runs `call` on a thread, in turn; runs `noThread` here instead when the system has none to give.
  func run(_ call: @escaping @Sendable () -> Void, noThread: () -> Void) {
    let mayStart = state.withLock { state in
      guard state.runningCount < threadCountMax else {
        state.waiting.append(call)
        return false
      }
      state.runningCount += 1
      return true
    }
    guard mayStart else { return }
    let started = DedicatedThread.start { [self] in
      var next: (@Sendable () -> Void)? = call
      while let current = next {
        current()
        next = state.withLock { state in
          if state.waiting.isEmpty {
            state.runningCount -= 1
            return nil
          }
          return state.waiting.removeFirst()
        }
      }
    }
    if !started {
      state.withLock { $0.runningCount -= 1 }
      noThread()
    }
  }

  /// Runs a blocking call and waits for its result without blocking. `what` names the call in the error.
  func run<Value: Sendable>(
    _ what: String, _ call: @escaping @Sendable () throws(WireError) -> Value
  ) async throws(WireError) -> Value {
    let result: Result<Value, WireError> = await Handover.receive { handover in
      run {
        do throws(WireError) {
          handover.give(.success(try call()))
        } catch {
          handover.give(.failure(error))
        }
      } noThread: {
        handover.give(.failure(WireError(.resourceLimit, "no thread for \(what)")))
      }
    }
    return try result.get()
  }
}
