/// `cdc-bridge completion SHELL`.
enum CompletionCommand {
  static let command = Command(
    name: "completion", topic: .other, summary: "print a script that completes commands in a shell",
    description: "Prints the script for one shell: commands, options, values, and the names of RPCs and types.",
    options: [],
    arguments: [
      CommandArgument(name: "SHELL", help: "bash, zsh or fish.", choices: ShellCompletion.allCases.map(\.rawValue))
    ],
    examples: [
      .init(purpose: "In this bash.", line: "source <(cdc-bridge completion bash)"),
      .init(
        purpose: "For every zsh of this user.",
        line: "cdc-bridge completion zsh > ~/.zfunc/_cdc-bridge   # with fpath+=~/.zfunc before compinit"),
      .init(
        purpose: "For every fish of this user.",
        line: "cdc-bridge completion fish > ~/.config/fish/completions/cdc-bridge.fish"),
    ]
  ) { invocation in
    guard let shell = invocation.argument("SHELL").flatMap({ ShellCompletion(rawValue: $0) }) else { return .usage }
    Console.write(shell.script(for: Command.all))
    return .success
  }
}
