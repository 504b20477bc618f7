package import MilvusWire

/// What a look at one cluster found. Everything that is not known is nil or empty; nothing here is a secret.
package struct ProbeReport: Sendable {
  package struct Log: Sendable {
    /// nil: nothing could be read.
    package var kind: LogKind?
    package var pchannels: [String] = []
    /// True: the cluster itself told the channels (FlushAll), false: found by collections and by asking.
    package var isComplete = false
    package var controlChannel: String?
    package var replicationID: String?
    /// `cluster_info.cluster_id` of FlushAll, which is something else.
    package var flushAllClusterID: String?
    /// Of the first message that can be read on any channel.
    package var oldest: TimeTick?
    package var isOpenWithoutLogin: Bool?
    package var problem: String?
  }
  package struct Login: Sendable, Equatable {
    package var isRequired: Bool?
    package var isAccepted: Bool
    package var problem: String?
  }
  package var uri: String
  package var profile: ServerProfile?
  package var info = ServerInfo()
  package var health: HealthReport?
  package var login = Login(isAccepted: false)
  package var roundTripsMs: [Double] = []
  /// The server's clock less this host's.
  package var clockOffsetMs: Int64?
  package var databases: [String] = []
  package var collectionCount = 0
  package var log: Log?
  package var role: String?
  package var configuration: ReplicateConfiguration?
  package var warnings: [String] = []
  /// Why nothing could be found out.
  package var failure: String?
  package var failureCode: RPCStatusCode?

  package init(uri: String) { self.uri = uri }

  var medianMs: Double? {
    roundTripsMs.isEmpty ? nil : roundTripsMs.sorted()[roundTripsMs.count / 2]
  }
  static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}

extension ProbeReport {
  /// For people; a line for each fact, warnings last.
  package var lines: [String] {
    guard let profile else { return ["\(uri): \(failure ?? "nothing is known")"] }
    var lines = ["\(uri): \(profile.title)\(profile.versionText.isEmpty ? "" : " (\(profile.versionText))")"]
    func add(_ name: String, _ value: String?) {
      if let value, !value.isEmpty { lines.append("  \(name)\(String(repeating: " ", count: max(1, 16 - name.count)))\(value)") }
    }
    add("deployment", info.deployMode.lowercased())
    add("build", [info.gitCommit, info.buildTime].filter { !$0.isEmpty }.joined(separator: ", "))
    add("health", health.map { $0.isHealthy ? "healthy" : "not healthy: \($0.reasons.joined(separator: ", "))" })
    add("login", loginText)
    if let least = roundTripsMs.min(), let medianMs {
      add("round trip", "\(Self.rounded(least)) ms at least, \(Self.rounded(medianMs)) ms median of \(roundTripsMs.count)")
    }
    add("clock", clockOffsetMs.map { "\($0 < 0 ? "behind" : "ahead of") this host by \(abs($0)) ms" })
    add("databases", databases.isEmpty ? nil : "\(databases.count), \(collectionCount) collections")
    add("knows", abilities(profile).joined(separator: ", "))
    add("role", role)
    if let configuration, !configuration.topology.isEmpty {
      add("topology", configuration.topology.map { "\($0.sourceClusterID) → \($0.targetClusterID)" }.joined(separator: ", "))
    }
    if let log { lines += logLines(log) }
    return (lines + warnings.map { "  warning: \($0)" }).map(SafeText.line)
  }

  private var loginText: String {
    if let problem = login.problem { return problem }
    switch login.isRequired {
    case true?: return login.isAccepted ? "required, and accepted" : "required"
    case false?: return "not required: everybody who reaches the port may do everything"
    case nil: return login.isAccepted ? "accepted" : ""
    }
  }

  private func abilities(_ profile: ServerProfile) -> [String] {
    [
      ("databases", profile.hasDatabases), ("AllocTimestamp", profile.hasAllocTimestamp), ("DescribeDatabase", profile.hasDescribeDatabase),
      ("TruncateCollection", profile.hasTruncate), ("AddCollectionField", profile.hasAddField), ("DumpMessages", profile.hasLog),
    ].filter(\.1).map(\.0)
  }

  private func logLines(_ log: Log) -> [String] {
    var lines: [String] = []
    func add(_ name: String, _ value: String?) {
      if let value { lines.append("  \(name)\(String(repeating: " ", count: max(1, 16 - name.count)))\(value)") }
    }
    add("log", log.problem ?? log.kind.map { "\($0)" })
    add("replication id", log.replicationID)
    add("cluster_id", log.flushAllClusterID.map { "\($0) (what FlushAll calls it; replication uses the id above)" })
    add(
      "pchannels",
      log.pchannels.isEmpty ? nil : "\(log.pchannels.count)\(log.isComplete ? "" : " found"): \(log.pchannels.joined(separator: ", "))")
    add("control channel", log.controlChannel)
    add("oldest message", log.oldest.map { TickText.time($0) })
    return lines
  }

  /// For programs; fields are only added.
  package var json: JSONValue {
    var object: JSONObject = ["uri": .string(uri), "reachable": .bool(profile != nil)]
    if let failure { object["failure"] = .string(failure) }
    if let profile {
      object["product"] = .string(profile.isLite ? "milvus-lite" : "milvus")
      (object["version"], object["version_text"]) = (.text(profile.version?.description), .string(profile.versionText))
      object["deployment"] = .string(info.deployMode)
      object["git_commit"] = .string(info.gitCommit)
      object["knows"] = .array(abilities(profile).map { .string($0) })
    }
    if let health {
      object["healthy"] = .bool(health.isHealthy)
      object["health_reasons"] = .array(health.reasons.map { .string($0) })
    }
    object["login_required"] = login.isRequired.map { .bool($0) } ?? .null
    object["login_accepted"] = .bool(login.isAccepted)
    object["round_trip_ms"] = .array(roundTripsMs.map { .double(Self.rounded($0)) })
    if let clockOffsetMs { object["clock_offset_ms"] = .int(clockOffsetMs) }
    object["databases"] = .array(databases.map { .string($0) })
    object["collections"] = .int(collectionCount)
    if let role { object["role"] = .string(role) }
    if let log { object["log"] = Self.json(log) }
    object["warnings"] = .array(warnings.map { .string($0) })
    return .object(object)
  }

  private static func json(_ log: Log) -> JSONValue {
    var object: JSONObject = ["kind": .text(log.kind?.description), "pchannels": .array(log.pchannels.map { .string($0) })]
    object["pchannels_complete"] = .bool(log.isComplete)
    object["replication_id"] = .text(log.replicationID)
    object["control_channel"] = .text(log.controlChannel)
    object["flush_all_cluster_id"] = .text(log.flushAllClusterID)
    object["oldest_time"] = .text(log.oldest.map { TickText.time($0) })
    object["open_without_login"] = log.isOpenWithoutLogin.map { .bool($0) } ?? .null
    object["problem"] = .text(log.problem)
    return .object(object)
  }
}
