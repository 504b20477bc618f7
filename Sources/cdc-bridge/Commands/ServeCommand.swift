internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge serve`: the service with its task API.
enum ServeCommand {
  static let command = Command(
    name: "serve", topic: .service, summary: "run the service: tasks that keep clusters in sync, controlled over HTTP",
    description: """
      Runs the tasks of a data directory and answers the task API (POST /cdc) until Ctrl-C or SIGTERM. Tasks survive a restart. \
      Without an API token and without TLS it listens on this host only, unless --listen says otherwise.
      """,
    options: [
      Command.OptionGroup(
        title: "service",
        options: [
          CommandOption(
            name: "listen", placeholder: "HOST:PORT",
            help: "Where to listen; :PORT is every address (default: 127.0.0.1:8444, with an API token or TLS :8444)."),
          CommandOption(
            name: "data-dir", placeholder: "DIR",
            help: "Where tasks and checkpoints are kept (default: ./cdc-bridge-data)."),
          CommandOption(
            name: "api-token-file", placeholder: "FILE",
            help: "Bearer token that requests must carry. Or set CDC_BRIDGE_API_TOKEN."),
          CommandOption(
            name: "tls-cert-file", placeholder: "FILE", help: "Serve HTTPS with this certificate chain (PEM)."
          ),
          CommandOption(name: "tls-key-file", placeholder: "FILE", help: "Key of the certificate (PEM)."),
          CommandOption(
            name: "tls-client-ca-file", placeholder: "FILE",
            help: "Clients must show a certificate signed by one of these (PEM)."),
          CommandOption(
            name: "log-level", placeholder: "LEVEL", help: "debug, info, warn or error (default: info).",
            choices: Log.Level.allCases.map(\.name)),
          CommandOption(
            name: "log-format", placeholder: "FORMAT", help: "text or json (default: text).",
            choices: Log.Format.allCases.map(\.rawValue)),
          CommandOption(name: "max-tasks", placeholder: "N", help: "Tasks that may exist (default: 100)."),
          CommandOption(
            name: "max-name-length", placeholder: "BYTES",
            help: "Longest name of a collection or database (default: 256)."),
          CommandOption(
            name: "http-status-from-code",
            help: "Answer with the envelope's code as HTTP status (default: always 200)."),
          CommandOption(
            name: "check", help: "Show the effective configuration without secrets, try the source, and end."),
          .config,
        ]), ConnectionOptions(side: .source).group,
    ],
    examples: [
      .init(
        purpose: "Serve tasks that read from one cluster.",
        line: "cdc-bridge serve --data-dir /var/lib/cdc-bridge --source-uri http://10.0.0.1:19530"),
      .init(
        purpose: "Serve the network, with a token.",
        line:
          "cdc-bridge serve --listen :8444 --api-token-file /etc/cdc-bridge/token --source-uri http://10.0.0.1:19530"
      ),
    ]
  ) { try await run($0) }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let config = try config(invocation)
    if try invocation.flag("check") {
      let (document, isGood) = await Serve.check(config) { MilvusClient($0) }
      Console.print(JSONWriter(layout: .pretty).text(of: document))
      return isGood ? .success : .failure
    }
    guard let signals = TerminationSignal.install() else {
      throw UsageError("the system has no pipe or thread left for signals.")
    }
    TerminationSignal.ignoreHangups()
    return ExitCode(
      rawValue: await Serve.run(config, factory: MilvusRunnerFactory()) {
        for await _ in signals { return }
      })
  }

  private static func config(_ invocation: Invocation) throws(UsageError) -> BridgeConfig {
    var config = BridgeConfig(dataDirectory: try invocation.string("data-dir") ?? "cdc-bridge-data")
    if let text = try invocation.string("listen") {
      guard let address = ListenAddress(parsing: text) else {
        throw UsageError("--listen: expected HOST:PORT, found '\(text)'.")
      }
      config.listen = address
    }
    config.source = try ConnectionOptions(side: .source).connectionIfGiven(invocation)
    if let path = try invocation.string("api-token-file") {
      config.apiToken = try InputFile.readSecret(path, what: "the API token file")
    } else if let text = invocation.environment["CDC_BRIDGE_API_TOKEN"], !text.isEmpty {
      config.apiToken = Secret(text)
    }
    config.tls = try tls(invocation)
    if let level = try invocation.string("log-level").flatMap({ Log.Level(name: $0) }) {
      config.logLevel = level
    }
    if let format = try invocation.string("log-format").flatMap({ Log.Format(rawValue: $0) }) {
      config.logFormat = format
    }
    if let count = try invocation.integer("max-tasks", in: 0...1_000_000) {
      config.limits.taskCountMax = count
    }
    if let bytes = try invocation.integer("max-name-length", in: 1...65_535) {
      config.limits.nameBytesMax = bytes
    }
    config.mirrorsCode = try invocation.flag("http-status-from-code")
    return config
  }

  private static func tls(_ invocation: Invocation) throws(UsageError) -> TLSServerSettings? {
    let certificate = try invocation.string("tls-cert-file")
    let key = try invocation.string("tls-key-file")
    let clientCA = try invocation.string("tls-client-ca-file")
    guard let certificate, let key else {
      guard certificate == nil, key == nil, clientCA == nil else {
        throw UsageError("TLS needs --tls-cert-file and --tls-key-file.")
      }
      return nil
    }
    return TLSServerSettings(
      certificatePath: certificate, keyPath: key, clientCAPath: clientCA,
      applicationProtocols: ["http/1.1"], requiresApplicationProtocol: false)
  }
}
