internal import Testing

@testable internal import MilvusWire

@Suite struct ClientStreamStateMachineTests {
  private static let headers: HeaderList = [":status": "200", "content-type": "application/grpc", "x": "y"]

  private func code(_ action: ClientStreamStateMachine.Action) -> RPCStatusCode? {
    switch action {
    case .finish(let status): status.code
    case .fail(let error, _): error.code
    case .none, .initialMetadata: nil
    }
  }

  @Test func `headers, data, trailers`() {
    var machine = ClientStreamStateMachine()
    #expect(machine.received(headers: Self.headers, isEnd: false) == .initialMetadata(["x": "y"]))
    #expect(machine.isReceivingMessages)
    #expect(machine.receivedData() == .none)
    let trailers: HeaderList = ["grpc-status": "5", "grpc-message": "no%20row", "t": "u"]
    #expect(
      machine.received(headers: trailers, isEnd: true) == .finish(RPCStatus(.notFound, "no row", trailers: ["t": "u"])))
    #expect(machine.isFinished && !machine.canSend)
  }

  @Test func `informational headers are skipped`() {
    var machine = ClientStreamStateMachine()
    #expect(machine.received(headers: [":status": "103"], isEnd: false) == .none)
    #expect(machine.received(headers: Self.headers, isEnd: false) == .initialMetadata(["x": "y"]))
  }

  @Test func `trailers-only carries a status`() {
    var machine = ClientStreamStateMachine()
    let only: HeaderList = [":status": "200", "content-type": "application/grpc+proto", "grpc-status": "12"]
    #expect(machine.received(headers: only, isEnd: true) == .finish(RPCStatus(.unimplemented)))
  }

  @Test(arguments: [
    ("400", RPCStatusCode.internal), ("401", .unauthenticated), ("403", .permissionDenied), ("404", .unimplemented),
    ("429", .unavailable), ("502", .unavailable), ("503", .unavailable), ("504", .unavailable), ("500", .unknown),
    ("302", .unknown), ("200", .unknown),
  ])
  func `an answer that is not gRPC becomes the code of its HTTP status`(status: String, expected: RPCStatusCode) {
    var machine = ClientStreamStateMachine()
    let action = machine.received(headers: [":status": status, "content-type": "text/html"], isEnd: false)
    #expect(code(action) == expected)
    #expect(machine.received(headers: ["grpc-status": "0"], isEnd: true) == .none, "the first outcome wins")
  }

  @Test(arguments: [
    (HTTP2ErrorCode.noError, RPCStatusCode.internal), (.protocolError, .internal), (.internalError, .internal),
    (.flowControlError, .internal), (.refusedStream, .unavailable), (.cancel, .cancelled),
    (.enhanceYourCalm, .resourceExhausted), (.inadequateSecurity, .permissionDenied), (.init(rawValue: 77), .internal),
  ])
  func `a reset becomes a code, and only a refused stream is unsent`(reset: HTTP2ErrorCode, expected: RPCStatusCode) {
    var machine = ClientStreamStateMachine()
    guard case .fail(let error, reset: nil) = machine.received(reset: reset) else {
      Issue.record("a reset must fail the call")
      return
    }
    #expect(error.code == expected)
    #expect(error.isUnsent == (reset == .refusedStream))
  }

  @Test(arguments: [("", RPCStatusCode.unknown), ("x", .unknown), ("17", .unknown), ("-1", .unknown), ("16", .unauthenticated)])
  func `an unreadable status is UNKNOWN`(text: String, expected: RPCStatusCode) {
    var machine = ClientStreamStateMachine()
    _ = machine.received(headers: Self.headers, isEnd: false)
    #expect(code(machine.received(headers: ["grpc-status": text], isEnd: true)) == expected)
  }

  @Test func `violations of gRPC fail the call and reset the stream`() {
    var early = ClientStreamStateMachine()
    #expect(code(early.receivedData()) == .internal)
    var twice = ClientStreamStateMachine()
    _ = twice.received(headers: Self.headers, isEnd: false)
    #expect(code(twice.received(headers: Self.headers, isEnd: false)) == .internal)
    var ended = ClientStreamStateMachine()
    _ = ended.received(headers: Self.headers, isEnd: false)
    #expect(code(ended.receivedEnd()) == .internal)
  }

  @Test func `our own end comes first and stays`() {
    var machine = ClientStreamStateMachine()
    let error = RPCError(.deadlineExceeded, "late", initiator: .local)
    #expect(machine.fail(error, reset: .cancel) == .fail(error, reset: .cancel))
    #expect(machine.received(headers: Self.headers, isEnd: true) == .none)
    #expect(machine.received(reset: .internalError) == .none)
    #expect(machine.receivedData() == .none)
    #expect(machine.receivedEnd() == .none)
    #expect(machine.fail(error, reset: .cancel) == .none)
  }

  @Test(arguments: [
    ("application/grpc", true), ("application/grpc+proto", true), ("application/grpc;x", true),
    ("application/grpc-web", false), ("application/json", false), ("", false),
  ])
  func `the content type is checked whole`(type: String, isGRPC: Bool) {
    #expect(ClientStreamStateMachine.isGRPC(contentType: type) == isGRPC)
  }
}

