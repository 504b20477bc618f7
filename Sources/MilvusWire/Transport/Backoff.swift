/// How long to wait before the next attempt: exponential with full jitter, so that clients that failed together do not come
/// back together. Pure: the random generator is an argument.
///
/// Attempt n (from 1) waits a random time from 0 to min(`ceiling`, `base` × 2ⁿ⁻¹).
package struct Backoff: Sendable, Equatable {
  package let base: Duration
  package let ceiling: Duration
  /// Attempts that failed since the last success.
  package private(set) var failureCount = 0

  package init(base: Duration = .milliseconds(100), ceiling: Duration = .seconds(30)) {
    precondition(base > .zero && ceiling >= base, "a back-off needs a base and a ceiling above it")
    self.base = base
    self.ceiling = ceiling
  }

  /// The longest wait that the next failure can cause.
  package var nextLimit: Duration {
    // 2³⁰ × any sensible base is above any sensible ceiling; the bound keeps the product inside `Duration`.
    let factor = 1 << min(failureCount, 30)
    return min(ceiling, base * factor)
  }

  /// Counts a failure and says how long to wait now.
  package mutating func failed(using generator: inout some RandomNumberGenerator) -> Duration {
    let limit = nextLimit
    if failureCount < Int.max { failureCount += 1 }
    return .nanoseconds(Int64.random(in: 0...limit.wholeNanoseconds, using: &generator))
  }

  package mutating func succeeded() { failureCount = 0 }
}

extension Duration {
  /// Nanoseconds, at most what fits (292 years).
  fileprivate var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflowToo) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflow || overflowToo ? .max : sum
  }
}
