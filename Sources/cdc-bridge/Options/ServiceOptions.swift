internal import CDCBridge
internal import FoundationEssentials
internal import MilvusWire

/// The options that name a running service, the same for every client command, and what they make of its answers.
struct ServiceOptions {
  static let defaultURL = "http://127.0.0.1:\(TaskClient.defaultPort)"

  static let group = Command.OptionGroup(
    title: "service",
    options: [
      CommandOption(
        name: "server", placeholder: "URL",
        help: "Where the service listens: http://HOST:PORT, or https://HOST:PORT (default: \(defaultURL))."),
      CommandOption(
        name: "api-token-file", placeholder: "FILE",
        help: "File with the service's bearer token in its first line. Or set CDC_BRIDGE_API_TOKEN."),
      CommandOption(
        name: "ca-file", placeholder: "FILE", help: "PEM certificates to trust instead of the system's."),
      CommandOption(
        name: "server-name", placeholder: "NAME", help: "Name in the certificate, where it differs from the host."),
      CommandOption(name: "client-cert-file", placeholder: "FILE", help: "Own certificate for mutual TLS."),
      CommandOption(name: "client-key-file", placeholder: "FILE", help: "Key of the own certificate."),
      CommandOption(name: "timeout", placeholder: "SECONDS", help: "Deadline of a request (default: 30)."),
    ])

  static let watch = Command.OptionGroup(
    title: "how",
    options: [
      .json, CommandOption(name: "watch", help: "Show it again and again, until Ctrl-C."),
      CommandOption(name: "interval", placeholder: "SECONDS", help: "Pause between two looks (default: 2)."),
    ])
  static let once = Command.OptionGroup(title: "how", options: [.json])

  static func client(_ invocation: Invocation) throws(UsageError) -> TaskClient {
    var endpoint: Endpoint
    do { endpoint = try TaskClient.endpoint(parsing: try server(invocation)) } catch let error as UsageError {
      throw error
    } catch {
      throw UsageError("--server: \(error).")
    }
    let settings = TLSSettings(
      serverName: try invocation.string("server-name"), caPath: try invocation.string("ca-file"),
      clientCertificatePath: try invocation.string("client-cert-file"),
      clientKeyPath: try invocation.string("client-key-file"))
    if endpoint.tls != nil {
      endpoint.tls = settings
    } else if settings != TLSSettings() {
      throw UsageError("--server is not https://, so certificates have no effect.")
    }
    var token = Secret(invocation.environment["CDC_BRIDGE_API_TOKEN"] ?? "")
    if let path = try invocation.string("api-token-file") {
      token = try InputFile.readSecret(path, what: "the API token file")
    }
    return TaskClient(
      endpoint: endpoint, token: token, timeout: try invocation.seconds("timeout") ?? .seconds(30))
  }

  private static func server(_ invocation: Invocation) throws(UsageError) -> String {
    try invocation.string("server") ?? defaultURL
  }

  /// Shows what `look` gives once, or with --watch again and again: redrawn on a terminal, one after another elsewhere, with --json one line for
  /// each look. `ending` may end it.
  static func show(
    _ invocation: Invocation, look: () async throws -> JSONObject, text: (JSONObject) -> String,
    ending: (JSONObject) -> ExitCode? = { _ in nil }
  ) async throws -> ExitCode {
    let isJSON = try invocation.flag("json")
    let isWatching = try invocation.flag("watch")
    let pause = try invocation.seconds("interval") ?? .seconds(2)
    let isTerminal = Terminal.canRedraw(.output, invocation.environment)
    while true {
      let answer = try await look()
      if isJSON {
        Console.print(JSONWriter(layout: isWatching ? .compact : .fitted).text(of: .object(answer)))
      } else if isWatching, isTerminal {
        // Home, the text with the rest of each line cleared, then everything below.
        let lines = text(answer).split(separator: "\n", omittingEmptySubsequences: false)
        Console.write("\u{1B}[H" + lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J")
      } else {
        Console.print(text(answer))
      }
      if let code = ending(answer) { return code }
      if !isWatching { return .success }
      if StandardStreams.isOutputGone { return .failure }
      try await Task.sleep(for: pause)
    }
  }
}
