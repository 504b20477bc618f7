internal import MilvusWire

// Schemas: checking new ones, numbering fields, altering (`wal-protocol.md` §3.7).

extension SandboxState {
  /// The schema of a new collection with ids, `$meta` and the system's fields.
  func prepared(_ given: CollectionSchema, name: String) throws(Refusal) -> CollectionSchema {
    guard given.name == name else {
      throw .invalid("collection name matches schema name expected=\(name), actual=\(given.name)")
    }
    try check(given)
    var schema = given
    (schema.autoID, schema.version) = (false, 0)
    if schema.enableDynamicField { schema.fields.append(Self.metaField) }
    var next = CollectionRecord.firstUserField
    for index in schema.fields.indices {
      schema.fields[index].fieldID = next
      schema.fields[index].isDynamic = schema.fields[index].name == CollectionRecord.metaField
      next += 1
    }
    for index in schema.structArrayFields.indices {
      schema.structArrayFields[index].fieldID = next
      next += 1
      for inner in schema.structArrayFields[index].fields.indices {
        schema.structArrayFields[index].fields[inner].fieldID = next
        next += 1
      }
    }
    for index in schema.functions.indices {
      schema.functions[index].id = CollectionRecord.firstUserField + Int64(index)
      let function = schema.functions[index]
      schema.functions[index].inputFieldIDs = function.inputFieldNames.compactMap { id(of: $0, in: schema) }
      schema.functions[index].outputFieldIDs = function.outputFieldNames.compactMap { id(of: $0, in: schema) }
      for output in function.outputFieldNames {
        if let place = schema.fields.firstIndex(where: { $0.name == output }) {
          schema.fields[place].isFunctionOutput = true
        }
      }
    }
    var rowID = FieldSchema(name: "RowID", dataType: .int64)
    rowID.description = "row id"
    var timestamp = FieldSchema(name: "Timestamp", dataType: .int64)
    (timestamp.description, timestamp.fieldID) = ("time stamp", 1)
    schema.fields += [rowID, timestamp]
    return schema
  }

  static let metaField: FieldSchema = {
    var field = FieldSchema(name: CollectionRecord.metaField, dataType: .json)
    field.description = "dynamic schema"
    (field.isDynamic, field.nullable, field.defaultValue) = (true, true, .bytes(Array("{}".utf8)))
    return field
  }()

  private func id(of name: String, in schema: CollectionSchema) -> Int64? {
    schema.fields.first { $0.name == name }?.fieldID
  }

  private func check(_ schema: CollectionSchema) throws(Refusal) {
    let keys = schema.fields.filter(\.isPrimaryKey)
    guard keys.count == 1 else {
      throw .invalid(keys.isEmpty ? "primary key is not specified" : "there are more than one primary key")
    }
    guard keys[0].dataType == .int64 || keys[0].dataType == .varChar else {
      throw .invalid("the data type of primary key should be Int64 or VarChar")
    }
    var seen: Set<String> = []
    for name in schema.fields.map(\.name) + schema.structArrayFields.map(\.name) {
      guard seen.insert(name).inserted else { throw .invalid("duplicated field name \(name)") }
      guard !["RowID", "Timestamp", CollectionRecord.metaField].contains(name) else {
        throw .invalid("\(name) is a system field")
      }
      try Self.check(name: name, what: "field")
    }
    for field in schema.fields + schema.structArrayFields.flatMap(\.fields) { try check(field) }
    guard schema.fields.contains(where: { $0.dataType.isVector }) else {
      throw .invalid("schema does not contain vector field")
    }
  }

  /// Types with a public form that we know (`public-rpc.md` §4.3).
  private static let scalarTypes: Set<DataType> = [
    .bool, .int8, .int16, .int32, .int64, .float, .double, .varChar, .array, .json, .geometry,
    .timestamptz,
  ]

  func check(_ field: FieldSchema) throws(Refusal) {
    guard field.dataType.isVector || Self.scalarTypes.contains(field.dataType) else {
      throw .invalid("field data type \(field.dataType.rawValue) of \(field.name) is not supported")
    }
    if field.dataType.isVector, field.dataType != .sparseFloatVector {
      guard let dim = field.typeParams["dim"].flatMap({ Int($0) }), (1...32768).contains(dim) else {
        throw .invalid(
          "dimension is not defined in field type params of field \(field.name), or out of 1 to 32768")
      }
      guard field.dataType != .binaryVector || dim % 8 == 0 else {
        throw .invalid(
          "invalid dimension: \(dim) of field \(field.name). binary vector dimension should be multiple of 8. "
        )
      }
    }
    if field.dataType == .varChar {
      guard let length = field.typeParams["max_length"].flatMap({ Int($0) }), (1...65535).contains(length)
      else {
        throw .invalid(
          "type param(max_length) should be specified for the field(\(field.name)), between 1 and 65535")
      }
    }
    if field.isPrimaryKey, field.nullable { throw .invalid("primary field not support null") }
    if field.isPartitionKey, field.nullable || !(field.dataType == .int64 || field.dataType == .varChar) {
      throw .invalid("the data type of partition key should be Int64 or VarChar, and not nullable")
    }
  }

  // MARK: Altering

