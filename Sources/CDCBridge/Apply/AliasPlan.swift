package import MilvusWire

/// What happens to the aliases of one collection. Pure (`public-rpc.md` §3.7).
package struct AliasPlan: Sendable, Equatable {
  package var sets: [SchemaAction] = []
  package var drops: [SchemaAction] = []
  package var notes: [String] = []

  /// `elsewhere`: aliases that other collections of the source have; one that has only moved is not dropped but taken over by the other.
  /// `owned`: names of the task's collections in the target's database.
  package init(
    source: [String], target: [String], path: CollectionPath, elsewhere: Set<String>,
    owned: Set<String>, gate: FeatureGate
  ) {
    for alias in source where !target.contains(alias) {
      if let reason = gate.nameRefusal(alias) {
        notes.append("alias \(alias): \(reason)")
      } else {
        sets.append(.setAlias(alias, path, movableFrom: owned))
      }
    }
    for alias in target where !source.contains(alias) && !elsewhere.contains(alias) {
      drops.append(.dropAlias(database: path.database, alias: alias))
    }
  }
}
