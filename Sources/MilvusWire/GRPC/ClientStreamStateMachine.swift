/// The life of one RPC as its client sees it (gRPC PROTOCOL-HTTP2 "Responses"). Pure: method in, action out.
///
/// | Receiving half  | Entered by                | Exits to                                             |
/// |-----------------|---------------------------|------------------------------------------------------|
/// | awaitingHeaders | init                      | messages (headers), finished (trailers-only, reset)  |
/// | messages        | response headers          | finished (trailers, reset, end without trailers)     |
/// | finished        | the first outcome         | —                                                    |
///
/// The sending half is open until `closeSend`, or until the receiving half is finished.
/// *Peer violations* (DATA before headers, a bad content type, a missing status, an end inside a message) finish the call
/// with a status of our own and ask for a reset. *Tolerated*: any frame after the outcome (it raced with our
/// cancellation), informational 1xx headers, an unknown `grpc-status` number (becomes UNKNOWN).
/// The first outcome wins.
struct ClientStreamStateMachine: Equatable {
  /// What the shell does with an input. `reset` carries the code for RST_STREAM where the stream is still open.
  enum Action: Equatable {
    case none
    case initialMetadata(Metadata)
    case finish(RPCStatus)
    case fail(RPCError, reset: HTTP2ErrorCode?)
  }

  private enum Receiving: Equatable {
    case awaitingHeaders
    case messages(encoding: String?)
    case finished
  }

  private var receiving = Receiving.awaitingHeaders
  private(set) var isSendClosed = false

  var isFinished: Bool { receiving == .finished }

  /// The `grpc-encoding` that the server announced.
  var encoding: String? {
    switch receiving {
    case .messages(let encoding): encoding
    case .awaitingHeaders, .finished: nil
    }
  }

  /// True where DATA may be deframed now.
  var isReceivingMessages: Bool {
    switch receiving {
    case .messages: true
    case .awaitingHeaders, .finished: false
    }
  }

  /// False where nothing may be sent any more.
  var canSend: Bool { !isSendClosed && !isFinished }

  mutating func closedSend() { isSendClosed = true }

  /// A header block that is not known to be trailers; `isEnd` is END_STREAM.
  mutating func received(headers: HeaderList, isEnd: Bool) -> Action {
    switch receiving {
    case .finished:
      return .none
    case .messages:
      return isEnd
        ? finish(trailers: headers)
        : violation("the server sent headers twice")
    case .awaitingHeaders:
      guard let status = headers[":status"].flatMap({ Int($0) }) else {
        return violation("the server's response has no HTTP status")
      }
      if (100..<200).contains(status) { return .none }
      guard status == 200, ClientStreamStateMachine.isGRPC(contentType: headers["content-type"]) else {
        return refuse(headers, httpStatus: status, isEnd: isEnd)
      }
      if isEnd { return finish(trailers: headers) }
      receiving = .messages(encoding: headers["grpc-encoding"])
      do {
        return .initialMetadata(try Metadata(received: headers))
      } catch {
        return violation(error.message)
      }
    }
  }

  /// Whether DATA belongs to a message; what is wrong with it otherwise.
  mutating func receivedData() -> Action {
    switch receiving {
    case .messages, .finished: .none
    case .awaitingHeaders: violation("the server sent a message before its headers")
    }
  }

  /// DATA with END_STREAM: a gRPC server ends a stream with trailers.
  mutating func receivedEnd() -> Action {
    switch receiving {
    case .finished:
      return .none
    case .awaitingHeaders, .messages:
      receiving = .finished
      return .fail(
        RPCError(.internal, "the server ended the call without a status", initiator: .local),
        reset: isSendClosed ? nil : .noError)
    }
  }

  /// RST_STREAM, or the library's own end of the stream after a violation of HTTP/2 by the server.
  mutating func received(reset code: HTTP2ErrorCode) -> Action {
    guard !isFinished else { return .none }
    receiving = .finished
    return .fail(
      RPCError(
        RPCStatusCode(reset: code), "the server reset the call (\(code))", initiator: .remote,
        isUnsent: code == .refusedStream),
      reset: nil)
  }

  /// Ends the call from this side: a deadline, a cancellation, a limit, a message that cannot be read.
  mutating func fail(_ error: RPCError, reset: HTTP2ErrorCode?) -> Action {
    guard !isFinished else { return .none }
    receiving = .finished
    return .fail(error, reset: reset)
  }

  /// `application/grpc`, alone or followed by `+` or `;` (gRPC PROTOCOL-HTTP2 "Content-Type").
  static func isGRPC(contentType: String?) -> Bool {
    guard let contentType, contentType.hasPrefix("application/grpc") else { return false }
    guard let next = contentType.utf8.dropFirst("application/grpc".utf8.count).first else { return true }
    return next == UInt8(ascii: "+") || next == UInt8(ascii: ";")
  }

  /// A response of something that is not a gRPC server. A proxy may still add `grpc-status`, which then counts.
  private mutating func refuse(_ headers: HeaderList, httpStatus: Int, isEnd: Bool) -> Action {
    receiving = .finished
    let reset: HTTP2ErrorCode? = isEnd && isSendClosed ? nil : .cancel
    if headers["grpc-status"] != nil {
      let status = ClientStreamStateMachine.status(of: headers)
      if status.code != .ok {
        return .fail(RPCError(status.code, status.message, initiator: .remote), reset: reset)
      }
    }
    let type = headers["content-type"].map { "content type \($0.prefix(100).debugDescription)" } ?? "no content type"
    return .fail(
      RPCError(
        RPCStatusCode(httpStatus: httpStatus),
        "the server answered HTTP \(httpStatus) with \(type), not gRPC", initiator: .remote),
      reset: reset)
  }

  private mutating func finish(trailers: HeaderList) -> Action {
    receiving = .finished
    return .finish(ClientStreamStateMachine.status(of: trailers))
  }

  private mutating func violation(_ message: String) -> Action {
    receiving = .finished
    return .fail(RPCError(.internal, message, initiator: .local), reset: .protocolError)
  }

  /// The status that trailers carry. A number above 16 is UNKNOWN, a missing or unreadable one too, with a text that says so.
  private static func status(of trailers: HeaderList) -> RPCStatus {
    let message = trailers["grpc-message"].map(StatusMessage.decode) ?? ""
    guard let text = trailers["grpc-status"] else {
      return RPCStatus(.unknown, "the server's trailers have no grpc-status")
    }
    guard let number = Int(text), let code = RPCStatusCode(rawValue: number) else {
      let said = message.isEmpty ? "" : ": \(message)"
      return RPCStatus(.unknown, "grpc-status \(text.prefix(20).debugDescription)\(said)")
    }
    // A malformed binary trailer must not hide the status; the metadata is what is lost.
    let metadata = (try? Metadata(received: trailers)) ?? [:]
    return RPCStatus(code, message, trailers: metadata)
  }
}
