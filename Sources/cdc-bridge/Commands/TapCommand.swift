internal import CDCBridge
internal import FoundationEssentials
internal import MilvusWire

/// `cdc-bridge tap`: what a client and a server say to each other.
enum TapCommand {
  static let command = Command(
    name: "tap", topic: .calls, summary: "a proxy that shows what a client and a server say to each other",
    description: """
      Listens for any gRPC client and passes every call on to the server behind it, unchanged: all methods, streams too, with metadata, \
      deadlines, trailers and status, as fast as the slower side takes them. Prints a line for each call with its status, Milvus's own \
      code, time and sizes; on request metadata and messages as JSON. A summary for each method comes at the end, with Ctrl-C.

      --fault makes a client's life hard: METHOD=delay:200ms holds requests back, METHOD=status:UNAVAILABLE refuses calls, METHOD=cut breaks the \
      client's connection, METHOD=cut:3 after three answers of a stream; with /N at the end only every nth call. METHOD may be *.

      The login of the client goes through and is never shown. Compressed messages go through as they are; what gzip packed is shown unpacked.
      """,
    options: [
      Command.OptionGroup(
        title: "what is shown",
        options: [
          CommandOption(name: "method", placeholder: "TEXT", help: "Only methods whose name holds TEXT.", isRepeatable: true),
          CommandOption(name: "failed", help: "Only calls that failed, in gRPC or in Milvus."),
          CommandOption(name: "slower-than", placeholder: "DURATION", help: "Only calls that took this long, such as 100ms or 2s."),
          CommandOption(name: "metadata", help: "Metadata and trailers too."),
          CommandOption(name: "messages", help: "Requests and answers too, as JSON."),
          CommandOption(name: "quiet", help: "Only the summary at the end."),
          CommandOption(
            name: "record", placeholder: "FILE",
            help: "Append every call with its requests and answers to a recording for `decode`; messages of a log as such, for `replay`."),
          CommandOption(name: "json", help: "One JSON object in each line, for programs."),
          CommandOption(name: "rows", placeholder: "N", help: "Rows that are shown of a message (default: 10; all with --json)."),
          CommandOption(name: "full", help: "Whole vectors and texts."),
          CommandOption(name: "show-secrets", help: "Passwords in messages as they are; else <redacted> stands in their place."),
        ]),
      Command.OptionGroup(
        title: "faults",
        options: [
          CommandOption(name: "fault", placeholder: "METHOD=WHAT", help: "Do this to calls of a method; see above.", isRepeatable: true)
        ]),
      Command.OptionGroup(
        title: "TLS",
        options: [
          CommandOption(name: "tls-cert-file", placeholder: "FILE", help: "Certificate to show to clients: then they must speak TLS."),
          CommandOption(name: "tls-key-file", placeholder: "FILE", help: "Its key."),
        ] + upstreamOptions),
    ],
    arguments: [
      CommandArgument(name: "LISTEN", help: "Where to listen: HOST:PORT; port 0 takes a free one."),
      CommandArgument(name: "UPSTREAM", help: "The server: http://HOST:PORT, or https://HOST:PORT for TLS."),
    ],
    examples: [
      .init(purpose: "Watch a client; point it at port 19531.", line: "cdc-bridge tap 127.0.0.1:19531 http://127.0.0.1:19530"),
      .init(
        purpose: "What a client searches for, and what it gets.",
        line: "cdc-bridge tap 127.0.0.1:19531 http://127.0.0.1:19530 --method Search --messages"),
      .init(
        purpose: "Does the client survive a slow server that refuses every tenth insert?",
        line: "cdc-bridge tap 127.0.0.1:19531 http://127.0.0.1:19530 --fault Insert=status:UNAVAILABLE/10 --fault Search=delay:300ms"),
    ]
  ) { try await run($0) }

