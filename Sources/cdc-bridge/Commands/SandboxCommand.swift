internal import CDCBridge
internal import FoundationEssentials
internal import MilvusSandbox
internal import MilvusWire

/// `cdc-bridge sandbox`: an in-memory Milvus endpoint with a log.
enum SandboxCommand {
  private static let logs: [(name: String, kind: LogKind)] = [
    ("woodpecker", .woodPecker), ("rocksmq", .rocksMQ), ("kafka", .kafka), ("pulsar", .pulsar),
  ]

  static let command = Command(
    name: "sandbox", topic: .other, summary: "an in-memory Milvus endpoint with a log, for trying things",
    description: """
      Serves the part of the Milvus API that official clients and the bridge use: collections, rows by key and by simple filters, \
      indexes and load states that are only remembered, users that are never checked, the log (FlushAll, DumpMessages) and replication in both roles.

      It is not a database. Everything is in memory and gone when it ends, it searches nothing by similarity, and everybody may do \
      everything. It plays a server of 2.6 after what is known of real ones; what it does is no proof of what they do.
      """,
    options: [
      Command.OptionGroup(
        title: "sandbox",
        options: [
          CommandOption(
            name: "listen", placeholder: "HOST:PORT",
            help: "Where to listen; port 0 takes a free one (default: 127.0.0.1:19530)."),
          CommandOption(
            name: "pchannels", placeholder: "N", help: "Logs of the cluster, 1 to 256 (default: 4)."),
          CommandOption(
            name: "cluster-id", placeholder: "ID",
            help: "The part of channel names before -rootcoord-dml_ (default: by-dev)."),
          CommandOption(
            name: "wal", placeholder: "LOG",
            help: "\(logs.map(\.name).joined(separator: ", ")) (default: woodpecker).",
            choices: logs.map(\.name)),
          CommandOption(
            name: "version", placeholder: "TEXT", help: "The answer of GetVersion (default: 2.6.23-sandbox)."),
          CommandOption(
            name: "seed", placeholder: "N",
            help: "Repeats what goes by chance, such as orders in the log (default: 1)."),
          CommandOption(
            name: "control", placeholder: "HOST:PORT",
            help:
              "Where faults are asked for: POST /cut, /pause, /switch and so on with JSON (default: nowhere)."
          ),
          .config,
        ])
    ],
    examples: [
      .init(purpose: "An endpoint for pymilvus.", line: "cdc-bridge sandbox"),
      .init(
        purpose: "A cluster with one RocksMQ log, on any free port.",
        line: "cdc-bridge sandbox --listen 127.0.0.1:0 --wal rocksmq --pchannels 1 --cluster-id src"),
    ]
  ) { try await run($0) }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let address = try address(invocation.string("listen") ?? "127.0.0.1:19530", option: "listen", defaultPort: 19530)
    let sandbox = Sandbox(try settings(invocation))
    guard let signals = TerminationSignal.install() else {
      throw UsageError("the system has no pipe or thread left for signals.")
    }
    let listener = try await Listener.bind(
      host: address.host, port: address.port, on: ConnectionLoopGroup.shared())
    let control = try await controlListener(invocation)
    Console.print("listening on \(listener.address)")
    if let control { Console.print("control on \(control.address)") }
    await withDiscardingTaskGroup { group in
      if let control { group.addTask { await serveControl(sandbox, control) } }
      await sandbox.serve(listener) { for await _ in signals { return } }
      control?.close()
      group.cancelAll()
    }
    return .success
  }

  // MARK: Control

  private static func controlListener(_ invocation: Invocation) async throws -> Listener? {
    guard let text = try invocation.string("control") else { return nil }
    let address = try address(text, option: "control")
    return try await Listener.bind(host: address.host, port: address.port, on: ConnectionLoopGroup.shared())
  }

  /// `POST /cut {"how": "eof"}` and so on; the table is at `Sandbox.control`.
  private static func serveControl(_ sandbox: Sandbox, _ listener: Listener) async {
    let server = HTTPServer { request in
      guard request.method == "POST" || request.path == "/state" else {
        return HTTPResponse(.methodNotAllowed, text: "POST")
      }
      do {
        let body = request.body.isEmpty ? JSONValue.object(JSONObject()) : try JSONParser.parse(request.body)
        guard let members = body.objectValue else { throw UsageError("the body is no JSON object") }
        let answer = try sandbox.control(String(request.path.dropFirst()), members)
        return response(.ok, answer)
      } catch {
        return response(.badRequest, ["error": .string("\(error)")])
      }
    }
    await server.run { () async throws(WireError) in try await listener.accept() }
  }

  private static func response(_ status: HTTPStatus, _ object: JSONObject) -> HTTPResponse {
    HTTPResponse(
      status, contentType: "application/json",
      body: Array(JSONWriter(layout: .compact).text(of: .object(object)).utf8))
  }

  private static func settings(_ invocation: Invocation) throws(UsageError) -> SandboxSettings {
    var settings = SandboxSettings { Int64(Date().timeIntervalSince1970 * 1000) }
    if let count = try invocation.integer("pchannels", in: 1...256) { settings.pchannelCount = count }
    if let id = try invocation.string("cluster-id") {
      guard !id.isEmpty, id.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
        throw UsageError("--cluster-id: expected printable ASCII without blanks, found '\(id)'.")
      }
      settings.clusterID = id
    }
    if let name = try invocation.string("wal"), let log = logs.first(where: { $0.name == name }) {
      settings.log = log.kind
    }
    if let version = try invocation.string("version") { settings.version = version }
    if let seed = try invocation.integer("seed", in: 0...Int.max) { settings.seed = UInt64(seed) }
    return settings
  }

  private static func address(_ text: String, option: String, defaultPort: Int? = nil) throws(UsageError) -> ListenAddress {
    guard let address = ListenAddress(parsing: text, defaultPort: defaultPort) else {
      throw UsageError("--\(option): expected HOST:PORT, found '\(text)'.")
    }
    return address
  }
}
