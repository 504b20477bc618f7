package import MilvusWire

/// The catalogue in a checkpoint. Ids are decimal texts, which no JSON reader rounds; a schema is its protobuf message in base64.
///
/// ```
/// {"databases": [{"id": "1", "name": "default", "properties": [["k", "v"]]}],
///  "collections": [{"id": "470…", "db": "default", "name": "a", "schema": "CgFh…", "loaded": ["471…"], …}]}
/// ```
extension LogCatalog {
  package func json() throws(BridgeError) -> JSONValue {
    var list: [JSONValue] = []
    for collection in collections.values.sorted(by: { $0.id < $1.id }) { list.append(try Self.json(of: collection)) }
    return [
      "databases": .array(
        databases.values.sorted { $0.id < $1.id }.map { database in
          [
            "id": .string(String(database.id)), "name": .string(database.name),
            "properties": Self.json(of: database.properties),
          ]
        }),
      "collections": .array(list),
    ]
  }

  package init(_ fields: JSONFields) throws {
    for entry in try fields.fieldsList("databases") {
      let id = try entry.id("id")
      databases[id] = Database(id: id, name: try entry.string("name"), properties: try entry.pairs("properties"))
    }
    for entry in try fields.fieldsList("collections") {
      let collection = try Self.collection(entry)
      collections[collection.id] = collection
    }
  }

  private static func json(of collection: Collection) throws(BridgeError) -> JSONValue {
    let schema: [UInt8]
    do {
      schema = try collection.schema.encoded()
    } catch {
      throw BridgeError(
        .storage, side: .local, operation: "store the catalogue",
        message: "the schema of \(collection.path) cannot be written: \(error.message)")
    }
    return [
      "id": .string(String(collection.id)), "db": .string(collection.path.database), "name": .string(collection.path.name),
      "schema": .string(Base64.encode(schema)), "properties": json(of: collection.properties),
      "vchannels": .array(collection.vchannels.map(JSONValue.string)), "shards": .int(collection.shardsNum),
      "consistency": .int(collection.consistencyLevel),
      "partitions": .array(
        collection.partitions.map { ["id": .string(String($0.id)), "name": .string($0.name)] }),
      "indexes": .array(
        collection.indexes.map { index in
          [
            "id": .string(String(index.id)), "field_id": .string(String(index.fieldID)),
            "field": .string(index.description.fieldName), "name": .string(index.description.indexName),
            "params": json(of: index.description.params),
          ]
        }),
      "aliases": .array(collection.aliases.map(JSONValue.string)),
      "loaded": collection.loaded.map { .array($0.sorted().map { .string(String($0)) }) } ?? .null,
      "truncated_at": .object(
        JSONObject(collection.truncatedAt.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value.description)) })),
    ]
  }

  private static func json(of pairs: [KeyValuePair]) -> JSONValue {
    .array(pairs.map { [.string($0.key), .string($0.value)] })
  }

  private static func collection(_ fields: JSONFields) throws -> Collection {
    guard let bytes = Base64.decode(try fields.string("schema")) else { throw fields.wrong("schema", "it is not base64") }
    var collection = Collection(
      id: try fields.id("id"),
      path: CollectionPath(database: try fields.string("db"), name: try fields.string("name")),
      schema: try CollectionSchema(encoded: bytes))
    collection.properties = try fields.pairs("properties")
    collection.vchannels = try fields.texts("vchannels")
    collection.shardsNum = Int32(clamping: try fields.int64("shards"))
    collection.consistencyLevel = Int32(clamping: try fields.int64("consistency"))
    for entry in try fields.fieldsList("partitions") {
      collection.partitions.append(Partition(id: try entry.id("id"), name: try entry.string("name")))
    }
    for entry in try fields.fieldsList("indexes") {
      var description = IndexDescription(fieldName: try entry.string("field"), indexName: try entry.string("name"))
      description.params = try entry.pairs("params")
      description.id = try entry.id("id")
      collection.indexes.append(
        Index(id: description.id, fieldID: try entry.id("field_id"), description: description))
    }
    collection.aliases = try fields.texts("aliases")
    if try fields.optionalArray("loaded") != nil {
      collection.loaded = Set(try fields.texts("loaded").compactMap { Int64($0) })
    }
    let truncated = try fields.fields("truncated_at")
    for key in truncated.object.members.map(\.key) {
      guard let tick = UInt64(try truncated.string(key)) else { throw truncated.wrong(key, "it is not a number") }
      collection.truncatedAt[key] = TimeTick(tick)
    }
    return collection
  }
}

extension JSONFields {
  fileprivate func wrong(_ key: String, _ message: String) -> JSONFieldError {
    JSONFieldError(path: path(of: key), message: message)
  }
  fileprivate func id(_ key: String) throws -> Int64 {
    guard let id = Int64(try string(key)) else { throw wrong(key, "it is not a number") }
    return id
  }
  fileprivate func texts(_ key: String) throws -> [String] {
    try array(key).map { value in
      guard let text = value.stringValue else { throw wrong(key, "it holds no texts") }
      return text
    }
  }
  fileprivate func pairs(_ key: String) throws -> [KeyValuePair] {
    try array(key).map { value in
      guard let pair = value.arrayValue, pair.count == 2, let name = pair[0].stringValue, let text = pair[1].stringValue
      else { throw wrong(key, "it holds no pairs") }
      return KeyValuePair(name, text)
    }
  }
}
