import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// A source and a target in memory with one collection, and everything a test of the row engine asks of them.
struct RowScenario {
  let source: FakeCluster
  let target: FakeCluster
  let path = CollectionPath(database: "default", name: "films")
  var schema: CollectionSchema
  var options = RowPassOptions()
  let clock = ImmediateClock()

  enum Direction: CaseIterable, Sendable { case milvusToLite, liteToMilvus, milvusToMilvus, liteToLite }
  enum Keys: CaseIterable, Sendable { case ints, texts }

  init(_ direction: Direction, keys: Keys = .ints, partitionKey: String? = nil, seed: UInt64 = 7) async throws {
    let milvus = FakeCluster.Manners.milvus235, lite = FakeCluster.Manners.lite
    source = FakeCluster(direction == .liteToMilvus || direction == .liteToLite ? lite : milvus, peer: "source:1", seed: seed)
    target = FakeCluster(direction == .milvusToLite || direction == .liteToLite ? lite : milvus, peer: "target:1", seed: seed + 1)
    schema = Self.schema(keys)
    for at in schema.fields.indices where schema.fields[at].name == partitionKey { schema.fields[at].isPartitionKey = true }
    options.clock = clock
    options.pageBytes = 700
    options.batchBytes = 500
    try await create()
  }

  static func schema(_ keys: Keys) -> CollectionSchema {
    var schema = CollectionSchema(name: "films")
    var key = FieldSchema(name: "id", dataType: keys == .ints ? .int64 : .varChar)
    key.isPrimaryKey = true
    if keys == .texts { key.typeParams = [KeyValuePair("max_length", "64")] }
    var vector = FieldSchema(name: "vec", dataType: .floatVector)
    vector.typeParams = [KeyValuePair("dim", "4")]
    var title = FieldSchema(name: "title", dataType: .varChar)
    title.typeParams = [KeyValuePair("max_length", "32")]
    var tags = FieldSchema(name: "tags", dataType: .array)
    tags.elementType = .int32
    tags.typeParams = [KeyValuePair("max_capacity", "8")]
    schema.fields = [key, vector, title, tags, FieldSchema(name: "facts", dataType: .json), FieldSchema(name: "price", dataType: .float)]
    schema.enableDynamicField = true
    return schema
  }

  private func create() async throws {
    for cluster in [source, target] {
      try await cluster.createCollection(CollectionCreation(path: path, schema: schema))
      var index = IndexDescription(fieldName: "vec", indexName: "vec")
      index.params = [KeyValuePair("index_type", "FLAT"), KeyValuePair("metric_type", "L2")]
      try await cluster.createIndex(path, index: index)
      try await cluster.loadCollection(path, options: LoadOptions())
    }
  }

  // MARK: Rows

  static func row(_ key: RowKey, _ random: inout SeededGenerator) -> [String: FakeValue] {
    var values: [String: FakeValue] = [:]
    switch key {
    case .int(let number): values["id"] = .int(number)
    case .text(let bytes): values["id"] = .text(bytes)
    }
    values["vec"] = .floats((0..<4).map { _ in Float.random(in: -1...1, using: &random) })
    values["title"] = .text("é\(Int.random(in: 0...999, using: &random))")
    values["tags"] = .array((0..<Int.random(in: 0...3, using: &random)).map { _ in .int(Int64.random(in: -5...5, using: &random)) })
    values["facts"] = .text("{\"n\":\(Int.random(in: 0...99, using: &random))}")
    values["price"] = .float(Float.random(in: 0...10, using: &random))
    values["$meta"] = .text(Bool.random(using: &random) ? "{}" : "{\"k\":\(Int.random(in: 0...9, using: &random))}")
    return values
  }

