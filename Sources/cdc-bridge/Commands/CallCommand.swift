internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge call METHOD [JSON]`.
enum CallCommand {
  static let command = Command(
    name: "call", topic: .calls, summary: "call any RPC of Milvus with JSON",
    description: """
      Calls one RPC, prints its answers as JSON, and ends with the status of the call. The schemas of all services are built in; `methods` \
      lists them, `describe` explains them. A request is one JSON object, by default {}; a call that takes a stream of requests takes one object \
      after another and sends each as soon as it is there.

      JSON is protobuf's own mapping, with either spelling of names. Beyond it, bytes that hold a schema or the vectors of a search are shown as \
      JSON, and taken as JSON; vectors are shown in short unless --full is given. --exact switches all of that off.

      A standby puts a replicated message into its log before it understands it: one with a wrong type, version or content kills it, and again at \
      every start. Such messages, and a promotion by force without a configuration, are not sent unless --allow-harmful says so.

      Exit code: 0 where the call ended with OK and Milvus says success, 1 where Milvus answers with a failure, 64+n for gRPC status n.
      """,
    options: [
      Command.OptionGroup(
        title: "request",
        options: [
          CommandOption(
            name: "data", short: "d", placeholder: "JSON", help: "The request: JSON, @FILE, or @- for standard input."),
          CommandOption(
            name: "template", help: "Print a request with every field in it, to be filled in, and call nothing."),
          CommandOption(
            name: "header", short: "H", placeholder: "NAME:VALUE",
            help: "Metadata to send; '${VARIABLE}' in the value is taken from the environment, -bin values are base64.",
            isRepeatable: true),
          CommandOption(
            name: "timeout", placeholder: "SECONDS",
            help: "Deadline of the whole call (default: 30, for streams 3600)."),
          CommandOption(
            name: "allow-harmful", help: "Send log messages too that kill a server at every start; for servers that may be lost."),
        ]),
      AnswerOptions.group,
      Command.OptionGroup(
        title: "what happened",
        options: [
          CommandOption(
            name: "verbose", short: "v", help: "Show connection, metadata, messages and status on standard error."),
          CommandOption(name: "timing", help: "Show how long each step took on standard error."),
        ]),
      ConnectionOptions(side: .server).group,
    ],
    arguments: [
      CommandArgument(name: "METHOD", help: "Query, or milvus.proto.milvus.MilvusService/Query."),
      CommandArgument(name: "JSON", help: "The request, where -d does not give it.", isRequired: false),
    ],
    examples: [
      .init(purpose: "Which version is it?", line: "cdc-bridge call GetVersion --uri http://10.0.0.1:19530"),
      .init(purpose: "A schema.", line: #"cdc-bridge call DescribeCollection '{"collection_name": "films"}'"#),
      .init(
        purpose: "Rows as rows.",
        line:
          #"cdc-bridge call Query '{"collection_name": "films", "expr": "id < 3", "output_fields": ["*"]}' --rows"#),
      .init(
        purpose: "A request that somebody prepared.", line: "cdc-bridge call CreateCollection -d @request.json -v"),
    ]
  ) { try await run($0) }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let call = try method(invocation.argument("METHOD") ?? "")
    if try invocation.flag("template") {
      let template = MessageTemplate(presentation: MilvusPresentation(isFull: true)).json(of: call.requestType)
      Console.print(JSONWriter(layout: .fitted).text(of: template))
      return .success
    }
    let answers = try AnswerOptions(invocation, type: call.answerType, isStream: call.method.serverStreaming)
    let requests = try await RequestInput.open(call, invocation)
    let metadata = try metadata(invocation)
    let mayHarm = try invocation.flag("allow-harmful")
    let timing = try invocation.flag("timing") ? CallTiming() : nil
    var options = ChannelOptions()
    // Frames, where they are shown, say all that --verbose does.
    let isVerbose = try invocation.flag("verbose")
    let transcript = options.tracer ?? (isVerbose ? TranscriptPrinter() : nil)
    options.tracer = TracerGroup([transcript, timing].compactMap { $0 })
    let timeout = try invocation.seconds("timeout") ?? .seconds(call.method.isUnary ? 30 : 3600)
    var connection = try ConnectionOptions(side: .server).connection(invocation)
    connection.connectTimeout = min(connection.connectTimeout, timeout)
    let channel = RPCChannel(connection, options: options)
    let printer = AnswerPrinter(options: answers)
    let result: Result<Void, any Error>
    do {
      result = .success(
        try await call.run(
          on: channel, metadata: metadata, timeout: timeout, request: { try await guarded(requests, call.method, mayHarm) },
          take: { try printer.take($0) }))
    } catch {
      result = .failure(error)
    }
    await channel.shutdown()
    if let timing { Console.error(TimingText.text(timing.reading, printer)) }
    return try finish(result, printer, call.method)
  }

  /// The next request, if it may be sent.
  private static func guarded(_ requests: RequestInput, _ method: MilvusWire.Method, _ mayHarm: Bool) async throws -> [UInt8]? {
    guard let request = try await requests.next() else { return nil }
    guard !mayHarm, let reason = HarmfulRequest.reason(method, request) else { return request }
    throw UsageError(
      "a request was not sent, because a server would die of it, and again at every start, until its log is wiped: \(reason). "
        + "--allow-harmful sends it all the same.")
  }

  private static func finish(_ result: Result<Void, any Error>, _ printer: AnswerPrinter, _ method: Method) throws
    -> ExitCode
  {
    switch result {
    case .success:
      guard let status = printer.failure else { return .success }
      Console.error("cdc-bridge call: Milvus code \(status.decidingCode): \(status.reason)")
      return .failure
    case .failure(let error as RPCError) where error.code == .unimplemented:
      Failure.report(error, command: "call")
      if let releases = method.releases, !releases.hasPrefix("after") {
        Console.error("Hint: \(method.name) came with Milvus \(releases).")
      }
      return .rpc(error.code)
    case .failure(let error): throw error
    }
  }

  static func method(_ name: String) throws(UsageError) -> MethodCall {
    if let method = Method.named(name), let call = MethodCall(method) { return call }
    let near = MethodCall.nearest(to: name)
    let hint = near.isEmpty ? "" : " Did you mean \(near.map { "'\($0)'" }.joined(separator: ", "))?"
    throw UsageError("no RPC is called '\(name)'.\(hint) `cdc-bridge methods` lists all.")
  }

  private static func metadata(_ invocation: Invocation) throws(UsageError) -> Metadata {
    var metadata = Metadata()
    for text in try invocation.strings("header") {
      guard let colon = text.firstIndex(of: ":"), colon > text.startIndex else {
        throw UsageError("--header: expected NAME:VALUE.")
      }
      let name = String(text[..<colon])
      let value = try expanded(text[text.index(after: colon)...].drop { $0 == " " }, invocation)
      if name.lowercased().hasSuffix("-bin") {
        guard let bytes = Base64.decode(value) else {
          throw UsageError("--header: the value of \(name) is not base64.")
        }
        metadata.append(name, bytes: bytes)
      } else {
        metadata.append(name, value)
      }
    }
    return metadata
  }

  /// `${NAME}` becomes the environment's value.
  private static func expanded(_ text: Substring, _ invocation: Invocation) throws(UsageError) -> String {
    var result = ""
    var rest = text
    while let start = rest.firstRange(of: "${") {
      guard let end = rest[start.upperBound...].firstIndex(of: "}") else { break }
      let name = String(rest[start.upperBound..<end])
      guard let value = invocation.environment[name] else {
        throw UsageError("--header: the environment variable \(name) is not set.")
      }
      result += rest[..<start.lowerBound] + value
      rest = rest[rest.index(after: end)...]
    }
    return result + rest
  }
}
