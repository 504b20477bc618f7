/// Lets one task sleep until something happens. Confined to one actor.
///
/// A signal that comes while nobody sleeps is kept, so nothing is lost between "there is nothing to do" and falling asleep.
/// Waking up means "look again", never more.
final class Wakeup {
  private var continuation: CheckedContinuation<Void, Never>?
  private var isSignalled = false

  func signal() {
    guard let continuation else {
      isSignalled = true
      return
    }
    self.continuation = nil
    continuation.resume()
  }

  /// Sleeps until the next signal. Only one task sleeps at a time.
  func waitForSignal() async {
    await withCheckedContinuation { continuation in
      precondition(self.continuation == nil, "two tasks wait for the same thing")
      if isSignalled {
        isSignalled = false
        continuation.resume()
      } else {
        self.continuation = continuation
      }
    }
  }
}
