package import MilvusWire

/// What a task was asked to do: the validated `create` request (`task-api.md` §2.2, `design.md` §4).
package struct TaskSpec: Sendable, Equatable {
  package enum Capture: String, Sendable, Equatable, CaseIterable { case auto, wal, reconcile }
  package enum Apply: String, Sendable, Equatable, CaseIterable { case `public`, native }
  package enum GapPolicy: String, Sendable, Equatable, CaseIterable { case heal, stop }
  package enum DDLPolicy: String, Sendable, Equatable, CaseIterable { case apply, ignore, stop }

  package var source: ClusterConnection
  package var target: ClusterConnection
  package var selection: ObjectSelection
  package var capture: Capture = .auto
  package var apply: Apply = .public
  package var initialCopy = true
  /// Pause between two reconcile passes.
  package var reconcileInterval: Duration = .seconds(30)
  package var ddl: DDLPolicy = .apply
  /// A target collection that exists may be taken over whatever it holds; rows that the source lacks are deleted from it.
  package var adopt = false
  package var ignorePartition = false
  package var disableAutoStart = false
  /// Users, roles, grants and privilege groups are replicated (`extra_info.enable_user_role`).
  package var replicatesAccess = false
  /// Follow up to here, then stop; nil: for ever.
  package var endAt: TimeTick?
  /// What to do where part of the log is gone (D18).
  package var onGap: GapPolicy = .heal

  package init(source: ClusterConnection, target: ClusterConnection, selection: ObjectSelection) {
    self.source = source
    self.target = target
    self.selection = selection
  }
}

/// Which source collections a task covers and what they are called on the target (`task-api.md` §2.4, §2.5). Pure.
package struct ObjectSelection: Sendable, Equatable {
  /// `database` and `collection` are names or `*`.
  package struct Pattern: Sendable, Hashable {
    package var database: String
    package var collection: String
    package init(database: String, collection: String) {
      self.database = database
      self.collection = collection
    }
    package func covers(_ path: CollectionPath) -> Bool {
      (database == "*" || database == path.database)
        && (collection == "*" || collection == path.name)
    }
  }
  /// One entry of `name_mapping`; empty `collections` renames the database only.
  package struct Mapping: Sendable, Equatable {
    package var sourceDatabase: String
    package var targetDatabase: String
    package var collections: [String: String]
    package init(sourceDatabase: String, targetDatabase: String, collections: [String: String]) {
      self.sourceDatabase = sourceDatabase
      self.targetDatabase = targetDatabase
      self.collections = collections
    }
  }
  package var patterns: [Pattern]
  /// Full names another task on the same target already has.
  package var excluded: [Pattern] = []
  package var mappings: [Mapping] = []

  package init(patterns: [Pattern]) { self.patterns = patterns }

  package func covers(_ path: CollectionPath) -> Bool {
    patterns.contains { $0.covers(path) } && !excluded.contains { $0.covers(path) }
  }
  /// The name on the target; an exact rule beats a database rule. The path itself where no rule matches.
  package func target(of path: CollectionPath) -> CollectionPath {
    for mapping in mappings where mapping.sourceDatabase == path.database {
      if let name = mapping.collections[path.name] {
        return CollectionPath(database: mapping.targetDatabase, name: name)
      }
    }
    for mapping in mappings
    where mapping.sourceDatabase == path.database && mapping.collections.isEmpty {
      return CollectionPath(database: mapping.targetDatabase, name: path.name)
    }
    return path
  }
}
