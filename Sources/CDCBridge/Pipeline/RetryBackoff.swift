/// How long to wait before the next try: 0.5 s, doubling to 30 s, with jitter; reset by a success. Pure: the random number is an argument.
package struct RetryBackoff: Sendable, Equatable {
  package static let longest: Duration = .seconds(30)
  /// Tries that failed in a row.
  package private(set) var attempt = 0
  package init() {}

  /// `random` in 0..<1 takes up to half of the wait away, so that many tasks do not come back at the same instant.
  package mutating func nextDelay(_ pace: ErrorPolicy.Pace, random: Double) -> Duration {
    let first: Duration
    switch pace {
    case .quick: first = .milliseconds(500)
    case .slow: first = .seconds(5)
    }
    let doubled = first * (1 << min(attempt, 10))
    attempt += 1
    let full = min(doubled, Self.longest)
    return full * (1 - 0.5 * min(max(random, 0), 1))
  }
  package mutating func succeeded() { attempt = 0 }
}
