/// Rows of one page or one insert that are to become part of a larger whole.
package struct RowPart: Sendable {
  package var columns: RowColumns
  package var rows: RowSelection
  package init(_ columns: RowColumns, _ rows: RowSelection = .all) {
    self.columns = columns
    self.rows = rows
  }
  package var count: Int { rows.count(of: columns.rowCount) }
}

extension RowColumns {
  /// The chosen rows of all parts, in order, as one set of columns: inserts that wait for one another are sent as one. Every value is
  /// copied once, dense vectors into the bytes that a request carries; a single whole part is itself.
  ///
  /// All parts have the same columns in the same order (one converter or one plan made them); others are refused by name.
  package static func joined(_ parts: [RowPart]) throws(ColumnError) -> RowColumns {
    let parts = parts.filter { $0.count > 0 }
    guard let first = parts.first else { return RowColumns(columns: [], key: .empty, rowCount: 0, byteCount: 0) }
    if parts.count == 1, case .all = first.rows { return first.columns }
    let names = first.columns.columns.map(\.name)
    for part in parts where part.columns.columns.map(\.name) != names {
      throw ColumnError(.malformed, field: "", what: "rows with different columns cannot be joined")
    }
    var columns: [Column] = []
    for index in names.indices {
      let pieces = parts.map { ColumnPiece(column: $0.columns.columns[index], rows: $0.columns.numbers(of: $0.rows)) }
      columns.append(try ColumnPiece.joined(pieces))
    }
    let rowCount = parts.reduce(0) { $0 + $1.count }
    let byteCount = parts.reduce(0) { $0 + $1.columns.byteCount / max(1, $1.columns.rowCount) * $1.count }
    return RowColumns(
      columns: columns, key: try KeyColumn.joined(parts.map { ($0.columns.key, $0.columns.numbers(of: $0.rows)) }), rowCount: rowCount,
      byteCount: byteCount)
  }

  private func numbers(of rows: RowSelection) -> [Int32] {
    switch rows {
    case .all: return Array(0..<Int32(rowCount))
    case .rows(let rows): return rows
    }
  }
}

/// Rows of one column on their way into another.
struct ColumnPiece {
  let column: Column
  let rows: [Int32]

  static func joined(_ pieces: [ColumnPiece]) throws(ColumnError) -> Column {
    guard let model = (pieces.first { $0.column.values.count > 0 } ?? pieces.first)?.column else {
      throw ColumnError(.malformed, field: "", what: "no rows to join")
    }
    for piece in pieces where piece.column.dataType != model.dataType {
      throw ColumnError(.malformed, field: model.name, what: "rows of different types cannot be joined")
    }
    if case .structs(let fields) = model.values { return try structs(pieces, model, fields) }
    var slots: [Int32] = []
    var next: Int32 = 0
    var hasNulls = false
    var chosen: [[Int32]] = []
    for piece in pieces {
      var values: [Int32] = []
      for row in piece.rows {
        let slot = piece.column.slot(Int(row))
        if slot < 0 {
          hasNulls = true
          slots.append(-1)
        } else {
          slots.append(next)
          next += 1
          values.append(Int32(truncatingIfNeeded: slot))
        }
      }
      chosen.append(values)
    }
    let (values, payload) = try gathered(pieces, chosen, model)
    return Column(
      name: model.name, dataType: model.dataType, isDynamic: model.isDynamic, rowCount: slots.count, values: values,
      slots: hasNulls ? slots : nil, elementType: model.elementType, dimension: model.dimension, payload: hasNulls ? nil : payload)
  }

  private static func structs(_ pieces: [ColumnPiece], _ model: Column, _ fields: [Column]) throws(ColumnError) -> Column {
    var columns: [Column] = []
    for field in fields {
      var inner: [ColumnPiece] = []
      for piece in pieces {
        guard case .structs(let others) = piece.column.values, let other = others.first(where: { $0.name == field.name }) else {
          throw ColumnError(.malformed, field: model.name, what: "structs with different fields cannot be joined")
        }
        // A null of the struct becomes one of each field.
        let placed = other.placing(piece.rows.map { Int32(truncatingIfNeeded: piece.column.slot(Int($0))) })
        inner.append(ColumnPiece(column: placed, rows: Array(0..<Int32(piece.rows.count))))
      }
      columns.append(try joined(inner))
    }
    return Column(
      name: model.name, dataType: model.dataType, isDynamic: false, rowCount: pieces.reduce(0) { $0 + $1.rows.count },
      values: .structs(columns), slots: nil, elementType: 0, dimension: 0, payload: nil)
  }

  private typealias Payload = (bytes: [UInt8], range: Range<Int>)

