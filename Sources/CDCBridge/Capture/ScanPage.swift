package import MilvusWire

/// The rows of one answer in key order, repeated keys folded; the page stays as it arrived.
package struct ScanPage: Sendable {
  package let columns: RowColumns
  /// Row numbers in key order; nil where the page is in order already and holds no key twice.
  private let order: [Int32]?
  package let count: Int

  package init(_ columns: RowColumns) {
    self.columns = columns
    order = columns.key.ascendingOrder()
    count = order?.count ?? columns.rowCount
  }

  /// Rows of the answer that were a repeat of another row's key.
  package var foldedCount: Int { columns.rowCount - count }

  /// The row at a place of the key order.
  package func row(_ place: Int) -> Int { order.map { Int($0[place]) } ?? place }
  package func key(_ place: Int) -> RowKey { columns.key.key(row(place)) }
  package func compare(_ place: Int, _ other: ScanPage, _ otherPlace: Int) -> Int {
    columns.key.compare(row(place), other.columns.key, other.row(otherPlace))
  }
}
