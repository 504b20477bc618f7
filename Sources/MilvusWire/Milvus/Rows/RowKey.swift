/// The primary key of one row. Texts are kept as UTF-8 bytes: servers order and compare them by bytes
/// (`public-rpc.md` §6.3), Swift's `String` would not.
package enum RowKey: Sendable, Hashable, Comparable {
  case int(Int64)
  case text([UInt8])

  package static func text(_ string: String) -> RowKey { .text(Array(string.utf8)) }

  /// Keys of one collection are of one kind; across kinds integers come first.
  package static func < (a: RowKey, b: RowKey) -> Bool {
    switch (a, b) {
    case (.int(let x), .int(let y)): x < y
    case (.text(let x), .text(let y)): x.lexicographicallyPrecedes(y)
    case (.int, .text): true
    case (.text, .int): false
    }
  }

  /// A form for state files: `i:` and the decimal number, or `s:` and the text.
  package var persisted: String {
    switch self {
    case .int(let value): "i:\(value)"
    case .text(let bytes): "s:" + String(decoding: bytes, as: UTF8.self)
    }
  }
  package init?(persisted: String) {
    if persisted.hasPrefix("i:"), let value = Int64(persisted.dropFirst(2)) {
      self = .int(value)
    } else if persisted.hasPrefix("s:") {
      self = .text(Array(persisted.utf8.dropFirst(2)))
    } else {
      return nil
    }
  }
}

/// The primary key column of a page. Keys are never null.
package struct KeyColumn: Sendable {
  private enum Storage: Sendable {
    case ints([Int64])
    case texts(VariableValues)
  }
  private let storage: Storage
  package let count: Int

  /// Fails for a column that cannot be a key: nulls, or neither int64 nor text.
  package init(_ column: Column) throws(ColumnError) {
    guard !column.hasNulls else {
      throw ColumnError(.malformed, field: column.name, what: "a primary key is null")
    }
    switch column.values {
    case .longs(let values): storage = .ints(values)
    case .variable(let values): storage = .texts(values)
    case .bools, .ints, .fixed, .structs:
      throw ColumnError(.malformed, field: column.name, what: "the primary key is neither int64 nor text")
    }
    count = column.rowCount
  }

  /// The key column of an answer without rows.
  package static let empty = KeyColumn()
  private init() {
    storage = .ints([])
    count = 0
  }

  /// The keys of chosen rows of several pages, in order. Keys of one collection are of one kind; another kind is refused.
  static func joined(_ parts: [(keys: KeyColumn, rows: [Int32])]) throws(ColumnError) -> KeyColumn {
    var ints: [Int64] = []
    var bytes: [UInt8] = []
    var ranges: [Range<Int>] = []
    for part in parts {
      switch part.keys.storage {
      case .ints(let values): for row in part.rows { ints.append(values[Int(row)]) }
      case .texts(let values):
        for row in part.rows {
          let start = bytes.count
          bytes.append(contentsOf: values.bytes[values.range(Int(row))])
          ranges.append(start..<bytes.count)
        }
      }
    }
    guard ints.isEmpty || ranges.isEmpty, bytes.count <= Int(UInt32.max) else {
      throw ColumnError(.malformed, field: "", what: "keys of different kinds cannot be joined")
    }
    if ranges.isEmpty { return KeyColumn(storage: .ints(ints), count: ints.count) }
    var texts = VariableValues(bytes: bytes)
    texts.reserve(ranges.count)
    for range in ranges { texts.append(range) }
    return KeyColumn(storage: .texts(texts), count: ranges.count)
  }

  private init(storage: Storage, count: Int) {
    self.storage = storage
    self.count = count
  }

  package func key(_ row: Int) -> RowKey {
    switch storage {
    case .ints(let values): .int(values[row])
    case .texts(let values): .text(Array(values.bytes[values.range(row)]))
    }
  }

  /// -1, 0 or 1. Two columns of different kinds order by kind; the schemas were compared before.
  package func compare(_ row: Int, _ other: KeyColumn, _ otherRow: Int) -> Int {
    switch (storage, other.storage) {
    case (.ints(let a), .ints(let b)):
      let (x, y) = (a[row], b[otherRow])
      return x < y ? -1 : x > y ? 1 : 0
    case (.texts(let a), .texts(let b)):
      return ByteRuns.order(a.bytes, a.range(row), b.bytes, b.range(otherRow))
    case (.ints, .texts): return -1
    case (.texts, .ints): return 1
    }
  }

  /// -1, 0 or 1 against a key that stands alone.
  package func compare(_ row: Int, _ key: RowKey) -> Int {
    switch (storage, key) {
    case (.ints(let a), .int(let y)): return a[row] < y ? -1 : a[row] > y ? 1 : 0
    case (.texts(let a), .text(let bytes)): return ByteRuns.order(a.bytes, a.range(row), bytes, 0..<bytes.count)
    case (.ints, .text): return -1
    case (.texts, .int): return 1
    }
  }

  /// The rows in key order with repeated keys folded to their last row; nil where the page already is that.
  package func ascendingOrder() -> [Int32]? {
    guard count > 1, (1..<count).contains(where: { compare($0 - 1, self, $0) >= 0 }) else { return nil }
    // Swift's sort is stable in practice but not by contract, so the row number breaks ties.
    let sorted = (0..<Int32(count)).sorted { a, b in
      let order = compare(Int(a), self, Int(b))
      return order != 0 ? order < 0 : a < b
    }
    var result: [Int32] = []
    result.reserveCapacity(count)
    for row in sorted {
      if let last = result.last, compare(Int(last), self, Int(row)) == 0 { result.removeLast() }
      result.append(row)
    }
    return result
  }
}
