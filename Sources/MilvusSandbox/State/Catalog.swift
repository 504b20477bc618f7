internal import MilvusWire

/// A database, whose name never changes.
struct DatabaseRecord {
  static let defaultName = "default"
  var id: Int64
  var name: String
  var properties: [KeyValuePair] = []
  var createdNanoseconds: UInt64
}

/// A collection without its rows: ids never change, names do.
struct CollectionRecord {
  var id: Int64
  var database: String
  var name: String
  /// As the log has it (`wal-protocol.md` §3.7): with ids, `$meta`, RowID and Timestamp. Struct fields are kept in their structs, under
  /// bare names.
  var schema: CollectionSchema
  var consistencyLevel: Int32
  var vchannels: [String]
  var partitions: [Partition]
  var indexes: [Index] = []
  /// nil: released.
  var load: LoadedSet?
  var createdTick: UInt64
  var updatedTick: UInt64
  /// What CreateCollection asked for: an equal request again is no error.
  var creationRequest: [UInt8] = []

  struct Partition {
    var id: Int64
    var name: String
    var createdTick: UInt64
  }
  struct Index {
    var id: Int64
    var name: String
    var fieldID: Int64
    var fieldName: String
    /// As the user gave them.
    var params: [KeyValuePair]
    /// What they resolve to.
    var resolved: [KeyValuePair]
    var isAutomatic: Bool
    var createdTick: UInt64
  }
  struct LoadedSet {
    var partitions: [Int64]
    /// Empty: all fields.
    var fields: [Int64]
    var replicas: Int64
  }

  static let defaultPartition = "_default"
  static let metaField = "$meta"
  /// Fields below are the system's (`wal-protocol.md` §3.7).
  static let firstUserField: Int64 = 100

  var properties: [KeyValuePair] { schema.properties }
  var key: FieldSchema? { schema.primaryKey }
  var hasPartitionKey: Bool { schema.partitionKey != nil }
  /// Fields of the user, the dynamic one left out.
  var userFields: [FieldSchema] {
    schema.fields.filter { $0.fieldID >= Self.firstUserField && !$0.isDynamic }
  }
  var dynamicField: FieldSchema? { schema.fields.first(where: \.isDynamic) }
  /// Every column that rows have: user fields, `$meta`, then the fields of structs as `struct[field]`.
  var storedFields: [FieldSchema] {
    schema.fields.filter { $0.fieldID >= Self.firstUserField && !isComputed($0) }
      + schema.structArrayFields.flatMap { structure in
        structure.fields.map { Self.qualified($0, in: structure) }
      }
  }
  func partition(named name: String) -> Partition? { partitions.first { $0.name == name } }
  func partition(_ id: Int64) -> Partition? { partitions.first { $0.id == id } }
  /// Outputs that the server computes later and rows do not hold.
  func isComputed(_ field: FieldSchema) -> Bool {
    schema.functions.contains {
      Self.computedFunctions.contains($0.type) && $0.outputFieldNames.contains(field.name)
    }
  }
  func pchannel(of vchannel: String) -> String {
    guard let end = vchannel.lastIndex(of: "_") else { return vchannel }
    return String(vchannel[..<end])
  }

  /// BM25 and MinHash.
  private static let computedFunctions: Set<Int32> = [1, 4]

  static func qualified(_ field: FieldSchema, in structure: StructArrayFieldSchema) -> FieldSchema {
    var field = field
    field.name = "\(structure.name)[\(field.name)]"
    field.nullable = field.nullable || structure.nullable
    return field
  }
}

/// A user with the names of its roles, or a role with what it may do.
struct AccessRules {
  /// Password (base64, as it came) and roles by user.
  var users: [String: User] = [:]
  var roles: Set<String> = ["admin", "public"]
  /// Grants in the form of `milvus.GrantEntity`.
  var grants: [JSONValue] = []
  var privilegeGroups: [String: [String]] = [:]
  var resourceGroups: [String: JSONObject] = ["__default_resource_group": JSONObject()]

  struct User {
    var password: String
    var roles: [String] = []
  }
}
