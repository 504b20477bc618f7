internal import FoundationEssentials
package import MilvusWire

/// The rules of `create` that need nothing but the request, in the documented order with the documented texts (`task-api.md` §2.2).
/// More than one entry per list is allowed here, so rules 10 and 14 only refuse repeats.
extension TaskRequest {
  /// Rules 1–19, asked before anything is connected.
  package func validate(_ limits: TaskLimits) throws(TaskRefusal) {
    guard target.isGiven || !kafka.address.isEmpty else { throw .client("the downstream address is empty") }
    guard !target.isGiven || kafka.address.isEmpty else {
      throw .client("don't support milvus and kafka at the same time now")
    }
    if target.isGiven {
      try target.validate()
    } else {
      guard !kafka.topic.isEmpty else { throw .client("the kafka topic is empty") }
    }
    guard bufferPeriod >= 0 else { throw .client("the cache period is less zero") }
    guard bufferSize >= 0 else { throw .client("the cache size is less zero") }
    try validateCollections(limits)
    guard rpcChannelName.isEmpty || rpcChannelName == limits.replicateChannel else {
      throw .client(
        "the rpc channel is invalid, the channel name should be the same as the source config")
    }
    guard target.isGiven else {
      throw .client(
        "a kafka destination is not supported: this bridge writes to Milvus, give milvus_connect_param")
    }
    try validateTaskID()
    if let source {
      do { try source.validate() } catch { throw .client("source_connect_param: \(error.reason)") }
    }
  }

  private func validateCollections(_ limits: TaskLimits) throws(TaskRefusal) {
    guard !collectionInfos.isEmpty || !databases.isEmpty else {
      throw .client("the collection info is empty")
    }
    guard collectionInfos.isEmpty || databases.isEmpty else {
      throw .client("the collection info and db collection info should be only one")
    }
    for database in databases {
      guard database.name.utf8.count <= limits.nameBytesMax else {
        throw .client(
          "the db name length exceeds \(limits.nameBytesMax) characters, \(database.name)")
      }
      guard !database.name.contains(".") else {
        throw .client("the db name should not contain a dot, \(database.name)")
      }
      guard !database.collections.isEmpty else { throw .client("empty collection info") }
    }
    let collections = entries.map(\.collection)
    for collection in collections where !collection.positions.isEmpty {
      guard collection.name != "*" else {
        throw .client("the collection name is `*`, the positions should be empty")
      }
      for position in collection.positions where !Self.isVirtualChannel(position.channel) {
        throw .client("the position channel name is not virtual channel, \(position.channel)")
      }
    }
    var problem = ""
    if collections.contains(where: \.name.isEmpty) { problem += "there is a collection name that is empty. " }
    let long = collections.map(\.name).filter { $0.utf8.count > limits.nameBytesMax }
    if !long.isEmpty {
      problem +=
        "there are some collection names whose length exceeds \(limits.nameBytesMax) characters, "
        + "[\(long.joined(separator: " "))]"
    }
    guard problem.isEmpty else { throw .client(problem) }
    if let dotted = collections.first(where: { $0.name.contains(".") }) {
      throw .client("the collection name should not contain a dot, \(dotted.name)")
    }
    var seen: Set<ObjectSelection.Pattern> = []
    for pattern in patterns where !seen.insert(pattern).inserted {
      throw .client("the collection info should be only one for \(pattern.database).\(pattern.collection)")
    }
  }

  /// `<physical channel>_<collection id>v<shard>`.
  private static func isVirtualChannel(_ name: String) -> Bool {
    guard let underscore = name.lastIndex(of: "_"), underscore != name.startIndex else { return false }
    let parts = name[name.index(after: underscore)...].split(
      separator: "v", omittingEmptySubsequences: false)
    return parts.count == 2
      && parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { $0 &- UInt8(ascii: "0") < 10 } }
  }

  /// Rules 26 and 27. Positions are those of a log. They are checked, then refused: a comparison of clusters has no place for them.
  package func validatePositions() throws(TaskRefusal) {
    for position in entries.flatMap(\.collection.positions) {
      guard Data(base64Encoded: position.position) != nil else {
        throw .server("fail to decode the position data: \(position.channel) is not base64")
      }
    }
    guard Data(base64Encoded: rpcChannelPosition) != nil else {
      throw .server("fail to decode the rpc position data: it is not base64")
    }
    guard rpcChannelPosition.isEmpty, entries.allSatisfy(\.collection.positions.isEmpty) else {
      throw .client(
        "start positions are positions of a log: the bridge finds its own, leave them out"
      )
    }
  }

  /// The id becomes a file's name.
  private func validateTaskID() throws(TaskRefusal) {
    guard !taskID.isEmpty else { return }
    let isAllowed = taskID.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    guard isAllowed, taskID.utf8.count <= TaskLimits.taskIDBytesMax, !taskID.hasPrefix(".") else {
      throw .client(
        "the task id is invalid: 1 to \(TaskLimits.taskIDBytesMax) of A-Z a-z 0-9 . _ -, not beginning with a dot"
      )
    }
  }

  /// Rule 24, asked after the connect check and the overlap rules.
  package func validateMappings(_ limits: TaskLimits) throws(TaskRefusal) {
    for mapping in mappings {
      let names =
        [mapping.sourceDatabase, mapping.targetDatabase]
        + mapping.collections.flatMap { [$0.source, $0.target] }
      guard
        names.allSatisfy({
          !$0.isEmpty && !$0.contains(".") && $0 != "*" && $0.utf8.count <= limits.nameBytesMax
        })
      else {
        throw .client(
          "the name mapping needs names without dot and wildcard, not empty, "
            + "at most \(limits.nameBytesMax) characters")
      }
    }
    let selection = selection(excluding: [])
    for mapping in mappings {
      let isCovered =
        mapping.collections.isEmpty
        ? selection.patterns.contains {
          $0.collection == "*" && ($0.database == "*" || $0.database == mapping.sourceDatabase)
        }
        : mapping.collections.allSatisfy {
          selection.covers(CollectionPath(database: mapping.sourceDatabase, name: $0.source))
        }
      guard isCovered else {
        throw .client("the collection name in the name mapping is not in the collection info, checkout it")
      }
    }
    let renamed = mappings.flatMap { mapping in
      mapping.collections.map { CollectionPath(database: mapping.targetDatabase, name: $0.target) }
    }
    guard Set(renamed).count == renamed.count else {
      throw .client("the name mapping gives two collections the same name")
    }
  }
}

