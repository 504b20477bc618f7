import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Changes on a fake source, as an application would make them.
struct SourceScene: Sendable {
  let cluster: FakeCluster

  /// A collection with rows, an index and a load; `rows` keys from 1 on.
  func make(
    _ name: String, rows: Int64 = 3, database: String = "default", more: [FieldSchema] = [],
    partitions: [String] = [], numPartitions: Int64 = 0, isLoaded: Bool = true
  ) async throws {
    let path = CollectionPath(database: database, name: name)
    if database != "default", cluster.withState({ $0.databases[database] == nil }) {
      try await cluster.createDatabase(database, properties: [])
    }
    var creation = CollectionCreation(path: path, schema: Sample.schema(name, more))
    creation.numPartitions = numPartitions
    try await cluster.createCollection(creation)
    for partition in partitions { try await cluster.createPartition(path, name: partition) }
    try await cluster.createIndex(path, index: Sample.hnsw)
    if isLoaded {
      try await cluster.loadCollection(path, options: LoadOptions())
    } else {
      try await cluster.releaseCollection(path)
    }
    for key in 1...max(1, rows) where rows > 0 { put(name, key, database: database) }
  }

  /// Inserts or replaces a row.
  func put(
    _ name: String, _ key: Int64, value: Int64 = 0, partition: String? = nil, database: String = "default"
  ) {
    let path = CollectionPath(database: database, name: name)
    cluster.withState { state in
      let version = state.now()
      guard var collection = state[path] else { return }
      let place = partition ?? collection.partitions.first?.name ?? "_default"
      for partition in collection.rows.keys { collection.rows[partition]?.removeAll { $0.key == .int(key) } }
      collection.rows[place, default: []].append(
        FakeRow(key: .int(key), values: ["id": .int(key), "x": .int(value)], version: version))
      state[path] = collection
    }
  }
  func remove(_ name: String, _ key: Int64) {
    let path = Sample.path(name)
    cluster.withState { state in
      for partition in state[path]?.rows.keys.map({ $0 }) ?? [] {
        state[path]?.rows[partition]?.removeAll { $0.key == .int(key) }
      }
    }
  }
}

extension RunnerHarness {
  var scene: SourceScene { SourceScene(cluster: source) }

  /// Everything of a target that a task is to make equal, as text, so that a difference can be read.
  static func picture(
    _ cluster: FakeCluster, only: Set<CollectionPath>? = nil, comparesPartitions: Bool = true
  ) -> [String] {
    cluster.withState { state in
      var lines: [String] = []
      for (database, content) in state.databases {
        lines.append("database \(database)")
        for (name, collection) in content.collections {
          let path = CollectionPath(database: database, name: name)
          if let only, !only.contains(path) { continue }
          let schema = collection.description.schema
          lines.append("\(path) fields \(schema.fields.map { "\($0.name):\($0.dataType.title)" })")
          if schema.partitionKey == nil, comparesPartitions {
            lines.append("\(path) partitions \(collection.partitions.map(\.name).sorted())")
          }
          lines.append("\(path) indexes \(collection.indexes.map { "\($0.fieldName) \(IndexShape($0))" }.sorted())")
          lines.append("\(path) loaded \(collection.isLoaded)")
          lines.append(
            "\(path) properties \(collection.description.properties.map { "\($0.key)=\($0.value)" }.sorted())")
          for (key, row) in collection.visible() { lines.append("\(path) row \(key) \(row.values["x"] ?? .null)") }
          for key in collection.repeatedKeys { lines.append("\(path) repeats \(key)") }
          if schema.partitionKey == nil, comparesPartitions {
            for (partition, rows) in collection.rows {
              for row in rows { lines.append("\(path) \(row.key) in \(partition)") }
            }
          }
        }
        for (alias, name) in content.aliases { lines.append("alias \(database).\(alias) → \(name)") }
      }
      return lines.sorted()
    }
  }

  func expectEqual(
    comparesPartitions: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let wanted = Set(Self.picture(source, comparesPartitions: comparesPartitions))
    let found = Set(Self.picture(target, comparesPartitions: comparesPartitions))
    #expect(wanted.subtracting(found) == [], "missing on the target", sourceLocation: sourceLocation)
    #expect(found.subtracting(wanted) == [], "only on the target", sourceLocation: sourceLocation)
    #expect(target.violations == [], sourceLocation: sourceLocation)
  }
}
