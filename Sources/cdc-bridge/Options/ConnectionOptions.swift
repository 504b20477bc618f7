internal import CDCBridge
internal import MilvusWire

/// The options that name a cluster and its credentials, the same for every command.
struct ConnectionOptions {
  /// `server` is the only cluster of a command; its options have no prefix and its address a default. `old` and `new` are the two primaries of a
  /// promotion by force, whose addresses are options by those names.
  enum Side: String {
    case source, target, server, old, new

    var what: String { self == .old || self == .new ? "\(rawValue) primary" : rawValue }
    var title: String { self == .source || self == .target ? "\(rawValue) cluster" : what }
    /// The first of two clusters has the options that are for both.
    var isSecond: Bool { self == .target || self == .new }
  }
  let side: Side

  /// Where a server on this host listens, the sandbox too.
  static let defaultURI = "http://127.0.0.1:19530"

  var group: Command.OptionGroup {
    Command.OptionGroup(title: side.title, options: options)
  }

  private var options: [CommandOption] {
    let place = side == .server ? " (default: \(Self.defaultURI))" : ""
    var options = [
      CommandOption(
        name: name("uri"), placeholder: "URI",
        help: "Where the \(side.what) listens: http://HOST:PORT, or https://HOST:PORT for TLS\(place).")
    ]
    if side == .server {
      options += [
        CommandOption(
          name: "token", placeholder: "TOKEN",
          help: "USER:PASSWORD or an API key: '${NAME}' takes it from the environment, @FILE from a file. Or set "
            + "\(tokenVariable). Spelled out it would stand in the list of processes, so that is refused."),
        CommandOption(name: "plaintext", help: "No TLS, as http:// and a bare HOST:PORT say too."),
      ]
    }
    return options + [
      CommandOption(
        name: name("token-file"), placeholder: "FILE",
        help:
          "File with USER:PASSWORD or an API key in its first line. Or set \(tokenVariable); a token is never an argument."
      ),
      CommandOption(
        name: name("ca-file"), placeholder: "FILE",
        help: "PEM certificates to trust instead of the system's."),
      CommandOption(
        name: name("server-name"), placeholder: "NAME",
        help: "Name in the certificate, where it differs from the host."),
      CommandOption(
        name: name("client-cert-file"), placeholder: "FILE", help: "Own certificate for mutual TLS."),
      CommandOption(
        name: name("client-key-file"), placeholder: "FILE", help: "Key of the own certificate."),
    ] + (side.isSecond ? [] : [.traceFrames])
  }

  private func name(_ suffix: String) -> String {
    switch side {
    case .server: suffix
    case .old, .new: suffix == "uri" ? side.rawValue : "\(side.rawValue)-\(suffix)"
    case .source, .target: "\(side.rawValue)-\(suffix)"
    }
  }
  private var tokenVariable: String { CommandOption(name: name("token"), help: "").environmentName }

  /// nil where no URI is given.
  func connectionIfGiven(_ invocation: Invocation) throws(UsageError) -> ClusterConnection? {
    try invocation.string(name("uri")) == nil ? nil : connection(invocation)
  }

  func connection(_ invocation: Invocation) throws(UsageError) -> ClusterConnection {
    let given = try invocation.string(name("uri")) ?? (side == .server ? Self.defaultURI : nil)
    guard let uri = given else { return try connection(invocation, uri: try invocation.required(name("uri"))) }
    return try connection(invocation, uri: uri)
  }

  /// `uri` with the certificates and the token of the options. `argument`: what the address was given as, where it is no option.
  func connection(_ invocation: Invocation, uri: String, argument: String? = nil) throws(UsageError) -> ClusterConnection {
    var endpoint: Endpoint
    do { endpoint = try Endpoint(parsing: uri) } catch {
      throw UsageError("\(argument ?? "--\(name("uri"))"): \(error.message).")
    }
    let settings = TLSSettings(
      serverName: try invocation.string(name("server-name")),
      caPath: try invocation.string(name("ca-file")),
      clientCertificatePath: try invocation.string(name("client-cert-file")),
      clientKeyPath: try invocation.string(name("client-key-file")))
    if endpoint.tls != nil {
      guard try !invocation.flag("plaintext") else {
        throw UsageError("--\(name("uri")) begins with https://, which --plaintext contradicts.")
      }
      endpoint.tls = settings
    } else if settings != TLSSettings() {
      throw UsageError("--\(name("uri")) begins with http://, so certificates have no effect; use https://.")
    }
    guard (settings.clientCertificatePath == nil) == (settings.clientKeyPath == nil) else {
      throw UsageError("--\(name("client-cert-file")) and --\(name("client-key-file")) belong together.")
    }
    return ClusterConnection(endpoint: endpoint, token: try token(invocation))
  }

  private func token(_ invocation: Invocation) throws(UsageError) -> Secret {
    if let text = invocation.given[name("token")]?.last { return try token(argument: text, invocation) }
    if let path = try invocation.string(name("token-file")) {
      return try InputFile.readSecret(path, what: "the token file")
    }
    return Secret(invocation.environment[tokenVariable] ?? "")
  }

  /// `${NAME}` or `@FILE`: the two forms that no list of processes shows.
  private func token(argument text: String, _ invocation: Invocation) throws(UsageError) -> Secret {
    if text.hasPrefix("@") { return try InputFile.readSecret(String(text.dropFirst()), what: "the token file") }
    guard text.hasPrefix("${"), text.hasSuffix("}") else {
      throw UsageError(
        "--token: everybody on this host can read the arguments of a program; write --token '${NAME}' with the token in that "
          + "environment variable, --token @FILE, or set \(tokenVariable).")
    }
    let variable = String(text.dropFirst(2).dropLast())
    guard let value = invocation.environment[variable], !value.isEmpty else {
      throw UsageError("--token: the environment variable \(variable) is not set.")
    }
    return Secret(value)
  }
}
