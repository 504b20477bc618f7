internal import MilvusWire

// Collections (`public-rpc.md` §3.2, §3.3).

extension SandboxState {
  mutating func createCollection(_ request: Request) throws(Refusal) -> JSONObject {
    let database = try database(request.database)
    let name = request.collection
    try Self.check(name: name, what: "collection")
    let asked = request.fields.bytes("schema")
    guard let given = try? CollectionSchema(encoded: asked) else { throw .invalid("schema is not readable") }
    let schema = try prepared(given, name: name)
    let wanted = Self.encode(
      .object(request.fields.without("base")), as: "milvus.proto.milvus.CreateCollectionRequest")
    if let old = names[database.name]?[name] {
      guard collections[old]?.creationRequest == wanted else {
        throw .unexpected("create duplicate collection with different parameters, collection: \(name)")
      }
      return [:]
    }
    guard aliases[database.name]?[name] == nil else {
      throw Refusal(
        1601, "collection name [\(name)] conflicts with an existing alias, please choose a unique name")
    }
    let shardCount = request.fields.integer("shards_num")
    guard shardCount <= 16 else { throw .invalid("maximum shards's number should be limited to 16") }
    let partitionNames = try initialPartitions(schema, asked: request.fields.integer("num_partitions"))
    var collection = CollectionRecord(
      id: takeID(), database: database.name, name: name, schema: schema, consistencyLevel: 0, vchannels: [],
      partitions: [],
      createdTick: oracle.next(), updatedTick: 0)
    collection.updatedTick = collection.createdTick
    collection.creationRequest = wanted
    collection.consistencyLevel = Self.consistencyLevel(request.fields["consistency_level"])
    let properties = request.fields.pairs("properties")
    collection.schema.properties = properties
    if properties["timezone"] == nil { collection.schema.properties.append(KeyValuePair("timezone", "UTC")) }
    for shard in 0..<max(1, Int(shardCount)) {
      collection.vchannels.append(
        "\(journal.pchannels[nextPchannel % journal.pchannels.count])_\(collection.id)v\(shard)")
      nextPchannel += 1
    }
    collection.partitions = partitionNames.map {
      CollectionRecord.Partition(id: takeID(), name: $0, createdTick: collection.createdTick)
    }
    collections[collection.id] = collection
    names[database.name, default: [:]][name] = collection.id
    rows[collection.id] = RowStore()
    logCreation(of: collection, database: database)
    return [:]
  }

  private mutating func logCreation(of collection: CollectionRecord, database: DatabaseRecord) {
    var logged = collection
    logged.schema.properties.append(KeyValuePair("consistency_level", String(collection.consistencyLevel)))
    announce(
      .createCollection, on: collection,
      header: [
        "collection_id": .int(collection.id), "partition_ids": .integers(collection.partitions.map(\.id)),
        "db_id": .int(database.id),
      ],
      body: [
        "base": ["msg_type": "CreateCollection"], "db_name": .string(database.name),
        "collectionName": .string(collection.name),
        "dbID": .int(database.id), "collectionID": .int(collection.id),
        "virtualChannelNames": .texts(collection.vchannels),
        "physicalChannelNames": .texts(collection.vchannels.map(collection.pchannel)),
        "partitionIDs": .integers(collection.partitions.map(\.id)),
        "partitionNames": .texts(collection.partitions.map(\.name)),
        "collection_schema": Self.logSchema(logged),
      ])
  }

  private static func consistencyLevel(_ value: JSONValue?) -> Int32 {
    let levels = ["Strong", "Session", "Bounded", "Eventually", "Customized"]
    if let name = value?.stringValue { return Int32(levels.firstIndex(of: name) ?? 0) }
    return value?.int64Value.flatMap { Int32(exactly: $0) } ?? 0
  }

  private func initialPartitions(_ schema: CollectionSchema, asked: Int64) throws(Refusal) -> [String] {
    guard schema.partitionKey != nil else {
      guard asked <= 1 else {
        throw .unexpected("num_partitions should only be specified with partition key field enabled")
      }
      return [CollectionRecord.defaultPartition]
    }
    guard asked <= 1024 else {
      throw .invalid("partition number (\(asked)) exceeds max configuration (1024)")
    }
    return (0..<(asked == 0 ? 16 : asked)).map { "\(CollectionRecord.defaultPartition)_\($0)" }
  }

  mutating func dropCollection(_ request: Request) throws(Refusal) -> JSONObject {
    let database = try database(request.database)
    guard let id = names[database.name]?[request.collection], let collection = collections[id] else {
      if aliases[database.name]?[request.collection] != nil {
        throw .unexpected("cannot drop the collection via alias = \(request.collection)")
      }
      return [:]
    }
    let pointing = aliases(of: id, in: database.name)
    guard pointing.isEmpty else {
      throw .unexpected(
        "unable to drop the collection [\(collection.name)] because it has associated aliases \(pointing), please remove all aliases before dropping the collection"
      )
    }
    if collection.load != nil { dropLoad(of: collection, database: database) }
    collections[id] = nil
    names[database.name]?[collection.name] = nil
    rows[id] = nil
    segments = segments.filter { !collection.vchannels.contains($0.key.vchannel) }
    announce(
      .dropCollection, on: collection, header: ["collection_id": .int(id), "db_id": .int(database.id)],
      body: [
        "base": ["msg_type": "DropCollection"], "db_name": .string(database.name),
        "collectionName": .string(collection.name),
        "dbID": .int(database.id), "collectionID": .int(id),
      ])
    return [:]
  }

