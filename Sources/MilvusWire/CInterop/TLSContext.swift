internal import COpenSSL
internal import Glibc

/// Certificates, keys and rules for any number of TLS connections of one kind: OpenSSL's `SSL_CTX`.
///
/// `@unchecked Sendable`: it is not changed after it was made, and OpenSSL counts its references atomically.
package final class TLSContext: @unchecked Sendable {
  enum Role: Equatable { case client, server }

  let role: Role
  /// Whether a handshake without an agreed application protocol is a failure.
  let requiresApplicationProtocol: Bool
  /// SSL_CTX. Owned, freed in deinit.
  let context: OpaquePointer
  /// Length-prefixed names (RFC 7301 §3.1); the server's selection callback reads them through the pointer below.
  private let protocolNames: UnsafeMutableBufferPointer<UInt8>

  private static let threads = BlockingThreads(threadCountMax: 2)

  /// OpenSSL would take its tables down when the process exits, under threads that still use them.
  private static let isPrepared = OPENSSL_init_ssl(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1

  /// Reads the files that `settings` names, on a thread of its own, and prepares a client.
  package static func client(
    _ settings: TLSSettings, applicationProtocols: [String] = ["h2"],
    requiresApplicationProtocol: Bool = true, minimumVersion: TLSVersion = .tls12
  ) async throws(WireError) -> TLSContext {
    try await threads.run("TLS settings") { () throws(WireError) in
      let context = try TLSContext(
        .client, minimumVersion, applicationProtocols, requires: requiresApplicationProtocol)
      try context.trust(settings.caPath, "the CA file")
      switch (settings.clientCertificatePath, settings.clientKeyPath) {
      case (nil, nil): break
      case (let certificate?, let key?):
        try context.identify(certificatePath: certificate, keyPath: key, "client")
      case (_?, nil): throw WireError(.tls, "a client certificate is set but no client key")
      case (nil, _?): throw WireError(.tls, "a client key is set but no client certificate")
      }
      return context
    }
  }

  /// Reads the files that `settings` names, on a thread of its own, and prepares a server.
  package static func server(_ settings: TLSServerSettings) async throws(WireError) -> TLSContext {
    try await threads.run("TLS settings") { () throws(WireError) in
      let context = try TLSContext(
        .server, settings.minimumVersion, settings.applicationProtocols,
        requires: settings.requiresApplicationProtocol)
      try context.identify(
        certificatePath: settings.certificatePath, keyPath: settings.keyPath, "server")
      if let path = settings.clientCAPath {
        try context.trust(path, "the client CA file")
        // Tells clients which certificates to choose from.
        SSL_CTX_set_client_CA_list(context.context, SSL_load_client_CA_file(path))
        SSL_CTX_set_verify(
          context.context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
      }
      return context
    }
  }

  private init(
    _ role: Role, _ minimumVersion: TLSVersion, _ applicationProtocols: [String], requires: Bool
  ) throws(WireError) {
    guard Self.isPrepared else { throw WireError(.tls, "cannot start OpenSSL") }
    let method = role == .client ? TLS_client_method() : TLS_server_method()
    ERR_clear_error()
    guard let context = SSL_CTX_new(method) else {
      throw WireError(.tls, "cannot prepare TLS: \(TLSErrorQueue.take().text)")
    }
    self.role = role
    self.context = context
    requiresApplicationProtocol = requires
    var names: [UInt8] = []
    for name in applicationProtocols {
      precondition((1...255).contains(name.utf8.count), "a protocol name has 1 to 255 bytes")
      names.append(UInt8(name.utf8.count))
      names += name.utf8
    }
    // SAFETY: owned by this object, freed in deinit. Every engine holds this object while its SSL may call back.
    protocolNames = .allocate(capacity: names.count)
    _ = protocolNames.initialize(from: names)
    try configure(minimumVersion)
  }

  deinit {
    SSL_CTX_free(context)
    protocolNames.deallocate()
  }

  private func configure(_ minimumVersion: TLSVersion) throws(WireError) {
    let version = minimumVersion == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION
    guard cdc_ctx_set_min_version(context, version) == 1 else {
      throw WireError(.tls, "this system's OpenSSL cannot speak the TLS version asked for")
    }
    // Idle connections give their record buffers back: about 34 KiB each.
    cdc_ctx_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS))
    cdc_ctx_forbid_renegotiation_and_compression(context)
    // Nobody here resumes a session.
    cdc_ctx_disable_session_cache(context)
    _ = SSL_CTX_set_num_tickets(context, 0)
    // Without this OpenSSL would ask for a passphrase on the terminal.
    SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in -1 }
    if role == .client { SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil) }
    guard !protocolNames.isEmpty else { return }
    switch role {
    case .client:
      _ = SSL_CTX_set_alpn_protos(
        context, protocolNames.baseAddress, UInt32(protocolNames.count))
    case .server:
      // SAFETY: the pointer is to this object, which outlives every SSL made from the context (see `TLSEngine`).
      SSL_CTX_set_alpn_select_cb(
        context, selectApplicationProtocol, Unmanaged.passUnretained(self).toOpaque())
    }
  }

  /// Trusts the certificates in a file, or those of the system.
  private func trust(_ path: String?, _ what: String) throws(WireError) {
    ERR_clear_error()
    guard let path else {
      guard SSL_CTX_set_default_verify_paths(context) == 1 else {
        throw WireError(.tls, "cannot load the system's trusted certificates")
      }
      return
    }
    try Self.checkReadable(path, what)
    guard SSL_CTX_load_verify_locations(context, path, nil) == 1 else {
      throw WireError(.tls, "\(what) \(path) holds no PEM certificate")
    }
  }

  private func identify(
    certificatePath: String, keyPath: String, _ whose: String
  ) throws(WireError) {
    try Self.checkReadable(certificatePath, "the \(whose) certificate file")
    try Self.checkReadable(keyPath, "the \(whose) key file")
    ERR_clear_error()
    guard SSL_CTX_use_certificate_chain_file(context, certificatePath) == 1 else {
      throw WireError(.tls, "the \(whose) certificate file \(certificatePath) holds no usable PEM certificate")
    }
    ERR_clear_error()
    guard SSL_CTX_use_PrivateKey_file(context, keyPath, SSL_FILETYPE_PEM) == 1 else {
      let errors = TLSErrorQueue.take()
      // The queue's own text could quote the file; only the kind of the failure is told.
      if errors.contains(library: ERR_LIB_X509, reason: X509_R_KEY_VALUES_MISMATCH) {
        throw WireError(
          .tls, "the \(whose) key \(keyPath) does not belong to the certificate \(certificatePath)")
      }
      if errors.contains(library: ERR_LIB_PEM, reason: PEM_R_BAD_PASSWORD_READ) {
        throw WireError(
          .tls, "the \(whose) key \(keyPath) is protected by a passphrase; one without is needed")
      }
      throw WireError(.tls, "the \(whose) key file \(keyPath) holds no usable PEM key")
    }
    ERR_clear_error()
    guard SSL_CTX_check_private_key(context) == 1 else {
      throw WireError(
        .tls, "the \(whose) key \(keyPath) does not belong to the certificate \(certificatePath)")
    }
  }

  private static func checkReadable(_ path: String, _ what: String) throws(WireError) {
    // A path with a NUL would be cut by the C call and mean another file.
    guard !path.utf8.contains(0) else { throw WireError(.tls, "\(what) has no valid path") }
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else {
      throw WireError(.tls, "cannot read \(what) \(path): \(SystemErrorText.describe(errno))")
    }
    close(fd)
  }

  /// Chooses the first of our protocols that the client offers; nil refuses the client (RFC 7301 §3.2).
  fileprivate func select(
    from offered: UnsafeBufferPointer<UInt8>
  ) -> UnsafeBufferPointer<UInt8>? {
    var out: UnsafeMutablePointer<UInt8>?
    var count: UInt8 = 0
    let code = SSL_select_next_proto(
      &out, &count, protocolNames.baseAddress, UInt32(protocolNames.count), offered.baseAddress,
      UInt32(offered.count))
    guard code == OPENSSL_NPN_NEGOTIATED, let out else { return nil }
    return UnsafeBufferPointer(start: out, count: Int(count))
  }
}

