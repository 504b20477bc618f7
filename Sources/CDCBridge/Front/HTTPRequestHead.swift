/// Request line and fields of one request while they arrive, with the rules that need all fields together.
///
/// Every rule refuses rather than repairs: a server behind a proxy that reads a request in another way than the proxy is how requests
/// are smuggled (RFC 9112 §11.2).
struct HTTPRequestHead: Equatable {
  enum Framing: Equatable { case none, length(Int), chunked }

  var method: String
  var target: String
  var minorVersion: Int
  var fields: [HTTPRequest.Field] = []

  /// RFC 9112 §3: `method SP request-target SP HTTP-version`, single spaces only.
  init(requestLine line: ArraySlice<UInt8>) throws(HTTPRejection) {
    let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 3 else { throw HTTPRejection(.badRequest, "malformed request line") }
    guard parts[0].count <= 32, HTTPSyntax.isToken(parts[0]) else {
      throw HTTPRejection(.badRequest, "malformed method")
    }
    guard !parts[1].isEmpty, parts[1].allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw HTTPRejection(.badRequest, "malformed request target")
    }
    method = String(decoding: parts[0], as: UTF8.self)
    target = String(decoding: parts[1], as: UTF8.self)
    minorVersion = try Self.minorVersion(parts[2])
  }

  /// RFC 9112 §2.3: `HTTP/1.` and one digit; a minor version above 1 is served as 1.
  private static func minorVersion(_ text: ArraySlice<UInt8>) throws(HTTPRejection) -> Int {
    let bytes = Array(text)
    guard bytes.count == 8, bytes.starts(with: Array("HTTP/".utf8)), bytes[6] == UInt8(ascii: "."),
      HTTPSyntax.isDigit(bytes[5]), HTTPSyntax.isDigit(bytes[7])
    else { throw HTTPRejection(.badRequest, "malformed HTTP version") }
    guard bytes[5] == UInt8(ascii: "1") else {
      throw HTTPRejection(.versionNotSupported, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    }
    return bytes[7] == UInt8(ascii: "0") ? 0 : 1
  }

  mutating func add(fieldLine line: ArraySlice<UInt8>) throws(HTTPRejection) {
    fields.append(try HTTPSyntax.field(line))
  }

  /// How the body ends (RFC 9112 §6.3). What could be read in two ways is refused.
  func framing() throws(HTTPRejection) -> Framing {
    let codings = values(of: "transfer-encoding")
    let lengths = values(of: "content-length")
    if !codings.isEmpty {
      guard minorVersion == 1 else {
        throw HTTPRejection(.badRequest, "Transfer-Encoding in HTTP/1.0")
      }
      guard lengths.isEmpty else {
        throw HTTPRejection(.badRequest, "both Transfer-Encoding and Content-Length")
      }
      let names = codings.flatMap { HTTPSyntax.list($0) }
      guard names == ["chunked"] else {
        throw names.last == "chunked"
          ? HTTPRejection(.notImplemented, "only the transfer coding chunked is understood")
          : HTTPRejection(.badRequest, "the last transfer coding is not chunked")
      }
      return .chunked
    }
    guard let length = lengths.first else { return .none }
    guard lengths.count == 1, !length.isEmpty, length.utf8.allSatisfy(HTTPSyntax.isDigit) else {
      throw HTTPRejection(.badRequest, "malformed or repeated Content-Length")
    }
    guard let bytes = Int(length) else { throw HTTPRejection(.contentTooLarge, "the body is too large") }
    return .length(bytes)
  }

  /// True where the client waits for `100 Continue` before it sends its body (RFC 9110 §10.1.1).
  func expectsContinue() throws(HTTPRejection) -> Bool {
    let expectations = values(of: "expect").flatMap { HTTPSyntax.list($0) }
    guard !expectations.isEmpty, minorVersion == 1 else { return false }
    guard expectations.allSatisfy({ $0 == "100-continue" }) else {
      throw HTTPRejection(.expectationFailed, "unknown expectation")
    }
    return true
  }

  /// RFC 9112 §3.2: HTTP/1.1 needs exactly one Host. Its text is checked, not compared.
  func checkHost() throws(HTTPRejection) {
    let hosts = values(of: "host")
    guard hosts.count == 1 || (hosts.isEmpty && minorVersion == 0) else {
      throw HTTPRejection(.badRequest, "missing or repeated Host")
    }
    guard hosts.allSatisfy({ $0.utf8.allSatisfy(HTTPSyntax.isHostByte) }) else {
      throw HTTPRejection(.badRequest, "malformed Host")
    }
  }

  /// RFC 9112 §9.3.
  var keepsAlive: Bool {
    let options = values(of: "connection").flatMap { HTTPSyntax.list($0) }
    if options.contains("close") { return false }
    return minorVersion == 1 || options.contains("keep-alive")
  }

  /// RFC 9112 §3.2: origin-form, absolute-form and `*`; CONNECT's authority-form has no meaning here.
  func path() throws(HTTPRejection) -> String {
    if target == "*", method == "OPTIONS" { return "*" }
    var rest = target[...]
    if !rest.hasPrefix("/") {
      guard let scheme = target.firstRange(of: "://"),
        ["http", "https"].contains(target[..<scheme.lowerBound].lowercased())
      else { throw HTTPRejection(.badRequest, "malformed request target") }
      rest = target[scheme.upperBound...]
      let authority = rest.prefix { $0 != "/" && $0 != "?" }
      guard !authority.isEmpty, authority.utf8.allSatisfy(HTTPSyntax.isHostByte) else {
        throw HTTPRejection(.badRequest, "malformed request target")
      }
      rest = rest[authority.endIndex...]
      if !rest.hasPrefix("/") { rest = "/" + rest }
    }
    guard !rest.contains("#"), let path = HTTPSyntax.percentDecoded(rest.prefix { $0 != "?" }) else {
      throw HTTPRejection(.badRequest, "malformed request target")
    }
    return path
  }

  private func values(of name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }
}
