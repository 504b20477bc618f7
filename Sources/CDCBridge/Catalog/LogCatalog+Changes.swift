package import MilvusWire

/// What a change of the log came to.
package struct LogCatalogEffect: Sendable, Equatable {
  /// Collections that are to be aligned.
  package var collections: Set<Int64> = []
  /// Collections or databases came, went or have other names.
  package var changesNames = false
  /// Collections whose aliases changed, the one that lost an alias first.
  package var aliases: [Int64] = []
  /// All rows of the collection are gone.
  package var truncated: Int64?
  package var created: Int64?
  package var dropped: Int64?
  /// Rows that are in no log came into the collection (import, snapshot).
  package var imported: Int64?
  /// What is to be done to users, roles and grants, in this order.
  package var access: [AccessStep] = []
  /// What cannot be replicated, by name.
  package var notes: [String] = []
  package init() {}
}

extension LogCatalog {
  /// Takes a change. Rows change nothing here.
  package mutating func apply(_ change: LogChange) throws(LogMessageError) -> LogCatalogEffect {
    var effect = LogCatalogEffect()
    switch change {
    case .createCollection(let content): try create(content, &effect)
    case .dropCollection(let content): drop(content.collectionID, &effect)
    case .createPartition(let content): addPartition(content, &effect)
    case .dropPartition(let content): dropPartition(content, &effect)
    case .schemaChange(let content):
      if let schema = content.schema { set(schema, of: content.collectionID, &effect) }
    case .alterCollection(let content): alter(content, &effect)
    case .truncateCollection(let content):
      if collections[content.collectionID] != nil { effect.truncated = content.collectionID }
    case .alterLoadConfig(let content):
      guard collections[content.collectionID] != nil else { break }
      collections[content.collectionID]?.loaded = Set(content.partitionIDs)
      effect.collections = [content.collectionID]
    case .dropLoadConfig(let content):
      guard collections[content.collectionID] != nil else { break }
      collections[content.collectionID]?.loaded = nil
      effect.collections = [content.collectionID]
    case .createDatabase, .alterDatabase, .dropDatabase: changeDatabase(change, &effect)
    case .alterAlias(let content): alias(content, &effect)
    case .dropAlias(let content): dropAlias(content, &effect)
    case .createIndex(let content): addIndexes([content.fieldIndex], of: content.collectionID, &effect)
    case .alterIndex(let content): addIndexes(content.fieldIndexes, of: content.collectionID, &effect)
    case .dropIndex(let content):
      guard collections[content.collectionID] != nil else { break }
      collections[content.collectionID]?.indexes.removeAll {
        content.indexIDs.isEmpty || content.indexIDs.contains($0.id)
      }
      effect.collections = [content.collectionID]
    default: note(change, &effect)
    }
    return effect
  }

  // MARK: Collections

  private mutating func create(
    _ content: LogChange.CreateCollection, _ effect: inout LogCatalogEffect
  ) throws(LogMessageError) {
    let id = content.collectionID
    guard collections[id] == nil else { return }
    guard let logged = try content.schema(), let database = databaseName(content.dbID, content.dbName) else {
      effect.notes.append("collection \(content.collectionName): the log does not tell its schema or its database")
      return
    }
    if databases[content.dbID] == nil { databases[content.dbID] = Database(id: content.dbID, name: database) }
    let name = content.collectionName.isEmpty ? logged.name : content.collectionName
    let form = LogSchema(logged)
    var collection = Collection(
      id: id, path: CollectionPath(database: database, name: name), schema: form.schema, properties: form.schema.properties)
    collection.schema.name = name
    collection.schema.properties = []
    collection.consistencyLevel = form.consistencyLevel ?? 0
    effect.notes += form.refusals
    collection.vchannels = content.virtualChannelNames
    collection.shardsNum = Int32(clamping: content.virtualChannelNames.count)
    collection.partitions = zip(content.partitionIDs, content.partitionNames).map { Partition(id: $0, name: $1) }
    collections[id] = collection
    effect.created = id
    effect.collections = [id]
    effect.changesNames = true
  }

  private mutating func drop(_ id: Int64, _ effect: inout LogCatalogEffect) {
    guard collections.removeValue(forKey: id) != nil else { return }
    effect.dropped = id
    effect.changesNames = true
  }

  private mutating func alter(_ content: LogChange.AlterCollection, _ effect: inout LogCatalogEffect) {
    let id = content.collectionID
    guard var collection = collections[id], let updates = content.updates else { return }
    effect.collections = [id]
    for path in content.maskPaths {
      switch path {
      case "db":
        if let name = databaseName(updates.dbID, updates.dbName) {
          collection.path = CollectionPath(database: name, name: collection.path.name)
          effect.changesNames = true
        }
      case "collection_name":
        collection.path.name = updates.collectionName
        collection.schema.name = updates.collectionName
        effect.changesNames = true
      case "description": collection.schema.description = updates.description
      case "schema":
        guard let schema = updates.schema else { continue }
        let form = LogSchema(schema)
        collection.schema = form.schema
        collection.schema.name = collection.path.name
        collection.schema.properties = []
        effect.notes += form.refusals
      case "properties":
        collection.properties = LogSchema.publicProperties(updates.properties)
        if let level = LogSchema.consistencyLevel(updates.properties) { collection.consistencyLevel = level }
      case "consistency_level": collection.consistencyLevel = updates.consistencyLevel
      default: effect.notes.append("\(collection.path): a change of \(path) is not replicated")
      }
    }
    collections[id] = collection
    addIndexes(updates.boundFieldIndexes, of: id, &effect)
  }

  private mutating func set(_ schema: CollectionSchema, of id: Int64, _ effect: inout LogCatalogEffect) {
    guard let name = collections[id]?.path.name else { return }
    collections[id]?.schema = LogSchema(schema).schema
    collections[id]?.schema.name = name
    effect.collections = [id]
  }

