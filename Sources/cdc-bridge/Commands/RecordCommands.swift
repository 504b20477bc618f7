internal import CDCBridge
internal import FoundationEssentials
internal import MilvusWire

/// `cdc-bridge record`: a log as a file.
enum RecordCommands {
  static let record = Command(
    name: "record", topic: .log, summary: "write a cluster's log to a file that can be read, sent and replayed",
    description: """
      Appends what a log holds, or what comes from now on with --follow, to a file: every message as it is, with sums, compressed. A crash \
      costs at most the block that was being written. The catalogue of the cluster is written first, so that replay knows collections that are older.

      While it is written, tail, decode and `replay --follow` may read it.

      A recording is as secret as the log: rows and password hashes stand in it. Only its owner may read the file. docs/RECORDING.md has the format.
      """,
    options: [
      ConnectionOptions(side: .server).group,
      Command.OptionGroup(
        title: "where",
        options: [CommandOption(name: "follow", help: "From now on, until --until, --count or Ctrl-C; else all that can be read.")]
          + LogCommands.placeOptions), LogViewOptions.filters,
      Command.OptionGroup(title: "how", options: [CommandOption(name: "plain", help: "Do not compress.")]),
    ],
    arguments: [CommandArgument(name: "FILE", help: "The file; it is appended to. -: standard output.")],
    examples: [
      .init(purpose: "Everything that can be read, for a ticket.", line: "cdc-bridge record log.cdcr"),
      .init(
        purpose: "One collection, as long as it takes to see the problem.", line: "cdc-bridge record --follow --collection films films.cdcr"
      ),
    ]
  ) { try await runRecord($0) }

  // MARK: record

  private static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

  /// A recording to append to, made where it is missing. What is something else stays as it is.
  static func appending(_ path: String) throws -> LocalFile {
    if path != "-", LocalFile.isRegular(path), try !RecordReader.mayGrow(LocalFile.reading(path).read(bytesMax: 64)) {
      throw UsageError("\(path) is no recording, so nothing is appended to it.")
    }
    return try LocalFile.appending(path)
  }

  private static func runRecord(_ invocation: Invocation) async throws -> ExitCode {
    let plan = try LogCommands.plan(invocation, follows: invocation.flag("follow"))
    let filter = try LogViewOptions.filter(invocation)
    let countMax = try invocation.integer("count", in: 1...Int.max)
    let connection = try ConnectionOptions(side: .server).connection(invocation)
    let path = invocation.argument("FILE") ?? "-"
    let isNew = path != "-" && !LocalFile.exists(path)
    let file = try appending(path)
    let writer = RecordWriter(file, compresses: try !invocation.flag("plain"))
    let client = MilvusClient(connection)
    let result: Result<Void, any Error>
    do {
      let profile = try await ServerProfile.probe(client)
      // Read before the position is found: what changes in between is in the log as well.
      let catalog = plan.start == .now ? await LogReading.catalog(of: client, profile: profile) : nil
      let reading = LogReading(log: client, cluster: client, profile: profile, plan: plan)
      LogViewOptions.show(LogCommands.looking)
      let prepared = try await reading.prepare()
      try Recording.begin(
        writer, uri: connection.endpoint.authority, profile: profile, starts: prepared.starts, catalog: catalog, unixMs: now)
      let recording = Recording(writer, filter: filter, countMax: countMax, book: prepared.book) { LogViewOptions.show($0) }
      try await UntilInterrupted.run {
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await recording.keepFlushing() }
          try await reading.run(prepared, recording)
          group.cancelAll()
        }
      }
      try Recording.end(writer, unixMs: now)
      try writer.sync()
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await client.close()
    let totals = writer.totals
    // A cluster that cannot be reached leaves no file behind.
    if case .failure(let error) = result, totals.fileBytes == 0 {
      if isNew { try? FileManager.default.removeItem(atPath: path) }
      throw error
    }
    LogViewOptions.show(.note("\(totals.messages) messages of \(totals.messageBytes) bytes recorded in \(totals.fileBytes) bytes"))
    try result.get()
    return .success
  }
}
