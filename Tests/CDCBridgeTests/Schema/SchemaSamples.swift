import CDCBridge
import MilvusWire
import TestSupport

/// Small schemas and states that the tests of the schema side share.
enum Sample {
  static let milvus235 = profile(.milvus, (2, 3, 5))
  static let milvus26 = profile(.milvus, (2, 6, 5))
  static let lite = profile(.lite, (3, 2, 2))

  static func profile(_ kind: ServerProfile.Kind, _ version: (Int, Int, Int)) -> ServerProfile {
    var profile = ServerProfile(
      kind: kind, version: ServerProfile.Version(version.0, version.1, version.2), versionText: "")
    profile.hasAllocTimestamp = kind == .milvus
    profile.hasAddField = kind == .milvus && version >= (2, 6, 0)
    return profile
  }

  static func path(_ name: String, database: String = "default") -> CollectionPath {
    CollectionPath(database: database, name: name)
  }

  static func field(
    _ name: String, _ type: DataType, _ parameters: [String: String] = [:],
    _ change: (inout FieldSchema) -> Void = { _ in }
  ) -> FieldSchema {
    var field = FieldSchema(name: name, dataType: type)
    field.typeParams = parameters.sorted { $0.key < $1.key }.map { KeyValuePair($0.key, $0.value) }
    change(&field)
    return field
  }

  /// `id` int64 key, `v` float vector of 4, and more.
  static func schema(_ name: String = "a", _ more: [FieldSchema] = []) -> CollectionSchema {
    var schema = CollectionSchema(name: name)
    schema.fields = [
      field("id", .int64) { $0.isPrimaryKey = true }, field("v", .floatVector, ["dim": "4"]),
    ]
    schema.fields += more
    return schema
  }

  static func state(
    _ schema: CollectionSchema = schema(), id: Int64 = 7, database: String = "default",
    _ change: (inout CollectionState) -> Void = { _ in }
  ) -> CollectionState {
    var description = CollectionDescription(schema: schema)
    description.name = schema.name
    description.id = id
    description.createdAt = TimeTick(UInt64(id) << 18)
    description.numPartitions = 1
    var state = CollectionState(
      path: CollectionPath(database: database, name: schema.name), description: description)
    change(&state)
    return state
  }

  static func index(
    _ field: String, _ name: String, _ pairs: [String: String]
  ) -> IndexDescription {
    var index = IndexDescription(fieldName: field, indexName: name)
    index.params = pairs.sorted { $0.key < $1.key }.map { KeyValuePair($0.key, $0.value) }
    return index
  }
  static let hnsw = index(
    "v", "iv", ["index_type": "HNSW", "metric_type": "L2", "params": #"{"M":8,"efConstruction":64}"#])

  static func record(
    source: CollectionState, target: CollectionState, profile: ServerProfile = milvus235,
    targetProfile: ServerProfile = milvus235
  ) throws -> OwnedCollection {
    let blueprint = try SchemaBlueprint(
      source: source, target: target.path, sourceProfile: profile, targetProfile: targetProfile)
    var record = OwnedCollection(
      source: source.path, target: target.path, stage: .owned, sourceIdentity: source.identity,
      fingerprint: blueprint.creation.fingerprint)
    record.targetIdentity = target.identity
    record.isSetUp = true
    return record
  }
}
