/// Scripts that teach a shell the commands, options and values of this program.
///
/// Names of RPCs and types are asked from the program when they are needed (`methods --names`, `describe --names`), everything else stands in
/// the script.
enum ShellCompletion: String, CaseIterable, Sendable {
  case bash, zsh, fish

  func script(for commands: [Command]) -> String {
    switch self {
    case .bash: BashCompletion.script(for: commands)
    case .zsh: ZshCompletion.script(for: commands)
    case .fish: FishCompletion.script(for: commands)
    }
  }

  /// How the running program lists the values; nil for kinds that no program lists.
  static func listing(_ kind: ValueKind) -> String? {
    switch kind {
    case .method: "cdc-bridge methods --names 2>/dev/null"
    case .type: "cdc-bridge describe --names 2>/dev/null"
    case .choices, .file, .directory, .command, .text: nil
    }
  }

  /// A text inside single quotes of a POSIX shell.
  static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }

  /// The help's first sentence, which fits beside a name.
  static func brief(_ help: String) -> String {
    guard let end = help.firstRange(of: ". ") else { return help.hasSuffix(".") ? String(help.dropLast()) : help }
    return String(help[..<end.lowerBound])
  }
}

/// `_cdc_bridge` for bash's `complete -F`.
private enum BashCompletion {
  static func script(for commands: [Command]) -> String {
    """
    # bash completion of cdc-bridge: source it, or put it into /etc/bash_completion.d.
    _cdc_bridge() {
      local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"
      COMPREPLY=()
      # bash gives --name=value as three words.
      if [[ $current == = ]]; then current=""; elif [[ $previous == = ]]; then previous="${COMP_WORDS[COMP_CWORD-2]}"; fi
      if (( COMP_CWORD == 1 )); then
        COMPREPLY=($(compgen -W "\(commands.map(\.name).joined(separator: " ")) --help --version" -- "$current"))
        return
      fi
      case "$command $previous" in
    \(commands.flatMap(values(of:)).joined(separator: "\n"))
      esac
      if [[ $current == -* ]]; then
        case "$command" in
    \(commands.map(options(of:)).joined(separator: "\n"))
        esac
        return
      fi
      case "$command" in
    \(commands.compactMap(arguments(of:)).joined(separator: "\n"))
      esac
    }
    complete -F _cdc_bridge cdc-bridge

    """
  }

  private static func values(of command: Command) -> [String] {
    command.allOptions.compactMap { option in
      guard let kind = option.kind else { return nil }
      let names = ["\"\(command.name) --\(option.name)\""] + (option.short.map { ["\"\(command.name) -\($0)\""] } ?? [])
      return "    \(names.joined(separator: "|"))) \(reply(kind, commands: []))return ;;"
    }
  }

  private static func options(of command: Command) -> String {
    let words = command.allOptions.flatMap { option in
      ["--\(option.name)"] + (option.short.map { ["-\($0)"] } ?? [])
    }
    return "      \(command.name)) COMPREPLY=($(compgen -W \"\((words + ["--help"]).joined(separator: " "))\" -- \"$current\")) ;;"
  }

  private static func arguments(of command: Command) -> String? {
    let replies = command.arguments.map { reply($0.kind, commands: Command.all.map(\.name)) }.filter { !$0.isEmpty }
    return replies.isEmpty ? nil : "    \(command.name)) \(replies.joined())return ;;"
  }

  /// The commands that add what can stand here; empty where nothing is known about it.
  private static func reply(_ kind: ValueKind, commands: [String]) -> String {
    switch kind {
    case .choices(let choices): return words(choices.joined(separator: " "))
    case .command: return words(commands.joined(separator: " "))
    case .file: return "COMPREPLY+=($(compgen -f -- \"$current\")); "
    case .directory: return "COMPREPLY+=($(compgen -d -- \"$current\")); "
    case .method, .type: return ShellCompletion.listing(kind).map { words("$(\($0))") } ?? ""
    case .text: return ""
    }
  }
  private static func words(_ list: String) -> String { "COMPREPLY+=($(compgen -W \"\(list)\" -- \"$current\")); " }
}

