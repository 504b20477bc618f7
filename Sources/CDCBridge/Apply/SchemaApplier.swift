package import MilvusWire

/// Performs schema steps on a target, tolerant of repeats on both kinds of server: look, act, look again on error (`public-rpc.md` §3).
///
/// Contract. A step that returns has taken effect, whoever did it. A step may be repeated after any failure. A value that would destroy a
/// server, or that means "everything" to one (an empty name, an index that is not there), is refused here with `dangerousValue` and never sent.
/// Cancelling the awaiting task ends a wait with `notReady`.
package struct SchemaApplier: Sendable {
  package var cluster: any MilvusCluster
  package var profile: ServerProfile
  /// Waits; false where the task was cancelled meanwhile.
  package var pause: @Sendable (Duration) async -> Bool
  /// How long a step may wait for a load to end before it is left to a later look.
  package var loadPatience: Duration = .seconds(60)

  package init(
    cluster: any MilvusCluster, profile: ServerProfile,
    pause: @escaping @Sendable (Duration) async -> Bool
  ) {
    self.cluster = cluster
    self.profile = profile
    self.pause = pause
  }

  enum Outcome: Sendable, Equatable {
    case done
    /// Done in a lesser way, or not at all where rows do not need it.
    case partly([String])
    case notReady(String)
    case refused(BridgeError.Code, String, hint: String?)
  }

  /// Returns what differs from what was asked, by name; empty where all of it took effect.
  @discardableResult
  package func perform(_ action: SchemaAction) async throws(BridgeError) -> [String] {
    let operation = action.description
    if let danger = SchemaDanger.reason(in: action, profile: profile) {
      throw BridgeError(
        .dangerousValue, side: .target, operation: operation, message: danger,
        hint: "It was not sent: a real server would be harmed by it.")
    }
    let outcome: Outcome
    do {
      outcome = try await attempt(action)
    } catch {
      throw BridgeError(error, side: .target, operation: operation)
    }
    switch outcome {
    case .done: return []
    case .partly(let notes): return notes
    case .notReady(let what):
      throw BridgeError(.notReady, side: .target, operation: operation, message: what)
    case .refused(let code, let message, let hint):
      throw BridgeError(code, side: .target, operation: operation, message: message, hint: hint)
    }
  }

  private func attempt(_ action: SchemaAction) async throws(CallError) -> Outcome {
    switch action {
    case .createDatabase(let name, let properties): try await createDatabase(name, properties)
    case .alterDatabase(let name, let set, let delete):
      try await cluster.alterDatabase(name, set: set, delete: delete)
    case .dropDatabase(let name): return try await dropDatabase(name)
    case .createCollection(let creation): try await createCollection(creation)
    case .dropCollection(let path, let identity): return try await dropCollection(path, identity)
    case .renameCollection(let path, let new, let identity):
      return try await rename(path, to: new, identity)
    case .alterCollection(let path, let set, let delete):
      try await cluster.alterCollection(path, set: set, delete: delete)
    case .alterField(let path, let field, let set):
      try await cluster.alterCollectionField(path, field: field, set: set, delete: [])
    case .addField(let path, let field): try await addField(path, field)
    case .createPartition(let path, let name): try await createPartition(path, name)
    case .dropPartition(let path, let name): try await dropPartition(path, name)
    case .createIndex(let path, let index, let standIn):
      return try await createIndex(path, index, standIn: standIn)
    case .dropIndex(let path, let field, let name):
      return try await dropIndex(path, field: field, name: name)
    case .load(let path, let partitions): return try await load(path, partitions)
    case .release(let path): try await cluster.releaseCollection(path)
    case .releasePartitions(let path, let names):
      try await cluster.releasePartitions(path, names: names)
    case .setAlias(let alias, let path, let movable):
      return try await setAlias(alias, path, movableFrom: movable)
    case .dropAlias(let database, let alias):
      do {
        try await cluster.dropAlias(database: database, alias: alias)
      } catch {
        guard error.milvusCode == 1600 || error.saysCollectionMissing else { throw error }
      }
    }
    return .done
  }
}
