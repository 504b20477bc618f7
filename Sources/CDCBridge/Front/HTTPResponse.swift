/// What a route answers.
package struct HTTPResponse: Sendable, Equatable {
  package var status: HTTPStatus
  package var contentType: String
  package var body: [UInt8]
  /// Further fields, such as `Location`; names and values are ours, never a client's bytes.
  package var fields: [HTTPRequest.Field]
  /// False ends the connection after this answer.
  package var keepsAlive = true

  package init(
    _ status: HTTPStatus = .ok, contentType: String, body: [UInt8], fields: [HTTPRequest.Field] = []
  ) {
    self.status = status
    self.contentType = contentType
    self.body = body
    self.fields = fields
  }
  package init(_ status: HTTPStatus = .ok, text: String) {
    self.init(status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
  }
}

/// Writes responses as bytes (RFC 9112 §4). Pure.
package enum HTTPResponseWriter {
  package static let `continue` = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

  /// `isHead`: the fields of the whole answer without its body (RFC 9110 §9.3.2).
  package static func bytes(
    of response: HTTPResponse, isHead: Bool, keepsAlive: Bool, minorVersion: Int, unixSeconds: Int64
  ) -> [UInt8] {
    var head = "HTTP/1.1 \(response.status.rawValue) \(response.status.phrase)\r\n"
    head += "Content-Type: \(response.contentType)\r\nContent-Length: \(response.body.count)\r\n"
    head += "Date: \(CivilTime(unixSeconds: unixSeconds).httpDate)\r\nServer: cdc-bridge/\(bridgeVersion)\r\n"
    head += "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
    for field in response.fields { head += "\(field.name): \(field.value)\r\n" }
    if !keepsAlive {
      head += "Connection: close\r\n"
    } else if minorVersion == 0 {
      head += "Connection: keep-alive\r\n"
    }
    head += "\r\n"
    return isHead ? Array(head.utf8) : Array(head.utf8) + response.body
  }
}
