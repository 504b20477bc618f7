@testable internal import MilvusWire

/// Notes what happened, in order, from any thread.
final class Recorder<Event: Sendable>: Sendable {
  private let state = Locked<[Event]>([])

  /// The number of events so far, with this one.
  @discardableResult
  func note(_ event: Event) -> Int {
    state.withLock { events in
      events.append(event)
      return events.count
    }
  }

  var events: [Event] { state.withLock { $0 } }
}
