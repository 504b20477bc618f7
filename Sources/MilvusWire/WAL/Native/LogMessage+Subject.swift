extension LogMessage {
  /// The collection that the message is about, by its header; nil where it is about none, or its header cannot be read.
  package var collectionID: Int64? {
    guard let number = type.collectionField else { return nil }
    var reader = WireReader(headerBytes ?? [])
    var id: Int64?
    while let field = try? reader.next() {
      if field.number == number, let value = field.varint { id = Int64(truncatingIfNeeded: value) }
    }
    return id
  }

  /// The database that is made, changed or dropped.
  package var databaseName: String? {
    switch try? LogChange(self) {
    case .createDatabase(let change): change.dbName
    case .alterDatabase(let change): change.dbName
    case .dropDatabase(let change): change.dbName
    default: nil
    }
  }
}

extension LogMessageType {
  /// Number of the header's field `collection_id` (§3.2); nil for types without one.
  fileprivate var collectionField: UInt32? {
    switch self {
    case .insert, .delete, .createCollection, .dropCollection, .createPartition, .dropPartition, .manualFlush, .schemaChange,
      .alterIndex, .dropIndex, .createSnapshot, .batchUpdateManifest, .refreshExternalCollection, .dropSnapshotsByCollection,
      .commitImport, .rollbackImport:
      1
    case .alterCollection, .alterLoadConfig, .dropLoadConfig, .createIndex, .truncateCollection, .restoreSnapshot, .dropSnapshot: 2
    case .alterAlias: 3
    default: nil
    }
  }
}
