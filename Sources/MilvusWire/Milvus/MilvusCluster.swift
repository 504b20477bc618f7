/// The RPCs of `milvus.proto.milvus.MilvusService` that the bridge makes, typed.
///
/// Contract. Every call has a deadline and ends with one `CallError`: a non-zero Milvus Status is an error,
/// also where gRPC said OK. No call is repeated inside (the caller's policy decides), but a call that finds
/// the connection down makes one. Calls may be made at the same time; nothing orders them. Cancelling the
/// awaiting task cancels the RPC. Database names are always sent in the request, `default` included; `base`
/// is never sent.
package protocol MilvusCluster: Sendable {
  /// `host:port`, for messages.
  var peer: String { get }

  // Server
  func connect() async throws(CallError) -> ServerInfo
  func getVersion() async throws(CallError) -> String
  func checkHealth() async throws(CallError) -> HealthReport
  func allocTimestamp() async throws(CallError) -> TimeTick

  // Databases
  func listDatabases() async throws(CallError) -> [String]
  func describeDatabase(_ name: String) async throws(CallError) -> DatabaseDescription
  func createDatabase(_ name: String, properties: [KeyValuePair]) async throws(CallError)
  func alterDatabase(_ name: String, set: [KeyValuePair], delete: [String]) async throws(CallError)
  func dropDatabase(_ name: String) async throws(CallError)

  // Collections
  func showCollections(database: String) async throws(CallError) -> [CollectionSummary]
  func hasCollection(_ path: CollectionPath) async throws(CallError) -> Bool
  func describeCollection(_ path: CollectionPath) async throws(CallError) -> CollectionDescription
  func createCollection(_ creation: CollectionCreation) async throws(CallError)
  func dropCollection(_ path: CollectionPath) async throws(CallError)
  func renameCollection(_ path: CollectionPath, to new: CollectionPath) async throws(CallError)
  func alterCollection(_ path: CollectionPath, set: [KeyValuePair], delete: [String]) async throws(CallError)
  func alterCollectionField(_ path: CollectionPath, field: String, set: [KeyValuePair], delete: [String])
    async throws(CallError)
  func addCollectionField(_ path: CollectionPath, field: FieldSchema) async throws(CallError)
  func truncateCollection(_ path: CollectionPath) async throws(CallError)

  // Partitions
  func showPartitions(_ path: CollectionPath) async throws(CallError) -> [PartitionDescription]
  func createPartition(_ path: CollectionPath, name: String) async throws(CallError)
  func dropPartition(_ path: CollectionPath, name: String) async throws(CallError)

  // Indexes. An empty list is "none": code 700 is not an error here.
  func describeIndexes(_ path: CollectionPath) async throws(CallError) -> [IndexDescription]
  func createIndex(_ path: CollectionPath, index: IndexDescription) async throws(CallError)
  /// Both names are always sent (`public-rpc.md` §3.5); an empty one is refused here.
  func dropIndex(_ path: CollectionPath, fieldName: String, indexName: String) async throws(CallError)

  // Load
  func loadCollection(_ path: CollectionPath, options: LoadOptions) async throws(CallError)
  func releaseCollection(_ path: CollectionPath) async throws(CallError)
  func loadPartitions(_ path: CollectionPath, names: [String]) async throws(CallError)
  func releasePartitions(_ path: CollectionPath, names: [String]) async throws(CallError)
  func loadState(_ path: CollectionPath, partitions: [String]) async throws(CallError) -> LoadState

  // Aliases
  func listAliases(_ path: CollectionPath) async throws(CallError) -> [String]
  /// The collection behind an alias.
  func describeAlias(database: String, alias: String) async throws(CallError) -> String
  func createAlias(_ alias: String, for path: CollectionPath) async throws(CallError)
  func alterAlias(_ alias: String, to path: CollectionPath) async throws(CallError)
  func dropAlias(database: String, alias: String) async throws(CallError)

  // Rows
  func query(_ query: RowQuery) async throws(CallError) -> RowPage
  /// `count(*)`; rows, not keys: repeated inserts count. An expression is honoured, an empty one counts all.
  func count(_ path: CollectionPath, expression: String, partitions: [String]) async throws(CallError)
    -> Int64
  func insert(_ batch: RowBatch) async throws(CallError) -> MutationCounts
  func upsert(_ batch: RowBatch) async throws(CallError) -> MutationCounts
  /// `expression` must not be empty: Milvus Lite deletes every row then. Refused here.
  func delete(_ path: CollectionPath, expression: String, partition: String) async throws(CallError)
    -> MutationCounts
  func flush(_ path: CollectionPath) async throws(CallError)

  /// Ends the connection; calls in flight fail with UNAVAILABLE. May be called more than once.
  func close() async
}
