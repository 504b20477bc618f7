internal import MilvusWire

/// `cdc-bridge describe TYPE|METHOD`.
enum DescribeCommand {
  static let command = Command(
    name: "describe", topic: .calls, summary: "show an RPC or a message type with its fields",
    description: """
      Shows a message or enum type as a .proto file has it, or an RPC with its request and answer: field numbers, what a bytes field holds, and \
      the release of Milvus that first had a member where that is known and later than \(VersionHistory.oldestRelease).
      """,
    options: [
      Command.OptionGroup(
        title: "how",
        options: [
          CommandOption(name: "recursive", short: "r", help: "Show the types of all fields too."),
          CommandOption(name: "names", help: "Print the names of all types and RPCs, one on each line."), .json,
        ])
    ],
    arguments: [
      CommandArgument(
        name: "TYPE|METHOD", help: "milvus.proto.schema.FieldData, FieldData, or Query.", isRequired: false)
    ],
    examples: [
      .init(purpose: "What does a query take?", line: "cdc-bridge describe Query"),
      .init(purpose: "A type with all it is made of.", line: "cdc-bridge describe CollectionSchema -r"),
    ]
  ) { try run($0) }

  private static func run(_ invocation: Invocation) throws -> ExitCode {
    if try invocation.flag("names") {
      Console.print((Method.all.map(\.name) + TypeIndex.names).joined(separator: "\n"))
      return .success
    }
    guard let name = invocation.argument("TYPE|METHOD") else {
      throw UsageError("TYPE|METHOD is missing: a type or an RPC, as in cdc-bridge describe Query.")
    }
    let subject = try subject(name)
    let isRecursive = try invocation.flag("recursive")
    if try invocation.flag("json") {
      Console.print(JSONWriter(layout: .fitted).text(of: TypeDescription.json(subject, isRecursive: isRecursive)))
    } else {
      Console.print(TypeDescription.text(subject, isRecursive: isRecursive))
    }
    return .success
  }

  private static func subject(_ name: String) throws(UsageError) -> TypeDescription.Subject {
    if let method = Method.named(name) { return .method(method) }
    let found = TypeIndex.find(name)
    guard found.count <= 1 else {
      throw UsageError("'\(name)' is the name of several types: \(found.keys.sorted().joined(separator: ", ")).")
    }
    if let entry = found.values.first { return .type(entry) }
    let names = Method.all.map(\.name) + TypeIndex.names.map { String($0.split(separator: ".").last ?? "") }
    let near = NearestName.nearest(name, among: names, countMax: 3)
    let hint = near.isEmpty ? "" : " Did you mean \(near.map { "'\($0)'" }.joined(separator: ", "))?"
    throw UsageError("no type and no RPC is called '\(name)'.\(hint)")
  }
}
