/// One request as the parser gives it: complete, checked, its body joined.
package struct HTTPRequest: Sendable, Equatable {
  package struct Field: Sendable, Equatable {
    /// In lower case.
    package var name: String
    package var value: String
    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }
  package var method: String
  /// Percent-decoded, without query; `*` for `OPTIONS *`.
  package var path: String
  /// 0 or 1: HTTP/1.0 or HTTP/1.1.
  package var minorVersion: Int
  package var fields: [Field]
  package var body: [UInt8]
  /// The client would send another request on this connection (RFC 9112 §9.3).
  package var keepsAlive: Bool

  package init(
    method: String, path: String, minorVersion: Int = 1, fields: [Field] = [], body: [UInt8] = [],
    keepsAlive: Bool = true
  ) {
    self.method = method
    self.path = path
    self.minorVersion = minorVersion
    self.fields = fields
    self.body = body
    self.keepsAlive = keepsAlive
  }

  /// The only value of a field; nil where it is absent or stands more than once.
  package func value(of name: String) -> String? {
    let values = fields.filter { $0.name == name }
    return values.count == 1 ? values[0].value : nil
  }
}

/// Why a connection cannot go on: the status to answer with before it is closed. `reason` shows nothing of the input.
package struct HTTPRejection: Error, Sendable, Equatable {
  package var status: HTTPStatus
  package var reason: String
  package init(_ status: HTTPStatus, _ reason: String) {
    self.status = status
    self.reason = reason
  }
}

/// The status codes this server sends (RFC 9110 §15).
package enum HTTPStatus: Int, Sendable, Equatable, CaseIterable {
  case `continue` = 100
  case ok = 200
  case movedPermanently = 301
  case badRequest = 400
  case unauthorized = 401
  case forbidden = 403
  case notFound = 404
  case methodNotAllowed = 405
  case requestTimeout = 408
  case contentTooLarge = 413
  case uriTooLong = 414
  case expectationFailed = 417
  case fieldsTooLarge = 431
  case internalServerError = 500
  case notImplemented = 501
  case serviceUnavailable = 503
  case versionNotSupported = 505

  package var phrase: String {
    switch self {
    case .continue: "Continue"
    case .ok: "OK"
    case .movedPermanently: "Moved Permanently"
    case .badRequest: "Bad Request"
    case .unauthorized: "Unauthorized"
    case .forbidden: "Forbidden"
    case .notFound: "Not Found"
    case .methodNotAllowed: "Method Not Allowed"
    case .requestTimeout: "Request Timeout"
    case .contentTooLarge: "Content Too Large"
    case .uriTooLong: "URI Too Long"
    case .expectationFailed: "Expectation Failed"
    case .fieldsTooLarge: "Request Header Fields Too Large"
    case .internalServerError: "Internal Server Error"
    case .notImplemented: "Not Implemented"
    case .serviceUnavailable: "Service Unavailable"
    case .versionNotSupported: "HTTP Version Not Supported"
    }
  }
}
