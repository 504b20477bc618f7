/// One HTTP/2 connection of a client and the RPCs on it. The server's counterpart of `Connection`, on a loop as well.
actor ServerConnection {
  nonisolated let loop: ConnectionLoop
  nonisolated let peer: String
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private static let lastWordsTimeout = Duration.seconds(1)

  let options: RPCServerOptions
  let pump: FramePump
  var machine: ServerConnectionStateMachine
  var streams: [Int32: ServerStream] = [:]
  private let routes: RPCRoutes
  private var hasReceivedSettings = false
  private let start = ContinuousClock.now
  private var isFailed = false

  init(stream: any ByteStream, loop: ConnectionLoop, routes: RPCRoutes, options: RPCServerOptions)
    throws(WireError)
  {
    self.loop = loop
    self.routes = routes
    self.options = options
    peer = stream.peer
    pump = FramePump(
      stream: stream,
      session: try HTTP2Session(
        role: .server, limits: options.limits, queueBytesMax: options.sendQueueBytesMax))
    machine = ServerConnectionStateMachine(concurrentStreamsMax: options.limits.concurrentStreamsMax)
  }

  // MARK: Life

  /// Serves the connection until it ends and every handler has returned.
  func run() async {
    let handshake = loop.schedule(after: options.handshakeTimeout) { [weak self] in
      self?.assumeIsolated { if !$0.hasReceivedSettings { $0.fail() } }
    }
    await withDiscardingTaskGroup { group in
      group.addTask { await self.read() }
      group.addTask { await self.write() }
    }
    handshake.cancel()
    for task in streams.values.compactMap(\.task) { await task.value }
  }

  /// Asks the client to go elsewhere and ends the connection when its calls are done (RFC 9113 §6.8).
  func shutDownGracefully() {
    guard machine.announceShutdown() else { return }
    do throws(WireError) {
      // The answer to the PING proves that the client has read the GOAWAY before it.
      try pump.session.goAway(lastStream: .max, .noError, debug: "server shutting down")
      try pump.session.ping()
      pump.wake()
    } catch {
      fail()
    }
  }

  /// Ends the connection now; handlers are cancelled.
  func fail() {
    guard !isFailed else { return }
    isFailed = true
    machine.failed()
    for stream in streams.values {
      abandon(stream)
      closed(stream)
    }
    pump.finish()
    pump.stream.close()
  }

  private func read() async {
    // What went wrong concerns this connection only, and its client knows.
    try? await pump.read { (events, bytes) throws(WireError) in
      for event in events { try handle(event, bytes) }
    }
    // A client that broke HTTP/2 is told why before the end, if it reads.
    guard pump.session.wantsWrite else { return fail() }
    pump.finish()
    loop.schedule(after: ServerConnection.lastWordsTimeout) { [weak self] in
      self?.assumeIsolated { $0.fail() }
    }
  }

  private func write() async {
    try? await pump.write { (events) throws(WireError) in
      for event in events { try handle(event, []) }
    }
    fail()
  }

  // MARK: Events

  private func handle(_ event: HTTP2Event, _ bytes: [UInt8]) throws(WireError) {
    switch event {
    case .headers(let id, let headers, let isEnd):
      try received(headers, isEnd: isEnd, id: id)
    case .data(let id, let range):
      try received(bytes[range], id: id)
    case .end(let id):
      guard let stream = streams[id] else { return }
      try receivedEnd(of: stream)
    case .reset(let id, _):
      guard let stream = streams[id] else { return }
      abandon(stream)
      if machine.receivedReset(at: .now - start) == .closeForAbuse {
        try pump.session.goAway(lastStream: pump.session.lastPeerStream, .enhanceYourCalm, debug: "too_many_resets")
        pump.finish()
      }
    case .closed(let id, _):
      guard let stream = streams[id] else { return }
      abandon(stream)
      closed(stream)
    case .drained(let id):
      streams[id]?.sender.signal()
    case .endSent(let id):
      // The client need not go on: its call has its status (RFC 9113 §8.1).
      guard let stream = streams[id], !stream.machine.isReceiveEnded else { return }
      try pump.session.reset(stream: id, .noError)
    case .settings:
      hasReceivedSettings = true
    case .pingAcknowledged:
      try drain()
    case .goAway, .violation, .headersTooLarge, .headersSent, .settingsAcknowledged, .ping:
      break
    }
  }

  private func drain() throws(WireError) {
    let action = machine.drain()
    try pump.session.goAway(lastStream: pump.session.lastPeerStream, .noError)
    if action == .closeConnection { pump.finish() }
  }

  private func received(_ headers: HeaderList, isEnd: Bool, id: Int32) throws(WireError) {
    if let stream = streams[id] {
      _ = stream.machine.received(headers: headers, isEnd: isEnd)
      if isEnd { try receivedEnd(of: stream) }
      return
    }
    guard machine.openedStream() == .accept else { return try pump.session.reset(stream: id, .refusedStream) }
    let stream = ServerStream(id: id, messageBytesMax: options.receiveMessageBytesMax, keepsPrefix: options.keepsMessagePrefix)
    streams[id] = stream
    switch stream.machine.received(headers: headers, isEnd: isEnd) {
    case .accept(let head): start(stream, head)
    case .refuse(let answer):
      try pump.session.respondTrailersOnly(stream: id, answer)
      handled(stream)
    case .none: break
    }
  }

  private func start(_ stream: ServerStream, _ head: RequestHead) {
    let id = stream.id
    stream.encoding = head.encoding
    if let timeout = head.timeout {
      stream.timer = loop.schedule(after: timeout) { [weak self] in
        self?.assumeIsolated {
          $0.end(id, RPCError(.deadlineExceeded, "the deadline has passed", initiator: .local))
        }
      }
    }
    let call = ServerCall(
      head: head, peer: peer, deadline: head.timeout.map { .now + $0 }, connection: self, id: id)
    let handler = routes.handler(of: head.path)
    // Owned by the stream; `run` waits for it.
    stream.task = Task {
      do {
        guard let handler else { throw RPCError(.unimplemented, "unknown method \(head.path)", initiator: .local) }
        try await handler(call)
        finish(stream, .ok)
      } catch let error as RPCError {
        finish(stream, RPCStatus(error.code, error.message))
      } catch {
        finish(stream, RPCStatus(.unknown, "the handler failed"))
      }
      handled(stream)
    }
  }

  private func received(_ bytes: ArraySlice<UInt8>, id: Int32) throws(WireError) {
    try pump.session.consumeConnection(bytes: bytes.count)
    guard let stream = streams[id], !stream.machine.isFinished else { return }
    do throws(MessageDeframer.Failure) {
      try stream.inbox.received(bytes)
    } catch {
      var reason = error.rpcError(encoding: stream.encoding)
      // To a server an unknown encoding is something it does not implement (gRPC compression.md).
      if error == .compressed { reason.code = .unimplemented }
      return end(id, reason)
    }
    try returnWindow(of: stream)
    if stream.inbox.messageCount > 0 { stream.receiver.signal() }
  }

  func returnWindow(of stream: ServerStream) throws(WireError) {
    let bytes = stream.inbox.takeWindow()
    guard bytes > 0, !stream.isClosed else { return }
    try pump.session.consume(stream: stream.id, bytes: bytes)
  }

  private func receivedEnd(of stream: ServerStream) throws(WireError) {
    stream.machine.receivedEnd()
    if !stream.inbox.deframer.isBetweenMessages {
      end(stream.id, RPCError(.internal, "the client ended the call inside a message", initiator: .remote))
    }
    stream.receiver.signal()
  }

  // MARK: Ends of calls

  /// There is no client any more: whatever the handler asks fails, and its task is cancelled.
  private func abandon(_ stream: ServerStream) {
    guard stream.machine.receivedReset() else { return }
    stop(stream, RPCError(.cancelled, "the client cancelled the call", initiator: .remote))
  }

  /// Ends a call with an error of this side; the client is told.
  private func end(_ id: Int32, _ reason: RPCError) {
    guard let stream = streams[id], stream.failure == nil else { return }
    finish(stream, RPCStatus(reason.code, reason.message))
    stop(stream, reason)
  }

  private func stop(_ stream: ServerStream, _ reason: RPCError) {
    if stream.failure == nil { stream.failure = reason }
    stream.timer?.cancel()
    stream.timer = nil
    _ = stream.inbox.discard()
    stream.task?.cancel()
    stream.receiver.signal()
    stream.sender.signal()
  }

  /// Sends the status, unless one has been sent or there is nobody to read it.
  private func finish(_ stream: ServerStream, _ status: RPCStatus) {
    var status = status
    if status.trailers == [:] { status.trailers = stream.trailers }
    stream.timer?.cancel()
    stream.timer = nil
    // These fail only without memory; the connection then ends by its own timers.
    switch stream.machine.finish(status) {
    case .drop: return
    case .trailersOnly(let headers): try? pump.session.respondTrailersOnly(stream: stream.id, headers)
    case .trailers(let headers): try? pump.session.finish(stream: stream.id, trailers: headers)
    }
    pump.wake()
  }

  private func handled(_ stream: ServerStream) {
    stream.isHandled = true
    forget(stream)
    if machine.handlerEnded() == .closeConnection { pump.finish() }
  }

  private func closed(_ stream: ServerStream) {
    stream.isClosed = true
    forget(stream)
  }

  private func forget(_ stream: ServerStream) {
    if stream.isClosed && stream.isHandled { streams[stream.id] = nil }
  }
}
