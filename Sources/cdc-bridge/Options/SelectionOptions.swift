internal import CDCBridge
internal import MilvusWire

/// The options that choose collections and their names on the target.
enum SelectionOptions {
  static let group = Command.OptionGroup(
    title: "what",
    options: [
      CommandOption(
        name: "database", placeholder: "NAME",
        help: "Database of the source, or * for all (default: default)."),
      CommandOption(
        name: "collection", placeholder: "NAME", help: "Collection of that database (default: all).",
        isRepeatable: true),
      CommandOption(
        name: "rename", placeholder: "OLD=NEW",
        help: "Collection OLD of the source is called NEW on the target; NEW may be DATABASE.NAME.",
        isRepeatable: true),
      CommandOption(
        name: "rename-database", placeholder: "NAME", help: "The database is called NAME on the target."),
    ])

  static func selection(_ invocation: Invocation) throws(UsageError) -> ObjectSelection {
    let database = try invocation.string("database") ?? "default"
    let names = try invocation.strings("collection")
    let collections = names.isEmpty ? ["*"] : names
    var selection = ObjectSelection(
      patterns: collections.map { ObjectSelection.Pattern(database: database, collection: $0) })
    if let target = try invocation.string("rename-database") {
      try requireOneDatabase(database, option: "rename-database")
      selection.mappings.append(.init(sourceDatabase: database, targetDatabase: target, collections: [:]))
    }
    for rule in try invocation.strings("rename") {
      try requireOneDatabase(database, option: "rename")
      selection.mappings.append(try mapping(rule, database: database, selection: selection))
    }
    return selection
  }

  private static func requireOneDatabase(_ database: String, option: String) throws(UsageError) {
    if database == "*" { throw UsageError("--\(option) needs one database: --database NAME.") }
  }

  private static func mapping(_ rule: String, database: String, selection: ObjectSelection) throws(UsageError)
    -> ObjectSelection.Mapping
  {
    let parts = rule.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw UsageError("--rename: expected OLD=NEW, found '\(rule)'.")
    }
    guard selection.covers(CollectionPath(database: database, name: parts[0])) else {
      throw UsageError("--rename: '\(parts[0])' is not one of the collections of --collection.")
    }
    let target = parts[1].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard target.count <= 2, !target.contains("") else {
      throw UsageError("--rename: '\(parts[1])' is not NAME or DATABASE.NAME.")
    }
    return .init(
      sourceDatabase: database, targetDatabase: target.count == 2 ? target[0] : database,
      collections: [parts[0]: target.last ?? parts[1]])
  }
}
