internal import COpenSSL
internal import CPlatform
internal import Glibc

/// One side of one TLS connection without any input or output: bytes in, bytes out. Confined to its stream's loop.
///
/// What the peer sent goes into `receive`; what is to be sent comes out of `takeOutput` after every other call, also after
/// one that failed (the alert that tells the peer why). After an error the engine is good for nothing else.
final class TLSEngine {
  enum Handshake: Equatable { case finished, needsInput }
  enum Decrypted: Equatable { case bytes([UInt8]), needsInput, ended }

  private let context: TLSContext
  /// SSL; owns both BIOs.
  private let ssl: OpaquePointer
  private let input: OpaquePointer
  private let output: OpaquePointer
  /// Whom messages speak of.
  private let peer: String
  /// The host that the peer's certificate must be for.
  private let verifiedHost: String
  /// The first bytes ever received: they tell a peer that speaks something else.
  private var firstBytes: [UInt8] = []
  private(set) var isFinished = false
  /// X509 that verification refused, retained; nil: none was. Written by the verification callback.
  fileprivate var refusedCertificate: OpaquePointer?

  /// The client's side. `host` is what the certificate must be for; a name is also sent as SNI, a numeric address is not
  /// (RFC 6066 §3).
  static func client(
    _ context: TLSContext, host: String, peer: String
  ) throws(WireError) -> TLSEngine {
    precondition(context.role == .client, "a server's context on the client's side")
    let engine = try TLSEngine(context, host: host, peer: peer)
    try engine.verify(host)
    SSL_set_connect_state(engine.ssl)
    return engine
  }

  static func server(_ context: TLSContext, peer: String) throws(WireError) -> TLSEngine {
    precondition(context.role == .server, "a client's context on the server's side")
    let engine = try TLSEngine(context, host: "", peer: peer)
    SSL_set_accept_state(engine.ssl)
    return engine
  }

