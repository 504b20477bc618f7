internal import MilvusWire

/// The gRPC project's interoperability cases, by the names and with the sizes of its test descriptions.
enum NamedCases {
  static let all: [String: ClientCommand.Case] = [
    "empty_unary": emptyUnary,
    "large_unary": largeUnary,
    "client_streaming": clientStreaming,
    "server_streaming": serverStreaming,
    "ping_pong": pingPong,
    "empty_stream": emptyStream,
    "timeout_on_sleeping_server": timeoutOnSleepingServer,
    "cancel_after_begin": cancelAfterBegin,
    "cancel_after_first_response": cancelAfterFirstResponse,
    "custom_metadata": customMetadata,
    "status_code_and_message": statusCodeAndMessage,
    "special_status_message": specialStatusMessage,
    "unimplemented_method": unimplementedMethod,
    "unimplemented_service": unimplementedService,
    "deadline_reaches_server": deadlineReachesServer,
  ]

  private static let requestSizes = [27182, 8, 1828, 45904]
  private static let responseSizes = [31415, 9, 2653, 58979]
  private static let echoInitial = "x-grpc-test-echo-initial"
  private static let echoTrailing = "x-grpc-test-echo-trailing-bin"

  private static func emptyUnary(_ context: ClientCommand.Context) async throws {
    try expect("response", try await context.unary("EmptyCall", []), [])
  }

  private static func largeUnary(_ context: ClientCommand.Context) async throws {
    let request = TestMessages.simpleRequest(responseSize: 314159, payloadBytes: 271828)
    let response = try await context.unary("UnaryCall", request)
    try expect("payload", try TestMessages.payloadBytes(ofResponse: response), 314159)
  }

  private static func clientStreaming(_ context: ClientCommand.Context) async throws {
    let call = try await context.open("StreamingInputCall")
    for size in requestSizes { try await call.send(TestMessages.withPayload(bytes: size)) }
    try await call.closeSend()
    try expect("aggregated size", try TestMessages.aggregatedSize(of: try await only(call)), 74922)
  }

  private static func serverStreaming(_ context: ClientCommand.Context) async throws {
    let call = try await context.open("StreamingOutputCall")
    try await call.send(TestMessages.outputRequest(sizes: responseSizes))
    try await call.closeSend()
    var sizes: [Int] = []
    while let message = try await call.receive() {
      sizes.append(try TestMessages.payloadBytes(ofResponse: message))
    }
    try expect("response sizes", sizes, responseSizes)
  }

  private static func pingPong(_ context: ClientCommand.Context) async throws {
    let call = try await context.open("FullDuplexCall")
    for (request, response) in zip(requestSizes, responseSizes) {
      try await call.send(TestMessages.outputRequest(sizes: [response], payloadBytes: request))
      guard let message = try await call.receive() else { throw CaseFailure("the call ended early") }
      try expect("response size", try TestMessages.payloadBytes(ofResponse: message), response)
    }
    try await call.closeSend()
    try expect("messages after the last", try await call.receive(), nil)
  }

  private static func emptyStream(_ context: ClientCommand.Context) async throws {
    let call = try await context.open("FullDuplexCall")
    try await call.closeSend()
    try expect("messages", try await call.receive(), nil)
    try expect("status", try await call.status().code, .ok)
  }

  private static func timeoutOnSleepingServer(_ context: ClientCommand.Context) async throws {
    // The connection is made first, so that the millisecond is spent on the call.
    try await emptyUnary(context)
    try await expectFailure(.deadlineExceeded) {
      let call = try await context.channel.open(
        path: "/grpc.testing.TestService/FullDuplexCall", timeout: .milliseconds(1))
      try await call.send(TestMessages.outputRequest(payloadBytes: 27182))
      _ = try await call.receive()
    }
  }

  private static func cancelAfterBegin(_ context: ClientCommand.Context) async throws {
    let call = try await context.open("StreamingInputCall")
    await call.cancel()
    try await expectFailure(.cancelled) { _ = try await call.status() }
  }

