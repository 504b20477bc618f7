internal import MilvusWire

/// Makes the aliases of one target collection what the source's are (`AliasPlan`).
struct AliasSteps: Sendable {
  let applier: SchemaApplier
  let keeper: CheckpointKeeper
  let ddl: TaskSpec.DDLPolicy

  /// `elsewhere`: aliases of the source's other collections in the same target database. Returns what was not done, by name.
  func align(
    _ source: CollectionState, record: OwnedCollection, elsewhere: Set<String>
  ) async throws(BridgeError) -> [String] {
    let path = record.target
    let owned = await keeper.current.collections.filter { $0.target.database == path.database }
    let found: [String]
    do {
      found = try await applier.cluster.listAliases(path)
    } catch {
      if error.isUnimplemented || error.saysCollectionMissing { return [] }
      throw BridgeError(error, side: .target, operation: "list the aliases of \(path)")
    }
    let plan = AliasPlan(
      source: source.aliases, target: found, path: path, elsewhere: elsewhere,
      owned: Set(owned.map(\.target.name)), gate: FeatureGate(applier.profile))
    let actions = plan.sets + plan.drops
    if ddl != .apply, record.hasAliases {
      if ddl == .stop, let first = actions.first {
        throw BridgeError(
          .schemaChange, side: .source, operation: "align \(path)",
          message: "the source changed (\(first)), and the task was created with ddl: stop")
      }
      return plan.notes + actions.map { "not applied (ddl: ignore): \($0)" }
    }
    var notes = plan.notes
    for action in actions { notes += try await applier.perform(action) }
    if !record.hasAliases {
      await keeper.change { $0.changeRecord(path) { $0.hasAliases = true } }
    }
    return notes
  }
}
