internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge replay`: a recorded log into a cluster.
enum ReplayCommand {
  static let command = Command(
    name: "replay", topic: .log, summary: "play a recorded log into a cluster",
    description: """
      Applies a recording to a cluster through the same pipeline as a task: collections are made and changed, rows written by Upsert in their order, \
      with the checks that a task makes before it writes. It may be repeated. --dry-run shows what is in the file and writes nothing. \
      --follow plays a file that `record` is still writing, until that recording is ended.

      --apply native sends the messages as they are, ids and ticks included: the target, which has to be empty or a standby of the recorded cluster, \
      is a standby afterwards (`promote` ends that). Such a log is all or nothing, so what chooses a part of it is refused; every message is checked \
      before the first is sent. A standby that has a part of the recording gets the rest.

      Damage is named with its offset. What follows the damage is whole, but a target would lack what was there: --force replays all the same. \
      It overrides nothing else: messages that no target may be sent, by their type, version or content, are refused.
      """,
    options: [
      ConnectionOptions(side: .target).group, SelectionOptions.group,
      Command.OptionGroup(
        title: "how",
        options: [
          CommandOption(
            name: "apply", placeholder: "WAY", help: "public: ordinary calls (default); native: as a standby's log.",
            choices: TaskSpec.Apply.allCases.map(\.rawValue)),
          CommandOption(name: "dry-run", help: "Show what the recording holds; no target is needed."),
          CommandOption(name: "follow", help: "The file is still being written: go on until its recording is ended, or Ctrl-C."),
          CommandOption(name: "until", placeholder: "TIME", help: "Only up to this time (RFC 3339) or tick."),
          CommandOption(
            name: "rate", placeholder: "N", help: "Messages a second on each channel (default: as fast as the target takes them)."),
          CommandOption(name: "adopt", help: "Collections that are on the target already may be taken over."),
          CommandOption(name: "force", help: "Replay although something in the middle of the file is damaged or missing."),
          .json,
        ]),
    ],
    arguments: [CommandArgument(name: "FILE", help: "The recording.")],
    examples: [
      .init(purpose: "What is in it?", line: "cdc-bridge replay --dry-run log.cdcr"),
      .init(purpose: "Play it into a sandbox.", line: "cdc-bridge replay --target-uri http://127.0.0.1:19530 --database '*' log.cdcr"),
      .init(
        purpose: "While it is recorded.", line: "cdc-bridge replay --target-uri http://127.0.0.1:19530 --database '*' --follow log.cdcr"),
      .init(
        purpose: "Message by message into an empty cluster, which becomes a standby.",
        line: "cdc-bridge replay --target-uri http://127.0.0.1:19530 --apply native log.cdcr"),
    ]
  ) { try await run($0) }

  private struct Request: Sendable {
    var path: String
    var isNative: Bool
    var isJSON: Bool
    var options: Replay.Options
  }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let request = try request(invocation)
    if try invocation.flag("dry-run") { return try dryRun(request) }
    let target = try ConnectionOptions(side: .target).connection(invocation)
    let selection = try SelectionOptions.selection(invocation)
    let board = ProgressBoard()
    let outcome = Locked<NativeReplay.Outcome?>(nil)
    try await UntilInterrupted.run {
      guard let survey = try await survey(request) else { return }
      try await watching(board) {
        if request.isNative {
          let replay = NativeReplay(path: request.path, survey: survey, target: target, options: request.options)
          let result = try await replay.run(board: board)
          outcome.withLock { $0 = result }
        } else {
          let replay = Replay(path: request.path, survey: survey, target: target, selection: selection, options: request.options)
          try await replay.run(board: board)
        }
      }
    }
    if request.isNative { return report(outcome.withLock { $0 }, board.read(), request) }
    return report(board.read(), isJSON: request.isJSON)
  }

  /// nil: interrupted before the file that is followed had a beginning.
  private static func survey(_ request: Request) async throws -> RecordSurvey? {
    let survey: RecordSurvey?
    if request.options.follows {
      survey = try await Replay.surveyWhenReady(path: request.path) {
        LogViewOptions.show(.note("waiting for the beginning of \(request.path)"))
      }
    } else {
      survey = try RecordSurvey(path: request.path)
    }
    for damage in survey?.damages ?? [] {
      LogViewOptions.show(.warning("damage at byte \(damage.offset): \(damage.bytes) bytes, \(damage.why)"))
    }
    return survey
  }

  private static func request(_ invocation: Invocation) throws(UsageError) -> Request {
    let path = invocation.argument("FILE") ?? ""
    guard path != "-" else { throw UsageError("a recording is read more than once: write it to a file first.") }
    var options = Replay.Options()
    options.until = try LogCommands.tick(invocation, "until")
    options.rate = try invocation.integer("rate", in: 1...1_000_000)
    options.adopt = try invocation.flag("adopt")
    options.ignoresHoles = try invocation.flag("force")
    options.follows = try invocation.flag("follow")
    if options.follows, options.until != nil {
      throw UsageError("--follow and --until exclude each other: end the recording with `record --until`.")
    }
    let isNative = try invocation.string("apply") == TaskSpec.Apply.native.rawValue
    if isNative {
      for name in ["database", "collection", "rename", "rename-database", "adopt"] where invocation.given[name] != nil {
        throw UsageError(
          "--\(name) and --apply native exclude each other: a standby's log is all or nothing, under the names that it has; use --apply public."
        )
      }
    }
    return Request(path: path, isNative: isNative, isJSON: try invocation.flag("json"), options: options)
  }

  private static func dryRun(_ request: Request) throws -> ExitCode {
    let survey = try RecordSurvey(path: request.path, isGrowing: request.options.follows)
    var isFine = survey.damages.isEmpty && survey.obstacles.isEmpty
    var lines = survey.lines
    var json = survey.json.objectValue ?? JSONObject()
    if request.isNative {
      let check = try NativeRecordCheck(path: request.path, survey: survey, until: request.options.until)
      isFine = isFine && check.held.isEmpty
      lines += survey.nativeLines(check)
      json["native"] = .array(survey.nativeLines(check).map { .string($0) })
    } else {
      isFine = isFine && survey.publicObstacles.isEmpty
      lines += (survey.obstacles + survey.publicObstacles).map { "not to be replayed: \($0)" }
    }
    if request.isJSON {
      Console.print(JSONWriter(layout: .pretty).text(of: .object(json)))
    } else {
      for line in lines { Console.print(line) }
    }
    return isFine ? .success : .failure
  }

  /// Says what is tried again, once for each reason: a replay ends only when everything is there.
  private static func watching(_ board: ProgressBoard, _ body: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        var said: String?
        while (try? await Task.sleep(for: .milliseconds(500))) != nil {
          let progress = board.read()
          guard let error = progress.lastError, error != said else { continue }
          said = error
          LogViewOptions.show(.warning(SafeText.line(error)))
          if let hint = progress.hint { LogViewOptions.show(.note(SafeText.line(hint))) }
        }
      }
      let result: Result<Void, any Error>
      do { result = .success(try await body()) } catch { result = .failure(error) }
      group.cancelAll()
      try result.get()
    }
  }

  // MARK: Reports

  static func report(_ progress: TaskProgress, isJSON: Bool) -> ExitCode {
    var isWhole = true
    var list: [JSONValue] = []
    for text in progress.notReplicated { Console.error("not replicated: \(text)") }
    for collection in progress.collections {
      if collection.state == .stopped { isWhole = false }
      if isJSON {
        list.append(
          .object([
            "source": .string(collection.source.description), "inserted": .int(collection.inserted), "updated": .int(collection.updated),
            "deleted": .int(collection.deleted), "error": .text(collection.lastError),
          ]))
      } else {
        Console.print(
          "\(collection.source): \(collection.inserted) inserted, \(collection.updated) updated, \(collection.deleted) deleted"
            + (collection.lastError.map { ", stopped: \($0)" } ?? ""))
        if collection.state == .stopped, let hint = collection.hint { Console.error("Hint: \(hint)") }
      }
    }
    if isJSON { Console.print(JSONWriter().text(of: .object(["collections": .array(list), "whole": .bool(isWhole)]))) }
    return isWhole ? .success : .failure
  }

  private static func report(_ outcome: NativeReplay.Outcome?, _ progress: TaskProgress, _ request: Request) -> ExitCode {
    for text in progress.notReplicated { Console.error("not replicated: \(text)") }
    guard let outcome else {
      Console.error("cdc-bridge replay: interrupted; what was sent is on the target, and a replay of the same file goes on from there.")
      return .failure
    }
    if request.isJSON {
      Console.print(
        JSONWriter().text(
          of: .object([
            "standby": .string(outcome.clusterID), "pchannels": .int(outcome.pchannels), "messages": .int(outcome.messages),
            "passed_over": .array(outcome.passedOver.map { .string($0) }),
          ])))
    } else {
      Console.print("\(outcome.clusterID), a standby now, has everything of the recording on \(outcome.pchannels) pchannels")
      Console.print("\(outcome.messages) messages sent")
      for text in outcome.passedOver { Console.print("passed over: \(text)") }
    }
    return .success
  }
}
