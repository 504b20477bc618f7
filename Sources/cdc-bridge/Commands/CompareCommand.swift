internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge compare`: are two clusters equal, and if not, where.
enum CompareCommand {
  static let command = Command(
    name: "compare", topic: .clusters, summary: "are two clusters equal, and if not, where",
    description: """
      Compares schema, counts and every row of the chosen collections, reading both sides in key order in bounded memory. Writes nothing.

      Exit code 0: equal. 1: different, or something could not be compared. 64+n: a cluster cannot be reached, with its gRPC status n. Rows that \
      change meanwhile may show as different; then compare again.
      """,
    options: [
      ConnectionOptions(side: .source).group, ConnectionOptions(side: .target).group, SelectionOptions.group,
      Command.OptionGroup(
        title: "how",
        options: [
          CommandOption(name: "json", help: "Print the report as one JSON document, for scripts."),
          .config,
        ]),
    ],
    examples: [
      .init(
        purpose: "Compare the default database of two clusters.",
        line: "cdc-bridge compare --source-uri http://10.0.0.1:19530 --target-uri http://10.0.0.2:19530"),
      .init(
        purpose: "Compare one collection that has another name on the target.",
        line:
          "cdc-bridge compare --source-uri http://a:19530 --target-uri http://b:19530 --collection films --rename films=movies"
      ),
    ]
  ) { try await run($0) }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let isJSON = try invocation.flag("json")
    let selection = try SelectionOptions.selection(invocation)
    let source = MilvusClient(try ConnectionOptions(side: .source).connection(invocation))
    let target = MilvusClient(try ConnectionOptions(side: .target).connection(invocation))
    let result: Result<ComparisonReport, any Error>
    let line = ComparisonLine()
    do {
      let pair = ClusterPair(
        source: source, sourceProfile: try await probe(source, side: .source), target: target,
        targetProfile: try await probe(target, side: .target))
      result = .success(try await ClusterComparison(pair: pair, selection: selection).run { line.show($0) })
    } catch {
      result = .failure(error)
    }
    line.finish()
    await source.close()
    await target.close()
    let report = try result.get()
    if report.collections.isEmpty {
      throw UsageError("there is no collection to compare: none of the source is chosen by --database and --collection.")
    }
    // The text ends with a line break of its own.
    StandardStreams.write(isJSON ? JSONWriter(layout: .pretty).text(of: report.json) + "\n" : report.text, to: .output)
    return report.verdict == .equal ? .success : .failure
  }

  private static func probe(_ cluster: any MilvusCluster, side: BridgeError.Side) async throws(BridgeError)
    -> ServerProfile
  {
    do { return try await ServerProfile.probe(cluster) } catch {
      throw BridgeError(error, side: side, operation: "connect to \(cluster.peer)")
    }
  }
}
