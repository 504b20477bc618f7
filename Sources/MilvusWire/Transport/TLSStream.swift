/// A stream that can send a few last bytes without waiting, as far as they fit: alerts and goodbyes.
protocol ImmediateWriting: ByteStream {
  func writeNow(_ bytes: [UInt8])
}

/// A TLS connection over another stream (RFC 8446). Runs on its loop; the stream below should be on the same one.
///
/// The end of the stream below counts as the end of this one even where the peer did not say goodbye (`close_notify`):
/// HTTP knows by its own framing whether it has everything, and many peers just close.
package actor TLSStream: ByteStream {
  package nonisolated let loop: ConnectionLoop
  package nonisolated let peer: String
  private nonisolated let lower: any ByteStream
  private let engine: TLSEngine
  /// The first failure; everything after it fails the same way.
  private var failure: WireError?
  private var isClosed = false
  private var isReading = false
  private var isWriting = false

  /// Text encrypted at once. The records wait in memory until the stream below took them, so this bounds them.
  private static let chunkBytes = 64 << 10
  private static let receiveBytesMax = LoopCore.receiveBytesMax

  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private init(_ engine: TLSEngine, over lower: any ByteStream, on loop: ConnectionLoop) {
    self.engine = engine
    self.lower = lower
    self.loop = loop
    peer = lower.peer
  }

  /// Shakes hands as a client. `host`: what the server's certificate must be for, and the SNI.
  /// Closes `lower` when this fails.
  package static func client(
    over lower: any ByteStream, _ context: TLSContext, host: String, timeout: Duration,
    on loop: ConnectionLoop
  ) async throws(WireError) -> TLSStream {
    try await start(over: lower, timeout, loop) { () throws(WireError) in
      try TLSEngine.client(context, host: host, peer: lower.peer)
    }
  }

  /// Shakes hands as a server. Closes `lower` when this fails.
  package static func server(
    over lower: any ByteStream, _ context: TLSContext, timeout: Duration, on loop: ConnectionLoop
  ) async throws(WireError) -> TLSStream {
    try await start(over: lower, timeout, loop) { () throws(WireError) in
      try TLSEngine.server(context, peer: lower.peer)
    }
  }

  private static func start(
    over lower: any ByteStream, _ timeout: Duration, _ loop: ConnectionLoop,
    _ makeEngine: () throws(WireError) -> sending TLSEngine
  ) async throws(WireError) -> TLSStream {
    do throws(WireError) {
      let stream = TLSStream(try makeEngine(), over: lower, on: loop)
      try await loop.withDeadline(
        timeout, "the TLS handshake with \(lower.peer) timed out after \(timeout.spelled)",
        onExpiry: { lower.close() }
      ) { () throws(WireError) in
        try await stream.shakeHands()
      }
      return stream
    } catch {
      lower.close()
      throw error
    }
  }

  /// The application protocol that both sides agreed on, such as `h2`.
  package var applicationProtocol: String? { engine.applicationProtocol }

  /// `TLSv1.2` or `TLSv1.3`.
  package var version: String { engine.version }

  private func shakeHands() async throws(WireError) {
    while true {
      let state: TLSEngine.Handshake
      do throws(WireError) {
        state = try engine.handshake()
      } catch {
        // The alert tells the peer why; it fits into any empty buffer.
        sendNow()
        throw error
      }
      try await flush()
      if state == .finished { return }
      let bytes = try await lower.read(maxBytes: Self.receiveBytesMax)
      if bytes.isEmpty { throw engine.handshakeEnded() }
      engine.receive(bytes)
    }
  }

  package func read(maxBytes: Int) async throws(WireError) -> [UInt8] {
    precondition(maxBytes > 0, "a read of nothing looks like the end of the stream")
    precondition(!isReading, "two reads at once on one stream")
    isReading = true
    defer { isReading = false }
    while true {
      try checkUsable()
      switch try decrypt(maxBytes) {
      case .bytes(let bytes): return bytes
      case .ended: return []
      case .needsInput:
        let bytes = try await lower.read(maxBytes: Self.receiveBytesMax)
        if bytes.isEmpty { return [] }
        engine.receive(bytes)
      }
    }
  }

  package func write(_ bytes: [UInt8]) async throws(WireError) {
    precondition(!isWriting, "two writes at once on one stream")
    isWriting = true
    defer { isWriting = false }
    var rest = bytes[...]
    while !rest.isEmpty {
      try checkUsable()
      let part = rest.prefix(Self.chunkBytes)
      rest = rest.dropFirst(part.count)
      do throws(WireError) {
        try engine.encrypt(part)
      } catch {
        failure = error
        throw error
      }
      try await flush()
    }
  }

  package func endWriting() async throws(WireError) {
    precondition(!isWriting, "the end of writing in the middle of a write")
    isWriting = true
    defer { isWriting = false }
    try checkUsable()
    engine.endWriting()
    try await flush()
    try await lower.endWriting()
  }

  package nonisolated func close() {
    loop.core.runOrExecute { [self] in
      assumeIsolated { stream in stream.closeNow() }
    }
  }

  private func closeNow() {
    guard !isClosed else { return }
    isClosed = true
    if failure == nil {
      engine.endWriting()
      sendNow()
    }
    lower.close()
  }

  private func checkUsable() throws(WireError) {
    if isClosed { throw WireError(.closed, "the connection to \(peer) is closed") }
    if let failure { throw failure }
  }

  private func decrypt(_ maxBytes: Int) throws(WireError) -> TLSEngine.Decrypted {
    do throws(WireError) {
      return try engine.decrypt(maxBytes: maxBytes)
    } catch {
      failure = error
      sendNow()
      throw error
    }
  }

  /// Hands everything the engine wants to send to the stream below. Called by the handshake and by writes, never by reads:
  /// without renegotiation, what reading makes the engine say can wait for the next write (RFC 8446 §4.6.3).
  private func flush() async throws(WireError) {
    while true {
      let bytes = engine.takeOutput()
      if bytes.isEmpty { return }
      try await lower.write(bytes)
    }
  }

  /// Sends last words where that needs no waiting. Not in the middle of a write: they would land inside a record.
  private func sendNow() {
    guard !isWriting, let lower = lower as? any ImmediateWriting else { return }
    lower.writeNow(engine.takeOutput())
  }
}
