internal import Testing

@testable internal import MilvusWire

/// What is expected of the `LogChange` of a recorded message.
enum LogChangeChecks {
  /// Compares every member by name, and what is written again with the JSON that the descriptors give.
  static func expect(_ message: LogMessage, header: JSONObject, body: JSONObject) throws {
    let change = try LogChange(message)
    #expect(change.type == message.type)
    let headerType = try #require(MessageDescriptor(named: message.type.headerProto ?? ""))
    let bodyType = try #require(MessageDescriptor(named: message.type.bodyProto ?? ""))
    switch change {
    case .insert(let head, let rows):
      expectSame(head, [(header, headerType)])
      expectSame(rows, [(body, bodyType)])
      try expect(rows, body, in: message)
    case .delete(let head, let rows):
      expectSame(head, [(header, headerType)])
      expectSame(rows, [(body, bodyType)])
      try expect(rows, body)
    case .createCollection(let content):
      var rest = header
      let ids = header["partition_ids"]?.arrayValue?.compactMap(\.integer).map { Int64($0) } ?? []
      #expect(content.headerPartitionIDs == ids)
      rest["partition_ids"] = nil
      var bodyRest = body
      #expect(Base64.encode(content.legacySchema) == body["schema"]?.stringValue ?? "")
      bodyRest["schema"] = nil
      expectSame(content, [(rest, headerType), (bodyRest, bodyType)])
      let schema = try #require(try content.schema())
      #expect(
        content.collectionSchema == nil ? !content.legacySchema.isEmpty : schema == content.collectionSchema)
      #expect(schema.name == content.collectionName)
    case .flushAll, .commitTxn, .rollbackTxn, .unknown:
      #expect(header.isEmpty && body.isEmpty)
    default:
      // A case with one value: the mirror of the case has it as its only child.
      let content = try #require(Mirror(reflecting: change).children.first?.value)
      expectSame(content, [(header, headerType), (body, bodyType)])
    }
    let json = MessageJSON()
    #expect(
      try json.json(of: change.encodedHeader, as: headerType)
        == json.json(of: Array(message.header), as: headerType))
    #expect(
      try json.json(of: change.encodedBody, as: bodyType)
        == json.json(of: Array(message.payload), as: bodyType))
    #expect(
      ShortenedJSON.isSame(.object(header), try json.json(of: Array(message.header), as: headerType)))
    #expect(ShortenedJSON.isSame(.object(body), try json.json(of: Array(message.payload), as: bodyType)))
  }

  private static func expectSame(_ value: Any, _ parts: [(JSONObject, MessageDescriptor)]) {
    let differences = LogReflection.differences(of: value, from: parts.map { (json: $0.0, type: $0.1) })
    #expect(differences.isEmpty, "\(differences)")
  }

  private static func expect(_ rows: InsertRows, _ body: JSONObject, in message: LogMessage) throws {
    let list = body["fields_data"]?.arrayValue ?? []
    #expect(rows.columns.count == list.count)
    #expect(rows.version == 1 && body["version"]?.stringValue == "ColumnBased")
    #expect(!rows.hasRowData)
    #expect(rows.timestamps.count == rows.rowCount && rows.rowIDs.count == rows.rowCount)
    let type = try #require(MessageDescriptor(named: "milvus.proto.schema.FieldData"))
    for (column, json) in zip(rows.columns, list) {
      #expect(column.startIndex >= message.range.lowerBound && column.endIndex <= message.range.upperBound)
      #expect(ShortenedJSON.isSame(json, try MessageJSON().json(of: Array(column), as: type)))
    }
  }

  private static func expect(_ rows: DeleteRows, _ body: JSONObject) throws {
    let ints = body["primary_keys"]?["int_id"]?["data"]?.arrayValue?.compactMap(\.integer)
    let texts = body["primary_keys"]?["str_id"]?["data"]?.arrayValue?.compactMap(\.stringValue)
    let legacy = body["int64_primary_keys"]?.arrayValue?.compactMap(\.integer)
    switch rows.keys {
    case .ints(let keys): #expect(keys.map { Int($0) } == ints)
    case .texts(let keys): #expect(keys.map { String(decoding: $0, as: UTF8.self) } == texts)
    case .legacyInts(let keys): #expect(keys.map { Int($0) } == legacy && ints == nil && texts == nil)
    case .none: #expect(ints == nil && texts == nil && legacy == nil)
    }
    #expect(rows.keys.rowKeys.count == rows.keys.count)
    #expect(Base64.encode(rows.plan) == body["serialized_expr_plan"]?.stringValue ?? "")
    #expect(rows.hasPlan == (body["serialized_expr_plan"] != nil))
    if !rows.hasPlan { #expect(rows.keys.count == Int(rows.rowCount)) }
  }
}

/// Equality of proto3 JSON where the first may be shortened: `{"_count": n, "_first": […]}`,
/// `{"_chars": n, "_first": "…"}` (`Fixtures/wal-live/README.md`).
enum ShortenedJSON {
  static func isSame(_ a: JSONValue, _ b: JSONValue) -> Bool {
    switch (a, b) {
    case (.object(let x), .array(let y)):
      guard let first = x["_first"]?.arrayValue, x["_count"]?.integer == y.count else { return false }
      return zip(first, y).allSatisfy { isSame($0, $1) }
    case (.object(let x), .string(let y)):
      guard let first = x["_first"]?.stringValue else { return false }
      return x["_chars"]?.integer == y.unicodeScalars.count && y.hasPrefix(first)
    case (.object(let x), .object(let y)):
      return x.count == y.count
        && x.members.allSatisfy { key, value in y[key].map { isSame(value, $0) } ?? false }
    case (.array(let x), .array(let y)): return x.count == y.count && zip(x, y).allSatisfy { isSame($0, $1) }
    case (.number(let x), .number(let y)): return x.double == y.double
    default: return a == b
    }
  }
}
