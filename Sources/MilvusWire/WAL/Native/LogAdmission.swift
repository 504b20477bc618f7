/// What may be sent on a replicate stream (§6.4, §6.8). Pure.
///
/// A target does not refuse a bad message: it ends the stream without a word, dies, or dies at every start from then on. So everything
/// is checked here first: id, properties and header, and the top-level fields of the payload; rows are never looked into.
///
/// | Verdict | Meaning | Messages |
/// |---------|---------|----------|
/// | send | forwarded as it is | all others |
/// | skip | does not concern the target: passed over, and named | resource groups (by type), `_ur` |
/// | thrown | held back: nothing of this pchannel may pass it | a line of §6.8's table is broken; `_rh`; types that the target may not know |
package struct LogAdmission: Sendable, Equatable {
  /// Why a message must not be sent: `part` is the field that is wrong (a property's key, `id` or `payload`).
  package struct Held: Error, Sendable, Equatable, CustomStringConvertible {
    package var part: String
    package var reason: String
    /// Where the message is, as far as it can be read.
    package var place: String
    package var description: String { "\(place.isEmpty ? "a message" : place) is held back: \(part): \(reason)" }
  }
  package enum Verdict: Sendable, Equatable {
    case send
    case skip(String)
  }

  /// Of the source, as they stand in the configuration.
  package var sourcePchannels: Set<String>
  /// The largest type number of those below 700 that the target knows: 38 on 2.6, 46 on 3.x.
  package var typeMax: Int
  /// What the target reads a WAL number 0 as: its own log.
  package var targetKind: LogKind

  package init(sourcePchannels: Set<String>, typeMax: Int, targetKind: LogKind) {
    self.sourcePchannels = sourcePchannels
    self.typeMax = typeMax
    self.targetKind = targetKind
  }

  /// For a message that may not even be readable.
  package func judge(immutableMessage bytes: [UInt8]) throws(Held) -> Verdict {
    let message: LogMessage
    do throws(LogMessageError) {
      message = try LogMessage(immutableMessage: bytes)
    } catch {
      throw Held(part: Self.part(of: error), reason: Self.reason(of: error), place: "")
    }
    return try judge(message)
  }

  package func judge(_ message: LogMessage) throws(Held) -> Verdict {
    // A message that came from another cluster is never sent on, whatever else it is.
    if message.replicate != nil {
      throw held(message, LogProperty.replicateHeader, "it was itself replicated into the source")
    }
    switch message.type {
    case .alterResourceGroup, .dropResourceGroup: return .skip("resource groups are not replicated")
    default: break
    }
    if message.isUnreplicable { return .skip("\(message.type) is marked as not replicable by the source") }
    try checkType(message)
    try checkPlace(message)
    try checkTransaction(message)
    try checkBroadcast(message)
    try checkContent(message)
    return .send
  }

  // MARK: Parts

  private func checkType(_ message: LogMessage) throws(Held) {
    let type = message.type
    guard type != .unknown else { throw held(message, LogProperty.type, "it is missing or 0") }
    guard type.isKnown, type.rawValue >= 700 || type.rawValue <= typeMax else {
      throw held(message, LogProperty.type, "type \(type.rawValue) is not known to the target, which would die of it")
    }
    guard !type.isSelfControlled, type != .rollbackTxn, type != .txn, type != .alterWAL else {
      throw held(message, LogProperty.type, "\(type) is never replicated")
    }
    guard message.version == type.version else {
      throw held(
        message, LogProperty.version,
        message.version == 0 ? "it is missing, empty or 0" : "no \(type) has version \(message.version)")
    }
  }

  private func checkPlace(_ message: LogMessage) throws(Held) {
    try checkID(message.id, "id", message)
    if !message.lastConfirmedIsOwnID { try checkID(message.lastConfirmedID, LogProperty.lastConfirmed, message) }
    guard message.timeTick.rawValue > 0 else { throw held(message, LogProperty.timeTick, "it is 0") }
    guard !message.vchannel.isEmpty else { throw held(message, LogProperty.vchannel, "it is missing or empty") }
    guard sourcePchannels.contains(message.pchannel) else {
      throw held(message, LogProperty.vchannel, "\(message.vchannel) is on no pchannel of the source")
    }
  }

  private func checkID(_ id: LogMessageID, _ part: String, _ message: LogMessage) throws(Held) {
    let read = id.kind == .unknown ? LogMessageID(id.text, targetKind) : id
    do throws(LogMessageError) {
      _ = try LogIDFormat.parse(read)
    } catch {
      throw held(message, part, error.reason)
    }
  }

  private func checkTransaction(_ message: LogMessage) throws(Held) {
    if let transaction = message.transaction {
      if transaction.id == 0 { throw held(message, LogProperty.transaction, "it names no transaction") }
    } else if message.type.isTransactionBracket {
      throw held(message, LogProperty.transaction, "it is missing, and a \(message.type) must have it")
    }
  }

  private func checkBroadcast(_ message: LogMessage) throws(Held) {
    let part = LogProperty.broadcastHeader
    guard let broadcast = message.broadcast else {
      if message.type.isBroadcast { throw held(message, part, "it is missing, and a \(message.type) must have it") }
      return
    }
    guard !broadcast.vchannels.isEmpty else { throw held(message, part, "it names no channels") }
    guard broadcast.vchannels.contains(message.vchannel) else {
      throw held(message, part, "it does not name the message's own channel")
    }
    for channel in broadcast.vchannels where !sourcePchannels.contains(ChannelName.pchannel(of: channel)) {
      throw held(message, part, "\(channel) is on no pchannel of the source")
    }
  }

  private func checkContent(_ message: LogMessage) throws(Held) {
    guard message.headerBytes != nil else { throw held(message, LogProperty.header, "it is missing") }
    do throws(LogMessageError) {
      switch message.type {
      case .insert, .delete: try message.checkRowMessage()
      default: _ = try LogChange(message)
      }
    } catch {
      // Ciphertext cannot be looked at, and its header was read with the rest.
      if error.code == .encrypted { return }
      throw held(message, Self.part(of: error), Self.reason(of: error))
    }
  }

  // MARK: Words

  private func held(_ message: LogMessage, _ part: String, _ reason: String) -> Held {
    Held(
      part: part, reason: reason,
      place: "\(message.type == .unknown ? "a message" : message.type.name) at tick \(message.timeTick) on \(message.vchannel)")
  }

  private static func reason(of error: LogMessageError) -> String {
    guard error.code == .missingProperty else { return error.reason }
    return error.reason.isEmpty ? "it is missing" : "it is missing, \(error.reason)"
  }

  private static func part(of error: LogMessageError) -> String {
    switch error.code {
    case .carrier, .status: error.reason.contains("id") ? "id" : "message"
    case .missingProperty, .property: error.property ?? "properties"
    case .messageID: "id"
    case .version: LogProperty.version
    case .header: LogProperty.header
    case .body, .encrypted: "payload"
    }
  }
}

