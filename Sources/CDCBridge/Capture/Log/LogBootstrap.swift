package import MilvusWire

/// The first start on a source's log (`wal-protocol.md` §7.1): one FlushAll tells channels, kind of log and start positions, and its own
/// message shows whether the server can be followed at all.
package struct LogBootstrap {
  private static let operation = "start at the log"
  private static let insteadOfLog = "create the task with capture=reconcile"

  /// Calls FlushAll once; it seals the cluster's growing segments, so this is for a task's first start only.
  package static func start(
    log: any MilvusLog, limits: LogLimits = LogLimits(), time: RunnerTime = .system
  ) async throws(BridgeError) -> LogStart {
    let calls = LogCalls(log: log, limits: limits, time: time)
    let answer: FlushAllAnswer
    do throws(CallError) { answer = try await calls.flushAll() } catch { throw refusal(of: error) }
    let start = try read(answer)
    try await prove(start, answer, calls)
    return start
  }

  /// What the answer says, checked. Pure.
  package static func read(_ answer: FlushAllAnswer) throws(BridgeError) -> LogStart {
    guard !answer.pchannels.isEmpty, !answer.messages.isEmpty else {
      throw unusable("the source's FlushAll does not tell its channels: it is older than 2.6.8")
    }
    guard !answer.controlChannel.isEmpty,
      answer.pchannels.contains(ChannelName.pchannel(of: answer.controlChannel))
    else {
      throw unusable("the source's FlushAll does not tell which channel carries schema changes")
    }
    var positions: [String: LogPosition] = [:]
    for pchannel in answer.pchannels {
      guard let message = answer.messages[pchannel] else {
        throw unusable("the source's FlushAll gives no position for \(pchannel)")
      }
      let position = LogPosition(after: message)
      guard position.isReadable, message.id.kind != .unknown else {
        throw unusable("the source writes a log (\(message.id.kind)) that the bridge does not know")
      }
      positions[pchannel] = position
    }
    // All channels of a cluster have one prefix; where they do not, it names no cluster.
    let ids = Set(answer.pchannels.map { ChannelName.replicationID(ofPchannel: $0) })
    return LogStart(
      replicationID: ids.count == 1 ? ids.first ?? nil : nil, controlChannel: answer.controlChannel,
      pchannels: answer.pchannels, positions: positions)
  }

  // MARK: The version floor

  /// A dump from the FlushAll message's own id, inclusive, with both ticks its own, delivers exactly it where inclusive starts work
  /// (§1.2). Servers that do not know the field start behind it; those lose transactions as well.
  private static func prove(_ start: LogStart, _ answer: FlushAllAnswer, _ calls: LogCalls)
    async throws(BridgeError)
  {
    let pchannel = ChannelName.pchannel(of: start.controlChannel)
    guard let message = answer.messages[pchannel] else { return }
    let own = LogIDFormat.start(at: message.id)
    if try await shows(message, on: pchannel, from: own, calls) { return }
    if try await shows(message, on: pchannel, from: LogIDFormat.start(at: message.lastConfirmedID), calls) {
      throw unusable("the source leaves out the message that a dump starts with: it is older than 2.6.20")
    }
    throw BridgeError(
      .logUnusable, side: .source, operation: operation,
      message: "the source's log does not keep a message for as long as it takes to read it back",
      hint: "Give the log a retention (on Pulsar the namespace's), or \(insteadOfLog).")
  }

  private static func shows(
    _ message: LogMessage, on pchannel: String, from start: LogIDFormat.Start, _ calls: LogCalls
  ) async throws(BridgeError) -> Bool {
    let tick = message.timeTick
    let request = DumpRequest(
      pchannel: pchannel, start: start.id, isInclusive: start.isInclusive, startTick: tick, endTick: tick)
    do throws(CallError) {
      if case .message = try await calls.ask(
        request, within: calls.limits.proof, for: { $0.timeTick == tick })
      {
        return true
      }
      return false
    } catch {
      throw refusal(of: error)
    }
  }

  // MARK: Refusals

  /// UNIMPLEMENTED, credentials and a secondary need a person; the rest is the runner's to try again.
  private static func refusal(of cause: CallError) -> BridgeError {
    // A secondary says so with 65535 and words (§7.1); there is no code for it.
    if cause.milvusReason.lowercased().contains("not primary")
      || cause.milvusReason.contains("STREAMING_CODE_REPLICATE_VIOLATION")
    {
      return BridgeError(
        .logUnusable, side: .source, operation: operation,
        message: "the source is a standby in Milvus's own replication (not primary)",
        hint: "Give the task the primary's address, or promote the source, then resume the task.",
        cause: cause)
    }
    let policy = ErrorPolicy(sourceIsLite: false, targetIsLite: false)
    if case .stop(let error) = policy.decideLog(cause, operation: operation) { return error }
    return BridgeError(cause, side: .source, operation: operation)
  }

  private static func unusable(_ message: String) -> BridgeError {
    BridgeError(
      .logUnusable, side: .source, operation: operation, message: message,
      hint: "Upgrade the source to 2.6.20, 3.0.0 or later, or \(insteadOfLog).")
  }
}