  // MARK: Partitions

  /// A partition that is created in a loaded collection is loaded, and no message says so (§3.2).
  private mutating func addPartition(_ content: LogChange.Partition, _ effect: inout LogCatalogEffect) {
    guard var collection = collections[content.collectionID] else { return }
    effect.collections = [collection.id]
    guard !collection.partitions.contains(where: { $0.id == content.partitionID }) else { return }
    collection.partitions.append(Partition(id: content.partitionID, name: content.partitionName))
    collection.loaded?.insert(content.partitionID)
    collections[collection.id] = collection
  }

  private mutating func dropPartition(_ content: LogChange.Partition, _ effect: inout LogCatalogEffect) {
    guard collections[content.collectionID] != nil else { return }
    collections[content.collectionID]?.partitions.removeAll { $0.id == content.partitionID }
    collections[content.collectionID]?.loaded?.remove(content.partitionID)
    effect.collections = [content.collectionID]
  }

  // MARK: Databases

  private mutating func changeDatabase(_ change: LogChange, _ effect: inout LogCatalogEffect) {
    effect.changesNames = true
    switch change {
    case .createDatabase(let content):
      databases[content.dbID] = Database(id: content.dbID, name: content.dbName, properties: content.properties)
    case .alterDatabase(let content): databases[content.dbID]?.properties = content.properties
    case .dropDatabase(let content):
      databases[content.dbID] = nil
      for (id, collection) in collections where collection.path.database == content.dbName {
        collections[id] = nil
      }
    default: break
    }
  }

  // MARK: Aliases

  private mutating func alias(_ content: LogChange.AlterAlias, _ effect: inout LogCatalogEffect) {
    guard let database = collections[content.collectionID]?.path.database else { return }
    removeAlias(content.alias, database, except: content.collectionID, &effect)
    if collections[content.collectionID]?.aliases.contains(content.alias) == false {
      collections[content.collectionID]?.aliases.append(content.alias)
    }
    effect.aliases.append(content.collectionID)
  }

  private mutating func dropAlias(_ content: LogChange.DropAlias, _ effect: inout LogCatalogEffect) {
    guard let database = databaseName(content.dbID, content.dbName) else { return }
    removeAlias(content.alias, database, except: nil, &effect)
  }

  private mutating func removeAlias(
    _ alias: String, _ database: String, except kept: Int64?, _ effect: inout LogCatalogEffect
  ) {
    for (id, collection) in collections
    where id != kept && collection.path.database == database && collection.aliases.contains(alias) {
      collections[id]?.aliases.removeAll { $0 == alias }
      effect.aliases.append(id)
    }
  }

  // MARK: Indexes

  /// New ones and other forms of known ones, by id.
  private mutating func addIndexes(
    _ indexes: [LogChange.FieldIndex?], of id: Int64, _ effect: inout LogCatalogEffect
  ) {
    guard var collection = collections[id] else { return }
    for case let info? in indexes.map({ $0?.info }) {
      // A seed tells names of fields, a log their ids.
      guard let field = collection.schema.fieldName(of: info.fieldID) else { continue }
      var description = IndexDescription(fieldName: field, indexName: info.indexName)
      description.params = info.userIndexParams.isEmpty ? info.indexParams : info.userIndexParams
      description.id = info.indexID
      let index = Index(id: info.indexID, fieldID: info.fieldID, description: description)
      if let at = collection.indexes.firstIndex(where: { $0.id == info.indexID }) {
        collection.indexes[at] = index
      } else {
        collection.indexes.append(index)
      }
    }
    collections[id] = collection
    effect.collections.insert(id)
  }

  // MARK: What cannot be replicated

  private func note(_ change: LogChange, _ effect: inout LogCatalogEffect) {
    func name(_ id: Int64) -> String { collections[id]?.path.description ?? "collection \(id)" }
    switch change {
    case .import(let content):
      effect.imported = content.collectionID
    case .commitImport(let content): effect.imported = content.collectionID
    case .rollbackImport: break
    case .restoreSnapshot(let content):
      effect.imported = content.collectionID
      effect.notes.append("snapshot \(content.snapshotName) restored into \(name(content.collectionID)): its rows are in no log")
    case .createSnapshot(let content): effect.notes.append("snapshot \(content.name) of \(name(content.collectionID))")
    case .dropSnapshot(let content): effect.notes.append("drop of snapshot \(content.name) of \(name(content.collectionID))")
    case .dropSnapshotsByCollection(let content):
      effect.notes.append("drop of the snapshots of \(name(content.collectionID))")
    case .batchUpdateManifest(let content):
      effect.imported = content.collectionID
    case .refreshExternalCollection(let content):
      effect.notes.append("external collection \(name(content.collectionID)): its data is not in the log")
    case .alterResourceGroup(let content):
      effect.notes.append("resource groups \(content.groups.map(\.name).sorted().joined(separator: ", "))")
    case .dropResourceGroup(let content): effect.notes.append("drop of resource group \(content.name)")
    case .unknown(let type): effect.notes.append("messages of type \(type.rawValue), which this build does not know")
    default: effect.access = AccessStep.steps(of: change)
    }
  }
}

extension CollectionSchema {
  /// A field of the collection, also one inside a struct array (`struct[field]`).
  func fieldName(of id: Int64) -> String? {
    if let field = fields.first(where: { $0.fieldID == id }) { return field.name }
    for whole in structArrayFields {
      if let field = whole.fields.first(where: { $0.fieldID == id }) {
        return field.name.contains("[") ? field.name : "\(whole.name)[\(field.name)]"
      }
    }
    return nil
  }
}