  private init(_ context: TLSContext, host: String, peer: String) throws(WireError) {
    ERR_clear_error()
    guard let ssl = SSL_new(context.context) else {
      throw WireError(.tls, "cannot start TLS: \(TLSErrorQueue.take().text)")
    }
    guard let input = BIO_new(BIO_s_mem()) else {
      SSL_free(ssl)
      throw WireError(.resourceLimit, "no memory for TLS")
    }
    guard let output = BIO_new(BIO_s_mem()) else {
      BIO_free(input)
      SSL_free(ssl)
      throw WireError(.resourceLimit, "no memory for TLS")
    }
    SSL_set_bio(ssl, input, output)
    (self.context, self.ssl, self.input, self.output) = (context, ssl, input, output)
    (self.verifiedHost, self.peer) = (host, peer)
    // SAFETY: the callback runs inside calls on `ssl`, which only this object makes.
    SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context.context), noteRefusedCertificate)
  }

  deinit {
    X509_free(refusedCertificate)
    SSL_free(ssl)
    // OpenSSL keeps errors per thread; nothing of this connection may be blamed on another.
    ERR_clear_error()
  }

  private func verify(_ host: String) throws(WireError) {
    var address = in6_addr()
    let isNumeric =
      inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
    ERR_clear_error()
    let isSet: Bool
    if isNumeric {
      isSet = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
    } else {
      // A name may end in a dot, certificates and SNI never do (RFC 6066 §3).
      let name = host.hasSuffix(".") ? String(host.dropLast()) : host
      SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
      isSet =
        !name.isEmpty && !name.utf8.contains(0) && SSL_set1_host(ssl, name) == 1
        && cdc_ssl_set_sni(ssl, name) == 1
    }
    guard isSet else { throw WireError(.tls, "cannot verify a certificate for the name \(host)") }
  }

  /// The application protocol that both sides agreed on.
  var applicationProtocol: String? {
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &count)
    guard let name, count > 0 else { return nil }
    // SAFETY: OpenSSL owns `count` bytes until the connection ends; they are copied here.
    return String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
  }

  /// `TLSv1.2` or `TLSv1.3`.
  var version: String { String(cString: SSL_get_version(ssl)) }

  // MARK: Bytes

  /// Takes what the peer sent.
  func receive(_ bytes: [UInt8]) {
    if firstBytes.count < 3 { firstBytes += bytes.prefix(3 - firstBytes.count) }
    var written = 0
    // A memory BIO takes everything unless memory ends.
    let taken = BIO_write_ex(input, bytes, bytes.count, &written)
    precondition(bytes.isEmpty || (taken == 1 && written == bytes.count), "OpenSSL has no memory")
  }

  /// What must be sent to the peer now.
  func takeOutput() -> [UInt8] {
    let count = BIO_ctrl_pending(output)
    guard count > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      // SAFETY: BIO_read_ex writes at most the capacity and says how much.
      _ = BIO_read_ex(output, buffer.baseAddress, count, &initialized)
    }
  }

  /// Goes on with the handshake as far as the received bytes allow.
  func handshake() throws(WireError) -> Handshake {
    ERR_clear_error()
    let code = SSL_do_handshake(ssl)
    guard code == 1 else {
      guard needsInput(code) else { throw failure("the TLS handshake with \(peer) failed") }
      return .needsInput
    }
    if context.requiresApplicationProtocol && applicationProtocol == nil {
      throw WireError(.tls, "\(peer) does not offer HTTP/2 over TLS (no application protocol was agreed on)")
    }
    isFinished = true
    return .finished
  }

  /// Text of the peer, at most `maxBytes`.
  func decrypt(maxBytes: Int) throws(WireError) -> Decrypted {
    ERR_clear_error()
    // Text is never longer than its records; one more record may be half inside OpenSSL.
    let capacity = min(
      maxBytes, BIO_ctrl_pending(input) + Int(SSL_pending(ssl)) + Int(SSL3_RT_MAX_PLAIN_LENGTH))
    var code: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, initialized in
      guard let base = buffer.baseAddress else { return }
      repeat {
        var count = 0
        // SAFETY: at most the rest of the capacity is written, and `count` says how much was.
        code = SSL_read_ex(ssl, base + initialized, capacity - initialized, &count)
        initialized += count
      } while code == 1 && initialized < capacity
    }
    if !bytes.isEmpty {
      // An error behind the text is found again by the next call.
      return .bytes(bytes)
    }
    if SSL_get_error(ssl, code) == SSL_ERROR_ZERO_RETURN { return .ended }
    guard needsInput(code) else { throw failure("the TLS connection to \(peer) failed") }
    return .needsInput
  }

  /// Encrypts text; the records are in `takeOutput`.
  func encrypt(_ bytes: ArraySlice<UInt8>) throws(WireError) {
    guard !bytes.isEmpty else { return }
    ERR_clear_error()
    var count = 0
    let code = bytes.withUnsafeBytes { SSL_write_ex(ssl, $0.baseAddress, $0.count, &count) }
    guard code == 1, count == bytes.count else {
      throw failure("the TLS connection to \(peer) failed")
    }
  }

  /// Tells the peer that nothing more will come.
  func endWriting() {
    guard isFinished else { return }
    ERR_clear_error()
    _ = SSL_shutdown(ssl)
    ERR_clear_error()
  }

  /// The peer's bytes ended before the handshake was over.
  func handshakeEnded() -> WireError {
    if let error = cleartextError { return error }
    return WireError(
      .tls, "\(peer) closed the connection during the TLS handshake (is it a TLS port?)")
  }

  private func needsInput(_ code: Int32) -> Bool { SSL_get_error(ssl, code) == SSL_ERROR_WANT_READ }

  private func failure(_ what: String) -> WireError {
    let errors = TLSErrorQueue.take()
    if !isFinished, let error = cleartextError { return error }
    let explanation = TLSFailure(
      errors: errors, verifyResult: SSL_get_verify_result(ssl), isClient: context.role == .client,
      certificate: refusedCertificate.map(TLSCertificateFacts.init), host: verifiedHost)
    return WireError(explanation.code, "\(what): \(explanation.text)")
  }

  /// Every TLS record starts with its type (20…24) and the major version 3 (RFC 8446 §5.1).
  private var cleartextError: WireError? {
    guard let first = firstBytes.first else { return nil }
    let looksLikeTLS = (20...24).contains(first) && (firstBytes.count < 2 || firstBytes[1] == 3)
    guard !looksLikeTLS else { return nil }
    return WireError(.tls, "\(peer) speaks cleartext, not TLS")
  }
}

/// Notes which certificate was refused; whether to go on stays OpenSSL's decision.
private let noteRefusedCertificate: @convention(c) (Int32, OpaquePointer?) -> Int32 = {
  accepted, store in
  guard accepted == 0, let store,
    let ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
    let data = SSL_get_ex_data(OpaquePointer(ssl), 0),
    let certificate = X509_STORE_CTX_get_current_cert(store)
  else { return accepted }
  // SAFETY: the pointer is the engine in whose call this runs (see its init).
  let engine = Unmanaged<TLSEngine>.fromOpaque(data).takeUnretainedValue()
  guard engine.refusedCertificate == nil, X509_up_ref(certificate) == 1 else { return accepted }
  engine.refusedCertificate = certificate
  return accepted
}
