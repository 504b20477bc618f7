package import MilvusWire

/// Reads one range of rows completely and in key order, page by page (`public-rpc.md` §6.3). Pure: queries go out, answers come in.
///
/// The loop that is complete on every server: an empty expression first, then `key > cursor`; both scan flags; the cursor is the
/// largest key of a page; only a page without rows is the end. A key of 2^63 − 1 ends the scan at once, since nothing follows it.
///
/// | State   | entered by                    | exits to                              |
/// |---------|-------------------------------|---------------------------------------|
/// | reading | init                          | ended (empty page, largest key seen)  |
/// | ended   | received                      | –                                     |
package struct OrderedScan: Sendable {
  private let path: CollectionPath
  private let partitions: [String]
  private let key: FieldSchema
  private let outputFields: [String]
  private let consistency: ReadConsistency
  private var sizer: PageSizer
  package private(set) var cursor: RowKey?
  package private(set) var isEnded = false

  package init(
    path: CollectionPath, partition: String?, key: FieldSchema, outputFields: [String], consistency: ReadConsistency,
    pageBytes: Int, estimatedRowBytes: Int, startAfter: RowKey?
  ) {
    self.path = path
    partitions = partition.map { [$0] } ?? []
    self.key = key
    self.outputFields = outputFields
    self.consistency = consistency
    sizer = PageSizer(pageBytes: pageBytes, estimatedRowBytes: estimatedRowBytes)
    cursor = startAfter
  }

  package var nextQuery: RowQuery {
    var query = RowQuery(path: path, outputFields: outputFields)
    query.expression = cursor.map { KeyExpression.after($0, field: key.name) } ?? ""
    query.partitions = partitions
    query.consistency = consistency
    query.limit = sizer.rows
    query.isScan = true
    return query
  }

  /// The page in key order, nil at the end of the range. Rows at or before the cursor are an error: going on would never end.
  package mutating func received(_ columns: RowColumns, took: Duration) throws(ColumnError) -> ScanPage? {
    guard columns.rowCount > 0 else {
      isEnded = true
      return nil
    }
    sizer.received(rows: columns.rowCount, bytes: columns.byteCount, took: took)
    let page = ScanPage(columns)
    if let cursor, page.key(0) <= cursor {
      throw ColumnError(.malformed, field: key.name, what: "the answer holds keys that were not asked for")
    }
    let last = page.key(page.count - 1)
    cursor = last
    if last == .int(.max) { isEnded = true }
    return page
  }

  /// False for a slow server, whose pages are large: reading one ahead would hold too much.
  package var readsAhead: Bool { !sizer.isSlow }

  /// Asks for fewer rows next time; false where one row alone is too large to be answered.
  package mutating func answerWasTooLarge() -> Bool { sizer.answerWasTooLarge() }
}

extension CallError {
  /// The answer did not fit a message: gRPC's limit, or Milvus's own (`public-rpc.md` §6.2).
  package var saysAnswerTooLarge: Bool {
    switch self {
    case .rpc(let error, _): error.code == .resourceExhausted
    case .status(let status, _): status.reason.contains("exceed the limit size")
    case .malformed: false
    }
  }
}
