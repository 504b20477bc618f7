internal import MilvusWire

// What a replicated change does to the catalog. Ids stay the source's (`wal-protocol.md` §6.4 step 6).

extension SandboxState {
  mutating func apply(_ change: LogChange) {
    switch change {
    case .createCollection(let creation): create(creation)
    case .dropCollection(let drop): removeCollection(drop.collectionID)
    case .createPartition(let partition): add(partition)
    case .dropPartition(let partition):
      collections[partition.collectionID]?.partitions.removeAll { $0.id == partition.partitionID }
      rows[partition.collectionID]?.delete(partition: partition.partitionID)
    case .alterCollection(let alteration): alter(alteration)
    case .alterLoadConfig(let load): setLoad(load)
    case .dropLoadConfig(let drop): collections[drop.collectionID]?.load = nil
    case .createIndex, .alterIndex, .dropIndex: applyIndex(change)
    case .createDatabase, .alterDatabase, .dropDatabase: applyDatabase(change)
    case .alterAlias(let alias):
      if let collection = collections[alias.collectionID] {
        aliases[collection.database, default: [:]][alias.alias] = alias.collectionID
      }
    case .dropAlias(let alias): aliases[alias.dbName]?[alias.alias] = nil
    case .alterReplicateConfig(let alteration): take(alteration)
    case .alterUser, .dropUser, .alterRole, .dropRole, .alterUserRole, .dropUserRole, .restoreRBAC:
      applyAccess(change)
    default: break
    }
  }

  private func databaseName(_ id: Int64) -> String? { databases.first { $0.id == id }?.name }

  private mutating func create(_ creation: LogChange.CreateCollection) {
    guard let schema = creation.collectionSchema, let database = databaseName(creation.dbID) else { return }
    let tick = oracle.next()
    var record = CollectionRecord(
      id: creation.collectionID, database: database, name: creation.collectionName,
      schema: Self.stored(schema),
      consistencyLevel: LogSchema.consistencyLevel(schema.properties) ?? 0,
      vchannels: creation.virtualChannelNames,
      partitions: [], createdTick: tick, updatedTick: tick)
    record.partitions = zip(creation.partitionIDs, creation.partitionNames).map {
      CollectionRecord.Partition(id: $0, name: $1, createdTick: tick)
    }
    collections[record.id] = record
    names[database, default: [:]][record.name] = record.id
  }

  /// A schema of the log as it is kept here: bare names inside structs, the consistency level apart.
  private static func stored(_ logged: CollectionSchema) -> CollectionSchema {
    var schema = logged
    schema.structArrayFields = LogSchema(logged).schema.structArrayFields
    schema.properties = LogSchema.publicProperties(logged.properties)
    return schema
  }

  private mutating func removeCollection(_ id: Int64) {
    guard let collection = collections.removeValue(forKey: id) else { return }
    names[collection.database]?[collection.name] = nil
    rows[id] = nil
    replication.schemas[id] = nil
  }

  private mutating func add(_ partition: LogChange.Partition) {
    let record = CollectionRecord.Partition(
      id: partition.partitionID, name: partition.partitionName, createdTick: oracle.next())
    collections[partition.collectionID]?.partitions.append(record)
    collections[partition.collectionID]?.load?.partitions.append(record.id)
  }

  private mutating func alter(_ alteration: LogChange.AlterCollection) {
    guard let updates = alteration.updates, let old = collections[alteration.collectionID] else { return }
    var new = old
    for path in alteration.maskPaths {
      switch path {
      case "db":
        new.database = updates.dbName.isEmpty ? databaseName(updates.dbID) ?? old.database : updates.dbName
      case "collection_name": new.name = updates.collectionName
      case "description": new.schema.description = updates.description
      case "consistency_level": new.consistencyLevel = updates.consistencyLevel
      case "properties": new.schema.properties = LogSchema.publicProperties(updates.properties)
      case "schema":
        guard let schema = updates.schema else { continue }
        let properties = new.schema.properties
        new.schema = Self.stored(schema)
        new.schema.properties = properties
      default: break
      }
    }
    new.updatedTick = oracle.next()
    names[old.database]?[old.name] = nil
    names[new.database, default: [:]][new.name] = new.id
    collections[new.id] = new
  }

