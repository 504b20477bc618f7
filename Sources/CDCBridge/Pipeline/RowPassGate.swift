package import MilvusWire

/// Keys that a log touched; rows of a page with one of them are the log's business and not the pass's.
package struct TouchedKeys: Sendable {
  private let epochs: [RowKey: UInt64]
  private let since: UInt64
  /// `epochs`: when each key was touched last; what is older than `since` was in the page already.
  package init(_ epochs: [RowKey: UInt64] = [:], since: UInt64 = 0) {
    self.epochs = epochs
    self.since = since
  }
  package func contains(_ key: RowKey) -> Bool { epochs[key].map { $0 >= since } ?? false }
  package var isEmpty: Bool { epochs.isEmpty }
}

/// Weaves a pass into a log that is followed meanwhile (`design.md` D7, the DBLog method).
///
/// Contract. `mark` is called before a page is asked for, on either side. What was read since may be written between `enter` and `leave`
/// only: `enter` returns when everything that the source had acknowledged at the call has been seen in its log, and tells the keys which
/// the log touched since `mark`; until `leave` nothing of the log is written to this collection. `leave` may be called at any time and
/// more than once. Pages are read strongly: a page holds everything that was acknowledged before it was asked for.
package protocol RowPassGate: Sendable {
  func mark() -> UInt64
  func enter(since mark: UInt64) async throws(BridgeError) -> TouchedKeys
  func leave() async
}

extension MergedStretch {
  /// Without the rows and keys that the log touched.
  func without(_ touched: TouchedKeys) -> MergedStretch {
    guard !touched.isEmpty else { return self }
    var rest = self
    if let page {
      rest.sourceOnly.removeAll { touched.contains(page.columns.key.key(Int($0))) }
      rest.different.removeAll { touched.contains(page.columns.key.key(Int($0))) }
    }
    rest.targetOnly.removeAll { touched.contains($0) }
    return rest
  }
}
