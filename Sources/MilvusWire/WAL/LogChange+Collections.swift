// Databases, collections, partitions, indexes, load state and aliases (§3.2 to §3.4).

/// `common.MsgBase`, which the bodies from `msg.proto` begin with.
package struct MessageBase: LogRecord {
  package var messageType: Int32 = 0
  package var messageID: Int64 = 0
  package var timestamp = TimeTick(0)
  package var sourceID: Int64 = 0
  package var targetID: Int64 = 0
  package var properties: [KeyValuePair] = []
  package init() {}
  package static let members: [LogMember<Self>] = [
    .number(1, \.messageType), .number(2, \.messageID), .number(3, \.timestamp), .number(4, \.sourceID),
    .number(5, \.targetID), .map(6, \.properties),
  ]
}

extension LogChange {
  package struct CreateCollection: LogContent {
    package var collectionID: Int64 = 0
    package var dbID: Int64 = 0
    /// The header's list; `partitionIDs` is the body's.
    package var headerPartitionIDs: [Int64] = []
    package var base: MessageBase?
    package var dbName = ""
    package var collectionName = ""
    /// Deprecated, as `partitionID`.
    package var partitionName = ""
    package var partitionID: Int64 = 0
    /// Used only where `collectionSchema` is absent.
    package var legacySchema: [UInt8] = []
    /// Pairs with `physicalChannelNames`; one for each shard.
    package var virtualChannelNames: [String] = []
    package var physicalChannelNames: [String] = []
    /// Pairs with `partitionNames`.
    package var partitionIDs: [Int64] = []
    package var partitionNames: [String] = []
    package var collectionSchema: CollectionSchema?
    package init() {}

    /// The schema in the form of the log (§3.7); nil where the body has none.
    package func schema() throws(LogMessageError) -> CollectionSchema? {
      if let collectionSchema { return collectionSchema }
      if legacySchema.isEmpty { return nil }
      do throws(ProtobufError) {
        return try CollectionSchema(encoded: legacySchema)
      } catch {
        throw LogMessageError(.body, "the schema of CreateCollection: \(error.message)")
      }
    }

    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .numbers(2, \.headerPartitionIDs), .number(3, \.dbID),
    ]
    package static let bodyMembers: [LogMember<Self>] = [
      .record(1, \.base), .text(2, \.dbName), .text(3, \.collectionName), .text(4, \.partitionName),
      .number(5, \.dbID), .number(6, \.collectionID), .number(7, \.partitionID), .bytes(8, \.legacySchema),
      .texts(9, \.virtualChannelNames), .texts(10, \.physicalChannelNames), .numbers(11, \.partitionIDs),
      .texts(12, \.partitionNames), .schema(13, \.collectionSchema),
    ]
  }

  package struct DropCollection: LogContent {
    package var collectionID: Int64 = 0
    package var dbID: Int64 = 0
    package var base: MessageBase?
    package var dbName = ""
    package var collectionName = ""
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.number(1, \.collectionID), .number(2, \.dbID)]
    package static let bodyMembers: [LogMember<Self>] = [
      .record(1, \.base), .text(2, \.dbName), .text(3, \.collectionName), .number(4, \.dbID),
      .number(5, \.collectionID),
    ]
  }

  /// CreatePartition and DropPartition.
  package struct Partition: LogContent {
    package var collectionID: Int64 = 0
    package var partitionID: Int64 = 0
    package var base: MessageBase?
    package var dbName = ""
    package var collectionName = ""
    package var partitionName = ""
    package var dbID: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .number(2, \.partitionID),
    ]
    package static let bodyMembers: [LogMember<Self>] = [
      .record(1, \.base), .text(2, \.dbName), .text(3, \.collectionName), .text(4, \.partitionName),
      .number(5, \.dbID), .number(6, \.collectionID), .number(7, \.partitionID),
    ]
  }

  /// No longer produced; `AlterCollection` has taken its place.
  package struct SchemaChange: LogContent {
    package var collectionID: Int64 = 0
    package var flushedSegmentIDs: [Int64] = []
    package var schema: CollectionSchema?
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .numbers(2, \.flushedSegmentIDs),
    ]
    package static let bodyMembers: [LogMember<Self>] = [.schema(1, \.schema)]
  }

  /// What `maskPaths` name is what has changed; `updates` holds the full new state of each. The header differs between
  /// copies (`flushedSegmentIDs`).
  package struct AlterCollection: LogContent {
    package var dbID: Int64 = 0
    package var collectionID: Int64 = 0
    package var updateMask: FieldMask?
    package var cacheExpirations: CacheExpirations?
    package var flushedSegmentIDs: [Int64] = []
    package var droppedFieldIDs: [Int64] = []
    package var updates: CollectionUpdates?
    package init() {}

    /// `db`, `collection_name`, `description`, `schema`, `properties`, `consistency_level`; 3.x: `external_spec`.
    package var maskPaths: [String] { updateMask?.paths ?? [] }

    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.dbID), .number(2, \.collectionID), .record(3, \.updateMask),
      .record(4, \.cacheExpirations),
      .numbers(5, \.flushedSegmentIDs), .numbers(6, \.droppedFieldIDs),
    ]
    package static let bodyMembers: [LogMember<Self>] = [.record(1, \.updates)]
  }

  /// `google.protobuf.FieldMask`, in wire form: paths are spelled `collection_name`.
  package struct FieldMask: LogRecord {
    package var paths: [String] = []
    package init() {}
    package init(_ paths: [String]) { self.paths = paths }
    package static let members: [LogMember<Self>] = [.texts(1, \.paths)]
  }

  package struct CollectionUpdates: LogRecord {
    package var dbID: Int64 = 0
    package var dbName = ""
    package var collectionName = ""
    package var description = ""
    package var schema: CollectionSchema?
    package var consistencyLevel: Int32 = 0
    package var properties: [KeyValuePair] = []
    package var alterLoadConfig: CollectionLoadConfig?
    package var boundFieldIndexes: [FieldIndex] = []
    package init() {}
    package static let members: [LogMember<Self>] = [
      .number(1, \.dbID), .text(2, \.dbName), .text(3, \.collectionName), .text(4, \.description),
      .schema(5, \.schema), .number(6, \.consistencyLevel), .pairs(7, \.properties),
      .record(8, \.alterLoadConfig), .records(9, \.boundFieldIndexes),
    ]
  }

  package struct CollectionLoadConfig: LogRecord {
    package var replicaNumber: Int32 = 0
    package var resourceGroups: [String] = []
    package init() {}
    package static let members: [LogMember<Self>] = [
      .number(1, \.replicaNumber), .texts(2, \.resourceGroups),
    ]
  }

  package struct CacheExpirations: LogRecord {
    package var list: [CacheExpiration] = []
    package init() {}
    package static let members: [LogMember<Self>] = [.records(1, \.list)]
  }

  package struct CacheExpiration: LogRecord {
    package var legacy: LegacyCollectionCache?
    package init() {}
    package static let members: [LogMember<Self>] = [.record(1, \.legacy)]
  }

  package struct LegacyCollectionCache: LogRecord {
    package var dbName = ""
    package var collectionName = ""
    package var collectionID: Int64 = 0
    package var partitionName = ""
    package var messageType: Int32 = 0
    package init() {}
    package static let members: [LogMember<Self>] = [
      .text(1, \.dbName), .text(2, \.collectionName), .number(3, \.collectionID), .text(4, \.partitionName),
      .number(5, \.messageType),
    ]
  }

  package struct TruncateCollection: LogContent {
    package var dbID: Int64 = 0
    package var collectionID: Int64 = 0
    package var segmentIDs: [Int64] = []
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.dbID), .number(2, \.collectionID), .numbers(3, \.segmentIDs),
    ]
  }

  // MARK: Load state

  /// The full set that is loaded from now on.
  package struct AlterLoadConfig: LogContent {
    package var dbID: Int64 = 0
    package var collectionID: Int64 = 0
    package var partitionIDs: [Int64] = []
    package var loadFields: [LoadField] = []
    /// Their number is the replica number.
    package var replicas: [LoadReplica] = []
    package var isUserSpecifiedReplicaMode = false
    package var usesLocalReplicaConfig = false
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.dbID), .number(2, \.collectionID), .numbers(3, \.partitionIDs), .records(4, \.loadFields),
      .records(5, \.replicas), .number(6, \.isUserSpecifiedReplicaMode),
      .number(7, \.usesLocalReplicaConfig),
    ]
  }

  package struct LoadField: LogRecord {
    package var fieldID: Int64 = 0
    package var indexID: Int64 = 0
    package init() {}
    package static let members: [LogMember<Self>] = [.number(1, \.fieldID), .number(2, \.indexID)]
  }

  package struct LoadReplica: LogRecord {
    package var replicaID: Int64 = 0
    package var resourceGroupName = ""
    package var priority: Int32 = 0
    package init() {}
    package static let members: [LogMember<Self>] = [
      .number(1, \.replicaID), .text(2, \.resourceGroupName), .number(3, \.priority),
    ]
  }

  package struct DropLoadConfig: LogContent {
    package var dbID: Int64 = 0
    package var collectionID: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.number(1, \.dbID), .number(2, \.collectionID)]
  }

  // MARK: Databases

  package struct CreateDatabase: LogContent {
    package var dbName = ""
    package var dbID: Int64 = 0
    package var properties: [KeyValuePair] = []
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.text(1, \.dbName), .number(2, \.dbID)]
    package static let bodyMembers: [LogMember<Self>] = [.pairs(1, \.properties)]
  }

  package struct AlterDatabase: LogContent {
    package var dbName = ""
    package var dbID: Int64 = 0
    /// The full list.
    package var properties: [KeyValuePair] = []
    package var alterLoadConfig: DatabaseLoadConfig?
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.text(1, \.dbName), .number(2, \.dbID)]
    package static let bodyMembers: [LogMember<Self>] = [
      .pairs(1, \.properties), .record(2, \.alterLoadConfig),
    ]
  }

  package struct DatabaseLoadConfig: LogRecord {
    package var collectionIDs: [Int64] = []
    package var replicaNumber: Int32 = 0
    package var resourceGroups: [String] = []
    package init() {}
    package static let members: [LogMember<Self>] = [
      .numbers(1, \.collectionIDs), .number(2, \.replicaNumber), .texts(3, \.resourceGroups),
    ]
  }

  package struct DropDatabase: LogContent {
    package var dbName = ""
    package var dbID: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.text(1, \.dbName), .number(2, \.dbID)]
  }

  // MARK: Aliases

  /// CreateAlias and AlterAlias.
  package struct AlterAlias: LogContent {
    package var dbID: Int64 = 0
    package var dbName = ""
    package var collectionID: Int64 = 0
    package var collectionName = ""
    package var alias = ""
    /// 3.x: above 0 the collection that it named before, 0 not known, below 0 the alias is new.
    package var oldCollectionID: Int64 = 0
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.dbID), .text(2, \.dbName), .number(3, \.collectionID), .text(4, \.collectionName),
      .text(5, \.alias), .number(6, \.oldCollectionID),
    ]
  }

  package struct DropAlias: LogContent {
    package var dbID: Int64 = 0
    package var dbName = ""
    package var alias = ""
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.dbID), .text(2, \.dbName), .text(3, \.alias),
    ]
  }

  // MARK: Indexes

  package struct CreateIndex: LogContent {
    package var dbID: Int64 = 0
    package var collectionID: Int64 = 0
    package var fieldID: Int64 = 0
    package var indexID: Int64 = 0
    package var indexName = ""
    package var fieldIndex: FieldIndex?
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.dbID), .number(2, \.collectionID), .number(3, \.fieldID), .number(4, \.indexID),
      .text(5, \.indexName),
    ]
    package static let bodyMembers: [LogMember<Self>] = [.record(1, \.fieldIndex)]
  }

  package struct AlterIndex: LogContent {
    package var collectionID: Int64 = 0
    package var indexIDs: [Int64] = []
    package var fieldIndexes: [FieldIndex] = []
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .numbers(2, \.indexIDs),
    ]
    package static let bodyMembers: [LogMember<Self>] = [.records(1, \.fieldIndexes)]
  }

  package struct DropIndex: LogContent {
    package var collectionID: Int64 = 0
    /// Empty: all indexes of the collection.
    package var indexIDs: [Int64] = []
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [
      .number(1, \.collectionID), .numbers(2, \.indexIDs),
    ]
  }

  /// `index.FieldIndex`.
  package struct FieldIndex: LogRecord {
    package var info: IndexInfo?
    package var isDeleted = false
    package var createTime: UInt64 = 0
    package var minSchemaVersion: Int32 = 0
    package init() {}
    package static let members: [LogMember<Self>] = [
      .record(1, \.info), .number(2, \.isDeleted), .number(3, \.createTime), .number(4, \.minSchemaVersion),
    ]
  }

  /// `index.IndexInfo`.
  package struct IndexInfo: LogRecord {
    package var collectionID: Int64 = 0
    package var fieldID: Int64 = 0
    package var indexName = ""
    package var indexID: Int64 = 0
    package var typeParams: [KeyValuePair] = []
    /// Of an auto index: what it was resolved to.
    package var indexParams: [KeyValuePair] = []
    package var indexedRows: Int64 = 0
    package var totalRows: Int64 = 0
    package var state: Int32 = 0
    package var failReason = ""
    package var isAutoIndex = false
    /// What the user asked for.
    package var userIndexParams: [KeyValuePair] = []
    package var pendingIndexRows: Int64 = 0
    package var minIndexVersion: Int32 = 0
    package var maxIndexVersion: Int32 = 0
    package init() {}
    package static let members: [LogMember<Self>] = [
      .number(1, \.collectionID), .number(2, \.fieldID), .text(3, \.indexName), .number(4, \.indexID),
      .pairs(5, \.typeParams), .pairs(6, \.indexParams), .number(7, \.indexedRows), .number(8, \.totalRows),
      .number(9, \.state), .text(10, \.failReason), .number(11, \.isAutoIndex), .pairs(12, \.userIndexParams),
      .number(13, \.pendingIndexRows), .number(14, \.minIndexVersion), .number(15, \.maxIndexVersion),
    ]
  }
}
