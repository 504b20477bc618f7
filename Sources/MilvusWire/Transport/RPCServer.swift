/// Limits of a server. The client side of the same numbers is `ChannelOptions`.
package struct RPCServerOptions: Sendable {
  package var limits = HTTP2Limits()
  /// Largest message accepted, in bytes.
  package var receiveMessageBytesMax = 64 << 20
  /// Body bytes of one call that may wait for the client's window before `send` suspends.
  package var sendQueueBytesMax = 256 << 10
  package var metadataBytesMax = 8 << 10
  /// How long a new connection may take to speak HTTP/2.
  package var handshakeTimeout: Duration = .seconds(10)
  /// Connections at a time; more are closed as soon as they are accepted.
  package var connectionCountMax = 10_000
  /// For a proxy: messages are received and sent with gRPC's prefix, so that compressed ones go through as they are.
  package var keepsMessagePrefix = false
  package init() {}
}

/// A gRPC server: accepts connections and runs a handler for every call.
///
/// `run` is its life. `shutDown` is graceful: calls go on, new ones are refused, and `run` returns after the last one;
/// cancelling the task that runs it ends everything at once.
package final class RPCServer: Sendable {
  private struct State {
    var connections: [ObjectIdentifier: ServerConnection] = [:]
    var isShuttingDown = false
  }

  /// Where it listens, with the port the system chose where 0 was asked for.
  package var host: String { listener.host }
  package var port: Int { listener.port }

  private let listener: Listener
  /// nil: cleartext.
  private let tls: TLSContext?
  private let routes: RPCRoutes
  private let options: RPCServerOptions
  private let state = Locked(State())

  package init(
    listener: Listener, tls: TLSContext? = nil, routes: RPCRoutes,
    options: RPCServerOptions = RPCServerOptions()
  ) {
    self.listener = listener
    self.tls = tls
    self.routes = routes
    self.options = options
  }

  /// Accepts and serves until `shutDown` or cancellation.
  package func run() async {
    await withDiscardingTaskGroup { group in
      while let stream = try? await listener.accept() {
        let isFull = state.withLock { $0.connections.count >= options.connectionCountMax || $0.isShuttingDown }
        guard !isFull else {
          stream.close()
          continue
        }
        group.addTask { await self.secureAndServe(stream) }
      }
      listener.close()
    }
  }

  /// Shakes hands first, where the server speaks TLS.
  private func secureAndServe(_ stream: SocketStream) async {
    guard let tls else { return await serve(stream, on: stream.loop) }
    // A failed handshake closes the stream; the client has its alert.
    guard
      let secured = try? await TLSStream.server(
        over: stream, tls, timeout: options.handshakeTimeout, on: stream.loop)
    else { return }
    await serve(secured, on: stream.loop)
  }

  /// Serves one connection that something else accepted, such as a pair of streams in memory.
  package func serve(_ stream: any ByteStream, on loop: ConnectionLoop) async {
    guard let connection = try? ServerConnection(stream: stream, loop: loop, routes: routes, options: options) else {
      return stream.close()
    }
    let id = ObjectIdentifier(connection)
    let isShuttingDown = state.withLock { state in
      state.connections[id] = connection
      return state.isShuttingDown
    }
    if isShuttingDown { await connection.shutDownGracefully() }
    await withTaskCancellationHandler {
      await connection.run()
    } onCancel: {
      loop.execute { connection.assumeIsolated { $0.fail() } }
    }
    state.withLock { $0.connections[id] = nil }
  }

  /// Accepts nothing more and lets the calls that run finish. Returns at once; `run` returns after the last call.
  package func shutDown() async {
    listener.close()
    let connections = state.withLock { state in
      state.isShuttingDown = true
      return Array(state.connections.values)
    }
    for connection in connections { await connection.shutDownGracefully() }
  }
}
