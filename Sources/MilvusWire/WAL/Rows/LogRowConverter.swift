/// Turns the rows of a log's insert into columns in the form of a request (`wal-protocol.md` §3.6, `public-rpc.md` §4.9): what comes out is
/// what a Query of those rows would give, so rows of the log are chosen, compared, guarded and sent as rows of an answer are.
///
/// | in the log | out |
/// |---|---|
/// | nullable scalars dense, null slots with a zero | the same values in place; null slots are skipped (`Column.slots`) |
/// | nullable vectors compact, ArrayOfVector dense | both as they are; the number of values tells which |
/// | `valid_data` beside the data or in it | either; the one in the data counts |
/// | Geometry as well-known binary | well-known text |
/// | Timestamptz as microseconds | ISO 8601 with `+00:00` |
/// | `struct[sub]`, a column for each | one struct column with bare names |
/// | `$meta`, found by its flag | `$meta`, null where the insert is older than the dynamic field |
/// | auto-ID keys | kept: they are the rows' keys |
/// | outputs of functions | those of `fields` only |
/// | a field added after the insert | null, which a target with a default fills in |
///
/// Columns are matched by field id, since names change; by name where one side has no ids. Vectors, texts, JSON and array rows stay in the
/// message's bytes; only Geometry and Timestamptz are written anew. Errors name the field and the reason, never a value.
package struct LogRowConverter: Sendable {
  /// The fields of the columns in `LogRows.columns`, in their order.
  package let fields: [FieldSchema]
  private let key: String
  private let structs: [Int: StructArrayFieldSchema]
  private let places: LogColumnPlaces

  /// `schema`: the collection as its catalog knows it, in public form with field ids (`LogSchema`). `fields`: the wanted columns by name, a
  /// struct array as one field of that type and `$meta` as a dynamic field, as a plan of rows has them; columns of other fields are left out.
  package init(schema: CollectionSchema, fields: [FieldSchema]) throws(ColumnError) {
    guard let key = schema.primaryKey, fields.contains(where: { $0.name == key.name }) else {
      throw ColumnError(.unsupported, field: schema.primaryKey?.name ?? "", what: "the collection has no primary key to tell rows apart")
    }
    for field in fields { try Self.checkForm(of: field) }
    self.fields = fields
    self.key = key.name
    places = LogColumnPlaces(schema: schema, fields: fields)
    var structs: [Int: StructArrayFieldSchema] = [:]
    for (index, field) in fields.enumerated() where field.dataType == .arrayOfStruct {
      guard let whole = schema.structArrayFields.first(where: { $0.name == field.name }) else {
        throw ColumnError(.unsupported, field: field.name, what: "the schema does not say what the struct holds")
      }
      for inner in whole.fields { try Self.checkForm(of: inner) }
      structs[index] = whole
    }
    self.structs = structs
  }

  /// All columns that can be written: fields, then struct arrays, then `$meta`. BM25 and MinHash outputs never; those of outside models where
  /// `keepsOutputs` says that the target takes them (`public-rpc.md` §4.7).
  package init(schema: CollectionSchema, keepsOutputs: Bool) throws(ColumnError) {
    try self.init(schema: schema, fields: Self.writableFields(of: schema, keepsOutputs: keepsOutputs))
  }

  /// The rows of an insert, in place. `rows` is what `LogChange` read from `message`: its columns are slices of the message's bytes.
  package func rows(of message: LogMessage, _ rows: InsertRows) throws(ColumnError) -> LogRows {
    guard !message.isEncrypted else {
      throw ColumnError(.unsupported, field: "", what: "the rows are encrypted, and the key never leaves the source")
    }
    guard !rows.hasRowData, rows.version == 1 else {
      throw ColumnError(.unsupported, field: "", what: "the insert is of version \(rows.version), from before columns")
    }
    return try self.rows(bytes: message.bytes, columns: rows.columns.map { $0.indices }, rowCount: rows.rowCount)
  }

  /// The rows of one insert. `columns` are FieldData messages from anywhere; they are copied once.
  package func rows(_ columns: [ArraySlice<UInt8>], rowCount: Int) throws(ColumnError) -> LogRows {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(columns.reduce(0) { $0 + $1.count })
    var ranges: [Range<Int>] = []
    for column in columns {
      ranges.append(bytes.count..<bytes.count + column.count)
      bytes += column
    }
    return try rows(bytes: bytes, columns: ranges, rowCount: rowCount)
  }

  /// The same without a copy: `columns` lie in `bytes`, which the result keeps.
  package func rows(bytes: [UInt8], columns ranges: [Range<Int>], rowCount: Int) throws(ColumnError) -> LogRows {
    guard rowCount >= 0, rowCount <= Int(Int32.max) else {
      throw ColumnError(.malformed, field: key, what: "the insert says that it has \(rowCount) rows")
    }
    var found: [LogColumnPlaces.Place: LoggedColumn] = [:]
    var unknown: [String] = []
    for range in ranges {
      let head = try LogColumnHead(bytes, range.clamped(to: 0..<bytes.count))
      switch places.place(of: head) {
      case .left: continue
      case .unknown: unknown.append(head.name)
      case let place:
        let column = try ColumnParser.parseLogged(bytes, range.clamped(to: 0..<bytes.count))
        guard found.updateValue(column, forKey: place) == nil else {
          throw ColumnError(.malformed, field: head.name, what: "the column stands twice in the insert")
        }
      }
    }
    var columns: [Column] = []
    columns.reserveCapacity(fields.count)
    for (index, field) in fields.enumerated() {
      if let whole = structs[index] {
        columns.append(try structColumn(whole, at: index, found, rowCount))
      } else {
        columns.append(try Self.column(found[.field(index)], field, rowCount))
      }
    }
    guard let keyIndex = fields.firstIndex(where: { $0.name == key }) else {
      throw ColumnError(.malformed, field: key, what: "the key is not among the columns")
    }
    let byteCount = ranges.reduce(0) { $0 + $1.count }
    let rows = RowColumns(
      columns: columns, key: try KeyColumn(columns[keyIndex]), rowCount: rowCount, byteCount: byteCount)
    return LogRows(columns: rows, unknownColumns: unknown)
  }

  // MARK: Columns

  private static func column(_ logged: LoggedColumn?, _ field: FieldSchema, _ rowCount: Int) throws(ColumnError) -> Column {
    guard let logged else {
      guard field.nullable || field.defaultValue != nil || field.isDynamic else {
        throw ColumnError(.malformed, field: field.name, what: "the column is missing in the insert")
      }
      return Column.nulls(rowCount, of: field)
    }
    let column = try publicForm(logged, field)
    guard column.rowCount == rowCount else {
      throw ColumnError(.malformed, field: field.name, what: "\(column.rowCount) rows where the insert has \(rowCount)")
    }
    return column
  }

  private static func publicForm(_ logged: LoggedColumn, _ field: FieldSchema) throws(ColumnError) -> Column {
    let column = logged.column.named(field.name)
    switch (logged.slot, field.dataType) {
    case (.geometryBinary?, .geometry): return try column.withGeometryText().checked(against: field)
    case (.microseconds?, .timestamptz): return try column.withInstantText().checked(against: field)
    case (.geometryBinary?, _), (.microseconds?, _):
      throw ColumnError(.malformed, field: field.name, what: "the data is not of type \(field.dataType.rawValue)")
    case (nil, .array): return try column.withoutElementFlags().checked(against: field)
    case (nil, _): return try column.checked(against: field)
    }
  }

  /// The columns of a struct's fields as one column. Nulls stay in the fields, where requests have them: a null struct is null in each.
  private func structColumn(
    _ whole: StructArrayFieldSchema, at index: Int, _ found: [LogColumnPlaces.Place: LoggedColumn], _ rowCount: Int
  ) throws(ColumnError) -> Column {
    var columns: [Column] = []
    for (member, field) in whole.fields.enumerated() {
      var field = field
      field.name = ColumnForm.bareName(field.name)
      field.nullable = field.nullable || whole.nullable
      do throws(ColumnError) {
        columns.append(try Self.column(found[.member(index, member)], field, rowCount))
      } catch {
        throw ColumnError(error.code, field: "\(whole.name)[\(field.name)]", what: error.what)
      }
    }
    return Column(
      name: whole.name, dataType: .arrayOfStruct, isDynamic: false, rowCount: rowCount, values: .structs(columns), slots: nil,
      elementType: 0, dimension: 0, payload: nil)
  }

  // MARK: What can be converted

  /// Types whose public form is not known are refused by name rather than guessed (`wal-protocol.md` §3.6, last row).
  private static func checkForm(of field: FieldSchema) throws(ColumnError) {
    for type in [field.dataType, field.elementType] {
      let title: String
      switch type {
      case .mol: title = "Mol"
      case .date: title = "Date"
      case .time: title = "Time"
      case .decimal: title = "Decimal"
      default: continue
      }
      throw ColumnError(.unsupported, field: field.name, what: "the form in which requests carry type \(title) is not known")
    }
    guard ScalarSlot(field.dataType) != nil || VectorSlot(field.dataType) != nil || field.dataType == .arrayOfStruct else {
      throw ColumnError(.unsupported, field: field.name, what: "type \(field.dataType.rawValue) is not known")
    }
  }

  private static func writableFields(of schema: CollectionSchema, keepsOutputs: Bool) -> [FieldSchema] {
    /// `FunctionType.TextEmbedding`: its outputs are in the log and are taken by targets that allow it.
    let embedding: Int32 = 2
    let outputs = schema.functions.filter { $0.type != embedding || !keepsOutputs }.flatMap(\.outputFieldNames)
    let left = Set(outputs)
    let kept = Set(schema.functions.flatMap(\.outputFieldNames)).subtracting(left)
    var fields = schema.fields.filter { field in
      !field.isDynamic && !left.contains(field.name) && (!field.isFunctionOutput || kept.contains(field.name))
    }
    fields += schema.structArrayFields.map { FieldSchema(name: $0.name, dataType: .arrayOfStruct) }
    if schema.enableDynamicField { fields.append(LogSchema.dynamicField) }
    return fields
  }
}

/// Rows of a log's insert in the form of a request.
package struct LogRows: Sendable {
  package let columns: RowColumns
  /// Names of columns that the schema has no field for: of a field that was dropped, or that the catalog does not know yet. Left out.
  package let unknownColumns: [String]
}
