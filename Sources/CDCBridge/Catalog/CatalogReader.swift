package import MilvusWire

/// Reads the catalogue of one server: names first, then one collection at a time. Read-only.
///
/// An error of a call is always thrown: an empty answer means "none" only where the server said so.
package struct CatalogReader: Sendable {
  package var cluster: any MilvusCluster
  package var profile: ServerProfile
  package var side: BridgeError.Side

  package init(cluster: any MilvusCluster, profile: ServerProfile, side: BridgeError.Side) {
    self.cluster = cluster
    self.profile = profile
    self.side = side
  }

  /// The databases of the server; `default` alone where it knows none or does not let us list them.
  package func databases() async throws(BridgeError) -> [String] {
    guard profile.hasDatabases else { return ["default"] }
    do {
      return try await cluster.listDatabases()
    } catch {
      // Databases exist, this user may only not list them (`public-rpc.md` §7.2 step 4).
      if error.rpcCode == .permissionDenied { return ["default"] }
      throw BridgeError(error, side: side, operation: "list databases")
    }
  }

  /// nil: the database does not exist.
  package func collections(database: String) async throws(BridgeError) -> [CollectionSummary]? {
    do {
      return try await cluster.showCollections(database: database)
    } catch {
      if error.saysDatabaseMissing { return nil }
      throw BridgeError(error, side: side, operation: "list the collections of \(database)")
    }
  }

  /// nil: the server said that there is no collection of this name, or that the name is an alias.
  package func state(of path: CollectionPath) async throws(BridgeError) -> CollectionState? {
    let operation = "describe \(path)"
    do {
      let description = try await cluster.describeCollection(path)
      // Asked for an alias, 2.3.5 answers with `collection_name` = the alias and the real name in the schema; Lite with the real
      // name in both.
      let realName = description.schema.name.isEmpty ? description.name : description.schema.name
      guard realName.isEmpty || realName == path.name else { return nil }
      var state = CollectionState(path: path, description: description)
      state.partitions = try await cluster.showPartitions(path).map(\.name)
      state.indexes = try await cluster.describeIndexes(path)
      state.aliases = try await aliases(of: path)
      state.loaded = try await loadedPart(of: path, partitions: state.partitions)
      return state
    } catch {
      if error.saysCollectionMissing || error.saysDatabaseMissing { return nil }
      throw BridgeError(error, side: side, operation: operation)
    }
  }

  /// Sorted, so that two readings compare.
  private func aliases(of path: CollectionPath) async throws(CallError) -> [String] {
    do {
      return try await cluster.listAliases(path).sorted()
    } catch {
      // ListAliases is younger than aliases; without it a collection has none that we can follow.
      if error.isUnimplemented { return [] }
      throw error
    }
  }

  /// One call in the usual cases: all partitions at once, and one by one only where not all are loaded.
  private func loadedPart(
    of path: CollectionPath, partitions: [String]
  ) async throws(CallError) -> LoadedPart {
    let whole = try await cluster.loadState(path, partitions: [])
    switch whole {
    case .notExist, .notLoad: return .none
    case .loading: return .loading
    case .loaded: break
    }
    // Lite loads whole collections only, and a partition-key collection refuses partition names.
    if profile.isLite || partitions.count < 2 { return .all }
    if try await cluster.loadState(path, partitions: partitions) == .loaded { return .all }
    var loaded: [String] = []
    for partition in partitions
    where try await cluster.loadState(path, partitions: [partition]) == .loaded {
      loaded.append(partition)
    }
    return loaded.count == partitions.count ? .all : .some(loaded)
  }
}
