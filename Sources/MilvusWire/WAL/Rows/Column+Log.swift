/// Steps of a column's way between the log's form and a request's.
extension Column {
  /// A column of nothing but nulls: of a field that came after the rows.
  static func nulls(_ rowCount: Int, of field: FieldSchema) -> Column {
    Column(
      name: field.name, dataType: field.dataType, isDynamic: field.isDynamic, rowCount: rowCount,
      values: .variable(VariableValues(bytes: [])), slots: Array(repeating: -1, count: rowCount), elementType: 0, dimension: 0,
      payload: nil)
  }

  func named(_ other: String) -> Column {
    Column(
      name: other, dataType: dataType, isDynamic: isDynamic, rowCount: rowCount, values: values, slots: slots,
      elementType: elementType, dimension: dimension, payload: payload)
  }

  /// The same rows with other values, one for each row that is not null, in their order.
  private func with(compact values: ColumnValues) -> Column {
    var next: Int32 = -1
    let slots = slots?.map { slot in
      if slot < 0 { return Int32(-1) }
      next += 1
      return next
    }
    return Column(
      name: name, dataType: dataType, isDynamic: isDynamic, rowCount: rowCount, values: values, slots: slots,
      elementType: 0, dimension: 0, payload: nil)
  }

  /// Writes a text for every row that is not null.
  private func withTexts(_ append: (Int, inout [UInt8]) throws(ColumnError) -> Void) throws(ColumnError) -> Column {
    var bytes: [UInt8] = []
    var ranges: [Range<Int>] = []
    for row in 0..<rowCount {
      let slot = slot(row)
      guard slot >= 0 else { continue }
      let start = bytes.count
      try append(slot, &bytes)
      ranges.append(start..<bytes.count)
    }
    guard bytes.count <= Int(UInt32.max) else {
      throw ColumnError(.unsupported, field: name, what: "the texts of the column are larger than 4 GiB")
    }
    var texts = VariableValues(bytes: bytes)
    texts.reserve(ranges.count)
    for range in ranges { texts.append(range) }
    return with(compact: .variable(texts))
  }

  /// Well-known binary as text. The slot of a null row is empty and is not looked at.
  func withGeometryText() throws(ColumnError) -> Column {
    guard case .variable(let binary) = values else { return self }
    return try withTexts { (slot, text) throws(ColumnError) in
      do throws(GeometryError) {
        try WellKnownBinary.appendText(of: binary.bytes, binary.range(slot), to: &text)
      } catch {
        throw ColumnError(.malformed, field: name, what: error.what)
      }
    }
  }

  /// Microseconds as ISO 8601.
  func withInstantText() throws(ColumnError) -> Column {
    guard case .longs(let instants) = values else { return self }
    return try withTexts { (slot, text) throws(ColumnError) in
      guard InstantText.append(instants[slot], to: &text) else {
        throw ColumnError(.unsupported, field: name, what: "an instant lies outside the years 0 to 9999 and has no text")
      }
    }
  }

  /// Array rows without their own null flags (`ScalarField.valid_data`), which only servers after 3.0.1 write: a row where all are true is
  /// the same row without them. A null element has no form that a target could be sent.
  func withoutElementFlags() throws(ColumnError) -> Column {
    guard case .variable(let rows) = values else { return self }
    var hasFlags = false
    for index in 0..<rows.count where !hasFlags { hasFlags = try ArrayRow.elementFlags(rows.bytes, rows.range(index), name) }
    guard hasFlags else { return self }
    return try withTexts { (slot, bytes) throws(ColumnError) in
      var row = WireWriter()
      var cursor = WireReader(rows.bytes, in: rows.range(slot))
      do throws(ProtobufError) {
        while let field = try cursor.next() {
          if field.number != 17, let range = field.range { row.lengthDelimited(field.number, rows.bytes[range]) }
        }
      } catch {
        throw ColumnError(.malformed, field: name, what: error.message)
      }
      bytes += row.bytes
    }
  }

  /// The column with its rows in another order or number; -1 is a null.
  func placing(_ rows: [Int32]) -> Column {
    Column(
      name: name, dataType: dataType, isDynamic: isDynamic, rowCount: rows.count, values: values,
      slots: rows.map { $0 < 0 ? -1 : Int32(truncatingIfNeeded: slot(Int($0))) }, elementType: elementType, dimension: dimension,
      payload: nil)
  }
}

extension ArrayRow {
  /// Whether the row has flags for its elements. A false one is refused.
  fileprivate static func elementFlags(_ bytes: [UInt8], _ range: Range<Int>, _ name: String) throws(ColumnError) -> Bool {
    var isNullFree = true
    var found = false
    do throws(ProtobufError) {
      var cursor = WireReader(bytes, in: range)
      while let field = try cursor.next() {
        guard field.number == 17 else { continue }
        found = true
        switch field.content {
        case .varint(let value): isNullFree = isNullFree && value != 0
        case .lengthDelimited(let flags): isNullFree = isNullFree && !bytes[flags].contains(0)
        case .fixed32, .fixed64: throw ProtobufError(.malformed, "valid_data has the wrong wire type")
        }
      }
    } catch {
      throw ColumnError(.malformed, field: name, what: error.message)
    }
    guard isNullFree else { throw ColumnError(.unsupported, field: name, what: "an array holds a null, which no target takes") }
    return found
  }
}
