/// A message of the log as JSON: what `tail`, `dump`, `decode` and recordings show, and a contract for programs (fields are only added).
///
/// | field | meaning |
/// |---|---|
/// | `type` | as Milvus spells it; the number as text for an unknown one |
/// | `pchannel`, `vchannel` | where it stands; `vchannel` is left out where the message names none |
/// | `id`, `log` | the message's own id, and the kind of log that has such ids |
/// | `time_tick`, `time` | the tick as text, and its milliseconds as RFC 3339 |
/// | `last_confirmed` | where reading starts for everything later to come |
/// | `bytes` | size on the wire |
/// | `version`, `term`, `barrier_time_tick` | where the message has them |
/// | `flags` | `pchannel_level`, `unreplicable`, `partial_update`, `encrypted`, `not_persisted` |
/// | `transaction` | `{id, keepalive_ms}` of a member |
/// | `broadcast` | `{id, vchannels, resource_keys, ack_sync_up}` of a copy |
/// | `replicated_from` | `{cluster_id, id, last_confirmed, time_tick, vchannel}` of a message that came from another cluster |
/// | `header`, `body` | the type's protos as JSON; rows of an insert are `body.rows` |
/// | `properties` | those that no field above shows |
/// | `problems` | parts that cannot be read, and why |
/// | `secrets_redacted` | how many values were replaced |
package struct LogMessageView: Sendable {
  package let options: ReadableMessage.Options
  private let open: ReadableMessage

  package init(_ options: ReadableMessage.Options = ReadableMessage.Options()) {
    self.options = options
    var all = options
    all.showsSecrets = true
    open = ReadableMessage(all)
  }

  package func json(of message: LogMessage, pchannel: String? = nil) -> JSONValue {
    var object: JSONObject = ["type": .string(message.type.name)]
    object["pchannel"] = .string(pchannel ?? message.pchannel)
    if !message.vchannel.isEmpty { object["vchannel"] = .string(message.vchannel) }
    (object["id"], object["log"]) = (.string(message.id.text), .string(message.id.kind.description))
    object["time_tick"] = .string(message.timeTick.description)
    object["time"] = .string(TickText.time(message.timeTick))
    object["last_confirmed"] = .string(message.lastConfirmedID.text)
    object["bytes"] = .int(message.byteCount)
    if message.version != 0 { object["version"] = .int(message.version) }
    if let term = message.term { object["term"] = .int(term) }
    if let barrier = message.barrierTimeTick { object["barrier_time_tick"] = .string(barrier.description) }
    let flags = Self.flags(of: message)
    if !flags.isEmpty { object["flags"] = .array(flags.map { .string($0) }) }
    if let transaction = message.transaction {
      object["transaction"] = .object(["id": .string(String(transaction.id)), "keepalive_ms": .int(transaction.keepaliveMilliseconds)])
    }
    if let broadcast = message.broadcast { object["broadcast"] = Self.json(of: broadcast) }
    if let replicate = message.replicate { object["replicated_from"] = Self.json(of: replicate) }
    addContent(of: message, to: &object)
    let others = message.properties.filter { !Self.shownProperties.contains($0.key) }
    if !others.isEmpty { object["properties"] = .object(JSONObject(others.map { ($0.key, .string($0.value)) })) }
    return .object(object)
  }

  // MARK: Header and body

  private func addContent(of message: LogMessage, to object: inout JSONObject) {
    var problems: [JSONValue] = []
    var secrets = 0
    for part in [Part.header, .body] {
      guard !part.bytes(of: message).isEmpty else { continue }
      if part == .body, message.isEncrypted {
        problems.append("body: encrypted, and the key never crosses the wire")
        continue
      }
      do throws(ProtobufError) {
        guard let name = part.proto(of: message), let type = MessageDescriptor(named: name) else {
          throw ProtobufError(.malformed, "no type \(message.type.name) is known")
        }
        let value = try open.json(of: Array(part.bytes(of: message)), as: type)
        let redacted = options.showsSecrets ? (value: value, count: 0) : SecretFields.redact(value, as: type)
        object[part.rawValue] = redacted.value
        secrets += redacted.count
      } catch {
        problems.append(.string("\(part.rawValue): \(error.message)"))
        // Bytes of an unknown kind may hold secrets as well as anything else.
        if options.showsSecrets, let tree = try? WireTree(Array(part.bytes(of: message))) { object[part.rawValue] = tree.json }
      }
    }
    if !problems.isEmpty { object["problems"] = .array(problems) }
    if secrets > 0 { object["secrets_redacted"] = .int(secrets) }
  }

  private enum Part: String {
    case header, body

    func bytes(of message: LogMessage) -> ArraySlice<UInt8> { self == .header ? message.header : message.payload }
    func proto(of message: LogMessage) -> String? { self == .header ? message.type.headerProto : message.type.bodyProto }
  }

  // MARK: Properties

  private static let shownProperties: Set<String> = [
    LogProperty.version, LogProperty.type, LogProperty.timeTick, LogProperty.term, LogProperty.barrierTimeTick, LogProperty.lastConfirmed,
    LogProperty.lastConfirmedIsOwn, LogProperty.vchannel, LogProperty.broadcastHeader, LogProperty.header, LogProperty.transaction,
    LogProperty.cipherHeader, LogProperty.notPersisted, LogProperty.pchannelLevel, LogProperty.replicateHeader, LogProperty.unreplicable,
    LogProperty.partialUpdate,
  ]

  private static func flags(of message: LogMessage) -> [String] {
    var flags: [String] = []
    if message.isPchannelLevel { flags.append("pchannel_level") }
    if message.isUnreplicable { flags.append("unreplicable") }
    if message.isPartialUpdate { flags.append("partial_update") }
    if message.isEncrypted { flags.append("encrypted") }
    if !message.isPersisted { flags.append("not_persisted") }
    return flags
  }

  private static func json(of broadcast: BroadcastHeader) -> JSONValue {
    var object: JSONObject = ["id": .string(String(broadcast.id)), "vchannels": .array(broadcast.vchannels.map { .string($0) })]
    if !broadcast.resourceKeys.isEmpty {
      object["resource_keys"] = .array(
        broadcast.resourceKeys.map {
          .object(["domain": .int($0.domain), "key": .string($0.key), "shared": .bool($0.isShared)])
        })
    }
    if broadcast.ackSyncUp { object["ack_sync_up"] = true }
    return .object(object)
  }

  private static func json(of header: ReplicateHeader) -> JSONValue {
    var object: JSONObject = ["cluster_id": .string(header.clusterID)]
    if let id = header.messageID { object["id"] = .string(id.text) }
    if let id = header.lastConfirmed { object["last_confirmed"] = .string(id.text) }
    object["time_tick"] = .string(header.timeTick.description)
    object["vchannel"] = .string(header.vchannel)
    return .object(object)
  }
}

/// Ticks as the time that they stand for.
package enum TickText {
  /// `2026-11-21T02:33:40.123Z`; of a tick beyond the year 9999 its milliseconds.
  package static func time(_ tick: TimeTick) -> String {
    let milliseconds = tick.unixMilliseconds
    guard let text = InstantText.text(milliseconds &* 1000) else { return "\(milliseconds) ms" }
    let fraction = String(milliseconds % 1000)
    return text.prefix(19) + "." + String(repeating: "0", count: max(0, 3 - fraction.count)) + fraction + "Z"
  }
}
