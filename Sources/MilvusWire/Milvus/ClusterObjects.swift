/// A collection (or an alias of one) by database and name. The empty database is `default`.
package struct CollectionPath: Sendable, Hashable, Comparable, CustomStringConvertible {
  package var database: String
  package var name: String
  package init(database: String, name: String) {
    self.database = database.isEmpty ? "default" : database
    self.name = name
  }
  package var description: String { "\(database).\(name)" }
  package static func < (a: CollectionPath, b: CollectionPath) -> Bool {
    (a.database, a.name) < (b.database, b.name)
  }
}

/// `ConnectResponse.server_info`. All empty where the server does not implement Connect.
package struct ServerInfo: Sendable, Equatable {
  package var buildTags = ""
  package var buildTime = ""
  package var gitCommit = ""
  package var deployMode = ""
  package var identifier: Int64 = 0
  package init() {}
}

/// `CheckHealthResponse`. `quotaStates`: 2 ReadLimited, 3 WriteLimited, 4 DenyToRead, 5 DenyToWrite, 6
/// DenyToDDL.
package struct HealthReport: Sendable, Equatable {
  package var isHealthy = true
  package var reasons: [String] = []
  package var quotaStates: [Int32] = []
  package init() {}
}

/// `DescribeDatabaseResponse`.
package struct DatabaseDescription: Sendable, Equatable {
  package var name: String
  package var id: Int64 = 0
  package var properties: [KeyValuePair] = []
  package init(name: String) { self.name = name }
}

/// One row of `ShowCollectionsResponse`.
package struct CollectionSummary: Sendable, Equatable {
  package var name: String
  /// 0 on Milvus Lite.
  package var id: Int64 = 0
  package var createdAt = TimeTick(0)
  package init(name: String) { self.name = name }
}

/// `DescribeCollectionResponse` (`public-rpc.md` §3.3).
package struct CollectionDescription: Sendable, Equatable {
  package var schema: CollectionSchema
  /// 0 on Milvus Lite.
  package var id: Int64 = 0
  package var virtualChannelNames: [String] = []
  package var physicalChannelNames: [String] = []
  package var createdAt = TimeTick(0)
  package var shardsNum: Int32 = 0
  /// May be a stale cached list on 2.6: ListAliases is right.
  package var aliases: [String] = []
  /// 0 Strong, 1 Session, 2 Bounded, 3 Eventually, 4 Customized.
  package var consistencyLevel: Int32 = 0
  package var name = ""
  package var properties: [KeyValuePair] = []
  package var dbName = ""
  package var numPartitions: Int64 = 0
  package var updatedAt = TimeTick(0)
  package init(schema: CollectionSchema) { self.schema = schema }
}

/// `CreateCollectionRequest`; `schema` is sent as its bytes.
package struct CollectionCreation: Sendable, Equatable {
  package var path: CollectionPath
  package var schema: CollectionSchema
  package var shardsNum: Int32 = 0
  package var consistencyLevel: Int32 = 0
  package var properties: [KeyValuePair] = []
  /// 0: not sent. Only for collections with a partition key (`public-rpc.md` §3.2).
  package var numPartitions: Int64 = 0
  package init(path: CollectionPath, schema: CollectionSchema) {
    self.path = path
    self.schema = schema
  }
}

/// One row of `ShowPartitionsResponse`.
package struct PartitionDescription: Sendable, Equatable {
  package var name: String
  package var id: Int64 = 0
  package init(name: String) { self.name = name }
}

/// `IndexDescription`. `state`: 0 none, 1 Unissued, 2 InProgress, 3 Finished, 4 Failed, 5 Retry.
package struct IndexDescription: Sendable, Equatable {
  package var fieldName: String
  /// 0 where the server tells none.
  package var id: Int64 = 0
  package var indexName: String
  package var params: [KeyValuePair] = []
  package var state: Int32 = 0
  package var failReason = ""
  package init(fieldName: String, indexName: String) {
    self.fieldName = fieldName
    self.indexName = indexName
  }
}

/// `common.LoadState`.
package enum LoadState: Int32, Sendable, Equatable {
  case notExist = 0, notLoad = 1, loading = 2, loaded = 3
}

/// `LoadCollectionRequest` beyond the name. 0 replicas: the server's default.
package struct LoadOptions: Sendable, Equatable {
  package var replicaNumber: Int32 = 0
  package var loadFields: [String] = []
  package var skipLoadDynamicField = false
  package init() {}
}

/// What a query may see (`public-rpc.md` §6.3).
package enum ReadConsistency: Sendable, Equatable {
  case strong
  /// `consistency_level` 4 (Customized) with this `guarantee_timestamp`.
  case at(TimeTick)
}

/// `QueryRequest`, the part that an ordered scan, a point look-up or a count needs.
package struct RowQuery: Sendable, Equatable {
  package var path: CollectionPath
  package var expression = ""
  package var outputFields: [String]
  /// Empty: all partitions.
  package var partitions: [String] = []
  package var consistency: ReadConsistency = .strong
  /// nil: no `limit` parameter.
  package var limit: Int?
  /// Sends `iterator` and `reduce_stop_for_best`: ordered, complete pages (`public-rpc.md` §6.3).
  package var isScan = false
  package init(path: CollectionPath, outputFields: [String]) {
    self.path = path
    self.outputFields = outputFields
  }
}

/// `QueryResults`, columns left as the bytes of their FieldData: nothing of a row is decoded here (D3).
package struct RowPage: Sendable, Equatable {
  /// The whole response message; `columns` are ranges of it.
  package var bytes: [UInt8]
  /// Where each `schema.FieldData` message of field 2 lies in `bytes`, length prefix excluded.
  package var columns: [Range<Int>]
  package var sessionTimestamp = TimeTick(0)
  package init(bytes: [UInt8], columns: [Range<Int>]) {
    self.bytes = bytes
    self.columns = columns
  }
}

/// `InsertRequest` / `UpsertRequest`: each column is one encoded `schema.FieldData` message.
package struct RowBatch: Sendable, Equatable {
  package var path: CollectionPath
  /// Empty: the default partition, or chosen by the partition key.
  package var partition = ""
  package var columns: [[UInt8]]
  package var rowCount: Int
  package init(path: CollectionPath, columns: [[UInt8]], rowCount: Int) {
    self.path = path
    self.columns = columns
    self.rowCount = rowCount
  }
}

/// The counts of `MutationResult`.
package struct MutationCounts: Sendable, Equatable {
  package var inserted: Int64 = 0
  package var deleted: Int64 = 0
  package var upserted: Int64 = 0
  package init() {}
}
