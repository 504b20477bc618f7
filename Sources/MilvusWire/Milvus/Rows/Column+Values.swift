// Columns of a write as a server reads them: value by value.

extension Column {
  /// One column of an Insert or Upsert (`schema.FieldData` at `range`), checked against the field of its name.
  package static func parse(_ bytes: [UInt8], _ range: Range<Int>, as field: FieldSchema) throws(ColumnError)
    -> Column
  {
    try ColumnParser.parse(bytes, range).checked(against: field)
  }

  /// The name of the column at `range`.
  package static func name(of range: Range<Int>, in bytes: [UInt8]) throws(ColumnError) -> String {
    try ColumnParser.name(of: range, in: bytes)
  }

  /// The columns of a struct array's fields, each with a row per row; nil for every other type.
  package var structFields: [Column]? {
    if case .structs(let columns) = values { columns } else { nil }
  }

  /// This column as that of another field, such as one of a struct, checked like every other.
  package func checked(as field: FieldSchema) throws(ColumnError) -> Column { try checked(against: field) }

  /// Appends the value of a row: 1 byte for a bool, 4 for every smaller integer, 8 for an int64, little endian like floats and dense
  /// vectors; texts, JSON and sparse vectors as they are; a row of an array as its `ScalarField`, of a vector array as its
  /// `VectorField`. False, and nothing appended, for null.
  package func appendValue(_ row: Int, to bytes: inout [UInt8]) -> Bool {
    let index = slot(row)
    guard index >= 0 else { return false }
    switch values {
    case .bools(let values): bytes.append(values[index])
    case .ints(let values): Self.append(UInt32(bitPattern: values[index]), to: &bytes)
    case .longs(let values): Self.append(UInt64(bitPattern: values[index]), to: &bytes)
    case .fixed(let values): bytes += values.bytes[values.range(index)]
    case .variable(let values): bytes += values.bytes[values.range(index)]
    case .structs: return false
    }
    return true
  }

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    var rest = value
    for _ in 0..<(value.bitWidth / 8) {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }
}
