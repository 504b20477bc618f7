internal import FoundationEssentials

/// `cdc-bridge man [COMMAND]`.
enum ManualCommand {
  static let command = Command(
    name: "man", topic: .other, summary: "print a manual page, or write all of them to a directory",
    description: "Prints the manual page of the program or of one command in the form that man(1) reads.",
    options: [
      Command.OptionGroup(
        title: "what",
        options: [
          CommandOption(
            name: "output", placeholder: "DIR", help: "Write every page into this directory, which must exist.")
        ])
    ],
    arguments: [CommandArgument(name: "COMMAND", help: "Whose page (default: the program's).", isRequired: false)],
    examples: [
      .init(purpose: "Read one.", line: "cdc-bridge man call | man -l -"),
      .init(purpose: "Install all.", line: "cdc-bridge man --output /usr/local/share/man/man1"),
    ]
  ) { try run($0) }

  private static func run(_ invocation: Invocation) throws -> ExitCode {
    guard let directory = try invocation.string("output") else {
      let page = try invocation.argument("COMMAND").map { (name) throws(UsageError) in
        ManualPage.text(of: try Command.named(name))
      }
      Console.write(page ?? ManualPage.overview)
      return .success
    }
    for (name, text) in ManualPage.all {
      let path = directory + "/" + name
      do { try Data(text.utf8).write(to: URL(filePath: path)) } catch {
        throw UsageError("\(path) cannot be written: \(InputFile.reason(error)).")
      }
    }
    return .success
  }
}
