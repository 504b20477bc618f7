internal import MilvusWire

/// Databases, collections and partitions: what repeats and refusals mean on each server (`public-rpc.md` §3.1, §3.2, §3.4).
extension SchemaApplier {
  func createDatabase(_ name: String, _ properties: [KeyValuePair]) async throws(CallError) {
    if try await cluster.listDatabases().contains(name) { return }
    do {
      try await cluster.createDatabase(name, properties: properties)
    } catch {
      guard error.isAnswer, try await cluster.listDatabases().contains(name) else { throw error }
    }
  }

  /// A database that still holds collections holds somebody else's: it stays.
  func dropDatabase(_ name: String) async throws(CallError) -> Outcome {
    guard try await cluster.listDatabases().contains(name) else { return .done }
    let others = try await cluster.showCollections(database: name).map(\.name).sorted()
    guard others.isEmpty else {
      return .partly([
        "database \(name): dropped on the source, kept on the target because it holds \(others.joined(separator: ", "))"
      ])
    }
    do {
      try await cluster.dropDatabase(name)
    } catch {
      guard error.isAnswer, try await !cluster.listDatabases().contains(name) else { throw error }
    }
    return .done
  }

  /// A collection of this name that exists already is left to the caller, who compares it: 2.3.5 calls an identical repeat a success,
  /// Lite an error.
  func createCollection(_ creation: CollectionCreation) async throws(CallError) {
    do {
      try await cluster.createCollection(creation)
    } catch {
      guard error.isAnswer, try await cluster.hasCollection(creation.path) else { throw error }
    }
  }

  /// Drops the collection and, before it, its aliases: newer servers insist, 2.3.5 would leave the names blocked. An alias of this name is
  /// left alone (Lite would drop the collection behind it), and so is a collection that is not the one the task knows.
  func dropCollection(
    _ path: CollectionPath, _ identity: CollectionIdentity
  ) async throws(CallError) -> Outcome {
    guard let found = try await describe(path) else { return .done }
    guard found.schema.name.isEmpty || found.schema.name == path.name else { return .done }
    if CollectionIdentity(id: found.id, createdAt: found.createdAt).isOther(than: identity) {
      return .refused(
        .notOwned, "another collection has taken this name on the target",
        hint: "It was not dropped, because this task did not make it.")
    }
    for alias in try await aliases(of: path) {
      try await cluster.dropAlias(database: path.database, alias: alias)
    }
    do {
      try await cluster.dropCollection(path)
    } catch {
      guard error.isAnswer, try await describe(path) == nil else { throw error }
    }
    return .done
  }

  /// Old name gone and new name there: done before. Both there: the new name is somebody else's.
  func rename(
    _ path: CollectionPath, to new: CollectionPath, _ identity: CollectionIdentity
  ) async throws(CallError) -> Outcome {
    let old = try await describe(path)
    if let taken = try await describe(new) {
      let isOurs = CollectionIdentity(id: taken.id, createdAt: taken.createdAt) == identity
      if old == nil, isOurs || !identity.isKnown { return .done }
      return .refused(
        .notOwned, "the new name \(new) is taken on the target",
        hint: "Drop or rename \(new) on the target.")
    }
    guard old != nil else { return .done }
    try await cluster.renameCollection(path, to: new)
    return .done
  }

  func addField(_ path: CollectionPath, _ field: FieldSchema) async throws(CallError) {
    do {
      try await cluster.addCollectionField(path, field: field)
    } catch {
      let found = error.isAnswer ? try await describe(path) : nil
      guard found?.schema.fields.contains(where: { $0.name == field.name }) == true else { throw error }
    }
  }

  func createPartition(_ path: CollectionPath, _ name: String) async throws(CallError) {
    do {
      try await cluster.createPartition(path, name: name)
    } catch {
      guard error.isAnswer, try await hasPartition(path, name) else { throw error }
    }
  }

  /// Milvus refuses to drop a loaded partition, Lite knows no partition loads.
  func dropPartition(_ path: CollectionPath, _ name: String) async throws(CallError) {
    guard try await hasPartition(path, name) else { return }
    if !profile.isLite { try await cluster.releasePartitions(path, names: [name]) }
    do {
      try await cluster.dropPartition(path, name: name)
    } catch {
      guard error.isAnswer, try await !hasPartition(path, name) else { throw error }
    }
  }

  private func hasPartition(_ path: CollectionPath, _ name: String) async throws(CallError) -> Bool {
    try await cluster.showPartitions(path).contains { $0.name == name }
  }

  private func aliases(of path: CollectionPath) async throws(CallError) -> [String] {
    do {
      return try await cluster.listAliases(path)
    } catch {
      if error.isUnimplemented { return [] }
      throw error
    }
  }

  /// nil: the server said that there is no such collection.
  func describe(_ path: CollectionPath) async throws(CallError) -> CollectionDescription? {
    do {
      return try await cluster.describeCollection(path)
    } catch {
      if error.saysCollectionMissing || error.saysDatabaseMissing { return nil }
      throw error
    }
  }
}

extension CallError {
  /// Milvus itself answered with a refusal: only then is it worth looking whether the wanted state is there already.
  var isAnswer: Bool {
    if case .status = self { return true }
    return false
  }
}
