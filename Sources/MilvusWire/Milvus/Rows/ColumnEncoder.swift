/// Writes chosen rows of a column as the FieldData that a target wants. `field_id` is never written.
extension Column {
  /// One encoded `schema.FieldData`. A null for a form without flags is an error, except on `$meta`, where it means no keys.
  package func encoded(_ rows: RowSelection, as form: ColumnForm) throws(ColumnError) -> [UInt8] {
    if hasNulls, !form.hasFlags, !form.isDynamic, form.dataType != .arrayOfStruct, hasNull(in: rows) {
      throw ColumnError(.nullRefused, field: name, what: "the target's field takes no null")
    }
    // A vector array whose rows are all empty may say none.
    if form.dimension > 0, form.dataType != .sparseFloatVector, dimension != form.dimension, values.count > 0,
      form.dataType != .arrayOfVector || dimension != 0
    {
      throw ColumnError(.malformed, field: name, what: "dimension \(dimension) where the target has \(form.dimension)")
    }
    let data = try payloadBytes(rows, form)
    var writer = WireWriter(capacity: data.bytes.count + form.name.utf8.count + rows.count(of: rowCount) + 48)
    writer.varint(1, UInt64(UInt32(bitPattern: form.dataType.rawValue)))
    writer.lengthDelimited(2, form.name.utf8)
    // Field numbers ascend on the wire as every serializer writes them; struct_arrays (8) comes last.
    if data.field != 8 { writer.lengthDelimited(data.field, data.bytes[...]) }
    if form.isDynamic { writer.varint(6, 1) }
    if form.hasFlags { writeFlags(rows, &writer) }
    if data.field == 8 { writer.lengthDelimited(8, data.bytes[...]) }
    return writer.bytes
  }

  private func hasNull(in rows: RowSelection) -> Bool {
    guard let slots else { return false }
    switch rows {
    case .all: return slots.contains { $0 < 0 }
    case .rows(let chosen): return chosen.contains { slots[Int($0)] < 0 }
    }
  }

  private func writeFlags(_ rows: RowSelection, _ writer: inout WireWriter) {
    switch rows {
    case .all: writer.lengthDelimited(7, (0..<rowCount).map { isNull($0) ? 0 : 1 })
    case .rows(let chosen): writer.lengthDelimited(7, chosen.map { isNull(Int($0)) ? 0 : 1 })
    }
  }

  /// The bytes of `scalars` (3), `vectors` (4) or `struct_arrays` (8).
  func payloadBytes(_ rows: RowSelection, _ form: ColumnForm) throws(ColumnError) -> (
    field: UInt32, bytes: ArraySlice<UInt8>
  ) {
    if case .all = rows, slots == nil, let payload, canForward(form) {
      return (form.dataType.isVector ? 4 : 3, payload.bytes[payload.range])
    }
    let chosen = valueIndexes(rows)
    if let slot = ScalarSlot(form.dataType) {
      return (3, try scalarPayload(slot, chosen, form)[...])
    }
    if let slot = VectorSlot(form.dataType) {
      return (4, try vectorPayload(slot, chosen, form)[...])
    }
    if form.dataType == .arrayOfStruct { return (8, try structPayload(chosen, form)[...]) }
    throw ColumnError(
      .unsupported, field: name, what: "type \(form.dataType.rawValue) has no form that can be written")
  }

  /// Whether the bytes as they came are what the target wants: everything but rows of arrays without a slot, structs, and sparse
  /// vectors, whose dimension Lite leaves out in the place where clients send it.
  private func canForward(_ form: ColumnForm) -> Bool {
    guard form.dataType == dataType else { return false }
    switch (values, form.dataType) {
    case (.structs, _), (_, .sparseFloatVector): return false
    case (.variable(let rows), .array):
      return (0..<rows.count).allSatisfy { ArrayRow.slotNumber(rows.bytes, rows.range($0)) != 0 }
    case (.bools, _), (.ints, _), (.longs, _), (.fixed, _), (.variable, _): return true
    }
  }

