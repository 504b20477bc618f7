internal import MilvusWire

/// What the follower delivers: judged, and given to the pchannel's relay as it came.
extension NativeSession: LogBatchConsumer {
  func take(_ delivery: LogDelivery, pchannel: String) async throws(BridgeError) {
    try await take([delivery], pchannel: pchannel)
  }

  /// What stands before a delivery that stops the pchannel or the session is sent all the same.
  func take(_ deliveries: [LogDelivery], pchannel: String) async throws(BridgeError) {
    var units: [RelayUnit] = []
    units.reserveCapacity(deliveries.count)
    var isParked = false
    var failure: BridgeError?
    do throws(BridgeError) {
      for delivery in deliveries where !isParked {
        switch delivery {
        case .proven(let tick):
          // Read first: the assignment holds the list while its right side is evaluated.
          let proven = max(lanes[pchannel]?.proven ?? tick, tick)
          lanes[pchannel]?.proven = proven
          if let end = spec.endAt, tick >= end { lanes[pchannel]?.isFinished = true }
        case .gap(let gap): try judge(gap)
        case .message(let message, let position):
          if isBehindEnd(position, pchannel) {
            isParked = true
          } else if let isSent = try admits(message, pchannel) {
            units.append(isSent ? RelayUnit(message, position: position) : RelayUnit([], position: position))
          } else {
            isParked = true
          }
        case .transaction(let messages, let commit, let position):
          if !isBehindEnd(position, pchannel), let sent = try admitted(messages + [commit], pchannel) {
            units.append(RelayUnit(sent, position: position))
          } else {
            isParked = true
          }
        }
      }
    } catch {
      failure = error
    }
    await give(units, pchannel)
    if let failure { throw failure }
    if isParked { await park() }
  }

  private func give(_ units: [RelayUnit], _ pchannel: String) async {
    guard let last = units.last, let relay = lanes[pchannel]?.relay else { return }
    lanes[pchannel]?.taken = last.position.timeTick
    lanes[pchannel]?.isDrained = false
    if units.contains(where: \.isEmpty) { changedSinceSave = true }
    await relay.take(units)
  }

  private func isBehindEnd(_ position: LogPosition, _ pchannel: String) -> Bool {
    guard let end = spec.endAt, position.timeTick > end else { return false }
    lanes[pchannel]?.isFinished = true
    return true
  }

  /// What is sent of a transaction; nil where it must be held back. One whose bodies are all left out is nothing.
  private func admitted(_ messages: [LogMessage], _ pchannel: String) throws(BridgeError) -> [LogMessage]? {
    var sent: [LogMessage] = []
    for message in messages {
      guard let isSent = try admits(message, pchannel) else { return nil }
      if isSent { sent.append(message) }
    }
    return sent.allSatisfy(\.type.isTransactionBracket) ? [] : sent
  }

  /// Whether a message is sent or left out; nil where it must be held back, which is noted.
  private func admits(_ message: LogMessage, _ pchannel: String) throws(BridgeError) -> Bool? {
    try checkRoles(message)
    do throws(LogAdmission.Held) {
      switch try admission.judge(message) {
      case .send: break
      case .skip(let why):
        note("\(why) (\(pchannel), tick \(message.timeTick))", of: message)
        return false
      }
    } catch {
      hold(pchannel, error.description)
      return nil
    }
    guard isWanted(message) else { return false }
    guard requestFits(message) else {
      hold(pchannel, "\(message.type) at tick \(message.timeTick) has \(message.byteCount) bytes, more than a target takes (64 MiB)")
      return nil
    }
    return true
  }

  private func requestFits(_ message: LogMessage) -> Bool {
    message.byteCount <= ReplicateFraming.requestBytesMax - 1024
  }

  /// Never returns before the session ends: nothing more of this pchannel may be read.
  private func park() async {
    let latch = LogLatch()
    parked.append(latch)
    _ = await latch.wait()
  }

  // MARK: What is left out

  /// False for what the target was never told the beginning of, because the log had forgotten it (`NativeHistory`).
  private func isWanted(_ message: LogMessage) -> Bool {
    report(message)
    if checkpoint.leftOut.isEmpty, checkpoint.leftOutDatabases.isEmpty { return true }
    if let id = message.collectionID, checkpoint.leftOut.contains(id) {
      note("changes of collections that were dropped before the readable log begins are left out")
      return false
    }
    if let name = message.databaseName, checkpoint.leftOutDatabases.contains(name) { return false }
    return true
  }

