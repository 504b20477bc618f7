internal import MilvusWire

/// Finds the command, runs it and ends with its exit code. Nothing else happens here.
@main
enum Main {
  static func main() async {
    StandardStreams.ignoreBrokenPipes()
    let code = await run(Array(CommandLine.arguments.dropFirst()))
    exitProcess(code.rawValue)
  }

  private static func run(_ arguments: [String]) async -> ExitCode {
    guard let name = arguments.first else {
      Console.error(HelpText.overview)
      return .usage
    }
    switch name {
    case "--help", "-h":
      Console.print(HelpText.overview)
      return .success
    case "--version", "-V":
      return await VersionCommand.command.run([])
    default: break
    }
    do {
      return try await Command.named(name).run(Array(arguments.dropFirst()))
    } catch {
      Console.error("cdc-bridge: \(error.message)")
      Console.error("See: cdc-bridge --help")
      return .usage
    }
  }
}