  /// Those of the connection that are not about who calls.
  private static var upstreamOptions: [CommandOption] {
    ConnectionOptions(side: .server).group.options.filter {
      ["ca-file", "server-name", "client-cert-file", "client-key-file"].contains($0.name)
    }
  }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let listen = try address(invocation.argument("LISTEN") ?? "")
    let given = try ConnectionOptions(side: .server).connection(
      invocation, uri: invocation.argument("UPSTREAM") ?? "", argument: "UPSTREAM")
    // Who calls is the client's business.
    let connection = ClusterConnection(endpoint: given.endpoint, receiveMessageBytesMax: TapProxy.serverOptions.receiveMessageBytesMax)
    let tls = try tls(invocation)
    let isQuiet = try invocation.flag("quiet")
    let report = TapReport(try options(invocation)) { if !isQuiet { Console.print($0) } }
    let recorder = try recorder(invocation)
    let observers = TapObservers([report] + (recorder.map { [$0] } ?? []))
    let proxy = TapProxy(
      upstream: RPCChannel(connection, options: TapProxy.channelOptions), faults: TapFaults(try faults(invocation)),
      observer: observers)
    guard let signals = TerminationSignal.install() else { throw UsageError("the system has no pipe or thread left for signals.") }
    let context: TLSContext? = if let tls { try await TLSContext.server(tls) } else { nil }
    let listener = try await Listener.bind(host: listen.host, port: listen.port, on: ConnectionLoopGroup.shared())
    Console.print("listening on \(listener.address)")
    let server = RPCServer(listener: listener, tls: context, routes: proxy.routes, options: TapProxy.serverOptions)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await server.run() }
      if let recorder { group.addTask { try await recorder.run() } }
      group.addTask {
        for await _ in signals { return }
        try? await Task.sleep(for: .seconds(365 * 24 * 3600))
      }
      // Whatever comes first: the signal, or a recording that cannot be written.
      let first = await group.nextResult()
      group.cancelAll()
      while await group.nextResult() != nil {}
      try first?.get()
    }
    for line in report.summary { Console.error("* \(line)") }
    return .success
  }

  private static func recorder(_ invocation: Invocation) throws -> TapRecorder? {
    guard let path = try invocation.string("record") else { return nil }
    let writer = RecordWriter(try RecordCommands.appending(path), compresses: true)
    try Recording.begin(
      writer, uri: invocation.argument("UPSTREAM") ?? "", profile: nil, catalog: nil, unixMs: Int64(Date().timeIntervalSince1970 * 1000))
    return TapRecorder(writer)
  }

  private static func options(_ invocation: Invocation) throws(UsageError) -> TapReport.Options {
    var options = TapReport.Options()
    options.methods = try invocation.strings("method")
    options.failuresOnly = try invocation.flag("failed")
    options.showsMetadata = try invocation.flag("metadata")
    options.showsMessages = try invocation.flag("messages")
    options.isJSON = try invocation.flag("json")
    options.view = try LogViewOptions.view(invocation, isJSON: options.isJSON)
    if let text = try invocation.string("slower-than") {
      guard let duration = TapFault.duration(text) else {
        throw UsageError("--slower-than: expected a time such as 200ms or 2s, found '\(text)'.")
      }
      options.slowerThan = duration
    }
    return options
  }

  private static func faults(_ invocation: Invocation) throws(UsageError) -> [TapFault] {
    var faults: [TapFault] = []
    for text in try invocation.strings("fault") {
      guard let fault = TapFault(text) else {
        throw UsageError("--fault: expected METHOD=delay:200ms, METHOD=status:UNAVAILABLE or METHOD=cut, found '\(text)'.")
      }
      let names = Method.all.map(\.name)
      guard fault.method == "*" || fault.method.contains("/") || names.contains(fault.method) else {
        throw UsageError("--fault: no method '\(fault.method)'.\(NearestName.hint(fault.method, among: names))")
      }
      faults.append(fault)
    }
    return faults
  }

  private static func tls(_ invocation: Invocation) throws(UsageError) -> TLSServerSettings? {
    let (certificate, key) = (try invocation.string("tls-cert-file"), try invocation.string("tls-key-file"))
    guard let certificate, let key else {
      guard certificate == nil, key == nil else { throw UsageError("TLS needs --tls-cert-file and --tls-key-file.") }
      return nil
    }
    return TLSServerSettings(certificatePath: certificate, keyPath: key, applicationProtocols: ["h2"], requiresApplicationProtocol: true)
  }

  private static func address(_ text: String) throws(UsageError) -> ListenAddress {
    guard let address = ListenAddress(parsing: text, defaultPort: nil) else {
      throw UsageError("LISTEN: expected HOST:PORT, found '\(text)'.")
    }
    return address
  }
}
