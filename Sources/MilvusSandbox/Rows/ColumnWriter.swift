internal import MilvusWire

/// Writes one `schema.FieldData` from the stored values of many rows (`public-rpc.md` §4.2, `wal-protocol.md` §3.6).
struct ColumnWriter {
  enum Form {
    /// A query's answer: scalars in full form, with `valid_data` where the field may be null; vectors compact; texts for geometry and time.
    case answer
    /// A row of the log: the same, but WKB for geometry and microseconds for time.
    case log
  }
  let field: FieldSchema
  let form: Form
  /// As it stands in the message.
  var name: String

  init(_ field: FieldSchema, _ form: Form, name: String? = nil) {
    (self.field, self.form, self.name) = (field, form, name ?? field.name)
  }

  /// `values`: one per row, nil for null.
  func fieldData(_ values: [ArraySlice<UInt8>?]) -> [UInt8] {
    var writer = WireWriter()
    writer.varint(1, UInt64(UInt32(bitPattern: field.dataType.rawValue)))
    writer.string(2, name)
    if field.dataType.isVector {
      writer.lengthDelimited(4, vectors(values.compactMap { $0 }, values))
    } else {
      writer.lengthDelimited(3, scalars(values))
    }
    if field.fieldID != 0 { writer.varint(5, UInt64(bitPattern: field.fieldID)) }
    if field.isDynamic { writer.varint(6, 1) }
    if field.nullable && !values.isEmpty && (form == .log || !field.isDynamic) {
      writer.lengthDelimited(7, values.map { $0 == nil ? 0 : 1 })
    }
    return writer.bytes
  }

  // MARK: Scalars

  private func scalars(_ values: [ArraySlice<UInt8>?]) -> [UInt8] {
    var inner = WireWriter()
    let slot: UInt32
    switch field.dataType {
    case .bool: slot = packed(values, 1, &inner) { UInt64($0.first ?? 0) }
    case .int8, .int16, .int32: slot = packed(values, 2, &inner) { UInt64(bitPattern: Int64(Self.int32($0))) }
    case .int64: slot = packed(values, 3, &inner, Self.word)
    case .float: slot = fixed(values, 4, width: 4, &inner)
    case .double: slot = fixed(values, 5, width: 8, &inner)
    case .array:
      slot = 8
      for value in values { inner.lengthDelimited(1, value ?? []) }
      inner.varint(2, UInt64(UInt32(bitPattern: field.elementType.rawValue)))
    case .json: slot = elements(values, 9, &inner)
    case .geometry where form == .log:
      slot = 10
      for value in values {
        inner.lengthDelimited(1, value.flatMap { try? WellKnownText.binary(of: $0) } ?? [])
      }
    case .geometry: slot = elements(values, 12, &inner)
    case .timestamptz where form == .log:
      slot = packed(values, 11, &inner) {
        UInt64(bitPattern: InstantText.microseconds(String(decoding: $0, as: UTF8.self)) ?? 0)
      }
    default: slot = elements(values, 6, &inner)
    }
    var writer = WireWriter(capacity: inner.bytes.count + 8)
    writer.lengthDelimited(slot, inner.bytes)
    return writer.bytes
  }

  private func packed(
    _ values: [ArraySlice<UInt8>?], _ slot: UInt32, _ writer: inout WireWriter,
    _ number: (ArraySlice<UInt8>) -> UInt64
  ) -> UInt32 {
    guard !values.isEmpty else { return slot }
    var numbers = WireWriter()
    for value in values { numbers.rawVarint(value.map(number) ?? 0) }
    writer.lengthDelimited(1, numbers.bytes)
    return slot
  }

  private func fixed(_ values: [ArraySlice<UInt8>?], _ slot: UInt32, width: Int, _ writer: inout WireWriter)
    -> UInt32
  {
    guard !values.isEmpty else { return slot }
    let zero = [UInt8](repeating: 0, count: width)[...]
    var bytes: [UInt8] = []
    bytes.reserveCapacity(values.count * width)
    for value in values { bytes += value ?? zero }
    writer.lengthDelimited(1, bytes)
    return slot
  }

