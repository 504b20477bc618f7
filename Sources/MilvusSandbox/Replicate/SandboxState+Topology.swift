internal import MilvusWire

// The calls about replication (`wal-protocol.md` §7.2, §7.3, §7.7).

extension SandboxState {
  private var rules: TopologyRules {
    TopologyRules(
      ownID: journal.clusterID, ownPchannels: journal.pchannels, current: replication.configuration)
  }

  /// Refusals of the coordinator come wrapped, as on real servers.
  private static func refusal(_ cause: String) -> Refusal {
    .unexpected(
      "/milvus.proto.streaming.StreamingCoordAssignmentService/UpdateReplicateConfiguration; streaming error: code = STREAMING_CODE_INVAILD_ARGUMENT, cause = \(cause); rpc error: code = InvalidArgument, desc = "
    )
  }

  /// Puts a configuration in force, or says that it must come from the source first: false on a secondary.
  mutating func updateConfiguration(_ configuration: ReplicateConfiguration?) throws(Refusal) -> Bool {
    if let configuration, configuration == replication.configuration { return true }
    if let problem = rules.problem(configuration) { throw Self.refusal(problem) }
    guard let configuration else { return true }
    if replication.isSecondary { return false }
    announce(configuration, isForced: false)
    replication.take(configuration)
    return true
  }

  /// The answer of a coordinator that lives: without any configuration it dies, which the caller sees to.
  mutating func forcePromote(_ configuration: ReplicateConfiguration) throws(Refusal) {
    guard replication.isSecondary else {
      throw Self.refusal("force promote can only be used on secondary clusters, current cluster is primary")
    }
    guard !configuration.clusters.isEmpty else {
      throw Self.refusal(
        "invalid replicate configuration for force promote: primary count is not 1: wrong replicate configuration"
      )
    }
    guard configuration.clusters.count == 1, configuration.clusters[0].id == journal.clusterID else {
      throw Self.refusal(
        "force promote requires configuration with exactly one cluster (current cluster only), got \(configuration.clusters.count) clusters"
      )
    }
    replication.keepSalvage()
    announce(configuration, isForced: true)
    replication.take(configuration)
  }

  /// AlterReplicateConfig on every own pchannel; the token goes with it in clear text.
  private mutating func announce(_ configuration: ReplicateConfiguration, isForced: Bool) {
    var alteration = LogChange.AlterReplicateConfig()
    alteration.configuration = configuration
    alteration.isForcePromote = isForced
    let header = LogChange.alterReplicateConfig(alteration).encodedHeader
    var channels = journal.pchannels
    channels[0] = journal.controlChannel
    let drafts = channels.map {
      LogDraft(type: .alterReplicateConfig, channel: $0, header: header, isPchannelLevel: true)
    }
    journal.broadcast(drafts, keys: [.cluster], oracle: &oracle)
  }

  /// Tokens are left out; nil while nothing was ever configured, which real servers say by not answering.
  var shownConfiguration: ReplicateConfiguration? {
    replication.configuration.map { configuration in
      var shown = configuration
      for index in shown.clusters.indices { shown.clusters[index].connection?.token = Secret("") }
      return shown
    }
  }

  /// nil: no pchannel of this cluster, which real servers say by not answering.
  func replicateInfo(source: String, pchannel: String) -> ReplicateInfo? {
    guard journal.pchannels.contains(pchannel) else { return nil }
    var info = ReplicateInfo()
    if replication.isSecondary { info.checkpoint = replication.checkpoints[pchannel] }
    info.salvageCheckpoint = replication.salvage[source]?[pchannel]
    return info
  }

  /// Why a secondary refuses a call of its own clients; nil: it does not (`wal-protocol.md` §7.5).
  func secondaryRefusal(_ method: String, _ request: JSONObject) -> Refusal? {
    guard replication.isSecondary, SandboxActions.isChange(method) else { return nil }
    let local: Set = ["CreateResourceGroup", "UpdateResourceGroups", "DropResourceGroup"]
    if local.contains(method) { return nil }
    // What is missing is said first.
    let asked = Request(request)
    if !method.hasPrefix("Create"), !asked.collection.isEmpty {
      do throws(Refusal) { _ = try collection(asked) } catch { return error }
    }
    if SandboxActions.rowWrites.contains(method) || method == "Flush" {
      return .unexpected(
        "code: STREAMING_CODE_REPLICATE_VIOLATION, cause: non-replicate message cannot be received in secondary role"
      )
    }
    return .unexpected(
      "code: STREAMING_CODE_REPLICATE_VIOLATION, cause: cluster is not primary, cannot do any DDL/DCL")
  }
}
