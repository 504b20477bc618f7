package import MilvusWire

/// Which pchannel of the target takes which of the source: by their places in two lists (`wal-protocol.md` §7.4). Pure.
///
/// The target's list is put into an order in which both control channels have the same place: servers take any order, and a wrong one ends the
/// stream that carries the schema changes.
package struct NativePairing: Sendable, Equatable {
  package var sourceID: String
  package var targetID: String
  package var sourcePchannels: [String]
  /// In the order of `sourcePchannels`.
  package var targetPchannels: [String]

  /// The target's pchannel for one of the source's.
  package func target(of pchannel: String) -> String? {
    guard let place = sourcePchannels.firstIndex(of: pchannel), place < targetPchannels.count else { return nil }
    return targetPchannels[place]
  }

  /// Throws what stands in the way, one sentence each.
  package static func make(source: LogStart, target: FlushAllAnswer) throws(NativeObstacles) -> NativePairing {
    var obstacles = NativeObstacles()
    let targetIDs = Set(target.pchannels.map { ChannelName.replicationID(ofPchannel: $0) })
    let targetID = targetIDs.count == 1 ? targetIDs.first ?? nil : nil
    if source.replicationID == nil {
      obstacles.add(
        "the source's channels do not tell its replication id (\(source.pchannels.first ?? "none"))",
        fix: "native needs channel names of Milvus's own pattern; use apply public")
    }
    if targetID == nil {
      obstacles.add(
        "the target's channels do not tell its replication id (\(target.pchannels.first ?? "none"))",
        fix: "native needs channel names of Milvus's own pattern; use apply public")
    }
    if let sourceID = source.replicationID, sourceID == targetID {
      obstacles.add(
        "both clusters call themselves \(sourceID)",
        fix: "set msgChannel.chanNamePrefix.cluster of the empty target to another name")
    }
    if source.pchannels.count != target.pchannels.count {
      obstacles.add(
        "the source has \(source.pchannels.count) pchannels and the target \(target.pchannels.count)",
        fix: "set rootCoord.dmlChannelNum of the empty target to \(source.pchannels.count)")
    }
    let control = ChannelName.pchannel(of: source.controlChannel)
    let targetControl = ChannelName.pchannel(of: target.controlChannel)
    if !target.pchannels.contains(targetControl) {
      obstacles.add(
        "the target does not tell which channel carries its schema changes", fix: "upgrade the target to 2.6.20 or later")
    }
    guard obstacles.list.isEmpty, let sourceID = source.replicationID, let targetID,
      let place = source.pchannels.firstIndex(of: control)
    else { throw obstacles }
    var ordered = target.pchannels.filter { $0 != targetControl }
    ordered.insert(targetControl, at: min(place, ordered.count))
    return NativePairing(
      sourceID: sourceID, targetID: targetID, sourcePchannels: source.pchannels, targetPchannels: ordered)
  }

  /// The pairing that a target has already; nil where its configuration has no such edge.
  package static func existing(_ configuration: ReplicateConfiguration, sourceID: String) -> NativePairing? {
    guard let edge = configuration.topology.first(where: { $0.sourceClusterID == sourceID }),
      let source = configuration.clusters.first(where: { $0.id == sourceID }),
      let target = configuration.clusters.first(where: { $0.id == edge.targetClusterID }),
      source.pchannels.count == target.pchannels.count, configuration.clusters.count == 2
    else { return nil }
    return NativePairing(
      sourceID: sourceID, targetID: target.id, sourcePchannels: source.pchannels, targetPchannels: target.pchannels)
  }

  /// What the target alone is told. Tokens stay empty: its log shows them in clear text (§7.3).
  package func configuration(sourceURI: String, targetURI: String) -> ReplicateConfiguration {
    var configuration = ReplicateConfiguration()
    configuration.clusters = [
      Self.cluster(sourceID, sourceURI, sourcePchannels), Self.cluster(targetID, targetURI, targetPchannels),
    ]
    var edge = ReplicateEdge()
    (edge.sourceClusterID, edge.targetClusterID) = (sourceID, targetID)
    configuration.topology = [edge]
    return configuration
  }

  /// The one cluster by itself: what a promotion is sent with (§7.7).
  package static func alone(_ id: String, uri: String, pchannels: [String]) -> ReplicateConfiguration {
    var configuration = ReplicateConfiguration()
    configuration.clusters = [cluster(id, uri, pchannels)]
    return configuration
  }

  private static func cluster(_ id: String, _ uri: String, _ pchannels: [String]) -> ReplicateCluster {
    var cluster = ReplicateCluster()
    cluster.id = id
    var connection = ReplicateConnection()
    connection.uri = uri
    cluster.connection = connection
    cluster.pchannels = pchannels
    return cluster
  }
}

extension ClusterConnection {
  /// As a configuration has it: with a scheme, which Milvus wants, and without the token.
  package var replicationURI: String { "\(endpoint.tls == nil ? "http" : "https")://\(endpoint.authority)" }
}
