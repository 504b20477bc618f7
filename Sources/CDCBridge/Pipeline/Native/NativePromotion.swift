package import MilvusWire

/// Ends a replication by an explicit command (`wal-protocol.md` §7.6, §7.7): nothing else of the bridge ever takes a role away.
///
/// | Way | Called on | What happens |
/// |-----|-----------|--------------|
/// | promote | the standby | it is a primary at once; what it has not received stays on the source, from the salvage checkpoint on |
/// | detach | the primary, where it is configured itself | its standbys receive everything up to here, and stand alone then |
///
/// The request is always the configuration of the one cluster and nothing else: servers die of a forced one without a configuration.
package struct NativePromotion: Sendable {
  package enum Way: Sendable, Equatable { case promote, detach }
  /// What would be done, before anybody agreed.
  package struct Plan: Sendable, Equatable {
    package var way: Way
    package var clusterID: String
    package var configuration: ReplicateConfiguration
    /// One line each, for a person.
    package var lines: [String]
  }
  private static let ask: Duration = .seconds(5)

  private let replica: any MilvusReplica
  private let way: Way
  private var side: BridgeError.Side { way == .promote ? .target : .source }
  private var operation: String { way == .promote ? "promote" : "detach" }

  package init(_ way: Way, replica: any MilvusReplica) {
    self.way = way
    self.replica = replica
  }

  package func plan() async throws(BridgeError) -> Plan {
    let configuration: ReplicateConfiguration?
    do throws(CallError) {
      configuration = try await replica.replicateConfiguration()
    } catch {
      if error.rpcCode == .unimplemented {
        throw refusal("the server has no GetReplicateConfiguration, so it is in no replication (that needs 2.6.20, 3.0.0 or later)")
      }
      throw BridgeError(error, side: side, operation: operation)
    }
    guard let configuration, !configuration.topology.isEmpty else {
      throw refusal("the cluster is in no replication: it is a primary already")
    }
    let edges = configuration.topology.map { "\($0.sourceClusterID) → \($0.targetClusterID)" }.sorted().joined(separator: ", ")
    let own = try await ownCluster(configuration)
    let alone = NativePairing.alone(own.id, uri: own.connection?.uri ?? "", pchannels: own.pchannels)
    switch way {
    case .promote:
      return Plan(
        way: way, clusterID: own.id, configuration: alone,
        lines: [
          "cluster \(own.id) at \(replica.peer), a standby (\(edges))",
          "it becomes a primary at once and takes writes; transactions that are half received are rolled back",
          "what its source has not sent yet does not arrive any more; the source goes on and does not know: stop its writers first",
        ])
    case .detach:
      return Plan(
        way: way, clusterID: own.id, configuration: alone,
        lines: [
          "cluster \(own.id) at \(replica.peer), a primary with standbys (\(edges))",
          "it stands alone afterwards; its standbys receive everything up to here and become primaries of their own",
        ])
    }
  }

  /// Which of the configuration's clusters this is: a standby answers for its own channels only, and not at all for others'.
  private func ownCluster(_ configuration: ReplicateConfiguration) async throws(BridgeError) -> ReplicateCluster {
    let sources = Set(configuration.topology.map(\.sourceClusterID)), targets = Set(configuration.topology.map(\.targetClusterID))
    for cluster in configuration.clusters where way == .promote ? targets.contains(cluster.id) : sources.contains(cluster.id) {
      guard let pchannel = cluster.pchannels.first, let info = await answer(pchannel, sources.first ?? "") else { continue }
      if way == .promote, info.checkpoint != nil { return cluster }
      if way == .detach, info.checkpoint == nil { return cluster }
    }
    throw refusal(
      way == .promote
        ? "the cluster is no standby: there is nothing to promote"
        : "the cluster is no primary of a replication: there is nothing to detach")
  }

  /// nil: it does not answer, as for a channel that it does not have.
  private func answer(_ pchannel: String, _ source: String) async -> ReplicateInfo? {
    let replica = replica
    return await withTaskGroup(of: ReplicateInfo?.self) { group in
      group.addTask { try? await replica.replicateInfo(sourceClusterID: source, targetPchannel: pchannel) }
      group.addTask {
        try? await Task.sleep(for: Self.ask)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }

  package func perform(_ plan: Plan) async throws(BridgeError) {
    guard plan.configuration.clusters.count == 1, plan.configuration.topology.isEmpty else {
      throw refusal("the configuration is not the one cluster alone")
    }
    do throws(CallError) {
      try await replica.updateReplicateConfiguration(plan.configuration, isForced: way == .promote)
    } catch {
      throw BridgeError(error, side: side, operation: operation)
    }
  }

  private func refusal(_ message: String) -> BridgeError {
    BridgeError(.invalidInput, side: side, operation: operation, message: message)
  }
}
