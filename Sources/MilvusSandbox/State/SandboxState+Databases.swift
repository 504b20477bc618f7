internal import MilvusWire

// Databases (`public-rpc.md` §3.1).

extension SandboxState {
  mutating func createDatabase(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("db_name")
    try Self.check(name: name, what: "database", code: 802)
    guard !databases.contains(where: { $0.name == name }) else {
      throw .unexpected("database already exist: \(name)")
    }
    let database = DatabaseRecord(
      id: takeID(), name: name, properties: request.fields.pairs("properties"),
      createdNanoseconds: UInt64(oracle.clockMilliseconds) &* 1_000_000)
    databases.append(database)
    announce(
      .createDatabase, header: ["db_name": .string(name), "db_id": .int(database.id)],
      body: ["properties": .pairs(database.properties)], keys: ResourceKey.database(name))
    return [:]
  }

  mutating func dropDatabase(_ request: Request) throws(Refusal) -> JSONObject {
    let database = try database(request.text("db_name"))
    guard database.name != DatabaseRecord.defaultName else {
      throw .unexpected("can not drop default database")
    }
    guard names[database.name]?.isEmpty ?? true else {
      throw .unexpected("database:\(database.name) not empty, must drop all collections before drop database")
    }
    databases.removeAll { $0.id == database.id }
    names[database.name] = nil
    aliases[database.name] = nil
    announce(
      .dropDatabase, header: ["db_name": .string(database.name), "db_id": .int(database.id)],
      keys: ResourceKey.database(database.name))
    return [:]
  }

  func listDatabases(_ request: Request) throws(Refusal) -> JSONObject {
    [
      "db_names": .texts(databases.map(\.name)),
      "created_timestamp": .ticks(databases.map(\.createdNanoseconds)),
      "db_ids": .integers(databases.map(\.id)),
    ]
  }

  func describeDatabase(_ request: Request) throws(Refusal) -> JSONObject {
    let database = try database(request.database)
    return [
      "db_name": .string(database.name), "dbID": .int(database.id),
      "created_timestamp": .int(database.createdNanoseconds),
      "properties": .pairs(database.properties),
    ]
  }

  mutating func alterDatabase(_ request: Request) throws(Refusal) -> JSONObject {
    let database = try database(request.database)
    let changed = database.properties.changed(
      request.fields.pairs("properties"), deleting: request.fields.texts("delete_keys"))
    guard let place = databases.firstIndex(where: { $0.id == database.id }) else {
      throw .noDatabase(database.name)
    }
    databases[place].properties = changed
    var body: JSONObject = ["properties": .pairs(changed)]
    let replicas = changed["database.replica.number"], groups = changed["database.resource_groups"]
    if replicas != database.properties["database.replica.number"]
      || groups != database.properties["database.resource_groups"]
    {
      let loaded = collections.values.filter { $0.database == database.name && $0.load != nil }.map(\.id)
        .sorted()
      body["alter_load_config"] = [
        "collection_ids": .integers(loaded), "replica_number": .int(replicas.flatMap { Int64($0) } ?? 0),
        "resource_groups": .texts(groups?.split(separator: ",").map(String.init) ?? []),
      ]
    }
    announce(
      .alterDatabase, header: ["db_name": .string(database.name), "db_id": .int(database.id)],
      body: .object(body), keys: ResourceKey.database(database.name))
    return [:]
  }

  /// Letters, digits and `_`, the first no digit, at most 255 (`public-rpc.md` §3.2).
  static func check(name: String, what: String, code: Int32 = 1100) throws(Refusal) {
    let isGood = name.utf8.allSatisfy { byte in
      byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    let startsWell = name.utf8.first.map { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? false
    guard isGood, startsWell, name.utf8.count <= 255 else {
      throw Refusal(
        code, "Invalid \(what) name: \(name). it must begin with a letter or underscore: invalid parameter")
    }
  }
}
