package import MilvusWire

/// Everything that stands in the way of a native task, each with what a person can do about it. Never empty when it is thrown.
package struct NativeObstacles: Error, Sendable, Equatable {
  package struct Obstacle: Sendable, Equatable {
    package var what: String
    package var fix: String
  }
  package private(set) var list: [Obstacle] = []

  package init() {}

  package mutating func add(_ what: String, fix: String) { list.append(Obstacle(what: what, fix: fix)) }

  /// Of each of the `lines`.
  package static let prefix = "obstacle: "
  package var lines: [String] { list.map { "\(Self.prefix)\($0.what) (fix: \($0.fix))" } }

  var error: BridgeError {
    BridgeError(
      .invalidInput, side: .local, operation: "start native replication", message: list.map(\.what).joined(separator: "; "),
      hint: list.map(\.fix).joined(separator: "; ") + ".")
  }

  var stop: TaskStop { TaskStop(error) }

  // MARK: What needs no call

  /// What the request itself asks for that native replication cannot do: it is the whole cluster, as it is.
  package mutating func check(_ spec: TaskSpec) {
    let whole = ObjectSelection.Pattern(database: "*", collection: "*")
    if spec.selection.patterns != [whole] || !spec.selection.excluded.isEmpty {
      add(
        "native replicates the whole cluster, and the task selects a part of it",
        fix: "create it with db_collections {\"*\": [{\"name\": \"*\"}]} and no other task on this target, or with apply public")
    }
    if !spec.selection.mappings.isEmpty {
      add("native keeps all names, and the task has a name_mapping", fix: "leave it out, or use apply public")
    }
    if spec.ignorePartition {
      add("native keeps all partitions, and the task ignores them", fix: "leave ignore_partition out, or use apply public")
    }
    if spec.ddl != .apply {
      add("native replicates schema changes as they are, and the task has ddl \(spec.ddl.rawValue)", fix: "use ddl apply")
    }
    if spec.adopt {
      add("native begins with an empty target, and the task has adopt", fix: "leave adopt out and empty the target")
    }
    if spec.capture == .reconcile {
      add("native forwards a log, and the task has capture reconcile", fix: "use capture auto or wal")
    }
  }

  package mutating func check(source: ServerProfile, target: ServerProfile) {
    if source.isLite || target.isLite {
      add("Milvus Lite has no log", fix: "use apply public")
      return
    }
    if let version = source.version, !source.hasLog {
      add("the source is \(version) and lets nobody read its log", fix: "upgrade it to 2.6.20, 3.0.0 or later")
    }
    if let version = target.version, version < ServerProfile.Version(2, 6, 8) {
      add("the target is \(version) and cannot be a standby", fix: "upgrade it to the source's version")
      return
    }
    if let from = source.version, let to = target.version, Self.isNewer(from, than: to) {
      add(
        "the source (\(from)) is newer than the target (\(to)), which may die of what it does not know",
        fix: "upgrade the target to \(from) first")
    }
  }

  /// Within 2.6, from 2.6.20 on, nothing that is replicated changes (`wal-protocol.md` §1.1).
  private static func isNewer(_ source: ServerProfile.Version, than target: ServerProfile.Version) -> Bool {
    let floor = ServerProfile.Version(2, 6, 20)
    if source.major == 2, source.minor == 6, source >= floor, target >= floor { return false }
    return source > target
  }

  // MARK: Roles

  /// `source` and `target` are the configurations that the clusters have; nil: none.
  package mutating func check(source: ReplicateConfiguration?, target: ReplicateConfiguration?, sourceID: String?) {
    if let source, source.clusters.count > 1 {
      let edges = source.topology.map { "\($0.sourceClusterID) → \($0.targetClusterID)" }.joined(separator: ", ")
      add(
        "the source is in a replication of Milvus's own (\(edges)): two senders would destroy each other's transactions",
        fix: "take the source out of it (a configuration of this cluster alone), or use apply public")
    }
    guard let target, !target.topology.isEmpty else { return }
    let from = target.topology.map(\.sourceClusterID)
    if let sourceID, NativePairing.existing(target, sourceID: sourceID) != nil { return }
    add(
      "the target is in a replication already (from \(from.joined(separator: ", ")))",
      fix: "promote it or take it out of that replication, and empty it")
  }

  /// What stands on a target that is no standby yet.
  package mutating func check(targetObjects: [String]) {
    guard !targetObjects.isEmpty else { return }
    let shown = targetObjects.prefix(5).joined(separator: ", ")
    add(
      "the target is not empty (\(shown)\(targetObjects.count > 5 ? " and \(targetObjects.count - 5) more" : "")): ids would collide",
      fix: "drop what is on the target, or use another one")
  }
}