  private static func cancelAfterFirstResponse(_ context: ClientCommand.Context) async throws {
    let call = try await context.open("FullDuplexCall")
    try await call.send(TestMessages.outputRequest(sizes: [31415], payloadBytes: 27182))
    guard let message = try await call.receive() else { throw CaseFailure("the call ended early") }
    try expect("response size", try TestMessages.payloadBytes(ofResponse: message), 31415)
    await call.cancel()
    try await expectFailure(.cancelled) { _ = try await call.receive() }
    // The connection lives on.
    try await emptyUnary(context)
  }

  private static func customMetadata(_ context: ClientCommand.Context) async throws {
    var metadata: Metadata = [echoInitial: "test_initial_metadata_value"]
    metadata.append(echoTrailing, bytes: [0xAB, 0xAB, 0xAB])
    let requests = [
      "UnaryCall": TestMessages.simpleRequest(responseSize: 314159, payloadBytes: 271828),
      "FullDuplexCall": TestMessages.outputRequest(sizes: [314159], payloadBytes: 271828),
    ]
    for (method, request) in requests {
      let call = try await context.open(method, metadata: metadata)
      try await call.send(request)
      try await call.closeSend()
      try expect("payload", try TestMessages.payloadBytes(ofResponse: try await only(call)), 314159)
      try expect(
        "initial metadata", try await call.initialMetadata()[echoInitial], "test_initial_metadata_value")
      try expect(
        "trailing metadata", try await call.status().trailers.bytes(echoTrailing), [0xAB, 0xAB, 0xAB])
    }
  }

  private static func statusCodeAndMessage(_ context: ClientCommand.Context) async throws {
    let status = TestMessages.EchoStatus(code: 2, message: "test status message")
    try await expectFailure(.unknown, status.message) {
      _ = try await context.unary("UnaryCall", TestMessages.simpleRequest(status: status))
    }
    try await expectFailure(.unknown, status.message) {
      let call = try await context.open("FullDuplexCall")
      try await call.send(TestMessages.outputRequest(status: status))
      try await call.closeSend()
      _ = try await call.receive()
    }
  }

  private static func specialStatusMessage(_ context: ClientCommand.Context) async throws {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    try await expectFailure(.unknown, message) {
      let status = TestMessages.EchoStatus(code: 2, message: message)
      _ = try await context.unary("UnaryCall", TestMessages.simpleRequest(status: status))
    }
  }

  private static func unimplementedMethod(_ context: ClientCommand.Context) async throws {
    try await expectFailure(.unimplemented) { _ = try await context.unary("UnimplementedCall", []) }
  }

  private static func unimplementedService(_ context: ClientCommand.Context) async throws {
    try await expectFailure(.unimplemented) {
      _ = try await context.channel.unary(
        path: "/grpc.testing.UnimplementedService/UnimplementedCall", message: [], timeout: context.timeout)
    }
  }

  /// Not of the project's list: prints the milliseconds that the server saw left.
  private static func deadlineReachesServer(_ context: ClientCommand.Context) async throws {
    let call = try await context.open("EmptyCall", metadata: ["x-want-remaining-ms": "yes"])
    try await call.send([])
    try await call.closeSend()
    _ = try await only(call)
    guard let remaining = try await call.status().trailers["x-remaining-ms"] else {
      throw CaseFailure("the server did not say how much time is left")
    }
    StandardStreams.write(remaining + "\n", to: .output)
  }

  /// The single message of a call that then ends with OK.
  static func only(_ call: RPCCall) async throws -> [UInt8] {
    guard let message = try await call.receive() else {
      throw CaseFailure("the call ended without a message")
    }
    try expect("messages after the first", try await call.receive(), nil)
    return message
  }

  private static func expectFailure(
    _ code: RPCStatusCode, _ message: String? = nil, _ body: () async throws -> Void
  ) async throws {
    do {
      try await body()
    } catch let error as RPCError {
      try expect("status", error.code, code)
      if let message { try expect("message", error.message, message) }
      return
    }
    throw CaseFailure("the call succeeded; \(code) was expected")
  }
}
