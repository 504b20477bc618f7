internal import MilvusWire

/// Indexes, load state and aliases (`public-rpc.md` §3.5, §3.6, §3.7).
extension SchemaApplier {
  /// A refused vector index is replaced by its stand-in, because without one the collection cannot be loaded; a refused scalar index is
  /// named and left out, rows do not need it.
  func createIndex(
    _ path: CollectionPath, _ index: IndexDescription, standIn: IndexDescription?
  ) async throws(CallError) -> Outcome {
    let refusal: CallError
    do {
      try await cluster.createIndex(path, index: index)
      return .done
    } catch {
      guard error.isAnswer else { throw error }
      if try await hasIndex(path, index) { return .done }
      guard error.refusesArguments else { throw error }
      refusal = error
    }
    let name = "index \(index.indexName) on \(index.fieldName)"
    guard let standIn, IndexShape(standIn) != IndexShape(index) else {
      return .partly(["\(name): the target refuses it: \(refusal.milvusReason)"])
    }
    do {
      try await cluster.createIndex(path, index: standIn)
    } catch {
      guard error.isAnswer, try await hasIndex(path, standIn) else { throw error }
    }
    return .partly([
      "\(name): the target refuses it (\(refusal.milvusReason)), \(IndexShape(standIn).type) stands in for it"
    ])
  }

  private func hasIndex(_ path: CollectionPath, _ index: IndexDescription) async throws(CallError) -> Bool {
    let rules = IndexPlan(targetProfile: profile)
    return try await cluster.describeIndexes(path).contains {
      $0.key == index.key && rules.isSame(index, $0, comparesNames: false)
    }
  }

  /// Looks first: Lite drops every index of the collection when it does not know the name, and 2.3.5 drops another field's index when the
  /// name is left out. A collection is released before, both servers insist.
  func dropIndex(_ path: CollectionPath, field: String, name: String) async throws(CallError) -> Outcome {
    func isThere() async throws(CallError) -> Bool {
      try await cluster.describeIndexes(path).contains { $0.fieldName == field && $0.indexName == name }
    }
    guard try await isThere() else { return .done }
    do {
      try await cluster.dropIndex(path, fieldName: field, indexName: name)
    } catch {
      guard error.isAnswer, try await !isThere() else { throw error }
    }
    return .done
  }

  /// Milvus returns before the load has ended; so this looks until the target says Loaded, at most for `loadPatience`.
  func load(_ path: CollectionPath, _ partitions: [String]?) async throws(CallError) -> Outcome {
    if let partitions, !profile.isLite {
      try await cluster.loadPartitions(path, names: partitions)
    } else {
      try await cluster.loadCollection(path, options: LoadOptions())
    }
    let names = profile.isLite ? [] : partitions ?? []
    var waited: Duration = .zero
    var step: Duration = .milliseconds(20)
    while try await cluster.loadState(path, partitions: names) != .loaded {
      guard waited < loadPatience else {
        return .notReady("the target is still loading after \(loadPatience.components.seconds) s")
      }
      guard await pause(step) else { return .notReady("the task was ended while the target was loading") }
      waited += step
      step = min(step * 2, .seconds(1))
    }
    return .done
  }

  /// DescribeAlias; equal is done, missing is created, another is moved. A name that 2.3.5 keeps blocked after a drop (1602), and Lite's
  /// "already exists", are moved too.
  func setAlias(
    _ alias: String, _ path: CollectionPath, movableFrom: Set<String>
  ) async throws(CallError) -> Outcome {
    var current: String?
    do {
      current = try await cluster.describeAlias(database: path.database, alias: alias)
    } catch {
      guard error.milvusCode == 1600 || error.saysCollectionMissing || error.isUnimplemented else {
        throw error
      }
    }
    if current == path.name { return .done }
    if let current {
      guard movableFrom.contains(current) else {
        return .partly([
          "alias \(alias): it points to \(current) on the target, which this task did not make"
        ])
      }
      try await cluster.alterAlias(alias, to: path)
      return .done
    }
    do {
      try await cluster.createAlias(alias, for: path)
    } catch {
      let text = error.milvusReason.lowercased()
      if error.milvusCode == 1601 || text.contains("collection name") {
        return .partly(["alias \(alias): a collection of the target has this name"])
      }
      guard error.milvusCode == 1602 || text.contains("already exist") else { throw error }
      try await cluster.alterAlias(alias, to: path)
    }
    return .done
  }
}

extension CallError {
  /// The server understood the call and will never do it: wrong or unknown parameters (`public-rpc.md` §2.2). Lite's argument error is 6.
  var refusesArguments: Bool {
    guard let code = milvusCode else { return false }
    if [1100, 1101, 1102, 65535].contains(code) { return true }
    return code == 6 || (code == 1 && !milvusReason.isEmpty)
  }
}
