internal import MilvusWire

/// The rows of one collection by key. Milvus keeps rows with repeated keys, and so does this: a key has its rows in the order in which
/// they came, queries show the newest, `count(*)` counts all (`public-rpc.md` §4.8).
struct RowStore {
  /// One row: a message whose field `n` holds the value of the schema's field with id `n`, as `Column.appendValue` writes it; fields that
  /// are null, or younger than the row, are missing.
  struct Row {
    var partition: Int64
    var bytes: [UInt8]
  }
  private enum Entry {
    case one(Row)
    case many([Row])

    var rows: [Row] {
      switch self {
      case .one(let row): [row]
      case .many(let rows): rows
      }
    }
    init?(_ rows: [Row]) {
      switch rows.count {
      case 0: return nil
      case 1: self = .one(rows[0])
      default: self = .many(rows)
      }
    }
  }
  private var entries: [RowKey: Entry] = [:]
  /// Every key that has or had rows, in order, except those in `fresh`.
  private var sorted: [RowKey] = []
  /// Keys that came since the last ordered read.
  private var fresh: [RowKey] = []
  /// Keys of `sorted` and `fresh` that have no rows any more.
  private var staleCount = 0
  /// Repeated keys count as often as they have rows.
  private(set) var rowCount = 0
  private(set) var byteCount = 0

  mutating func insert(_ row: Row, key: RowKey) {
    rowCount += 1
    byteCount += row.bytes.count
    switch entries[key] {
    case nil:
      entries[key] = .one(row)
      fresh.append(key)
    case .one(let first): entries[key] = .many([first, row])
    case .many(let rows): entries[key] = .many(rows + [row])
    }
  }

  /// Takes the rows of a key out, those of one partition or all; how many there were.
  @discardableResult
  mutating func delete(_ key: RowKey, partition: Int64?) -> Int {
    guard let entry = entries[key] else { return 0 }
    let rows = entry.rows
    let kept = partition.map { id in rows.filter { $0.partition != id } } ?? []
    guard kept.count < rows.count else { return 0 }
    entries[key] = Entry(kept)
    if kept.isEmpty { staleCount += 1 }
    rowCount -= rows.count - kept.count
    for row in rows where partition == nil || row.partition == partition { byteCount -= row.bytes.count }
    return rows.count - kept.count
  }

  mutating func delete(partition: Int64) {
    for key in entries.keys { delete(key, partition: partition) }
  }

  /// All rows of the keys that `isGone` names.
  mutating func deleteAll(where isGone: (RowKey) -> Bool) {
    for key in entries.keys where isGone(key) { delete(key, partition: nil) }
  }

  /// Every row, in no order.
  func forEachRow(_ body: (RowKey, Row) -> Void) {
    for (key, entry) in entries {
      switch entry {
      case .one(let row): body(key, row)
      case .many(let rows): for row in rows { body(key, row) }
      }
    }
  }

  /// All rows of a key, oldest first.
  func rows(of key: RowKey) -> [Row] { entries[key]?.rows ?? [] }

  /// Keys in order, without those that are gone, from the first that is not below `from`.
  mutating func orderedKeys(from bound: RowKey?) -> ArraySlice<RowKey> {
    if !fresh.isEmpty || staleCount > sorted.count / 2 + 16 { mergeKeys() }
    guard let bound else { return sorted[...] }
    var low = 0, high = sorted.count
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle] < bound { low = middle + 1 } else { high = middle }
    }
    return sorted[low...]
  }

  private mutating func mergeKeys() {
    fresh.sort()
    var merged: [RowKey] = []
    merged.reserveCapacity(entries.count)
    var a = 0, b = 0
    while a < sorted.count || b < fresh.count {
      let takesOld = b >= fresh.count || (a < sorted.count && sorted[a] <= fresh[b])
      let key = takesOld ? sorted[a] : fresh[b]
      if takesOld { a += 1 } else { b += 1 }
      // A key that was deleted and came back stands in both lists.
      if entries[key] != nil, merged.last != key { merged.append(key) }
    }
    (sorted, fresh, staleCount) = (merged, [], 0)
  }
}

extension RowStore {
  /// Rows of some partitions, repeated keys as often as they stand.
  func count(in partitions: Set<Int64>) -> Int {
    var count = 0
    forEachRow { _, row in if partitions.contains(row.partition) { count += 1 } }
    return count
  }
}
