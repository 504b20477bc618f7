internal import MilvusWire

/// Schema changes that lie before a seed and are not in what the seed read. Pure.
///
/// A source writes its log first and its own catalogue afterwards, some moments later as a rule; so a change whose tick lies below the seed's may
/// be missing from it for ever. Most that seem to be missing are not: a later change took them back. Which of the two it is only another
/// look can tell, so there are a few, ever further apart, until every change is seen.
struct SeedDoubts: Sendable {
  /// How long a source may take between its log and its catalogue.
  static let spanMs: Int64 = 60_000
  private static let looks: [Duration] = [1, 2, 4, 8, 15, 30].map { .seconds($0) }
  private static let countMax = 1_000

  private var changes: [LogChange] = []
  private var looked = 0
  private var nextLook: ContinuousClock.Instant?

  var isEmpty: Bool { changes.isEmpty }

  /// A change at a tick at or below the seed's.
  mutating func add(_ change: LogChange, tick: TimeTick, seededAt: TimeTick, _ catalog: LogCatalog, now: ContinuousClock.Instant) {
    guard seededAt.unixMilliseconds - tick.unixMilliseconds <= Self.spanMs, changes.count < Self.countMax else { return }
    guard !Self.isIn(catalog, change) else { return }
    changes.append(change)
    plan(now)
  }

  /// True once for each look that is due.
  mutating func isDue(_ now: ContinuousClock.Instant) -> Bool {
    guard let look = nextLook, look <= now else { return false }
    nextLook = nil
    return true
  }

  /// The catalogue was read again.
  mutating func looked(_ catalog: LogCatalog, now: ContinuousClock.Instant) {
    changes.removeAll { Self.isIn(catalog, $0) }
    if changes.isEmpty || looked >= Self.looks.count {
      self = SeedDoubts()
    } else {
      plan(now)
    }
  }

  private mutating func plan(_ now: ContinuousClock.Instant) {
    guard nextLook == nil, looked < Self.looks.count else { return }
    nextLook = now + Self.looks[looked]
    looked += 1
  }

  private static func isIn(_ catalog: LogCatalog, _ change: LogChange) -> Bool {
    var copy = catalog
    guard (try? copy.apply(change)) != nil else { return true }
    return copy == catalog
  }
}
