package import MilvusWire

/// Databases, collections, aliases (`public-rpc.md` §3.1, §3.2, §3.7).
extension FakeCluster {
  package func listDatabases() async throws(CallError) -> [String] {
    try await call("ListDatabases") { state throws(CallError) in state.databases.keys.sorted() }
  }

  package func describeDatabase(_ name: String) async throws(CallError) -> DatabaseDescription {
    try await call("DescribeDatabase") { [self] state throws(CallError) in
      if !manners.isLite { throw unimplemented("DescribeDatabase") }
      guard let database = state.databases[name] else {
        throw refusal("DescribeDatabase", milvus: (800, ""), lite: (6, "database '\(name)' not found"))
      }
      var description = DatabaseDescription(name: name)
      description.properties = database.properties
      return description
    }
  }

  package func createDatabase(_ name: String, properties: [KeyValuePair]) async throws(CallError) {
    try await call("CreateDatabase") { [self] state throws(CallError) in
      guard state.databases[name] == nil else {
        throw refusal(
          "CreateDatabase", milvus: (65535, "database already exist: \(name)"),
          lite: (6, "database '\(name)' already exists"))
      }
      var database = FakeDatabase()
      if manners.isLite { database.properties = properties }
      state.databases[name] = database
    }
  }

  package func alterDatabase(_ name: String, set: [KeyValuePair], delete: [String]) async throws(CallError) {
    try await call("AlterDatabase") { [self] state throws(CallError) in
      if !manners.isLite { throw unimplemented("AlterDatabase") }
      guard var database = state.databases[name] else {
        throw refusal("AlterDatabase", milvus: (800, ""), lite: (6, "database '\(name)' not found"))
      }
      database.properties = Self.altered(database.properties, set: set, delete: delete)
      state.databases[name] = database
    }
  }

  package func dropDatabase(_ name: String) async throws(CallError) {
    try await call("DropDatabase") { [self] state throws(CallError) in
      if name == "default" {
        throw refusal("DropDatabase", milvus: (65535, "can not drop default database"), lite: (1, "default"))
      }
      guard let database = state.databases[name] else {
        if manners.isLite { throw refusal("DropDatabase", milvus: (0, ""), lite: (6, "database '\(name)' not found")) }
        return
      }
      guard database.collections.isEmpty else {
        throw refusal(
          "DropDatabase", milvus: (65535, "database:\(name) not empty, must drop all collections before drop database"),
          lite: (6, "database '\(name)' is not empty"))
      }
      state.databases[name] = nil
    }
  }

  static func altered(_ pairs: [KeyValuePair], set: [KeyValuePair], delete: [String]) -> [KeyValuePair] {
    var result = pairs.filter { !delete.contains($0.key) }
    for pair in set {
      result.removeAll { $0.key == pair.key }
      result.append(pair)
    }
    return result
  }

  // MARK: Collections

  package func showCollections(database: String) async throws(CallError) -> [CollectionSummary] {
    try await call("ShowCollections") { [self] state throws(CallError) in
      guard let found = state.databases[database] else {
        throw refusal("ShowCollections", milvus: (800, "database not found[database=\(database)]"), lite: (1, "database"))
      }
      let list = found.collections.map { name, collection in
        var summary = CollectionSummary(name: name)
        summary.id = collection.description.id
        summary.createdAt = collection.description.createdAt
        return summary
      }
      return manners.isLite ? list.sorted { $0.name < $1.name } : list.shuffled(using: &state.random)
    }
  }

  package func hasCollection(_ path: CollectionPath) async throws(CallError) -> Bool {
    try await call("HasCollection", path) { [self] state throws(CallError) in
      if manners.isLite, state.databases[path.database] == nil {
        throw refusal("HasCollection", milvus: (0, ""), lite: (1, "database"))
      }
      return state.resolve(path) != nil
    }
  }

  package func describeCollection(_ path: CollectionPath) async throws(CallError) -> CollectionDescription {
    try await call("DescribeCollection", path) { [self] state throws(CallError) in
      guard let real = state.resolve(path), var description = state[real]?.description else {
        throw noCollection("DescribeCollection", path)
      }
      description.aliases = state.databases[path.database]?.aliases.filter { $0.value == real.name }.keys.sorted() ?? []
      return description
    }
  }

  package func createCollection(_ creation: CollectionCreation) async throws(CallError) {
    try await call("CreateCollection", creation.path) { [self] state throws(CallError) in
      let path = creation.path
      guard let database = state.databases[path.database] else {
        throw refusal("CreateCollection", milvus: (65535, "database:\(path.database) not found"), lite: (6, "database"))
      }
      try check(creation)
      let wanted = stored(creation, &state)
      if let old = database.collections[path.name] {
        if !manners.isLite, isSame(old.description, wanted.description) { return }
        throw refusal(
          "CreateCollection", milvus: (65535, "create duplicate collection with different parameters, collection: \(path.name)"),
          lite: (1, "collection '\(path.name)' already exists"))
      }
      state[path] = wanted
    }
  }

