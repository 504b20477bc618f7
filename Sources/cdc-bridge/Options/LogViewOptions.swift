internal import CDCBridge
internal import MilvusWire

/// The options that choose and shape messages of the log, the same for every command that shows some.
enum LogViewOptions {
  static let filters = Command.OptionGroup(
    title: "which",
    options: [
      CommandOption(
        name: "type", placeholder: "TYPE", help: "Messages of this type, such as Insert or AlterCollection.", isRepeatable: true,
        choices: LogMessageType.all.map(\.name)),
      CommandOption(name: "database", placeholder: "NAME", help: "Messages about this database."),
      CommandOption(
        name: "collection", placeholder: "NAME", help: "Messages about this collection; NAME or DATABASE.NAME.", isRepeatable: true),
      CommandOption(
        name: "key", placeholder: "KEY", help: "Inserts and deletes of the row with this primary key; \"5\" in quotes is a text.",
        isRepeatable: true),
      CommandOption(name: "count", placeholder: "N", help: "End after so many messages."),
    ])

  static let look = Command.OptionGroup(
    title: "how",
    options: [
      CommandOption(name: "json", help: "One JSON object in each line, for programs."),
      CommandOption(name: "brief", help: "One line for each message."),
      CommandOption(name: "rows", placeholder: "N", help: "Rows that are shown of an insert (default: 10; all with --json)."),
      CommandOption(name: "full", help: "Whole vectors and texts, and the lists of row ids and row timestamps."),
      CommandOption(name: "show-secrets", help: "Tokens and password hashes as they are; else <redacted> stands in their place."),
    ])

  static func show(_ invocation: Invocation) throws(UsageError) -> LogShow.Options {
    var options = LogShow.Options()
    options.isJSON = try invocation.flag("json")
    options.isBrief = try invocation.flag("brief")
    guard !(options.isJSON && options.isBrief) else { throw UsageError("--json and --brief exclude each other.") }
    options.view = try view(invocation, isJSON: options.isJSON)
    options.filter = try filter(invocation)
    options.countMax = try invocation.integer("count", in: 1...Int.max)
    return options
  }

  static func view(_ invocation: Invocation, isJSON: Bool) throws(UsageError) -> ReadableMessage.Options {
    var options = ReadableMessage.Options()
    options.isFull = try invocation.flag("full")
    options.showsSecrets = try invocation.flag("show-secrets")
    options.rowsMax = try invocation.integer("rows", in: 0...Int.max) ?? (isJSON ? Int.max : 10)
    return options
  }

  static func filter(_ invocation: Invocation) throws(UsageError) -> LogFilter {
    var filter = LogFilter()
    let types = try invocation.strings("type")
    filter.types = Set(LogMessageType.all.filter { types.contains($0.name) })
    filter.database = try invocation.string("database")
    filter.collections = Set(try invocation.strings("collection"))
    filter.keys = Set(try invocation.strings("key").flatMap { LogFilter.keys(of: $0) })
    return filter
  }

  static func show(_ line: LogShow.Line) {
    switch line {
    case .result(let text): Console.print(text)
    case .note(let text): Console.error("* \(text)")
    case .warning(let text): Console.error("warning: \(text)")
    }
  }
}
