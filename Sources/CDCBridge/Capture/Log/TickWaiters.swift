internal import MilvusWire

/// Those who wait until a pchannel has reached a tick.
final class TickWaiters: Sendable {
  private struct State {
    var waiting: [Int: (tick: TimeTick, continuation: CheckedContinuation<Bool, Never>)] = [:]
    var nextID = 0
    var reached = TimeTick(0)
    var isEnded = false
  }
  private let state = Locked(State())

  /// False where the waiting task was cancelled, or nothing will be reached any more.
  func wait(for tick: TimeTick) async -> Bool {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let answer = state.withLock { state -> Bool? in
          if state.reached >= tick { return true }
          if state.isEnded || Task.isCancelled { return false }
          state.waiting[id] = (tick, continuation)
          return nil
        }
        if let answer { continuation.resume(returning: answer) }
      }
    } onCancel: {
      state.withLock { $0.waiting.removeValue(forKey: id) }?.continuation.resume(returning: false)
    }
  }

  func reached(_ tick: TimeTick) {
    let ready = state.withLock { state in
      state.reached = max(state.reached, tick)
      let ready = state.waiting.filter { $0.value.tick <= tick }
      for id in ready.keys { state.waiting[id] = nil }
      return ready.values.map(\.continuation)
    }
    for continuation in ready { continuation.resume(returning: true) }
  }

  func end() {
    let left = state.withLock { state in
      state.isEnded = true
      defer { state.waiting = [:] }
      return state.waiting.values.map(\.continuation)
    }
    for continuation in left { continuation.resume(returning: false) }
  }
}
