package import MilvusWire

/// The service behind `cdc-bridge serve`: data directory, tasks, HTTP front.
package enum Serve {
  /// Runs until `stopRequested` returns; the result is the process's exit code. Errors of the start go to the log with their hint.
  ///
  /// Shutdown: no new connection, requests under way are answered, runners stop after what they have in flight, 5 s at most each.
  package static func run(
    _ config: BridgeConfig, factory: any TaskRunnerFactory, log: Log? = nil,
    onReady: @escaping @Sendable (_ address: String) -> Void = { announce($0) },
    until stopRequested: @escaping @Sendable () async -> Void
  ) async -> Int32 {
    let log = log ?? Log(level: config.logLevel, format: config.logFormat)
    do throws(BridgeError) {
      let directory = try await DataDirectory.open(path: config.dataDirectory)
      defer { directory.close() }
      let manager = TaskManager(
        store: directory, checkpoints: directory, factory: factory, defaultSource: config.source,
        limits: config.limits, log: log)
      let front = try await FrontService.listen(config, manager: manager, log: log)
      try await manager.open()
      if config.isOpenToStrangers {
        log.warning(
          "anybody who reaches this address can create and delete tasks; set --api-token-file",
          ["listen": front.address])
      }
      log.info(
        "listening", ["address": front.address, "version": bridgeVersion, "data_dir": config.dataDirectory])
      onReady("\(config.tls == nil ? "http" : "https")://\(front.address)")
      await ServiceGroup([TaskService(manager: manager), front]).run(until: stopRequested)
      log.info("stopped")
      return 0
    } catch {
      log.error("cannot start: \(error.message)", ["operation": error.operation, "hint": error.hint ?? ""])
      return 1
    }
  }

  /// One line that a script can wait for.
  package static func announce(_ address: String) {
    StandardStreams.write("cdc-bridge \(bridgeVersion) listening on \(address)\n", to: .output)
  }

  /// `serve --check`: the effective configuration and what the source says, as one JSON document. True where serving would work.
  package static func check(
    _ config: BridgeConfig, connect: @Sendable (ClusterConnection) -> any MilvusCluster
  ) async -> (document: JSONValue, isGood: Bool) {
    var document: JSONObject = ["configuration": config.redacted]
    let data = await DataDirectory.check(path: config.dataDirectory)
    document["data_dir"] = .string(data.finding)
    var isGood = data.isGood
    if let source = config.source {
      let cluster = connect(source)
      do throws(CallError) {
        _ = try await cluster.connect()
        document["source"] = .string("ok: \(try await ServerProfile.probe(cluster).title)")
      } catch {
        document["source"] = .string(error.description)
        isGood = false
      }
      await cluster.close()
    } else {
      document["source"] = "none: every create must name its own"
    }
    document["ok"] = .bool(isGood)
    return (.object(document), isGood)
  }
}

/// The tasks as a service: it runs until it is stopped, then waits for the runners.
private struct TaskService: Service {
  let manager: TaskManager
  let name = "tasks"
  private let stopped = AsyncStream.makeStream(of: Void.self)

  init(manager: TaskManager) { self.manager = manager }

  func run() async {
    for await _ in stopped.stream {}
    await manager.shutdown()
  }
  func stop() async { stopped.continuation.finish() }
}

/// The HTTP front as a service.
private struct FrontService: Service {
  let name = "front"
  private let listener: Listener
  private let server: HTTPServer

  var address: String { listener.address }

  static func listen(
    _ config: BridgeConfig, manager: TaskManager, log: Log
  ) async throws(BridgeError) -> FrontService {
    do throws(WireError) {
      DescriptorLimit.raise()
      AllocatorTuning.reuseBuffers()
      let loops = try ConnectionLoopGroup.shared()
      let preparation = try await preparation(config, loops)
      var settings = Router.Settings()
      settings.token = config.apiToken
      settings.mirrorsCode = config.mirrorsCode
      let router = Router(api: TaskAPI(manager: manager, log: log), settings: settings)
      let address = config.listenAddress
      let listener = try await Listener.bind(host: address.host, port: address.port, on: loops)
      let server = HTTPServer(settings: config.server, prepare: preparation) { await router.answer($0) }
      return FrontService(listener: listener, server: server)
    } catch {
      throw BridgeError(
        .invalidInput, side: .local, operation: "listen on \(config.listenAddress)", message: error.message,
        hint: "Choose another address with --listen HOST:PORT.")
    }
  }

  /// A TLS handshake where the configuration has a certificate; it is read once, here.
  private static func preparation(
    _ config: BridgeConfig, _ loops: ConnectionLoopGroup
  ) async throws(WireError) -> HTTPServer.Preparation {
    guard let tls = config.tls else { return { stream throws(WireError) in stream } }
    let context = try await TLSContext.server(tls)
    let timeout = config.server.headTimeout
    return { stream throws(WireError) in
      try await TLSStream.server(over: stream, context, timeout: timeout, on: loops.next())
    }
  }

  func run() async {
    let listener = listener
    await server.run { () async throws(WireError) in try await listener.accept() }
  }
  func stop() async {
    listener.close()
    server.drain()
  }
}
