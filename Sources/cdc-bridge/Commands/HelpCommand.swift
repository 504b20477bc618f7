/// `cdc-bridge help [COMMAND]`.
enum HelpCommand {
  static let command = Command(
    name: "help", topic: .other, summary: "show the commands, or the help of one",
    description: "Shows all commands, or the help of one.",
    options: [],
    arguments: [CommandArgument(name: "COMMAND", help: "Whose help (default: the list).", isRequired: false)],
    examples: []
  ) { invocation in
    guard let name = invocation.argument("COMMAND") else {
      Console.print(HelpText.overview)
      return .success
    }
    Console.print(HelpText.text(of: try Command.named(name)))
    return .success
  }
}
