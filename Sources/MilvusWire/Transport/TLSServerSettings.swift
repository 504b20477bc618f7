/// The oldest protocol version that is accepted.
package enum TLSVersion: Sendable, Equatable, CaseIterable {
  case tls12, tls13
}

/// TLS material of a listener. Paths are PEM files on this host, read when the context is made.
package struct TLSServerSettings: Sendable, Equatable {
  /// The certificate, followed by the intermediate certificates.
  package var certificatePath: String
  package var keyPath: String
  /// Where set, a client must show a certificate signed by one of these.
  package var clientCAPath: String?
  package var minimumVersion: TLSVersion
  /// Application protocols in the order of preference (RFC 7301). A client that offers others only is refused.
  package var applicationProtocols: [String]
  /// Whether a client that offers none at all is refused too: HTTP/2 requires it (RFC 9113 §3.3).
  package var requiresApplicationProtocol: Bool

  package init(
    certificatePath: String, keyPath: String, clientCAPath: String? = nil,
    minimumVersion: TLSVersion = .tls12, applicationProtocols: [String],
    requiresApplicationProtocol: Bool
  ) {
    self.certificatePath = certificatePath
    self.keyPath = keyPath
    self.clientCAPath = clientCAPath
    self.minimumVersion = minimumVersion
    self.applicationProtocols = applicationProtocols
    self.requiresApplicationProtocol = requiresApplicationProtocol
  }
}
