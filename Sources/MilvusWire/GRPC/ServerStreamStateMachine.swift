/// What a request's header block says.
package struct RequestHead: Equatable, Sendable {
  /// `/package.Service/Method`.
  package var path: String
  package var authority: String
  package var metadata: Metadata
  /// What is left for the call when it arrives; nil: the client set no deadline.
  package var timeout: Duration?
  /// The `grpc-encoding` of the client's messages, where it named one, and what it can unpack.
  package var encodings = MessageEncodings()
  var encoding: String? { encodings.used }
}

/// The life of one RPC as its server sees it (gRPC PROTOCOL-HTTP2 "Requests", "Responses"). Pure.
///
/// | Receiving half | Entered by                          | Exits to                                     |
/// |----------------|-------------------------------------|----------------------------------------------|
/// | awaitingHead   | init                                | messages, ended (request refused)            |
/// | messages       | request headers                     | ended (END_STREAM, reset)                    |
/// | ended          | END_STREAM, reset, our status       | —                                            |
///
/// | Sending half   | Entered by                          | Exits to                                     |
/// |----------------|-------------------------------------|----------------------------------------------|
/// | nothingSent    | init                                | headersSent, finished (trailers-only, reset) |
/// | headersSent    | first message or initial metadata   | finished (trailers, reset)                   |
/// | finished       | our status, the client's reset      | —                                            |
///
/// *Peer violations* (bad headers, an end inside a message) finish the call with a status. *Tolerated*: no `te`, DATA after
/// our status (it raced), trailers of the client (they only end its half).
struct ServerStreamStateMachine: Equatable {
  enum OnHead: Equatable {
    case accept(RequestHead)
    /// Not a gRPC request, or one that cannot be understood: answer with these headers alone.
    case refuse(HeaderList)
    case none
  }

  enum OnSend: Equatable {
    /// The response headers go first.
    case headersFirst
    case send
    /// The call is over: there is nobody to send to.
    case drop
  }

  enum OnFinish: Equatable {
    case trailersOnly(HeaderList)
    case trailers(HeaderList)
    case drop
  }

  private enum Receiving: Equatable { case awaitingHead, messages, ended }
  private enum Sending: Equatable { case nothingSent, headersSent, finished }

  private var receiving = Receiving.awaitingHead
  private var sending = Sending.nothingSent

  var isReceiveEnded: Bool { receiving == .ended }
  var isFinished: Bool { sending == .finished }

  mutating func received(headers: HeaderList, isEnd: Bool) -> OnHead {
    switch receiving {
    case .ended: return .none
    case .messages:
      if isEnd { receiving = .ended }
      return .none
    case .awaitingHead:
      receiving = isEnd ? .ended : .messages
      let verdict = ServerStreamStateMachine.judge(headers)
      if case .refuse = verdict { sending = .finished }
      return verdict
    }
  }

  mutating func receivedEnd() { receiving = .ended }

  /// RST_STREAM, or the end of the connection. True where the handler must be told.
  mutating func receivedReset() -> Bool {
    defer { (receiving, sending) = (.ended, .finished) }
    return sending != .finished
  }

  mutating func sendMessage() -> OnSend {
    switch sending {
    case .nothingSent:
      sending = .headersSent
      return .headersFirst
    case .headersSent: return .send
    case .finished: return .drop
    }
  }

  /// Our status ends both halves: what the client still sends is not wanted.
  mutating func finish(_ status: RPCStatus) -> OnFinish {
    switch sending {
    case .finished: return .drop
    case .nothingSent:
      sending = .finished
      return .trailersOnly(ServerStreamStateMachine.trailers(status, isOnly: true))
    case .headersSent:
      sending = .finished
      return .trailers(ServerStreamStateMachine.trailers(status, isOnly: false))
    }
  }

  static let responseHeaders: HeaderList = [
    ":status": "200", "content-type": "application/grpc", "grpc-accept-encoding": "identity",
  ]

  /// Metadata that cannot be sent is left out: a status must always arrive.
  private static func trailers(_ status: RPCStatus, isOnly: Bool) -> HeaderList {
    var headers = isOnly ? responseHeaders : HeaderList()
    headers.append("grpc-status", "\(status.code.rawValue)")
    if !status.message.isEmpty { headers.append("grpc-message", StatusMessage.encode(status.message)) }
    var complete = headers
    let isSendable = (try? status.trailers.appendFields(to: &complete, bytesMax: 8 << 10)) != nil
    return isSendable ? complete : headers
  }

  private static func judge(_ headers: HeaderList) -> OnHead {
    guard headers[":method"] == "POST" else { return .refuse([":status": "405", "allow": "POST"]) }
    guard ClientStreamStateMachine.isGRPC(contentType: headers["content-type"]) else {
      return .refuse([":status": "415"])
    }
    guard let path = headers[":path"], path.hasPrefix("/") else {
      return refuse(.unimplemented, "malformed method name")
    }
    var timeout: Duration?
    if let text = headers["grpc-timeout"] {
      guard let duration = Deadline.decode(text) else { return refuse(.internal, "malformed grpc-timeout") }
      timeout = duration
    }
    do throws(Metadata.Failure) {
      return .accept(
        RequestHead(
          path: path, authority: headers[":authority"] ?? "", metadata: try Metadata(received: headers),
          timeout: timeout, encodings: MessageEncodings(received: headers)))
    } catch {
      return refuse(.internal, error.message)
    }
  }

  private static func refuse(_ code: RPCStatusCode, _ message: String) -> OnHead {
    .refuse(trailers(RPCStatus(code, message), isOnly: true))
  }
}
