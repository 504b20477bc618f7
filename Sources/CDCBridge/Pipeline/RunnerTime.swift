internal import FoundationEssentials

/// Clock, sleep and chance as a runner sees them, so that a test can stand in for all three.
package struct RunnerTime: Sendable {
  package var now: @Sendable () -> ContinuousClock.Instant
  /// Waits; false where the task was cancelled meanwhile.
  package var sleep: @Sendable (Duration) async -> Bool
  /// As `sleep`, up to an instant of `now`; at once where it has passed.
  package var sleepUntil: @Sendable (ContinuousClock.Instant) async -> Bool
  /// This host's wall clock in Unix milliseconds.
  package var unixMs: @Sendable () -> Int64
  /// In 0..<1.
  package var random: @Sendable () -> Double
  /// For waits inside a row pass.
  package var clock: any Clock<Duration>

  package init(
    now: @escaping @Sendable () -> ContinuousClock.Instant,
    sleep: @escaping @Sendable (Duration) async -> Bool,
    sleepUntil: @escaping @Sendable (ContinuousClock.Instant) async -> Bool, unixMs: @escaping @Sendable () -> Int64,
    random: @escaping @Sendable () -> Double, clock: any Clock<Duration>
  ) {
    self.now = now
    self.sleep = sleep
    self.sleepUntil = sleepUntil
    self.unixMs = unixMs
    self.random = random
    self.clock = clock
  }

  package static let system = RunnerTime(
    now: { ContinuousClock.now },
    sleep: { duration in
      do {
        try await Task.sleep(for: duration)
        return true
      } catch {
        return false
      }
    },
    sleepUntil: { instant in
      do {
        try await Task.sleep(until: instant, clock: .continuous)
        return true
      } catch {
        return false
      }
    },
    unixMs: { Int64(Date().timeIntervalSince1970 * 1000) },
    random: { Double.random(in: 0..<1) }, clock: ContinuousClock())
}
