/// What a log message says: header and body of its type as values (§3.2 to §3.4).
///
/// Fields that are not known are tolerated; texts keep every byte. Rows stay encoded columns. What a header and a body
/// both say is one member; where they differ the body counts.
package enum LogChange: Sendable, Equatable {
  case insert(InsertHeader, InsertRows)
  case delete(DeleteHeader, DeleteRows)
  case timeTick(TimeTickMark)
  case flush(SegmentFlush)
  case createCollection(CreateCollection)
  case dropCollection(DropCollection)
  case createPartition(Partition)
  case dropPartition(Partition)
  case manualFlush(ManualFlush)
  case createSegment(CreateSegment)
  case `import`(Import)
  case schemaChange(SchemaChange)
  case alterCollection(AlterCollection)
  case alterLoadConfig(AlterLoadConfig)
  case dropLoadConfig(DropLoadConfig)
  case createDatabase(CreateDatabase)
  case alterDatabase(AlterDatabase)
  case dropDatabase(DropDatabase)
  case alterAlias(AlterAlias)
  case dropAlias(DropAlias)
  case restoreRBAC(RestoreRBAC)
  case alterUser(AlterUser)
  case dropUser(DropUser)
  case alterRole(AlterRole)
  case dropRole(DropRole)
  case alterUserRole(UserRole)
  case dropUserRole(UserRole)
  case alterPrivilege(Privilege)
  case dropPrivilege(Privilege)
  case alterPrivilegeGroup(PrivilegeGroup)
  case dropPrivilegeGroup(PrivilegeGroup)
  case alterResourceGroup(AlterResourceGroup)
  case dropResourceGroup(DropResourceGroup)
  case createIndex(CreateIndex)
  case alterIndex(AlterIndex)
  case dropIndex(DropIndex)
  case flushAll
  case truncateCollection(TruncateCollection)
  case restoreSnapshot(RestoreSnapshot)
  case createSnapshot(CreateSnapshot)
  case dropSnapshot(DropSnapshot)
  case batchUpdateManifest(BatchUpdateManifest)
  case refreshExternalCollection(RefreshExternalCollection)
  case dropSnapshotsByCollection(DropSnapshotsByCollection)
  case commitImport(ImportDecision)
  case rollbackImport(ImportDecision)
  case alterWAL(AlterWAL)
  case alterReplicateConfig(AlterReplicateConfig)
  case beginTxn(BeginTxn)
  case commitTxn
  case rollbackTxn
  case txn(Txn)
  /// A type that no release up to 3.0.1 has.
  case unknown(LogMessageType)

  /// Throws for a version that the type does not have, a header or body that is not what its proto says, an absent
  /// header, and an encrypted payload.
  package init(_ message: LogMessage) throws(LogMessageError) {
    guard let version = message.type.version else {
      self = .unknown(message.type)
      return
    }
    // Version 0, the format before 2.6, is looked up like 1 (§1.3).
    guard (message.version == 0 ? 1 : message.version) == version else {
      throw LogMessageError(.version, "no message of type \(message.type) has version \(message.version)")
    }
    guard message.headerBytes != nil else {
      throw LogMessageError(
        .missingProperty, property: LogProperty.header, "of a message of type \(message.type)")
    }
    guard !message.isEncrypted else {
      throw LogMessageError(.encrypted, "\(message.type) on \(message.vchannel)")
    }
    self = try Self.read(message)
  }

  package var type: LogMessageType { parts.type }

  /// The proto of `_h`.
  package var encodedHeader: [UInt8] {
    switch self {
    case .insert(let header, _): header.encoded
    case .delete(let header, _): header.encoded
    default: parts.content.encodedHeader
    }
  }

  /// The payload.
  package var encodedBody: [UInt8] {
    switch self {
    case .insert(_, let rows): rows.encoded
    case .delete(_, let rows): rows.encoded
    default: parts.content.encodedBody
    }
  }
}

extension LogChange: CustomStringConvertible {
  /// The type: a change can hold rows.
  package var description: String { type.name }
}

/// Header and body of one type as one value. Both are listed as fields of a `LogRecord` are.
package protocol LogContent: LogFields {
  static var headerMembers: [LogMember<Self>] { get }
  static var bodyMembers: [LogMember<Self>] { get }
}

