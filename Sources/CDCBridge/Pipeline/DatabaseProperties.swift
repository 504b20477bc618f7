internal import MilvusWire

/// Keeps the properties of databases that the task created equal to those of the source, where both servers know such properties
/// (`public-rpc.md` §3.1). Quotas, denials, replica numbers and keys are the target's own; they are named.
struct DatabaseProperties: Sendable {
  let pair: ClusterPair
  let selection: ObjectSelection
  let applier: SchemaApplier
  let ddl: TaskSpec.DDLPolicy

  /// Returns what is not replicated, by name.
  func align(_ databases: [String], owned: Set<String>) async throws(BridgeError) -> [String] {
    guard pair.sourceProfile.hasDescribeDatabase, pair.targetProfile.hasDescribeDatabase else { return [] }
    var notes: [String] = []
    for database in databases.sorted() {
      let name = selection.target(of: CollectionPath(database: database, name: "")).database
      guard owned.contains(name), let wanted = try await properties(pair.source, database, .source),
        let found = try await properties(pair.target, name, .target)
      else { continue }
      let (replicated, left) = PropertyRules.splitOfDatabase(wanted)
      notes += left.map { "database \(database): property \($0): the target keeps its own" }
      let set = replicated.filter { found[$0.key] != $0.value }
      let delete = PropertyRules.splitOfDatabase(found).replicated.map(\.key).filter { wanted[$0] == nil }
      guard !set.isEmpty || !delete.isEmpty else { continue }
      let action = SchemaAction.alterDatabase(name, set: set, delete: delete)
      switch ddl {
      case .apply: notes += try await applier.perform(action)
      case .ignore: notes.append("not applied (ddl: ignore): \(action)")
      case .stop:
        throw BridgeError(
          .schemaChange, side: .source, operation: "\(action)",
          message: "the source changed, and the task was created with ddl: stop")
      }
    }
    return notes
  }

  /// nil: it is gone, or this user may not look at it.
  private func properties(
    _ cluster: any MilvusCluster, _ name: String, _ side: BridgeError.Side
  ) async throws(BridgeError) -> [KeyValuePair]? {
    do {
      return try await cluster.describeDatabase(name).properties
    } catch {
      if error.isConnectionLoss {
        throw BridgeError(error, side: side, operation: "describe database \(name)")
      }
      return nil
    }
  }
}
