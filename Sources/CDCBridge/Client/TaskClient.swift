package import MilvusWire

/// Why a request to a running service has no answer that helps. `description` is safe to log.
package struct TaskClientError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable {
    /// Nobody answered, or not in time.
    case unreachable
    /// The service refused the token.
    case unauthorized
    /// The service said no; `message` is its own.
    case refused
    /// What answered is not this API.
    case malformed
  }
  package var code: Code
  package var message: String
  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
  package var description: String { message }
}

/// A client of the task API (`docs/API.md`): one connection for each request, each with a deadline.
package struct TaskClient: Sendable {
  /// Where the service listens unless told otherwise.
  package static let defaultPort = 8444

  private let endpoint: Endpoint
  private let token: Secret
  private let timeout: Duration

  package init(endpoint: Endpoint, token: Secret = Secret(""), timeout: Duration = .seconds(30)) {
    self.endpoint = endpoint
    self.token = token
    self.timeout = timeout
  }

  /// `http://HOST[:PORT][/cdc]` or `https://…`; without a port the service's own.
  package static func endpoint(parsing text: String) throws(EndpointError) -> Endpoint {
    var text = text
    for suffix in ["/", "/cdc"] where text.hasSuffix(suffix) { text.removeLast(suffix.count) }
    var endpoint = try Endpoint(parsing: text)
    let authority = text.split(separator: "/").last ?? ""
    if authority.wholeMatch(of: /.*:\d+/) == nil { endpoint.port = defaultPort }
    return endpoint
  }

  /// The `data` of the answer to one request.
  package func send(_ requestType: String, _ data: JSONObject = JSONObject()) async throws(TaskClientError)
    -> JSONObject
  {
    let request: JSONValue = ["request_type": .string(requestType), "request_data": .object(data)]
    let response = try await exchange(JSONWriter().bytes(of: request))
    guard response.status != 401 else {
      throw TaskClientError(.unauthorized, "\(endpoint.authority) wants another API token")
    }
    guard let envelope = (try? JSONParser.parse(response.body))?.objectValue,
      let code = envelope["code"]?.int64Value
    else {
      throw TaskClientError(
        .malformed, "\(endpoint.authority) answers with HTTP status \(response.status) and no task API")
    }
    guard code == 200 else {
      throw TaskClientError(.refused, envelope["message"]?.stringValue ?? "code \(code)")
    }
    return envelope["data"]?.objectValue ?? JSONObject()
  }

  private func exchange(_ body: [UInt8]) async throws(TaskClientError) -> HTTPResponseParser.Response {
    var head = "POST /cdc HTTP/1.1\r\nHost: \(endpoint.authority)\r\nContent-Type: application/json\r\n"
    head += "Content-Length: \(body.count)\r\nConnection: close\r\n"
    if !token.isEmpty { head += "Authorization: Bearer \(token.revealed)\r\n" }
    let request = Array((head + "\r\n").utf8) + body
    do throws(WireError) {
      let deadline = ContinuousClock.now + timeout
      let loop = try ConnectionLoopGroup.shared().next()
      let stream = try await endpoint.connect(
        timeout: min(timeout, .seconds(10)), on: loop, applicationProtocols: ["http/1.1"])
      defer { stream.close() }
      return try await loop.withDeadline(
        deadline - .now, "\(endpoint.authority) did not answer within \(timeout.spelled)", onExpiry: { stream.close() }
      ) { () throws(WireError) in try await Self.exchange(request, over: stream) }
    } catch {
      throw TaskClientError(error.code == .protocolViolation ? .malformed : .unreachable, error.message)
    }
  }

  private static func exchange(_ request: [UInt8], over stream: any ByteStream) async throws(WireError)
    -> HTTPResponseParser.Response
  {
    try await stream.write(request)
    var parser = HTTPResponseParser()
    do {
      while true {
        let bytes = try await stream.read(maxBytes: 64 << 10)
        if bytes.isEmpty { return try parser.finish() }
        if let response = try parser.append(bytes) { return response }
      }
    } catch let error as WireError {
      throw error
    } catch let failure as HTTPResponseParser.Failure {
      throw WireError(.protocolViolation, "\(stream.peer): \(failure.message)")
    } catch {
      throw WireError(.system, "\(error)")
    }
  }
}
