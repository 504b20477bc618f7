internal import MilvusWire

/// A replicated message that a target takes, with what it writes to its log (`wal-protocol.md` §6.4 steps 2 to 9).
struct ReplicateAdmission {
  /// The own channel's pchannel.
  let pchannel: String
  var draft: LogDraft
  /// nil: the type or version is not known here; or the body is not what the type's proto says.
  private(set) var change: LogChange?
  let transaction: TransactionContext?
  let source: ReplicatedMessage

  /// Types that a target confirms and leaves out (`streaming.replication.skipMessageTypes`).
  private static let skipped: Set<LogMessageType> = [.alterResourceGroup, .dropResourceGroup]

  /// Every outcome but being taken is thrown.
  init(
    _ message: ReplicatedMessage, from clusterID: String, _ replication: Replication, controlChannel: String,
    knowsUnreplicable: Bool
  ) throws(ReplicatedMessage.Failure) {
    source = message
    let ignored = ReplicatedMessage.Failure(outcome: .confirmed(message.tick, isApplied: false))
    guard !Self.skipped.contains(message.type) else { throw ignored }
    guard replication.isSecondary else { throw .end("the cluster is primary") }
    guard replication.configuration?.clusters.contains(where: { $0.id == clusterID }) ?? false,
      clusterID == replication.sourceID
    else { throw .end("cluster \(clusterID) is not the source") }
    guard let own = replication.ownChannel(message.vchannel) else {
      throw .end("channel \(message.vchannel) is of no source pchannel")
    }
    pchannel = ChannelName.pchannel(of: own)
    var broadcast = try message.record(
      LogProperty.broadcastHeader, of: BroadcastHeader.self, "the broadcast header")
    for index in broadcast?.vchannels.indices ?? 0..<0 {
      guard let name = broadcast.map({ $0.vchannels[index] }), let mapped = replication.ownChannel(name)
      else {
        throw .end("a broadcast to a channel of no source pchannel")
      }
      broadcast?.vchannels[index] = mapped
    }
    if message.type.isSelfControlled { throw ignored }
    if knowsUnreplicable, message[LogProperty.unreplicable] != nil { throw ignored }
    if ChannelName.isControl(own), own != controlChannel {
      throw .end("the control channel is on another pchannel here")
    }
    transaction = try message.record(LogProperty.transaction, of: TransactionContext.self, "the transaction")
    change = try Self.change(message)
    draft = LogDraft(type: message.type, channel: own)
    draft.broadcast = broadcast
    draft.transaction = transaction
    draft.header = message.header ?? []
    draft.body = message.payload
    draft.isVersionless = message[LogProperty.version] == nil
    draft.version = message[LogProperty.version].flatMap { Int($0) }
    draft.others = message.properties.filter { !Self.rewritten.contains($0.key) }
    var header = ReplicateHeader()
    (header.clusterID, header.messageID, header.lastConfirmed) = (clusterID, message.id, message.confirmed)
    (header.timeTick, header.vchannel) = (TimeTick(message.tick), message.vchannel)
    draft.replicate = header
    rewriteBody(replication)
  }

  /// What the draft has members for, or what a log gives every message itself.
  private static let rewritten: Set<String> = [
    "_h", "_lc", "_lcs", "_t", "_tt", "_v", "_vc", "_bh", "_tx", "_wt", "_rh",
  ]

  /// What the message says, as far as the target must know it before it writes it.
  private static func change(_ message: ReplicatedMessage) throws(ReplicatedMessage.Failure) -> LogChange? {
    let type = message.type
    if let text = message[LogProperty.version], !text.isEmpty, Int(text) == nil {
      throw .death("a version that is no number")
    }
    let version = message[LogProperty.version].flatMap { Int($0) } ?? 0
    guard let expected = type.version, max(version, 1) == expected || version == 0 else {
      throw .death(
        "no message of type \(message[LogProperty.type] ?? "") with version \(version)", poisons: true)
    }
    switch type {
    case .rollbackTxn, .txn: throw .death("a \(type) from another cluster")
    case .beginTxn where message[LogProperty.transaction] == nil:
      throw .death("a begin without a transaction")
    default: break
    }
    do {
      var bytes = message.bytes
      if version == 0 { bytes = try versioned(message, expected) }
      return try LogChange(try LogMessage(immutableMessage: bytes))
    } catch {
      switch error.code {
      case .body where type == .createCollection: throw .death("a body that cannot be rewritten")
      // Logged and confirmed all the same.
      case .body, .encrypted: return nil
      case .property where error.property == LogProperty.cipherHeader: return nil
      case .property where error.property == LogProperty.barrierTimeTick: return nil
      case .carrier, .missingProperty, .property, .messageID, .version, .header, .status:
        throw .death("the header cannot be read: \(error.reason)")
      }
    }
  }

  /// The same message with the version of its type: one without is read like the first.
  private static func versioned(_ message: ReplicatedMessage, _ version: Int) throws(LogMessageError)
    -> [UInt8]
  {
    var builder = LogMessageBuilder(try LogMessage(immutableMessage: message.bytes))
    builder.version = version
    return builder.immutableMessage
  }

  // MARK: Rewriting

  private mutating func rewriteBody(_ replication: Replication) {
    switch change {
    case .createCollection(var creation):
      creation.virtualChannelNames = creation.virtualChannelNames.map { replication.ownChannel($0) ?? $0 }
      creation.physicalChannelNames = creation.physicalChannelNames.map { replication.ownChannel($0) ?? $0 }
      change = .createCollection(creation)
      draft.body = LogChange.createCollection(creation).encodedBody
    case .alterLoadConfig(var load):
      // `streaming.replication.useLocalReplicaConfig`, on by default.
      load.usesLocalReplicaConfig = true
      draft.header = LogChange.alterLoadConfig(load).encodedHeader
    case .alterReplicateConfig(var alteration):
      guard !(alteration.configuration?.clusters.contains { $0.id == replication.ownID } ?? false) else {
        return
      }
      var alone = ReplicateConfiguration()
      alone.clusters = replication.configuration?.clusters.filter { $0.id == replication.ownID } ?? []
      alteration.configuration = alone
      change = .alterReplicateConfig(alteration)
      draft.header = LogChange.alterReplicateConfig(alteration).encodedHeader
    default: break
    }
  }
}
