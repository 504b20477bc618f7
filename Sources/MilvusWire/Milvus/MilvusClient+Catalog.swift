// Databases, collections, partitions, indexes, load state and aliases (`public-rpc.md` §3).

extension MilvusClient {
  // MARK: Databases

  package func listDatabases() async throws(CallError) -> [String] {
    try await call("ListDatabases", { [] }, Responses.databaseNames)
  }

  package func describeDatabase(_ name: String) async throws(CallError) -> DatabaseDescription {
    try await call(
      "DescribeDatabase", { () throws(ProtobufError) in try Requests.describeDatabase(name) },
      Responses.database)
  }

  package func createDatabase(_ name: String, properties: [KeyValuePair]) async throws(CallError) {
    try await perform("CreateDatabase") { () throws(ProtobufError) in
      try Requests.createDatabase(name, properties)
    }
  }

  package func alterDatabase(_ name: String, set: [KeyValuePair], delete: [String]) async throws(CallError) {
    try await perform("AlterDatabase") { () throws(ProtobufError) in
      try Requests.alterDatabase(name, set: set, delete: delete)
    }
  }

  package func dropDatabase(_ name: String) async throws(CallError) {
    try await perform("DropDatabase") { () throws(ProtobufError) in try Requests.dropDatabase(name) }
  }

  // MARK: Collections

  package func showCollections(database: String) async throws(CallError) -> [CollectionSummary] {
    try await call(
      "ShowCollections", { () throws(ProtobufError) in try Requests.showCollections(database) },
      Responses.collections)
  }

  package func hasCollection(_ path: CollectionPath) async throws(CallError) -> Bool {
    try await call(
      "HasCollection", { () throws(ProtobufError) in try Requests.hasCollection(path) }, Responses.bool)
  }

  package func describeCollection(_ path: CollectionPath) async throws(CallError) -> CollectionDescription {
    try await call(
      "DescribeCollection", { () throws(ProtobufError) in try Requests.describeCollection(path) },
      Responses.collection)
  }

  package func createCollection(_ creation: CollectionCreation) async throws(CallError) {
    try await perform("CreateCollection") { () throws(ProtobufError) in
      try Requests.createCollection(creation)
    }
  }

  package func dropCollection(_ path: CollectionPath) async throws(CallError) {
    try await perform("DropCollection") { () throws(ProtobufError) in try Requests.dropCollection(path) }
  }

  package func renameCollection(_ path: CollectionPath, to new: CollectionPath) async throws(CallError) {
    try await perform("RenameCollection") { () throws(ProtobufError) in
      try Requests.renameCollection(path, to: new)
    }
  }

  package func alterCollection(_ path: CollectionPath, set: [KeyValuePair], delete: [String])
    async throws(CallError)
  {
    try await perform("AlterCollection") { () throws(ProtobufError) in
      try Requests.alterCollection(path, set: set, delete: delete)
    }
  }

  package func alterCollectionField(
    _ path: CollectionPath, field: String, set: [KeyValuePair], delete: [String]
  ) async throws(CallError) {
    try await perform("AlterCollectionField") { () throws(ProtobufError) in
      try Requests.alterCollectionField(path, field, set: set, delete: delete)
    }
  }

  package func addCollectionField(_ path: CollectionPath, field: FieldSchema) async throws(CallError) {
    try await perform("AddCollectionField") { () throws(ProtobufError) in
      try Requests.addCollectionField(path, field)
    }
  }

  package func truncateCollection(_ path: CollectionPath) async throws(CallError) {
    try await perform("TruncateCollection") { () throws(ProtobufError) in
      try Requests.truncateCollection(path)
    }
  }

  // MARK: Partitions

  package func showPartitions(_ path: CollectionPath) async throws(CallError) -> [PartitionDescription] {
    try await call(
      "ShowPartitions", { () throws(ProtobufError) in try Requests.showPartitions(path) },
      Responses.partitions)
  }

  package func createPartition(_ path: CollectionPath, name: String) async throws(CallError) {
    try await perform("CreatePartition") { () throws(ProtobufError) in
      try Requests.createPartition(path, name)
    }
  }

  package func dropPartition(_ path: CollectionPath, name: String) async throws(CallError) {
    try await perform("DropPartition") { () throws(ProtobufError) in try Requests.dropPartition(path, name) }
  }

  // MARK: Indexes

  package func describeIndexes(_ path: CollectionPath) async throws(CallError) -> [IndexDescription] {
    do throws(CallError) {
      return try await call(
        "DescribeIndex", { () throws(ProtobufError) in try Requests.describeIndexes(path) }, Responses.indexes
      )
    } catch {
      // "Index not found" is how servers say "none": 700, legacy 25 (`public-rpc.md` §2.2, §3.5).
      if case .status(let status, _) = error,
        status.code == 700 || (status.code == 0 && status.legacyErrorCode == 25)
      {
        return []
      }
      throw error
    }
  }

  package func createIndex(_ path: CollectionPath, index: IndexDescription) async throws(CallError) {
    try await perform("CreateIndex") { () throws(ProtobufError) in try Requests.createIndex(path, index) }
  }

  package func dropIndex(_ path: CollectionPath, fieldName: String, indexName: String) async throws(CallError) {
    try await perform("DropIndex") { () throws(ProtobufError) in
      try Requests.dropIndex(path, field: fieldName, index: indexName)
    }
  }

  // MARK: Load

  package func loadCollection(_ path: CollectionPath, options: LoadOptions) async throws(CallError) {
    try await perform("LoadCollection") { () throws(ProtobufError) in
      try Requests.loadCollection(path, options)
    }
  }

  package func releaseCollection(_ path: CollectionPath) async throws(CallError) {
    try await perform("ReleaseCollection") { () throws(ProtobufError) in try Requests.releaseCollection(path)
    }
  }

  package func loadPartitions(_ path: CollectionPath, names: [String]) async throws(CallError) {
    try await perform("LoadPartitions") { () throws(ProtobufError) in try Requests.loadPartitions(path, names)
    }
  }

  package func releasePartitions(_ path: CollectionPath, names: [String]) async throws(CallError) {
    try await perform("ReleasePartitions") { () throws(ProtobufError) in
      try Requests.releasePartitions(path, names)
    }
  }

  package func loadState(_ path: CollectionPath, partitions: [String]) async throws(CallError) -> LoadState {
    try await call(
      "GetLoadState", { () throws(ProtobufError) in try Requests.loadState(path, partitions) },
      Responses.loadState)
  }

  // MARK: Aliases

  package func listAliases(_ path: CollectionPath) async throws(CallError) -> [String] {
    try await call(
      "ListAliases", { () throws(ProtobufError) in try Requests.listAliases(path) }, Responses.aliases)
  }

  package func describeAlias(database: String, alias: String) async throws(CallError) -> String {
    try await call(
      "DescribeAlias", { () throws(ProtobufError) in try Requests.describeAlias(database, alias) },
      Responses.collectionOfAlias)
  }

  package func createAlias(_ alias: String, for path: CollectionPath) async throws(CallError) {
    try await perform("CreateAlias") { () throws(ProtobufError) in try Requests.createAlias(alias, path) }
  }

  package func alterAlias(_ alias: String, to path: CollectionPath) async throws(CallError) {
    try await perform("AlterAlias") { () throws(ProtobufError) in try Requests.alterAlias(alias, path) }
  }

  package func dropAlias(database: String, alias: String) async throws(CallError) {
    try await perform("DropAlias") { () throws(ProtobufError) in try Requests.dropAlias(database, alias) }
  }
}