extension LogContent {
  package static var headerMembers: [LogMember<Self>] { [] }
  package static var bodyMembers: [LogMember<Self>] { [] }

  fileprivate init(_ message: LogMessage) throws(LogMessageError) {
    self.init()
    do throws(ProtobufError) {
      try read(WireReader(message.headerBytes ?? []), Self.headerMembers)
    } catch {
      throw LogMessageError(.header, "\(message.type): \(error.message)")
    }
    do throws(ProtobufError) {
      try read(WireReader(message.bytes, in: message.payloadRange), Self.bodyMembers)
    } catch {
      throw LogMessageError(.body, "\(message.type): \(error.message)")
    }
  }

  fileprivate var encodedHeader: [UInt8] { encoded(Self.headerMembers) }
  fileprivate var encodedBody: [UInt8] { encoded(Self.bodyMembers) }
}

/// A type whose header and body have no fields.
private struct Empty: LogContent {}

extension LogChange {
  private static func content<Content: LogContent>(_ message: LogMessage) throws(LogMessageError) -> Content {
    try Content(message)
  }

  private static func empty(_ message: LogMessage, _ change: LogChange) throws(LogMessageError) -> LogChange {
    _ = try Empty(message)
    return change
  }

  private static func rows<Header: LogRecord, Rows>(
    _ message: LogMessage, _ make: (Header, Rows) -> LogChange,
    _ read: ([UInt8], Range<Int>?) throws(ProtobufError) -> Rows
  ) throws(LogMessageError) -> LogChange {
    let header: Header
    do throws(ProtobufError) {
      header = try Header(encoded: message.headerBytes ?? [])
    } catch {
      throw LogMessageError(.header, "\(message.type): \(error.message)")
    }
    do throws(ProtobufError) {
      return make(header, try read(message.bytes, message.payloadRange))
    } catch {
      throw LogMessageError(.body, "\(message.type): \(error.message)")
    }
  }

  private static func read(_ message: LogMessage) throws(LogMessageError) -> LogChange {
    switch message.type {
    case .insert: try rows(message, LogChange.insert, InsertRows.init)
    case .delete: try rows(message, LogChange.delete, DeleteRows.init)
    case .timeTick: .timeTick(try content(message))
    case .flush: .flush(try content(message))
    case .createCollection: .createCollection(try content(message))
    case .dropCollection: .dropCollection(try content(message))
    case .createPartition: .createPartition(try content(message))
    case .dropPartition: .dropPartition(try content(message))
    case .manualFlush: .manualFlush(try content(message))
    case .createSegment: .createSegment(try content(message))
    case .`import`: .import(try content(message))
    case .schemaChange: .schemaChange(try content(message))
    case .alterCollection: .alterCollection(try content(message))
    case .alterLoadConfig: .alterLoadConfig(try content(message))
    case .dropLoadConfig: .dropLoadConfig(try content(message))
    case .createDatabase: .createDatabase(try content(message))
    case .alterDatabase: .alterDatabase(try content(message))
    case .dropDatabase: .dropDatabase(try content(message))
    case .alterAlias: .alterAlias(try content(message))
    case .dropAlias: .dropAlias(try content(message))
    case .restoreRBAC: .restoreRBAC(try content(message))
    case .alterUser: .alterUser(try content(message))
    case .dropUser: .dropUser(try content(message))
    case .alterRole: .alterRole(try content(message))
    case .dropRole: .dropRole(try content(message))
    case .alterUserRole: .alterUserRole(try content(message))
    case .dropUserRole: .dropUserRole(try content(message))
    case .alterPrivilege: .alterPrivilege(try content(message))
    case .dropPrivilege: .dropPrivilege(try content(message))
    case .alterPrivilegeGroup: .alterPrivilegeGroup(try content(message))
    case .dropPrivilegeGroup: .dropPrivilegeGroup(try content(message))
    case .alterResourceGroup: .alterResourceGroup(try content(message))
    case .dropResourceGroup: .dropResourceGroup(try content(message))
    case .createIndex: .createIndex(try content(message))
    case .alterIndex: .alterIndex(try content(message))
    case .dropIndex: .dropIndex(try content(message))
    case .flushAll: try empty(message, .flushAll)
    case .truncateCollection: .truncateCollection(try content(message))
    case .restoreSnapshot: .restoreSnapshot(try content(message))
    case .createSnapshot: .createSnapshot(try content(message))
    case .dropSnapshot: .dropSnapshot(try content(message))
    case .batchUpdateManifest: .batchUpdateManifest(try content(message))
    case .refreshExternalCollection: .refreshExternalCollection(try content(message))
    case .dropSnapshotsByCollection: .dropSnapshotsByCollection(try content(message))
    case .commitImport: .commitImport(try content(message))
    case .rollbackImport: .rollbackImport(try content(message))
    case .alterWAL: .alterWAL(try content(message))
    case .alterReplicateConfig: .alterReplicateConfig(try content(message))
    case .beginTxn: .beginTxn(try content(message))
    case .commitTxn: try empty(message, .commitTxn)
    case .rollbackTxn: try empty(message, .rollbackTxn)
    case .txn: .txn(try content(message))
    default: .unknown(message.type)
    }
  }

