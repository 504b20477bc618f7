internal import MilvusWire

/// `grpc.testing.TestService` and `wireinterop.Relay` for our server. `UnimplementedCall` and `UnimplementedService` have no route
/// on purpose.
enum TestServices {
  private static let echoInitial = "x-grpc-test-echo-initial"
  private static let echoTrailing = "x-grpc-test-echo-trailing-bin"

  static var routes: RPCRoutes {
    var routes = RPCRoutes()
    routes.unary("/grpc.testing.TestService/EmptyCall") { _, call in
      try await echoMetadata(call)
      return []
    }
    routes.unary("/grpc.testing.TestService/UnaryCall") { request, call in
      try await echoMetadata(call)
      try throwStatus(asked: request)
      return TestMessages.withPayload(bytes: try TestMessages.number(2, of: request))
    }
    stream("StreamingInputCall", in: &routes) { call in
      var total = 0
      while let request = try await call.receive() {
        // The payload stands in the same field as that of a response.
        total += try TestMessages.payloadBytes(ofResponse: request)
      }
      var writer = WireWriter()
      writer.varint(1, UInt64(clamping: total))
      try await call.send(writer.bytes)
    }
    stream("StreamingOutputCall", in: &routes) { call in
      try await echoMetadata(call)
      guard let request = try await call.receive() else {
        throw RPCError(.invalidArgument, "no request", initiator: .local)
      }
      try await answer(request, call)
    }
    stream("FullDuplexCall", in: &routes) { call in
      try await echoMetadata(call)
      while let request = try await call.receive() { try await answer(request, call) }
    }
    routes.stream("/wireinterop.Relay/Echo") { call in
      while let message = try await call.receive() { try await call.send(message) }
    }
    return routes
  }

  /// A streaming method whose end is told on standard output: tests see there that a cancellation arrived.
  private static func stream(
    _ name: String, in routes: inout RPCRoutes, _ handler: @escaping RPCRoutes.Handler
  ) {
    routes.stream("/grpc.testing.TestService/\(name)") { call in
      do {
        try await handler(call)
        StandardStreams.write("ended \(name) completed\n", to: .output)
      } catch {
        let code = (error as? RPCError)?.code ?? .unknown
        StandardStreams.write("ended \(name) \(code)\n", to: .output)
        throw error
      }
    }
  }

  private static func echoMetadata(_ call: ServerCall) async throws {
    if let value = call.metadata[echoInitial] { try await call.sendInitialMetadata([echoInitial: value]) }
    if let value = call.metadata.bytes(echoTrailing) {
      var trailers = Metadata()
      trailers.append(echoTrailing, bytes: value)
      await call.setTrailers(trailers)
    }
  }

  /// Sends what one `StreamingOutputCallRequest` asks for.
  private static func answer(_ request: [UInt8], _ call: ServerCall) async throws {
    try throwStatus(asked: request)
    var reader = WireReader(request)
    while let field = try reader.next() {
      guard field.number == 2, let parameters = field.range else { continue }
      let interval = try TestMessages.number(2, of: request, in: parameters)
      if interval > 0 { try await Task.sleep(for: .microseconds(interval)) }
      let size = try TestMessages.number(1, of: request, in: parameters)
      try await call.send(TestMessages.withPayload(bytes: size))
    }
  }

  /// `response_status` is field 7 of both requests that have one.
  private static func throwStatus(asked request: [UInt8]) throws {
    guard let status = try TestMessages.lengthDelimited(7, of: request, in: nil) else { return }
    let code = RPCStatusCode(rawValue: try TestMessages.number(1, of: request, in: status)) ?? .unknown
    guard code != .ok else { return }
    let text = try TestMessages.lengthDelimited(2, of: request, in: status) ?? 0..<0
    throw RPCError(code, String(decoding: request[text], as: UTF8.self), initiator: .local)
  }
}
