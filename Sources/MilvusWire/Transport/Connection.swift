/// Names and limits that every call on a connection shares.
struct ConnectionProfile: Sendable {
  /// The server as `host:port`, for messages.
  var peer: String
  var scheme: String
  var authority: String
  /// Value of `authorization`; nil: none is sent.
  var authorization: Secret?
  var receiveMessageBytesMax: Int
  var options: ChannelOptions
  var keepalivePeriod: Duration
}

/// One HTTP/2 connection to a server and the RPCs on it. It composes the pure machines with nghttp2 and a byte stream.
///
/// Runs on a loop: everything between "bytes read" and "actions performed" happens there without a suspension.
/// `run` is its whole life and is called once, by the channel that owns it.
actor Connection {
  /// What the owner hears, at most once each and from the loop.
  struct Callbacks: Sendable {
    /// No call can be opened here any more; open ones may go on.
    var becameUnusable: @Sendable (Connection) -> Void
    /// gRFC A8: ping half as often from now on.
    var pingedTooOften: @Sendable () -> Void
  }

  nonisolated let loop: ConnectionLoop
  nonisolated let profile: ConnectionProfile
  nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  let pump: FramePump
  var machine = ConnectionStateMachine()
  var calls: [Int32: ClientCall] = [:]
  var openWaiters: [OpenWaiter] = []
  var openWaiterCount: UInt64 = 0
  /// The peer's SETTINGS_MAX_HEADER_LIST_SIZE.
  var peerHeaderListBytesMax = UInt32.max
  private(set) var failure: RPCError?
  private let callbacks: Callbacks
  private var hasReportedUnusable = false
  private var prefaceCheck: ServerPrefaceCheck? = ServerPrefaceCheck()
  private var keepalive: KeepaliveStateMachine
  private var keepaliveTimer: LoopTimer?
  private let start = ContinuousClock.now

  init(
    stream: any ByteStream, loop: ConnectionLoop, profile: ConnectionProfile, callbacks: Callbacks
  ) throws(WireError) {
    self.loop = loop
    self.profile = profile
    self.callbacks = callbacks
    pump = FramePump(
      stream: stream,
      session: try HTTP2Session(
        role: .client, limits: profile.options.limits, queueBytesMax: profile.options.sendQueueBytesMax))
    if let tracer = profile.options.tracer, tracer.wantsFrames {
      pump.watch = FrameWatch(peer: profile.peer, tracer: tracer)
    }
    keepalive = KeepaliveStateMachine(
      period: profile.keepalivePeriod, timeout: profile.options.keepaliveTimeout)
  }

  // MARK: Life

  /// Carries calls until the connection ends; why it ended is in every call that was open.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.read() }
      group.addTask { await self.write() }
    }
    keepaliveTimer?.cancel()
  }

  /// Opens nothing more, lets open calls finish, then closes. Open calls keep their deadlines.
  func drain() {
    if machine.drain() { pump.finish() }
    reportUnusable()
  }

  /// Ends the connection now; open calls end with `reason`.
  func close(_ reason: RPCError) {
    fail(reason)
  }

  private func read() async {
    do throws(WireError) {
      try await pump.read { (events, bytes) throws(WireError) in
        try checkPreface(bytes)
        keepalive.receivedBytes(at: .now - start)
        for event in events { try handle(event, bytes) }
      }
      fail(WireError(.closed, "the server closed the connection\(closedEarlyHint)"))
    } catch {
      fail(error)
    }
  }

  /// What usually is the reason where a server closes before it has said anything: real servers send no alert for it.
  private var closedEarlyHint: String {
    guard prefaceCheck != nil else { return "" }
    let question = profile.scheme == "https" ? "does it want a client certificate?" : "does it want TLS?"
    return " at once (\(question))"
  }

  private func write() async {
    do throws(WireError) {
      try await pump.write { (events) throws(WireError) in
        for event in events { try handle(event, []) }
      }
      fail(WireError(.closed, "the connection is closed"))
    } catch {
      // A server that has closed takes nothing more, but its last answers may lie unread: the reader tells the end, after them.
      guard error.code != .reset else { return }
      fail(error)
    }
  }

  private func checkPreface(_ bytes: [UInt8]) throws(WireError) {
    guard var check = prefaceCheck else { return }
    switch check.received(bytes) {
    case .needsMore: prefaceCheck = check
    case .isHTTP2: prefaceCheck = nil
    case .isOther(let reason): throw WireError(.protocolViolation, reason)
    }
  }

  /// The first failure wins. Ends every open call and closes the byte stream, which ends `run`.
  private func fail(_ error: WireError) {
    let what = prefaceCheck == nil ? "connection to \(profile.peer) lost" : "cannot connect to \(profile.peer)"
    let prefix = "\(profile.peer): "
    let why = error.message.hasPrefix(prefix) ? error.message.dropFirst(prefix.count) : error.message[...]
    var reason = self.error(.unavailable, "\(what): \(why)", .connection)
    reason.transportCode = error.code
    fail(reason)
  }

  private func fail(_ error: RPCError) {
    if failure == nil { failure = error }
    for id in machine.failed() {
      guard let call = calls[id] else { continue }
      var reason = failure ?? error
      reason.isUnsent = !call.isOnTheWire
      finish(call, call.machine.fail(reason, reset: nil))
      closed(call)
    }
    pump.finish()
    pump.stream.close()
    reportUnusable()
  }

  /// Calls that wait to be opened look for another connection.
  private func reportUnusable() {
    while !openWaiters.isEmpty { openWaiters.removeFirst().wakeup.signal() }
    guard !hasReportedUnusable else { return }
    hasReportedUnusable = true
    trace(0, .ended(failure?.message ?? "draining"))
    callbacks.becameUnusable(self)
  }

  // MARK: Events

  private func handle(_ event: HTTP2Event, _ bytes: [UInt8]) throws(WireError) {
    switch event {
    case .headers(let stream, let headers, let isEnd):
      trace(stream, .receivedHeaders(headers.redacted))
      if let call = calls[stream], call.initialMetadata == nil { call.encodings = MessageEncodings(received: headers) }
      try act(on: stream) { $0.machine.received(headers: headers, isEnd: isEnd) }
    case .headersTooLarge(let stream):
      try act(on: stream) {
        $0.machine.fail(
          RPCError(.resourceExhausted, "the server's headers are larger than the limit", initiator: .local),
          reset: nil)
      }
    case .data(let stream, let range):
      trace(stream, .receivedData(bytes: range.count))
      try received(stream: stream, bytes[range])
    case .end(let stream):
      try act(on: stream) { $0.machine.receivedEnd() }
    case .reset(let stream, let code):
      trace(stream, .receivedReset(code))
      try act(on: stream) {
        // A server that keeps the deadline too may be heard before our own timer has run.
        code == .cancel && $0.request.deadline <= .now
          ? $0.machine.fail(expired($0.request), reset: nil) : $0.machine.received(reset: code)
      }
    case .violation(let stream, let what):
      try act(on: stream) {
        $0.machine.fail(RPCError(.internal, "the server broke HTTP/2: \(what)", initiator: .local), reset: nil)
      }
    case .closed(let stream, let code):
      guard let call = calls[stream] else { return }
      // The end of the whole connection follows at once and says why.
      if !call.machine.isFinished && !pump.session.wantsRead { return }
      try perform(call.machine.received(reset: code), on: call)
      closed(call)
    case .settings(let streams, let headerListBytesMax):
      trace(0, .receivedSettings(concurrentStreamsMax: streams))
      machine.receivedSettings(concurrentStreamsMax: streams)
      peerHeaderListBytesMax = headerListBytesMax
      wakeOpenWaiters()
    case .goAway(let last, let code, let debug):
      trace(0, .receivedGoAway(lastStream: last, code))
      receivedGoAway(lastStream: last, code, debug)
    case .headersSent(let stream):
      calls[stream]?.isOnTheWire = true
    case .drained(let stream):
      calls[stream]?.sender.signal()
    case .settingsAcknowledged, .ping, .pingAcknowledged, .endSent:
      break
    }
  }

  private func act(
    on stream: Int32, _ input: (ClientCall) -> ClientStreamStateMachine.Action
  ) throws(WireError) {
    guard let call = calls[stream] else { return }
    try perform(input(call), on: call)
  }

  private func received(stream: Int32, _ bytes: ArraySlice<UInt8>) throws(WireError) {
    // The connection's window is returned at once, so that one slow reader never stops the calls beside it. Memory is
    // bounded by the windows of the streams.
    try pump.session.consumeConnection(bytes: bytes.count)
    guard let call = calls[stream] else { return }
    try perform(call.machine.receivedData(), on: call)
    guard call.machine.isReceivingMessages else { return }
    do throws(MessageDeframer.Failure) {
      try call.inbox.received(bytes)
    } catch {
      let reason = error.rpcError(encoding: call.machine.encoding)
      return try perform(call.machine.fail(reason, reset: .cancel), on: call)
    }
    try returnWindow(of: call)
    if call.inbox.messageCount > 0 { call.receiver.signal() }
  }

  func returnWindow(of call: ClientCall) throws(WireError) {
    let bytes = call.inbox.takeWindow()
    guard bytes > 0, !call.isClosed else { return }
    try pump.session.consume(stream: call.id, bytes: bytes)
  }

  private func receivedGoAway(lastStream: Int32, _ code: HTTP2ErrorCode, _ debug: [UInt8]) {
    let action = machine.receivedGoAway(lastStreamID: lastStream, code: code, debug: debug)
    for id in action.unsent {
      guard let call = calls[id] else { continue }
      let reason = RPCError(
        .unavailable, "the server is closing the connection (\(code))", initiator: .connection,
        isUnsent: true)
      finish(call, call.machine.fail(reason, reset: nil))
    }
    if action.isTooManyPings { callbacks.pingedTooOften() }
    if action.closesConnection { pump.finish() }
    reportUnusable()
  }

  // MARK: Ends of calls

  func perform(_ action: ClientStreamStateMachine.Action, on call: ClientCall) throws(WireError) {
    if case .fail(_, let reset?) = action, !call.isClosed {
      try pump.session.reset(stream: call.id, reset)
      pump.wake()
    }
    if case .finish = action, !call.machine.isSendClosed, !call.isClosed {
      // The server needs nothing more of us (RFC 9113 §8.1).
      try pump.session.reset(stream: call.id, .noError)
      pump.wake()
    }
    finish(call, action)
  }

  /// Notes what an action means for whoever waits for the call.
  private func finish(_ call: ClientCall, _ action: ClientStreamStateMachine.Action) {
    switch action {
    case .none:
      return
    case .initialMetadata(let metadata):
      call.initialMetadata = metadata
      return call.receiver.signal()
    case .finish(let status):
      // A stream may only end between messages.
      if status.code == .ok && !call.inbox.deframer.isBetweenMessages {
        call.outcome = .failure(error(.internal, "the server ended the call inside a message", .remote))
      } else {
        call.outcome = .success(status)
      }
    case .fail(var reason, _):
      if reason.peer.isEmpty { reason.peer = profile.peer }
      call.outcome = .failure(reason)
    }
    switch call.outcome {
    case .success(let status): trace(call.id, .finished(status.code, status.message))
    case .failure(let reason): trace(call.id, .finished(reason.code, reason.message))
    case nil: break
    }
    call.timer?.cancel()
    call.timer = nil
    call.receiver.signal()
    call.sender.signal()
  }

  func error(_ code: RPCStatusCode, _ message: String, _ initiator: RPCError.Initiator) -> RPCError {
    RPCError(code, message, initiator: initiator, peer: profile.peer)
  }

  private func closed(_ call: ClientCall) {
    call.isClosed = true
    if call.isReleased { calls[call.id] = nil }
    switch machine.closed(call.id) {
    case .none: break
    case .mayOpen: wakeOpenWaiters()
    case .closeConnection: pump.finish()
    }
    if machine.openStreamCount == 0 { keepalive.closedLastStream() }
  }

  private func wakeOpenWaiters() {
    guard machine.mayOpen() == .open, !openWaiters.isEmpty else { return }
    openWaiters.removeFirst().wakeup.signal()
  }

  func trace(_ stream: Int32, _ kind: @autoclosure () -> WireEvent.Kind) {
    guard let tracer = profile.options.tracer else { return }
    tracer.record(WireEvent(peer: profile.peer, stream: stream, kind: kind()))
  }

  // MARK: Keepalive

  func watchLiveness() {
    keepalive.openedFirstStream(at: .now - start)
    guard keepaliveTimer == nil, let next = keepalive.nextTick else { return }
    // One timer at a time: when it fires early because bytes came meanwhile, it is set again.
    keepaliveTimer = loop.schedule(after: next - (.now - start)) { [weak self] in
      self?.assumeIsolated { $0.keepaliveTimerFired() }
    }
  }

  private func keepaliveTimerFired() {
    keepaliveTimer = nil
    guard failure == nil else { return }
    switch keepalive.tick(at: .now - start) {
    case .none: break
    case .sendPing:
      // Fails only without memory; then the timeout below ends the connection.
      try? pump.session.ping()
      trace(0, .sentPing)
      pump.wake()
    case .close:
      return fail(WireError(.timedOut, "no answer to a keepalive ping"))
    }
    if machine.openStreamCount > 0 { watchLiveness() }
  }
}
