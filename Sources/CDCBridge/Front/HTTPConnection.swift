internal import MilvusWire

/// One connection of the server: asks the parser what to do, answers requests one after another in the order they came.
struct HTTPConnection {
  let server: HTTPServer
  let id: Int
  let stream: TimedStream

  private var settings: HTTPServer.Settings { server.settings }
  private var now: Duration { server.timekeeper.now }

  func run(firstHeadUntil deadline: Duration) async {
    var parser = HTTPRequestParser(limits: settings.limits)
    // The first request must come as fast as a head; later ones may take the idle time to begin.
    var waitsUntil = deadline
    var phase = HTTPRequestParser.Phase.head
    while !Task.isCancelled {
      switch parser.next() {
      case .request(let request):
        guard await answer(request) else { return }
        phase = .idle
        waitsUntil = now + settings.idleTimeout
      case .sendContinue:
        guard await stream.write(HTTPResponseWriter.continue, until: now + settings.writeTimeout) else {
          return
        }
      case .reject(let rejection):
        await refuse(rejection)
        return
      case .needsBytes:
        if parser.phase != phase, !(phase == .head && parser.phase == .idle) {
          phase = parser.phase
          waitsUntil = self.deadline(for: phase)
        }
        guard let bytes = await read(phase: parser.phase, until: waitsUntil) else { return }
        parser.receive(bytes)
      }
    }
  }

  private func deadline(for phase: HTTPRequestParser.Phase) -> Duration {
    switch phase {
    case .idle: now + settings.idleTimeout
    case .head: now + settings.headTimeout
    case .body: now + settings.bodyTimeout
    }
  }

  /// nil: the connection is over.
  private func read(phase: HTTPRequestParser.Phase, until deadline: Duration) async -> [UInt8]? {
    if phase == .idle {
      guard server.becameIdle(id, stream.stream) else { return nil }
    }
    defer { if phase == .idle { server.becameBusy(id) } }
    let result = await stream.read(until: deadline) {
      // Nobody waits for an answer on a connection where no request has begun.
      guard phase != .idle else { return }
      await send(HTTPResponse(.requestTimeout, text: "408 the request did not arrive in time\n"))
    }
    if case .bytes(let bytes) = result { return bytes }
    return nil
  }

  /// False: the connection ends.
  private func answer(_ request: HTTPRequest) async -> Bool {
    let response = await server.handler(request)
    let keepsAlive = request.keepsAlive && response.keepsAlive && !server.isDraining
    let bytes = HTTPResponseWriter.bytes(
      of: response, isHead: request.method == "HEAD", keepsAlive: keepsAlive,
      minorVersion: request.minorVersion, unixSeconds: server.timekeeper.unixMilliseconds / 1000)
    guard await stream.write(bytes, until: now + settings.writeTimeout) else { return false }
    if !keepsAlive { await stream.linger(until: now + settings.lingerTimeout) }
    return keepsAlive
  }

  private func refuse(_ rejection: HTTPRejection) async {
    let response =
      rejection.status == .contentTooLarge
      ? HTTPResponse(.contentTooLarge, envelope: Envelope.failure(413, rejection.reason))
      : HTTPResponse(rejection.status, text: "\(rejection.status.rawValue) \(rejection.reason)\n")
    guard await send(response) else { return }
    await stream.linger(until: now + settings.lingerTimeout)
  }

  @discardableResult
  private func send(_ response: HTTPResponse) async -> Bool {
    let bytes = HTTPResponseWriter.bytes(
      of: response, isHead: false, keepsAlive: false, minorVersion: 1,
      unixSeconds: server.timekeeper.unixMilliseconds / 1000)
    return await stream.write(bytes, until: now + settings.writeTimeout)
  }
}
