/// One value on its way from the thread that makes it to the task that waits for it.
///
/// A continuation alone would do; the lock is for the thread sanitizer. It learns the order between "resumed" and "goes on"
/// from Swift's runtime only where the task was already asleep, and took everything a faster thread had made for a race.
final class Handover<Value: Sendable>: Sendable {
  private struct State {
    var value: Value?
    var continuation: CheckedContinuation<Void, Never>?
  }

  private let state = Locked(State())

  private init() {}

  /// Calls `start`, which must see to it that `give` is called once, on any thread; returns what was given.
  static func receive(_ start: (Handover<Value>) -> Void) async -> Value {
    let handover = Handover()
    await withCheckedContinuation { continuation in
      handover.state.withLock { $0.continuation = continuation }
      start(handover)
    }
    guard let value = handover.state.withLock({ $0.value }) else {
      preconditionFailure("resumed without a value")
    }
    return value
  }

  func give(_ value: Value) {
    let continuation = state.withLock { state in
      state.value = value
      let continuation = state.continuation
      state.continuation = nil
      return continuation
    }
    precondition(continuation != nil, "a value was given twice")
    continuation?.resume()
  }
}
