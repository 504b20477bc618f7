internal import MilvusWire

/// Somebody waits until somebody else says so, once. Safe from any thread.
final class LogLatch: Sendable {
  private enum State {
    case closed
    case waiting(CheckedContinuation<Bool, Never>)
    case open(Bool)
  }
  private let state = Locked(State.closed)

  /// False where the waiting task was cancelled first, or `open(false)`. At most one task waits.
  func wait() async -> Bool {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> Bool? in
          switch state {
          case .open(let answer): return answer
          case .closed, .waiting:
            state = .waiting(continuation)
            return nil
          }
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      open(false)
    }
  }

  /// The first answer counts.
  func open(_ answer: Bool = true) {
    let waiting = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      switch state {
      case .open: return nil
      case .closed:
        state = .open(answer)
        return nil
      case .waiting(let continuation):
        state = .open(answer)
        return continuation
      }
    }
    waiting?.resume(returning: answer)
  }

  var isOpen: Bool {
    state.withLock { state in
      if case .open = state { true } else { false }
    }
  }
}
