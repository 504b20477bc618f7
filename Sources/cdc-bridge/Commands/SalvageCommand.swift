internal import CDCBridge
internal import FoundationEssentials
internal import MilvusWire

/// `cdc-bridge salvage`: what never arrived before a promotion by force.
enum SalvageCommand {
  static let command = Command(
    name: "salvage", topic: .log, summary: "after a forced failover: what the old primary had and the new one never got",
    description: """
      Asks the new primary how far it had come with the old one when it was promoted, reads the old one's log from there, and records it in a file \
      that tail's sister commands read. Shows what is in it for each collection. Writes nothing to any cluster without --apply.

      Be quick: 2.6 on WoodPecker forgets within about ten minutes. Whether the old log still reaches back to the place is proven and said; where nothing \
      had ever arrived, everything that can be read counts.

      --apply plays the recording into the new cluster, rows by Upsert. Keys that the new cluster has written or deleted itself since are conflicts, \
      and --on-conflict says what becomes of them: stop, the default, names them and applies nothing at all. keep-old (or overwrite) lets the old \
      cluster win: its rows replace those of the new one, its deletes delete them. keep-new (or skip) leaves those keys as the new cluster has them and \
      applies all others. Changes of schemas are applied whatever the policy.
      """,
    options: [
      ConnectionOptions(side: .old).group, ConnectionOptions(side: .new).group,
      Command.OptionGroup(
        title: "what",
        options: [
          CommandOption(name: "output", placeholder: "FILE", help: "The recording; it is made (default: salvage.cdcr)."),
          CommandOption(name: "apply", help: "Play it into the new cluster."),
          CommandOption(
            name: "on-conflict", placeholder: "POLICY", help: "What to do where both clusters wrote a key (default: stop); see above.",
            choices: Salvage.Policy.names),
          .json,
        ]),
    ],
    examples: [
      .init(purpose: "What was lost?", line: "cdc-bridge salvage --old http://10.0.0.1:19530 --new http://10.0.0.2:19530"),
      .init(purpose: "Read it as JSON lines.", line: "cdc-bridge decode --json salvage.cdcr"),
      .init(purpose: "Bring it over.", line: "cdc-bridge salvage --old http://10.0.0.1:19530 --new http://10.0.0.2:19530 --apply"),
      .init(
        purpose: "All but what users have written to the new cluster since.",
        line: "cdc-bridge salvage --old http://10.0.0.1:19530 --new http://10.0.0.2:19530 --apply --on-conflict keep-new"),
    ]
  ) { try await run($0) }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let (from, to) = (try ConnectionOptions(side: .old).connection(invocation), try ConnectionOptions(side: .new).connection(invocation))
    let path = try invocation.string("output") ?? "salvage.cdcr"
    guard (try? LocalFile.reading(path)) == nil else {
      throw UsageError("--output: \(path) exists already; a salvage gets a file of its own.")
    }
    let isJSON = try invocation.flag("json")
    let (old, new) = (MilvusClient(from), MilvusClient(to))
    let result: Result<ExitCode, any Error>
    do {
      result = .success(try await salvage(invocation, old, new, to, path, isJSON))
    } catch {
      result = .failure(error)
    }
    await old.close()
    await new.close()
    return try result.get()
  }

  private static func salvage(
    _ invocation: Invocation, _ old: MilvusClient, _ new: MilvusClient, _ target: ClusterConnection, _ path: String, _ isJSON: Bool
  ) async throws -> ExitCode {
    let profile = try await ServerProfile.probe(old)
    let newProfile = try await ServerProfile.probe(new)
    let salvage = Salvage(old: old, new: new)
    let found = try await salvage.find()
    for warning in found.warnings { LogViewOptions.show(.warning(warning)) }
    let writer = RecordWriter(try LocalFile.appending(path), compresses: true)
    try await salvage.record(found, profile: profile, to: writer, unixMs: Int64(Date().timeIntervalSince1970 * 1000))
    let survey = try RecordSurvey(path: path)
    let conflicts = try await salvage.conflicts(path, found, profile: newProfile)
    if isJSON {
      var object = survey.json.objectValue ?? JSONObject()
      object["conflicts"] = .object(JSONObject(conflicts.counts.sorted { $0.key < $1.key }.map { ($0.key.description, .int($0.value)) }))
      object["warnings"] = .array(found.warnings.map { .string($0) })
      Console.print(JSONWriter(layout: .pretty).text(of: .object(object)))
    } else {
      // Notes are the warnings, which have been said.
      for line in survey.lines where !line.hasPrefix("  note: ") { Console.print(line) }
      for (collection, count) in conflicts.counts.sorted(by: { $0.key < $1.key }) {
        let samples = (conflicts.samples[collection] ?? []).map(\.persisted).joined(separator: ", ")
        Console.print("conflict: \(collection): \(count) keys were written on both sides, such as \(samples)")
      }
      Console.error("* recorded in \(path); nothing was written to a cluster\(try invocation.flag("apply") ? " yet" : "")")
    }
    guard try invocation.flag("apply") else { return .success }
    let policy = try invocation.string("on-conflict").flatMap { Salvage.Policy(name: $0) } ?? .stop
    guard conflicts.isEmpty || policy != .stop else {
      Console.error("cdc-bridge salvage: nothing is applied, because both clusters wrote the same keys.")
      Console.error("Hint: --on-conflict keep-old lets the old cluster win, keep-new leaves those keys alone and applies the rest.")
      return .failure
    }
    guard survey.messages > 0 else { return .success }
    var options = Replay.Options()
    options.adopt = true
    if policy == .keepNew { options.kept = conflicts.keys }
    let selection = ObjectSelection(patterns: [.init(database: "*", collection: "*")])
    let replay = Replay(path: path, survey: survey, target: target, selection: selection, options: options)
    let board = ProgressBoard()
    try await UntilInterrupted.run { try await replay.run(board: board) }
    return ReplayCommand.report(board.read(), isJSON: isJSON)
  }
}
