// What the log says about itself, its segments, imports and snapshots (§3.2).

extension LogChange {
  package struct TimeTickMark: LogContent {
    package var base: MessageBase?
    package init() {}
    package static let bodyMembers: [LogMember<Self>] = [.record(1, \.base)]
  }

  package struct SegmentFlush: LogContent {
    package var collectionID: Int64 = 0
    package var partitionID: Int64 = 0
    package var segmentID: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .number(2, \.partitionID), .number(3, \.segmentID),
    ]
  }

  package struct ManualFlush: LogContent {
    package var collectionID: Int64 = 0
    package var flushTick = TimeTick(0)
    package var segmentIDs: [Int64] = []
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .number(2, \.flushTick), .numbers(3, \.segmentIDs),
    ]
  }

  package struct CreateSegment: LogContent {
    package var collectionID: Int64 = 0
    package var partitionID: Int64 = 0
    package var segmentID: Int64 = 0
    package var storageVersion: Int64 = 0
    package var maxSegmentSize: UInt64 = 0
    package var maxRows: UInt64 = 0
    package var level: Int32 = 0
    package var schemaVersion: Int32 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .number(2, \.partitionID), .number(3, \.segmentID),
      .number(4, \.storageVersion), .number(5, \.maxSegmentSize), .number(6, \.maxRows), .number(7, \.level),
      .number(8, \.schemaVersion),
    ]
  }

  // MARK: Imports

  /// `msg.ImportMsg`. The imported rows are not in the log (§7.9).
  package struct Import: LogContent {
    package var base: MessageBase?
    package var dbName = ""
    package var collectionName = ""
    package var collectionID: Int64 = 0
    package var partitionIDs: [Int64] = []
    package var options: [KeyValuePair] = []
    package var files: [ImportFile] = []
    package var schema: CollectionSchema?
    package var jobID: Int64 = 0
    package init() {}
    package static let bodyMembers: [LogMember<Self>] = [
      .record(1, \.base), .text(2, \.dbName), .text(3, \.collectionName), .number(4, \.collectionID),
      .numbers(5, \.partitionIDs), .map(6, \.options), .records(7, \.files), .schema(8, \.schema),
      .number(9, \.jobID),
    ]
  }

  package struct ImportFile: LogRecord {
    package var id: Int64 = 0
    package var paths: [String] = []
    package var allocatedKeys: KeyRange?
    package init() {}
    package static let members: [LogMember<Self>] = [
      .number(1, \.id), .texts(2, \.paths), .record(3, \.allocatedKeys),
    ]
  }

  package struct KeyRange: LogRecord {
    package var begin: Int64 = 0
    package var end: Int64 = 0
    package init() {}
    package static let members: [LogMember<Self>] = [.number(1, \.begin), .number(2, \.end)]
  }

  /// CommitImport and RollbackImport (3.x).
  package struct ImportDecision: LogContent {
    package var collectionID: Int64 = 0
    package var jobID: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.number(1, \.collectionID), .number(2, \.jobID)]
  }

  // MARK: Snapshots and external collections (3.x)

  package struct RestoreSnapshot: LogContent {
    package var snapshotName = ""
    package var collectionID: Int64 = 0
    package var jobID: Int64 = 0
    package var sourceCollectionID: Int64 = 0
    package var pinID: Int64 = 0
    package var isExternal = false
    package var snapshotLocation = ""
    package var externalSpec = ""
    package var snapshotFingerprint = ""
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .text(1, \.snapshotName), .number(2, \.collectionID), .number(3, \.jobID),
      .number(4, \.sourceCollectionID), .number(5, \.pinID), .number(6, \.isExternal),
      .text(7, \.snapshotLocation), .text(8, \.externalSpec), .text(9, \.snapshotFingerprint),
    ]
  }

  package struct CreateSnapshot: LogContent {
    package var collectionID: Int64 = 0
    package var name = ""
    package var description = ""
    package var compactionProtectionSeconds: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .text(2, \.name), .text(3, \.description),
      .number(4, \.compactionProtectionSeconds),
    ]
  }

  package struct DropSnapshot: LogContent {
    package var name = ""
    package var collectionID: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.text(1, \.name), .number(2, \.collectionID)]
  }

  package struct DropSnapshotsByCollection: LogContent {
    package var collectionID: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.number(1, \.collectionID)]
  }

  package struct BatchUpdateManifest: LogContent {
    package var collectionID: Int64 = 0
    package var items: [ManifestItem] = []
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.number(1, \.collectionID)]
    package static let bodyMembers: [LogMember<Self>] = [.records(1, \.items)]
  }

  package struct ManifestItem: LogRecord {
    package var segmentID: Int64 = 0
    package var manifestVersion: Int64 = 0
    package var columnGroups: ManifestColumnGroups?
    package init() {}
    package static let members: [LogMember<Self>] = [
      .number(1, \.segmentID), .number(2, \.manifestVersion), .record(3, \.columnGroups),
    ]
  }

  package struct ManifestColumnGroups: LogRecord {
    package var groups: [ManifestColumnGroup] = []
    package init() {}
    package static let members: [LogMember<Self>] = [.records(1, \.groups)]
  }

  /// An entry of the map `column_groups`.
  package struct ManifestColumnGroup: LogRecord {
    package var number: Int64 = 0
    package var binlog = FieldBinlog()
    package init() {}
    package static let members: [LogMember<Self>] = [.key(1, \.number), .value(2, \.binlog)]
  }

  /// `data.FieldBinlog`.
  package struct FieldBinlog: LogRecord {
    package var fieldID: Int64 = 0
    package var binlogs: [Binlog] = []
    package var childFields: [Int64] = []
    package var format = ""
    package init() {}
    package static let members: [LogMember<Self>] = [
      .number(1, \.fieldID), .records(2, \.binlogs), .numbers(3, \.childFields), .text(4, \.format),
    ]
  }

  /// `data.Binlog`.
  package struct Binlog: LogRecord {
    package var entriesNumber: Int64 = 0
    package var timestampFrom: UInt64 = 0
    package var timestampTo: UInt64 = 0
    package var logPath = ""
    package var logSize: Int64 = 0
    package var logID: Int64 = 0
    package var memorySize: Int64 = 0
    package var nullCounts: [FieldNullCount] = []
    package init() {}
    package static let members: [LogMember<Self>] = [
      .number(1, \.entriesNumber), .number(2, \.timestampFrom), .number(3, \.timestampTo),
      .text(4, \.logPath),
      .number(5, \.logSize), .number(6, \.logID), .number(7, \.memorySize), .records(8, \.nullCounts),
    ]
  }

  /// An entry of the map `field_null_counts`.
  package struct FieldNullCount: LogRecord {
    package var fieldID: Int64 = 0
    package var count: Int64 = 0
    package init() {}
    package static let members: [LogMember<Self>] = [.key(1, \.fieldID), .key(2, \.count)]
  }

  package struct RefreshExternalCollection: LogContent {
    package var collectionID: Int64 = 0
    package var collectionName = ""
    package var jobID: Int64 = 0
    package var externalSource = ""
    package var externalSpec = ""
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .text(2, \.collectionName), .number(3, \.jobID), .text(4, \.externalSource),
      .text(5, \.externalSpec),
    ]
  }

  // MARK: The log itself

  /// Never delivered: a change of the log's kind shows in the ids only (§5.3).
  package struct AlterWAL: LogContent {
    package var target = LogKind.unknown
    package var config: [KeyValuePair] = []
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.number(1, \.target), .map(2, \.config)]
  }

  /// Holds the tokens of all clusters in clear text (§7.3).
  package struct AlterReplicateConfig: LogContent {
    package var configuration: ReplicateConfiguration?
    package var isPchannelIncreasing = false
    package var isForcePromote = false
    package var isIgnored = false
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .record(1, \.configuration), .number(2, \.isPchannelIncreasing), .number(3, \.isForcePromote),
      .number(4, \.isIgnored),
    ]
  }

  package struct BeginTxn: LogContent {
    package var keepaliveMilliseconds: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.number(1, \.keepaliveMilliseconds)]
  }

  /// Made by servers that do not expand transactions; its members are missing from it (§4.3).
  package struct Txn: LogContent {
    package var messages: [TxnMember] = []
    package init() {}
    package static let bodyMembers: [LogMember<Self>] = [.records(1, \.messages)]
  }

  /// `messages.Message`.
  package struct TxnMember: LogRecord {
    package var payload: [UInt8] = []
    package var properties: [KeyValuePair] = []
    package init() {}
    package static let members: [LogMember<Self>] = [.bytes(1, \.payload), .map(2, \.properties)]
  }
}
