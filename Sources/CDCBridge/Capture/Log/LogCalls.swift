internal import MilvusWire

/// The calls of a `MilvusLog` with a time limit each: a peer that accepts and never answers is an answer too (D20).
struct LogCalls: Sendable {
  /// What a bounded dump said.
  enum Answer: Sendable {
    /// The first message that was looked for; nothing behind it was read.
    case message(LogMessage)
    /// The dump ended by itself: nothing that was looked for lies in it.
    case end
  }
  /// A timestamp this old still serves as an upper bound.
  private static let timestampAge: Duration = .milliseconds(500)

  let log: any MilvusLog
  let limits: LogLimits
  let time: RunnerTime
  private let proofs: Turnstile
  private let clock = Turnstile()
  private let lastTimestamp = Locked<(answer: Result<TimeTick, CallError>, at: ContinuousClock.Instant)?>(nil)

  init(log: any MilvusLog, limits: LogLimits, time: RunnerTime) {
    self.log = log
    self.limits = limits
    self.time = time
    proofs = Turnstile(limits.proofsMax)
  }

  /// A timestamp of the source, at most half a second old: one call serves all pchannels. An upper bound only; ticks of later messages
  /// may lie below it (`wal-protocol.md` §4.4).
  func timestamp() async throws(CallError) -> TimeTick {
    let asked = time.now()
    guard await clock.enter() else { throw Self.cancelled(log.peer) }
    defer { clock.leave() }
    if let last = lastTimestamp.withLock({ $0 }) {
      switch last.answer {
      case .success(let tick): if time.now() - last.at <= Self.timestampAge { return tick }
      // Who waited for the call that failed need not make it again.
      case .failure(let error): if last.at >= asked { throw error }
      }
    }
    let log = log
    do throws(CallError) {
      let started = time.now()
      let tick = try await within(limits.call, "AllocTimestamp") { () async throws(CallError) in
        try await log.allocTimestamp()
      }
      lastTimestamp.withLock { $0 = (.success(tick), started) }
      return tick
    } catch {
      // The asker's own end is no answer of the source.
      if !Task.isCancelled { lastTimestamp.withLock { [error] in $0 = (.failure(error), time.now()) } }
      throw error
    }
  }

  func flushAll() async throws(CallError) -> FlushAllAnswer {
    let log = log
    return try await within(limits.flush, "FlushAll") { () async throws(CallError) in try await log.flushAll()
    }
  }

  /// Opens a stream that the caller reads.
  func open(_ request: DumpRequest) async throws(CallError) -> any DumpStream {
    let log = log
    return try await within(limits.open, "DumpMessages") { () async throws(CallError) in
      try await log.dump(request)
    }
  }

  /// Reads a bounded dump up to the first message that `isWanted`.
  func ask(
    _ request: DumpRequest, within limit: Duration, for isWanted: @escaping @Sendable (LogMessage) -> Bool
  ) async throws(CallError) -> Answer {
    guard await proofs.enter() else { throw Self.cancelled(log.peer) }
    defer { proofs.leave() }
    let log = log
    return try await within(limit, "DumpMessages") { () async throws(CallError) in
      let stream = try await log.dump(request)
      while let message = try await stream.next() {
        if isWanted(message) {
          await stream.cancel()
          return .message(message)
        }
      }
      return .end
    }
  }

  /// Runs a call; cancels it when the limit passes, and waits for its end.
  private func within<Value: Sendable>(
    _ limit: Duration, _ method: String, _ body: @escaping @Sendable () async throws(CallError) -> Value
  ) async throws(CallError) -> Value {
    let time = time
    let result = await withTaskGroup(of: Result<Value, CallError>?.self) { group in
      group.addTask {
        do throws(CallError) { return .success(try await body()) } catch { return .failure(error) }
      }
      group.addTask {
        _ = await time.sleep(limit)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      guard first == nil, let late = await group.next() ?? nil, case .success = late else { return first }
      return late
    }
    if let result { return try result.get() }
    if Task.isCancelled { throw Self.cancelled(log.peer) }
    throw .rpc(
      RPCError(.deadlineExceeded, "no answer within \(limit.spelled)", initiator: .local, peer: log.peer),
      method: method)
  }

  private static func cancelled(_ peer: String) -> CallError {
    .rpc(
      RPCError(.cancelled, "the call was cancelled", initiator: .local, peer: peer), method: "DumpMessages")
  }
}
