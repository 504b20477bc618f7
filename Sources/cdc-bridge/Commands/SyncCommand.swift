internal import CDCBridge
internal import FoundationEssentials
internal import MilvusWire

/// `cdc-bridge sync`: one task in the foreground, the same engine as `serve`, no server.
enum SyncCommand {
  static let command = Command(
    name: "sync", topic: .service, summary: "copy a cluster into another one and follow its changes, in the foreground",
    description: """
      Copies collections with their schema, partitions, indexes, aliases and load state from the source to the target, then follows every \
      change until Ctrl-C. Rows that the source no longer has are deleted from collections that sync made.

      A target collection that sync did not make is touched only if it is equal in schema and empty, or with --adopt. What belongs \
      to sync is remembered in --data-dir; run it again with the same source and target to go on.
      """,
    options: [
      ConnectionOptions(side: .source).group, ConnectionOptions(side: .target).group, SelectionOptions.group,
      Command.OptionGroup(
        title: "how",
        options: [
          CommandOption(name: "copy-only", help: "End when everything has been copied once."),
          CommandOption(name: "follow", help: "Go on until Ctrl-C (the default)."),
          CommandOption(
            name: "interval", placeholder: "SECONDS",
            help: "Pause between two passes over the source (default: 30)."),
          CommandOption(
            name: "adopt",
            help:
              "Take over target collections whatever they hold; rows that the source lacks are deleted from them."
          ),
          CommandOption(
            name: "data-dir", placeholder: "DIR",
            help: "Where the state is kept (default: ./cdc-bridge-sync)."),
          .config,
        ]),
    ],
    examples: [
      .init(
        purpose: "Copy one collection once.",
        line:
          "cdc-bridge sync --source-uri http://10.0.0.1:19530 --target-uri http://10.0.0.2:19530 --collection films --copy-only"
      ),
      .init(
        purpose: "Keep all databases of a managed cluster in sync with your own.",
        line:
          "cdc-bridge sync --source-uri https://in01.example.com --source-token-file token --target-uri http://localhost:19530 --database '*'"
      ),
    ]
  ) { try await run($0) }

  private static func run(_ invocation: Invocation) async throws -> ExitCode {
    let copyOnly = try invocation.flag("copy-only")
    if copyOnly, try invocation.flag("follow") {
      throw UsageError("--copy-only and --follow exclude each other.")
    }
    var spec = TaskSpec(
      source: try ConnectionOptions(side: .source).connection(invocation),
      target: try ConnectionOptions(side: .target).connection(invocation),
      selection: try SelectionOptions.selection(invocation))
    spec.adopt = try invocation.flag("adopt")
    if let seconds = try invocation.integer("interval", in: 0...86_400) {
      spec.reconcileInterval = .seconds(seconds)
    }
    let data = try await DataDirectory.open(path: try invocation.string("data-dir") ?? "cdc-bridge-sync")
    let session = SyncSession(
      spec: spec, factory: MilvusRunnerFactory(), checkpoints: data, copyOnly: copyOnly)
    return try await session.run()
  }
}
