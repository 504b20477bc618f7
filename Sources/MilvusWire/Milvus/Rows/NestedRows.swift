/// One row of an array column: a `ScalarField` message.
enum ArrayRow {
  /// Different bytes can be one array: packed or not, an empty list said in two ways, NaN and zero as for single values.
  static func isEqual(_ a: [UInt8], _ aRange: Range<Int>, _ b: [UInt8], _ bRange: Range<Int>) -> Bool {
    guard let x = column(a, aRange), let y = column(b, bRange) else { return false }
    if x.rowCount != y.rowCount { return false }
    if x.rowCount == 0 { return true }
    return (0..<x.rowCount).allSatisfy { x.isEqual($0, y, $0) }
  }

  /// The elements of the row as a column of their own: a FieldData has its ScalarField in field 3, so the row is wrapped in one.
  private static func column(_ bytes: [UInt8], _ range: Range<Int>) -> Column? {
    var message = WireWriter()
    message.lengthDelimited(3, bytes[range])
    guard let column = try? ColumnParser.parse(message.bytes, 0..<message.bytes.count) else { return nil }
    // The type decides how floats compare; the slot of the row tells it.
    return column.retyped()
  }

  /// The slot of the row, 0 where none is set.
  static func slotNumber(_ bytes: [UInt8], _ range: Range<Int>) -> UInt32 {
    var cursor = WireReader(bytes, in: range)
    while let field = try? cursor.next() {
      if ScalarSlot(rawValue: field.number) != nil { return field.number }
    }
    return 0
  }
}

extension Column {
  /// The same column with the type that its layout implies, for elements whose own FieldData does not exist.
  fileprivate func retyped() -> Column {
    guard case .fixed(let fixed) = values else { return self }
    let type: DataType = dimension > 0 ? dataType : fixed.width == 8 ? .double : .float
    return Column(
      name: name, dataType: type, isDynamic: false, rowCount: rowCount, values: values, slots: slots,
      elementType: elementType, dimension: dimension, payload: nil)
  }
}

/// One row of a sparse vector: pairs of uint32 index and float32 value, little endian.
enum SparseRow {
  static func isEqual(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
    guard let x = pairs(a), let y = pairs(b) else { return false }
    return x.count == y.count
      && zip(x, y).allSatisfy { $0.0 == $1.0 && ($0.1 == $1.1 || ($0.1.isNaN && $1.1.isNaN)) }
  }

  private static func pairs(_ row: ArraySlice<UInt8>) -> [(UInt32, Float)]? {
    guard row.count % 8 == 0 else { return nil }
    return stride(from: 0, to: row.count, by: 8).map { offset in
      (
        UInt32(truncatingIfNeeded: FloatEquality.little(row, offset, 4)),
        Float(bitPattern: UInt32(truncatingIfNeeded: FloatEquality.little(row, offset + 4, 4)))
      )
    }.sorted { $0.0 < $1.0 }
  }

  /// Highest index + 1, what `SparseFloatArray.dim` says (`public-rpc.md` §4.3); nil for a row that is no list of pairs.
  static func dimension(_ bytes: [UInt8], _ range: Range<Int>) -> UInt64? {
    guard range.count % 8 == 0 else { return nil }
    var result: UInt64 = 0
    for offset in stride(from: 0, to: range.count, by: 8) {
      result = max(result, FloatEquality.little(bytes[range], offset, 4) + 1)
    }
    return result
  }
}

/// One row of a vector array: a `VectorField` message.
enum VectorArrayRow {
  static func isEqual(_ a: [UInt8], _ aRange: Range<Int>, _ b: [UInt8], _ bRange: Range<Int>) -> Bool {
    guard let x = column(a, aRange), let y = column(b, bRange), x.rowCount == y.rowCount else { return false }
    return x.rowCount == 0 || (x.dimension == y.dimension && (0..<x.rowCount).allSatisfy { x.isEqual($0, y, $0) })
  }

  private static func column(_ bytes: [UInt8], _ range: Range<Int>) -> Column? {
    var message = WireWriter()
    message.varint(1, UInt64(type(bytes, range).rawValue))
    message.lengthDelimited(4, bytes[range])
    return try? ColumnParser.parse(message.bytes, 0..<message.bytes.count)
  }

  private static func type(_ bytes: [UInt8], _ range: Range<Int>) -> DataType {
    var cursor = WireReader(bytes, in: range)
    while let field = try? cursor.next() {
      switch VectorSlot(rawValue: field.number) {
      case .float: return .floatVector
      case .binary: return .binaryVector
      case .float16: return .float16Vector
      case .bfloat16: return .bfloat16Vector
      case .sparse: return .sparseFloatVector
      case .int8: return .int8Vector
      case .array, nil: continue
      }
    }
    return .none
  }
}
