/// Why a text is not the address of a server. The message names the part, never user information.
package struct EndpointError: Error, Sendable, Equatable, CustomStringConvertible {
  package var message: String
  init(_ message: String) { self.message = message }
  package var description: String { message }
}

extension Endpoint {
  /// Where a port is not given, as the users' clients take it: 443 with TLS, else Milvus's own.
  package static let defaultPort = 19530
  package static let defaultTLSPort = 443

  /// Reads `http://host:port`, `https://host:port` or `host:port`; `tcp://` and `grpc://` mean cleartext as
  /// in pymilvus.
  ///
  /// An IPv6 host stands in brackets. Whatever else a URI can hold is refused rather than dropped: user
  /// information belongs into the token and a path is no database here, so that neither is lost without a
  /// word.
  package init(parsing text: String) throws(EndpointError) {
    guard !text.isEmpty else { throw EndpointError("the address is empty") }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw EndpointError("the address holds a space, a control character or a character that is not ASCII")
    }
    let (isTLS, rest) = try Self.splitScheme(text)
    let authority = try Self.splitAuthority(rest)
    let (host, portText) = try Self.splitPort(authority)
    let port = try portText.map { (text) throws(EndpointError) in try Self.port(text) }
    self.init(
      host: host, port: port ?? (isTLS ? Self.defaultTLSPort : Self.defaultPort),
      tls: isTLS ? TLSSettings() : nil)
  }

  private static func splitScheme(_ text: String) throws(EndpointError) -> (isTLS: Bool, rest: Substring) {
    guard let separator = text.firstRange(of: "://") else {
      if text.hasSuffix(".db") {
        throw EndpointError(
          "\(text) is a file of Milvus Lite: start `milvus-lite server` and give its host:port")
      }
      return (false, text[...])
    }
    switch text[..<separator.lowerBound].lowercased() {
    case "http", "tcp", "grpc": return (false, text[separator.upperBound...])
    case "https": return (true, text[separator.upperBound...])
    default:
      throw EndpointError(
        "the address begins with \(text[..<separator.upperBound]), not with http:// or https://")
    }
  }

  /// Everything before path, query and fragment, of which only a single `/` may be there.
  private static func splitAuthority(_ rest: Substring) throws(EndpointError) -> Substring {
    let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
    let authority = rest[..<end]
    guard !authority.contains("@") else {
      throw EndpointError(
        "the address holds a user or a password before the @: give them as token or username and password")
    }
    let tail = rest[end...]
    guard tail.isEmpty || tail == "/" else {
      throw EndpointError(
        "the address goes on after the port: a server is http[s]://host:port, its databases are named elsewhere"
      )
    }
    return authority
  }

  private static func splitPort(_ authority: Substring) throws(EndpointError) -> (
    host: String, port: Substring?
  ) {
    let host: Substring
    let port: Substring?
    if authority.hasPrefix("[") {
      guard let close = authority.firstIndex(of: "]") else {
        throw EndpointError("the bracket around the IPv6 host does not close")
      }
      host = authority[authority.index(after: authority.startIndex)..<close]
      let after = authority[authority.index(after: close)...]
      guard after.isEmpty || after.hasPrefix(":") else {
        throw EndpointError("after the bracket comes something else than :port")
      }
      port = after.isEmpty ? nil : after.dropFirst()
      guard host.contains(":"),
        host.allSatisfy({ $0.isHexDigit || ":.%".contains($0) || $0.isLetter || $0.isNumber })
      else { throw EndpointError("[\(host)] is not an IPv6 address") }
    } else {
      let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count <= 2 else {
        throw EndpointError(
          "\(authority) has more than one colon: an IPv6 host stands in brackets, as in [::1]:19530")
      }
      host = parts.first ?? ""
      port = parts.count == 2 ? parts[1] : nil
      guard host.allSatisfy({ $0.isLetter || $0.isNumber || "-._".contains($0) }) else {
        throw EndpointError("\(host) is not a host name")
      }
    }
    guard !host.isEmpty else { throw EndpointError("the address has no host") }
    return (String(host), port)
  }

  private static func port(_ text: Substring) throws(EndpointError) -> Int {
    guard !text.isEmpty else { throw EndpointError("after the colon comes no port") }
    guard text.allSatisfy({ ("0"..."9").contains($0) }), let port = Int(text), (1...65535).contains(port)
    else {
      throw EndpointError("port \(text) is not a number from 1 to 65535")
    }
    return port
  }
}