  private var parts: (type: LogMessageType, content: any LogContent) {
    switch self {
    case .insert: (.insert, Empty())
    case .delete: (.delete, Empty())
    case .timeTick(let content): (.timeTick, content)
    case .flush(let content): (.flush, content)
    case .createCollection(let content): (.createCollection, content)
    case .dropCollection(let content): (.dropCollection, content)
    case .createPartition(let content): (.createPartition, content)
    case .dropPartition(let content): (.dropPartition, content)
    case .manualFlush(let content): (.manualFlush, content)
    case .createSegment(let content): (.createSegment, content)
    case .import(let content): (.`import`, content)
    case .schemaChange(let content): (.schemaChange, content)
    case .alterCollection(let content): (.alterCollection, content)
    case .alterLoadConfig(let content): (.alterLoadConfig, content)
    case .dropLoadConfig(let content): (.dropLoadConfig, content)
    case .createDatabase(let content): (.createDatabase, content)
    case .alterDatabase(let content): (.alterDatabase, content)
    case .dropDatabase(let content): (.dropDatabase, content)
    case .alterAlias(let content): (.alterAlias, content)
    case .dropAlias(let content): (.dropAlias, content)
    case .restoreRBAC(let content): (.restoreRBAC, content)
    case .alterUser(let content): (.alterUser, content)
    case .dropUser(let content): (.dropUser, content)
    case .alterRole(let content): (.alterRole, content)
    case .dropRole(let content): (.dropRole, content)
    case .alterUserRole(let content): (.alterUserRole, content)
    case .dropUserRole(let content): (.dropUserRole, content)
    case .alterPrivilege(let content): (.alterPrivilege, content)
    case .dropPrivilege(let content): (.dropPrivilege, content)
    case .alterPrivilegeGroup(let content): (.alterPrivilegeGroup, content)
    case .dropPrivilegeGroup(let content): (.dropPrivilegeGroup, content)
    case .alterResourceGroup(let content): (.alterResourceGroup, content)
    case .dropResourceGroup(let content): (.dropResourceGroup, content)
    case .createIndex(let content): (.createIndex, content)
    case .alterIndex(let content): (.alterIndex, content)
    case .dropIndex(let content): (.dropIndex, content)
    case .flushAll: (.flushAll, Empty())
    case .truncateCollection(let content): (.truncateCollection, content)
    case .restoreSnapshot(let content): (.restoreSnapshot, content)
    case .createSnapshot(let content): (.createSnapshot, content)
    case .dropSnapshot(let content): (.dropSnapshot, content)
    case .batchUpdateManifest(let content): (.batchUpdateManifest, content)
    case .refreshExternalCollection(let content): (.refreshExternalCollection, content)
    case .dropSnapshotsByCollection(let content): (.dropSnapshotsByCollection, content)
    case .commitImport(let content): (.commitImport, content)
    case .rollbackImport(let content): (.rollbackImport, content)
    case .alterWAL(let content): (.alterWAL, content)
    case .alterReplicateConfig(let content): (.alterReplicateConfig, content)
    case .beginTxn(let content): (.beginTxn, content)
    case .commitTxn: (.commitTxn, Empty())
    case .rollbackTxn: (.rollbackTxn, Empty())
    case .txn(let content): (.txn, content)
    case .unknown(let type): (type, Empty())
    }
  }
}
