import MilvusWire
import TestSupport

/// A cluster that goes down whenever one certain row arrives, and comes back: everything that is out at that time fails too. It also
/// counts how many writes are out at once.
final class PoisonedCluster: MilvusCluster {
  private let inner: FakeCluster
  private let poison: FakeValue
  private let isDown = Locked(false)
  let drops = Locked(0)
  private struct Overlap: Sendable { var now = 0, most = 0 }
  private let overlap = Locked(Overlap())
  var overlapMost: Int { overlap.withLock { $0.most } }

  /// Without a poison it stays up.
  init(_ inner: FakeCluster, poison: FakeValue = .null) {
    (self.inner, self.poison) = (inner, poison)
  }
  var peer: String { inner.peer }

  private func write(_ batch: RowBatch, _ body: () async throws(CallError) -> MutationCounts) async throws(CallError) -> MutationCounts {
    overlap.withLock { $0 = Overlap(now: $0.now + 1, most: max($0.most, $0.now + 1)) }
    defer { overlap.withLock { $0.now -= 1 } }
    let holdsPoison = batch.columns.contains { column in
      (try? FakeColumn.decode(column)).map { $0.name == "title" && $0.values.contains(poison) } ?? false
    }
    let lost = CallError.rpc(RPCError(.unavailable, "connection reset", initiator: .connection, peer: peer), method: "Insert")
    if holdsPoison {
      drops.withLock { $0 += 1 }
      isDown.withLock { $0 = true }
      for _ in 0..<20 { await Task.yield() }
      isDown.withLock { $0 = false }
      throw lost
    }
    for _ in 0..<10 {
      await Task.yield()
      if isDown.withLock({ $0 }) { throw lost }
    }
    return try await body()
  }

  func insert(_ batch: RowBatch) async throws(CallError) -> MutationCounts {
    try await write(batch) { () async throws(CallError) in try await inner.insert(batch) }
  }
  func upsert(_ batch: RowBatch) async throws(CallError) -> MutationCounts {
    try await write(batch) { () async throws(CallError) in try await inner.upsert(batch) }
  }

  func connect() async throws(CallError) -> ServerInfo { try await inner.connect() }
  func getVersion() async throws(CallError) -> String { try await inner.getVersion() }
  func checkHealth() async throws(CallError) -> HealthReport { try await inner.checkHealth() }
  func allocTimestamp() async throws(CallError) -> TimeTick { try await inner.allocTimestamp() }
  func listDatabases() async throws(CallError) -> [String] { try await inner.listDatabases() }
  func describeDatabase(_ name: String) async throws(CallError) -> DatabaseDescription { try await inner.describeDatabase(name) }
  func createDatabase(_ name: String, properties: [KeyValuePair]) async throws(CallError) {
    try await inner.createDatabase(name, properties: properties)
  }
  func alterDatabase(_ name: String, set: [KeyValuePair], delete: [String]) async throws(CallError) {
    try await inner.alterDatabase(name, set: set, delete: delete)
  }
  func dropDatabase(_ name: String) async throws(CallError) { try await inner.dropDatabase(name) }
  func showCollections(database: String) async throws(CallError) -> [CollectionSummary] {
    try await inner.showCollections(database: database)
  }
  func hasCollection(_ path: CollectionPath) async throws(CallError) -> Bool { try await inner.hasCollection(path) }
  func describeCollection(_ path: CollectionPath) async throws(CallError) -> CollectionDescription {
    try await inner.describeCollection(path)
  }
  func createCollection(_ creation: CollectionCreation) async throws(CallError) { try await inner.createCollection(creation) }
  func dropCollection(_ path: CollectionPath) async throws(CallError) { try await inner.dropCollection(path) }
  func renameCollection(_ path: CollectionPath, to new: CollectionPath) async throws(CallError) {
    try await inner.renameCollection(path, to: new)
  }
  func alterCollection(_ path: CollectionPath, set: [KeyValuePair], delete: [String]) async throws(CallError) {
    try await inner.alterCollection(path, set: set, delete: delete)
  }
  func alterCollectionField(_ path: CollectionPath, field: String, set: [KeyValuePair], delete: [String]) async throws(CallError) {
    try await inner.alterCollectionField(path, field: field, set: set, delete: delete)
  }
  func addCollectionField(_ path: CollectionPath, field: FieldSchema) async throws(CallError) {
    try await inner.addCollectionField(path, field: field)
  }
  func truncateCollection(_ path: CollectionPath) async throws(CallError) { try await inner.truncateCollection(path) }
  func showPartitions(_ path: CollectionPath) async throws(CallError) -> [PartitionDescription] {
    try await inner.showPartitions(path)
  }
  func createPartition(_ path: CollectionPath, name: String) async throws(CallError) {
    try await inner.createPartition(path, name: name)
  }
  func dropPartition(_ path: CollectionPath, name: String) async throws(CallError) {
    try await inner.dropPartition(path, name: name)
  }
  func describeIndexes(_ path: CollectionPath) async throws(CallError) -> [IndexDescription] {
    try await inner.describeIndexes(path)
  }
  func createIndex(_ path: CollectionPath, index: IndexDescription) async throws(CallError) {
    try await inner.createIndex(path, index: index)
  }
  func dropIndex(_ path: CollectionPath, fieldName: String, indexName: String) async throws(CallError) {
    try await inner.dropIndex(path, fieldName: fieldName, indexName: indexName)
  }
  func loadCollection(_ path: CollectionPath, options: LoadOptions) async throws(CallError) {
    try await inner.loadCollection(path, options: options)
  }
  func releaseCollection(_ path: CollectionPath) async throws(CallError) { try await inner.releaseCollection(path) }
  func loadPartitions(_ path: CollectionPath, names: [String]) async throws(CallError) {
    try await inner.loadPartitions(path, names: names)
  }
  func releasePartitions(_ path: CollectionPath, names: [String]) async throws(CallError) {
    try await inner.releasePartitions(path, names: names)
  }
  func loadState(_ path: CollectionPath, partitions: [String]) async throws(CallError) -> LoadState {
    try await inner.loadState(path, partitions: partitions)
  }
  func listAliases(_ path: CollectionPath) async throws(CallError) -> [String] { try await inner.listAliases(path) }
  func describeAlias(database: String, alias: String) async throws(CallError) -> String {
    try await inner.describeAlias(database: database, alias: alias)
  }
  func createAlias(_ alias: String, for path: CollectionPath) async throws(CallError) {
    try await inner.createAlias(alias, for: path)
  }
  func alterAlias(_ alias: String, to path: CollectionPath) async throws(CallError) {
    try await inner.alterAlias(alias, to: path)
  }
  func dropAlias(database: String, alias: String) async throws(CallError) {
    try await inner.dropAlias(database: database, alias: alias)
  }
  func query(_ query: RowQuery) async throws(CallError) -> RowPage { try await inner.query(query) }
  func count(_ path: CollectionPath, expression: String, partitions: [String]) async throws(CallError) -> Int64 {
    try await inner.count(path, expression: expression, partitions: partitions)
  }
  func delete(_ path: CollectionPath, expression: String, partition: String) async throws(CallError) -> MutationCounts {
    try await inner.delete(path, expression: expression, partition: partition)
  }
  func flush(_ path: CollectionPath) async throws(CallError) { try await inner.flush(path) }
  func close() async { await inner.close() }
}
