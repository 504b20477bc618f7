package import MilvusWire

/// Partitions, indexes, load state (`public-rpc.md` §3.4–§3.6, §3.8).
extension FakeCluster {
  /// Changes the collection behind a path or an alias.
  private func change(
    _ method: String, _ path: CollectionPath,
    _ body: @escaping @Sendable (inout FakeCollection, inout FakeState) throws(CallError) -> Void
  ) async throws(CallError) {
    try await call(method, path) { [self] state throws(CallError) in
      guard let real = state.resolve(path), var collection = state[real] else { throw noCollection(method, path) }
      try body(&collection, &state)
      state[real] = collection
    }
  }

  package func showPartitions(_ path: CollectionPath) async throws(CallError) -> [PartitionDescription] {
    try await call("ShowPartitions", path) { [self] state throws(CallError) in
      guard let real = state.resolve(path), let collection = state[real] else { throw noCollection("ShowPartitions", path) }
      return collection.partitions
    }
  }
  package func createPartition(_ path: CollectionPath, name: String) async throws(CallError) {
    try await change("CreatePartition", path) { [self] collection, state throws(CallError) in
      if collection.description.schema.partitionKey != nil {
        throw refusal("CreatePartition", milvus: (65535, "disable create partition if partition key mode is used"), lite: (6, ""))
      }
      if collection.partitions.contains(where: { $0.name == name }) {
        if manners.isLite { throw refusal("CreatePartition", milvus: (0, ""), lite: (1, name)) }
        return
      }
      var partition = PartitionDescription(name: name)
      partition.id = manners.isLite ? 0 : state.newID()
      collection.partitions.append(partition)
      // A new partition of a loaded collection is loaded by itself (seen on 2.3.5).
      if collection.isLoaded, !collection.loadedPartitions.isEmpty { collection.loadedPartitions.insert(name) }
      collection.description.numPartitions += 1
    }
  }
  package func dropPartition(_ path: CollectionPath, name: String) async throws(CallError) {
    try await change("DropPartition", path) { [self] collection, _ throws(CallError) in
      if name == "_default" { throw refusal("DropPartition", milvus: (65535, "default partition cannot be deleted"), lite: (6, "")) }
      guard collection.partitions.contains(where: { $0.name == name }) else {
        if manners.isLite { throw refusal("DropPartition", milvus: (0, ""), lite: (200, name)) }
        return
      }
      if !manners.isLite, collection.isReadable([name]) {
        throw refusal(
          "DropPartition", milvus: (65535, "partition cannot be dropped, partition is loaded, please release it first"), lite: (0, ""))
      }
      collection.partitions.removeAll { $0.name == name }
      collection.rows[name] = nil
      collection.description.numPartitions -= 1
    }
  }

  // MARK: Indexes

  package func describeIndexes(_ path: CollectionPath) async throws(CallError) -> [IndexDescription] {
    try await call("DescribeIndex", path) { [self] state throws(CallError) in
      guard let real = state.resolve(path), let collection = state[real] else { throw noCollection("DescribeIndex", path) }
      return collection.indexes
    }
  }
  package func createIndex(_ path: CollectionPath, index: IndexDescription) async throws(CallError) {
    try await change("CreateIndex", path) { [self] collection, _ throws(CallError) in
      var wanted = index
      wanted.state = 3
      if manners.isLite || wanted.indexName.isEmpty { wanted.indexName = index.fieldName }
      guard collection.description.schema.fields.contains(where: { $0.name == index.fieldName }) else {
        throw refusal("CreateIndex", milvus: (65535, "cannot create index on non-existed field: \(index.fieldName)"), lite: (6, ""))
      }
      if let old = collection.indexes.first(where: { $0.fieldName == index.fieldName }) {
        if !manners.isLite, old == wanted { return }
        throw refusal(
          "CreateIndex", milvus: (65535, "CreateIndex failed: at most one distinct index is allowed per field"),
          lite: (35, "index already exists"))
      }
      collection.indexes.append(wanted)
    }
  }
  package func dropIndex(_ path: CollectionPath, fieldName: String, indexName: String) async throws(CallError) {
    try await change("DropIndex", path) { [self] collection, _ throws(CallError) in
      if fieldName.isEmpty || indexName.isEmpty { throw CallError.malformed(method: "DropIndex", what: "an empty name") }
      if collection.isLoaded, !manners.isLite || !collection.indexes.isEmpty {
        throw refusal(
          "DropIndex", milvus: (65535, "index cannot be dropped, collection is loaded, please release it first"), lite: (6, "loaded"))
      }
      if manners.isLite, !collection.indexes.contains(where: { $0.indexName == indexName }) {
        collection.indexes = []
      } else {
        collection.indexes.removeAll { $0.indexName == indexName }
      }
    }
  }

  // MARK: Load

  package func loadCollection(_ path: CollectionPath, options: LoadOptions) async throws(CallError) {
    try await change("LoadCollection", path) { [self] collection, _ throws(CallError) in
      let hasVectorIndex = collection.indexes.contains { index in
        collection.description.schema.fields.contains { $0.name == index.fieldName && $0.dataType.isVector }
      }
      if !manners.isLite, !hasVectorIndex {
        throw refusal("LoadCollection", milvus: (700, "index not found[collection=\(path.name)]"), lite: (0, ""))
      }
      collection.isLoaded = true
      collection.loadedPartitions = Set(collection.partitions.map(\.name))
    }
  }
  package func releaseCollection(_ path: CollectionPath) async throws(CallError) {
    try await change("ReleaseCollection", path) { [self] collection, _ throws(CallError) in
      // Lite has nothing to release where there is no index.
      collection.isLoaded = manners.isLite && collection.indexes.isEmpty
      collection.loadedPartitions = []
    }
  }
  package func loadPartitions(_ path: CollectionPath, names: [String]) async throws(CallError) {
    try await change("LoadPartitions", path) { [self] collection, _ throws(CallError) in
      if manners.isLite { throw unimplemented("LoadPartitions") }
      if collection.isLoaded, collection.loadedPartitions.isEmpty { return }
      collection.isLoaded = true
      collection.loadedPartitions.formUnion(names)
    }
  }
  package func releasePartitions(_ path: CollectionPath, names: [String]) async throws(CallError) {
    try await change("ReleasePartitions", path) { [self] collection, _ throws(CallError) in
      if manners.isLite { throw unimplemented("ReleasePartitions") }
      if collection.isLoaded, collection.loadedPartitions.isEmpty {
        collection.loadedPartitions = Set(collection.partitions.map(\.name))
      }
      collection.loadedPartitions.subtract(names)
      if collection.loadedPartitions.isEmpty { collection.isLoaded = false }
    }
  }
  package func loadState(_ path: CollectionPath, partitions: [String]) async throws(CallError) -> LoadState {
    try await call("GetLoadState", path) { [self] state throws(CallError) in
      guard let real = state.resolve(path), let collection = state[real] else { return .notExist }
      if manners.isLite || partitions.isEmpty { return collection.isLoaded ? .loaded : .notLoad }
      return collection.isReadable(partitions) ? .loaded : .notLoad
    }
  }
  package func flush(_ path: CollectionPath) async throws(CallError) {
    try await call("Flush", path) { _ throws(CallError) in }
  }
}
