internal import CDCBridge

/// The texts of `--help`.
enum HelpText {
  private static let width = 100

  static var overview: String {
    let column = (Command.all.map(\.name.count).max() ?? 0) + 3
    var text = """
      cdc-bridge \(bridgeVersion): keeps one Milvus cluster in sync with another, and shows what they say.

      usage: cdc-bridge COMMAND [OPTION]...
      """
    for topic in Command.Topic.allCases {
      let commands = Command.all.filter { $0.topic == topic }
      guard !commands.isEmpty else { continue }
      text += "\n\n\(topic.rawValue):"
      for command in commands { text += "\n  " + padded(command.name, to: column) + command.summary }
    }
    return text + """


      cdc-bridge COMMAND --help shows the options of a command, with examples.
      Exit codes: 0 done or equal, 1 different or failed, 2 wrong usage, 64+n gRPC status n.
      """
  }

  static func text(of command: Command) -> String {
    var text = "usage: \(command.usage)\n\n" + wrapped(command.description, indent: 0)
    if !command.arguments.isEmpty {
      text += "\n\narguments:"
      for argument in command.arguments { text += "\n" + line("  \(argument.name)", argument.fullHelp) }
    }
    for group in command.options {
      text += "\n\n\(group.title):"
      for option in group.options { text += "\n" + line("  \(option.spelling)", option.fullHelp) }
    }
    if let sources = sources(of: command) { text += "\n\n" + wrapped(sources, indent: 0) }
    if !command.examples.isEmpty {
      text += "\n\nexamples:"
      for example in command.examples { text += "\n  # \(example.purpose)\n  \(example.line)" }
    }
    return text
  }

  /// Where else an option's value can come from; nil where there are no options.
  static func sources(of command: Command) -> String? {
    let options = command.allOptions
    guard let option = options.first(where: { $0.placeholder == "URI" || $0.placeholder == "URL" }) ?? options.first
    else { return nil }
    let environment = "environment variable (CDC_BRIDGE_ and its name, as in \(option.environmentName))"
    guard command.takesConfiguration else {
      return "Every option can also be set by an \(environment). An option beats the environment."
    }
    return "Every option can also be set by an \(environment) or by a key of the --config file "
      + "(\(option.configurationKey)). An option beats the environment, the environment beats the file."
  }

  private static func line(_ head: String, _ help: String) -> String {
    let column = 30
    let body = wrapped(help, indent: column)
    if head.count + 2 > column { return head + "\n" + body }
    return padded(head, to: column) + body.dropFirst(column)
  }

  private static func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  /// Paragraphs (separated by an empty line) broken at spaces; every line starts with `indent` spaces.
  static func wrapped(_ text: String, indent: Int) -> String {
    let margin = String(repeating: " ", count: indent)
    var lines: [String] = []
    for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
      var line = margin
      for word in paragraph.split(separator: " ") {
        if line.count > indent, line.count + word.count + 1 > width {
          lines.append(line)
          line = margin
        }
        line += (line.count > indent ? " " : "") + word
      }
      lines.append(line.count > indent ? line : "")
    }
    return lines.joined(separator: "\n")
  }
}

extension CommandOption {
  /// `-d, --data VALUE`.
  var spelling: String {
    (short.map { "-\($0), " } ?? "") + "--\(name)" + (placeholder.map { " " + $0 } ?? "")
  }
  var fullHelp: String { help + (isRepeatable ? " May be repeated." : "") }
}

extension CommandArgument {
  var fullHelp: String { help + (isRepeatable ? " May be repeated." : "") }
}
