package import MilvusWire

/// One physical row. Milvus keeps repeated keys; `version` tells the newest.
package struct FakeRow: Sendable, Equatable {
  package var key: RowKey
  package var values: [String: FakeValue]
  package var version: UInt64
  package init(key: RowKey, values: [String: FakeValue], version: UInt64) {
    (self.key, self.values, self.version) = (key, values, version)
  }
}

package struct FakeCollection: Sendable {
  package var description: CollectionDescription
  package var partitions: [PartitionDescription]
  package var indexes: [IndexDescription] = []
  /// All of it, or on Milvus some partitions: those of `loadedPartitions`, all where that is empty.
  package var isLoaded = false
  package var loadedPartitions: Set<String> = []
  /// By partition name; physical rows in the order of writing.
  package var rows: [String: [FakeRow]] = [:]

  package var key: FieldSchema { description.schema.primaryKey ?? FieldSchema(name: "", dataType: .int64) }

  /// True where these partitions (all: empty) are loaded.
  package func isReadable(_ names: [String]) -> Bool {
    guard isLoaded else { return false }
    if loadedPartitions.isEmpty { return true }
    return loadedPartitions.isSuperset(of: names.isEmpty ? partitions.map(\.name) : names)
  }

  /// Where a filter on the partition key looks for this row; nil without a partition key.
  package func home(of row: FakeRow) -> String? {
    guard let field = description.schema.partitionKey, !partitions.isEmpty else { return nil }
    let text = row.values[field.name].map { "\($0)" } ?? ""
    return partitions[text.utf8.reduce(0) { ($0 &* 31 &+ Int($1)) & 0xFFFF } % partitions.count].name
  }
  /// Keys of rows that a filter on the partition key does not find.
  package var misplacedKeys: [RowKey] {
    rows.flatMap { name, rows in rows.filter { home(of: $0).map { $0 != name } ?? false } }.map(\.key).sorted()
  }

  /// The newest version of each key of some partitions (all: empty), by key.
  package func visible(_ partitions: [String] = []) -> [RowKey: FakeRow] {
    var result: [RowKey: FakeRow] = [:]
    for (name, rows) in rows where partitions.isEmpty || partitions.contains(name) {
      for row in rows where result[row.key].map({ $0.version <= row.version }) ?? true { result[row.key] = row }
    }
    return result
  }
  package func physicalCount(_ partitions: [String] = []) -> Int {
    rows.reduce(0) { $0 + (partitions.isEmpty || partitions.contains($1.key) ? $1.value.count : 0) }
  }
  /// Keys that stand in more than one physical row.
  package var repeatedKeys: [RowKey] {
    var counts: [RowKey: Int] = [:]
    for row in rows.values.joined() { counts[row.key, default: 0] += 1 }
    return counts.filter { $0.value > 1 }.keys.sorted()
  }
}

package struct FakeDatabase: Sendable {
  package var properties: [KeyValuePair] = []
  package var collections: [String: FakeCollection] = [:]
  /// Alias → collection.
  package var aliases: [String: String] = [:]
  package init() {}
}

/// Everything a fake cluster holds; one lock guards it.
package struct FakeState: Sendable {
  package var databases: [String: FakeDatabase] = ["default": FakeDatabase()]
  package var tick: UInt64 = 1 << 40
  package var nextID: Int64 = 100
  package var random: SeededGenerator
  package var callCount = 0
  package var calls: [FakeCall] = []
  /// Writes that arrive after more calls: index of the call before which they are applied.
  var late: [(at: Int, apply: @Sendable (inout FakeState) -> Void)] = []
  /// True after a request that kills a real 2.3.5: nothing answers any more.
  package var isDead = false
  /// While a query is served whose collection is being released: its nodes have no rows any more.
  var hasLetGo = false
  /// What a real server would have survived, but the bridge must never do.
  package var violations: [String] = []
  package init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  package mutating func now() -> UInt64 {
    tick += 1 << 18
    return tick
  }
  package mutating func newID() -> Int64 {
    nextID += 1
    return nextID
  }

  /// The collection behind a name or an alias.
  package func resolve(_ path: CollectionPath) -> CollectionPath? {
    guard let database = databases[path.database] else { return nil }
    if database.collections[path.name] != nil { return path }
    return database.aliases[path.name].map { CollectionPath(database: path.database, name: $0) }
  }
  package subscript(path: CollectionPath) -> FakeCollection? {
    get { databases[path.database]?.collections[path.name] }
    set { databases[path.database]?.collections[path.name] = newValue }
  }
}

/// One call that was made.
package struct FakeCall: Sendable, Equatable {
  package var index: Int
  package var method: String
  package var path: CollectionPath?
  package var rowCount = 0
  package var expression = ""
}

/// What happens to a call instead of a plain answer.
package enum FakeFault: Sendable, Equatable {
  /// DEADLINE_EXCEEDED; nothing was done.
  case timeoutBefore
  /// DEADLINE_EXCEEDED; the work was done.
  case timeoutAfter
  /// DEADLINE_EXCEEDED; the work is done when this many more calls have been made.
  case timeoutLate(calls: Int)
  /// The connection broke after the request was sent, before or after the work.
  case dropBefore, dropAfter
  /// Nobody listens: not one byte was sent.
  case notListening
  /// Milvus code 8.
  case rateLimited
  /// Milvus code 9.
  case writesDenied
  /// The collection is released while a Query is served: OK, and no rows.
  case released
  /// gRPC RESOURCE_EXHAUSTED.
  case tooLarge
  case status(MilvusStatus)
  case rpc(RPCStatusCode)
}
