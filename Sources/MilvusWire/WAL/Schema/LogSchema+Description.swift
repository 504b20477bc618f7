/// What DescribeCollection would answer, kept up to date from the log alone (`wal-protocol.md` §3.7, §3.8).
extension CollectionDescription {
  /// The collection that a CreateCollection made. `database`: where the body leaves its name out. `tick`: of the message; servers call it the
  /// creation time.
  package init(created change: LogChange.CreateCollection, database: String, at tick: TimeTick) throws(LogMessageError) {
    guard let logged = try change.schema() else { throw LogMessageError(.body, "CreateCollection has no schema") }
    let log = LogSchema(logged)
    self.init(schema: log.schema)
    id = change.collectionID
    name = change.collectionName.isEmpty ? logged.name : change.collectionName
    dbName = change.dbName.isEmpty ? database : change.dbName
    (schema.name, schema.dbName) = (name, dbName)
    virtualChannelNames = change.virtualChannelNames
    physicalChannelNames = change.physicalChannelNames
    shardsNum = Int32(clamping: change.virtualChannelNames.count)
    numPartitions = Int64(change.partitionNames.count)
    consistencyLevel = log.consistencyLevel ?? 0
    properties = schema.properties
    (createdAt, updatedAt) = (tick, tick)
  }

  /// Takes over what the mask of an AlterCollection names; the body has the full new state of each part, not a difference. Returns the paths
  /// that this version does not know, which change something that is not seen here.
  package mutating func apply(_ change: LogChange.AlterCollection, at tick: TimeTick) -> [String] {
    guard let updates = change.updates else { return change.maskPaths }
    var unknown: [String] = []
    for path in change.maskPaths {
      switch path {
      case "db": dbName = updates.dbName
      case "collection_name": name = updates.collectionName
      case "description": schema.description = updates.description
      case "consistency_level": consistencyLevel = updates.consistencyLevel
      case "properties":
        properties = LogSchema.publicProperties(updates.properties)
        if let level = LogSchema.consistencyLevel(updates.properties) { consistencyLevel = level }
      case "schema":
        guard let logged = updates.schema else {
          unknown.append(path)
          continue
        }
        schema = LogSchema(logged).schema
      default: unknown.append(path)
      }
    }
    // A body of a schema change may still have names and properties of before; those parts have paths of their own.
    (schema.name, schema.dbName, schema.properties) = (name, dbName, properties)
    updatedAt = tick
    return unknown
  }
}
