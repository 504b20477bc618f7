internal import MilvusWire

/// Reads the live catalogue into a `LogCatalog`: what the log is advanced from. Read-only.
package struct LogSeed: Sendable {
  package let reader: CatalogReader
  package let selection: ObjectSelection
  /// Called with each collection that was read, at most `readsAtOnce` at a time.
  static let readsAtOnce = 4

  package init(reader: CatalogReader, selection: ObjectSelection) {
    self.reader = reader
    self.selection = selection
  }

  package func read() async throws(BridgeError) -> LogCatalog {
    var catalog = LogCatalog()
    var paths: [CollectionPath] = []
    for (number, name) in try await reader.databases().sorted().enumerated() {
      var database = LogCatalog.Database(id: -1 - Int64(number), name: name)
      if let told = try await describe(name) {
        database.id = told.id
        database.properties = told.properties
      } else if name == "default" {
        database.id = 1
      }
      catalog.databases[database.id] = database
      guard selection.mayCover(database: name), let found = try await reader.collections(database: name) else { continue }
      paths += found.map { CollectionPath(database: name, name: $0.name) }.filter(selection.covers)
    }
    let reader = self.reader
    let answers = await Bounded.map(paths, limit: Self.readsAtOnce) { path -> Result<LogCatalog.Collection?, BridgeError> in
      do throws(BridgeError) {
        guard let state = try await reader.state(of: path) else { return .success(nil) }
        return .success(try await Self.collection(state, reader))
      } catch {
        return .failure(error)
      }
    }
    for answer in answers {
      if let collection = try answer.get() { catalog.collections[collection.id] = collection }
    }
    return catalog
  }

  /// nil: the server does not tell, or this user may not look.
  private func describe(_ name: String) async throws(BridgeError) -> DatabaseDescription? {
    guard reader.profile.hasDescribeDatabase else { return nil }
    do {
      return try await reader.cluster.describeDatabase(name)
    } catch {
      if error.isConnectionLoss {
        throw BridgeError(error, side: reader.side, operation: "describe database \(name)")
      }
      return nil
    }
  }

  /// A describe does not tell the ids of partitions.
  private static func collection(
    _ state: CollectionState, _ reader: CatalogReader
  ) async throws(BridgeError) -> LogCatalog.Collection {
    var schema = state.schema
    // Indexes of a log name fields of a struct by `struct[field]`, and so does a describe of indexes.
    schema.properties = []
    var collection = LogCatalog.Collection(id: state.description.id, path: state.path, schema: schema)
    collection.properties = state.properties
    collection.vchannels = state.description.virtualChannelNames
    collection.shardsNum = state.description.shardsNum
    collection.consistencyLevel = state.description.consistencyLevel
    collection.aliases = state.aliases
    do {
      collection.partitions = try await reader.cluster.showPartitions(state.path).map {
        LogCatalog.Partition(id: $0.id, name: $0.name)
      }
    } catch {
      throw BridgeError(error, side: reader.side, operation: "list the partitions of \(state.path)")
    }
    collection.indexes = state.indexes.map { index in
      LogCatalog.Index(
        id: index.id, fieldID: schema.fields.first { $0.name == index.fieldName }?.fieldID ?? 0, description: index)
    }
    switch state.loaded {
    case .none: collection.loaded = nil
    // A load that is on its way was asked for.
    case .all, .loading: collection.loaded = Set(collection.partitions.map(\.id))
    case .some(let names): collection.loaded = Set(collection.partitions.filter { names.contains($0.name) }.map(\.id))
    }
    return collection
  }
}
