internal import MilvusWire

/// Lets so many tasks in at a time, first come first served.
final class Turnstile: Sendable {
  private struct State {
    var free: Int
    var nextID = 0
    var waiting: [(id: Int, continuation: CheckedContinuation<Bool, Never>)] = []
    /// Cancelled before they had begun to wait.
    var cancelled: Set<Int> = []
  }
  private let state: Locked<State>

  init(_ count: Int = 1) { state = Locked(State(free: max(1, count))) }

  /// Waits for a turn; false where the task was cancelled first. A turn that was given has to be given back with `leave`.
  func enter() async -> Bool {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> Bool? in
          if state.cancelled.remove(id) != nil { return false }
          guard state.free == 0 else {
            state.free -= 1
            return true
          }
          state.waiting.append((id, continuation))
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      let waiting = state.withLock { state -> CheckedContinuation<Bool, Never>? in
        if let place = state.waiting.firstIndex(where: { $0.id == id }) {
          return state.waiting.remove(at: place).continuation
        }
        state.cancelled.insert(id)
        return nil
      }
      waiting?.resume(returning: false)
    }
  }

  func leave() {
    let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      guard state.waiting.isEmpty else { return state.waiting.removeFirst().continuation }
      state.free += 1
      return nil
    }
    next?.resume(returning: true)
  }
}

/// Wakes the one task that waits at it; a ring while nobody waits is kept.
final class Doorbell: Sendable {
  private struct State {
    var isRung = false
    var waiting: CheckedContinuation<Void, Never>?
  }
  private let state = Locked(State())

  func ring() {
    let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
      state.isRung = state.waiting == nil
      defer { state.waiting = nil }
      return state.waiting
    }
    waiting?.resume()
  }

  /// Waits for a ring, at most so long, or until the task is cancelled.
  func wait(atMost limit: Duration, _ time: RunnerTime) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.waitForRing() }
      group.addTask { _ = await time.sleep(limit) }
      await group.next()
      group.cancelAll()
    }
  }

  private func waitForRing() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isRung = state.withLock { state -> Bool in
          if Task.isCancelled { return true }
          if state.isRung {
            state.isRung = false
            return true
          }
          state.waiting = continuation
          return false
        }
        if isRung { continuation.resume() }
      }
    } onCancel: {
      let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
        defer { state.waiting = nil }
        return state.waiting
      }
      waiting?.resume()
    }
  }
}
