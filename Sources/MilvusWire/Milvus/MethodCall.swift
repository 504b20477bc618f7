/// One call of any method of `protos/`, of any of the four kinds, with encoded messages.
package struct MethodCall: Sendable {
  package let method: Method
  package let requestType: MessageDescriptor
  package let answerType: MessageDescriptor

  /// nil where `protos/` lacks a message type of the method, which its generator rules out.
  package init?(_ method: Method) {
    guard let request = MessageDescriptor(named: method.requestType),
      let answer = MessageDescriptor(named: method.responseType)
    else { return nil }
    self.method = method
    requestType = request
    answerType = answer
  }

  /// Sends what `request` gives until it gives nil, and hands every answer to `take`, both at the same time. Ends with the call.
  ///
  /// Taking an answer returns its flow-control window. Throws every status but OK as an `RPCError`, and what the closures throw; the call is then
  /// over. Nobody asks for more requests once the server has ended the call.
  package func run(
    on channel: RPCChannel, metadata: Metadata, timeout: Duration,
    request: @escaping @Sendable () async throws -> [UInt8]?,
    take: @escaping @Sendable ([UInt8]) async throws -> Void
  ) async throws {
    let call = try await channel.open(path: method.path, metadata: metadata, timeout: timeout)
    enum Side { case sent, received }
    try await withThrowingTaskGroup(of: Side.self) { group in
      group.addTask {
        do {
          while let message = try await request() { try await call.send(message) }
          try Task.checkCancellation()
          try await call.closeSend()
        } catch is RPCError {
          // The receiving side says how the call ended.
        } catch is CancellationError {}
        return .sent
      }
      group.addTask {
        while let message = try await call.receive() { try await take(message) }
        return .received
      }
      // Leaving by an error cancels the other side, and with it the call.
      for try await side in group {
        if side == .received { group.cancelAll() }
      }
    }
  }

  /// The methods of all services that a person may have meant, nearest first.
  package static func nearest(to name: String, countMax: Int = 3) -> [String] {
    let bare = name.split(whereSeparator: { $0 == "/" || $0 == "." }).last.map(String.init) ?? name
    return NearestName.nearest(bare, among: Method.all.map(\.name), countMax: countMax)
  }
}

extension Method {
  /// The kinds of calls that gRPC has.
  package enum Kind: String, Sendable, CaseIterable {
    case unary, clientStreaming, serverStreaming, bidirectional
    package var text: String {
      switch self {
      case .unary: "unary"
      case .clientStreaming: "client streaming"
      case .serverStreaming: "server streaming"
      case .bidirectional: "bidirectional"
      }
    }
  }
  package var kind: Kind {
    switch (clientStreaming, serverStreaming) {
    case (false, false): .unary
    case (true, false): .clientStreaming
    case (false, true): .serverStreaming
    case (true, true): .bidirectional
    }
  }
  /// First releases that have it.
  package var releases: String? { VersionHistory.releases(of: "\(service)/\(name)") }
}
