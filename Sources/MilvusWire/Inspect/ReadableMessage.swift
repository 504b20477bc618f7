/// A message of a known type as JSON for a person or a program that debugs (proto3 JSON by `MessageJSON`, and what that alone leaves unreadable).
///
/// Columns (`schema.FieldData`) become `rows`, a list of objects; schemas that ride in bytes become objects; secrets are replaced. Nothing
/// is decoded into a tree of C structures, so texts keep every byte.
package struct ReadableMessage: Sendable {
  package struct Options: Sendable {
    package var showsSecrets = false
    /// Whole vectors and texts, and the lists of row ids and row timestamps.
    package var isFull = false
    /// Rows that are shown; the rest is counted in `rows_left_out`.
    package var rowsMax = Int.max
    /// The rows of the message that are shown, by their place; nil: all.
    package var rowsChosen: [Int]?
    package var names = MessageJSON.Names.proto
    package init() {}
  }
  package let options: Options
  private let json: MessageJSON

  package init(_ options: Options = Options()) {
    self.options = options
    json = MessageJSON(names: options.names)
  }

  /// The message that fills `range` of `bytes` (nil: all of them).
  package func json(of bytes: [UInt8], in range: Range<Int>? = nil, as type: MessageDescriptor) throws(ProtobufError) -> JSONValue {
    let range = (range ?? 0..<bytes.count).clamped(to: 0..<bytes.count)
    let value = try value(bytes, range, type, depth: 0)
    return options.showsSecrets ? value : SecretFields.redact(value, as: type).value
  }

  // MARK: Columns

  private static let columnType = "milvus.proto.schema.FieldData"
  /// Messages that hold columns for another message.
  private static let resultType = "milvus.proto.schema.SearchResultData"

  private func value(_ bytes: [UInt8], _ range: Range<Int>, _ type: MessageDescriptor, depth: Int) throws(ProtobufError) -> JSONValue {
    let columnField = type.fields.first { $0.isRepeated && $0.message?.name == Self.columnType }
    let resultField = type.fields.first { !$0.isRepeated && $0.message?.name == Self.resultType }
    guard columnField != nil || resultField != nil else {
      return expandSchemas(try json.json(of: Array(bytes[range]), as: type), type)
    }
    var rest = WireWriter(capacity: 512)
    var columns: [Range<Int>] = []
    var results: Range<Int>?
    var reader = WireReader(bytes, in: range)
    var start = reader.position
    while let field = try reader.next() {
      switch field.content {
      case .lengthDelimited(let range) where field.number == columnField?.number: columns.append(range)
      case .lengthDelimited(let range) where field.number == resultField?.number: results = range
      case .lengthDelimited, .varint, .fixed32, .fixed64: rest.raw(bytes[start..<reader.position])
      }
      start = reader.position
    }
    guard case .object(var object) = expandSchemas(try json.json(of: rest.bytes, as: type), type) else { return .null }
    if !options.isFull { for name in ["timestamps", "rowIDs", "hash_keys", "hashKeys"] { object[name] = nil } }
    if let results, let resultField, let inner = resultField.message, depth < 2 {
      object[resultField.name] = try value(bytes, results, inner, depth: depth + 1)
    }
    if !columns.isEmpty { addRows(of: columns, in: bytes, to: &object) }
    return .object(object)
  }

  private func addRows(of ranges: [Range<Int>], in bytes: [UInt8], to object: inout JSONObject) {
    var columns: [ColumnView] = []
    var problems: [JSONValue] = []
    for range in ranges {
      do throws(ColumnError) {
        columns.append(try ColumnView(bytes, in: range, options: ColumnView.Options(isFull: options.isFull)))
      } catch {
        problems.append(.string(error.description))
      }
    }
    let count = columns.map(\.rowCount).max() ?? 0
    let rows = (options.rowsChosen.map { $0.filter((0..<count).contains) } ?? Array(0..<count)).prefix(options.rowsMax)
    object["rows"] = .array(rows.map { row in .object(JSONObject(columns.map { ($0.name, $0.value(row)) })) })
    if count > rows.count { object["rows_left_out"] = .int(count - rows.count) }
    if !problems.isEmpty { object["unreadable_columns"] = .array(problems) }
  }

  // MARK: Schemas inside bytes

  /// Bytes fields that hold a message (`public-rpc.md` §4.1, `wal-protocol.md` §3.3).
  private static let embedded: [String: String] = [
    "milvus.proto.milvus.CreateCollectionRequest.schema": "milvus.proto.schema.CollectionSchema",
    "milvus.proto.msg.CreateCollectionRequest.schema": "milvus.proto.schema.CollectionSchema",
    "milvus.proto.milvus.AddCollectionFieldRequest.schema": "milvus.proto.schema.FieldSchema",
  ]

  private func expandSchemas(_ value: JSONValue, _ type: MessageDescriptor) -> JSONValue {
    guard case .object(var object) = value, let inner = Self.embedded["\(type.name).schema"].flatMap({ MessageDescriptor(named: $0) }),
      let text = object["schema"]?.stringValue, let bytes = Base64.decode(text), let schema = try? json.json(of: bytes, as: inner)
    else { return value }
    object["schema"] = schema
    return .object(object)
  }
}
