internal import MilvusWire

/// Performs the steps of a `ClusterPlan`: databases, dropped and renamed collections. Each intent is durable before it is acted on.
struct NameSteps: Sendable {
  let applier: SchemaApplier
  let keeper: CheckpointKeeper
  let ddl: TaskSpec.DDLPolicy
  let isInitialised: Bool
  /// Looked at before anything is dropped; nil where a log said it, which needs no second witness.
  let sourceReader: CatalogReader?
  let policy: ErrorPolicy
  /// There is no next look by itself (a log says each change once): what passes is thrown, and the steps are tried until they are done.
  var isOnlyLook = false

  /// One step that fails does not hold back the others, unless a whole cluster is away: it is named and tried again at the next look.
  ///
  /// Returns what was not done, by name.
  func perform(_ steps: [ClusterPlan.Step]) async throws(BridgeError) -> [String] {
    var notes: [String] = []
    for step in steps {
      if let reason = heldBack(step) {
        if ddl == .stop {
          throw BridgeError(
            .schemaChange, side: .source, operation: reason,
            message: "the source changed, and the task was created with ddl: stop",
            hint: "Make the same change on the target by hand, or create the task again with ddl: apply.")
        }
        notes.append("not applied (ddl: ignore): \(reason)")
        continue
      }
      do throws(BridgeError) {
        notes += try await perform(step)
      } catch {
        if policy.concernsWholeCluster(error) || (isOnlyLook && policy.isPassing(error)) { throw error }
        notes.append("not done yet: \(error)")
      }
    }
    return notes
  }

  /// Finishes what a kill interrupted: a collection that has its new name already is known by it from now on.
  func recoverRenames() async throws(BridgeError) {
    for record in await keeper.current.collections where record.stage == .renaming {
      guard let new = record.renamingTo else { continue }
      let (old, taken): (CollectionDescription?, CollectionDescription?)
      do {
        old = try await applier.describe(record.target)
        taken = try await applier.describe(new)
      } catch {
        throw BridgeError(error, side: .target, operation: "look for \(new)")
      }
      guard old == nil, let taken,
        !CollectionIdentity(id: taken.id, createdAt: taken.createdAt).isOther(than: record.targetIdentity)
      else { continue }
      await keeper.change { checkpoint in
        guard var moved = checkpoint[target: record.target] else { return }
        checkpoint.remove(target: record.target)
        moved.target = new
        moved.stage = .owned
        moved.renamingTo = nil
        checkpoint.set(moved)
      }
      try await keeper.save()
    }
  }

  /// What the step would change, where `ddl` does not let it.
  private func heldBack(_ step: ClusterPlan.Step) -> String? {
    guard ddl != .apply else { return nil }
    switch step {
    // Databases are needed by collections that may be created; a collection alone is held back where it is new.
    case .createDatabase(let name): return isInitialised ? "create database \(name)" : nil
    case .drop(_, forgetOnly: true), .move: return nil
    case .drop(let record, forgetOnly: false): return "drop collection \(record.target)"
    case .rename(let record, let new, _): return "rename collection \(record.target) to \(new)"
    case .dropDatabase(let name): return "drop database \(name)"
    }
  }

  private func perform(_ step: ClusterPlan.Step) async throws(BridgeError) -> [String] {
    switch step {
    case .createDatabase(let name):
      await keeper.change { $0.databases.insert(name) }
      try await keeper.save()
      return try await applier.perform(.createDatabase(name, properties: []))
    case .drop(let record, let forgetOnly): return try await drop(record, forgetOnly: forgetOnly)
    case .rename(let record, let new, let source):
      return try await rename(record, to: new, source: source)
    case .move(let record, let source):
      await keeper.change { $0.changeRecord(record.target) { $0.source = source } }
      try await keeper.save()
      return []
    case .dropDatabase(let name):
      let notes = try await applier.perform(.dropDatabase(name))
      if notes.isEmpty {
        await keeper.change { _ = $0.databases.remove(name) }
        try await keeper.save()
      }
      return notes
    }
  }

  /// Looks a second time before anything is destroyed: a source whose catalogue was read must be healthy and say once more that the
  /// collection is gone.
  private func drop(
    _ record: OwnedCollection, forgetOnly: Bool
  ) async throws(BridgeError) -> [String] {
    guard try await isGone(record.source, identity: record.sourceIdentity) else {
      return ["drop collection \(record.target): the source does not confirm it, looked at again"]
    }
    var notes: [String] = []
    if !forgetOnly {
      await keeper.change { $0.changeRecord(record.target) { $0.stage = .dropping } }
      try await keeper.save()
      do throws(BridgeError) {
        try await applier.perform(.dropCollection(record.target, identity: record.targetIdentity))
      } catch {
        guard error.code == .notOwned else { throw error }
        notes.append("drop collection \(record.target): \(error.message)")
      }
    }
    await keeper.change { $0.remove(target: record.target) }
    try await keeper.save()
    return notes
  }

  private func isGone(
    _ path: CollectionPath, identity: CollectionIdentity
  ) async throws(BridgeError) -> Bool {
    guard let sourceReader else { return true }
    let health: HealthReport
    do {
      health = try await sourceReader.cluster.checkHealth()
    } catch {
      throw BridgeError(error, side: .source, operation: "check the health")
    }
    guard health.isHealthy else { return false }
    guard try await sourceReader.databases().contains(path.database) else { return true }
    // Gone, or the name is an alias now, or another collection's.
    guard let state = try await sourceReader.state(of: path) else { return true }
    return state.identity.isOther(than: identity)
  }

  private func rename(
    _ record: OwnedCollection, to new: CollectionPath, source: CollectionPath?
  ) async throws(BridgeError) -> [String] {
    await keeper.change {
      $0.changeRecord(record.target) {
        $0.stage = .renaming
        $0.renamingTo = new
      }
    }
    try await keeper.save()
    do {
      try await applier.perform(
        .renameCollection(record.target, to: new, identity: record.targetIdentity))
    } catch {
      guard error.code == .notOwned else { throw error }
      // The new name is taken by somebody else's collection: this one keeps its old name until a person has made room.
      await keeper.change {
        $0.changeRecord(record.target) {
          $0.stage = .owned
          $0.renamingTo = nil
        }
      }
      return ["rename collection \(record.target) to \(new): \(error.message)"]
    }
    await keeper.change { checkpoint in
      guard var moved = checkpoint[target: record.target] else { return }
      checkpoint.remove(target: record.target)
      moved.target = new
      moved.stage = .owned
      moved.renamingTo = nil
      if let source { moved.source = source }
      checkpoint.set(moved)
    }
    try await keeper.save()
    return []
  }
}
