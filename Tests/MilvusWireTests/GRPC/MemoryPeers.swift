@testable internal import MilvusWire

/// A channel and a server of ours, joined by streams in memory. Every connection that the channel makes gets a fresh pair.
final class MemoryPeers: Sendable {
  let channel: RPCChannel
  private let servers: ServerTasks

  init(
    routes: RPCRoutes, windowBytes: Int = 64 << 10, faults: StreamFaults = StreamFaults(),
    serverOptions: RPCServerOptions = RPCServerOptions(), channelOptions: ChannelOptions = ChannelOptions(),
    token: String = "", receiveMessageBytesMax: Int = 64 << 20
  ) throws {
    let loops = try ConnectionLoopGroup(loopCountMax: 1)
    let servers = ServerTasks()
    self.servers = servers
    let cluster = ClusterConnection(
      endpoint: Endpoint(host: "memory-server", port: 1), token: Secret(token),
      receiveMessageBytesMax: receiveMessageBytesMax)
    channel = RPCChannel(cluster, options: channelOptions, loops: loops) { (_, _, loop) throws(WireError) in
      let (client, server) = MemoryStream.pair(windowBytes: windowBytes, faults: faults)
      let connection = try ServerConnection(stream: server, loop: loop, routes: routes, options: serverOptions)
      servers.add(connection)
      return client
    }
  }

  /// The server's side of the connections made so far.
  var connections: [ServerConnection] { servers.connections }

  func close() async {
    await channel.shutdown()
    await servers.finish()
  }
}

private final class ServerTasks: Sendable {
  private let state = Locked<[(connection: ServerConnection, task: Task<Void, Never>)]>([])

  var connections: [ServerConnection] { state.withLock { $0.map(\.connection) } }

  func add(_ connection: ServerConnection) {
    let task = Task { await connection.run() }
    state.withLock { $0.append((connection, task)) }
  }

  func finish() async {
    for entry in state.withLock({ $0 }) { await entry.task.value }
  }
}

extension RPCRoutes {
  /// Methods that most tests need.
  static var sample: RPCRoutes {
    var routes = RPCRoutes()
    routes.unary("/test/echo") { request, _ in request }
    routes.stream("/test/echoStream") { call in
      while let message = try await call.receive() { try await call.send(message) }
    }
    routes.stream("/test/fail") { _ in
      throw RPCError(.notFound, "no such thing\n50 % ☃", initiator: .local)
    }
    routes.stream("/test/never") { call in
      while try await call.receive() != nil {}
      await never()
    }
    return routes
  }
}

/// Suspends until the task is cancelled.
func never() async {
  let stream = AsyncStream<Never> { _ in }
  for await _ in stream {}
}
