import CDCBridge
import Foundation
import MilvusWire
import TestSupport

/// A fake source with a log beside it: what an application does changes the catalogue and the rows at once, and is appended to the log as a
/// server would, broadcasts to all their channels.
final class LogScene: Sendable {
  let cluster: FakeCluster
  let log: RecordedLog
  let pchannels: [String]
  private struct State: Sendable {
    var writers: [String: LogWriter] = [:]
    var broadcasts: UInt64 = 1_000
    var collections: [String: Int64] = [:]
    var vchannels: [Int64: [String]] = [:]
  }
  private let state: Locked<State>
  /// New collections lie on the first so many of them.
  let usedChannels: Locked<Int>

  static let manners: FakeCluster.Manners = {
    var manners = FakeCluster.Manners.milvus235
    manners.versionText = "v2.6.20"
    manners.knowsNulls = true
    manners.hidesMaximumKey = false
    return manners
  }()

  init(pchannels count: Int = 2, seed: UInt64 = 1) throws {
    cluster = FakeCluster(Self.manners, peer: "source:1", seed: seed)
    let names = (0..<count).map { "src-rootcoord-dml_\($0)" }
    pchannels = names
    usedChannels = Locked(count)
    var state = State()
    var channels: [String: [LogMessage]] = [:]
    for name in names {
      var writer = LogWriter(name)
      channels[name] = [try writer.flushAll()]
      state.writers[name] = writer
    }
    log = RecordedLog(channels, peer: "source:1")
    self.state = Locked(state)
  }

  private var control: String { ChannelName.control(ofPchannel: pchannels[0]) }

  // MARK: The log

  private func append(_ pchannel: String, _ make: (inout LogWriter) throws -> [LogMessage]) rethrows {
    try state.withLock { state in
      guard var writer = state.writers[pchannel] else { return }
      try log.append(to: pchannel) { now in
        writer.tick = max(writer.tick, now.rawValue)
        return try make(&writer)
      }
      state.writers[pchannel] = writer
    }
  }

  /// From now on each FlushAll writes its message, as a server's does; else it tells the first one.
  func flushAnew() {
    log.onFlushAll { [weak self] pchannels in
      for pchannel in pchannels { try? self?.append(pchannel) { [try $0.flushAll()] } }
    }
  }

  /// One copy for each channel, in the order given.
  func broadcast(_ change: LogChange, on channels: [String], copies: [String]? = nil) throws {
    let id = state.withLock { state in
      state.broadcasts += 1
      return state.broadcasts
    }
    for channel in copies ?? channels {
      try append(ChannelName.pchannel(of: channel)) { writer in
        [
          try writer.plain(change.type) { builder in
            builder.vchannel = channel
            builder.broadcast = BroadcastHeader(id: id, vchannels: channels)
            builder.header = change.encodedHeader
            builder.payload = change.encodedBody
          }
        ]
      }
    }
  }

  private func everywhere(_ id: Int64) -> [String] { state.withLock { $0.vchannels[id] ?? [] } + [control] }
  func id(_ name: String) -> Int64 { state.withLock { $0.collections[name] ?? 0 } }
  func vchannels(_ name: String) -> [String] { state.withLock { state in state.vchannels[state.collections[name] ?? 0] ?? [] } }

  // MARK: Schemas

  /// `isLogged` false: it was there before the log begins. `silently`: keys of rows that it has before the log says anything of it. Copies come
  /// on the last channels first.
  func create(
    _ name: String, database: String = "default", more: [FieldSchema] = [], shards: Int = 1, isLogged: Bool = true, isLoaded: Bool = true,
    silently keys: [Int64] = []
  ) async throws {
    let path = CollectionPath(database: database, name: name)
    var creation = CollectionCreation(path: path, schema: Sample.schema(name, [Sample.field("x", .int64)] + more))
    creation.shardsNum = Int32(shards)
    try await cluster.createCollection(creation)
    let id = try await cluster.describeCollection(path).id
    let used = usedChannels.withLock { $0 }
    let first = Int(id % Int64(used))
    let vchannels = (0..<shards).map {
      ChannelName.vchannel(ofPchannel: pchannels[(first + $0) % used], collectionID: id, shard: $0)
    }
    let partition = cluster.withState { state -> PartitionDescription? in
      state[path]?.description.virtualChannelNames = vchannels
      state[path]?.description.shardsNum = Int32(shards)
      return state[path]?.partitions.first
    }
    state.withLock {
      $0.collections[name] = id
      $0.vchannels[id] = vchannels
    }
    putSilently(name, keys)
    if isLogged {
      var content = LogChange.CreateCollection()
      content.collectionID = id
      content.dbID = 1
      content.dbName = database
      content.collectionName = name
      content.virtualChannelNames = vchannels
      content.partitionIDs = [partition?.id ?? 0]
      content.partitionNames = [partition?.name ?? ""]
      content.collectionSchema = try await cluster.describeCollection(path).schema
      try broadcast(.createCollection(content), on: everywhere(id), copies: vchannels.sorted(by: >) + [control])
    }
    try await index(path, id, isLogged: isLogged)
    if isLoaded { try await load(name, database: database, isLogged: isLogged) }
  }

