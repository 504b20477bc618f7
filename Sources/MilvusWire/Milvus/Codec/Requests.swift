internal import CProtobuf

/// Encodes requests of MilvusService. `base` is never sent, database and object names always are
/// (`public-rpc.md` §1.3, §3).
///
/// An empty name means something else than it says on some server – Milvus Lite takes it for `default`, for
/// every index or for every row (`public-rpc.md` §7.2, §8.2) – so requests refuse it.
enum Requests {
  static func connect(user: String) throws(ProtobufError) -> [UInt8] {
    try ProtobufMessage.encode(Milvus__ConnectRequest.self) { (message, arena) throws(ProtobufError) in
      message.client_info = try arena.message(Common__ClientInfo.self) { (info) throws(ProtobufError) in
        info.sdk_type = try arena.string("cdc-bridge", "client_info.sdk_type")
        info.sdk_version = try arena.string(ProductVersion.text, "client_info.sdk_version")
        info.user = try arena.string(user, "client_info.user")
      }
    }
  }

  // MARK: Databases

  static func describeDatabase(_ name: String) throws(ProtobufError) -> [UInt8] {
    try inDatabase(Milvus__DescribeDatabaseRequest.self, name)
  }
  static func createDatabase(_ name: String, _ properties: [KeyValuePair]) throws(ProtobufError) -> [UInt8] {
    try inDatabase(Milvus__CreateDatabaseRequest.self, name) { (message, arena) throws(ProtobufError) in
      (message.n_properties, message.properties) = try arena.pairs(properties, "properties")
    }
  }
  static func alterDatabase(_ name: String, set: [KeyValuePair], delete: [String]) throws(ProtobufError)
    -> [UInt8]
  {
    try inDatabase(Milvus__AlterDatabaseRequest.self, name) { (message, arena) throws(ProtobufError) in
      (message.n_properties, message.properties) = try arena.pairs(set, "properties")
      (message.n_delete_keys, message.delete_keys) = try arena.strings(delete, "delete_keys")
    }
  }
  static func dropDatabase(_ name: String) throws(ProtobufError) -> [UInt8] {
    try inDatabase(Milvus__DropDatabaseRequest.self, name)
  }
  static func showCollections(_ database: String) throws(ProtobufError) -> [UInt8] {
    try inDatabase(Milvus__ShowCollectionsRequest.self, orDefault(database))
  }

  // MARK: Collections

