internal import MilvusWire

/// How messages are shown, the same for every command that shows any.
struct AnswerOptions: Sendable {
  let type: MessageDescriptor
  let form: MessageJSON
  let layout: JSONWriter.Layout

  static let group = Command.OptionGroup(
    title: "answer",
    options: [
      CommandOption(name: "rows", help: "Show the columns of a query or search as rows."),
      CommandOption(name: "full", help: "Show vectors with all their values."),
      CommandOption(
        name: "exact", help: "Protobuf's own JSON and nothing else: bytes in base64, columns and vectors as they are sent."),
      CommandOption(name: "defaults", help: "Show fields at their default too."),
      CommandOption(
        name: "names", placeholder: "SPELLING",
        help: "proto (collection_name) or camel (collectionName); both are understood (default: proto).",
        choices: ["proto", "camel"]),
      CommandOption(
        name: "layout", placeholder: "LAYOUT",
        help: "pretty, or lines: one message on each line (default: pretty, for streams lines).",
        choices: ["pretty", "lines"]),
    ])

  init(_ invocation: Invocation, type: MessageDescriptor, isStream: Bool) throws(UsageError) {
    self.type = type
    let exact = try invocation.flag("exact")
    let presentation = MilvusPresentation(
      isFull: try invocation.flag("full"), showsRows: try invocation.flag("rows"))
    if exact, presentation.isFull || presentation.showsRows {
      throw UsageError("--exact excludes --rows and --full.")
    }
    var form = MessageJSON(names: try invocation.string("names") == "camel" ? .lowerCamel : .proto)
    form.showsDefaults = try invocation.flag("defaults")
    form.isLenient = true
    form.presentation = exact ? nil : presentation
    self.form = form
    switch try invocation.string("layout") {
    case "lines": layout = .compact
    case "pretty": layout = .fitted
    default: layout = isStream ? .compact : .fitted
    }
  }
}