  private func check(_ creation: CollectionCreation) throws(CallError) {
    let fields = creation.schema.fields
    if manners.isLite {
      let known: Set<DataType> = [
        .bool, .int8, .int16, .int32, .int64, .float, .double, .varChar, .array, .json, .geometry, .timestamptz,
        .floatVector, .sparseFloatVector,
      ]
      for field in fields where !known.contains(field.dataType) {
        throw refusal("CreateCollection", milvus: (0, ""), lite: (6, "unsupported data type \(field.dataType.rawValue)"))
      }
      return
    }
    if creation.schema.name != creation.path.name {
      throw refusal("CreateCollection", milvus: (1100, "collection name matches schema name: invalid parameter"), lite: (6, ""))
    }
    if fields.count(where: \.dataType.isVector) > 1 {
      throw refusal("CreateCollection", milvus: (65535, "multiple vector fields is not supported"), lite: (6, ""))
    }
    if creation.numPartitions != 0, creation.schema.partitionKey == nil {
      throw refusal(
        "CreateCollection", milvus: (65535, "num_partitions should only be specified with partition key field enabled"), lite: (6, ""))
    }
    for field in fields where field.name == "$meta" || field.name == "RowID" || field.name == "Timestamp" {
      throw refusal("CreateCollection", milvus: (1100, "field \(field.name) is reserved"), lite: (6, ""))
    }
    for field in fields where field.dataType == .array && field.elementType == .varChar && field.typeParams["max_length"] == nil {
      throw refusal("CreateCollection", milvus: (65535, "type param(max_length) should be specified"), lite: (6, ""))
    }
  }

  /// The collection as the server keeps it: what it drops, adds and assigns.
  private func stored(_ creation: CollectionCreation, _ state: inout FakeState) -> FakeCollection {
    var schema = creation.schema
    schema.name = creation.path.name
    let hasPartitionKey = schema.partitionKey != nil
    for index in schema.fields.indices {
      schema.fields[index].fieldID = manners.isLite ? 0 : 100 + Int64(index)
      if manners.isLite {
        schema.fields[index].description = ""
        schema.fields[index].isClusteringKey = false
        if schema.fields[index].dataType == .array { schema.fields[index].typeParams.removeAll { $0.key == "max_length" } }
      } else {
        schema.fields[index].nullable = false
      }
    }
    if manners.isLite { schema.description = "" } else { schema.functions = [] }
    var description = CollectionDescription(schema: schema)
    description.name = creation.path.name
    description.dbName = creation.path.database
    description.properties = creation.properties
    if manners.isLite {
      description.numPartitions = hasPartitionKey ? 17 : 1
    } else {
      description.id = state.newID()
      description.createdAt = TimeTick(state.now())
      description.shardsNum = max(1, creation.shardsNum)
      description.consistencyLevel = creation.consistencyLevel
      description.numPartitions = hasPartitionKey ? (creation.numPartitions == 0 ? 64 : creation.numPartitions) : 1
    }
    var names = ["_default"]
    if hasPartitionKey {
      names = manners.isLite ? ["_default"] + (0..<16).map { "_pk_\($0)" } : (0..<description.numPartitions).map { "_default_\($0)" }
    }
    let partitions = names.map { name in
      var partition = PartitionDescription(name: name)
      partition.id = manners.isLite ? 0 : state.newID()
      return partition
    }
    var collection = FakeCollection(description: description, partitions: partitions)
    collection.isLoaded = manners.isLite
    return collection
  }

  private func isSame(_ a: CollectionDescription, _ b: CollectionDescription) -> Bool {
    a.schema == b.schema && a.shardsNum == b.shardsNum && a.properties == b.properties
      && a.consistencyLevel == b.consistencyLevel && a.numPartitions == b.numPartitions
  }

  package func dropCollection(_ path: CollectionPath) async throws(CallError) {
    try await call("DropCollection", path) { [self] state throws(CallError) in
      if let target = state.databases[path.database]?.aliases[path.name] {
        if !manners.isLite {
          throw refusal("DropCollection", milvus: (65535, "cannot drop the collection via alias = \(path.name)"), lite: (1, ""))
        }
        state.databases[path.database]?.collections[target] = nil
        return
      }
      state.databases[path.database]?.collections[path.name] = nil
      if manners.isLite {
        for (alias, name) in state.databases[path.database]?.aliases ?? [:] where name == path.name {
          state.databases[path.database]?.aliases[alias] = nil
        }
      }
    }
  }

