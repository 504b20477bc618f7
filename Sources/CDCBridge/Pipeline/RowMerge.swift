internal import MilvusWire

/// What one stretch of the merge decided.
struct MergedStretch: Sendable {
  /// The source page that `sourceOnly` and `different` number; nil for a stretch without source rows.
  var page: ScanPage?
  /// Rows of the page whose keys the target lacks, in key order.
  var sourceOnly: [Int32] = []
  /// Rows of the page that the target has with other values, in key order.
  var different: [Int32] = []
  var equalCount = 0
  /// Keys that only the target has.
  var targetOnly: [RowKey] = []
  /// Every key up to this one is decided on both sides by this stretch and those before it; nil: no new key.
  var through: RowKey?
  /// Every row of the page is new: it may be forwarded whole.
  var isWholePageNew: Bool { page.map { sourceOnly.count == $0.columns.rowCount } ?? false }
}

/// Merges two scans of the same range in key order, in the memory of at most two pages per side (`design.md` §6). Pure.
///
/// Pages go in as they arrive; stretches come out, one per source page and in between when the target alone has very many keys. A side
/// that has ended is never asked again.
struct RowMerge: Sendable {
  enum Side: CaseIterable, Sendable { case source, target }
  /// Keys only the target has, collected before a stretch is closed early.
  static let targetOnlyMax = 1_000

  private struct Input: Sendable {
    var pages: [ScanPage] = []
    var place = 0
    var isEnded = false
    var current: ScanPage? { pages.first }
    mutating func advance() -> ScanPage? {
      place += 1
      guard let page = pages.first, place >= page.count else { return nil }
      place = 0
      return pages.removeFirst()
    }
  }
  private var source = Input()
  private var target = Input()
  private var stretch = MergedStretch()
  private(set) var isFinished = false

  /// One page may be read ahead of the one that is being merged.
  func wantsPage(_ side: Side, readsAhead: Bool) -> Bool {
    let input = side == .source ? source : target
    return !input.isEnded && input.pages.count < (readsAhead ? 2 : 1)
  }

  /// Pages of a side that are not used up.
  func pageCount(_ side: Side) -> Int { (side == .source ? source : target).pages.count }

  /// nil: the scan of this side has ended.
  mutating func receive(_ page: ScanPage?, from side: Side) {
    switch side {
    case .source: Self.add(page, &source)
    case .target: Self.add(page, &target)
    }
  }
  private static func add(_ page: ScanPage?, _ input: inout Input) {
    guard let page, page.count > 0 else {
      if page == nil { input.isEnded = true }
      return
    }
    input.pages.append(page)
  }

  /// The next closed stretch; nil where a page is missing, or when everything has been given out.
  mutating func next() -> MergedStretch? {
    while !isFinished {
      let (a, b) = (source.current, target.current)
      if (a == nil && !source.isEnded) || (b == nil && !target.isEnded) { return nil }
      let order: Int
      switch (a, b) {
      case (let a?, let b?): order = a.compare(source.place, b, target.place)
      case (_?, nil): order = -1
      case (nil, _?): order = 1
      case (nil, nil):
        isFinished = true
        return close(nil, through: nil)
      }
      if let closed = advance(order, a, b) { return closed }
    }
    return nil
  }

  private mutating func advance(_ order: Int, _ a: ScanPage?, _ b: ScanPage?) -> MergedStretch? {
    if order <= 0, let a {
      let row = Int32(a.row(source.place))
      if order < 0 {
        stretch.sourceOnly.append(row)
      } else if let b, a.columns.isRowEqual(Int(row), b.columns, b.row(target.place)) {
        stretch.equalCount += 1
      } else {
        stretch.different.append(row)
      }
    }
    if order > 0, let b { stretch.targetOnly.append(b.key(target.place)) }
    if order >= 0 { _ = target.advance() }
    if order <= 0, let used = source.advance() { return close(used, through: used.key(used.count - 1)) }
    if stretch.targetOnly.count >= Self.targetOnlyMax, order > 0 {
      // Rows of an unfinished source page stay for the stretch that closes it.
      var early = MergedStretch()
      early.targetOnly = stretch.targetOnly
      early.through = source.place == 0 && stretch.sourceOnly.isEmpty && stretch.different.isEmpty ? early.targetOnly.last : nil
      stretch.targetOnly = []
      return early
    }
    return nil
  }

  private mutating func close(_ page: ScanPage?, through: RowKey?) -> MergedStretch? {
    var closed = stretch
    stretch = MergedStretch()
    closed.page = page
    closed.through = through ?? closed.targetOnly.last
    if page == nil, closed.targetOnly.isEmpty { return nil }
    return closed
  }
}
