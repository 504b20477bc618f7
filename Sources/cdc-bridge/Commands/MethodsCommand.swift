internal import MilvusWire

/// `cdc-bridge methods [PATTERN]`.
enum MethodsCommand {
  static let command = Command(
    name: "methods", topic: .calls, summary: "list the RPCs of Milvus",
    description: """
      Lists the RPCs of all services that are built in, with their kind where they stream, and the release of Milvus that first had them where \
      that is known and later than \(VersionHistory.oldestRelease).
      """,
    options: [
      Command.OptionGroup(
        title: "how",
        options: [
          CommandOption(name: "long", short: "l", help: "Show the types of request and answer."),
          CommandOption(name: "names", help: "Print bare names, one on each line."), .json,
        ])
    ],
    arguments: [
      CommandArgument(
        name: "PATTERN", help: "Part of a name, whatever its case; * stands for anything.", isRequired: false)
    ],
    examples: [
      .init(purpose: "Everything about replication.", line: "cdc-bridge methods replicate -l"),
      .init(purpose: "For a script.", line: "cdc-bridge methods 'list*' --json"),
    ]
  ) { try run($0) }

  private static func run(_ invocation: Invocation) throws -> ExitCode {
    let methods = NamePattern(invocation.argument("PATTERN") ?? "").filter(Method.all) { $0.name }
    guard !methods.isEmpty else {
      throw UsageError("no RPC has a name like '\(invocation.argument("PATTERN") ?? "")'.")
    }
    if try invocation.flag("json") {
      Console.print(JSONWriter(layout: .fitted).text(of: .array(methods.map(TypeDescription.json))))
    } else if try invocation.flag("names") {
      Console.print(methods.map(\.name).joined(separator: "\n"))
    } else {
      Console.print(TypeDescription.list(methods, isLong: try invocation.flag("long")))
    }
    return .success
  }
}