  private func index(_ path: CollectionPath, _ id: Int64, isLogged: Bool) async throws {
    try await cluster.createIndex(path, index: Sample.hnsw)
    guard isLogged else { return }
    let field = try await cluster.describeCollection(path).schema.fields.first { $0.name == "v" }
    var info = LogChange.IndexInfo()
    info.collectionID = id
    info.fieldID = field?.fieldID ?? 0
    info.indexID = id &+ 1_000_000
    info.indexName = Sample.hnsw.indexName
    info.userIndexParams = Sample.hnsw.params
    var content = LogChange.CreateIndex()
    content.collectionID = id
    var index = LogChange.FieldIndex()
    index.info = info
    content.fieldIndex = index
    try broadcast(.createIndex(content), on: [control])
  }

  func load(_ name: String, database: String = "default", isLogged: Bool = true) async throws {
    let path = CollectionPath(database: database, name: name)
    try await cluster.loadCollection(path, options: LoadOptions())
    guard isLogged else { return }
    var content = LogChange.AlterLoadConfig()
    content.collectionID = id(name)
    content.partitionIDs = cluster.withState { $0[path]?.partitions.map(\.id) ?? [] }
    try broadcast(.alterLoadConfig(content), on: [control])
  }

  func partition(_ name: String, _ partition: String, isLogged: Bool = true) async throws {
    let path = Sample.path(name)
    try await cluster.createPartition(path, name: partition)
    guard isLogged else { return }
    var content = LogChange.Partition()
    content.collectionID = id(name)
    content.partitionName = partition
    content.partitionID = partitionID(name, partition)
    try broadcast(.createPartition(content), on: everywhere(id(name)))
  }

  func partitionID(_ name: String, _ partition: String) -> Int64 {
    cluster.withState { $0[Sample.path(name)]?.partitions.first { $0.name == partition }?.id ?? 0 }
  }

  func drop(_ name: String, database: String = "default") async throws {
    var content = LogChange.DropCollection()
    content.collectionID = id(name)
    content.collectionName = name
    content.dbName = database
    try await cluster.dropCollection(CollectionPath(database: database, name: name))
    try broadcast(.dropCollection(content), on: everywhere(id(name)))
    state.withLock { $0.collections[name] = nil }
  }

  func rename(_ name: String, to new: String) async throws {
    var updates = LogChange.CollectionUpdates()
    updates.collectionName = new
    var content = LogChange.AlterCollection()
    content.collectionID = id(name)
    content.updateMask = LogChange.FieldMask(["collection_name"])
    content.updates = updates
    // A server writes its log first.
    try broadcast(.alterCollection(content), on: everywhere(id(name)))
    try await cluster.renameCollection(Sample.path(name), to: Sample.path(new))
    state.withLock { state in
      state.collections[new] = state.collections[name]
      state.collections[name] = nil
    }
  }

  func truncate(_ name: String) throws {
    cluster.withState { $0[Sample.path(name)]?.rows = [:] }
    var content = LogChange.TruncateCollection()
    content.collectionID = id(name)
    try broadcast(.truncateCollection(content), on: everywhere(id(name)))
  }

  func alias(_ alias: String, _ name: String) async throws {
    if cluster.withState({ $0.databases["default"]?.aliases[alias] == nil }) {
      try await cluster.createAlias(alias, for: Sample.path(name))
    } else {
      try await cluster.alterAlias(alias, to: Sample.path(name))
    }
    var content = LogChange.AlterAlias()
    content.collectionID = id(name)
    content.dbName = "default"
    content.alias = alias
    try broadcast(.alterAlias(content), on: [control])
  }

  // MARK: Rows

  /// Rows that only the cluster has: they were there before the log begins, or a lost part of the log held them.
  func putSilently(_ name: String, _ keys: some Sequence<Int64>, value: Int64 = 0) {
    let keys = Array(keys)
    cluster.withState { Self.store(&$0, name, keys, value: value, replaces: true) }
  }

  /// What the rows of the scene are.
  private static func store(
    _ state: inout FakeState, _ name: String, _ keys: [Int64], value: Int64, partition: String? = nil, replaces: Bool
  ) {
    let version = state.now()
    for key in keys {
      if replaces { remove(&state, name, [key]) }
      let values: [String: FakeValue] = ["id": .int(key), "x": .int(value), "v": .floats([1, 2, 3, 4])]
      state[Sample.path(name)]?.rows[partition ?? "_default", default: []].append(
        FakeRow(key: .int(key), values: values, version: version))
    }
  }
  private static func remove(_ state: inout FakeState, _ name: String, _ keys: [Int64]) {
    for partition in state[Sample.path(name)]?.rows.keys.map({ $0 }) ?? [] {
      state[Sample.path(name)]?.rows[partition]?.removeAll { row in keys.contains { row.key == .int($0) } }
    }
  }