  private func elements(_ values: [ArraySlice<UInt8>?], _ slot: UInt32, _ writer: inout WireWriter) -> UInt32 {
    for value in values { writer.lengthDelimited(1, value ?? []) }
    return slot
  }

  static func int32(_ bytes: ArraySlice<UInt8>) -> Int32 { Int32(truncatingIfNeeded: word(bytes)) }
  /// Little endian.
  static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  // MARK: Vectors

  private var dimension: UInt64 { field.typeParams["dim"].flatMap { UInt64($0) } ?? 0 }

  /// Nulls take no place, except in vector arrays of the log, where they are empty rows.
  private func vectors(_ present: [ArraySlice<UInt8>], _ all: [ArraySlice<UInt8>?]) -> [UInt8] {
    var writer = WireWriter()
    switch field.dataType {
    case .sparseFloatVector:
      let dimension = present.map(Self.sparseDimension).max() ?? 0
      // Clients say it in the inner message only, and the log has what they sent.
      if dimension > 0, form == .answer { writer.varint(1, dimension) }
      var inner = WireWriter()
      for value in present { inner.lengthDelimited(1, value) }
      if dimension > 0 { inner.varint(2, dimension) }
      writer.lengthDelimited(6, inner.bytes)
      return writer.bytes
    case .arrayOfVector:
      if dimension > 0, form == .answer { writer.varint(1, dimension) }
      var inner = WireWriter()
      if dimension > 0 { inner.varint(1, dimension) }
      for value in form == .log ? all : present.map(Optional.some) { inner.lengthDelimited(2, value ?? []) }
      inner.varint(3, UInt64(UInt32(bitPattern: field.elementType.rawValue)))
      writer.lengthDelimited(8, inner.bytes)
      return writer.bytes
    default: break
    }
    if dimension > 0 { writer.varint(1, dimension) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(present.reduce(0) { $0 + $1.count })
    for value in present { bytes += value }
    switch field.dataType {
    case .floatVector:
      var inner = WireWriter(capacity: bytes.count + 8)
      if !bytes.isEmpty { inner.lengthDelimited(1, bytes) }
      writer.lengthDelimited(2, inner.bytes)
    case .binaryVector: writer.lengthDelimited(3, bytes)
    case .float16Vector: writer.lengthDelimited(4, bytes)
    case .bfloat16Vector: writer.lengthDelimited(5, bytes)
    default: writer.lengthDelimited(7, bytes)
    }
    return writer.bytes
  }

  /// Rows are pairs of index and value in the order of the index.
  private static func sparseDimension(_ row: ArraySlice<UInt8>) -> UInt64 {
    row.count >= 8 ? word(row.suffix(8).prefix(4)) + 1 : 0
  }
}

/// The values of some fields in many rows, found in one walk of each row.
struct RowValues {
  private var positions: [Int64: Int] = [:]
  private(set) var columns: [[ArraySlice<UInt8>?]]

  init(_ rows: some Collection<[UInt8]>, fields: [FieldSchema]) {
    columns = Array(repeating: [], count: fields.count)
    for (position, field) in fields.enumerated() {
      positions[field.fieldID] = position
      columns[position].reserveCapacity(rows.count)
    }
    for row in rows { append(row, fields) }
  }

  private mutating func append(_ row: [UInt8], _ fields: [FieldSchema]) {
    for position in columns.indices { columns[position].append(nil) }
    var reader = WireReader(row)
    while let field = try? reader.next() {
      guard let range = field.range, let position = positions[Int64(field.number)] else { continue }
      columns[position][columns[position].count - 1] = row[range]
    }
    // Rows that are older than a field have its default.
    for (position, field) in fields.enumerated() where columns[position].last == .some(nil) {
      guard let value = field.storedDefault else { continue }
      columns[position][columns[position].count - 1] = value[...]
    }
  }
}
