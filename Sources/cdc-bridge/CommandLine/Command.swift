internal import MilvusWire

/// One command: what it is called, what it takes, what its help says and what it does.
///
/// Everything that people read about a command comes from this one declaration: `--help`, the manual page, the completion of three shells.
struct Command: Sendable {
  var name: String
  var topic: Topic
  /// One line for the list of commands, in lower case and without a full stop.
  var summary: String
  /// Paragraphs after the usage line, separated by an empty line.
  var description: String
  var options: [OptionGroup]
  /// What stands without an option name, in this order. Only the last one may be repeatable.
  var arguments: [CommandArgument] = []
  var examples: [Example]
  var body: @Sendable (Invocation) async throws -> ExitCode

  /// Under which heading a command is listed. The order is the one of the help.
  enum Topic: String, Sendable, CaseIterable {
    case service = "keep clusters in sync"
    case tasks = "tasks of a running service"
    case clusters = "look at clusters"
    case calls = "speak the protocol"
    case log = "the log"
    case other = "the rest"
  }
  struct OptionGroup: Sendable {
    var title: String
    var options: [CommandOption]
  }
  struct Example: Sendable {
    var purpose: String
    var line: String
  }

  /// All options in the order of the help.
  var allOptions: [CommandOption] { options.flatMap(\.options) }
  /// True where options may also stand in a file that `--config` names.
  var takesConfiguration: Bool { allOptions.contains { $0.name == CommandOption.config.name } }
  /// `cdc-bridge call [OPTION]... METHOD [JSON]`.
  var usage: String {
    let words =
      ["cdc-bridge", name] + (options.isEmpty ? [] : ["[OPTION]..."]) + arguments.map(\.usage)
    return words.joined(separator: " ")
  }

  func run(_ arguments: [String]) async -> ExitCode {
    do {
      guard var invocation = try ArgumentParser(command: self).parse(arguments) else {
        Console.print(HelpText.text(of: self))
        return .success
      }
      if takesConfiguration { try invocation.loadConfiguration() }
      if try invocation.flag(CommandOption.traceFrames.name) { WireTracing.trace(with: FrameTracer()) }
      return try await body(invocation)
    } catch let error as UsageError {
      Console.error("cdc-bridge \(name): \(error.message)")
      Console.error("See: cdc-bridge \(name) --help")
      return .usage
    } catch {
      Failure.report(error, command: name)
      return Failure.exitCode(of: error)
    }
  }

  /// In the order of the help inside each topic.
  static let all: [Command] = [
    ServeCommand.command, SyncCommand.command,
    CreateCommand.command, TaskCommands.list, TaskCommands.get, TaskCommands.progress, TaskCommands.position,
    TaskCommands.pause, TaskCommands.resume, TaskCommands.delete, TopCommand.command,
    CompareCommand.command, ProbeCommand.command, PromoteCommand.promote, PromoteCommand.detach,
    CallCommand.command, MethodsCommand.command, DescribeCommand.command, TapCommand.command,
    LogCommands.tail, LogCommands.dump, DecodeCommand.command, RecordCommands.record, ReplayCommand.command,
    SalvageCommand.command,
    SandboxCommand.command, CompletionCommand.command, ManualCommand.command, HelpCommand.command,
    VersionCommand.command,
  ]

  static func named(_ name: String) throws(UsageError) -> Command {
    if let command = all.first(where: { $0.name == name }) { return command }
    throw UsageError("no command '\(name)'.\(NearestName.hint(name, among: all.map(\.name)))")
  }
}

/// One option. Where it is not given, its value comes from the environment, then from the configuration file.
struct CommandOption: Sendable {
  /// Without the dashes.
  var name: String
  /// `d` for `-d`; nil: only the long form.
  var short: Character? = nil
  /// What stands for the value in the help; nil for a switch. It says what a shell completes, as `ValueKind` tells.
  var placeholder: String?
  var help: String
  var isRepeatable = false
  /// The values it may take; empty: any.
  var choices: [String] = []

  /// `CDC_BRIDGE_SOURCE_URI` for `source-uri`.
  var environmentName: String { "CDC_BRIDGE_" + name.uppercased().map { $0 == "-" ? "_" : $0 } }
  /// `source_uri` for `source-uri`.
  var configurationKey: String { String(name.map { $0 == "-" ? "_" : $0 }) }
  /// nil for a switch.
  var kind: ValueKind? { placeholder.map { ValueKind(placeholder: $0, choices: choices) } }

  /// A command that has it reads the file before it runs.
  static let config = CommandOption(name: "config", placeholder: "FILE", help: "JSON file with options.")
  static let traceFrames = CommandOption(
    name: "trace-frames", help: "Show every HTTP/2 frame of every connection on standard error, logins redacted.")
  static let json = CommandOption(name: "json", help: "Print JSON, for programs.")
}

/// One argument without an option name.
struct CommandArgument: Sendable {
  /// In capitals, as a placeholder.
  var name: String
  var help: String
  var isRequired = true
  var isRepeatable = false
  /// The values it may take; empty: any.
  var choices: [String] = []

  /// `METHOD`, `[JSON]`, `[URI]...`.
  var usage: String { (isRequired ? name : "[\(name)]") + (isRepeatable ? "..." : "") }
  var kind: ValueKind { ValueKind(placeholder: name, choices: choices) }
}

/// What a value is, so that a shell can complete it. The placeholder decides, so nothing is declared twice.
enum ValueKind: Sendable, Equatable {
  case choices([String])
  case file, directory
  /// An RPC; a message or enum type or an RPC; a command of this program.
  case method, type, command
  case text

  init(placeholder: String, choices: [String] = []) {
    if !choices.isEmpty {
      self = .choices(choices)
      return
    }
    self =
      switch placeholder {
      case "FILE": .file
      case "DIR": .directory
      case "METHOD": .method
      case "TYPE", "TYPE|METHOD": .type
      case "COMMAND": .command
      default: .text
      }
  }
}
