/// One ordered, reliable stream of bytes in both directions: a TCP socket, a TLS session over one, or memory in tests.
///
/// Contract. `read` and `write` may be awaited at the same time, but only one `read` and one `write` at once.
/// Back-pressure: bytes that nobody reads stay in the kernel; `write` returns when the bytes are in the kernel.
/// Cancelling the awaiting task ends the call with `WireError.cancelled`. After any error the stream is only good for `close`.
package protocol ByteStream: Sendable {
  /// The next bytes, at most `maxBytes`; empty at the end of the stream.
  func read(maxBytes: Int) async throws(WireError) -> [UInt8]
  /// Writes all of `bytes`.
  func write(_ bytes: [UInt8]) async throws(WireError)
  /// The same for bytes in several places.
  func write(_ output: OutputChain) async throws(WireError)
  /// Ends our direction: the peer reads the end of the stream after everything written; reading goes on.
  /// (A server that refuses a request must do this and read on for a moment: closing with unread input loses the answer.)
  func endWriting() async throws(WireError)
  /// Ends both directions at once; waiting calls fail with `WireError.closed`. May be called more than once.
  func close()
  /// The peer as `host:port`.
  var peer: String { get }
}

extension ByteStream {
  package func write(_ output: OutputChain) async throws(WireError) { try await write(output.flat) }
}

/// How a byte stream failed. `message` is safe to log.
package struct WireError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable {
    case closed, cancelled, timedOut, refused, unreachable, nameNotFound, reset, tls, certificate, protocolViolation,
      resourceLimit, system
  }
  package var code: Code
  package var message: String
  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
  package var description: String { message }
}
