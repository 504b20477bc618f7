/// A text that must never be printed. `description` is always `<redacted>`; the text is read by name.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
  package let revealed: String
  package init(_ text: String) { revealed = text }
  package var isEmpty: Bool { revealed.isEmpty }
  package var description: String { "<redacted>" }
  package var debugDescription: String { "<redacted>" }
}

/// TLS material and names for one peer. Paths are files on this host, read when a connection is made.
package struct TLSSettings: Sendable, Equatable {
  /// Name to verify the certificate against and to send as SNI; nil: the endpoint's host.
  package var serverName: String?
  /// PEM bundle of certificates to trust; nil: the system's trust store.
  package var caPath: String?
  package var clientCertificatePath: String?
  package var clientKeyPath: String?
  package init(
    serverName: String? = nil, caPath: String? = nil, clientCertificatePath: String? = nil,
    clientKeyPath: String? = nil
  ) {
    self.serverName = serverName
    self.caPath = caPath
    self.clientCertificatePath = clientCertificatePath
    self.clientKeyPath = clientKeyPath
  }
}

/// Where a gRPC server listens: `http://h:p` cleartext, `https://h:p` TLS, `h:p` cleartext; IPv6 hosts in brackets.
package struct Endpoint: Sendable, Equatable {
  package var host: String
  package var port: Int
  /// nil: cleartext HTTP/2 with prior knowledge.
  package var tls: TLSSettings?
  package init(host: String, port: Int, tls: TLSSettings? = nil) {
    self.host = host
    self.port = port
    self.tls = tls
  }
  /// `host:port`, IPv6 in brackets: what `:authority` carries and messages show.
  package var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Everything needed to talk to one Milvus cluster.
package struct ClusterConnection: Sendable, Equatable {
  package var endpoint: Endpoint
  /// `user:password` or an API key; empty: no `authorization` metadata is sent.
  package var token: Secret
  /// Budget for DNS, TCP, TLS and the first SETTINGS together.
  package var connectTimeout: Duration
  /// Largest message accepted from the peer, in bytes (`public-rpc.md` §1.1: at least 256 MiB).
  package var receiveMessageBytesMax: Int
  package init(
    endpoint: Endpoint, token: Secret = Secret(""), connectTimeout: Duration = .seconds(5),
    receiveMessageBytesMax: Int = 256 << 20
  ) {
    self.endpoint = endpoint
    self.token = token
    self.connectTimeout = connectTimeout
    self.receiveMessageBytesMax = receiveMessageBytesMax
  }
}