extension TaskRequest {
  package var patterns: [ObjectSelection.Pattern] {
    entries.map { ObjectSelection.Pattern(database: $0.database, collection: $0.collection.name) }
  }

  package func selection(excluding excluded: [ObjectSelection.Pattern]) -> ObjectSelection {
    var selection = ObjectSelection(patterns: patterns)
    selection.excluded = excluded
    selection.mappings = mappings.map { mapping in
      ObjectSelection.Mapping(
        sourceDatabase: mapping.sourceDatabase, targetDatabase: mapping.targetDatabase,
        collections: Dictionary(
          mapping.collections.map { ($0.source, $0.target) }, uniquingKeysWith: { _, last in last }))
    }
    return selection
  }

  /// What a runner works from. `defaultSource`: the server's own, used where the request names none.
  package func spec(
    defaultSource: ClusterConnection?, excluding excluded: [ObjectSelection.Pattern]
  ) throws(TaskRefusal) -> TaskSpec {
    guard let source = try source?.connection() ?? defaultSource else {
      throw .client("there is no source: give source_connect_param, or start the bridge with --source-uri")
    }
    var spec = TaskSpec(
      source: source, target: try target.connection(), selection: selection(excluding: excluded))
    spec.capture = capture
    spec.apply = apply
    spec.initialCopy = initialCopy
    spec.reconcileInterval = .milliseconds(Int64(reconcileIntervalSeconds * 1000))
    spec.ddl = ddl
    spec.adopt = adopt
    spec.ignorePartition = target.ignorePartition
    spec.disableAutoStart = disableAutoStart
    spec.endAt = endAt
    spec.onGap = onGap
    spec.replicatesAccess = enableUserRole
    return spec
  }
}

extension TaskRequest.Connection {
  private static let connectTimeoutSecondsMax = 3600

  /// Rules 3–6, and that the address is one.
  func validate() throws(TaskRefusal) {
    if uri.isEmpty {
      guard !host.isEmpty else { throw .client("the milvus host is empty") }
      guard port > 0 else { throw .client("the milvus port is less or equal zero") }
    }
    guard username.isEmpty == password.isEmpty else {
      throw .client("cannot set only one of the milvus username and password")
    }
    guard connectTimeout >= 0 else { throw .client("the milvus connect timeout is less zero") }
    guard connectTimeout <= Self.connectTimeoutSecondsMax else {
      throw .client("the milvus connect timeout is more than \(Self.connectTimeoutSecondsMax) seconds")
    }
    _ = try connection()
  }

  /// `uri` wins; else a host that is a URI itself; else host, port and `enable_tls` (`task-api.md` §2.2).
  var address: String {
    if !uri.isEmpty { return uri }
    if host.contains("http://") || host.contains("https://") { return host }
    let bracketed = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    return "\(enableTLS ? "https" : "http")://\(bracketed):\(port)"
  }

  func connection() throws(TaskRefusal) -> ClusterConnection {
    var endpoint: Endpoint
    do {
      endpoint = try Endpoint(parsing: address)
    } catch { throw .client("the milvus address is invalid: \(error)") }
    let hasDial = dial != Dial()
    if endpoint.tls != nil {
      endpoint.tls = try tlsSettings()
    } else if hasDial {
      throw .client("the dial_config is for TLS, but the milvus address is not an https address")
    }
    let token =
      !token.isEmpty || username.isEmpty ? token : Secret("\(username.revealed):\(password.revealed)")
    return ClusterConnection(
      endpoint: endpoint, token: token,
      connectTimeout: .seconds(connectTimeout == 0 ? 5 : connectTimeout))
  }

  /// `server_pem_path` takes precedence (`task-api.md` §2.3). Half of a client certificate is refused, not forgotten.
  private func tlsSettings() throws(TaskRefusal) -> TLSSettings {
    let name = dial.serverName.isEmpty ? nil : dial.serverName
    guard dial.serverPEMPath.isEmpty else { return TLSSettings(serverName: name, caPath: dial.serverPEMPath) }
    guard dial.clientPEMPath.isEmpty == dial.clientKeyPath.isEmpty else {
      throw .client("the dial_config needs client_pem_path and client_key_path together")
    }
    return TLSSettings(
      serverName: name, caPath: dial.caPEMPath.isEmpty ? nil : dial.caPEMPath,
      clientCertificatePath: dial.clientPEMPath.isEmpty ? nil : dial.clientPEMPath,
      clientKeyPath: dial.clientKeyPath.isEmpty ? nil : dial.clientKeyPath)
  }
}