/// OpenSSL asks a server which of the client's protocols it takes.
private let selectApplicationProtocol: SSL_CTX_alpn_select_cb_func = {
  _, out, outCount, offered, offeredCount, argument in
  guard let argument, let out, let outCount else { return SSL_TLSEXT_ERR_ALERT_FATAL }
  // SAFETY: `argument` is the context of `configure`, alive while one of its connections is.
  let context = Unmanaged<TLSContext>.fromOpaque(argument).takeUnretainedValue()
  let list = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
  guard let chosen = context.select(from: list) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
  // SAFETY: points into our names (owned by the context) or into `offered`, which OpenSSL copies from after the call.
  out.pointee = chosen.baseAddress
  outCount.pointee = UInt8(chosen.count)
  return SSL_TLSEXT_ERR_OK
}

/// The errors that OpenSSL collected on this thread during one operation, oldest first.
struct TLSErrorQueue {
  private(set) var codes: [UInt] = []

  /// Empties the thread's queue: an error left behind would be blamed on the next operation.
  static func take() -> TLSErrorQueue {
    var queue = TLSErrorQueue()
    while true {
      let code = ERR_get_error()
      if code == 0 { return queue }
      queue.codes.append(code)
    }
  }

  func contains(library: Int32, reason: Int32) -> Bool {
    codes.contains { ERR_GET_LIB($0) == library && ERR_GET_REASON($0) == reason }
  }

  /// The reason of the oldest error of the TLS library itself.
  var tlsReason: Int32? {
    codes.first { ERR_GET_LIB($0) == ERR_LIB_SSL }.map { ERR_GET_REASON($0) }
  }

  /// OpenSSL's own words; they name reasons and never contents.
  var text: String {
    let words = codes.compactMap { ERR_reason_error_string($0).map { String(cString: $0) } }
    return words.isEmpty ? "no reason given" : words.joined(separator: ", ")
  }
}