  /// Value indexes of the rows that are not null; -1 stays only on `$meta`, which writes `{}` for it, and on structs.
  private func valueIndexes(_ rows: RowSelection) -> [Int32] {
    let all: [Int32]
    switch (rows, slots) {
    case (.all, nil): return Array(0..<Int32(rowCount))
    case (.all, let slots?): all = slots
    case (.rows(let chosen), nil):
      precondition(chosen.allSatisfy { $0 >= 0 && $0 < rowCount })
      return chosen
    case (.rows(let chosen), let slots?): all = chosen.map { slots[Int($0)] }
    }
    // A struct's nulls are written in its fields.
    return isDynamic || dataType == .arrayOfStruct ? all : all.filter { $0 >= 0 }
  }

  // MARK: Scalars

  private func scalarPayload(_ slot: ScalarSlot, _ rows: [Int32], _ form: ColumnForm) throws(ColumnError) -> [UInt8] {
    let inner: [UInt8]
    switch (values, slot) {
    case (.bools(let values), .bool): inner = Self.packed(rows.map { values[Int($0)] }[...])
    case (.ints(let values), .int):
      // A negative int32 is sign-extended to ten bytes (protobuf encoding, "Signed Integers").
      inner = Self.packedVarints(rows) { UInt64(bitPattern: Int64(values[$0])) }
    case (.longs(let values), .long): inner = Self.packedVarints(rows) { UInt64(bitPattern: values[$0]) }
    case (.fixed(let values), .float), (.fixed(let values), .double): inner = Self.packed(Self.gather(values, rows)[...])
    case (.variable(let values), .array): inner = Self.arrayRows(values, rows, form)
    case (.variable(let values), .string), (.variable(let values), .json), (.variable(let values), .geometryText):
      inner = Self.elements(values, rows)
    case _ where rows.isEmpty: inner = []
    default: throw ColumnError(.malformed, field: name, what: "the data is not of type \(form.dataType.rawValue)")
    }
    var writer = WireWriter(capacity: inner.count + 8)
    writer.lengthDelimited(slot.rawValue, inner)
    return writer.bytes
  }

  /// `data` = 1, packed; nothing at all for no values.
  private static func packed(_ payload: ArraySlice<UInt8>) -> [UInt8] {
    guard !payload.isEmpty else { return [] }
    var writer = WireWriter(capacity: payload.count + 8)
    writer.lengthDelimited(1, payload)
    return writer.bytes
  }

  private static func packedVarints(_ rows: [Int32], _ value: (Int) -> UInt64) -> [UInt8] {
    let length = rows.reduce(0) { $0 + Varints.length(value(Int($1))) }
    guard length > 0 else { return [] }
    var writer = WireWriter(capacity: length + 8)
    writer.tag(1, .lengthDelimited)
    writer.rawVarint(UInt64(length))
    for row in rows { writer.rawVarint(value(Int(row))) }
    return writer.bytes
  }

  /// Copies values in runs of neighbours: a page of which every row is taken is one copy.
  private static func gather(_ values: FixedValues, _ rows: [Int32]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(rows.count * values.width)
    var index = 0
    while index < rows.count {
      var last = index
      while last + 1 < rows.count, rows[last + 1] == rows[last] + 1 { last += 1 }
      let range = values.range(Int(rows[index])).lowerBound..<values.range(Int(rows[last])).upperBound
      out.append(contentsOf: values.bytes[range])
      index = last + 1
    }
    return out
  }

  private static func elements(_ values: VariableValues, _ rows: [Int32]) -> [UInt8] {
    let length = rows.reduce(0) { sum, row in
      sum + WireWriter.lengthDelimitedBytes(1, count: row < 0 ? 2 : values.range(Int(row)).count)
    }
    var writer = WireWriter(capacity: length)
    for row in rows {
      if row < 0 {
        writer.lengthDelimited(1, "{}".utf8)
      } else {
        writer.lengthDelimited(1, values.bytes[values.range(Int(row))])
      }
    }
    return writer.bytes
  }

