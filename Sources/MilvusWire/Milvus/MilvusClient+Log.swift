/// The log side of a real cluster (`wal-protocol.md` §5, §7.1 to §7.3).
extension MilvusClient: MilvusLog {
  package func flushAll() async throws(CallError) -> FlushAllAnswer {
    try await call("FlushAll", timeout: deadlines.change, { [] }) { (answer) throws(ProtobufError) in
      try FlushAllAnswer(answer)
    }
  }

  package func replicateInfo(sourceClusterID: String, targetPchannel: String) async throws(CallError)
    -> ReplicateInfo
  {
    var request = WireWriter()
    request.textUnlessEmpty(1, sourceClusterID)
    request.textUnlessEmpty(2, targetPchannel)
    return try await call("GetReplicateInfo", { request.bytes }) { (answer) throws(ProtobufError) in
      try ReplicateInfo(encoded: answer)
    }
  }

  package func replicateConfiguration() async throws(CallError) -> ReplicateConfiguration? {
    do throws(CallError) {
      return try await call("GetReplicateConfiguration", timeout: deadlines.configuration, { [] }) {
        (answer) throws(ProtobufError) in try ReplicateConfigurationAnswer(encoded: answer).configuration
      }
    } catch {
      guard error.saysNotConfigured else { throw error }
      return nil
    }
  }

  package func dump(_ request: DumpRequest) async throws(CallError) -> any DumpStream {
    guard let method = Method.named("DumpMessages") else {
      preconditionFailure("no method DumpMessages in protos/")
    }
    let limit = deadlines.metadata
    let (caller, metadata, timeout) = (caller, metadata, deadlines.dump)
    let late = RPCError(
      .deadlineExceeded, "no stream within \(limit.spelled)", initiator: .local, peer: peer, isUnsent: true)
    do throws(RPCError) {
      let answers = try await Self.open(within: limit, late: late) { () throws(RPCError) in
        try await caller.serverStream(
          path: method.path, message: request.encoded, metadata: metadata, timeout: timeout)
      }
      return MilvusDumpStream(answers: answers, method: method.name)
    } catch {
      throw CallError.rpc(error, method: method.name)
    }
  }

  /// What `open` gives unless the time is up before; then it is cancelled.
  private static func open(
    within limit: Duration, late: RPCError,
    _ open: @escaping @Sendable () async throws(RPCError) -> any AnswerStream
  ) async throws(RPCError) -> any AnswerStream {
    let result = await withTaskGroup(of: Result<any AnswerStream, RPCError>?.self) { group in
      group.addTask {
        do throws(RPCError) {
          return .success(try await open())
        } catch {
          return .failure(error)
        }
      }
      group.addTask {
        do {
          try await Task.sleep(for: limit)
          return .failure(late)
        } catch {
          // Cancelled: opening ends with an error of its own.
          return nil
        }
      }
      var result: Result<any AnswerStream, RPCError> = .failure(late)
      while let next = await group.next() {
        guard let next else { continue }
        result = next
        break
      }
      group.cancelAll()
      return result
    }
    return try result.get()
  }
}

/// A dump over a real call.
final class MilvusDumpStream: DumpStream {
  private let answers: any AnswerStream
  private let method: String
  /// What came behind messages that were given out first.
  private let failure = Locked<CallError?>(nil)

  init(answers: any AnswerStream, method: String) {
    self.answers = answers
    self.method = method
  }

  func next() async throws(CallError) -> LogMessage? {
    while true {
      let answer: [UInt8]?
      do throws(RPCError) {
        answer = try await answers.receive()
      } catch {
        throw CallError.rpc(error, method: method)
      }
      guard let answer else { return nil }
      do throws(CallError) {
        if let message = try message(ReceivedMessage(bytes: answer, range: 0..<answer.count)) { return message }
      } catch {
        await answers.cancel()
        throw error
      }
    }
  }

  func next(bytesMax: Int) async throws(CallError) -> [LogMessage] {
    if let failure = failure.withLock({ $0 }) { throw failure }
    while true {
      let received: [ReceivedMessage]
      do throws(RPCError) {
        received = try await answers.receive(bytesMax: bytesMax)
      } catch {
        throw CallError.rpc(error, method: method)
      }
      guard !received.isEmpty else { return [] }
      var messages: [LogMessage] = []
      messages.reserveCapacity(received.count)
      do throws(CallError) {
        for answer in received {
          if let message = try message(answer) { messages.append(message) }
        }
      } catch {
        await answers.cancel()
        if messages.isEmpty { throw error }
        failure.withLock { [error] in $0 = error }
      }
      if !messages.isEmpty { return messages }
    }
  }

  /// nil for an answer that says nothing.
  private func message(_ answer: ReceivedMessage) throws(CallError) -> LogMessage? {
    let response: DumpResponse
    do throws(LogMessageError) {
      response = try DumpResponse(answer.bytes, in: answer.range)
    } catch {
      throw CallError.malformed(method: method, what: error.description)
    }
    switch response {
    case .message(let message): return message
    case .status(let status) where !status.isSuccess: throw CallError.status(status, method: method)
    case .status, .nothing: return nil
    }
  }

  func cancel() async { await answers.cancel() }
}

/// `GetReplicateConfigurationResponse`; its Status is read before.
private struct ReplicateConfigurationAnswer: LogRecord {
  var configuration: ReplicateConfiguration?
  static let members: [LogMember<Self>] = [.record(2, \.configuration)]
}

extension CallError {
  /// How a cluster without a replicate configuration answers: not before the deadline, or with the end of its own
  /// wait as code 10000 (§7.3). A server that was not reached says nothing.
  fileprivate var saysNotConfigured: Bool {
    switch self {
    case .rpc(let error, _): error.code == .deadlineExceeded && !error.isUnsent
    case .status(let status, _): status.code == 10000
    case .malformed: false
    }
  }
}
