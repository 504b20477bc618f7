internal import MilvusWire

// Indexes and loading (`public-rpc.md` §3.5, §3.6). Nothing is built: an index is finished at once.

extension SandboxState {
  mutating func createIndex(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let fieldName = request.text("field_name")
    guard let field = collection.indexableFields.first(where: { $0.name == fieldName }) else {
      throw .invalid("cannot create index on non-exist field: \(fieldName)")
    }
    let params = Self.flat(request.fields.pairs("extra_params"))
    let name = request.text("index_name").isEmpty ? fieldName : request.text("index_name")
    let kind = params["index_type"] ?? "AUTOINDEX"
    guard Self.indexTypes.contains(kind.uppercased()) else { throw .invalid("invalid index type: \(kind)") }
    if field.dataType.isVector, params["metric_type"] == nil, kind != "AUTOINDEX" {
      throw .invalid("metric type not set for vector index")
    }
    for other in collection.indexes {
      let isSame = other.fieldID == field.fieldID && Set(other.params) == Set(params)
      if other.name == name {
        if isSame { return [:] }
        throw .unexpected("CreateIndex failed: at most one distinct index is allowed per field")
      }
      guard other.fieldID != field.fieldID || params["json_path"] != other.params["json_path"] else {
        throw .unexpected("CreateIndex failed: creating multiple indexes on same field is not supported")
      }
    }
    let index = CollectionRecord.Index(
      id: takeID(), name: name, fieldID: field.fieldID, fieldName: fieldName, params: params,
      resolved: Self.resolved(params, field), isAutomatic: kind == "AUTOINDEX" && !field.dataType.isVector,
      createdTick: oracle.next())
    collections[collection.id]?.indexes.append(index)
    let database = databases.first { $0.name == collection.database }
    announce(
      .createIndex,
      header: [
        "db_id": .int(database?.id ?? 0), "collection_id": .int(collection.id),
        "field_id": .int(index.fieldID),
        "index_id": .int(index.id), "index_name": .string(index.name),
      ], body: ["field_index": fieldIndex(index, collection)],
      keys: ResourceKey.collection(collection.database, collection.name))
    return [:]
  }

  /// Of 2.6 and 3.0, for vectors and for other fields.
  private static let indexTypes: Set<String> = [
    "AUTOINDEX", "FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "IVF_RABITQ", "SCANN", "HNSW", "HNSW_SQ", "HNSW_PQ", "HNSW_PRQ",
    "DISKANN", "AISAQ", "BIN_FLAT", "BIN_IVF_FLAT", "MINHASH_LSH", "SPARSE_INVERTED_INDEX", "SPARSE_WAND", "GPU_IVF_FLAT",
    "GPU_IVF_PQ", "GPU_CAGRA", "GPU_BRUTE_FORCE", "STL_SORT", "TRIE", "INVERTED", "BITMAP", "HYBRID", "NGRAM", "RTREE",
  ]

  /// `params` may come as one JSON object beside the flat keys.
  private static func flat(_ pairs: [KeyValuePair]) -> [KeyValuePair] {
    pairs.flatMap { pair -> [KeyValuePair] in
      guard pair.key == "params", let object = (try? JSONParser.parse(pair.value))?.objectValue else {
        return [pair]
      }
      return object.members.map { member in
        KeyValuePair(
          member.key, member.value.stringValue ?? JSONWriter(layout: .compact).text(of: member.value))
      }
    }
  }

  /// What a server's configuration makes of the parameters (seen in `fixtures/wal-live`).
  private static func resolved(_ params: [KeyValuePair], _ field: FieldSchema) -> [KeyValuePair] {
    if params["metric_type"] == "BM25" {
      let defaults = [("bm25_k1", "1.2"), ("bm25_b", "0.75"), ("bm25_avgdl", "100")]
      return params + defaults.filter { params[$0.0] == nil }.map { KeyValuePair($0.0, $0.1) }
    }
    if let path = params["json_path"] {
      let cast = params["json_cast_type"]?.uppercased() ?? ""
      return params.changed([KeyValuePair("json_path", pointer(path)), KeyValuePair("json_cast_type", cast)])
    }
    guard params["index_type"] ?? "AUTOINDEX" == "AUTOINDEX" else { return params }
    return field.dataType.isVector ? automatic(params) : automaticScalar(field)
  }

  /// `j['a']['b']` as `/a/b`.
  private static func pointer(_ path: String) -> String {
    path.split(separator: "[").dropFirst().map { "/" + $0.filter { !"]'\"".contains($0) } }.joined()
  }

  private static func automatic(_ params: [KeyValuePair]) -> [KeyValuePair] {
    [
      ("metric_type", params["metric_type"] ?? "COSINE"), ("index_type", "HNSW_SQ"),
      ("efConstruction", "240"),
      ("sq_type", "SQ4U"), ("refine", "true"), ("refine_type", "FP16"), ("M", "18"),
    ].map { KeyValuePair($0.0, $0.1) }
  }

