package import MilvusWire

/// The report as JSON: a contract, additive only.
///
/// | member | meaning |
/// |---|---|
/// | `verdict` | `equal`, `different` or `failed` |
/// | `source`, `target` | `host:port` |
/// | `collections[]` | `source`, `target` as `{database, name}`; `verdict`; `schema_differences[]`, `notes[]`; `failure` or null; `rows`; `units[]` |
/// | `units[]` | `partition` or null; `failure` or null; `rows` |
/// | `rows` | `source`, `target`: rows read; `source_count`, `target_count`: `count(*)` or null; `source_repeats`, `target_repeats`: rows beside another of the same key, or null; `equal`, `missing`, `extra`, `different`; `missing_keys[]`, `extra_keys[]`, `different_keys[]`: a sample |
extension ComparisonReport {
  package var json: JSONValue {
    .object(
      JSONObject([
        ("verdict", .string(verdict.rawValue)), ("source", .string(source)), ("target", .string(target)),
        ("collections", .array(collections.map(\.json))),
      ]))
  }
}

extension CollectionReport {
  fileprivate var json: JSONValue {
    .object(
      JSONObject([
        ("source", Self.json(source)), ("target", Self.json(target)), ("verdict", .string(verdict.rawValue)),
        ("schema_differences", .array(schemaDifferences.map(JSONValue.string))),
        ("notes", .array(notes.map(JSONValue.string))), ("failure", .text(failure)), ("rows", rows.json),
        ("units", .array(units.map(\.json))),
      ]))
  }
  private static func json(_ path: CollectionPath) -> JSONValue {
    .object(JSONObject([("database", .string(path.database)), ("name", .string(path.name))]))
  }
}

extension UnitReport {
  fileprivate var json: JSONValue {
    .object(JSONObject([("partition", .text(partition)), ("failure", .text(failure)), ("rows", rows.json)]))
  }
}

extension RowTally {
  fileprivate var json: JSONValue {
    .object(
      JSONObject([
        ("source", .int(sourceRows)), ("target", .int(targetRows)), ("source_count", Self.json(sourceCount)),
        ("target_count", Self.json(targetCount)), ("source_repeats", Self.json(sourceRepeats)),
        ("target_repeats", Self.json(targetRepeats)), ("equal", .int(equal)), ("missing", .int(missing)),
        ("extra", .int(extra)), ("different", .int(different)), ("missing_keys", Self.json(missingKeys)),
        ("extra_keys", Self.json(extraKeys)), ("different_keys", Self.json(differentKeys)),
      ]))
  }
  private static func json(_ number: Int64?) -> JSONValue { number.map { .int($0) } ?? .null }
  private static func json(_ keys: [RowKey]) -> JSONValue {
    .array(
      keys.map { key in
        switch key {
        case .int(let value): .int(value)
        case .text(let bytes): .string(String(decoding: bytes, as: UTF8.self))
        }
      })
  }
}
