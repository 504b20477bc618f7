extension RPCStatusCode {
  /// The code for a response without `grpc-status` (gRPC `http-grpc-status-mapping.md`).
  init(httpStatus: Int) {
    self =
      switch httpStatus {
      case 400: .internal
      case 401: .unauthenticated
      case 403: .permissionDenied
      case 404: .unimplemented
      case 429, 502, 503, 504: .unavailable
      default: .unknown
      }
  }

  /// The code for a stream that the peer reset (gRPC PROTOCOL-HTTP2 "Errors").
  init(reset code: HTTP2ErrorCode) {
    self =
      switch code {
      case .refusedStream: .unavailable
      case .cancel: .cancelled
      case .enhanceYourCalm: .resourceExhausted
      case .inadequateSecurity: .permissionDenied
      default: .internal
      }
  }
}

/// How a call ended, as the trailers say it.
package struct RPCStatus: Equatable, Sendable {
  package var code: RPCStatusCode
  package var message: String
  /// Custom metadata of the trailers.
  package var trailers: Metadata

  package init(_ code: RPCStatusCode, _ message: String = "", trailers: Metadata = [:]) {
    self.code = code
    self.message = message
    self.trailers = trailers
  }

  package static let ok = RPCStatus(.ok)
}
