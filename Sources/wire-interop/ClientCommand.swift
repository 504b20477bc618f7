internal import MilvusWire

/// `wire-interop client`: one case over one channel.
struct ClientCommand {
  /// Everything a case may use.
  struct Context {
    let channel: RPCChannel
    /// For every call of the case.
    let timeout: Duration
    let count: Int
    let bytes: Int

    func open(_ method: String, metadata: Metadata = [:]) async throws -> RPCCall {
      try await channel.open(
        path: "/grpc.testing.TestService/\(method)", metadata: metadata, timeout: timeout)
    }

    func unary(_ method: String, _ message: [UInt8]) async throws -> [UInt8] {
      try await channel.unary(path: "/grpc.testing.TestService/\(method)", message: message, timeout: timeout)
    }
  }

  typealias Case = @Sendable (Context) async throws -> Void

  private let connection: ClusterConnection
  private let options: ChannelOptions
  private let timeout: Duration
  private let count: Int
  private let bytes: Int
  private let body: Case

  init(_ arguments: Arguments) throws {
    guard let name = arguments.caseName, let body = NamedCases.all[name] ?? VolumeCases.all[name] else {
      let names = (NamedCases.all.keys.sorted() + VolumeCases.all.keys.sorted()).joined(separator: " ")
      throw UsageError(message: "which case? One of: \(names)")
    }
    self.body = body
    let (host, port) = try arguments.address("--server")
    let tls =
      arguments.has("--tls")
      ? TLSSettings(
        serverName: arguments["--server-name"], caPath: arguments["--ca"],
        clientCertificatePath: arguments["--cert"], clientKeyPath: arguments["--key"]) : nil
    connection = ClusterConnection(
      endpoint: Endpoint(host: host, port: port, tls: tls),
      connectTimeout: try arguments.milliseconds("--connect-timeout-ms", default: .seconds(5)),
      receiveMessageBytesMax: try arguments.number("--receive-limit", default: 256 << 20))
    var options = ChannelOptions()
    options.connectionCount = try arguments.number("--connections", default: 1)
    if arguments.has("--keepalive-ms") {
      options.keepalivePeriod = try arguments.milliseconds("--keepalive-ms", default: .zero)
      options.keepaliveTimeout = options.keepalivePeriod
    }
    self.options = options
    timeout = try arguments.milliseconds("--timeout-ms", default: .seconds(20))
    count = try arguments.number("--count", default: 1)
    bytes = try arguments.number("--bytes", default: 0)
  }

  func run() async throws {
    let channel = RPCChannel(connection, options: options)
    let context = Context(channel: channel, timeout: timeout, count: count, bytes: bytes)
    do {
      try await body(context)
    } catch {
      await channel.shutdown()
      throw error
    }
    await channel.shutdown()
  }
}