@Suite struct ServerStreamStateMachineTests {
  private static let request: HeaderList = [
    ":method": "POST", ":path": "/s/m", ":authority": "a", "content-type": "application/grpc", "te": "trailers",
    "grpc-timeout": "2S", "x": "y",
  ]

  private func refusal(_ change: (inout HeaderList) -> Void) -> HeaderList? {
    var headers = HeaderList()
    change(&headers)
    for field in Self.request.fields where headers[field.name] == nil { headers.append(field.name, field.value) }
    var machine = ServerStreamStateMachine()
    guard case .refuse(let answer) = machine.received(headers: headers, isEnd: false) else { return nil }
    #expect(machine.sendMessage() == .drop)
    return answer
  }

  @Test func `a request, messages, a status`() {
    var machine = ServerStreamStateMachine()
    let head = RequestHead(path: "/s/m", authority: "a", metadata: ["x": "y"], timeout: .seconds(2))
    #expect(machine.received(headers: Self.request, isEnd: false) == .accept(head))
    #expect(machine.sendMessage() == .headersFirst)
    #expect(machine.sendMessage() == .send)
    #expect(
      machine.finish(RPCStatus(.aborted, "é", trailers: ["t": "u"]))
        == .trailers(["grpc-status": "10", "grpc-message": "%C3%A9", "t": "u"]))
    #expect(machine.finish(.ok) == .drop)
    #expect(machine.sendMessage() == .drop)
  }

  @Test func `a status before any message is trailers-only`() {
    var machine = ServerStreamStateMachine()
    _ = machine.received(headers: Self.request, isEnd: true)
    guard case .trailersOnly(let headers) = machine.finish(RPCStatus(.notFound)) else {
      Issue.record("expected trailers-only")
      return
    }
    #expect(headers[":status"] == "200" && headers["grpc-status"] == "5")
  }

  @Test func `trailers that cannot be sent do not cost the status`() {
    var machine = ServerStreamStateMachine()
    _ = machine.received(headers: Self.request, isEnd: true)
    _ = machine.sendMessage()
    #expect(machine.finish(RPCStatus(.ok, trailers: ["grpc-status": "9"])) == .trailers(["grpc-status": "0"]))
  }

  @Test func `requests that are not gRPC are answered as HTTP says`() {
    #expect(refusal { $0.append(":method", "GET") }?[":status"] == "405")
    #expect(refusal { $0.append("content-type", "text/plain") }?[":status"] == "415")
    #expect(refusal { $0.append(":path", "none") }?["grpc-status"] == "12")
    #expect(refusal { $0.append("grpc-timeout", "soon") }?["grpc-status"] == "13")
    #expect(refusal { $0.append("x-bin", "?") }?["grpc-status"] == "13")
  }

  @Test func `a reset is told once`() {
    var machine = ServerStreamStateMachine()
    _ = machine.received(headers: Self.request, isEnd: false)
    let (first, second) = (machine.receivedReset(), machine.receivedReset())
    #expect(first)
    #expect(!second)
    #expect(machine.finish(.ok) == .drop)
  }
}
