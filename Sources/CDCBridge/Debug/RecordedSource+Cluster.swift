internal import MilvusWire

/// The source's own cluster, which a recording does not have: whoever asks hears so. A task that follows a log asks its checkpoint first.
extension RecordedSource: MilvusCluster {
  func connect() async throws(CallError) -> ServerInfo { ServerInfo() }
  func getVersion() async throws(CallError) -> String { "a recording" }
  func checkHealth() async throws(CallError) -> HealthReport { HealthReport() }
  func close() async {}

  func listDatabases() async throws(CallError) -> [String] { throw unavailable("listDatabases") }
  func describeDatabase(_ name: String) async throws(CallError) -> DatabaseDescription { throw unavailable("describeDatabase") }
  func createDatabase(_ name: String, properties: [KeyValuePair]) async throws(CallError) { throw unavailable("createDatabase") }
  func alterDatabase(_ name: String, set: [KeyValuePair], delete: [String]) async throws(CallError) { throw unavailable("alterDatabase") }
  func dropDatabase(_ name: String) async throws(CallError) { throw unavailable("dropDatabase") }
  func showCollections(database: String) async throws(CallError) -> [CollectionSummary] { throw unavailable("showCollections") }
  func hasCollection(_ path: CollectionPath) async throws(CallError) -> Bool { throw unavailable("hasCollection") }
  func describeCollection(_ path: CollectionPath) async throws(CallError) -> CollectionDescription {
    throw unavailable("describeCollection")
  }
  func createCollection(_ creation: CollectionCreation) async throws(CallError) { throw unavailable("createCollection") }
  func dropCollection(_ path: CollectionPath) async throws(CallError) { throw unavailable("dropCollection") }
  func renameCollection(_ path: CollectionPath, to new: CollectionPath) async throws(CallError) { throw unavailable("renameCollection") }
  func alterCollection(_ path: CollectionPath, set: [KeyValuePair], delete: [String]) async throws(CallError) {
    throw unavailable("alterCollection")
  }
  func alterCollectionField(_ path: CollectionPath, field: String, set: [KeyValuePair], delete: [String]) async throws(CallError) {
    throw unavailable("alterCollectionField")
  }
  func addCollectionField(_ path: CollectionPath, field: FieldSchema) async throws(CallError) { throw unavailable("addCollectionField") }
  func truncateCollection(_ path: CollectionPath) async throws(CallError) { throw unavailable("truncateCollection") }
  func showPartitions(_ path: CollectionPath) async throws(CallError) -> [PartitionDescription] { throw unavailable("showPartitions") }
  func createPartition(_ path: CollectionPath, name: String) async throws(CallError) { throw unavailable("createPartition") }
  func dropPartition(_ path: CollectionPath, name: String) async throws(CallError) { throw unavailable("dropPartition") }
  func describeIndexes(_ path: CollectionPath) async throws(CallError) -> [IndexDescription] { throw unavailable("describeIndexes") }
  func createIndex(_ path: CollectionPath, index: IndexDescription) async throws(CallError) { throw unavailable("createIndex") }
  func dropIndex(_ path: CollectionPath, fieldName: String, indexName: String) async throws(CallError) { throw unavailable("dropIndex") }
  func loadCollection(_ path: CollectionPath, options: LoadOptions) async throws(CallError) { throw unavailable("loadCollection") }
  func releaseCollection(_ path: CollectionPath) async throws(CallError) { throw unavailable("releaseCollection") }
  func loadPartitions(_ path: CollectionPath, names: [String]) async throws(CallError) { throw unavailable("loadPartitions") }
  func releasePartitions(_ path: CollectionPath, names: [String]) async throws(CallError) { throw unavailable("releasePartitions") }
  func loadState(_ path: CollectionPath, partitions: [String]) async throws(CallError) -> LoadState { throw unavailable("loadState") }
  func listAliases(_ path: CollectionPath) async throws(CallError) -> [String] { throw unavailable("listAliases") }
  func describeAlias(database: String, alias: String) async throws(CallError) -> String { throw unavailable("describeAlias") }
  func createAlias(_ alias: String, for path: CollectionPath) async throws(CallError) { throw unavailable("createAlias") }
  func alterAlias(_ alias: String, to path: CollectionPath) async throws(CallError) { throw unavailable("alterAlias") }
  func dropAlias(database: String, alias: String) async throws(CallError) { throw unavailable("dropAlias") }
  func query(_ query: RowQuery) async throws(CallError) -> RowPage { throw unavailable("query") }
  func count(_ path: CollectionPath, expression: String, partitions: [String]) async throws(CallError) -> Int64 {
    throw unavailable("count")
  }
  func insert(_ batch: RowBatch) async throws(CallError) -> MutationCounts { throw unavailable("insert") }
  func upsert(_ batch: RowBatch) async throws(CallError) -> MutationCounts { throw unavailable("upsert") }
  func delete(_ path: CollectionPath, expression: String, partition: String) async throws(CallError) -> MutationCounts {
    throw unavailable("delete")
  }
  func flush(_ path: CollectionPath) async throws(CallError) { throw unavailable("flush") }
}
