package import MilvusWire

/// Faults and looks from outside, for programs that test against a sandbox: one call, one JSON object in, one out.
///
/// | call | members | what it does |
/// |---|---|---|
/// | `state` | | pchannels with their last id and tick, running dumps, role |
/// | `cut` | `how`: `status`, `eof`, `tcp`; `streams` | ends running streams: UNAVAILABLE, OK, or every connection reset |
/// | `pause`, `resume` | `streams`, `pchannel` | dumps deliver nothing, replicate streams read nothing; of one pchannel or of all |
/// | `hold-ticks`, `release-ticks` | `pchannel` | its TimeTicks stand still: bounded dumps of it do not end |
/// | `truncate` | `pchannel`, `before` (an id) or nothing: all | entries before are gone, silently |
/// | `truncation-point` | `pchannel`, `id` | where an inclusive WoodPecker 0/0 starts |
/// | `switch` | `wal` | the log goes on in another implementation; what was not delivered is lost |
/// | `restart` | | a new term, a new segment, open transactions gone; what is stored stays |
/// | `die`, `start` | | the process is gone, and started again: `lives` is false where its log kills it at every start |
/// | `deny`, `allow` | `reason` | row writes are refused with code 9 |
/// | `fault` | `method`, `action`, `count`, `skip`, `milliseconds`, `code`, `reason` | what happens to the next calls; see `CallFaults` |
/// | `clear` | | no faults, nothing paused or held or denied |
/// | `record`, `received` | | from now on every replicated message is kept as it came; what was kept: `messages` (base64) |
/// | `append` | `pchannel`, `message` (base64), `raw` | an `ImmutableMessage`: with a new id, tick and last-confirmed id, or as it is |
extension Sandbox {
  /// A wrong call, with a text for whoever made it.
  package struct ControlError: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
  }

  package func control(_ call: String, _ body: JSONObject) throws -> JSONObject {
    switch call {
    case "state": return controlState()
    case "cut":
      let name = body.text("how").isEmpty ? "status" : body.text("how")
      guard let how = SandboxFaults.Cut(rawValue: name) else { throw ControlError("how: status, eof or tcp") }
      cut(try Self.streams(body), how)
    case "pause": faults.pause(try Self.streams(body), pchannel: try pchannelIfNamed(body))
    case "resume":
      faults.resume(try Self.streams(body), pchannel: try pchannelIfNamed(body))
      watchers.changed()
    case "hold-ticks":
      let name = try pchannel(body)
      withState { _ = $0.heldTicks.insert(name) }
    case "release-ticks":
      let name = try pchannelIfNamed(body)
      withState { state in
        if let name { state.heldTicks.remove(name) } else { state.heldTicks.removeAll() }
      }
    case "truncate", "truncation-point": try moveStart(call, body)
    case "switch":
      guard let kind = Self.kinds[body.text("wal")] else {
        throw ControlError("wal: \(Self.kinds.keys.sorted())")
      }
      withState { $0.journal.switchKind(to: kind, oracle: &$0.oracle) }
    case "restart": withState { $0.journal.restart() }
    case "die": die()
    case "start": return ["lives": .bool(revive())]
    case "deny":
      let reason = body.text("reason").isEmpty ? Self.denied : body.text("reason")
      withState { $0.writesDenied = Refusal(9, reason, legacy: 48) }
    case "allow": withState { $0.writesDenied = nil }
    case "fault": try addFault(body)
    case "clear":
      faults.clear()
      withState { ($0.writesDenied, $0.heldTicks) = (nil, []) }
      watchers.changed()
    case "append": return try append(body)
    case "record": received.withLock { $0 = [] }
    case "received":
      let all = received.withLock { $0 ?? [] }
      return ["messages": .array(all.map { .string(Base64.encode($0)) })]
    default: throw ControlError("no call \(call)")
    }
    return [:]
  }

  private static let kinds: [String: LogKind] = [
    "woodpecker": .woodPecker, "rocksmq": .rocksMQ, "kafka": .kafka, "pulsar": .pulsar,
  ]
  private static let denied = "the writing has been deactivated by the administrator"

  // MARK: Members

  private static func streams(_ body: JSONObject) throws -> Set<SandboxFaults.Streams> {
    let names = body["streams"]?.stringValue.map { [$0] } ?? body.texts("streams")
    guard !names.isEmpty else { return Set(SandboxFaults.Streams.allCases) }
    return Set(
      try names.map { name in
        guard let streams = SandboxFaults.Streams(rawValue: name) else {
          throw ControlError("streams: dump or replicate")
        }
        return streams
      })
  }

  private func pchannelIfNamed(_ body: JSONObject) throws -> String? {
    let name = body.text("pchannel")
    if name.isEmpty { return nil }
    guard withState({ $0.journal.pchannels.contains(name) }) else {
      throw ControlError("no pchannel \(name)")
    }
    return name
  }

  private func pchannel(_ body: JSONObject) throws -> String {
    guard let name = try pchannelIfNamed(body) else { throw ControlError("pchannel is missing") }
    return name
  }

  /// An id, read as one of the log's present kind.
  private func entry(_ text: String, _ log: PchannelLog) throws -> EntryID {
    do {
      return EntryID(try LogIDFormat.parse(LogMessageID(text, log.kind)))
    } catch {
      throw ControlError("\(text) is no id of \(log.kind): \(error.reason)")
    }
  }

  private func moveStart(_ call: String, _ body: JSONObject) throws {
    let name = try pchannel(body)
    let log = withState { state in state.journal.logs.first { $0.name == name } }
    guard let log else { return }
    let text = body.text(call == "truncate" ? "before" : "id")
    let ordinal = text.isEmpty ? log.nextOrdinal : log.firstOrdinal(from: try entry(text, log))
    withState { state in
      _ = state.journal.withLog(name) {
        if call == "truncate" { $0.truncate(before: ordinal) } else { $0.setTruncationPoint(ordinal) }
      }
    }
  }

  private func addFault(_ body: JSONObject) throws {
    let milliseconds = body.integer("milliseconds"), code = body.integer("code")
    let reason = body.text("reason")
    let action: CallFaults.Action
    switch body.text("action") {
    case "delay": action = .delay(milliseconds: milliseconds)
    case "delay-answer": action = .delayAnswer(milliseconds: milliseconds)
    case "drop": action = .drop
    case "drop-answer": action = .dropAnswer
    case "twice": action = .twice
    case "hang": action = .hang
    case "status": action = .status(Refusal(Int32(clamping: code), reason))
    case "rate-limit":
      action = .status(
        Refusal(
          8, "request is rejected by grpc RateLimiter middleware: rate limit exceeded[rate=1]", legacy: 49))
    case "rpc": action = .rpc(RPCStatusCode(rawValue: Int(code)) ?? .unknown, reason)
    default:
      throw ControlError(
        "action: delay, delay-answer, drop, drop-answer, twice, hang, status, rate-limit or rpc")
    }
    let method = body.text("method")
    if !method.isEmpty, Method.named(method) == nil { throw ControlError("no method \(method)") }
    let count = body["count"] == nil ? 1 : Int(body.integer("count"))
    faults.addCallFault(
      action, method: method.isEmpty ? nil : method, count: count < 0 ? nil : count,
      skip: Int(body.integer("skip")))
  }

  // MARK: Looks and messages

  private func controlState() -> JSONObject {
    let dumps = watchers.count
    return withState { state in
      let pchannels: [JSONValue] = state.journal.logs.map { log in
        [
          "name": .string(log.name), "wal": .string(log.kind.description),
          "deliveries": .int(log.deliveries.count), "last_tick": .string(String(log.lastTick)),
          "last_id": .string(log.messageID(log.nextOrdinal - 1).text),
          "first_readable_id": .string(log.messageID(min(log.firstReadable, log.nextOrdinal - 1)).text),
        ]
      }
      return [
        "role": .string(state.isDead ? "dead" : state.replication.isSecondary ? "secondary" : "primary"),
        "cluster_id": .string(state.journal.clusterID),
        "control_channel": .string(state.journal.controlChannel),
        "pchannels": .array(pchannels), "dumps": .int(dumps),
        "rows": .int(state.rows.values.reduce(0) { $0 + $1.rowCount }),
      ]
    }
  }

  private func append(_ body: JSONObject) throws -> JSONObject {
    let name = try pchannel(body)
    guard let bytes = Base64.decode(body.text("message")) else { throw ControlError("message is not base64") }
    let isRaw = body.flag("raw")
    let draft: LogDraft? = isRaw ? nil : try LogDraft(immutableMessage: bytes)
    let id = withState { state -> LogMessageID in
      state.journal.append(to: name, oracle: &state.oracle, draft: draft, raw: bytes)
      let log = state.journal.logs.first { $0.name == name }
      return log.map { $0.messageID($0.nextOrdinal - 1) } ?? LogMessageID("", .unknown)
    }
    return ["id": .string(id.text), "wal": .string(id.kind.description)]
  }
}

extension LogDraft {
  /// What stands in a message, without what the log gives it.
  init(immutableMessage bytes: [UInt8]) throws {
    let message: LogMessage
    do { message = try LogMessage(immutableMessage: bytes) } catch {
      throw Sandbox.ControlError("message is no log message: \(error.reason)")
    }
    self.init(type: message.type, channel: message.vchannel)
    header = Array(message.header)
    body = Array(message.payload)
    broadcast = message.broadcast
    transaction = message.transaction
    isPchannelLevel = message.isPchannelLevel
    replicate = message.replicate
    version = message.version
    others = message.properties.filter { !Self.written.contains($0.key) }.map {
      KeyValuePair($0.key, $0.value)
    }
  }
  /// Properties that a draft has members for, or that the log writes.
  private static let written: Set<String> = [
    "_h", "_lc", "_lcs", "_t", "_tt", "_v", "_vc", "_bh", "_tx", "_pcl", "_btt", "_wt", "_rh",
  ]
}
