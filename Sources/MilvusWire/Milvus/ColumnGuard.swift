/// Why a column must not be sent. `what` names the numbers that do not fit, never a value.
package struct ColumnFault: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable, CaseIterable {
    /// The bytes are not a FieldData message.
    case malformed
    /// A field of the schema has no column and no default or null that the server may fill in.
    case missingColumn
    /// A column that stands twice, or that the schema does not know.
    case unexpectedColumn
    /// A value list that does not belong to the type of the field.
    case wrongSlot
    /// `vectors.dim`, or the length of the values, is not rows × the schema's dimension.
    case wrongDimension
    /// Values or null flags are not as many as rows.
    case wrongRowCount
    /// An array row without the slot of its element type.
    case rowWithoutSlot
    /// Null flags for a target that stores nulls as zeros.
    case nullFlags
  }
  package var code: Code
  package var field: String
  package var what: String
  package init(_ code: Code, field: String, _ what: String) {
    self.code = code
    self.field = field
    self.what = what
  }
  package var description: String { "field \(field): \(what)" }
}

/// The last look at the columns of an Insert or Upsert before they are sent (`public-rpc.md` §8.1).
///
/// A FloatVector column with dimension 0 destroys a Milvus 2.3.5 for good: it stays in the log and kills the
/// server at every start. Others crash it or store foreign memory. So whatever made a column, its structure
/// is compared here with the target's schema: lengths and slots, not values. Pure; walks each column once and
/// copies nothing.
package struct ColumnGuard: Sendable {
  private let schema: CollectionSchema
  private let acceptsNullFlags: Bool
  private let functionOutputs: Set<String>

  /// `acceptsNullFlags`: the target knows `valid_data` (Milvus 2.5 and newer, Lite).
  package init(schema: CollectionSchema, acceptsNullFlags: Bool) {
    self.schema = schema
    self.acceptsNullFlags = acceptsNullFlags
    // Lite names the outputs at the function only.
    functionOutputs = Set(schema.functions.flatMap(\.outputFieldNames))
  }

  /// Every column against its field, and every field for its column.
  package func check(_ batch: RowBatch) throws(ColumnFault) {
    var seen: Set<String> = []
    for column in batch.columns {
      let column = try ColumnOutline(column)
      guard seen.insert(column.name).inserted else {
        throw ColumnFault(.unexpectedColumn, field: column.name, "the column stands twice")
      }
      try check(column, rows: batch.rowCount)
    }
    for field in schema.fields where mustBeSent(field) && !seen.contains(field.name) {
      throw ColumnFault(.missingColumn, field: field.name, "has no column")
    }
    for field in schema.structArrayFields where !field.nullable && !seen.contains(field.name) {
      throw ColumnFault(.missingColumn, field: field.name, "has no column")
    }
  }

  /// 2.3.5 panics when the column of a field with a default value is left out; servers that know null flags
  /// fill it in.
  private func mustBeSent(_ field: FieldSchema) -> Bool {
    if field.isFunctionOutput || functionOutputs.contains(field.name) { return false }
    if field.isDynamic || field.autoID { return false }
    return !(acceptsNullFlags && (field.nullable || field.defaultValue != nil))
  }

  private func check(_ column: ColumnOutline, rows: Int) throws(ColumnFault) {
    guard acceptsNullFlags || column.flagCount == 0 else {
      throw ColumnFault(.nullFlags, field: column.name, "null flags, which the target does not know")
    }
    guard column.flagCount == 0 || column.flagCount == rows else {
      throw ColumnFault(.wrongRowCount, field: column.name, "\(column.flagCount) null flags for \(rows) rows")
    }
    if column.isDynamic { return try checkDynamic(column, rows: rows) }
    if let field = schema.fields.first(where: { $0.name == column.name }) {
      return try check(column, field, rows: rows)
    }
    guard schema.structArrayFields.contains(where: { $0.name == column.name }) else {
      throw ColumnFault(.unexpectedColumn, field: column.name, "the target has no such field")
    }
    guard column.slot == .structs else {
      throw ColumnFault(.wrongSlot, field: column.name, "has no struct_arrays")
    }
  }

  private func checkDynamic(_ column: ColumnOutline, rows: Int) throws(ColumnFault) {
    guard schema.enableDynamicField else {
      throw ColumnFault(.unexpectedColumn, field: column.name, "the target has no dynamic field")
    }
    guard column.slot == .scalar(9) else {
      throw ColumnFault(.wrongSlot, field: column.name, "a dynamic column holds no json_data")
    }
    try checkCount(column, try column.valueCount(of: .json), rows: rows)
  }

  private func check(_ column: ColumnOutline, _ field: FieldSchema, rows: Int) throws(ColumnFault) {
    guard Self.slots(of: field.dataType).contains(column.slot) else {
      throw ColumnFault(
        .wrongSlot, field: field.name, "\(column.slot) does not hold type \(field.dataType.rawValue)")
    }
    if field.dataType.isVector {
      return try checkVectors(column, field, rows: rows)
    }
    if field.dataType == .array {
      try column.checkArrayRows(elementSlots: Self.slots(of: field.elementType))
    }
    try checkCount(column, try column.valueCount(of: field.dataType), rows: rows)
  }

  private func checkVectors(_ column: ColumnOutline, _ field: FieldSchema, rows: Int) throws(ColumnFault) {
    // Sparse rows and vectors inside structs carry their own lengths.
    if field.dataType == .sparseFloatVector {
      return try checkCount(column, try column.valueCount(of: field.dataType), rows: rows)
    }
    if field.dataType == .arrayOfVector { return }
    guard let dimension = field.dimension, dimension > 0 else {
      throw ColumnFault(.wrongDimension, field: field.name, "the target's schema has no dimension")
    }
    guard column.dimension == Int64(dimension) else {
      throw ColumnFault(
        .wrongDimension, field: field.name, "dim \(column.dimension), the target has \(dimension)")
    }
    let width = Self.bytesPerVector(field.dataType, dimension)
    let (quotient, remainder) = column.vectorBytes.quotientAndRemainder(dividingBy: width)
    guard remainder == 0 else {
      throw ColumnFault(
        .wrongDimension, field: field.name, "\(column.vectorBytes) bytes are not vectors of \(width) bytes")
    }
    try checkCount(column, quotient, rows: rows)
  }

  /// All rows; or with flags those whose flag is true (compact) or all (full), see `public-rpc.md` §4.4.
  private func checkCount(_ column: ColumnOutline, _ values: Int, rows: Int) throws(ColumnFault) {
    let isWhole = values == rows || (column.flagCount > 0 && values == column.trueFlagCount)
    guard isWhole else {
      throw ColumnFault(.wrongRowCount, field: column.name, "\(values) values for \(rows) rows")
    }
  }

  private static func bytesPerVector(_ type: DataType, _ dimension: Int) -> Int {
    switch type {
    case .binaryVector: max(1, dimension / 8)
    case .int8Vector: dimension
    case .float16Vector, .bfloat16Vector: dimension.multipliedReportingOverflow(by: 2).partialValue
    default: dimension.multipliedReportingOverflow(by: 4).partialValue
    }
  }

  /// The members of the oneofs of ScalarField and VectorField that carry a type in an Insert (`public-rpc.md`
  /// §4.3).
  private static func slots(of type: DataType) -> Set<ColumnOutline.Slot> {
    switch type {
    case .bool: [.scalar(1)]
    case .int8, .int16, .int32: [.scalar(2)]
    case .int64: [.scalar(3)]
    case .float: [.scalar(4)]
    case .double: [.scalar(5)]
    case .string, .varChar, .text: [.scalar(6)]
    case .array: [.scalar(8)]
    case .json: [.scalar(9)]
    // Requests carry these as text; well-known binary and microseconds are forms of the log.
    case .geometry: [.scalar(12)]
    case .timestamptz: [.scalar(6)]
    case .mol: [.scalar(14)]
    case .date: [.scalar(15)]
    case .time: [.scalar(16)]
    case .decimal: [.scalar(7)]
    case .floatVector: [.vector(2)]
    case .binaryVector: [.vector(3)]
    case .float16Vector: [.vector(4)]
    case .bfloat16Vector: [.vector(5)]
    case .sparseFloatVector: [.vector(6)]
    case .int8Vector: [.vector(7)]
    case .arrayOfVector: [.vector(8)]
    case .arrayOfStruct: [.structs]
    default: []
    }
  }
}
