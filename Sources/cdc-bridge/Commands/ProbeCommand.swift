internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge probe`: what a cluster is and can do, and whether two would work together.
enum ProbeCommand {
  static let command = Command(
    name: "probe", topic: .clusters, summary: "what a cluster is and can do, and why a pair would or would not work",
    description: """
      Asks a cluster what a task needs to know: version and kind, health, login, round trips, clock, channels, the log and how far back \
      it can be read, its role in Milvus's own replication. Reads alone; FlushAll, which seals the segments of the whole cluster, only with --flush.

      With two addresses, the first the source and the second the target: which capture and apply a task would get, what it would do, and everything \
      that is in its way with the fix. Nothing is created.

      The replication id is the part of the channels' names before -rootcoord-dml_; what FlushAll calls cluster_id is a setting that is "0" nearly \
      everywhere.

      Exit code 0: all is well. 1: the pair would not work, or not for every collection. 64+n: a cluster cannot be reached, with its gRPC status n.
      """,
    options: [
      Command.OptionGroup(
        title: "what",
        options: [
          CommandOption(name: "flush", help: "Ask FlushAll for channels and control channel."),
          CommandOption(name: "database", placeholder: "NAME", help: "For a pair: this database, or * for all (default: *)."),
          .json,
        ]),
      Command.OptionGroup(title: "clusters", options: connectionOptions),
    ],
    arguments: [
      CommandArgument(name: "URI", help: "The cluster, or source and target.", isRepeatable: true)
    ],
    examples: [
      .init(purpose: "One cluster.", line: "cdc-bridge probe http://127.0.0.1:19530"),
      .init(
        purpose: "Would a task from the first to the second work?", line: "cdc-bridge probe http://10.0.0.1:19530 http://10.0.0.2:19530"),
    ]
  ) { try await run($0) }

  private static var connectionOptions: [CommandOption] {
    let server = ConnectionOptions(side: .server).group.options.filter { $0.name != "uri" && $0.name != "plaintext" }
    let target = CommandOption(
      name: "target-token-file", placeholder: "FILE", help: "Login of the second cluster, where it has another one.")
    return server + [target]
  }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let uris = invocation.arguments["URI"] ?? []
    guard (1...2).contains(uris.count) else { throw UsageError("one cluster or two, not \(uris.count).") }
    let isJSON = try invocation.flag("json")
    var connections: [ClusterConnection] = []
    for uri in uris { connections.append(try ConnectionOptions(side: .server).connection(invocation, uri: uri)) }
    if let path = try invocation.string("target-token-file") {
      guard connections.count == 2 else { throw UsageError("--target-token-file needs two clusters.") }
      connections[1].token = try InputFile.readSecret(path, what: "the token file")
    }
    let mayFlush = try invocation.flag("flush")
    var reports: [ProbeReport] = []
    for (connection, uri) in zip(connections, uris) {
      let report = await ClusterProbe(connection, uri: uri, mayFlush: mayFlush).run()
      reports.append(report)
      if !isJSON { for line in report.lines { Console.print(line) } }
    }
    var verdict: PairProbe.Verdict?
    if connections.count == 2 {
      let database = try invocation.string("database") ?? "*"
      let selection = ObjectSelection(patterns: [.init(database: database, collection: "*")])
      let spec = TaskSpec(source: connections[0], target: connections[1], selection: selection)
      verdict = await PairProbe(source: reports[0], target: reports[1]).verdict(spec, MilvusRunnerFactory())
      if !isJSON { for line in verdict?.lines ?? [] { Console.print(line) } }
    }
    if isJSON {
      var object: JSONObject = ["clusters": .array(reports.map(\.json))]
      if let verdict { object["pair"] = verdict.json }
      Console.print(JSONWriter(layout: .pretty).text(of: .object(object)))
    }
    if let code = reports.lazy.compactMap(\.failureCode).first { return .rpc(code) }
    guard !reports.contains(where: { $0.profile == nil }) else { return .failure }
    return verdict.map { $0.isWorkable && $0.refusedCount == 0 } ?? true ? .success : .failure
  }
}
