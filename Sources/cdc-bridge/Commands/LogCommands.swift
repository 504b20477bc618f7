internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge dump` and `cdc-bridge tail`: the log of a cluster, decoded.
enum LogCommands {
  static let dump = Command(
    name: "dump", topic: .log, summary: "what a cluster's log holds, decoded",
    description: """
      Prints the readable part of the log up to now, all channels merged by tick: headers, properties and rows, as text or as JSON lines. \
      Needs a server from 2.6.20 on. Reads alone: nothing is written, flushed or changed, unless --flush is given.

      How far back a log can be read is its server's business: 2.6 on WoodPecker forgets after about ten minutes what it has stored away. \
      --from and --until are filters on what can be read; that the log begins later than asked is a warning, and so are a log that changed \
      its kind, a first message that is not the one asked for, and a token that lies in the log.
      """,
    options: groups(isTail: false),
    examples: [
      .init(purpose: "Everything that can be read.", line: "cdc-bridge dump"),
      .init(purpose: "What happened to one row.", line: "cdc-bridge dump --collection films --key 42"),
      .init(purpose: "Schema changes as JSON lines.", line: "cdc-bridge dump --type CreateCollection --type AlterCollection --json"),
    ]
  ) { try await run($0, follows: false) }

  static let tail = Command(
    name: "tail", topic: .log, summary: "a cluster's log as it is written",
    description: """
      Prints messages of the log as they are written, from now on, until --until, --count or Ctrl-C. "Now" is a proven position and no clock: \
      a dump up to a timestamp of the server has to end first, so nothing written afterwards is missed. --flush lets FlushAll tell the \
      position and the channels instead, which seals the segments of the whole cluster.

      A stream that breaks is opened again behind the last message. Channels come side by side, each in its own order.
      """,
    options: groups(isTail: true),
    examples: [
      .init(purpose: "Watch a cluster.", line: "cdc-bridge tail --brief"),
      .init(
        purpose: "The next ten inserts of one collection, for a program.",
        line: "cdc-bridge tail --type Insert --collection films --count 10 --json"),
      .init(purpose: "Everything that can be read, and then what comes.", line: "cdc-bridge tail --earliest"),
    ]
  ) { try await run($0, follows: true) }

  private static func groups(isTail: Bool) -> [Command.OptionGroup] {
    let earliest = CommandOption(name: "earliest", help: "Begin with everything that can be read.")
    return [
      ConnectionOptions(side: .server).group,
      Command.OptionGroup(title: "where", options: (isTail ? [earliest] : []) + placeOptions), LogViewOptions.filters, LogViewOptions.look,
    ]
  }

  /// What part of a log is read.
  static var placeOptions: [CommandOption] {
    [
      CommandOption(name: "from", placeholder: "TIME", help: "Only from this time (RFC 3339) or tick on, of what can be read."),
      CommandOption(name: "until", placeholder: "TIME", help: "End at this time or tick."),
      CommandOption(name: "start-id", placeholder: "ID", help: "Begin with the message of this id; needs --log-kind and --pchannel."),
      CommandOption(
        name: "log-kind", placeholder: "LOG", help: "Kind of the log (default: found out).",
        choices: LogKind.real.map { $0.description.lowercased() }),
      CommandOption(name: "pchannel", placeholder: "NAME", help: "Only this channel (default: all that are found).", isRepeatable: true),
      CommandOption(name: "flush", help: "Ask FlushAll for channels and positions; it seals the segments of the whole cluster."),
    ]
  }

  // MARK: Running

  private static func run(_ invocation: Invocation, follows: Bool) async throws -> ExitCode {
    let options = try LogViewOptions.show(invocation)
    let plan = try plan(invocation, follows: follows)
    let client = MilvusClient(try ConnectionOptions(side: .server).connection(invocation))
    let result: Result<Void, any Error>
    do {
      let profile = try await ServerProfile.probe(client)
      let reading = LogReading(log: client, cluster: client, profile: profile, plan: plan)
      LogViewOptions.show(looking)
      let prepared = try await reading.prepare()
      let show = LogShow(options, book: prepared.book) { LogViewOptions.show($0) }
      try await UntilInterrupted.run { try await reading.run(prepared, WhileRead(show)) }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await client.close()
    try result.get()
    return .success
  }

  /// Names that no server has are asked for too, and such a question ends by its deadline alone: that takes seconds.
  static let looking = LogShow.Line.note("looking for the log's channels, and where they begin and end")

  static func plan(_ invocation: Invocation, follows: Bool) throws(UsageError) -> LogReadPlan {
    var plan = LogReadPlan()
    plan.follows = follows
    plan.mayFlush = try invocation.flag("flush")
    plan.pchannels = try invocation.strings("pchannel")
    plan.kind = try invocation.string("log-kind").flatMap { name in LogKind.real.first { $0.description.lowercased() == name } }
    plan.from = try tick(invocation, "from") ?? TimeTick(0)
    plan.until = try tick(invocation, "until") ?? TimeTick(0)
    if let text = try invocation.string("start-id") {
      guard let kind = plan.kind, !plan.pchannels.isEmpty else {
        throw UsageError("--start-id needs --log-kind and --pchannel: an id means nothing without them.")
      }
      let id = LogMessageID(text, kind)
      guard (try? LogIDFormat.parse(id)) != nil else { throw UsageError("--start-id: '\(text)' is no id of a \(kind) log.") }
      let start = LogIDFormat.start(at: id)
      plan.start = .id(start.id, isInclusive: start.isInclusive)
    } else {
      let isEarliest = try invocation.flag("earliest")
      let wantsPast = !follows || isEarliest || plan.from.rawValue > 0
      plan.start = wantsPast ? .earliest : .now
    }
    return plan
  }

  static func tick(_ invocation: Invocation, _ name: String) throws(UsageError) -> TimeTick? {
    guard let text = try invocation.string(name) else { return nil }
    guard let tick = TickNotation.tick(text) else {
      throw UsageError("--\(name): '\(text)' is neither a time such as 2026-11-21T02:33:40Z nor a tick.")
    }
    return tick
  }
}

/// Shows messages as long as somebody reads them: `| head` ends a reading that would go on.
struct WhileRead: LogReadSink {
  private let show: LogShow
  init(_ show: LogShow) { self.show = show }
  func take(_ event: LogReadEvent) async throws -> Bool { await show.take(event) && !StandardStreams.isOutputGone }
}

/// Work that Ctrl-C ends in good order.
enum UntilInterrupted {
  /// Runs `body`; when the process is asked to end, cancels it and waits for it.
  static func run(_ body: @escaping @Sendable () async throws -> Void) async throws {
    guard let signals = TerminationSignal.install() else { return try await body() }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await body()
        return true
      }
      group.addTask {
        for await _ in signals { return false }
        return false
      }
      let first = await group.nextResult()
      group.cancelAll()
      let second = await group.nextResult()
      // Interrupted: how the cancelled work ended says nothing.
      if case .success(false)? = first { return }
      _ = second
      _ = try first?.get()
    }
  }
}
