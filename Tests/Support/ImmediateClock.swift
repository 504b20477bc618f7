internal import MilvusWire

/// A clock on which no time has to pass: a sleep ends at once and moves the clock. For tests of what waits.
package final class ImmediateClock: Clock {
  package struct Instant: InstantProtocol {
    package var offset: Duration
    package func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
    package func duration(to other: Instant) -> Duration { other.offset - offset }
    package static func < (a: Instant, b: Instant) -> Bool { a.offset < b.offset }
  }
  private let time = Locked(Instant(offset: .zero))
  package init() {}
  package var now: Instant { time.withLock { $0 } }
  package var minimumResolution: Duration { .nanoseconds(1) }
  package func sleep(until deadline: Instant, tolerance: Duration?) async throws {
    try Task.checkCancellation()
    time.withLock { $0 = max($0, deadline) }
    await Task.yield()
  }
}
