/// How Milvus's messages are shown to people: bytes that hold messages as JSON, vectors in short, columns as rows where asked for.
package struct MilvusPresentation: MessagePresentation {
  /// Vectors with all their values.
  package var isFull: Bool
  /// `fields_data` becomes `rows`, one object for each.
  package var showsRows: Bool

  package init(isFull: Bool = false, showsRows: Bool = false) {
    self.isFull = isFull
    self.showsRows = showsRows
  }

  /// `Type.field` inside `milvus.proto` -> the message in its bytes.
  package static let contents: [String: String] = [
    "milvus.CreateCollectionRequest.schema": "schema.CollectionSchema",
    "milvus.AddCollectionFieldRequest.schema": "schema.FieldSchema",
    "milvus.SearchRequest.placeholder_group": "common.PlaceholderGroup",
    "milvus.SubSearchRequest.placeholder_group": "common.PlaceholderGroup",
    "msg.CreateCollectionRequest.schema": "schema.CollectionSchema",
  ]
  private static let prefix = "milvus.proto."
  private static let columnType = "milvus.proto.schema.FieldData"
  private static let vectorType = "milvus.proto.schema.VectorField"
  private static let placeholderType = "milvus.proto.common.PlaceholderValue"

  package func content(of field: FieldDescriptor, in type: MessageDescriptor) -> MessageDescriptor? {
    guard field.kind == .bytes else { return nil }
    let name = "\(type.name).\(field.name)"
    return Self.contents[String(name.dropFirst(Self.prefix.count))].flatMap {
      MessageDescriptor(named: Self.prefix + $0)
    }
  }

  package func summary(of message: MessageParts) throws(ProtobufError) -> JSONValue? {
    switch message.type.name {
    case Self.vectorType where !isFull: try vectors(message)
    case Self.columnType where showsRows:
      try ColumnJSON(message, full: isFull).map {
        .object(["field_name": .string($0.name), Self.valuesKey: .array($0.values)])
      }
    case Self.placeholderType: try placeholder(message)
    default: nil
    }
  }

  /// What a column is called between `summary` and `finish`; no field of FieldData has the name.
  private static let valuesKey = "values"
  /// Vectors of a column that are shown.
  private static let shownCount = 3

  private func vectors(_ message: MessageParts) throws(ProtobufError) -> JSONValue? {
    guard let vectors = try VectorRows(message) else { return nil }
    let shown = vectors.rows.prefix(Self.shownCount).map { VectorJSON.summary($0, vectors.slot) }
    return .object(["count": .int(vectors.rows.count), "vectors": .array(shown)])
  }

  // MARK: Rows

  package func finish(_ object: inout JSONObject, of type: MessageDescriptor, names: MessageJSON.Names) {
    guard showsRows, let field = type.field(named: "fields_data"), field.message?.name == Self.columnType else { return }
    func key(_ name: String) -> String { names == .proto ? name : MessageJSON.lowerCamel(name) }
    guard let columns = object[key("fields_data")]?.arrayValue else { return }
    var lists: [(name: String, values: [JSONValue])] = []
    for column in columns {
      // A column that could not be taken apart leaves all of them as they are.
      guard let name = column.objectValue?["field_name"]?.stringValue,
        let values = column.objectValue?[Self.valuesKey]?.arrayValue
      else { return }
      lists.append((name, values))
    }
    object[key("fields_data")] = nil
    object["rows"] = .array(Rows.zipped(Self.hits(object, key) + lists).map(JSONValue.object))
  }

  /// Of a search: which query a row answers, its key and its score.
  private static func hits(_ object: JSONObject, _ key: (String) -> String) -> [(name: String, values: [JSONValue])] {
    guard let scores = object["scores"]?.arrayValue else { return [] }
    let queries = (object["topks"]?.arrayValue ?? []).enumerated().flatMap { index, count in
      // No list is longer than the scores, whatever the counts say.
      Array(repeating: JSONValue.int(index), count: min(scores.count, max(0, count.stringValue.flatMap { Int($0) } ?? 0)))
    }
    let ids = object["ids"]?.objectValue?.members.first { _ in true }?.value.objectValue?["data"]?.arrayValue ?? []
    return [("$query", Array(queries.prefix(scores.count))), ("$id", ids), ("$score", scores)].filter { !$0.1.isEmpty }
  }

  // MARK: Placeholders

  /// PlaceholderValue {tag = 1, type = 2, values = 3}: the vectors that a search looks for.
  private func placeholder(_ message: MessageParts) throws(ProtobufError) -> JSONValue? {
    var tag = ""
    var type: UInt64 = 0
    var values: [ArraySlice<UInt8>] = []
    for field in try message.fields() {
      switch (field.number, field.content) {
      case (1, .lengthDelimited(let range)): tag = String(decoding: message.bytes[range], as: UTF8.self)
      case (2, .varint(let value)): type = value
      case (3, .lengthDelimited(let range)): values.append(message.bytes[range])
      default: return nil
      }
    }
    guard let slot = Self.slot(ofPlaceholder: Int64(bitPattern: type)),
      let name = message.type.field(number: 2)?.enumeration?.name(of: Int32(truncatingIfNeeded: type))
    else { return nil }
    let shown = values.map { isFull ? VectorJSON.full($0, slot) : VectorJSON.summary($0, slot) }
    return .object(["tag": .string(tag), "type": .string(name), "values": .array(shown)])
  }

  package func bytes(
    of value: JSONValue, in field: FieldDescriptor, of type: MessageDescriptor, beside object: JSONObject
  ) -> [UInt8]? {
    guard type.name == Self.placeholderType, field.number == 3 else { return nil }
    let number = object["type"].flatMap { given in
      given.int64Value
        ?? given.stringValue.flatMap { name in
          type.field(number: 2)?.enumeration?.number(of: name).map(Int64.init)
        }
    }
    return number.flatMap(Self.slot(ofPlaceholder:)).flatMap { VectorJSON.bytes(value, $0) }
  }

  /// Placeholders have the numbers of `schema.DataType`.
  private static func slot(ofPlaceholder number: Int64) -> VectorSlot? {
    guard let type = Int32(exactly: number).map(DataType.init(rawValue:)), type != .arrayOfVector else { return nil }
    return VectorSlot(type)
  }
}
