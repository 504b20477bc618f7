internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge list|get|pause|resume|delete|position|progress`: the task API of a running service from the command line.
enum TaskCommands {
  private static let task = CommandArgument(name: "TASK", help: "Id of a task.")
  private static let tasks = CommandArgument(name: "TASK", help: "Id of a task.", isRepeatable: true)

  static let list = Command(
    name: "list", topic: .tasks, summary: "show all tasks of a service",
    description: "Shows the tasks in the order of their creation: state, phase, progress, lag, and what is wrong.",
    options: [ServiceOptions.watch, ServiceOptions.group],
    examples: [
      .init(purpose: "Once.", line: "cdc-bridge list --server http://10.0.0.5:8444"),
      .init(
        purpose: "Ids of what is not running.", line: "cdc-bridge list --json | jq -r '.tasks[] | select(.state != \"Running\").task_id'"),
    ]
  ) { invocation in
    let client = try ServiceOptions.client(invocation)
    return try await ServiceOptions.show(
      invocation, look: { try await client.send("list") }, text: { TaskTable.list($0["tasks"]?.arrayValue ?? []) })
  }

  static let get = Command(
    name: "get", topic: .tasks, summary: "show one task",
    description: "Shows what a task covers, its ends, state, progress and last error.",
    options: [ServiceOptions.watch, ServiceOptions.group], arguments: [task],
    examples: [.init(purpose: "Everything the service knows.", line: "cdc-bridge get 8a1f --json")]
  ) { invocation in
    let client = try ServiceOptions.client(invocation)
    let id = JSONValue.string(invocation.argument("TASK") ?? "")
    return try await ServiceOptions.show(
      invocation, look: { (try await client.send("get", ["task_id": id]))["task"]?.objectValue ?? JSONObject() },
      text: { TaskTable.task($0) })
  }

  static let progress = Command(
    name: "progress", topic: .tasks, summary: "show how far a task is, collection by collection",
    description: """
      Shows phase, rows, speed, lag and each collection of a task. The three answers a script can trust are copied, caught_up and \
      can_cut_over; --until waits for one of them, and ends with 1 where the task is paused, because nothing becomes true then.
      """,
    options: [
      Command.OptionGroup(
        title: "what",
        options: [
          CommandOption(
            name: "until", placeholder: "ANSWER", help: "Look again and again until it is true; ends with 0 then.",
            choices: ["copied", "caught_up", "can_cut_over"]),
          CommandOption(
            name: "writes-stopped-at", placeholder: "TIME",
            help: "When writing to the source stopped, as RFC 3339 or Unix milliseconds: can_cut_over needs it."),
        ]), ServiceOptions.watch, ServiceOptions.group,
    ], arguments: [task],
    examples: [
      .init(purpose: "Wait for the first copy in a script.", line: "cdc-bridge progress 8a1f --until copied"),
      .init(
        purpose: "Cut over: writing has stopped just now.",
        line: "cdc-bridge progress 8a1f --until can_cut_over --writes-stopped-at $(date -u +%FT%TZ)"),
    ]
  ) { try await showProgress($0) }

  private static func showProgress(_ invocation: Invocation) async throws -> ExitCode {
    var invocation = invocation
    let client = try ServiceOptions.client(invocation)
    var request = JSONObject([("task_id", .string(invocation.argument("TASK") ?? ""))])
    if let time = try invocation.string("writes-stopped-at") {
      request["writes_stopped_at"] = Int64(time).map { .int($0) } ?? .string(time)
    }
    let until = try invocation.string("until")
    if until == "can_cut_over", request["writes_stopped_at"] == nil {
      throw UsageError(
        "--until can_cut_over needs --writes-stopped-at: without it nobody knows that writing has stopped, and it is never true.")
    }
    if until != nil { invocation.given["watch"] = ["true"] }
    return try await ServiceOptions.show(
      invocation, look: { try await client.send("progress", request) }, text: { TaskTable.progress($0) },
      ending: { answer in until.flatMap { ending($0, answer) } })
  }

  /// How a wait for an answer ends; nil: not yet.
  private static func ending(_ until: String, _ answer: JSONObject) -> ExitCode? {
    if answer[until]?.boolValue == true { return .success }
    guard let reason = answer["reason"]?.stringValue else { return nil }
    Console.error("the task is paused, so \(until) is not waited for: \(reason)")
    if let hint = answer["hint"]?.stringValue { Console.error("Hint: \(hint)") }
    return .failure
  }

  static let position = Command(
    name: "position", topic: .tasks, summary: "show how far each collection or channel is",
    description: "Shows the positions of one task, or of all.",
    options: [ServiceOptions.watch, ServiceOptions.group],
    arguments: [CommandArgument(name: "TASK", help: "Id of a task (default: all).", isRequired: false)],
    examples: [.init(purpose: "Of all tasks.", line: "cdc-bridge position")]
  ) { invocation in
    let client = try ServiceOptions.client(invocation)
    let request = JSONObject(invocation.argument("TASK").map { [("task_id", .string($0))] } ?? [])
    return try await ServiceOptions.show(
      invocation, look: { try await client.send("position", request) },
      text: { TaskTable.positions($0["positions"]?.arrayValue ?? []) })
  }

  static let pause = change(
    "pause", summary: "pause tasks", done: "paused",
    description: "Pauses tasks. When it ends, nothing more is written. A pause survives a restart of the service.",
    example: .init(purpose: "One.", line: "cdc-bridge pause 8a1f"))
  static let resume = change(
    "resume", summary: "resume paused tasks", done: "resumed",
    description: "Resumes paused tasks. Each connects to its target first; where that fails it stays paused and the reason is shown.",
    example: .init(purpose: "One.", line: "cdc-bridge resume 8a1f"))
  static let delete = change(
    "delete", summary: "end tasks and forget them", done: "deleted",
    description: "Ends tasks and forgets them with their positions. Nothing is deleted on the source or the target; a standby stays one.",
    options: [CommandOption(name: "ignore-not-found", help: "A task that does not exist is no failure.")],
    example: .init(purpose: "Two at once.", line: "cdc-bridge delete 8a1f reviews"))

  /// A command that changes tasks one after another and goes on after a refusal.
  private static func change(
    _ name: String, summary: String, done: String, description: String, options: [CommandOption] = [],
    example: Command.Example
  ) -> Command {
    Command(
      name: name, topic: .tasks, summary: summary, description: description,
      options: (options.isEmpty ? [] : [Command.OptionGroup(title: "what", options: options)])
        + [ServiceOptions.once, ServiceOptions.group],
      arguments: [tasks], examples: [example]
    ) { invocation in
      let client = try ServiceOptions.client(invocation)
      let isJSON = try invocation.flag("json")
      let ignores = try invocation.flag("ignore-not-found")
      var code = ExitCode.success
      for id in invocation.arguments["TASK"] ?? [] {
        var request = JSONObject([("task_id", .string(id))])
        if ignores { request["ignore_not_found"] = true }
        do throws(TaskClientError) {
          let note = try await client.send(name, request)["note"]?.stringValue
          var answer: JSONObject = ["task_id": .string(id), "done": .string(done)]
          if let note { answer["note"] = .string(note) }
          Console.print(isJSON ? JSONWriter().text(of: .object(answer)) : "\(id) \(done)")
          if let note, !isJSON { Console.error(note) }
        } catch {
          guard error.code == .refused else { throw error }
          Console.error("cdc-bridge \(name): \(id): \(error.message)")
          code = .failure
        }
      }
      return code
    }
  }
}
