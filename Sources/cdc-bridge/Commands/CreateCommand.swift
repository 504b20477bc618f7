internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge create`: makes a task on a running service.
enum CreateCommand {
  static let command = Command(
    name: "create", topic: .tasks, summary: "make a task on a running service",
    description: """
      Makes a task and prints its id. Schema, indexes, aliases, load state and rows of what it covers are copied to the target, then changes \
      follow. The service connects to both clusters, so addresses and files are those of its host; tokens are read here and sent to it.

      Everything the API can say beyond these options goes into --data, the request_data of docs/API.md; then no other option about the task is given.
      """,
    options: [
      ConnectionOptions(side: .target).group, SelectionOptions.group,
      Command.OptionGroup(
        title: "task",
        options: [
          CommandOption(name: "task-id", placeholder: "ID", help: "Its id; asking again with it changes nothing (default: made)."),
          CommandOption(
            name: "capture", placeholder: "HOW", help: "auto, wal or reconcile (default: auto).",
            choices: ["auto", "wal", "reconcile"]),
          CommandOption(name: "changes-only", help: "Copy nothing that exists: only changes from now on."),
          CommandOption(
            name: "reconcile-interval", placeholder: "SECONDS",
            help: "Pause between two comparisons, where there is no log (default: 30)."),
          CommandOption(
            name: "ddl", placeholder: "HOW", help: "Schema changes: apply, ignore or stop (default: apply).",
            choices: ["apply", "ignore", "stop"]),
          CommandOption(
            name: "on-gap", placeholder: "HOW", help: "Where part of a log is gone: heal or stop (default: heal).",
            choices: ["heal", "stop"]),
          CommandOption(name: "end-at", placeholder: "TIME", help: "With a log: follow up to here, then pause."),
          CommandOption(name: "adopt", help: "Take over target collections that exist, whatever they hold."),
          CommandOption(name: "dry-run", help: "Show what the task would do, and make nothing."),
          CommandOption(
            name: "data", short: "d", placeholder: "JSON", help: "The whole request_data: JSON, @FILE, or @- for standard input."
          ), .json,
        ]), source, ServiceOptions.group,
    ],
    examples: [
      .init(
        purpose: "Everything of the default database.",
        line: "cdc-bridge create --target-uri http://10.0.0.2:19530 --target-token-file token"),
      .init(
        purpose: "One collection under another name; first see what would happen.",
        line:
          "cdc-bridge create --target-uri http://10.0.0.2:19530 --collection films --rename films=movies --dry-run"),
      .init(purpose: "A request written for Milvus-CDC.", line: "cdc-bridge create -d @request.json"),
    ]
  ) { try await run($0) }

  /// The service speaks to the source, so there are no frames to trace here.
  private static var source: Command.OptionGroup {
    var group = ConnectionOptions(side: .source).group
    group.options.removeAll { $0.name == CommandOption.traceFrames.name }
    return group
  }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let request = try await request(invocation)
    let answer = try await ServiceOptions.client(invocation).send("create", request)
    if let id = answer["task_id"]?.stringValue, try !invocation.flag("json") {
      Console.print(id)
    } else {
      Console.print(JSONWriter(layout: .fitted).text(of: .object(answer)))
    }
    return .success
  }

  private static func request(_ invocation: Invocation) async throws -> JSONObject {
    guard let text = try invocation.string("data") else { return try built(invocation) }
    let kept: Set<String> = ["data", "json"]
    let others = ServiceOptions.group.options.map(\.name)
    if let other = invocation.given.keys.sorted().first(where: { !kept.contains($0) && !others.contains($0) }) {
      throw UsageError("--\(other) and --data exclude each other: the request says everything.")
    }
    var bytes = Array(text.utf8)
    if text == "@-" {
      bytes = []
      while let more = await StandardStreams.nextInput() { bytes += more }
    } else if text.hasPrefix("@") {
      bytes = try InputFile.read(String(text.dropFirst()), what: "the request")
    }
    let value: JSONValue
    do { value = try JSONParser.parse(bytes) } catch { throw UsageError("--data, \(error).") }
    guard let object = value.objectValue else { throw UsageError("--data: expected a JSON object.") }
    // A whole request, as it is sent with curl, is understood too.
    return object["request_type"] != nil ? object["request_data"]?.objectValue ?? JSONObject() : object
  }

  private static func built(_ invocation: Invocation) throws -> JSONObject {
    let target = try ConnectionOptions(side: .target).connection(invocation)
    var request = TaskRequestBuilder.request(
      target: target, source: try ConnectionOptions(side: .source).connectionIfGiven(invocation),
      selection: try SelectionOptions.selection(invocation))
    for (option, key) in [
      ("task-id", "task_id"), ("capture", "capture"), ("ddl", "ddl"), ("on-gap", "on_gap"), ("end-at", "end_at"),
    ] {
      if let text = try invocation.string(option) { request[key] = .string(text) }
    }
    if let interval = try invocation.seconds("reconcile-interval") {
      request["reconcile_interval"] = .double(interval / .seconds(1))
    }
    if try invocation.flag("changes-only") { request["initial_copy"] = false }
    if try invocation.flag("adopt") { request["adopt"] = true }
    if try invocation.flag("dry-run") { request["dry_run"] = true }
    return request
  }
}
