/// What a handler's `ServerCall` asks of its connection.
extension ServerConnection {
  func receive(id: Int32) async throws(RPCError) -> [UInt8]? {
    while true {
      let stream = try stream(id)
      let message = stream.inbox.take()
      if (try? returnWindow(of: stream)) == nil { throw lost }
      pump.wake()
      if let message { return message }
      if stream.machine.isReceiveEnded { return nil }
      await park(stream, stream.receiver)
    }
  }

  func send(_ message: [UInt8], id: Int32) async throws(RPCError) {
    guard let prefix = MessageFramer.prefix(messageBytes: message.count) else {
      throw RPCError(.resourceExhausted, "message of \(message.count) bytes is too large to send", initiator: .local)
    }
    try await send(prefix: prefix, message, id: id)
  }

  /// With gRPC's prefix, as it was received elsewhere.
  func send(framed message: [UInt8], id: Int32) async throws(RPCError) { try await send(prefix: [], message, id: id) }

  private func send(prefix: [UInt8], _ message: [UInt8], id: Int32) async throws(RPCError) {
    let stream = try stream(id)
    do throws(WireError) {
      switch stream.machine.sendMessage() {
      case .drop: throw WireError(.closed, "")
      case .headersFirst: try pump.session.respond(stream: id, ServerStreamStateMachine.responseHeaders)
      case .send: break
      }
      try pump.session.send(stream: id, prefix, message)
    } catch {
      throw lost
    }
    pump.wake()
    while try self.stream(id) === stream, pump.session.queuedBytes(stream: id) > options.sendQueueBytesMax {
      await park(stream, stream.sender)
    }
  }

  func sendInitialMetadata(_ metadata: Metadata, encodings: MessageEncodings?, id: Int32) throws(RPCError) {
    let stream = try stream(id)
    var headers = ServerStreamStateMachine.responseHeaders
    encodings?.write(to: &headers)
    do throws(Metadata.Failure) {
      try metadata.appendFields(to: &headers, bytesMax: options.metadataBytesMax)
    } catch {
      throw RPCError(.internal, error.message, initiator: .local)
    }
    switch stream.machine.sendMessage() {
    case .headersFirst: break
    case .send: throw RPCError(.internal, "the response headers were sent already", initiator: .local)
    case .drop: throw lost
    }
    if (try? pump.session.respond(stream: id, headers)) == nil { throw lost }
    pump.wake()
  }

  func setTrailers(_ metadata: Metadata, id: Int32) { streams[id]?.trailers = metadata }

  private var lost: RPCError { RPCError(.cancelled, "the client is gone", initiator: .connection) }

  /// The stream, as long as its call can go on.
  private func stream(_ id: Int32) throws(RPCError) -> ServerStream {
    guard let stream = streams[id] else { throw lost }
    if let failure = stream.failure { throw failure }
    if Task.isCancelled { throw RPCError(.cancelled, "the handler was cancelled", initiator: .local) }
    return stream
  }

  /// Suspends until something happens to the stream or the handler's task is cancelled.
  private func park(_ stream: ServerStream, _ wakeup: Wakeup) async {
    let id = stream.id
    await withTaskCancellationHandler {
      _ = self  // The operation runs on the actor only where it captures it.
      await wakeup.waitForSignal()
    } onCancel: {
      loop.execute { self.assumeIsolated { $0.wakeAll(id) } }
    }
  }

  private func wakeAll(_ id: Int32) {
    streams[id]?.receiver.signal()
    streams[id]?.sender.signal()
  }
}
