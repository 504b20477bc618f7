internal import MilvusWire

// Partitions, aliases, flushes (`public-rpc.md` §3.4, §3.7, §3.8).

extension SandboxState {
  mutating func createPartition(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let name = request.text("partition_name")
    try Self.check(name: name, what: "partition")
    guard !collection.hasPartitionKey else {
      throw .unexpected("disable create partition if partition key mode is used")
    }
    guard collection.partition(named: name) == nil else { return [:] }
    let partition = CollectionRecord.Partition(id: takeID(), name: name, createdTick: oracle.next())
    collections[collection.id]?.partitions.append(partition)
    // It counts as loaded with its collection, and the log does not say so (`wal-protocol.md` §3.2).
    collections[collection.id]?.load?.partitions.append(partition.id)
    announcePartition(.createPartition, partition, collection)
    return [:]
  }

  mutating func dropPartition(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let name = request.text("partition_name")
    guard !collection.hasPartitionKey else {
      throw .unexpected("disable drop partition if partition key mode is used")
    }
    guard name != CollectionRecord.defaultPartition else {
      throw .unexpected("default partition cannot be deleted")
    }
    guard let partition = collection.partition(named: name) else { return [:] }
    guard !(collection.load?.partitions.contains(partition.id) ?? false) else {
      throw .unexpected("partition cannot be dropped, partition is loaded, please release it first")
    }
    collections[collection.id]?.partitions.removeAll { $0.id == partition.id }
    rows[collection.id]?.delete(partition: partition.id)
    segments = segments.filter { $0.key.partition != partition.id }
    announcePartition(.dropPartition, partition, collection)
    return [:]
  }

  private mutating func announcePartition(
    _ type: LogMessageType, _ partition: CollectionRecord.Partition, _ collection: CollectionRecord
  ) {
    let database = databases.first { $0.name == collection.database }
    announce(
      type, on: collection,
      header: ["collection_id": .int(collection.id), "partition_id": .int(partition.id)],
      body: [
        "base": ["msg_type": .string(type.name)], "db_name": .string(collection.database),
        "collection_name": .string(collection.name), "partition_name": .string(partition.name),
        "dbID": .int(database?.id ?? 0), "collectionID": .int(collection.id),
        "partitionID": .int(partition.id),
      ])
  }

  func hasPartition(_ request: Request) throws(Refusal) -> JSONObject {
    ["value": .bool(try collection(request).partition(named: request.text("partition_name")) != nil)]
  }

  func showPartitions(_ request: Request) throws(Refusal) -> JSONObject {
    let asked = request.fields.integer("collectionID")
    let found = request.collection.isEmpty ? collections[asked] : try collection(request)
    guard let collection = found else { throw .noCollection(String(asked)) }
    let names = request.fields.texts("partition_names")
    let shown = collection.partitions.filter { names.isEmpty || names.contains($0.name) }
    return [
      "partition_names": .texts(shown.map(\.name)), "partitionIDs": .integers(shown.map(\.id)),
      "created_timestamps": .ticks(shown.map(\.createdTick)),
      "created_utc_timestamps": .ticks(shown.map { $0.createdTick >> 18 }),
    ]
  }

  func partitionStatistics(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    guard let partition = collection.partition(named: request.text("partition_name")) else {
      throw .noPartition(request.text("partition_name"))
    }
    let count = rows[collection.id]?.count(in: [partition.id]) ?? 0
    return ["stats": .pairs([KeyValuePair("row_count", String(count))])]
  }

  // MARK: Aliases

  mutating func createAlias(_ request: Request) throws(Refusal) -> JSONObject {
    let alias = request.text("alias")
    try Self.check(name: alias, what: "collection alias")
    let collection = try collection(request)
    guard names[request.database]?[alias] == nil else {
      throw Refusal(
        1601, "alias and collection name conflict[database=\(request.database)][alias=\(alias)]")
    }
    if let old = aliases[request.database]?[alias] {
      guard old == collection.id else {
        throw Refusal(1602, "\(alias) is alias to another collection: \(collections[old]?.name ?? "")")
      }
      return [:]
    }
    point(alias, at: collection)
    return [:]
  }

  mutating func alterAlias(_ request: Request) throws(Refusal) -> JSONObject {
    let alias = request.text("alias")
    guard let old = aliases[request.database]?[alias] else { throw .noAlias(alias, request.database) }
    let collection = try collection(request)
    if old != collection.id { point(alias, at: collection) }
    return [:]
  }

