/// One `schema.FieldData` as a list of values, one for each row, nulls included (`public-rpc.md` §4.2).
struct ColumnJSON {
  let name: String
  let values: [JSONValue]

  /// `full`: vectors with all their values. nil where the message is no column that can be taken apart.
  init?(_ message: MessageParts, full: Bool) throws(ProtobufError) {
    var name = ""
    var values: [JSONValue]?
    var flags: [Bool] = []
    for field in try message.fields() {
      switch (field.number, field.content) {
      case (2, .lengthDelimited(let range)): name = String(decoding: message.bytes[range], as: UTF8.self)
      case (3, .lengthDelimited(let range)):
        (values, flags) = try Self.scalars(range, message.bytes, flags: flags)
      case (4, .lengthDelimited(let range)):
        (values, flags) = try Self.vectors(range, message.bytes, full: full, flags: flags)
      case (7, let content): flags += try VectorRows.flags(content, message.bytes)
      case (8, .lengthDelimited(let range)): values = try Self.structs(range, message.bytes, full: full)
      default: break
      }
    }
    guard let values, let spread = Self.spread(values, flags: flags) else { return nil }
    self.name = name
    self.values = spread
  }

  /// Values with nulls where the flags say so. A column holds a value for each row or only for those with a flag; without flags, every value
  /// is one.
  private static func spread(_ values: [JSONValue], flags: [Bool]) -> [JSONValue]? {
    if flags.isEmpty { return values }
    if values.count == flags.count { return zip(values, flags).map { $1 ? $0 : .null } }
    guard values.count == flags.count(where: { $0 }) else { return nil }
    var rest = values[...]
    return flags.map { $0 ? rest.popFirst() ?? .null : .null }
  }

  // MARK: Scalars

  private static func scalars(_ range: Range<Int>, _ bytes: [UInt8], flags: [Bool]) throws(ProtobufError)
    -> ([JSONValue]?, [Bool])
  {
    guard let type = MessageDescriptor(named: "milvus.proto.schema.ScalarField") else { return (nil, flags) }
    var flags = flags
    var reader = WireReader(bytes, in: range)
    while let field = try reader.next() {
      // ScalarField.valid_data, which servers after 3.0 send.
      if field.number == 17 { flags += try VectorRows.flags(field.content, bytes) }
    }
    return (values(of: try MessageJSON().json(of: Array(bytes[range]), as: type)), flags)
  }

  /// What `ScalarField`'s one list holds: 64-bit integers as numbers, JSON as JSON, arrays as arrays.
  private static func values(of field: JSONValue) -> [JSONValue]? {
    guard let object = field.objectValue else { return nil }
    guard let (slot, list) = object.members.first(where: { _ in true }) else { return [] }
    let elements = list.objectValue?["data"]?.arrayValue ?? []
    switch slot {
    case "long_data", "timestamptz_data", "time_data":
      return elements.map { $0.stringValue.flatMap { JSONNumber(text: $0) }.map(JSONValue.number) ?? $0 }
    case "json_data":
      return elements.map { element in
        guard let bytes = element.stringValue.flatMap({ Base64.decode($0) }) else { return element }
        return (try? JSONParser.parse(bytes)) ?? element
      }
    case "array_data": return elements.map { .array(values(of: $0) ?? []) }
    default: return elements
    }
  }

  // MARK: Vectors

  private static func vectors(_ range: Range<Int>, _ bytes: [UInt8], full: Bool, flags: [Bool])
    throws(ProtobufError) -> ([JSONValue]?, [Bool])
  {
    guard let type = MessageDescriptor(named: "milvus.proto.schema.VectorField") else { return (nil, flags) }
    let message = MessageParts(type: type, bytes: bytes, parts: [range])
    if let vectors = try VectorRows(message) {
      let values = vectors.rows.map { full ? VectorJSON.full($0, vectors.slot) : VectorJSON.summary($0, vectors.slot) }
      return (values, flags + vectors.flags)
    }
    return (try arrays(range, bytes, full: full), flags)
  }

  /// VectorArray.data: one VectorField for each row.
  private static func arrays(_ range: Range<Int>, _ bytes: [UInt8], full: Bool) throws(ProtobufError) -> [JSONValue]? {
    var reader = WireReader(bytes, in: range)
    while let field = try reader.next() {
      guard field.number == VectorSlot.array.rawValue, let list = field.range else { continue }
      var rows: [JSONValue] = []
      var members = WireReader(bytes, in: list)
      while let row = try members.next() {
        guard row.number == 2, let range = row.range else { continue }
        guard let vectors = try Self.vectors(range, bytes, full: full, flags: []).0 else { return nil }
        rows.append(.array(vectors))
      }
      return rows
    }
    return nil
  }

  // MARK: Structs

  /// StructArrayField.fields are columns of arrays; a row is a list of objects.
  private static func structs(_ range: Range<Int>, _ bytes: [UInt8], full: Bool) throws(ProtobufError)
    -> [JSONValue]?
  {
    guard let type = MessageDescriptor(named: "milvus.proto.schema.FieldData") else { return nil }
    var columns: [ColumnJSON] = []
    var reader = WireReader(bytes, in: range)
    while let field = try reader.next() {
      guard field.number == 1, let range = field.range else { continue }
      guard let column = try ColumnJSON(MessageParts(type: type, bytes: bytes, parts: [range]), full: full) else {
        return nil
      }
      columns.append(column)
    }
    let rowCount = columns.map(\.values.count).max() ?? 0
    return (0..<rowCount).map { row in
      let lists = columns.map { ($0.name, row < $0.values.count ? $0.values[row].arrayValue ?? [] : []) }
      return .array(Rows.zipped(lists).map(JSONValue.object))
    }
  }
}

/// Columns turned into rows.
enum Rows {
  /// One object for each row; a column that is shorter than others is missing in the last rows.
  static func zipped(_ columns: [(name: String, values: [JSONValue])]) -> [JSONObject] {
    let count = columns.map(\.values.count).max() ?? 0
    return (0..<count).map { row in
      JSONObject(columns.compactMap { $0.values.count > row ? ($0.name, $0.values[row]) : nil })
    }
  }
}