  /// Nobody reads the rows between the log's message and their change: a query waits for the log up to its own time.
  private func atOnce(_ body: @Sendable (inout FakeState) throws -> Void) throws {
    let failure = cluster.withState { state -> (any Error)? in
      do { try body(&state) } catch { return error }
      return nil
    }
    if let failure { throw failure }
  }

  /// An Insert, which repeats a key that is there.
  func insert(_ name: String, _ keys: [Int64], value: Int64 = 0, partition: String? = nil) throws {
    let bodies = spread(name, keys).map { ($0.0, insertBody(name, $0.1, value: value, partition: partition, $0.0)) }
    try atOnce { state in
      Self.store(&state, name, keys, value: value, partition: partition, replaces: false)
      for (channel, body) in bodies {
        try append(ChannelName.pchannel(of: channel)) { writer in
          [try writer.plain(.insert) { Self.fill(&$0, .insert(body.0, body.1), channel) }]
        }
      }
    }
  }

  func delete(_ name: String, _ keys: [Int64]) throws {
    let bodies = spread(name, keys).map { ($0.0, deleteBody(name, $0.1)) }
    try atOnce { state in
      Self.remove(&state, name, keys)
      for (channel, body) in bodies {
        try append(ChannelName.pchannel(of: channel)) { writer in
          [try writer.plain(.delete) { Self.fill(&$0, .delete(body.0, body.1), channel) }]
        }
      }
    }
  }

  /// A transaction of both, in either order.
  func upsert(_ name: String, _ keys: [Int64], value: Int64, insertFirst: Bool = false) throws {
    let order: [LogMessageType] = insertFirst ? [.insert, .delete] : [.delete, .insert]
    let bodies = spread(name, keys).map { channel, chosen in
      (channel, insertBody(name, chosen, value: value, partition: nil, channel), deleteBody(name, chosen))
    }
    try atOnce { state in
      Self.store(&state, name, keys, value: value, replaces: true)
      for (channel, insert, delete) in bodies {
        try append(ChannelName.pchannel(of: channel)) { writer in
          try writer.transaction(order) { number, builder in
            builder.vchannel = channel
            if builder.type == .insert { Self.fill(&builder, .insert(insert.0, insert.1), channel) }
            if builder.type == .delete { Self.fill(&builder, .delete(delete.0, delete.1), channel) }
          }
        }
      }
    }
  }

  private static func fill(_ builder: inout LogMessageBuilder, _ change: LogChange, _ channel: String) {
    builder.vchannel = channel
    builder.header = change.encodedHeader
    builder.payload = change.encodedBody
  }

  private func spread(_ name: String, _ keys: [Int64]) -> [(String, [Int64])] {
    let channels = vchannels(name)
    guard !channels.isEmpty else { return [] }
    return Dictionary(grouping: keys) { channels[Int($0.magnitude % UInt64(channels.count))] }.sorted { $0.key < $1.key }
      .map { ($0.key, $0.value) }
  }

  private func insertBody(
    _ name: String, _ keys: [Int64], value: Int64, partition: String?, _ channel: String
  ) -> (InsertHeader, InsertRows) {
    let fields = cluster.withState { $0[Sample.path(name)]?.description.schema.fields ?? [] }
    let partition = partition ?? "_default"
    var header = InsertHeader()
    header.collectionID = id(name)
    var rows = InsertRows()
    rows.collectionID = id(name)
    rows.collectionName = name
    rows.partitionName = partition
    rows.partitionID = partitionID(name, partition)
    rows.rowCount = keys.count
    rows.version = 1
    rows.columns = fields.map { field in
      let values = keys.map { key -> FakeValue in
        switch field.name {
        case "id": .int(key)
        case "v": .floats([1, 2, 3, 4])
        default: .int(value)
        }
      }
      return FakeColumn.encode(field, values, fieldID: field.fieldID)[...]
    }
    rows.rowIDs = keys
    rows.timestamps = keys.map { _ in TimeTick(1) }
    return (header, rows)
  }

  private func deleteBody(_ name: String, _ keys: [Int64]) -> (DeleteHeader, DeleteRows) {
    var header = DeleteHeader()
    header.collectionID = id(name)
    header.rows = UInt64(keys.count)
    var rows = DeleteRows()
    rows.collectionID = id(name)
    rows.partitionID = -1
    rows.keys = .ints(keys)
    rows.rowCount = Int64(keys.count)
    return (header, rows)
  }
}
