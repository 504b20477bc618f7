internal import MilvusWire

/// What a replicate configuration must be, in the order and with the words of Milvus's own validator (`wal-protocol.md` §7.3).
struct TopologyRules {
  let ownID: String
  let ownPchannels: [String]
  let current: ReplicateConfiguration?

  /// The refusal's text; nil for a good configuration.
  func problem(_ configuration: ReplicateConfiguration?) -> String? {
    guard let configuration else { return "config cannot be nil: invalid parameter" }
    guard !configuration.clusters.isEmpty else { return "clusters list cannot be empty: missing parameter" }
    let text =
      clusters(configuration) ?? own(configuration) ?? edges(configuration) ?? changes(configuration)
    if let text { return "\(text): invalid parameter" }
    return roles(configuration)
  }

  /// The role helper's own check: what the validator lets pass.
  func roles(_ configuration: ReplicateConfiguration) -> String? {
    let targets = Set(configuration.topology.map(\.targetClusterID))
    let primaries = configuration.clusters.filter { !targets.contains($0.id) }
    return primaries.count == 1 ? nil : "primary count is not 1: wrong replicate configuration"
  }

  private func clusters(_ configuration: ReplicateConfiguration) -> String? {
    var ids: Set<String> = []
    var uris: [String: String] = [:]
    for (index, cluster) in configuration.clusters.enumerated() {
      if cluster.id.isEmpty { return "cluster at index \(index) has empty clusterID" }
      if cluster.id.contains(where: \.isWhitespace) {
        return "cluster at index \(index) has clusterID '\(cluster.id)' containing whitespace characters"
      }
      guard ids.insert(cluster.id).inserted else { return "duplicate clusterID found: '\(cluster.id)'" }
      guard let connection = cluster.connection else {
        return "cluster '\(cluster.id)' has nil connection_param"
      }
      if connection.uri.isEmpty { return "cluster '\(cluster.id)' has empty URI" }
      guard Self.isRequestURI(connection.uri) else {
        return "cluster '\(cluster.id)' has invalid URI format: '\(connection.uri)'"
      }
      if let other = uris.updateValue(cluster.id, forKey: connection.uri) {
        return
          "duplicate URI found: '\(connection.uri)' is used by both cluster '\(other)' and cluster '\(cluster.id)'"
      }
      if let text = pchannels(cluster) { return text }
    }
    guard let first = configuration.clusters.first else { return nil }
    for cluster in configuration.clusters where cluster.pchannels.count != first.pchannels.count {
      return
        "cluster '\(cluster.id)' has \(cluster.pchannels.count) pchannels, but expected \(first.pchannels.count) (same as cluster '\(first.id)')"
    }
    return nil
  }

  private func pchannels(_ cluster: ReplicateCluster) -> String? {
    if cluster.pchannels.isEmpty { return "cluster '\(cluster.id)' has empty pchannels" }
    var seen: Set<String> = []
    for (index, name) in cluster.pchannels.enumerated() {
      if name.isEmpty { return "cluster '\(cluster.id)' has empty pchannel at index \(index)" }
      guard seen.insert(name).inserted else {
        return "cluster '\(cluster.id)' has duplicate pchannel: '\(name)'"
      }
    }
    return nil
  }

  /// As Go's `url.ParseRequestURI` has it: an absolute path, or a scheme and something after it; no blanks.
  static func isRequestURI(_ text: String) -> Bool {
    guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { return false }
    if text.hasPrefix("/") { return true }
    guard let colon = text.firstIndex(of: ":"), let first = text.utf8.first, isLetter(first) else {
      return false
    }
    return text[..<colon].utf8.allSatisfy { byte in
      isLetter(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "+-.".utf8.contains(byte)
    }
  }
  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }

  private func own(_ configuration: ReplicateConfiguration) -> String? {
    guard let own = configuration.clusters.first(where: { $0.id == ownID }) else {
      return "current Milvus cluster '\(ownID)' must be included in the clusters list"
    }
    guard own.pchannels.sorted() == ownPchannels.sorted() else {
      return
        "current pchannels do not match the pchannels in the config, current pchannels: \(Self.list(ownPchannels)), config pchannels: \(Self.list(own.pchannels))"
    }
    return nil
  }
  private static func list(_ names: [String]) -> String { "[\(names.joined(separator: " "))]" }

  private func edges(_ configuration: ReplicateConfiguration) -> String? {
    let ids = Set(configuration.clusters.map(\.id))
    var seen: Set<String> = []
    var incoming: [String: Int] = [:], outgoing: [String: Int] = [:]
    for (index, edge) in configuration.topology.enumerated() {
      let (source, target) = (edge.sourceClusterID, edge.targetClusterID)
      if !ids.contains(source) {
        return "topology at index \(index) references non-existent source cluster: '\(source)'"
      }
      if !ids.contains(target) {
        return "topology at index \(index) references non-existent target cluster: '\(target)'"
      }
      guard seen.insert("\(source)->\(target)").inserted else {
        return "duplicate topology relationship found: '\(source)->\(target)'"
      }
      incoming[target, default: 0] += 1
      outgoing[source, default: 0] += 1
    }
    if configuration.topology.isEmpty { return nil }
    let count = configuration.clusters.count
    let centre = configuration.clusters.first {
      outgoing[$0.id] == count - 1 && incoming[$0.id, default: 0] == 0
    }
    guard let centre else {
      return "no center node found, star topology must have exactly one center node"
    }
    for cluster in configuration.clusters where cluster.id != centre.id {
      let (comes, goes) = (incoming[cluster.id, default: 0], outgoing[cluster.id, default: 0])
      guard comes == 1, goes == 0 else {
        return
          "cluster '\(cluster.id)' does not follow star topology pattern (in-degree=\(comes), out-degree=\(goes))"
      }
    }
    return nil
  }

  private func changes(_ configuration: ReplicateConfiguration) -> String? {
    guard let current else { return nil }
    for cluster in configuration.clusters {
      guard let known = current.clusters.first(where: { $0.id == cluster.id }) else { continue }
      let (old, new) = (known.connection, cluster.connection)
      guard old?.uri == new?.uri else {
        return
          "cluster '\(cluster.id)' connection_param.uri cannot be changed: current=\(old?.uri ?? ""), incoming=\(new?.uri ?? "")"
      }
      guard old?.token == new?.token else {
        return "cluster '\(cluster.id)' connection_param.token cannot be changed"
      }
      guard cluster.pchannels.starts(with: known.pchannels) else {
        return
          "cluster '\(cluster.id)' existing pchannels must be preserved at the same positions: current=\(Self.list(known.pchannels)), incoming=\(Self.list(cluster.pchannels))"
      }
    }
    return nil
  }
}