  func hasCollection(_ request: Request) throws(Refusal) -> JSONObject {
    ["value": .bool((try? collectionID(request.collection, in: request.database)) != nil)]
  }

  func showCollections(_ request: Request) throws(Refusal) -> JSONObject {
    _ = try database(request.database)
    let shown = (names[request.database] ?? [:]).values.compactMap { collections[$0] }.filter {
      request.fields["type"]?.stringValue != "InMemory" || $0.load != nil
    }.sorted { $0.id < $1.id }
    return [
      "collection_names": .texts(shown.map(\.name)), "collection_ids": .integers(shown.map(\.id)),
      "created_timestamps": .ticks(shown.map(\.createdTick)),
      "created_utc_timestamps": .ticks(shown.map { $0.createdTick >> 18 }),
      "shards_num": .integers(shown.map { Int64($0.vchannels.count) }),
    ]
  }

  func describeCollection(_ request: Request) throws(Refusal) -> JSONObject {
    let asked = request.fields.integer("collectionID")
    let found = request.collection.isEmpty ? collections[asked] : try collection(request)
    guard let collection = found else { throw .noCollection(String(asked)) }
    var schema = collection.schema
    schema.name = collection.name
    schema.dbName = collection.database
    schema.fields = collection.userFields
    schema.version = 0
    return [
      "schema": Self.json(schema), "collectionID": .int(collection.id),
      "virtual_channel_names": .texts(collection.vchannels),
      "physical_channel_names": .texts(collection.vchannels.map(collection.pchannel)),
      "created_timestamp": .int(collection.createdTick),
      "created_utc_timestamp": .int(collection.createdTick >> 18),
      "shards_num": .int(collection.vchannels.count),
      "aliases": .texts(aliases(of: collection.id, in: collection.database)),
      "consistency_level": .int(collection.consistencyLevel), "collection_name": .string(collection.name),
      "properties": .pairs(collection.properties), "db_name": .string(collection.database),
      "num_partitions": .int(collection.partitions.count),
      "update_timestamp": .int(collection.updatedTick),
      "update_timestamp_str": .string(String(collection.updatedTick)),
    ]
  }

  mutating func renameCollection(_ request: Request) throws(Refusal) -> JSONObject {
    let old = request.text("oldName"), new = request.text("newName")
    let source = try database(request.database)
    let target = request.text("newDBName").isEmpty ? source : try database(request.text("newDBName"))
    try Self.check(name: new, what: "collection")
    guard let id = names[source.name]?[old], let collection = collections[id] else {
      if aliases[source.name]?[old] != nil {
        throw .unexpected("unsupported use an alias to rename collection, alias:\(old)")
      }
      throw .noCollection(old)
    }
    guard names[target.name]?[new] == nil else {
      throw .unexpected(
        "duplicated new collection name \(target.name):\(new) with other collection name or alias")
    }
    guard aliases[target.name]?[new] == nil else {
      throw .unexpected("cannot rename collection to an existing alias: \(new)")
    }
    let pointing = aliases(of: id, in: source.name)
    let moves = source.id != target.id
    guard !moves || pointing.isEmpty else {
      throw .unexpected("fail to rename db name, must drop all aliases of this collection before rename")
    }
    names[source.name]?[old] = nil
    names[target.name, default: [:]][new] = id
    collections[id]?.name = new
    collections[id]?.database = target.name
    collections[id]?.updatedTick = oracle.next()
    var updates: JSONObject = ["collection_name": .string(new)]
    if moves {
      updates = ["db_id": .int(target.id), "db_name": .string(target.name), "collection_name": .string(new)]
    }
    announce(
      .alterCollection, on: collection,
      header: alterHeader(collection, mask: moves ? "db,collection_name" : "collection_name"),
      body: ["updates": .object(updates)],
      keys: moves ? ResourceKey.database(source.name, target.name) : ResourceKey.database(source.name))
    return [:]
  }

  mutating func truncateCollection(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let database = try database(collection.database)
    rows[collection.id] = RowStore()
    segments = segments.filter { !collection.vchannels.contains($0.key.vchannel) }
    announce(
      .truncateCollection, on: collection,
      header: ["db_id": .int(database.id), "collection_id": .int(collection.id)],
      waitsForAll: true)
    return [:]
  }

  func collectionStatistics(_ request: Request) throws(Refusal) -> JSONObject {
    let count = rows[try collection(request).id]?.rowCount ?? 0
    return ["stats": .pairs([KeyValuePair("row_count", String(count))])]
  }

  /// The header of AlterCollection: `mask` in the form of the wire.
  func alterHeader(_ collection: CollectionRecord, mask: String) -> JSONValue {
    let database = databases.first { $0.name == collection.database }
    return [
      "db_id": .int(database?.id ?? 0), "collection_id": .int(collection.id), "update_mask": .string(mask),
      "cache_expirations": [
        "cache_expirations": [
          [
            "legacy_proxy_collection_meta_cache": [
              "db_name": .string(collection.database), "collection_name": .string(collection.name),
              "collection_id": .int(collection.id), "msg_type": "AlterCollection",
            ]
          ]
        ]
      ],
    ]
  }
}

extension JSONObject {
  func without(_ key: String) -> JSONObject {
    var copy = self
    copy[key] = nil
    return copy
  }
}
