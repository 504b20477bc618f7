/// `common.ReplicateConfiguration`: the clusters of a replication topology and its edges (§2.1).
package struct ReplicateConfiguration: LogRecord {
  package var clusters: [ReplicateCluster] = []
  package var topology: [ReplicateEdge] = []
  package init() {}
  package static let members: [LogMember<Self>] = [.records(1, \.clusters), .records(2, \.topology)]

  /// A token that gives access to a cluster is in it; `GetReplicateConfiguration` leaves tokens out.
  package var hasTokens: Bool { clusters.contains { !($0.connection?.token.isEmpty ?? true) } }
}

/// `common.MilvusCluster`. Pchannels of two clusters belong together by their place in the list.
package struct ReplicateCluster: LogRecord {
  package var id = ""
  package var connection: ReplicateConnection?
  package var pchannels: [String] = []
  package init() {}
  package static let members: [LogMember<Self>] = [
    .text(1, \.id), .record(2, \.connection), .texts(3, \.pchannels),
  ]
}

/// `common.ConnectionParam`.
package struct ReplicateConnection: LogRecord {
  package var uri = ""
  package var token = Secret("")
  package init() {}
  package static let members: [LogMember<Self>] = [.text(1, \.uri), .secret(2, \.token)]
}

/// `common.CrossClusterTopology`.
package struct ReplicateEdge: LogRecord {
  package var sourceClusterID = ""
  package var targetClusterID = ""
  package init() {}
  package static let members: [LogMember<Self>] = [.text(1, \.sourceClusterID), .text(2, \.targetClusterID)]
}

/// `common.ReplicateCheckpoint`: how far a target has got with one pchannel of its source (§7.2).
package struct ReplicateCheckpoint: LogRecord {
  /// The source's.
  package var clusterID = ""
  /// The source's.
  package var pchannel = ""
  /// The last confirmed id of the last message.
  package var messageID: LogMessageID?
  package var timeTick = TimeTick(0)
  package init() {}
  package static let members: [LogMember<Self>] = [
    .text(1, \.clusterID), .text(2, \.pchannel), .messageID(3, \.messageID), .number(4, \.timeTick),
  ]

  /// Tick 0 says that nothing has come. An empty or absent id does not.
  package var hasReceivedNothing: Bool { timeTick.rawValue == 0 }
}

/// `GetReplicateInfoResponse` (§7.2). Empty: the cluster is a primary, or was never configured.
package struct ReplicateInfo: LogRecord {
  package var checkpoint: ReplicateCheckpoint?
  /// How far the cluster had got when it was promoted by force.
  package var salvageCheckpoint: ReplicateCheckpoint?
  package init() {}
  package static let members: [LogMember<Self>] = [
    .record(1, \.checkpoint), .record(2, \.salvageCheckpoint),
  ]
}