  /// Puts an altered schema in force and into the log, as the whole that it always is there. Growing segments end with it, and the copy
  /// of each vchannel names its own: headers of one broadcast differ (`wal-protocol.md` §3.5).
  mutating func alterSchema(
    _ collection: CollectionRecord, mask: String = "schema", _ change: (inout CollectionRecord) -> Void
  ) {
    var altered = collection
    change(&altered)
    altered.schema.version += 1
    altered.updatedTick = oracle.next()
    collections[collection.id] = altered
    let body = Self.encode(
      ["updates": ["schema": Self.logSchema(altered)]], as: LogMessageType.alterCollection.bodyProto)
    let drafts = (collection.vchannels + [journal.controlChannel]).map { channel in
      var header = alterHeader(collection, mask: mask).objectValue ?? JSONObject()
      let flushed = segments.filter { $0.key.vchannel == channel }.map(\.value).sorted()
      if !flushed.isEmpty { header["flushed_segment_ids"] = .integers(flushed) }
      return LogDraft(
        type: .alterCollection, channel: channel,
        header: Self.encode(.object(header), as: LogMessageType.alterCollection.headerProto), body: body)
    }
    segments = segments.filter { !collection.vchannels.contains($0.key.vchannel) }
    let keys = ResourceKey.collection(collection.database, collection.name)
    journal.broadcast(drafts, keys: keys, oracle: &oracle)
  }

  mutating func addCollectionField(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    guard let type = MessageDescriptor(named: "milvus.proto.schema.CollectionSchema") else {
      throw .unexpected("no schema type")
    }
    // A FieldSchema alone is read as the only field of a schema.
    var wrapper = WireWriter()
    wrapper.lengthDelimited(4, request.fields.bytes("schema"))
    guard (try? MessageJSON().json(of: wrapper.bytes, as: type)) != nil,
      let field = (try? CollectionSchema(encoded: wrapper.bytes))?.fields.first
    else { throw .invalid("schema is not readable") }
    try Self.check(name: field.name, what: "field")
    try check(field)
    guard !collection.schema.fields.contains(where: { $0.name == field.name }) else {
      throw .invalid("duplicated field name \(field.name)")
    }
    guard field.nullable else {
      throw .invalid("added field must be nullable, please check it, field name = \(field.name)")
    }
    guard !field.isPrimaryKey, !field.isPartitionKey, !field.dataType.isVector else {
      throw .invalid("not support to add a key or a vector field, field name = \(field.name)")
    }
    alterSchema(collection) { altered in
      var added = field
      let last =
        (altered.schema.fields + altered.schema.structArrayFields.flatMap(\.fields)).map(\.fieldID).max() ?? 0
      added.fieldID = max(last, altered.schema.structArrayFields.map(\.fieldID).max() ?? 0) + 1
      altered.schema.fields.append(added)
    }
    return [:]
  }

  mutating func alterCollectionField(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let name = request.text("field_name")
    guard let place = collection.schema.fields.firstIndex(where: { $0.name == name }) else {
      throw .invalid("field \(name) does not exist in collection \(collection.name)")
    }
    let set = request.fields.pairs("properties"), deleted = request.fields.texts("delete_keys")
    alterSchema(collection) { altered in
      for pair in set where pair.key == "field.description" {
        altered.schema.fields[place].description = pair.value
      }
      altered.schema.fields[place].typeParams = altered.schema.fields[place].typeParams.changed(
        set.filter { $0.key != "field.description" }, deleting: deleted)
    }
    return [:]
  }

  mutating func alterCollection(_ request: Request) throws(Refusal) -> JSONObject {
    let collection = try collection(request)
    let set = request.fields.pairs("properties"), deleted = request.fields.texts("delete_keys")
    guard set.isEmpty || deleted.isEmpty else {
      throw .invalid("can not provide properties and deletekeys at the same time")
    }
    if let flag = set["dynamicfield.enabled"] {
      let isOn = ["true", "True", "1"].contains(flag)
      guard isOn || collection.dynamicField == nil else {
        throw .invalid("dynamic schema cannot supported to be disabled")
      }
      guard isOn, collection.dynamicField == nil else { return [:] }
      alterSchema(collection) { altered in
        var meta = Self.metaField
        meta.fieldID = (altered.schema.fields.map(\.fieldID).max() ?? 0) + 1
        altered.schema.fields.append(meta)
        altered.schema.enableDynamicField = true
      }
      return [:]
    }
    let altered = collection.properties.changed(
      set.filter { !["collection.description", "consistency_level"].contains($0.key) }, deleting: deleted)
    var mask: [String] = []
    var updates = JSONObject()
    if let text = set["collection.description"] {
      collections[collection.id]?.schema.description = text
      mask.append("description")
      updates["description"] = .string(text)
    }
    if let level = set["consistency_level"] {
      let names = ["Strong", "Session", "Bounded", "Eventually", "Customized"]
      let number = Int32(names.firstIndex(of: level) ?? Int(level) ?? 0)
      collections[collection.id]?.consistencyLevel = number
      mask.append("consistency_level")
      updates["consistency_level"] = .int(number)
    }
    if altered != collection.properties {
      collections[collection.id]?.schema.properties = altered
      mask.append("properties")
      updates["properties"] = .pairs(altered)
      let replicas = altered["collection.replica.number"].flatMap { Int64($0) }
      let groups =
        altered["collection.resource_groups"].map { $0.split(separator: ",").map(String.init) } ?? []
      if collection.properties["collection.replica.number"].flatMap({ Int64($0) }) != replicas
        || !groups.isEmpty
      {
        updates["alter_load_config"] = [
          "replica_number": .int(replicas ?? 0), "resource_groups": .texts(groups),
        ]
      }
    }
    guard !mask.isEmpty else { return [:] }
    collections[collection.id]?.updatedTick = oracle.next()
    announce(
      .alterCollection, on: collection, header: alterHeader(collection, mask: mask.joined(separator: ",")),
      body: ["updates": .object(updates)])
    return [:]
  }
}
