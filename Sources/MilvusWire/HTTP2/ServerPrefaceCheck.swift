/// Looks at the first bytes of a server to tell HTTP/2 from everything else, so that a wrong port gets a clear message.
///
/// A server begins with a SETTINGS frame on stream 0 (RFC 9113 §3.4): | length u24 | type 4 | flags, no ACK | stream 0 |.
struct ServerPrefaceCheck: Equatable {
  enum Verdict: Equatable {
    case needsMore
    case isHTTP2
    /// What the server speaks instead, for a message.
    case isOther(String)
  }

  private static let frameHeaderBytes = 9
  private var bytes: [UInt8] = []

  mutating func received(_ more: [UInt8]) -> Verdict {
    bytes += more.prefix(ServerPrefaceCheck.frameHeaderBytes - bytes.count)
    let http1 = Array("HTTP/1.".utf8)
    if bytes.starts(with: http1) { return .isOther("the server speaks HTTP/1.1, not gRPC") }
    if !bytes.isEmpty && http1.starts(with: bytes) { return .needsMore }
    // A TLS record: 0x15 alert or 0x16 handshake, then version 3.x.
    if bytes.count >= 2 && (0x15...0x16).contains(bytes[0]) && bytes[1] == 3 {
      return .isOther("the server speaks TLS; use https://")
    }
    guard bytes.count == ServerPrefaceCheck.frameHeaderBytes else { return .needsMore }
    let isSettings = bytes[3] == 4 && bytes[4] & 1 == 0 && bytes[5...8].allSatisfy { $0 == 0 }
    return isSettings ? .isHTTP2 : .isOther("the server does not speak HTTP/2")
  }
}
