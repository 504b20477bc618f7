extension Connection {
  /// Waits until a stream may be opened: the first SETTINGS are here and the peer's limit is not reached.
  /// Throws what `late` says when that takes until `deadline`.
  func waitUntilOpen(
    deadline: ContinuousClock.Instant, late: @autoclosure () -> RPCError
  ) async throws(RPCError) {
    while true {
      switch machine.mayOpen() {
      case .open: return
      case .refuse:
        var reason = failure ?? error(.unavailable, "the connection is closing", .connection)
        reason.isUnsent = true
        throw reason
      case .wait: break
      }
      openWaiterCount += 1
      let id = openWaiterCount
      let waiter = OpenWaiter(id: id)
      openWaiters.append(waiter)
      let timer = loop.schedule(after: deadline - .now) {
        self.assumeIsolated { $0.abandonOpening(id, isExpired: true) }
      }
      await withTaskCancellationHandler {
        _ = self  // The operation runs on the actor only where it captures it.
        await waiter.wakeup.waitForSignal()
      } onCancel: {
        loop.execute { self.assumeIsolated { $0.abandonOpening(id, isExpired: false) } }
      }
      timer.cancel()
      if waiter.isExpired { throw unsent(late()) }
      if waiter.isCancelled { throw unsent(error(.cancelled, "the call was cancelled", .local)) }
    }
  }

  /// Calls `announce` on the loop as soon as calls can be opened, before anything else can happen to the connection.
  func whenReady(
    deadline: ContinuousClock.Instant, late: @autoclosure () -> RPCError,
    _ announce: @Sendable (Connection) -> Void
  ) async throws(RPCError) {
    try await waitUntilOpen(deadline: deadline, late: late())
    trace(0, .connected)
    announce(self)
  }

  private func abandonOpening(_ id: UInt64, isExpired: Bool) {
    guard let index = openWaiters.firstIndex(where: { $0.id == id }) else { return }
    let waiter = openWaiters.remove(at: index)
    if isExpired { waiter.isExpired = true } else { waiter.isCancelled = true }
    waiter.wakeup.signal()
  }

  /// Starts a call; its header block is queued when this returns.
  func open(_ request: ClientRequest) async throws(RPCError) -> ClientCall {
    let headers = try headers(of: request)
    try await waitUntilOpen(deadline: request.deadline, late: expired(request))
    guard headers.byteCount <= Int(peerHeaderListBytesMax) else {
      throw unsent(error(.invalidArgument, "the call's metadata is larger than the server accepts", .local))
    }
    let remaining = request.deadline - .now
    guard remaining > .zero else { throw unsent(expired(request)) }
    var timed = headers
    timed.append("grpc-timeout", Deadline.encode(remaining))
    let id: Int32
    do throws(WireError) {
      id = try pump.session.openStream(timed)
    } catch {
      throw unsent(self.error(.unavailable, error.message, .connection))
    }
    let call = ClientCall(id: id, request, messageBytesMax: profile.receiveMessageBytesMax, keepsPrefix: profile.options.keepsMessagePrefix)
    calls[id] = call
    machine.opened(id)
    trace(id, .sentHeaders(timed.redacted))
    call.timer = loop.schedule(after: remaining) { [weak self] in
      self?.assumeIsolated { $0.end(id, with: $0.expired(request)) }
    }
    watchLiveness()
    pump.wake()
    return call
  }

  /// Queues one message and waits while too much is queued. Fails with the call's outcome when it has one.
  func send(_ message: [UInt8], on call: ClientCall) async throws(RPCError) {
    try enqueue(message, on: call)
    while call.machine.canSend, pump.session.queuedBytes(stream: call.id) > profile.options.sendQueueBytesMax {
      await park(call, call.sender)
    }
    if case .failure(let reason) = call.outcome { throw reason }
  }

  /// A message with gRPC's prefix, as it was received elsewhere.
  func send(framed message: [UInt8], on call: ClientCall) async throws(RPCError) {
    if case .failure(let reason) = call.outcome { throw reason }
    guard call.machine.canSend else { return }
    do throws(WireError) {
      try pump.session.send(stream: call.id, message)
      trace(call.id, .sentMessage(bytes: max(0, message.count - MessageFramer.prefixBytes)))
    } catch {
      throw self.error(.internal, error.message, .local)
    }
    pump.wake()
    while call.machine.canSend, pump.session.queuedBytes(stream: call.id) > profile.options.sendQueueBytesMax {
      await park(call, call.sender)
    }
    if case .failure(let reason) = call.outcome { throw reason }
  }

  func enqueue(_ message: [UInt8], on call: ClientCall) throws(RPCError) {
    if case .failure(let reason) = call.outcome { throw reason }
    guard call.machine.canSend else {
      throw error(.failedPrecondition, "a message was sent after the end of the call", .local)
    }
    guard message.count <= profile.options.sendMessageBytesMax ?? .max,
      let prefix = MessageFramer.prefix(messageBytes: message.count)
    else {
      throw error(.resourceExhausted, "message of \(message.count) bytes is larger than the send limit", .local)
    }
    do throws(WireError) {
      try pump.session.send(stream: call.id, prefix, message)
      trace(call.id, .sentMessage(bytes: message.count))
    } catch {
      throw self.error(.internal, error.message, .local)
    }
    pump.wake()
  }

  /// Queues messages in one step and waits while too much is queued, as `send` of one message does.
  func forward(_ messages: OutgoingBatch, on call: ClientCall) async throws(RPCError) {
    if case .failure(let reason) = call.outcome { throw reason }
    guard call.machine.canSend else {
      throw error(.failedPrecondition, "a message was sent after the end of the call", .local)
    }
    do throws(WireError) {
      try pump.session.send(stream: call.id, messages.chunks)
      if profile.options.tracer != nil {
        for bytes in messages.messageBytes { trace(call.id, .sentMessage(bytes: bytes)) }
      }
    } catch {
      throw self.error(.internal, error.message, .local)
    }
    pump.wake()
    while call.machine.canSend, pump.session.queuedBytes(stream: call.id) > profile.options.sendQueueBytesMax {
      await park(call, call.sender)
    }
    if case .failure(let reason) = call.outcome { throw reason }
  }

  /// Says that no more messages will be sent.
  func closeSend(_ call: ClientCall) throws(RPCError) {
    guard call.machine.canSend else { return }
    call.machine.closedSend()
    do throws(WireError) {
      try pump.session.finish(stream: call.id)
      trace(call.id, .sentEnd)
    } catch {
      throw self.error(.internal, error.message, .local)
    }
    pump.wake()
  }

  /// The next message; nil after the last one of a call that ended with OK. Any other end is thrown, after the messages
  /// that came before it.
  func receive(on call: ClientCall) async throws(RPCError) -> [UInt8]? {
    while true {
      let message = call.inbox.take()
      try gaveMessages(of: call)
      if let message { return message }
      if try await hasEnded(call) { return nil }
    }
  }

  /// The messages that are here, about `bytesMax` bytes of them; waits for one where there is none. Empty after the last one.
  func receive(on call: ClientCall, bytesMax: Int) async throws(RPCError) -> [ReceivedMessage] {
    while true {
      let messages = call.inbox.take(bytesMax: bytesMax)
      try gaveMessages(of: call)
      if !messages.isEmpty { return messages }
      if try await hasEnded(call) { return [] }
    }
  }

  private func gaveMessages(of call: ClientCall) throws(RPCError) {
    do throws(WireError) {
      try returnWindow(of: call)
      pump.wake()
    } catch {
      throw self.error(.internal, error.message, .local)
    }
  }

  /// Waits until something happens to a call without a message. True where it has ended with OK.
  private func hasEnded(_ call: ClientCall) async throws(RPCError) -> Bool {
    switch call.outcome {
    case .success(let status) where status.code == .ok: return true
    case .success(let status): throw error(status.code, status.message, .remote)
    case .failure(let reason): throw reason
    case nil:
      await park(call, call.receiver)
      return false
    }
  }

  /// The status and trailers of a call that has ended; waits for them. Messages nobody took are dropped.
  func status(of call: ClientCall) async throws(RPCError) -> RPCStatus {
    while true {
      switch call.outcome {
      case .success(let status): return status
      case .failure(let reason): throw reason
      case nil:
        let window = call.inbox.discard()
        if window > 0 { try? pump.session.consume(stream: call.id, bytes: window) }
        pump.wake()
        await park(call, call.receiver)
      }
    }
  }

  /// The metadata of the response headers; empty where the server sent trailers only.
  func initialMetadata(of call: ClientCall) async throws(RPCError) -> Metadata {
    try await responseHeaders(of: call) ?? [:]
  }

  /// nil where the server sent trailers only.
  func responseHeaders(of call: ClientCall) async throws(RPCError) -> Metadata? {
    while true {
      if let metadata = call.initialMetadata { return metadata }
      switch call.outcome {
      case .success: return nil
      case .failure(let reason): throw reason
      case nil: await park(call, call.receiver)
      }
    }
  }

  /// Ends a call from this side. Nothing happens when it has ended.
  func end(_ id: Int32, with reason: RPCError) {
    guard let call = calls[id] else { return }
    _ = call.inbox.discard()
    // Resetting fails only without memory; the outcome is set all the same.
    try? perform(call.machine.fail(reason, reset: .cancel), on: call)
  }

  /// The caller has lost interest: an unfinished call is cancelled, a finished one forgotten.
  func release(_ call: ClientCall) {
    call.isReleased = true
    end(call.id, with: error(.cancelled, "the call was dropped", .local))
    if call.isClosed { calls[call.id] = nil }
  }

  /// One request message, one response message.
  func unary(_ request: ClientRequest, message: [UInt8]) async throws(RPCError) -> [UInt8] {
    let call = try await open(request)
    defer { release(call) }
    try enqueue(message, on: call)
    try closeSend(call)
    guard let response = try await receive(on: call) else {
      throw error(.internal, "the server ended the call without a message", .remote)
    }
    guard try await receive(on: call) == nil else {
      throw error(.internal, "the server sent more than one message", .remote)
    }
    return response
  }

  /// Suspends until something happens to the call. Cancelling the task cancels the call.
  private func park(_ call: ClientCall, _ wakeup: Wakeup) async {
    let id = call.id
    await withTaskCancellationHandler {
      _ = self  // The operation runs on the actor only where it captures it.
      await wakeup.waitForSignal()
    } onCancel: {
      loop.execute {
        self.assumeIsolated { $0.end(id, with: $0.error(.cancelled, "the call was cancelled", .local)) }
      }
    }
  }

  func expired(_ request: ClientRequest) -> RPCError {
    error(.deadlineExceeded, "no answer within \(request.timeout.spelled)", .local)
  }

  private func unsent(_ error: RPCError) -> RPCError {
    var error = error
    error.isUnsent = true
    return error
  }

  private func headers(of request: ClientRequest) throws(RPCError) -> HeaderList {
    var headers: HeaderList = [
      ":method": "POST", ":scheme": profile.scheme, ":path": request.path, ":authority": profile.authority,
      "te": "trailers", "content-type": "application/grpc", "user-agent": request.userAgent ?? profile.options.userAgent,
      "grpc-accept-encoding": "identity",
    ]
    request.encodings?.write(to: &headers)
    if let authorization = profile.authorization { headers.append("authorization", authorization.revealed) }
    do throws(Metadata.Failure) {
      try request.metadata.appendFields(to: &headers, bytesMax: profile.options.metadataBytesMax)
    } catch {
      throw unsent(self.error(.invalidArgument, error.message, .local))
    }
    return headers
  }
}
