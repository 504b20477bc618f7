internal import MilvusWire

/// What is wrong with the command line.
struct UsageError: Error {
  var message: String
}

/// The command line: a mode, options with a value each (`--tls` has none), and for a client the name of a case.
struct Arguments {
  enum Mode: String { case client, server, convert, types }

  private static let flags: Set<String> = ["--tls"]
  private static let valued: Set<String> = [
    "--server", "--listen", "--ca", "--server-name", "--cert", "--key", "--client-ca", "--timeout-ms",
    "--connect-timeout-ms", "--receive-limit", "--keepalive-ms", "--connections", "--count", "--bytes",
  ]

  let mode: Mode
  let caseName: String?
  private var values: [String: String] = [:]

  init(_ words: [String]) throws {
    guard let first = words.first, let mode = Mode(rawValue: first) else {
      throw UsageError(message: "the first word is the mode")
    }
    self.mode = mode
    var caseName: String?
    var rest = words.dropFirst()
    while let word = rest.popFirst() {
      if Self.flags.contains(word) {
        values[word] = ""
      } else if Self.valued.contains(word) {
        guard let value = rest.popFirst() else { throw UsageError(message: "\(word) has no value") }
        values[word] = value
      } else if word.hasPrefix("-") || caseName != nil {
        throw UsageError(message: "what is \(word)?")
      } else {
        caseName = word
      }
    }
    self.caseName = caseName
  }

  subscript(name: String) -> String? { values[name] }

  func has(_ flag: String) -> Bool { values[flag] != nil }

  func number(_ name: String, default fallback: Int) throws -> Int {
    guard let text = values[name] else { return fallback }
    guard let number = Int(text), number >= 0 else {
      throw UsageError(message: "\(name) \(text) is no number")
    }
    return number
  }

  func milliseconds(_ name: String, default fallback: Duration) throws -> Duration {
    guard values[name] != nil else { return fallback }
    return .milliseconds(try number(name, default: 0))
  }

  /// `HOST:PORT`; an IPv6 host stands in brackets.
  func address(_ name: String) throws -> (host: String, port: Int) {
    guard let text = values[name], let colon = text.lastIndex(of: ":"),
      let port = Int(text[text.index(after: colon)...])
    else { throw UsageError(message: "\(name) HOST:PORT is needed") }
    var host = text[..<colon]
    if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    return (String(host), port)
  }
}
