internal import CDCBridge

/// Manual pages in roff with the `man` macros (groff_man(7)): one for the program, one for each command.
enum ManualPage {
  /// `cdc-bridge.1` and `cdc-bridge-COMMAND.1`, each with its text.
  static var all: [(name: String, text: String)] {
    [("cdc-bridge.1", overview)] + Command.all.map { ("cdc-bridge-\($0.name).1", text(of: $0)) }
  }

  static var overview: String {
    var page = header("CDC-BRIDGE")
    page += section("NAME") + "cdc\\-bridge \\- keeps one Milvus cluster in sync with another, and shows what they say\n"
    page += section("SYNOPSIS") + "\\fBcdc\\-bridge\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n"
    page += section("COMMANDS")
    for topic in Command.Topic.allCases {
      let commands = Command.all.filter { $0.topic == topic }
      guard !commands.isEmpty else { continue }
      page += ".SS \(escaped(topic.rawValue))\n"
      for command in commands {
        page += ".TP\n\\fBcdc\\-bridge\\-\(escaped(command.name))\\fR(1)\n\(line(command.summary))\n"
      }
    }
    return page + section("EXIT STATUS") + exitStatus
  }

  static func text(of command: Command) -> String {
    var page = header("CDC-BRIDGE-\(command.name.uppercased())")
    page += section("NAME") + "cdc\\-bridge\\-\(escaped(command.name)) \\- \(escaped(command.summary))\n"
    page += section("SYNOPSIS") + "\\fBcdc\\-bridge \(escaped(command.name))\\fR"
    if !command.options.isEmpty { page += " [\\fIOPTION\\fR]..." }
    for argument in command.arguments {
      let name = "\\fI\(escaped(argument.name))\\fR"
      page += " " + (argument.isRequired ? name : "[\(name)]") + (argument.isRepeatable ? "..." : "")
    }
    page += "\n" + section("DESCRIPTION") + paragraphs(command.description)
    if !command.arguments.isEmpty {
      page += section("ARGUMENTS")
      for argument in command.arguments {
        page += ".TP\n\\fI\(escaped(argument.name))\\fR\n\(line(argument.fullHelp))\n"
      }
    }
    if !command.options.isEmpty { page += section("OPTIONS") + options(of: command) }
    if let sources = HelpText.sources(of: command) { page += section("ENVIRONMENT") + paragraphs(sources) }
    if !command.examples.isEmpty {
      page += section("EXAMPLES")
      for example in command.examples {
        page += ".PP\n\(line(example.purpose))\n.PP\n.RS 4\n.nf\n\(line(example.line))\n.fi\n.RE\n"
      }
    }
    return page + section("EXIT STATUS") + exitStatus + section("SEE ALSO") + "\\fBcdc\\-bridge\\fR(1)\n"
  }

  private static func options(of command: Command) -> String {
    var text = ""
    for group in command.options {
      text += ".SS \(escaped(group.title))\n"
      for option in group.options {
        let short = option.short.map { "\\fB\\-\($0)\\fR, " } ?? ""
        let value = option.placeholder.map { " \\fI\(escaped($0))\\fR" } ?? ""
        text += ".TP\n\(short)\\fB\\-\\-\(escaped(option.name))\\fR\(value)\n\(line(option.fullHelp))\n"
      }
    }
    return text
  }

  private static let exitStatus = """
    .TP
    0
    done, or equal
    .TP
    1
    different, or failed
    .TP
    2
    wrong usage
    .TP
    64+n
    the call ended with gRPC status n

    """

  private static func header(_ title: String) -> String {
    ".TH \(escaped(title)) 1 \"\" \"cdc\\-bridge \(bridgeVersion)\" \"cdc\\-bridge manual\"\n"
  }
  private static func section(_ title: String) -> String { ".SH \(title)\n" }

  private static func paragraphs(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: true).map { ".PP\n\(line($0))\n" }.joined()
  }

  /// A line of text: one that begins with a point or an apostrophe would be a request.
  private static func line(_ text: some StringProtocol) -> String {
    let text = escaped(text)
    return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
  }

  private static func escaped(_ text: some StringProtocol) -> String {
    text.reduce(into: "") { out, character in
      switch character {
      case "\\": out += "\\e"
      case "-": out += "\\-"
      case "'": out += "\\(aq"
      default: out.append(character)
      }
    }
  }
}
