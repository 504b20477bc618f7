internal import MilvusWire

/// Everything that the cluster is. One call changes it at a time.
struct SandboxState {
  let settings: SandboxSettings
  var oracle: TimestampOracle
  var random: SandboxRandom
  var journal: Journal
  var databases: [DatabaseRecord] = []
  /// By id.
  var collections: [Int64: CollectionRecord] = [:]
  /// Database, then name.
  var names: [String: [String: Int64]] = [:]
  /// Database, then alias: the collection's id.
  var aliases: [String: [String: Int64]] = [:]
  var rows: [Int64: RowStore] = [:]
  var access = AccessRules()
  /// Segments that rows go to, by vchannel and partition; a flush ends them.
  var segments: [SegmentPlace: Int64] = [:]
  var nextID: Int64
  /// pchannel on which the next shard goes.
  var nextPchannel = 0
  /// Pchannels whose TimeTicks stand still (a fault).
  var heldTicks: Set<String> = []
  var replication: Replication
  /// The process has died and was not started again.
  var isDead = false
  /// A message in the log kills the process at every start.
  var isPoisoned = false
  /// Why writes are refused (a fault); nil: they are not.
  var writesDenied: Refusal?

  struct SegmentPlace: Hashable {
    var vchannel: String
    var partition: Int64
  }

  init(_ settings: SandboxSettings) {
    self.settings = settings
    oracle = TimestampOracle(now: settings.now)
    random = SandboxRandom(seed: settings.seed)
    journal = Journal(
      clusterID: settings.clusterID, pchannelCount: settings.pchannelCount, kind: settings.log,
      seed: settings.seed ^ 0x10C,
      oracle: &oracle)
    replication = Replication(ownID: settings.clusterID)
    nextID = Int64(truncatingIfNeeded: oracle.next())
    databases = [
      DatabaseRecord(
        id: 1, name: DatabaseRecord.defaultName,
        createdNanoseconds: UInt64(max(0, settings.now())) &* 1_000_000)
    ]
    access.users["root"] = AccessRules.User(password: Base64.encode(Array("Milvus".utf8)), roles: ["admin"])
  }

  mutating func takeID() -> Int64 {
    nextID += 1
    return nextID
  }

  /// The first of `count` ids in a row.
  mutating func takeIDs(_ count: Int) -> Int64 {
    let first = nextID + 1
    nextID += Int64(count)
    return first
  }

  // MARK: Looking up

  func database(_ name: String) throws(Refusal) -> DatabaseRecord {
    guard let database = databases.first(where: { $0.name == name }) else { throw .noDatabase(name) }
    return database
  }

  /// By name or alias.
  func collectionID(_ name: String, in database: String) throws(Refusal) -> Int64 {
    _ = try self.database(database)
    guard let id = names[database]?[name] ?? aliases[database]?[name] else { throw .noCollection(name) }
    return id
  }

  func collection(_ name: String, in database: String) throws(Refusal) -> CollectionRecord {
    let id = try collectionID(name, in: database)
    guard let collection = collections[id] else { throw .noCollection(name) }
    return collection
  }

  /// The collection that a request names.
  func collection(_ request: Request) throws(Refusal) -> CollectionRecord {
    try collection(request.collection, in: request.database)
  }

  func aliases(of id: Int64, in database: String) -> [String] {
    (aliases[database] ?? [:]).filter { $0.value == id }.map(\.key).sorted()
  }

  // MARK: Writing the log

  /// Encodes proto3 JSON; what cannot be encoded is our own mistake.
  static func encode(_ json: JSONValue, as name: String?) -> [UInt8] {
    guard let type = name.flatMap({ MessageDescriptor(named: $0) }) else {
      assertionFailure("no such message type")
      return []
    }
    do { return try MessageJSON().bytes(of: json, as: type) } catch {
      assertionFailure("\(error)")
      return []
    }
  }

  /// A broadcast with one header and one body.
  mutating func broadcast(
    _ type: LogMessageType, to channels: [String], header: JSONValue, body: JSONValue = [:],
    keys: [ResourceKey],
    waitsForAll: Bool = false
  ) {
    let headerBytes = Self.encode(header, as: type.headerProto)
    let bodyBytes = Self.encode(body, as: type.bodyProto)
    let drafts = channels.map { LogDraft(type: type, channel: $0, header: headerBytes, body: bodyBytes) }
    journal.broadcast(drafts, keys: keys, waitsForAll: waitsForAll, oracle: &oracle)
  }

  /// On the control channel only.
  mutating func announce(
    _ type: LogMessageType, header: JSONValue, body: JSONValue = [:], keys: [ResourceKey]
  ) {
    broadcast(type, to: [journal.controlChannel], header: header, body: body, keys: keys)
  }

  /// On every vchannel of the collection and the control channel.
  mutating func announce(
    _ type: LogMessageType, on collection: CollectionRecord, header: JSONValue, body: JSONValue = [:],
    keys: [ResourceKey]? = nil,
    waitsForAll: Bool = false
  ) {
    broadcast(
      type, to: collection.vchannels + [journal.controlChannel], header: header, body: body,
      keys: keys ?? ResourceKey.collection(collection.database, collection.name), waitsForAll: waitsForAll)
  }

  /// A schema as the log has it: struct fields qualified, the collection's name and database in it.
  static func logSchema(_ collection: CollectionRecord) -> JSONValue {
    var schema = collection.schema
    schema.name = collection.name
    schema.dbName = collection.database
    for index in schema.structArrayFields.indices {
      let structure = schema.structArrayFields[index]
      schema.structArrayFields[index].fields = structure.fields.map {
        CollectionRecord.qualified($0, in: structure)
      }
    }
    return json(schema)
  }

  static func json(_ schema: CollectionSchema) -> JSONValue {
    guard let bytes = try? schema.encoded(),
      let type = MessageDescriptor(named: "milvus.proto.schema.CollectionSchema"),
      let json = try? MessageJSON().json(of: bytes, as: type)
    else { return [:] }
    return json
  }
}
