internal import MilvusWire

/// `wire-interop server`: the services of `Tests/interop/grpc_testing.py` on our own server.
///
/// Prints `listening on HOST:PORT`, and `ended METHOD HOW` for every streaming call. SIGTERM lets running calls finish.
struct ServerCommand {
  private let host: String
  private let port: Int
  private let tls: TLSServerSettings?
  private let options: RPCServerOptions

  init(_ arguments: Arguments) throws {
    (host, port) = try arguments.address("--listen")
    if let certificate = arguments["--cert"], let key = arguments["--key"] {
      tls = TLSServerSettings(
        certificatePath: certificate, keyPath: key, clientCAPath: arguments["--client-ca"],
        applicationProtocols: ["h2"], requiresApplicationProtocol: true)
    } else {
      tls = nil
    }
    var options = RPCServerOptions()
    options.receiveMessageBytesMax = try arguments.number(
      "--receive-limit", default: options.receiveMessageBytesMax)
    options.handshakeTimeout = try arguments.milliseconds(
      "--connect-timeout-ms", default: options.handshakeTimeout)
    self.options = options
  }

  func run() async throws {
    guard let signal = TerminationSignal.install() else { throw CaseFailure("no signals on this system") }
    let loops = try ConnectionLoopGroup.shared()
    let context: TLSContext? = if let tls { try await TLSContext.server(tls) } else { nil }
    let listener = try await Listener.bind(host: host, port: port, on: loops)
    StandardStreams.write("listening on \(listener.address)\n", to: .output)
    let server = RPCServer(listener: listener, tls: context, routes: TestServices.routes, options: options)
    await withDiscardingTaskGroup { group in
      group.addTask { await server.run() }
      for await _ in signal { await server.shutDown() }
    }
  }
}