  /// Messages that arrive and still do not make the target what the source is.
  private func report(_ message: LogMessage) {
    switch message.type {
    case .`import`: note("imported files are not in the log: \(Self.collectionOfImport(message)) may lack their rows on the target")
    case .alterUser, .restoreRBAC, .dropUser:
      note("users and passwords are replicated: the target's credentials become those of the source, also the bridge's own")
    default: break
    }
  }

  /// An import names its collection in its body alone.
  private static func collectionOfImport(_ message: LogMessage) -> String {
    guard case .import(let content)? = try? LogChange(message) else { return "a collection" }
    guard !content.collectionName.isEmpty else { return "collection \(content.collectionID)" }
    return CollectionPath(database: content.dbName, name: content.collectionName).description
  }

  private func note(_ why: String, of message: LogMessage) {
    switch message.type {
    case .restoreSnapshot:
      note("collection \(message.collectionID ?? 0) was restored from a snapshot on the source: on the target it exists and stays empty")
    case .alterResourceGroup, .dropResourceGroup: note("resource groups are not replicated")
    default: note("\(message.type) is not replicated: \(why)")
    }
  }

  // MARK: Roles and gaps

  private func checkRoles(_ message: LogMessage) throws(BridgeError) {
    if let origin = message.replicate {
      throw roles(
        "the source is a standby of \(origin.clusterID.isEmpty ? "another cluster" : origin.clusterID) now: what it writes came from there",
        hint: "After a switch-over, delete this task and create one from the new primary to the new standby.")
    }
    guard message.type == .alterReplicateConfig, case .alterReplicateConfig(let change)? = try? LogChange(message) else { return }
    let edges = (change.configuration?.topology ?? []).map { "\($0.sourceClusterID) → \($0.targetClusterID)" }.sorted()
    let own = checkpoint.pairing.sourceID
    let isStandby = change.configuration?.topology.contains { $0.targetClusterID == own } ?? false
    let what =
      edges.isEmpty
      ? "it stands alone now" : isStandby ? "it is a standby now (\(edges.joined(separator: ", ")))" : edges.joined(separator: ", ")
    throw roles(
      "the source's replication was changed\(change.isForcePromote ? " by force" : ""): \(what)",
      hint: isStandby
        ? "The roles were switched: delete this task and create one from the new primary. \(Self.promotionHint)"
        : "Milvus's own replication would be a second sender. Take the source out of it, then resume; or delete this task. \(Self.promotionHint)"
    )
  }

  static let promotionHint = "To make the target a primary: cdc-bridge promote --target-uri URI."

  private func roles(_ message: String, hint: String) -> BridgeError {
    BridgeError(.schemaChange, side: .source, operation: "forward the log", message: message, hint: hint)
  }

  /// A standby cannot be mended by comparing: what is not in the log never arrives there.
  private func judge(_ gap: LogGap) throws(BridgeError) {
    // Reading began at the log's earliest entry; the first message must be the one that was first when the history was read.
    if gap.after.timeTick.rawValue == 0, gap.reason == .truncated || gap.reason == .resetToEarliest || gap.reason == .unproven {
      let first = checkpoint.lanes[gap.pchannel]?.firstTick ?? TimeTick(0)
      guard let seen = gap.firstSeen, first.rawValue > 0, seen > first else { return }
    }
    throw BridgeError(
      .logUnusable, side: .source, operation: "forward the log", message: "\(gap)",
      hint:
        "The standby cannot be completed by the log any more. Empty the target and create the task again (from a backup, or with apply public). \(Self.promotionHint)"
    )
  }

  // MARK: The end

  func checkEnd() async {
    guard let end = spec.endAt, stop == nil, lanes.values.allSatisfy(\.isFinished) else { return }
    for lane in lanes.values {
      guard await lane.relay.summary.isEmpty, lane.isDrained else { return }
    }
    stop = TaskStop(reason: "reached end_at", hint: "Everything up to \(end) is on the target.")
  }
}
