/// One action that a loop will run later, once. Made by `ConnectionLoop.schedule`.
///
/// `@unchecked Sendable`: the variables are touched on the loop's thread only; `cancel` goes there itself.
package final class LoopTimer: @unchecked Sendable {
  let deadline: ContinuousClock.Instant
  private let core: LoopCore
  /// Dropped when the timer fires or is cancelled, so that a timer never keeps alive what it no longer needs.
  private var action: (@Sendable () -> Void)?
  /// The place in the loop's heap, nil when it is not there.
  fileprivate(set) var heapIndex: Int?

  init(deadline: ContinuousClock.Instant, core: LoopCore, action: @escaping @Sendable () -> Void) {
    self.deadline = deadline
    self.core = core
    self.action = action
  }

  /// The action will not run, unless it runs already. May be called from any thread, and more than once.
  package func cancel() {
    core.runOrExecute { [self] in
      action = nil
      core.remove(self)
    }
  }

  func fire() {
    let action = self.action
    self.action = nil
    action?()
  }

  var isCancelled: Bool { action == nil }
}

/// The timers of one loop, earliest first: a binary heap in which every timer knows its place, so that a cancelled
/// timer is gone at once. (A call's deadline is cancelled far more often than it fires.)
struct TimerHeap {
  private var timers: [LoopTimer] = []

  var earliest: ContinuousClock.Instant? { timers.first?.deadline }
  var count: Int { timers.count }

  mutating func insert(_ timer: LoopTimer) {
    timers.append(timer)
    timer.heapIndex = timers.count - 1
    moveUp(timers.count - 1)
  }

  mutating func remove(_ timer: LoopTimer) {
    guard let index = timer.heapIndex else { return }
    timer.heapIndex = nil
    let last = timers.removeLast()
    guard last !== timer else { return }
    timers[index] = last
    last.heapIndex = index
    moveUp(index)
    moveDown(index)
  }

  /// The earliest timer when its time has come.
  mutating func popExpired(at now: ContinuousClock.Instant) -> LoopTimer? {
    guard let first = timers.first, first.deadline <= now else { return nil }
    remove(first)
    return first
  }

  /// Forgets every timer; none of them fires.
  mutating func removeAll() {
    for timer in timers { timer.heapIndex = nil }
    timers = []
  }

  private mutating func moveUp(_ start: Int) {
    var index = start
    while index > 0 {
      let parent = (index - 1) / 2
      guard timers[index].deadline < timers[parent].deadline else { return }
      swapTimers(index, parent)
      index = parent
    }
  }

  private mutating func moveDown(_ start: Int) {
    var index = start
    while true {
      var smallest = index
      for child in [2 * index + 1, 2 * index + 2]
      where child < timers.count && timers[child].deadline < timers[smallest].deadline {
        smallest = child
      }
      guard smallest != index else { return }
      swapTimers(index, smallest)
      index = smallest
    }
  }

  private mutating func swapTimers(_ first: Int, _ second: Int) {
    timers.swapAt(first, second)
    timers[first].heapIndex = first
    timers[second].heapIndex = second
  }
}
