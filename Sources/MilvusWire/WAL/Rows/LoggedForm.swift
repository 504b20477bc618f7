/// One column as a log has it: scalars with a value for every row, null slots with the default or a zero; vectors of rows that are not null.
struct LoggedForm {
  let column: Column
  /// `name` is written; a struct's field has its qualified one.
  let field: FieldSchema
  let rowCount: Int

  /// One `schema.FieldData`. `flags`: nil where the field takes no null.
  func encoded(flags: [UInt8]?) throws(ColumnError) -> [UInt8] {
    let (number, payload) = try data()
    var writer = WireWriter(capacity: payload.count + field.name.utf8.count + rowCount + 48)
    writer.varint(1, UInt64(UInt32(bitPattern: field.dataType.rawValue)))
    writer.string(2, field.name)
    writer.lengthDelimited(number, payload)
    writer.varint(5, UInt64(bitPattern: field.fieldID))
    if field.isDynamic { writer.varint(6, 1) }
    if let flags, !flags.isEmpty { writer.lengthDelimited(7, flags) }
    return writer.bytes
  }

  /// The number and bytes of `scalars` or `vectors`.
  private func data() throws(ColumnError) -> (UInt32, ArraySlice<UInt8>) {
    let form = ColumnForm(field, acceptsFlags: true)
    switch field.dataType {
    case .bool:
      return (3, try dense(.bools(rows(try bools(), default: field.defaultValue == .bool(true) ? 1 : 0))).payloadBytes(.all, form).bytes)
    case .int8, .int16, .int32:
      var fill: Int32 = 0
      if case .int(let value)? = field.defaultValue { fill = value }
      return (3, try dense(.ints(rows(try ints(), default: fill))).payloadBytes(.all, form).bytes)
    case .int64:
      var fill: Int64 = 0
      if case .long(let value)? = field.defaultValue { fill = value }
      return (3, try dense(.longs(rows(try longs(), default: fill))).payloadBytes(.all, form).bytes)
    case .float, .double: return (3, try dense(.fixed(try numbers())).payloadBytes(.all, form).bytes)
    case .timestamptz: return (3, try instants()[...])
    case .geometry: return (3, try elements(slot: 10) { text throws(ColumnError) in try binary(text) })
    case .array: return (3, try elements(slot: 8) { $0 })
    case .json: return (3, try elements(slot: 9) { $0 })
    case .varChar, .string, .text: return (3, try elements(slot: 6) { $0 })
    case .arrayOfVector: return (4, try vectorArrays())
    case _ where field.dataType.isVector: return (4, try column.payloadBytes(.all, form).bytes)
    default: throw ColumnError(.unsupported, field: field.name, what: "type \(field.dataType.rawValue) is not known")
    }
  }

  private func dense(_ values: ColumnValues) -> Column {
    Column(
      name: field.name, dataType: field.dataType, isDynamic: field.isDynamic, rowCount: rowCount, values: values, slots: nil,
      elementType: column.elementType, dimension: column.dimension, payload: nil)
  }

  /// A value for every row.
  private func rows<Value>(_ values: [Value], default fill: Value) -> [Value] {
    (0..<rowCount).map { row in
      let slot = column.slot(row)
      return slot < 0 ? fill : values[slot]
    }
  }

  private var unlike: ColumnError {
    ColumnError(.malformed, field: field.name, what: "the data is not of type \(field.dataType.rawValue)")
  }
  // A column of nothing but nulls has no values of any layout.
  private func bools() throws(ColumnError) -> [UInt8] {
    if case .bools(let values) = column.values { return values }
    guard column.values.count == 0 else { throw unlike }
    return []
  }
  private func ints() throws(ColumnError) -> [Int32] {
    if case .ints(let values) = column.values { return values }
    guard column.values.count == 0 else { throw unlike }
    return []
  }
  private func longs() throws(ColumnError) -> [Int64] {
    if case .longs(let values) = column.values { return values }
    guard column.values.count == 0 else { throw unlike }
    return []
  }