  private mutating func setLoad(_ load: LogChange.AlterLoadConfig) {
    let fields = load.loadFields.map(\.fieldID)
    let all = Set(collections[load.collectionID]?.indexableFields.map(\.fieldID) ?? [])
    collections[load.collectionID]?.load = CollectionRecord.LoadedSet(
      partitions: load.partitionIDs, fields: all.isSubset(of: fields) ? [] : fields,
      replicas: Int64(max(1, load.replicas.count)))
  }

  private mutating func applyIndex(_ change: LogChange) {
    switch change {
    case .createIndex(let creation):
      guard let info = creation.fieldIndex?.info, let collection = collections[creation.collectionID] else {
        return
      }
      let field = collection.indexableFields.first { $0.fieldID == creation.fieldID }
      collections[creation.collectionID]?.indexes.append(
        CollectionRecord.Index(
          id: creation.indexID, name: creation.indexName, fieldID: creation.fieldID,
          fieldName: field?.name ?? "",
          params: info.userIndexParams, resolved: info.indexParams, isAutomatic: info.isAutoIndex,
          createdTick: oracle.next()))
    case .alterIndex(let alteration):
      for info in alteration.fieldIndexes.compactMap(\.info) {
        guard
          let place = collections[alteration.collectionID]?.indexes.firstIndex(where: {
            $0.id == info.indexID
          })
        else { continue }
        collections[alteration.collectionID]?.indexes[place].params = info.userIndexParams
        collections[alteration.collectionID]?.indexes[place].resolved = info.indexParams
      }
    case .dropIndex(let drop):
      collections[drop.collectionID]?.indexes.removeAll {
        drop.indexIDs.isEmpty || drop.indexIDs.contains($0.id)
      }
    default: break
    }
  }

  private mutating func applyDatabase(_ change: LogChange) {
    switch change {
    case .createDatabase(let creation):
      guard !databases.contains(where: { $0.id == creation.dbID }) else { return }
      databases.append(
        DatabaseRecord(
          id: creation.dbID, name: creation.dbName, properties: creation.properties,
          createdNanoseconds: UInt64(oracle.clockMilliseconds) &* 1_000_000))
    case .alterDatabase(let alteration):
      if let place = databases.firstIndex(where: { $0.id == alteration.dbID }) {
        databases[place].properties = alteration.properties
      }
    case .dropDatabase(let drop):
      databases.removeAll { $0.id == drop.dbID }
      names[drop.dbName] = nil
      aliases[drop.dbName] = nil
    default: break
    }
  }

  private mutating func applyAccess(_ change: LogChange) {
    switch change {
    case .alterUser(let alteration):
      // Only hashes travel; nobody checks passwords here.
      guard let name = alteration.user?.name, access.users[name] == nil else { return }
      access.users[name] = AccessRules.User(password: "")
    case .dropUser(let drop): access.users[drop.userName] = nil
    case .alterRole(let alteration): access.roles.insert(alteration.role?.name ?? "")
    case .dropRole(let drop): access.roles.remove(drop.roleName)
    case .alterUserRole(let grant), .dropUserRole(let grant):
      let user = grant.binding?.user?.name ?? "", role = grant.binding?.role?.name ?? ""
      access.users[user]?.roles.removeAll { $0 == role }
      if change.type == .alterUserRole { access.users[user]?.roles.append(role) }
    case .restoreRBAC(let restored):
      for role in restored.meta?.roles ?? [] { access.roles.insert(role.name) }
      for user in restored.meta?.users ?? [] {
        access.users[user.user] = AccessRules.User(password: "", roles: user.roles.map(\.name))
      }
    default: break
    }
  }

  /// The last copy of a changed topology is in the log: it is in force.
  private mutating func take(_ alteration: LogChange.AlterReplicateConfig) {
    guard !alteration.isIgnored, let configuration = alteration.configuration else { return }
    replication.take(configuration)
  }
}