  private static func gathered(_ pieces: [ColumnPiece], _ chosen: [[Int32]], _ model: Column) throws(ColumnError) -> (
    ColumnValues, Payload?
  ) {
    let sources = zip(pieces, chosen).filter { !$1.isEmpty }.map { (values: $0.column.values, rows: $1) }
    let unlike = ColumnError(.malformed, field: model.name, what: "rows of different layouts cannot be joined")
    switch model.values {
    case .bools:
      var all: [UInt8] = []
      for source in sources {
        guard case .bools(let values) = source.values else { throw unlike }
        for row in source.rows { all.append(values[Int(row)]) }
      }
      return (.bools(all), nil)
    case .ints:
      var all: [Int32] = []
      for source in sources {
        guard case .ints(let values) = source.values else { throw unlike }
        for row in source.rows { all.append(values[Int(row)]) }
      }
      return (.ints(all), nil)
    case .longs:
      var all: [Int64] = []
      for source in sources {
        guard case .longs(let values) = source.values else { throw unlike }
        for row in source.rows { all.append(values[Int(row)]) }
      }
      return (.longs(all), nil)
    case .variable: return (.variable(try texts(sources, unlike)), nil)
    case .fixed(let fixed):
      for piece in pieces where piece.column.values.count > 0 && piece.column.dimension != model.dimension { throw unlike }
      return try dense(sources, model, width: fixed.width, unlike)
    case .structs: throw unlike
    }
  }

  private static func texts(_ sources: [(values: ColumnValues, rows: [Int32])], _ unlike: ColumnError) throws(ColumnError)
    -> VariableValues
  {
    var length = 0, count = 0
    for source in sources {
      guard case .variable(let values) = source.values else { throw unlike }
      length += source.rows.reduce(0) { $0 + values.range(Int($1)).count }
      count += source.rows.count
    }
    guard length <= Int(UInt32.max) else {
      throw ColumnError(.unsupported, field: unlike.field, what: "the joined rows are larger than 4 GiB")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(length)
    for source in sources {
      guard case .variable(let values) = source.values else { throw unlike }
      for row in source.rows { bytes.append(contentsOf: values.bytes[values.range(Int(row))]) }
    }
    var all = VariableValues(bytes: bytes)
    all.reserve(count)
    var start = 0
    for source in sources {
      guard case .variable(let values) = source.values else { throw unlike }
      for row in source.rows {
        let end = start + values.range(Int(row)).count
        all.append(start..<end)
        start = end
      }
    }
    return all
  }

  /// Values of one width, behind the head of the message that a request carries them in, so that all of them are forwarded as they lie.
  private static func dense(
    _ sources: [(values: ColumnValues, rows: [Int32])], _ model: Column, width: Int, _ unlike: ColumnError
  ) throws(ColumnError) -> (ColumnValues, Payload?) {
    let count = sources.reduce(0) { $0 + $1.rows.count }
    let (length, isTooLong) = count.multipliedReportingOverflow(by: width)
    guard !isTooLong, length <= Int(UInt32.max) else {
      throw ColumnError(.unsupported, field: model.name, what: "the joined rows are larger than 4 GiB")
    }
    var writer = WireWriter(capacity: length + 32)
    let isPacked = model.dimension == 0 || VectorSlot(model.dataType) == .float
    let inner = isPacked ? WireWriter.lengthDelimitedBytes(1, count: length) : length
    if model.dimension > 0 { writer.varint(1, UInt64(model.dimension)) }
    let slot = VectorSlot(model.dataType)?.rawValue ?? ScalarSlot(model.dataType)?.rawValue
    if let slot {
      writer.tag(slot, .lengthDelimited)
      writer.rawVarint(UInt64(inner))
    }
    if isPacked {
      writer.tag(1, .lengthDelimited)
      writer.rawVarint(UInt64(length))
    }
    let start = writer.bytes.count
    for source in sources {
      guard case .fixed(let values) = source.values, values.width == width else { throw unlike }
      for run in runs(source.rows) {
        writer.raw(values.bytes[values.range(Int(run.lowerBound)).lowerBound..<values.range(Int(run.upperBound)).upperBound])
      }
    }
    let bytes = writer.bytes
    guard let all = FixedValues(bytes: bytes, start: start, width: width, count: count) else { throw unlike }
    return (.fixed(all), slot == nil ? nil : (bytes, 0..<bytes.count))
  }

  /// Neighbouring rows as first and last.
  private static func runs(_ rows: [Int32]) -> [ClosedRange<Int32>] {
    var runs: [ClosedRange<Int32>] = []
    for row in rows {
      if let last = runs.last, last.upperBound &+ 1 == row {
        runs[runs.count - 1] = last.lowerBound...row
      } else {
        runs.append(row...row)
      }
    }
    return runs
  }
}
