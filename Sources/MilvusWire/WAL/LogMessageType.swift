/// `messages.MessageType`: what a log message says (§3.2). Unknown numbers are kept.
package struct LogMessageType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package var rawValue: Int
  package init(rawValue: Int) { self.rawValue = rawValue }

  package static let unknown = LogMessageType(rawValue: 0)
  package static let timeTick = LogMessageType(rawValue: 1)
  package static let insert = LogMessageType(rawValue: 2)
  package static let delete = LogMessageType(rawValue: 3)
  package static let flush = LogMessageType(rawValue: 4)
  package static let createCollection = LogMessageType(rawValue: 5)
  package static let dropCollection = LogMessageType(rawValue: 6)
  package static let createPartition = LogMessageType(rawValue: 7)
  package static let dropPartition = LogMessageType(rawValue: 8)
  package static let manualFlush = LogMessageType(rawValue: 9)
  package static let createSegment = LogMessageType(rawValue: 10)
  package static let `import` = LogMessageType(rawValue: 11)
  package static let schemaChange = LogMessageType(rawValue: 12)
  package static let alterCollection = LogMessageType(rawValue: 13)
  package static let alterLoadConfig = LogMessageType(rawValue: 14)
  package static let dropLoadConfig = LogMessageType(rawValue: 15)
  package static let createDatabase = LogMessageType(rawValue: 16)
  package static let alterDatabase = LogMessageType(rawValue: 17)
  package static let dropDatabase = LogMessageType(rawValue: 18)
  package static let alterAlias = LogMessageType(rawValue: 19)
  package static let dropAlias = LogMessageType(rawValue: 20)
  package static let restoreRBAC = LogMessageType(rawValue: 21)
  package static let alterUser = LogMessageType(rawValue: 22)
  package static let dropUser = LogMessageType(rawValue: 23)
  package static let alterRole = LogMessageType(rawValue: 24)
  package static let dropRole = LogMessageType(rawValue: 25)
  package static let alterUserRole = LogMessageType(rawValue: 26)
  package static let dropUserRole = LogMessageType(rawValue: 27)
  package static let alterPrivilege = LogMessageType(rawValue: 28)
  package static let dropPrivilege = LogMessageType(rawValue: 29)
  package static let alterPrivilegeGroup = LogMessageType(rawValue: 30)
  package static let dropPrivilegeGroup = LogMessageType(rawValue: 31)
  package static let alterResourceGroup = LogMessageType(rawValue: 32)
  package static let dropResourceGroup = LogMessageType(rawValue: 33)
  package static let createIndex = LogMessageType(rawValue: 34)
  package static let alterIndex = LogMessageType(rawValue: 35)
  package static let dropIndex = LogMessageType(rawValue: 36)
  package static let flushAll = LogMessageType(rawValue: 37)
  package static let truncateCollection = LogMessageType(rawValue: 38)
  package static let restoreSnapshot = LogMessageType(rawValue: 39)
  package static let createSnapshot = LogMessageType(rawValue: 40)
  package static let dropSnapshot = LogMessageType(rawValue: 41)
  package static let batchUpdateManifest = LogMessageType(rawValue: 42)
  package static let refreshExternalCollection = LogMessageType(rawValue: 43)
  package static let dropSnapshotsByCollection = LogMessageType(rawValue: 44)
  package static let commitImport = LogMessageType(rawValue: 45)
  package static let rollbackImport = LogMessageType(rawValue: 46)
  package static let alterWAL = LogMessageType(rawValue: 700)
  package static let alterReplicateConfig = LogMessageType(rawValue: 800)
  package static let beginTxn = LogMessageType(rawValue: 900)
  package static let commitTxn = LogMessageType(rawValue: 901)
  package static let rollbackTxn = LogMessageType(rawValue: 902)
  package static let txn = LogMessageType(rawValue: 999)
}

extension LogMessageType {
  /// What is fixed for a type, the same on 2.6 and 3.x unless said.
  private struct Entry {
    let name: String
    /// `_v`: 1 for the types whose bodies come from `msg.proto`, 2 for all others (§1.3).
    let version: Int
    /// Proto of the body; the header's is `<name>MessageHeader`.
    let body: String
    init(_ name: String, _ version: Int = 2, body: String? = nil) {
      self.name = name
      self.version = version
      self.body = body ?? "milvus.proto.messages.\(name)MessageBody"
    }
  }