  private static func automaticScalar(_ field: FieldSchema) -> [KeyValuePair] {
    guard [.bool, .int8, .int16, .int32, .int64].contains(field.dataType) else {
      return [KeyValuePair("index_type", "INVERTED")]
    }
    return [
      ("bitmap_cardinality_limit", "100"), ("hybrid_low_cardinality_index_type", "BITMAP"),
      ("hybrid_high_cardinality_index_type", "STL_SORT"), ("index_type", "HYBRID"),
    ].map { KeyValuePair($0.0, $0.1) }
  }

  private func fieldIndex(_ index: CollectionRecord.Index, _ collection: CollectionRecord) -> JSONValue {
    let field = collection.indexableFields.first { $0.fieldID == index.fieldID }
    let indexed = ["dim", "max_length", "max_capacity"]
    return [
      "index_info": [
        "collectionID": .int(collection.id), "fieldID": .int(index.fieldID),
        "index_name": .string(index.name),
        "indexID": .int(index.id),
        "type_params": .pairs((field?.typeParams ?? []).filter { indexed.contains($0.key) }),
        "index_params": .pairs(index.resolved), "is_auto_index": .bool(index.isAutomatic),
        "user_index_params": .pairs(index.params),
      ], "create_time": .int(index.createdTick),
    ]
  }

  func describeIndex(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let name = request.text("index_name"), field = request.text("field_name")
    let shown = collection.indexes.filter {
      (name.isEmpty || $0.name == name) && (field.isEmpty || $0.fieldName == field)
    }
    guard !shown.isEmpty else {
      throw .noIndex(name.isEmpty ? "collection=\(collection.name)" : "indexName=\(name)")
    }
    let count = rows[collection.id]?.rowCount ?? 0
    return [
      "index_descriptions": .array(
        shown.map { index in
          [
            "index_name": .string(index.name), "indexID": .int(index.id), "params": .pairs(index.params),
            "field_name": .string(index.fieldName), "indexed_rows": .int(count), "total_rows": .int(count),
            "state": 3,
          ]
        })
    ]
  }

  func indexState(_ request: Request) throws(Refusal) -> JSONObject {
    _ = try describeIndex(request)
    return ["state": 3]
  }

  func indexProgress(_ request: Request) throws(Refusal) -> JSONObject {
    let count = rows[try collection(request).id]?.rowCount ?? 0
    return ["indexed_rows": .int(count), "total_rows": .int(count)]
  }

  mutating func alterIndex(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let name = request.text("index_name")
    guard let place = collection.indexes.firstIndex(where: { $0.name == name }) else {
      throw .noIndex("indexName=\(name)")
    }
    let set = request.fields.pairs("extra_params"), deleted = request.fields.texts("delete_keys")
    guard collection.load == nil || set.allSatisfy({ $0.key == "warmup" }) else {
      throw Refusal(104, "can't alter index on loaded collection, please release the collection first")
    }
    var index = collection.indexes[place]
    index.params = index.params.changed(set, deleting: deleted)
    index.resolved = index.resolved.changed(set, deleting: deleted)
    collections[collection.id]?.indexes[place] = index
    announce(
      .alterIndex, header: ["collection_id": .int(collection.id), "index_ids": .integers([index.id])],
      body: ["field_indexes": .array([fieldIndex(index, collection)])],
      keys: ResourceKey.collection(collection.database, collection.name))
    return [:]
  }

  mutating func dropIndex(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let name = request.text("index_name")
    let dropped = collection.indexes.filter {
      name.isEmpty ? $0.fieldName == request.text("field_name") : $0.name == name
    }
    guard !dropped.isEmpty else { return [:] }
    let vectors = Set(collection.indexableFields.filter(\.dataType.isVector).map(\.fieldID))
    if collection.load != nil, dropped.contains(where: { vectors.contains($0.fieldID) }) {
      throw .unexpected("vector index cannot be dropped on loaded collection: \(collection.id)")
    }
    collections[collection.id]?.indexes.removeAll { index in dropped.contains { $0.id == index.id } }
    announce(
      .dropIndex, header: ["collection_id": .int(collection.id), "index_ids": .integers(dropped.map(\.id))],
      keys: ResourceKey.collection(collection.database, collection.name))
    return [:]
  }

  // MARK: Loading

  mutating func loadCollection(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    try load(collection, partitions: collection.partitions.map(\.id), request, key: "replica_number")
    return [:]
  }

  mutating func loadPartitions(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    var ids = collection.load?.partitions ?? []
    for id in try partitionIDs(request.fields.texts("partition_names"), collection) where !ids.contains(id) {
      ids.append(id)
    }
    try load(collection, partitions: ids, request, key: "replica_number")
    return [:]
  }

