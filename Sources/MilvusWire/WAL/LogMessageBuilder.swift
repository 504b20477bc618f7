/// Writes log messages as a server's log hands them out: for the sandbox and for tests.
///
/// Properties are written in the order of their keys; servers use any order. Nothing is checked: what is set is written.
package struct LogMessageBuilder: Sendable {
  package enum LastConfirmed: Sendable, Equatable {
    /// `_lcs`: the message's own id.
    case own
    /// `_lc`: an id of the message's own log.
    case id(String)
    /// Neither, which no log writes.
    case absent
  }
  package var id: LogMessageID
  package var type: LogMessageType
  /// nil: no `_v`.
  package var version: Int?
  package var timeTick: TimeTick
  package var lastConfirmed: LastConfirmed
  /// nil: no `_vc`.
  package var vchannel: String?
  package var isPchannelLevel = false
  package var isUnreplicable = false
  package var isPartialUpdate = false
  package var isPersisted = true
  package var term: Int64?
  package var barrierTimeTick: TimeTick?
  package var transaction: TransactionContext?
  package var broadcast: BroadcastHeader?
  package var replicate: ReplicateHeader?
  package var cipher: CipherHeader?
  /// The proto of `_h`; nil: no such property.
  package var header: [UInt8]? = []
  package var payload: [UInt8] = []
  /// Properties that have no member here; one of the same key wins over a member.
  package var others: [KeyValuePair] = []

  package init(_ type: LogMessageType, id: LogMessageID, timeTick: TimeTick, vchannel: String? = nil) {
    self.id = id
    self.type = type
    self.timeTick = timeTick
    self.vchannel = vchannel
    version = type.version
    lastConfirmed = .own
  }

  /// A message of this type with its header and body.
  package init(change: LogChange, id: LogMessageID, timeTick: TimeTick, vchannel: String? = nil) {
    self.init(change.type, id: id, timeTick: timeTick, vchannel: vchannel)
    header = change.encodedHeader
    payload = change.encodedBody
  }

  /// What a message says, to be written again.
  package init(_ message: LogMessage) {
    id = message.id
    type = message.type
    version = message[property: LogProperty.version] == nil ? nil : message.version
    timeTick = message.timeTick
    lastConfirmed = message.lastConfirmedIsOwnID ? .own : .id(message.lastConfirmedID.text)
    vchannel = message[property: LogProperty.vchannel]
    isPchannelLevel = message.isPchannelLevel
    isUnreplicable = message.isUnreplicable
    isPartialUpdate = message.isPartialUpdate
    isPersisted = message.isPersisted
    term = message.term
    barrierTimeTick = message.barrierTimeTick
    transaction = message.transaction
    broadcast = message.broadcast
    replicate = message.replicate
    cipher = message.cipher
    header = message.headerBytes
    payload = Array(message.payload)
    others = message.properties.filter { !Self.keys.contains($0.key) }.map { KeyValuePair($0.key, $0.value) }
  }

  /// `common.ImmutableMessage`.
  package var immutableMessage: [UInt8] {
    var writer = WireWriter(capacity: payload.count + 512)
    writer.lengthDelimited(1, id.encoded)
    if !payload.isEmpty { writer.lengthDelimited(2, payload) }
    for property in properties { writer.lengthDelimited(3, property.encoded(withDefaults: true)) }
    return writer.bytes
  }

  /// `milvus.DumpMessagesResponse` with the message.
  package var dumpResponse: [UInt8] {
    let message = immutableMessage
    var writer = WireWriter(capacity: message.count + 12)
    writer.lengthDelimited(2, message)
    return writer.bytes
  }

  /// The message as a reader has it.
  package func message() throws(LogMessageError) -> LogMessage {
    try LogMessage(immutableMessage: immutableMessage)
  }

  /// All properties in the byte order of their keys.
  package var properties: [KeyValuePair] {
    var list: [KeyValuePair] = []
    func add(_ key: String, _ value: String?) {
      if let value, !others.contains(where: { $0.key == key }) { list.append(KeyValuePair(key, value)) }
    }
    func flag(_ key: String, _ isSet: Bool) { add(key, isSet ? "" : nil) }
    add(LogProperty.version, version.map { String($0) })
    add(LogProperty.type, String(type.rawValue))
    add(LogProperty.timeTick, Base36.write(timeTick.rawValue))
    add(LogProperty.term, term.map { Base36.write($0) })
    add(LogProperty.barrierTimeTick, barrierTimeTick.map { Base36.write($0.rawValue) })
    switch lastConfirmed {
    case .own: flag(LogProperty.lastConfirmedIsOwn, true)
    case .id(let text): add(LogProperty.lastConfirmed, text)
    case .absent: break
    }
    add(LogProperty.vchannel, vchannel)
    flag(LogProperty.pchannelLevel, isPchannelLevel)
    flag(LogProperty.unreplicable, isUnreplicable)
    flag(LogProperty.partialUpdate, isPartialUpdate)
    flag(LogProperty.notPersisted, !isPersisted)
    add(LogProperty.transaction, transaction.map { Base64.encode($0.encoded) })
    add(LogProperty.broadcastHeader, broadcast.map { Base64.encode($0.encoded) })
    add(LogProperty.replicateHeader, replicate.map { Base64.encode($0.encoded) })
    add(LogProperty.cipherHeader, cipher.map { Base64.encode($0.encoded) })
    add(LogProperty.header, header.map { Base64.encode($0) })
    return (list + others).sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
  }

  private static let keys: Set<String> = [
    LogProperty.version, LogProperty.type, LogProperty.timeTick, LogProperty.term,
    LogProperty.barrierTimeTick,
    LogProperty.lastConfirmed, LogProperty.lastConfirmedIsOwn, LogProperty.vchannel,
    LogProperty.pchannelLevel,
    LogProperty.unreplicable, LogProperty.partialUpdate, LogProperty.notPersisted, LogProperty.transaction,
    LogProperty.broadcastHeader, LogProperty.replicateHeader, LogProperty.cipherHeader, LogProperty.header,
  ]
}
