/// One column of a query answer (`schema.FieldData`, `public-rpc.md` §4.2), read in place.
///
/// A column keeps the bytes of its page alive; numbers are decoded once, everything else stays where it arrived.
/// Row numbers are 0 ..< `rowCount` and are the caller's own: a wrong one is a broken invariant, not bad input.
package struct Column: Sendable {
  package let name: String
  package let dataType: DataType
  /// True on `$meta`.
  package let isDynamic: Bool
  package let rowCount: Int
  let values: ColumnValues
  /// The value of each row, -1 for null; nil where value `i` is row `i` and nothing is null.
  let slots: [Int32]?
  /// The element type of `array_data` or `vector_array`, as the server said it; 0 elsewhere.
  let elementType: Int32
  /// `VectorField.dim`, 0 for scalars.
  let dimension: Int
  /// The whole `scalars`, `vectors` or `struct_arrays` message, for forwarding it unread; nil where flags hide in it or
  /// values had to be laid out again.
  let payload: (bytes: [UInt8], range: Range<Int>)?

  package var hasNulls: Bool { slots != nil }

  package func isNull(_ row: Int) -> Bool { slots.map { $0[row] < 0 } ?? false }

  /// The value index of a row, -1 for null.
  func slot(_ row: Int) -> Int {
    if let slots { return Int(slots[row]) }
    precondition(row >= 0 && row < rowCount)
    return row
  }

  /// The text or bytes of a row of a variable-length column, nil for null and for columns of another layout.
  package func bytes(_ row: Int) -> ArraySlice<UInt8>? {
    guard case .variable(let variable) = values else { return nil }
    let index = slot(row)
    return index < 0 ? nil : variable.bytes[variable.range(index)]
  }
}