  private mutating func load(
    _ collection: CollectionRecord, partitions: [Int64], _ request: Request, key: String
  ) throws(Refusal) {
    for field in collection.indexableFields where field.dataType.isVector {
      guard collection.indexes.contains(where: { $0.fieldID == field.fieldID }) else {
        throw Refusal(
          700, "there is no vector index on field: [\(field.name)], please create index firstly", legacy: 25)
      }
    }
    let replicas = max(1, request.fields.integer(key))
    let names = request.fields.texts("load_fields")
    var fields = names.compactMap { name in collection.storedFields.first { $0.name == name }?.fieldID }
    guard fields.count == names.count else { throw .invalid("a field to load does not exist") }
    if !fields.isEmpty, let meta = collection.dynamicField, !request.fields.flag("skip_load_dynamic_field") {
      fields.append(meta.fieldID)
    }
    if let old = collection.load {
      guard old.replicas == replicas || request.fields.integer(key) == 0 else {
        throw .invalid(
          "can't change the replica number for loaded collection: expected=\(old.replicas), actual=\(replicas)"
        )
      }
      if Set(old.partitions) == Set(partitions) { return }
    }
    let set = CollectionRecord.LoadedSet(partitions: partitions, fields: fields, replicas: replicas)
    collections[collection.id]?.load = set
    announceLoad(set, collection)
  }

  private mutating func announceLoad(_ set: CollectionRecord.LoadedSet, _ collection: CollectionRecord) {
    let database = databases.first { $0.name == collection.database }
    let fields = collection.indexableFields.filter { set.fields.isEmpty || set.fields.contains($0.fieldID) }
    let loaded: [JSONValue] = fields.map { field in
      let index = collection.indexes.first { $0.fieldID == field.fieldID && $0.params["json_path"] == nil }
      return ["field_id": .int(field.fieldID), "index_id": .int(index?.id ?? 0)]
    }
    let replicas: [JSONValue] = (0..<set.replicas).map { _ in
      ["replica_id": .int(takeID()), "resource_group_name": "__default_resource_group"]
    }
    announce(
      .alterLoadConfig,
      header: [
        "db_id": .int(database?.id ?? 0), "collection_id": .int(collection.id),
        "partition_ids": .integers(set.partitions),
        "load_fields": .array(loaded), "replicas": .array(replicas),
      ], keys: ResourceKey.collection(collection.database, collection.name))
  }

  mutating func releaseCollection(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    if collection.load != nil { dropLoad(of: collection, database: try database(collection.database)) }
    return [:]
  }

  mutating func releasePartitions(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let released = try partitionIDs(request.fields.texts("partition_names"), collection)
    guard var set = collection.load else { return [:] }
    let kept = set.partitions.filter { !released.contains($0) }
    if kept.isEmpty {
      dropLoad(of: collection, database: try database(collection.database))
    } else if kept.count < set.partitions.count {
      set.partitions = kept
      collections[collection.id]?.load = set
      announceLoad(set, collection)
    }
    return [:]
  }

  mutating func dropLoad(of collection: CollectionRecord, database: DatabaseRecord) {
    collections[collection.id]?.load = nil
    announce(
      .dropLoadConfig, header: ["db_id": .int(database.id), "collection_id": .int(collection.id)],
      keys: ResourceKey.collection(collection.database, collection.name))
  }

  func partitionIDs(_ names: [String], _ collection: CollectionRecord) throws(Refusal) -> [Int64] {
    var ids: [Int64] = []
    for name in names {
      guard let partition = collection.partition(named: name) else { throw .noPartition(name) }
      ids.append(partition.id)
    }
    return ids
  }

  func loadState(_ request: Request) throws(Refusal) -> JSONObject {
    guard let collection = try? collection(request) else { return ["state": 0] }
    let asked = try partitionIDs(request.fields.texts("partition_names"), collection)
    let isLoaded = collection.load.map { set in asked.allSatisfy { set.partitions.contains($0) } } ?? false
    return ["state": .int(isLoaded ? 3 : 1)]
  }

  func loadingProgress(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    guard let set = collection.load else { throw .notLoaded(collection.id) }
    for id in try partitionIDs(request.fields.texts("partition_names"), collection)
    where !set.partitions.contains(id) {
      throw Refusal(201, "partition not loaded[partition=\(id)]")
    }
    return ["progress": 100, "refresh_progress": 100]
  }
}

extension CollectionRecord {
  /// Everything that can have an index, function outputs included, in the order of ids.
  var indexableFields: [FieldSchema] {
    (schema.fields.filter { $0.fieldID >= Self.firstUserField }
      + schema.structArrayFields.flatMap { structure in
        structure.fields.map { Self.qualified($0, in: structure) }
      })
      .sorted { $0.fieldID < $1.fieldID }
  }
}
