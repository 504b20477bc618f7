/// What an RPC server does for which method.
///
/// Handlers run on the connection's loop: they may await, but must not block or compute for long. A thrown `RPCError` ends the
/// call with its code and message, any other error with UNKNOWN. The task of a handler is cancelled when the client cancels, the
/// deadline passes or the connection ends.
package struct RPCRoutes: Sendable {
  package typealias Handler = @Sendable (ServerCall) async throws -> Void

  private var handlers: [String: Handler] = [:]
  private var fallback: Handler?

  package init() {}

  /// A method of any kind: `path` is `/package.Service/Method`. Returning means OK.
  package mutating func stream(_ path: String, _ handler: @escaping Handler) {
    handlers[path] = handler
  }

  /// A method with one request message and one response message.
  package mutating func unary(
    _ path: String, _ handler: @escaping @Sendable ([UInt8], ServerCall) async throws -> [UInt8]
  ) {
    stream(path) { call in
      guard let request = try await call.receive() else {
        throw RPCError(.internal, "the client sent no message", initiator: .remote)
      }
      guard try await call.receive() == nil else {
        throw RPCError(.internal, "the client sent more than one message", initiator: .remote)
      }
      try await call.send(handler(request, call))
    }
  }

  /// Everything that has no route of its own. Without one such calls end with UNIMPLEMENTED.
  package mutating func otherwise(_ handler: @escaping Handler) { fallback = handler }

  func handler(of path: String) -> Handler? { handlers[path] ?? fallback }
}