  private mutating func point(_ alias: String, at collection: CollectionRecord) {
    aliases[collection.database, default: [:]][alias] = collection.id
    let database = databases.first { $0.name == collection.database }
    announce(
      .alterAlias,
      header: [
        "db_id": .int(database?.id ?? 0), "db_name": .string(collection.database),
        "collection_id": .int(collection.id),
        "collection_name": .string(collection.name), "alias": .string(alias),
      ], keys: ResourceKey.database(collection.database))
  }

  mutating func dropAlias(_ request: Request) throws(Refusal) -> JSONObject {
    let alias = request.text("alias")
    let database = try database(request.database)
    guard aliases[database.name]?.removeValue(forKey: alias) != nil else { return [:] }
    announce(
      .dropAlias,
      header: ["db_id": .int(database.id), "db_name": .string(database.name), "alias": .string(alias)],
      keys: ResourceKey.database(database.name))
    return [:]
  }

  func describeAlias(_ request: Request) throws(Refusal) -> JSONObject {
    let alias = request.text("alias")
    guard let id = aliases[request.database]?[alias], let collection = collections[id] else {
      throw .noAlias(alias, request.database)
    }
    return [
      "db_name": .string(request.database), "alias": .string(alias), "collection": .string(collection.name),
    ]
  }

  func listAliases(_ request: Request) throws(Refusal) -> JSONObject {
    let database = try database(request.database)
    let listed =
      request.collection.isEmpty
      ? (aliases[database.name] ?? [:]).keys.sorted()
      : aliases(of: try collection(request).id, in: database.name)
    return [
      "db_name": .string(database.name), "collection_name": .string(request.collection),
      "aliases": .texts(listed),
    ]
  }

  // MARK: Flush

  mutating func flush(_ request: Request) throws(Refusal) -> JSONObject {
    let database = try database(request.database)
    var sealed = JSONObject(), open = JSONObject(), times = JSONObject(), ticks = JSONObject()
    for name in request.fields.texts("collection_names") {
      let collection = try collection(name, in: database.name)
      let tick = oracle.next()
      let segmentIDs = segments.filter { collection.vchannels.contains($0.key.vchannel) }.map(\.value)
        .sorted()
      for vchannel in collection.vchannels {
        journal.append(
          LogDraft(
            type: .manualFlush, channel: vchannel,
            header: Self.encode(
              ["collection_id": .int(collection.id), "flush_ts": .int(tick)],
              as: LogMessageType.manualFlush.headerProto),
            barrierTick: tick), oracle: &oracle)
        _ = journal.withLog(collection.pchannel(of: vchannel)) {
          $0.moveTruncationPoint(to: $0.nextOrdinal - 1)
        }
      }
      segments = segments.filter { !collection.vchannels.contains($0.key.vchannel) }
      open[name] = [:]
      sealed[name] = ["data": .integers(segmentIDs)]
      times[name] = .int((tick >> 18) / 1000)
      ticks[name] = .int(tick)
    }
    return [
      "db_name": .string(database.name), "coll_segIDs": .object(open), "flush_coll_segIDs": .object(sealed),
      "coll_seal_times": .object(times), "coll_flush_ts": .object(ticks),
    ]
  }

  mutating func flushAll(_ request: Request) throws(Refusal) -> JSONObject {
    var channels = journal.pchannels
    channels[0] = journal.controlChannel
    let copies = journal.broadcast(
      channels.map { LogDraft(type: .flushAll, channel: $0, isPchannelLevel: true) }, keys: [.cluster],
      oracle: &oracle)
    segments.removeAll()
    var messages = JSONObject()
    let type = MessageDescriptor(named: "milvus.proto.common.ImmutableMessage")
    for (draft, delivery) in copies {
      guard let place = journal.index(of: draft.channel), let type else { continue }
      let log = journal.logs[place]
      messages[log.name] = try? MessageJSON().json(of: log.answerForm(of: draft, delivery), as: type)
      _ = journal.withLog(log.name) { $0.moveTruncationPoint(to: delivery.firstOrdinal) }
    }
    return [
      "flush_all_ts": .int(copies.map(\.1.tick).max() ?? 0), "flush_all_msgs": .object(messages),
      "cluster_info": [
        // Not the replication id (`wal-protocol.md` §7.1).
        "cluster_id": "0", "cchannel": .string(journal.controlChannel),
        "pchannels": .texts(journal.pchannels),
      ],
    ]
  }
}