extension LogMessageType {
  /// Comes as one copy for each of several channels, and always with a broadcast header (§3.2, placement B).
  package var isBroadcast: Bool {
    switch self {
    case .createCollection, .dropCollection, .createPartition, .dropPartition, .`import`, .schemaChange, .alterReplicateConfig,
      .flushAll:
      true
    default: (13...46).contains(rawValue)
    }
  }
}

extension LogMessage {
  /// Header and payload of an insert or a delete as far as their top-level fields go.
  fileprivate func checkRowMessage() throws(LogMessageError) {
    let header = headerBytes ?? []
    if !(type == .insert ? Self.isInsertHeader(header) : Self.isDeleteHeader(header)) {
      // Says what is wrong.
      do throws(ProtobufError) {
        if type == .insert { _ = try InsertHeader(encoded: header) } else { _ = try DeleteHeader(encoded: header) }
      } catch {
        throw LogMessageError(.header, "\(type): \(error.message)")
      }
    }
    guard !isEncrypted else { return }
    do throws(ProtobufError) {
      var reader = WireReader(bytes, in: payloadRange)
      while try reader.next() != nil {}
    } catch {
      throw LogMessageError(.body, "\(type): \(error.message)")
    }
  }

  // The same as decoding, for what is right, and without a value for each field: every message of rows is looked at.

  private static func isInsertHeader(_ bytes: [UInt8]) -> Bool {
    bytes.fields(in: 0..<bytes.count) { field in
      switch (field.number, field.content) {
      case (1, .varint), (3, .varint): true
      case (2, .lengthDelimited(let partition)): isPartition(bytes, partition)
      case (let number, _): number > 3
      }
    }
  }

  private static func isPartition(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    bytes.fields(in: range) { field in
      switch (field.number, field.content) {
      case (1, .varint), (2, .varint), (3, .varint): true
      case (4, .lengthDelimited(let segment)):
        bytes.fields(in: segment) { $0.number != 1 || $0.varint != nil }
      case (let number, _): number > 4
      }
    }
  }

  private static func isDeleteHeader(_ bytes: [UInt8]) -> Bool {
    bytes.fields(in: 0..<bytes.count) { $0.number > 2 || $0.varint != nil }
  }
}

extension [UInt8] {
  /// Whether a range is a message whose fields are all as they should be.
  fileprivate func fields(in range: Range<Int>, _ isRight: (WireField) -> Bool) -> Bool {
    var reader = WireReader(self, in: range)
    do throws(ProtobufError) {
      while let field = try reader.next() {
        guard isRight(field) else { return false }
      }
      return true
    } catch {
      return false
    }
  }
}