  private func numbers() throws(ColumnError) -> FixedValues {
    let width = field.dataType == .float ? 4 : 8
    var fill = WireWriter()
    switch field.defaultValue {
    case .float(let value)? where width == 4: fill.rawFixed(value.bitPattern)
    case .double(let value)? where width == 8: fill.rawFixed(value.bitPattern)
    default: fill.raw(repeatElement(0, count: width))
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(rowCount * width)
    for row in 0..<rowCount {
      let slot = column.slot(row)
      if slot < 0 {
        bytes += fill.bytes
      } else {
        guard case .fixed(let values) = column.values, values.width == width else { throw unlike }
        bytes += values.bytes[values.range(slot)]
      }
    }
    guard let values = FixedValues(bytes: bytes, start: 0, width: width, count: rowCount) else { throw unlike }
    return values
  }

  /// `timestamptz_data`.
  private func instants() throws(ColumnError) -> [UInt8] {
    var fill: Int64 = 0
    switch field.defaultValue {
    case .timestamptz(let value)?: fill = value
    case .string(let text)?: fill = InstantText.microseconds(text) ?? 0
    default: break
    }
    var packed = WireWriter()
    for row in 0..<rowCount {
      guard let text = column.bytes(row) else {
        packed.rawVarint(UInt64(bitPattern: fill))
        continue
      }
      guard let instant = TimestamptzText.microseconds(text) else {
        throw ColumnError(.malformed, field: field.name, what: "a text is no instant")
      }
      packed.rawVarint(UInt64(bitPattern: instant))
    }
    var list = WireWriter()
    if rowCount > 0 { list.lengthDelimited(1, packed.bytes) }
    var scalars = WireWriter()
    scalars.lengthDelimited(LoggedSlot.microseconds.rawValue, list.bytes)
    return scalars.bytes
  }

  private func binary(_ text: ArraySlice<UInt8>) throws(ColumnError) -> ArraySlice<UInt8> {
    do throws(GeometryError) {
      return try WellKnownText.binary(of: text)[...]
    } catch {
      throw ColumnError(.malformed, field: field.name, what: error.what)
    }
  }

  /// Texts, JSON, geometries, array rows: one element for every row, empty for a null without a default.
  private func elements(slot: UInt32, _ convert: (ArraySlice<UInt8>) throws(ColumnError) -> ArraySlice<UInt8>) throws(ColumnError)
    -> ArraySlice<UInt8>
  {
    var fill: ArraySlice<UInt8> = []
    switch field.defaultValue {
    case .string(let text)?: fill = try convert(Array(text.utf8)[...])
    case .bytes(let bytes)?: fill = try convert(bytes[...])
    default: break
    }
    var list = WireWriter()
    for row in 0..<rowCount {
      if let bytes = column.bytes(row) {
        list.lengthDelimited(1, try convert(bytes))
      } else {
        guard column.isNull(row) else { throw unlike }
        list.lengthDelimited(1, fill)
      }
    }
    if field.dataType == .array { list.varint(2, UInt64(UInt32(bitPattern: field.elementType.rawValue))) }
    var scalars = WireWriter()
    scalars.lengthDelimited(slot, list.bytes)
    return scalars.bytes[...]
  }

  /// Dense also where rows are null: those hold an empty vector list.
  private func vectorArrays() throws(ColumnError) -> ArraySlice<UInt8> {
    let dimension = UInt64(max(field.dimension ?? 0, 0))
    var placeholder = WireWriter()
    if dimension > 0 { placeholder.varint(1, dimension) }
    placeholder.lengthDelimited((VectorSlot(field.elementType) ?? .float).rawValue, [])
    var list = WireWriter()
    if dimension > 0 { list.varint(1, dimension) }
    for row in 0..<rowCount {
      if let bytes = column.bytes(row) {
        list.lengthDelimited(2, bytes)
      } else {
        guard column.isNull(row) else { throw unlike }
        list.lengthDelimited(2, placeholder.bytes)
      }
    }
    list.varint(3, UInt64(UInt32(bitPattern: field.elementType.rawValue)))
    var vectors = WireWriter()
    if dimension > 0 { vectors.varint(1, dimension) }
    vectors.lengthDelimited(VectorSlot.array.rawValue, list.bytes)
    return vectors.bytes[...]
  }
}