  static func hasCollection(_ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__HasCollectionRequest.self, path)
  }
  static func describeCollection(_ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__DescribeCollectionRequest.self, path)
  }
  static func createCollection(_ creation: CollectionCreation) throws(ProtobufError) -> [UInt8] {
    let schema = try creation.schema.encoded()
    return try onCollection(Milvus__CreateCollectionRequest.self, creation.path) {
      (message, arena) throws(ProtobufError) in
      message.schema = arena.bytes(schema)
      message.shards_num = creation.shardsNum
      message.consistency_level = Common__ConsistencyLevel(creation.consistencyLevel)
      (message.n_properties, message.properties) = try arena.pairs(creation.properties, "properties")
      message.num_partitions = creation.numPartitions
    }
  }
  static func dropCollection(_ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__DropCollectionRequest.self, path)
  }
  static func renameCollection(_ path: CollectionPath, to new: CollectionPath) throws(ProtobufError)
    -> [UInt8]
  {
    try inDatabase(Milvus__RenameCollectionRequest.self, path.database) {
      (message, arena) throws(ProtobufError) in
      message.oldname = try arena.name(path.name, "oldName")
      message.newname = try arena.name(new.name, "newName")
      message.newdbname = try arena.name(new.database, "newDBName")
    }
  }
  static func alterCollection(_ path: CollectionPath, set: [KeyValuePair], delete: [String])
    throws(ProtobufError)
    -> [UInt8]
  {
    try onCollection(Milvus__AlterCollectionRequest.self, path) { (message, arena) throws(ProtobufError) in
      (message.n_properties, message.properties) = try arena.pairs(set, "properties")
      (message.n_delete_keys, message.delete_keys) = try arena.strings(delete, "delete_keys")
    }
  }
  static func alterCollectionField(
    _ path: CollectionPath, _ field: String, set: [KeyValuePair], delete: [String]
  )
    throws(ProtobufError) -> [UInt8]
  {
    try onCollection(Milvus__AlterCollectionFieldRequest.self, path) {
      (message, arena) throws(ProtobufError) in
      message.field_name = try arena.name(field, "field_name")
      (message.n_properties, message.properties) = try arena.pairs(set, "properties")
      (message.n_delete_keys, message.delete_keys) = try arena.strings(delete, "delete_keys")
    }
  }
  static func addCollectionField(_ path: CollectionPath, _ field: FieldSchema) throws(ProtobufError)
    -> [UInt8]
  {
    let schema = try field.encoded()
    return try onCollection(Milvus__AddCollectionFieldRequest.self, path) {
      (message, arena) throws(ProtobufError) in
      message.schema = arena.bytes(schema)
    }
  }
  static func truncateCollection(_ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__TruncateCollectionRequest.self, path)
  }

  // MARK: Partitions and indexes

  static func showPartitions(_ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__ShowPartitionsRequest.self, path)
  }
  static func createPartition(_ path: CollectionPath, _ name: String) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__CreatePartitionRequest.self, path) { (message, arena) throws(ProtobufError) in
      message.partition_name = try arena.name(name, "partition_name")
    }
  }
  static func dropPartition(_ path: CollectionPath, _ name: String) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__DropPartitionRequest.self, path) { (message, arena) throws(ProtobufError) in
      message.partition_name = try arena.name(name, "partition_name")
    }
  }
  /// Neither field nor index is named: all indexes (2.3.5 ignores the field, Lite an unknown index).
  static func describeIndexes(_ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__DescribeIndexRequest.self, path)
  }
  static func createIndex(_ path: CollectionPath, _ index: IndexDescription) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__CreateIndexRequest.self, path) { (message, arena) throws(ProtobufError) in
      message.field_name = try arena.name(index.fieldName, "field_name")
      message.index_name = try arena.name(index.indexName, "index_name")
      (message.n_extra_params, message.extra_params) = try arena.pairs(index.params, "extra_params")
    }
  }
  static func dropIndex(_ path: CollectionPath, field: String, index: String) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__DropIndexRequest.self, path) { (message, arena) throws(ProtobufError) in
      message.field_name = try arena.name(field, "field_name")
      message.index_name = try arena.name(index, "index_name")
    }
  }

  // MARK: Load

  static func loadCollection(_ path: CollectionPath, _ options: LoadOptions) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__LoadCollectionRequest.self, path) { (message, arena) throws(ProtobufError) in
      message.replica_number = options.replicaNumber
      (message.n_load_fields, message.load_fields) = try arena.strings(options.loadFields, "load_fields")
      message.skip_load_dynamic_field = options.skipLoadDynamicField ? 1 : 0
    }
  }
  static func releaseCollection(_ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__ReleaseCollectionRequest.self, path)
  }
  static func loadPartitions(_ path: CollectionPath, _ names: [String]) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__LoadPartitionsRequest.self, path) { (message, arena) throws(ProtobufError) in
      (message.n_partition_names, message.partition_names) = try arena.names(names, "partition_names")
    }
  }
  static func releasePartitions(_ path: CollectionPath, _ names: [String]) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__ReleasePartitionsRequest.self, path) { (message, arena) throws(ProtobufError) in
      (message.n_partition_names, message.partition_names) = try arena.names(names, "partition_names")
    }
  }
  static func loadState(_ path: CollectionPath, _ partitions: [String]) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__GetLoadStateRequest.self, path) { (message, arena) throws(ProtobufError) in
      (message.n_partition_names, message.partition_names) = try arena.strings(partitions, "partition_names")
    }
  }

  // MARK: Aliases

  static func listAliases(_ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__ListAliasesRequest.self, path)
  }
  static func describeAlias(_ database: String, _ alias: String) throws(ProtobufError) -> [UInt8] {
    try inDatabase(Milvus__DescribeAliasRequest.self, orDefault(database)) {
      (message, arena) throws(ProtobufError) in
      message.alias = try arena.name(alias, "alias")
    }
  }
  static func createAlias(_ alias: String, _ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__CreateAliasRequest.self, path) { (message, arena) throws(ProtobufError) in
      message.alias = try arena.name(alias, "alias")
    }
  }
  static func alterAlias(_ alias: String, _ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try onCollection(Milvus__AlterAliasRequest.self, path) { (message, arena) throws(ProtobufError) in
      message.alias = try arena.name(alias, "alias")
    }
  }
  static func dropAlias(_ database: String, _ alias: String) throws(ProtobufError) -> [UInt8] {
    try inDatabase(Milvus__DropAliasRequest.self, orDefault(database)) {
      (message, arena) throws(ProtobufError) in
      message.alias = try arena.name(alias, "alias")
    }
  }

  // MARK: Shapes

  /// Where a database only says where to look, the empty one is `default` on every server.
  private static func orDefault(_ database: String) -> String { database.isEmpty ? "default" : database }

  static func inDatabase<Structure: DatabaseRequest>(
    _ type: Structure.Type, _ database: String,
    _ fill: (inout Structure, PackArena) throws(ProtobufError) -> Void = { (_, _) throws(ProtobufError) in }
  ) throws(ProtobufError) -> [UInt8] {
    try ProtobufMessage.encode(type) { (message, arena) throws(ProtobufError) in
      message.db_name = try arena.name(database, "db_name")
      try fill(&message, arena)
    }
  }

  static func onCollection<Structure: CollectionRequest>(
    _ type: Structure.Type, _ path: CollectionPath,
    _ fill: (inout Structure, PackArena) throws(ProtobufError) -> Void = { (_, _) throws(ProtobufError) in }
  ) throws(ProtobufError) -> [UInt8] {
    try inDatabase(type, path.database) { (message, arena) throws(ProtobufError) in
      message.collection_name = try arena.name(path.name, "collection_name")
      try fill(&message, arena)
    }
  }
}

extension PackArena {
  /// A name that must not be empty.
  func name(_ name: String, _ field: StaticString) throws(ProtobufError) -> UnsafeMutablePointer<CChar>? {
    guard !name.isEmpty else { throw ProtobufError(.refused, "\(field) is empty") }
    return try string(name, field)
  }

  /// A list of names that must not be empty.
  func names(_ names: [String], _ field: StaticString) throws(ProtobufError)
    -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?)
  {
    guard !names.isEmpty, !names.contains("") else { throw ProtobufError(.refused, "\(field) is empty") }
    return try strings(names, field)
  }
}

/// A request with `db_name`.
protocol DatabaseRequest: ProtobufStructure {
  var db_name: UnsafeMutablePointer<CChar>! { get set }
}
/// A request with `db_name` and `collection_name`.
protocol CollectionRequest: DatabaseRequest {
  var collection_name: UnsafeMutablePointer<CChar>! { get set }
}