  func put(_ rows: [(RowKey, [String: FakeValue])], in cluster: FakeCluster, partition: String = "_default") {
    let path = path
    cluster.withState { state in
      let version = state.now()
      for (key, values) in rows {
        let row = FakeRow(key: key, values: values, version: version)
        let home = state[path]?.home(of: row)
        state[path]?.rows[home ?? partition, default: []].append(row)
      }
    }
  }
  func remove(_ keys: Set<RowKey>, from cluster: FakeCluster) {
    let path = path
    cluster.withState { state in
      for name in state[path]?.rows.keys.map({ $0 }) ?? [] { state[path]?.rows[name]?.removeAll { keys.contains($0.key) } }
    }
  }
  /// Rows with these keys and random values, the same for the same seed.
  func fill(_ cluster: FakeCluster, _ keys: some Sequence<Int>, seed: UInt64 = 99) {
    var random = SeededGenerator(seed: seed)
    put(keys.map { (key($0), Self.row(key($0), &random)) }, in: cluster)
  }
  func key(_ number: Int) -> RowKey { schema.fields[0].dataType == .int64 ? .int(Int64(number)) : .text("k\(number)") }

  // MARK: Passes

  var pair: ClusterPair {
    ClusterPair(
      source: source, sourceProfile: Self.profile(source), target: target, targetProfile: Self.profile(target))
  }
  static func profile(_ cluster: FakeCluster) -> ServerProfile {
    var profile = ServerProfile(
      kind: cluster.manners.isLite ? .lite : .milvus, version: cluster.manners.isLite ? .init(3, 2, 2) : .init(2, 3, 5),
      versionText: cluster.manners.versionText)
    profile.hasAllocTimestamp = !cluster.manners.isLite
    return profile
  }

  func unit(partition: String? = nil) async throws -> RowUnit {
    let a = try await source.describeCollection(path), b = try await target.describeCollection(path)
    return RowUnit(
      source: path, target: path, sourcePartition: partition, targetPartition: partition, sourceSchema: a.schema,
      targetSchema: b.schema, sourceID: a.id)
  }

  /// The reports of one pass.
  final class Reports: Sendable {
    private let all = Locked<[RowPassReport]>([])
    func add(_ report: RowPassReport) { all.withLock { $0.append(report) } }
    var list: [RowPassReport] { all.withLock { $0 } }
    var confirmedThrough: RowKey? { list.last?.confirmedThrough }
  }

  func pass(_ reports: Reports = Reports(), partition: String? = nil, _ change: (inout RowPassOptions) -> Void = { _ in })
    async throws -> RowPassResult
  {
    var options = options
    change(&options)
    return try await RowPass(pair: pair, unit: try await unit(partition: partition), options: options, report: reports.add).run()
  }

  // MARK: Checks

  /// Lite writes JSON again with spaces.
  static func unspaced(_ values: [String: FakeValue]) -> [String: FakeValue] {
    var result = values
    for name in ["facts", "$meta"] {
      if case .text(let json) = values[name] { result[name] = .text(json.filter { $0 != 0x20 }) }
    }
    return result
  }

  func visible(_ cluster: FakeCluster, partition: String? = nil) -> [RowKey: [String: FakeValue]] {
    let path = path
    return cluster.withState { $0[path]?.visible(partition.map { [$0] } ?? []) ?? [:] }.mapValues(\.values)
  }

  /// Rows of the target with every repeat of a key.
  var physicalCount: Int {
    let path = path
    return target.withState { $0[path]?.physicalCount() ?? 0 }
  }

  /// Both hold the same rows, no key stands twice on the target, and nothing was sent that would end a real server.
  func expectEqual(partition: String? = nil, allowsRepeatedKeys: Bool = false, _ location: SourceLocation = #_sourceLocation) {
    let (a, b) = (visible(source, partition: partition), visible(target, partition: partition))
    #expect(a.keys.sorted() == b.keys.sorted(), sourceLocation: location)
    let different = a.filter { key, values in b[key].map { Self.unspaced($0) != Self.unspaced(values) } ?? false }.keys
    #expect(different.sorted() == [], sourceLocation: location)
    let path = path
    if !allowsRepeatedKeys {
      #expect(target.withState { $0[path]?.repeatedKeys } == [], "no key twice", sourceLocation: location)
    }
    #expect(target.violations == [], sourceLocation: location)
    #expect(source.violations == [], sourceLocation: location)
  }
}
