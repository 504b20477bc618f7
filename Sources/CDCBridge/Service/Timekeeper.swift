internal import FoundationEssentials

/// Time as services and tasks see it; tests put their own in its place.
package protocol Timekeeper: Sendable {
  /// Monotonic, from an origin that has no meaning.
  var now: Duration { get }
  /// The wall clock: for what people and files read, never for deadlines.
  var unixMilliseconds: Int64 { get }
  /// Throws only `CancellationError`.
  func wait(until deadline: Duration) async throws
}

/// The clocks of this machine.
package struct SystemTimekeeper: Timekeeper {
  private static let origin = ContinuousClock.now
  package init() {}
  package var now: Duration { Self.origin.duration(to: .now) }
  package var unixMilliseconds: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }
  package func wait(until deadline: Duration) async throws {
    try await Task.sleep(until: Self.origin.advanced(by: deadline), clock: .continuous)
  }
}
