internal import CDCBridge
internal import FoundationEssentials
internal import MilvusWire

/// `cdc-bridge top`: all tasks of a service on one screen, live.
enum TopCommand {
  static let command = Command(
    name: "top", topic: .tasks, summary: "watch all tasks of a service on one screen",
    description: """
      Shows every task with its phase, speed, lag, how long the source's log still keeps what has not been read, and what is wrong; tasks that \
      need a person come first. It redraws itself until q or Ctrl-C, at once when the terminal changes its size, and fits one of 80 columns and 24 \
      lines. Where standard output is no terminal, or a dumb one (TERM), or with --once, it prints one screen after two looks and ends.
      """,
    options: [
      Command.OptionGroup(
        title: "how",
        options: [
          CommandOption(name: "interval", placeholder: "SECONDS", help: "Pause between two looks (default: 1)."),
          CommandOption(name: "once", help: "Print one screen and end."),
        ]), ServiceOptions.group,
    ],
    examples: [
      .init(purpose: "From afar.", line: "ssh -t bridge-host cdc-bridge top"),
      .init(purpose: "Into a file.", line: "cdc-bridge top --once --server http://10.0.0.5:8444 > state.txt"),
    ]
  ) { try await run($0) }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let client = try ServiceOptions.client(invocation)
    let pause = try invocation.seconds("interval") ?? .seconds(1)
    let isOnce = try invocation.flag("once") || !Terminal.canRedraw(.output, invocation.environment)
    let service = try invocation.string("server") ?? ServiceOptions.defaultURL
    let start = ContinuousClock.now
    var screen = TopScreen()
    if isOnce {
      for isLast in [false, true] {
        let readings = try await readings(client, since: start, count: 1000)
        let lines = screen.lines(readings, service: service, clock: clock, columns: 200, rows: 1000)
        if isLast { Console.print(lines.joined(separator: "\n")) } else { try await Task.sleep(for: pause) }
      }
      return .success
    }
    // The other screen of the terminal, without cursor; both come back whatever ends it.
    Console.write("\u{1B}[?1049h\u{1B}[?25l")
    defer { Console.write("\u{1B}[?25h\u{1B}[?1049l") }
    let signals = TerminationSignal.install()
    let keys = TerminalKeys()
    defer { keys?.restore() }
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        guard let signals else { try await Task.sleep(for: .seconds(Int64.max / 2)); return }
        for await _ in signals { return }
      }
      if let keys {
        group.addTask {
          for await key in keys.keys where key == UInt8(ascii: "q") || key == UInt8(ascii: "Q") { return }
          // No more keys, as after a hang-up: the others go on.
          try await Task.sleep(for: .seconds(Int64.max / 2))
        }
      }
      group.addTask { try await redraw(client, service: service, since: start, pause: pause) }
      _ = try await group.next()
      group.cancelAll()
      return .success
    }
  }

  /// Redraws until it is cancelled. A service that is away is said so, and asked again.
  private static func redraw(
    _ client: TaskClient, service: String, since start: ContinuousClock.Instant, pause: Duration
  ) async throws {
    var screen = TopScreen()
    while !Task.isCancelled {
      let size = StandardStreams.terminalSize() ?? (columns: 80, rows: 24)
      var lines: [String]
      do {
        let readings = try await readings(client, since: start, count: size.rows)
        lines = screen.lines(readings, service: service, clock: clock, columns: size.columns, rows: size.rows)
      } catch let error as TaskClientError where error.code == .unreachable {
        lines = [TextTable.clipped("cdc-bridge \(service)  \(clock)", size.columns), "", TextTable.clipped(error.message, size.columns)]
      }
      // The last line gets no line break, which would scroll.
      Console.write("\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
      do { try await rest(pause, whileSizeIs: size) } catch { return }
    }
  }

  /// Ends early where the terminal gets another size.
  private static func rest(_ pause: Duration, whileSizeIs size: (columns: Int, rows: Int)) async throws {
    let end = ContinuousClock.now + pause
    while ContinuousClock.now < end {
      try await Task.sleep(for: min(.milliseconds(100), end - .now))
      if let now = StandardStreams.terminalSize(), now != size { return }
    }
  }

  /// All tasks, the first `count` of them that run with their progress.
  private static func readings(_ client: TaskClient, since start: ContinuousClock.Instant, count: Int) async throws
    -> [TopScreen.Reading]
  {
    let tasks = (try await client.send("list"))["tasks"]?.arrayValue?.compactMap(\.objectValue) ?? []
    var readings: [TopScreen.Reading] = []
    for task in tasks {
      var progress: JSONObject?
      if task["state"]?.stringValue == "Running", readings.count < count, let id = task["task_id"] {
        do { progress = try await client.send("progress", ["task_id": id]) } catch {
          // Deleted between the two requests.
          guard error.code == .refused else { throw error }
        }
      }
      readings.append(TopScreen.Reading(task: task, progress: progress, at: start.duration(to: .now)))
    }
    return readings
  }

  /// UTC, so that two people far apart see the same.
  private static var clock: String {
    CivilTime(unixMilliseconds: Int64(Date().timeIntervalSince1970 * 1000)).rfc3339.prefix(19).replacing("T", with: " ") + " UTC"
  }
}
