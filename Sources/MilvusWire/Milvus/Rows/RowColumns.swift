/// The wanted columns of one query answer, checked against the schema: one row count, the layout of each type, the schema's dimensions.
package struct RowColumns: Sendable {
  /// In the order in which they were wanted.
  package let columns: [Column]
  package let key: KeyColumn
  package let rowCount: Int
  /// Size of the whole answer.
  package let byteCount: Int

  /// `fields` holds the key and `$meta` where wanted; columns beyond them are ignored. An answer without any column has no rows.
  package static func parse(_ page: RowPage, fields: [FieldSchema], key: String) throws(ColumnError) -> RowColumns {
    var places: [String: Range<Int>] = [:]
    for range in page.columns {
      let name = try ColumnParser.name(of: range, in: page.bytes)
      guard places.updateValue(range, forKey: name) == nil else {
        throw ColumnError(.malformed, field: name, what: "the column stands twice in the answer")
      }
    }
    var columns: [Column] = []
    for field in fields {
      guard let range = places[field.name] else {
        if page.columns.isEmpty { continue }
        throw ColumnError(.malformed, field: field.name, what: "the column is missing in the answer")
      }
      columns.append(try ColumnParser.parse(page.bytes, range).checked(against: field))
    }
    guard let keyColumn = columns.first(where: { $0.name == key }) else {
      guard page.columns.isEmpty else {
        throw ColumnError(.malformed, field: key, what: "the column is missing in the answer")
      }
      return RowColumns(columns: [], key: .empty, rowCount: 0, byteCount: page.bytes.count)
    }
    for column in columns where column.rowCount != keyColumn.rowCount {
      throw ColumnError(
        .malformed, field: column.name,
        what: "\(column.rowCount) rows where the key column has \(keyColumn.rowCount)")
    }
    return RowColumns(
      columns: columns, key: try KeyColumn(keyColumn), rowCount: keyColumn.rowCount,
      byteCount: page.bytes.count)
  }
}

extension Column {
  /// The column with the schema's type, or an error where its data cannot be of that type. Servers take the type from their schema and
  /// so do we (`public-rpc.md` §4.2).
  func checked(against field: FieldSchema) throws(ColumnError) -> Column {
    if values.count > 0 {
      guard hasLayout(of: field) else {
        throw ColumnError(.malformed, field: name, what: "the data is not of type \(field.dataType.rawValue)")
      }
      // A vector array whose rows are all empty may say none.
      if field.dataType.isVector, let wanted = field.dimension, dimension != wanted, field.dataType != .sparseFloatVector,
        field.dataType != .arrayOfVector || dimension != 0
      {
        throw ColumnError(.malformed, field: name, what: "dimension \(dimension) where the schema has \(wanted)")
      }
    }
    return Column(
      name: name, dataType: field.dataType, isDynamic: field.isDynamic, rowCount: rowCount, values: values,
      slots: slots, elementType: elementType, dimension: dimension, payload: payload)
  }

  private func hasLayout(of field: FieldSchema) -> Bool {
    switch (values, ScalarSlot(field.dataType), VectorSlot(field.dataType)) {
    case (.bools, .bool, _), (.ints, .int, _), (.longs, .long, _): true
    case (.fixed(let values), .float, _): values.width == 4 && dimension == 0
    case (.fixed(let values), .double, _): values.width == 8 && dimension == 0
    case (.fixed(let values), nil, let slot?): slot.rowWidth(dimension: dimension) == values.width
    case (.variable, .string, _), (.variable, .json, _), (.variable, .geometryText, _), (.variable, .array, _): true
    case (.variable, nil, .sparse), (.variable, nil, .array): true
    case (.structs, nil, nil): field.dataType == .arrayOfStruct
    default: false
    }
  }
}
