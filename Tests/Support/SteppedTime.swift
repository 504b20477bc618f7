package import CDCBridge
internal import MilvusWire

/// A clock that moves only when a test moves it. Who sleeps waits for that; nothing passes by itself.
package final class SteppedTime: Sendable {
  private struct State: Sendable {
    var now = ContinuousClock.now
    var nextID = 0
    var sleepers: [Int: (until: ContinuousClock.Instant, wake: @Sendable (Bool) -> Void)] = [:]
  }
  private let state = Locked(State())

  package init() {}

  package var now: ContinuousClock.Instant { state.withLock { $0.now } }

  /// `random` is 0: waits are the longest.
  package var runnerTime: RunnerTime {
    RunnerTime(
      now: { self.now }, sleep: { await self.sleep(until: self.now + $0) },
      sleepUntil: { await self.sleep(until: $0) }, unixMs: { 1_700_000_000_000 }, random: { 0 },
      clock: ContinuousClock())
  }

  private func sleep(until instant: ContinuousClock.Instant) async -> Bool {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let ended = state.withLock { state -> Bool? in
          if Task.isCancelled { return false }
          if state.now >= instant { return true }
          state.sleepers[id] = (instant, { continuation.resume(returning: $0) })
          return nil
        }
        if let ended { continuation.resume(returning: ended) }
      }
    } onCancel: {
      state.withLock { $0.sleepers.removeValue(forKey: id) }?.wake(false)
    }
  }

  package func advance(by duration: Duration) {
    let woken = state.withLock { state in
      state.now += duration
      let now = state.now
      let woken = state.sleepers.filter { $0.value.until <= now }
      for id in woken.keys { state.sleepers[id] = nil }
      return woken.values.map(\.wake)
    }
    for wake in woken { wake(true) }
  }

  /// Lets everything run, and moves the time by `step` between turns, until the condition holds; false where `limit` of this clock's
  /// time passed first.
  package func run(
    atMost limit: Duration = .seconds(600), step: Duration = .milliseconds(100),
    until isDone: @Sendable () -> Bool
  ) async -> Bool {
    let end = now + limit
    while true {
      for _ in 0..<40 {
        if isDone() { return true }
        await Task.yield()
      }
      if now >= end { return isDone() }
      advance(by: step)
    }
  }
}
