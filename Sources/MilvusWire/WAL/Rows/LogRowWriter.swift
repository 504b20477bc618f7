/// Turns the columns of an Insert into those of a log's insert, as a server's proxy does: the other direction of `LogRowConverter`, for a peer that
/// keeps a log (`wal-protocol.md` §3.6, `public-rpc.md` §4.4–§4.7). Refuses what a server refuses; errors name the field, never a value.
package struct LogRowWriter: Sendable {
  private let schema: CollectionSchema
  private let dynamicFieldID: Int64

  /// `schema`: public form with ids (`LogSchema.withIDs`). `dynamicFieldID`: of `$meta`, which a public schema does not list.
  package init(schema: CollectionSchema, dynamicFieldID: Int64) {
    self.schema = schema
    self.dynamicFieldID = dynamicFieldID
  }

  /// `request`: FieldData messages. `generatedKeys`: of an auto-ID collection whose request has no key column; they become the last column.
  package func columns(of request: [[UInt8]], rowCount: Int, generatedKeys: [RowKey] = []) throws(ColumnError) -> [[UInt8]] {
    guard rowCount >= 0, rowCount <= Int(Int32.max) else { throw ColumnError(.malformed, field: "", what: "num_rows is \(rowCount)") }
    var given: [String: Given] = [:]
    for bytes in request {
      let one = try Given(bytes)
      guard given.updateValue(one, forKey: one.isDynamic ? LogSchema.dynamicField.name : one.name) == nil else {
        throw ColumnError(.malformed, field: one.name, what: "the column stands twice in the request")
      }
    }
    var out: [[UInt8]] = []
    let outputs = Set(schema.functions.flatMap(\.outputFieldNames))
    for field in schema.fields where !field.isDynamic {
      let one = given.removeValue(forKey: field.name)
      if one == nil, outputs.contains(field.name) { continue }
      if one == nil, field.isPrimaryKey, field.autoID { continue }
      out.append(try logged(one, field, field.name, rowCount))
    }
    for whole in schema.structArrayFields { out += try members(of: whole, given.removeValue(forKey: whole.name), rowCount) }
    if schema.enableDynamicField {
      var field = LogSchema.dynamicField
      field.fieldID = dynamicFieldID
      out.append(try dynamic(given.removeValue(forKey: field.name), field, rowCount))
    }
    if let key = schema.primaryKey, key.autoID, !generatedKeys.isEmpty { out.append(try keys(generatedKeys, key, rowCount)) }
    if let name = given.keys.min() { throw ColumnError(.malformed, field: name, what: "the collection has no such field") }
    return out
  }

  /// A column of the request, with the number of its flags: whether there are any is part of what a server checks.
  private struct Given {
    let name: String
    let isDynamic: Bool
    let flagCount: Int
    let column: Column

    init(_ bytes: [UInt8]) throws(ColumnError) { try self.init(bytes, 0..<bytes.count) }

    init(_ bytes: [UInt8], _ range: Range<Int>) throws(ColumnError) {
      column = try ColumnParser.parse(bytes, range)
      do throws(ColumnFault) {
        flagCount = try ColumnOutline(Array(bytes[range])).flagCount
      } catch {
        throw ColumnError(.malformed, field: column.name, what: error.what)
      }
      (name, isDynamic) = (column.name, column.isDynamic)
    }

    init(column: Column, flagCount: Int) {
      (name, isDynamic, self.column, self.flagCount) = (column.name, column.isDynamic, column, flagCount)
    }
  }

  // MARK: One column

  private func logged(_ given: Given?, _ field: FieldSchema, _ name: String, _ rowCount: Int) throws(ColumnError) -> [UInt8] {
    let column: Column
    if let given {
      column = try checked(given, field, name, rowCount)
    } else {
      guard field.nullable || field.defaultValue != nil else { throw ColumnError(.malformed, field: name, what: "has no column") }
      column = Column.nulls(rowCount, of: field)
    }
    let isFilled = field.defaultValue != nil
    var flags: [UInt8]? = nil
    if field.nullable { flags = (0..<rowCount).map { isFilled || !column.isNull($0) ? 1 : 0 } }
    var named = field
    named.name = name
    return try LoggedForm(column: column, field: named, rowCount: rowCount).encoded(flags: flags)
  }

  private func checked(_ given: Given, _ field: FieldSchema, _ name: String, _ rowCount: Int) throws(ColumnError) -> Column {
    let column = try given.column.named(name).checked(against: field)
    guard column.rowCount == rowCount else {
      throw ColumnError(.malformed, field: name, what: "\(column.rowCount) rows where the request has \(rowCount)")
    }
    let takesFlags = field.nullable || field.defaultValue != nil
    guard takesFlags || given.flagCount == 0 else {
      throw ColumnError(.malformed, field: name, what: "null flags for a field that takes none")
    }
    guard !takesFlags || given.flagCount == rowCount || rowCount == 0 else {
      throw ColumnError(.malformed, field: name, what: "\(given.flagCount) null flags for \(rowCount) rows")
    }
    // Values of null rows are not sent: "the length of field is wrong".
    guard !column.hasNulls || column.values.count < rowCount else {
      throw ColumnError(.malformed, field: name, what: "values for rows that are null")
    }
    return column
  }

  private func members(of whole: StructArrayFieldSchema, _ given: Given?, _ rowCount: Int) throws(ColumnError) -> [[UInt8]] {
    var inner: [Column] = []
    if let given {
      guard case .structs(let columns) = given.column.values, columns.count == whole.fields.count else {
        throw ColumnError(.malformed, field: whole.name, what: "a struct has another number of fields")
      }
      inner = columns
    } else if !whole.nullable {
      throw ColumnError(.malformed, field: whole.name, what: "has no column")
    }
    var out: [[UInt8]] = []
    for field in whole.fields {
      let bare = ColumnForm.bareName(field.name)
      var field = field
      field.nullable = field.nullable || whole.nullable
      let column = inner.first { ColumnForm.bareName($0.name) == bare }
      if given != nil, column == nil { throw ColumnError(.malformed, field: whole.name, what: "field \(bare) of the struct is missing") }
      // The parser has dropped the flags where nothing is null.
      let one = column.map { column in Given(column: column, flagCount: field.nullable ? column.rowCount : 0) }
      out.append(try logged(one, field, "\(whole.name)[\(bare)]", rowCount))
    }
    return out
  }

  private func dynamic(_ given: Given?, _ field: FieldSchema, _ rowCount: Int) throws(ColumnError) -> [UInt8] {
    var filled = field
    filled.defaultValue = .bytes(Array("{}".utf8))
    filled.nullable = true
    let column = try given.map { one throws(ColumnError) in try one.column.named(field.name).checked(against: field) }
    if let column, column.rowCount != rowCount {
      throw ColumnError(.malformed, field: field.name, what: "\(column.rowCount) rows where the request has \(rowCount)")
    }
    return try LoggedForm(column: column ?? Column.nulls(rowCount, of: field), field: filled, rowCount: rowCount)
      .encoded(flags: Array(repeating: 1, count: rowCount))
  }

  private func keys(_ keys: [RowKey], _ field: FieldSchema, _ rowCount: Int) throws(ColumnError) -> [UInt8] {
    guard keys.count == rowCount else { throw ColumnError(.malformed, field: field.name, what: "\(keys.count) keys for \(rowCount) rows") }
    var ints: [Int64] = []
    var bytes: [UInt8] = []
    var ranges: [Range<Int>] = []
    for key in keys {
      switch key {
      case .int(let value): ints.append(value)
      case .text(let text):
        ranges.append(bytes.count..<bytes.count + text.count)
        bytes += text
      }
    }
    guard ints.isEmpty || ranges.isEmpty, bytes.count <= Int(UInt32.max) else {
      throw ColumnError(.malformed, field: field.name, what: "keys of different kinds")
    }
    var texts = VariableValues(bytes: bytes)
    for range in ranges { texts.append(range) }
    let column = Column(
      name: field.name, dataType: field.dataType, isDynamic: false, rowCount: rowCount,
      values: ranges.isEmpty ? .longs(ints) : .variable(texts), slots: nil, elementType: 0, dimension: 0, payload: nil)
    return try LoggedForm(column: try column.checked(against: field), field: field, rowCount: rowCount).encoded(flags: nil)
  }
}