  /// Rows of an array column. A row without an element slot makes 2.3.5 panic and newer servers refuse it (`public-rpc.md` §6.5, §8.1):
  /// it gets the slot of its element type with nothing in it.
  private static func arrayRows(_ values: VariableValues, _ rows: [Int32], _ form: ColumnForm) -> [UInt8] {
    var empty = WireWriter()
    empty.lengthDelimited((ScalarSlot(form.elementType) ?? .string).rawValue, [])
    var writer = WireWriter()
    for row in rows {
      let range = values.range(Int(row))
      if ArrayRow.slotNumber(values.bytes, range) == 0 {
        writer.lengthDelimited(1, empty.bytes)
      } else {
        writer.lengthDelimited(1, values.bytes[range])
      }
    }
    writer.varint(2, UInt64(UInt32(bitPattern: form.elementType.rawValue)))
    return writer.bytes
  }

  // MARK: Vectors and structs

  private func vectorPayload(_ slot: VectorSlot, _ rows: [Int32], _ form: ColumnForm) throws(ColumnError) -> [UInt8] {
    let inner: [UInt8]
    var dimension = UInt64(max(form.dimension, 0))
    switch (values, slot) {
    case (.fixed(let values), .float): inner = Self.packed(Self.gather(values, rows)[...])
    case (.fixed(let values), .binary), (.fixed(let values), .float16), (.fixed(let values), .bfloat16),
      (.fixed(let values), .int8):
      inner = Self.gather(values, rows)
    case (.variable(let values), .sparse):
      var highest: UInt64 = 0
      for row in rows {
        guard let one = SparseRow.dimension(values.bytes, values.range(Int(row))) else {
          throw ColumnError(.malformed, field: name, what: "a sparse vector is no list of pairs")
        }
        highest = max(highest, one)
      }
      dimension = highest
      var writer = WireWriter()
      writer.raw(Self.elements(values, rows))
      if highest > 0 { writer.varint(2, highest) }
      inner = writer.bytes
    case (.variable(let values), .array): inner = vectorArray(values, rows, form)
    case _ where rows.isEmpty: inner = []
    default: throw ColumnError(.malformed, field: name, what: "the data is not of type \(form.dataType.rawValue)")
    }
    var writer = WireWriter(capacity: inner.count + 16)
    if dimension > 0 { writer.varint(1, dimension) }
    writer.lengthDelimited(slot.rawValue, inner)
    return writer.bytes
  }

  /// `VectorArray`: dim = 1, data = 2 per row, element_type = 3.
  private func vectorArray(_ values: VariableValues, _ rows: [Int32], _ form: ColumnForm) -> [UInt8] {
    var writer = WireWriter()
    let (dimension, elementType) = (max(dimension, form.dimension), elementType != 0 ? elementType : form.elementType.rawValue)
    if dimension > 0 { writer.varint(1, UInt64(dimension)) }
    for row in rows { writer.lengthDelimited(2, values.bytes[values.range(Int(row))]) }
    if elementType != 0 { writer.varint(3, UInt64(UInt32(bitPattern: elementType))) }
    return writer.bytes
  }

  private func structPayload(_ rows: [Int32], _ form: ColumnForm) throws(ColumnError) -> [UInt8] {
    guard case .structs(let columns) = values else {
      if rows.isEmpty, form.fields.isEmpty { return [] }
      throw ColumnError(.malformed, field: name, what: "the data is no struct array")
    }
    var writer = WireWriter()
    for inner in form.fields {
      guard let column = columns.first(where: { ColumnForm.bareName($0.name) == inner.name }) else {
        throw ColumnError(.malformed, field: name, what: "field \(inner.name) of the struct is missing")
      }
      let hasNullRows = rows.contains { $0 < 0 }
      writer.lengthDelimited(
        1, try hasNullRows ? column.placing(rows).encoded(.all, as: inner) : column.encoded(.rows(rows), as: inner))
    }
    return writer.bytes
  }
}
