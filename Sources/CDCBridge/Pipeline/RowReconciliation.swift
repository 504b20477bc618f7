package import MilvusWire

/// A source and a target cluster as the row engine and the schema engine see them.
package struct ClusterPair: Sendable {
  package var source: any MilvusCluster
  package var sourceProfile: ServerProfile
  package var target: any MilvusCluster
  package var targetProfile: ServerProfile
  package init(
    source: any MilvusCluster, sourceProfile: ServerProfile, target: any MilvusCluster,
    targetProfile: ServerProfile
  ) {
    self.source = source
    self.sourceProfile = sourceProfile
    self.target = target
    self.targetProfile = targetProfile
  }
}

/// One ordered range of rows that stands on both sides: a whole collection (partition key) or one of its partitions.
package struct RowUnit: Sendable, Equatable {
  package var source: CollectionPath
  package var target: CollectionPath
  /// nil: the whole collection, no partition name is ever sent (partition-key collections refuse one).
  package var sourcePartition: String?
  package var targetPartition: String?
  /// As DescribeCollection gave them; columns are matched by name.
  package var sourceSchema: CollectionSchema
  package var targetSchema: CollectionSchema
  /// Collection id and creation time on the source when the pass began: a change ends the pass with `.changedMeanwhile`.
  package var sourceID: Int64
  package init(
    source: CollectionPath, target: CollectionPath, sourcePartition: String?, targetPartition: String?,
    sourceSchema: CollectionSchema, targetSchema: CollectionSchema, sourceID: Int64
  ) {
    self.source = source
    self.target = target
    self.sourcePartition = sourcePartition
    self.targetPartition = targetPartition
    self.sourceSchema = sourceSchema
    self.targetSchema = targetSchema
    self.sourceID = sourceID
  }
}

/// What a pass over a unit has done so far, reported after each page and at the end.
package struct RowCounts: Sendable, Equatable {
  package var rowsRead: Int64 = 0
  package var inserted: Int64 = 0
  package var updated: Int64 = 0
  package var deleted: Int64 = 0
  package var bytesWritten: Int64 = 0
  package init() {}
}
