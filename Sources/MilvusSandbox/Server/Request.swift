internal import MilvusWire

/// A request in its proto3 JSON form. Small messages only: rows never come this way.
struct Request: Sendable {
  let fields: JSONObject
  /// From the field where it is set, else from the metadata `dbname`, else `default` (`public-rpc.md` §1.3).
  let database: String

  init(_ fields: JSONObject, database: String = "") {
    self.fields = fields
    let named = fields.text("db_name")
    self.database = !named.isEmpty ? named : !database.isEmpty ? database : DatabaseRecord.defaultName
  }

  var collection: String { fields.text("collection_name") }
  func text(_ name: String) -> String { fields.text(name) }
}

/// Members of a message in proto3 JSON: what is left out has its default.
extension JSONObject {
  func text(_ name: String) -> String { self[name]?.stringValue ?? "" }
  func flag(_ name: String) -> Bool { self[name]?.boolValue ?? false }
  /// 64-bit numbers are texts in proto3 JSON.
  func integer(_ name: String) -> Int64 { self[name].flatMap(Self.integer) ?? 0 }
  func unsigned(_ name: String) -> UInt64 {
    guard let value = self[name] else { return 0 }
    return value.stringValue.flatMap { UInt64($0) } ?? value.uint64Value ?? 0
  }
  func bytes(_ name: String) -> [UInt8] { Base64.decode(text(name)) ?? [] }
  func object(_ name: String) -> JSONObject { self[name]?.objectValue ?? JSONObject() }
  func objects(_ name: String) -> [JSONObject] { self[name]?.arrayValue?.compactMap(\.objectValue) ?? [] }
  func texts(_ name: String) -> [String] { self[name]?.arrayValue?.compactMap(\.stringValue) ?? [] }
  func integers(_ name: String) -> [Int64] { self[name]?.arrayValue?.compactMap(Self.integer) ?? [] }
  func pairs(_ name: String) -> [KeyValuePair] {
    objects(name).map { KeyValuePair($0.text("key"), $0.text("value")) }
  }

  private static func integer(_ value: JSONValue) -> Int64? {
    value.stringValue.flatMap { Int64($0) } ?? value.int64Value
  }
}

extension JSONValue {
  static func pairs(_ pairs: [KeyValuePair]) -> JSONValue {
    .array(pairs.map { ["key": .string($0.key), "value": .string($0.value)] })
  }
  static func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
  static func integers(_ numbers: some Sequence<Int64>) -> JSONValue { .array(numbers.map { .int($0) }) }
  static func ticks(_ ticks: [UInt64]) -> JSONValue { .array(ticks.map { .int($0) }) }
}

extension [KeyValuePair] {
  /// With `changes` set and `deleted` taken out; new keys stand at the end.
  func changed(_ changes: [KeyValuePair], deleting deleted: [String] = []) -> [KeyValuePair] {
    var pairs = filter { pair in !deleted.contains(pair.key) }
    for change in changes {
      if let place = pairs.firstIndex(where: { $0.key == change.key }) {
        pairs[place] = change
      } else {
        pairs.append(change)
      }
    }
    return pairs
  }
}