/// `#compdef` function for zsh, one `_arguments` call for each command.
private enum ZshCompletion {
  static func script(for commands: [Command]) -> String {
    """
    #compdef cdc-bridge
    # zsh completion of cdc-bridge: name it _cdc-bridge in a directory of $fpath.
    _cdc-bridge_methods() { compadd -- ${(f)"$(\(ShellCompletion.listing(.method) ?? ":"))"} }
    _cdc-bridge_types() { compadd -- ${(f)"$(\(ShellCompletion.listing(.type) ?? ":"))"} }
    _cdc-bridge_commands() {
      local -a commands
      commands=(
    \(commands.map { "    " + ShellCompletion.quoted("\($0.name):\($0.summary)") }.joined(separator: "\n"))
      )
      _describe command commands
    }
    _cdc-bridge() {
      if (( CURRENT == 2 )); then
        _cdc-bridge_commands
        return
      fi
      local command=$words[2]
      shift words
      (( CURRENT-- ))
      case $command in
    \(commands.map(branch).joined(separator: "\n"))
      esac
    }
    if [[ $funcstack[1] == _cdc-bridge ]]; then _cdc-bridge "$@"; else compdef _cdc-bridge cdc-bridge; fi

    """
  }

  private static func branch(_ command: Command) -> String {
    let options = command.allOptions.flatMap { option in
      ([("--\(option.name)", option.placeholder == nil ? "" : "=")]
        + (option.short.map { [("-\($0)", option.placeholder == nil ? "" : "+")] } ?? []))
        .map { spelling, sign in specification(option, spelling + sign) }
    }
    let arguments = command.arguments.map { argument in
      ShellCompletion.quoted(
        "\(argument.isRepeatable ? "*" : argument.isRequired ? "" : ":"):\(bare(argument.name)):\(action(argument.kind))")
    }
    let words = (options + [ShellCompletion.quoted("--help[show the help]")] + arguments)
    return "    \(command.name)) _arguments \(words.joined(separator: " \\\n      ")) ;;"
  }

  private static func specification(_ option: CommandOption, _ spelling: String) -> String {
    var text = (option.isRepeatable ? "*" : "") + spelling + "[\(bare(ShellCompletion.brief(option.help)))]"
    if let kind = option.kind, let placeholder = option.placeholder { text += ":\(bare(placeholder)):\(action(kind))" }
    return ShellCompletion.quoted(text)
  }

  private static func action(_ kind: ValueKind) -> String {
    switch kind {
    case .choices(let choices): "(\(choices.joined(separator: " ")))"
    case .file: "_files"
    case .directory: "_files -/"
    case .method: "_cdc-bridge_methods"
    case .type: "_cdc-bridge_types"
    case .command: "_cdc-bridge_commands"
    case .text: " "
    }
  }

  /// Colons and brackets separate the parts of a specification.
  private static func bare(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing(":", with: "\\:").replacing("[", with: "\\[").replacing("]", with: "\\]")
  }
}

/// One `complete` line for each command, option and argument.
private enum FishCompletion {
  static func script(for commands: [Command]) -> String {
    var lines = [
      "# fish completion of cdc-bridge: put it into ~/.config/fish/completions/cdc-bridge.fish.",
      "complete -c cdc-bridge -f",
    ]
    for command in commands {
      lines.append(
        "complete -c cdc-bridge -n __fish_use_subcommand -a \(command.name) -d \(quoted(command.summary))")
    }
    for command in commands {
      let head = "complete -c cdc-bridge -n '__fish_seen_subcommand_from \(command.name)'"
      for option in command.allOptions {
        lines.append(
          "\(head) -l \(option.name)" + (option.short.map { " -s \($0)" } ?? "")
            + (option.kind.map { " -x\(values($0))" } ?? "") + " -d \(quoted(ShellCompletion.brief(option.help)))")
      }
      for argument in command.arguments {
        let values = values(argument.kind)
        if !values.isEmpty { lines.append(head + values) }
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func values(_ kind: ValueKind) -> String {
    switch kind {
    case .choices(let choices): " -a \(quoted(choices.joined(separator: " ")))"
    case .file: " -a '(__fish_complete_path)'"
    case .directory: " -a '(__fish_complete_directories)'"
    case .method, .type: " -a \(quoted("(\(ShellCompletion.listing(kind) ?? ""))"))"
    case .command: " -a \(quoted(Command.all.map(\.name).joined(separator: " ")))"
    case .text: ""
    }
  }

  /// In fish's single quotes only the quote and the backslash are special.
  private static func quoted(_ text: String) -> String {
    "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
  }
}