  package func renameCollection(_ path: CollectionPath, to new: CollectionPath) async throws(CallError) {
    try await call("RenameCollection", path) { [self] state throws(CallError) in
      guard var collection = state[path] else { throw noCollection("RenameCollection", path) }
      // Lite ignores the new database: it renames inside the old one.
      let place = manners.isLite ? CollectionPath(database: path.database, name: new.name) : new
      guard state[place] == nil, state.databases[place.database] != nil else {
        throw refusal("RenameCollection", milvus: (65535, "duplicated new collection name \(new.name)"), lite: (100, new.name))
      }
      state[path] = nil
      collection.description.name = place.name
      collection.description.schema.name = place.name
      collection.description.dbName = place.database
      state[place] = collection
      for (alias, name) in state.databases[path.database]?.aliases ?? [:] where name == path.name {
        state.databases[path.database]?.aliases[alias] = nil
        state.databases[place.database]?.aliases[alias] = place.name
      }
    }
  }

  package func alterCollection(_ path: CollectionPath, set: [KeyValuePair], delete: [String]) async throws(CallError) {
    try await call("AlterCollection", path) { [self] state throws(CallError) in
      guard let real = state.resolve(path), var collection = state[real] else { throw noCollection("AlterCollection", path) }
      // 2.3.5 does not know delete_keys: the request looks empty.
      if !manners.isLite, set.isEmpty { throw refusal("AlterCollection", milvus: (65535, "properties is empty"), lite: (0, "")) }
      collection.description.properties = Self.altered(
        collection.description.properties, set: set, delete: manners.isLite ? delete : [])
      state[real] = collection
    }
  }

  package func alterCollectionField(_ path: CollectionPath, field: String, set: [KeyValuePair], delete: [String])
    async throws(CallError)
  {
    try await call("AlterCollectionField", path) { [self] _ throws(CallError) in throw unimplemented("AlterCollectionField") }
  }
  package func addCollectionField(_ path: CollectionPath, field: FieldSchema) async throws(CallError) {
    try await call("AddCollectionField", path) { [self] _ throws(CallError) in throw unimplemented("AddCollectionField") }
  }
  package func truncateCollection(_ path: CollectionPath) async throws(CallError) {
    try await call("TruncateCollection", path) { [self] state throws(CallError) in
      if !manners.isLite { throw unimplemented("TruncateCollection") }
      guard let real = state.resolve(path), var collection = state[real] else { throw noCollection("TruncateCollection", path) }
      collection.rows = [:]
      state[real] = collection
    }
  }

  // MARK: Aliases

  package func listAliases(_ path: CollectionPath) async throws(CallError) -> [String] {
    try await call("ListAliases", path) { state throws(CallError) in
      state.databases[path.database]?.aliases.filter { $0.value == path.name }.keys.sorted() ?? []
    }
  }
  package func describeAlias(database: String, alias: String) async throws(CallError) -> String {
    try await call("DescribeAlias") { [self] state throws(CallError) in
      guard let name = state.databases[database]?.aliases[alias] else {
        throw refusal("DescribeAlias", milvus: (1600, "alias not found[alias=\(alias)]"), lite: (100, "alias '\(alias)'"))
      }
      return name
    }
  }
  package func createAlias(_ alias: String, for path: CollectionPath) async throws(CallError) {
    try await call("CreateAlias", path) { [self] state throws(CallError) in
      guard state[path] != nil else { throw noCollection("CreateAlias", path) }
      if state[CollectionPath(database: path.database, name: alias)] != nil {
        throw refusal("CreateAlias", milvus: (1601, "alias conflicts with a collection"), lite: (1, "conflict"))
      }
      if let old = state.databases[path.database]?.aliases[alias] {
        if !manners.isLite, old == path.name { return }
        throw refusal("CreateAlias", milvus: (1602, "\(alias) is alias to another collection: \(old)"), lite: (1, "already exists"))
      }
      state.databases[path.database]?.aliases[alias] = path.name
    }
  }
  package func alterAlias(_ alias: String, to path: CollectionPath) async throws(CallError) {
    try await call("AlterAlias", path) { [self] state throws(CallError) in
      guard state[path] != nil else { throw noCollection("AlterAlias", path) }
      guard state.databases[path.database]?.aliases[alias] != nil else {
        throw refusal("AlterAlias", milvus: (1600, "alias not found[alias=\(alias)]"), lite: (100, "alias '\(alias)'"))
      }
      state.databases[path.database]?.aliases[alias] = path.name
    }
  }
  package func dropAlias(database: String, alias: String) async throws(CallError) {
    try await call("DropAlias") { state throws(CallError) in state.databases[database]?.aliases[alias] = nil }
  }
}
