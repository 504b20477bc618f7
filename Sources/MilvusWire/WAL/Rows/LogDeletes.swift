/// The keys of a log's delete, or by name why there are none (`wal-protocol.md` §3.3, §3.8).
package enum LogDeletes {
  /// `key`: the collection's primary key. A predicate delete carries an expression of the server's own, which no public call takes.
  package static func keys(of rows: DeleteRows, key: FieldSchema) throws(ColumnError) -> [RowKey] {
    let keys = rows.keys.rowKeys
    guard !keys.isEmpty else {
      throw ColumnError(
        .unsupported, field: key.name,
        what: rows.hasPlan
          ? "rows were deleted by a predicate, of which the log has only an expression of the server's own" : "a delete without keys")
    }
    let isInt = key.dataType == .int64
    let fits = keys.allSatisfy { key in
      switch key {
      case .int: isInt
      case .text: !isInt
      }
    }
    guard fits else { throw ColumnError(.malformed, field: key.name, what: "the keys of a delete are of another type than the field") }
    return keys
  }
}
