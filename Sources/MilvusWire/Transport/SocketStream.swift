/// A TCP connection on a loop. Its calls run on that loop: for an actor on the same loop they are plain calls.
///
/// The kernel's buffers are the only ones: an idle stream holds none, and `write` waits when the peer does not read.
package actor SocketStream: ByteStream, ImmediateWriting {
  package nonisolated let loop: ConnectionLoop
  package nonisolated let peer: String
  /// This side as `host:port`.
  package nonisolated let local: String
  nonisolated let socket: WatchedSocket
  private var isReading = false
  private var isWriting = false

  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  /// Takes over a connected socket.
  init(_ socket: WatchedSocket, peer: String? = nil) {
    self.socket = socket
    loop = socket.loop
    self.peer = peer ?? SocketCalls.peerAddress(socket.fd)?.description ?? "unknown peer"
    local = SocketCalls.localAddress(socket.fd)?.description ?? "unknown"
    SocketCalls.tune(socket.fd)
  }

  package func read(maxBytes: Int) async throws(WireError) -> [UInt8] {
    precondition(maxBytes > 0, "a read of nothing looks like the end of the stream")
    precondition(!isReading, "two reads at once on one stream")
    isReading = true
    defer { isReading = false }
    await socket.yieldIfGreedy()
    while true {
      try checkUsable("reading from")
      switch socket.receive(maxBytes: maxBytes) {
      case .bytes(let bytes, _): return bytes
      case .failed(let reason): throw WireError.system(peer, reason)
      case .wouldBlock: try await wait(.read, "reading from")
      }
    }
  }

  package func write(_ bytes: [UInt8]) async throws(WireError) {
    precondition(!isWriting, "two writes at once on one stream")
    isWriting = true
    defer { isWriting = false }
    var sent = 0
    while sent < bytes.count {
      await socket.yieldIfGreedy()
      try checkUsable("writing to")
      switch socket.send(bytes, from: sent) {
      case .done(let count): sent += count
      case .failed(let reason): throw WireError.system(peer, reason)
      case .wouldBlock: try await wait(.write, "writing to")
      }
    }
  }

  package func write(_ output: OutputChain) async throws(WireError) {
    guard !output.links.isEmpty else { return try await write(output.copied) }
    precondition(!isWriting, "two writes at once on one stream")
    isWriting = true
    defer { isWriting = false }
    var sent = 0
    while sent < output.count {
      await socket.yieldIfGreedy()
      try checkUsable("writing to")
      switch socket.send(output, from: sent) {
      case .done(let count): sent += count
      case .failed(let reason): throw WireError.system(peer, reason)
      case .wouldBlock: try await wait(.write, "writing to")
      }
    }
  }

  package func endWriting() async throws(WireError) {
    try checkUsable("writing to")
    if case .failed(let reason) = SocketCalls.endWriting(socket.fd) {
      throw WireError.system(peer, reason)
    }
  }

  /// Only on the loop, and never in the middle of a write.
  nonisolated func writeNow(_ bytes: [UInt8]) {
    guard loop.isCurrent, !socket.isClosed, !bytes.isEmpty else { return }
    _ = socket.send(bytes, from: 0)
  }

  package nonisolated func close() { socket.close() }

  private func checkUsable(_ doing: String) throws(WireError) {
    if socket.isClosed { throw WireError(.closed, "the connection to \(peer) is closed") }
    if Task.isCancelled { throw WireError.cancelled("\(doing) \(peer)") }
  }

  private func wait(_ direction: WatchedSocket.Direction, _ doing: String) async throws(WireError) {
    switch await socket.wait(direction, for: self) {
    case .ready: return
    case .closed: throw WireError(.closed, "the connection to \(peer) is closed")
    case .cancelled: throw WireError.cancelled("\(doing) \(peer)")
    }
  }
}

extension WireError {
  static func cancelled(_ doing: String) -> WireError {
    WireError(.cancelled, "cancelled while \(doing)")
  }
}