  private static let entries: [LogMessageType: Entry] = [
    .timeTick: Entry("TimeTick", 1, body: "milvus.proto.msg.TimeTickMsg"),
    .insert: Entry("Insert", 1, body: "milvus.proto.msg.InsertRequest"),
    .delete: Entry("Delete", 1, body: "milvus.proto.msg.DeleteRequest"),
    .flush: Entry("Flush"),
    .createCollection: Entry("CreateCollection", 1, body: "milvus.proto.msg.CreateCollectionRequest"),
    .dropCollection: Entry("DropCollection", 1, body: "milvus.proto.msg.DropCollectionRequest"),
    .createPartition: Entry("CreatePartition", 1, body: "milvus.proto.msg.CreatePartitionRequest"),
    .dropPartition: Entry("DropPartition", 1, body: "milvus.proto.msg.DropPartitionRequest"),
    .manualFlush: Entry("ManualFlush"),
    .createSegment: Entry("CreateSegment"),
    .`import`: Entry("Import", 1, body: "milvus.proto.msg.ImportMsg"),
    .schemaChange: Entry("SchemaChange"),
    .alterCollection: Entry("AlterCollection"),
    .alterLoadConfig: Entry("AlterLoadConfig"),
    .dropLoadConfig: Entry("DropLoadConfig"),
    .createDatabase: Entry("CreateDatabase"),
    .alterDatabase: Entry("AlterDatabase"),
    .dropDatabase: Entry("DropDatabase"),
    .alterAlias: Entry("AlterAlias"),
    .dropAlias: Entry("DropAlias"),
    .restoreRBAC: Entry("RestoreRBAC"),
    .alterUser: Entry("AlterUser"),
    .dropUser: Entry("DropUser"),
    .alterRole: Entry("AlterRole"),
    .dropRole: Entry("DropRole"),
    .alterUserRole: Entry("AlterUserRole"),
    .dropUserRole: Entry("DropUserRole"),
    .alterPrivilege: Entry("AlterPrivilege"),
    .dropPrivilege: Entry("DropPrivilege"),
    .alterPrivilegeGroup: Entry("AlterPrivilegeGroup"),
    .dropPrivilegeGroup: Entry("DropPrivilegeGroup"),
    .alterResourceGroup: Entry("AlterResourceGroup"),
    .dropResourceGroup: Entry("DropResourceGroup"),
    .createIndex: Entry("CreateIndex"),
    .alterIndex: Entry("AlterIndex"),
    .dropIndex: Entry("DropIndex"),
    .flushAll: Entry("FlushAll"),
    .truncateCollection: Entry("TruncateCollection"),
    .restoreSnapshot: Entry("RestoreSnapshot"),
    .createSnapshot: Entry("CreateSnapshot"),
    .dropSnapshot: Entry("DropSnapshot"),
    .batchUpdateManifest: Entry("BatchUpdateManifest"),
    .refreshExternalCollection: Entry("RefreshExternalCollection"),
    .dropSnapshotsByCollection: Entry("DropSnapshotsByCollection"),
    .commitImport: Entry("CommitImport"),
    .rollbackImport: Entry("RollbackImport"),
    .alterWAL: Entry("AlterWAL"),
    .alterReplicateConfig: Entry("AlterReplicateConfig"),
    .beginTxn: Entry("BeginTxn"),
    .commitTxn: Entry("CommitTxn"),
    .rollbackTxn: Entry("RollbackTxn"),
    .txn: Entry("Txn"),
  ]

  /// Every type that a release up to 3.0.1 has, by number.
  package static let all: [LogMessageType] = entries.keys.sorted { $0.rawValue < $1.rawValue }

  package var isKnown: Bool { Self.entries[self] != nil }

  /// As Milvus spells it; `Unknown` for 0 and the number for one that it does not have.
  package var name: String { Self.entries[self]?.name ?? (rawValue == 0 ? "Unknown" : String(rawValue)) }
  package var description: String { name }

  /// The version of its messages; nil for an unknown type.
  package var version: Int? { Self.entries[self]?.version }

  /// Full name of the header's proto.
  package var headerProto: String? {
    Self.entries[self].map { "milvus.proto.messages.\($0.name)MessageHeader" }
  }
  /// Full name of the body's proto.
  package var bodyProto: String? { Self.entries[self]?.body }

  /// Internal to the log: ticks and transaction brackets.
  package var isSystem: Bool {
    switch self {
    case .timeTick, .beginTxn, .commitTxn, .rollbackTxn, .txn: true
    default: false
    }
  }

  /// Made by the log itself: never dumped and never replicated.
  package var isSelfControlled: Bool {
    switch self {
    case .timeTick, .flush, .createSegment: true
    default: false
    }
  }

  /// Its append takes the channel alone and fails open transactions there. TruncateCollection is one on 3.x only.
  package var isExclusive: Bool {
    switch self {
    case .createCollection, .dropCollection, .createPartition, .dropPartition, .manualFlush, .schemaChange,
      .alterCollection, .flushAll, .truncateCollection, .commitImport, .rollbackImport, .alterWAL,
      .alterReplicateConfig:
      true
    default: false
    }
  }

  /// Its payload may be encrypted.
  package var isCipherEnabled: Bool { self == .insert || self == .delete }

  /// Begin, commit or rollback of a transaction.
  package var isTransactionBracket: Bool { self == .beginTxn || self == .commitTxn || self == .rollbackTxn }
}
