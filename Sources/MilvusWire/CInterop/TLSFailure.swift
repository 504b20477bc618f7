internal import COpenSSL
internal import Glibc

/// What a person needs to know of a certificate that was refused. All of it was said by a peer.
struct TLSCertificateFacts {
  /// Names and addresses, comma-separated; printable ASCII only.
  let names: String
  /// `2024-05-01`
  let validFrom: String
  let validUntil: String

  /// Reads an X509 without keeping it.
  init(_ certificate: OpaquePointer) {
    var buffer = [CChar](repeating: 0, count: 512)
    cdc_certificate_names(certificate, &buffer, buffer.count)
    let text = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }.map { byte in
      (0x20...0x7E).contains(byte) ? byte : UInt8(ascii: "?")
    }
    names = String(decoding: text, as: UTF8.self)
    validFrom = Self.date(X509_get0_notBefore(certificate))
    validUntil = Self.date(X509_get0_notAfter(certificate))
  }

  private static func date(_ time: UnsafePointer<ASN1_TIME>?) -> String {
    var parts = tm()
    guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return "an unknown date" }
    let (month, day) = (Int(parts.tm_mon) + 1, Int(parts.tm_mday))
    return "\(Int(parts.tm_year) + 1900)-\(month < 10 ? "0" : "")\(month)-\(day < 10 ? "0" : "")\(day)"
  }
}

/// The words for a failed TLS operation: what is wrong, whose fault it is, and what would help.
struct TLSFailure {
  var code: WireError.Code
  var text: String

  /// `host`: what the certificate had to be for.
  init(
    errors: TLSErrorQueue, verifyResult: Int, isClient: Bool, certificate: TLSCertificateFacts?,
    host: String
  ) {
    let reason = errors.tlsReason
    if reason == SSL_R_CERTIFICATE_VERIFY_FAILED {
      code = .certificate
      text = Self.refused(Int32(truncatingIfNeeded: verifyResult), isClient, certificate, host)
    } else if let reason, let alert = Self.alert(reason, isClient) {
      (code, text) = alert
    } else if let reason, let local = Self.local(reason) {
      (code, text) = (.tls, local)
    } else {
      (code, text) = (.tls, errors.text)
    }
  }

  /// We refused the peer's certificate.
  private static func refused(
    _ result: Int32, _ isClient: Bool, _ certificate: TLSCertificateFacts?, _ host: String
  ) -> String {
    let whose = isClient ? "the server's certificate" : "the client's certificate"
    switch result {
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
      let names = certificate?.names ?? ""
      let valid = names.isEmpty ? "names no host" : "is for \(names)"
      return "\(whose) \(valid), not for \(host) (set the server name if this is right)"
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "\(whose) expired on \(certificate?.validUntil ?? "an unknown date")"
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "\(whose) is not valid before \(certificate?.validFrom ?? "an unknown date")"
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
      X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED:
      let reason = String(cString: X509_verify_cert_error_string(Int(result)))
      let help = isClient ? " (give the CA file that signed it)" : ""
      return "\(whose) is not trusted: \(reason)\(help)"
    default:
      return "\(whose) is not accepted: \(String(cString: X509_verify_cert_error_string(Int(result))))"
    }
  }

  /// The peer refused us and said why (RFC 8446 §6.2). OpenSSL reports alert n as reason 1000 + n.
  private static func alert(_ reason: Int32, _ isClient: Bool) -> (WireError.Code, String)? {
    switch reason - SSL_AD_REASON_OFFSET {
    case SSL_AD_CERTIFICATE_REQUIRED: return (.certificate, "the server wants a client certificate")
    case SSL_AD_HANDSHAKE_FAILURE where isClient:
      // Before TLS 1.3 this is also how a server says that it wants a certificate.
      return (.tls, "the server refused: no common cipher, or it wants a client certificate")
    case SSL_AD_UNKNOWN_CA, SSL_AD_BAD_CERTIFICATE, SSL_AD_CERTIFICATE_UNKNOWN,
      SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_CERTIFICATE_REVOKED, SSL_AD_ACCESS_DENIED:
      let whose =
        isClient
        ? "the server does not accept our client certificate"
        : "the client does not trust our certificate"
      return (.certificate, "\(whose) (\(alertName(reason)))")
    case SSL_AD_CERTIFICATE_EXPIRED:
      return (
        .certificate,
        isClient
          ? "our client certificate has expired, says the server"
          : "our certificate has expired, says the client"
      )
    case SSL_AD_PROTOCOL_VERSION: return (.tls, "no common TLS version (1.2 or newer is needed)")
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return (.tls, "no common application protocol: the server does not offer HTTP/2")
    case SSL_AD_UNRECOGNIZED_NAME: return (.certificate, "the server does not know the name we asked for")
    case 1...255: return (.tls, "the peer refused: \(alertName(reason))")
    default: return nil
    }
  }

  private static func alertName(_ reason: Int32) -> String {
    String(cString: SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET))
  }

  /// We refused the peer for another reason than its certificate.
  private static func local(_ reason: Int32) -> String? {
    switch reason {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: "the client sent no certificate"
    case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_UNKNOWN_PROTOCOL, SSL_R_WRONG_VERSION_NUMBER,
      SSL_R_VERSION_TOO_LOW:
      "no common TLS version"
    case SSL_R_NO_SHARED_CIPHER: "no common cipher"
    case SSL_R_NO_APPLICATION_PROTOCOL: "the client offers none of our application protocols"
    case SSL_R_HTTP_REQUEST: "the client speaks cleartext HTTP"
    default: nil
    }
  }
}
