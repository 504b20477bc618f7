/// What `MilvusClient` needs of a channel: one request, one answer, or a stream of them.
///
/// Contract as `RPCChannel.unary`: the timeout covers everything, every status but OK is thrown, cancelling
/// the awaiting task ends the call, calls may be made at the same time.
package protocol UnaryCaller: Sendable {
  /// `host:port`.
  var peer: String { get }
  func unary(path: String, message: [UInt8], metadata: Metadata, timeout: Duration) async throws(RPCError)
    -> [UInt8]
  /// One request, many answers. Returns once the request is on its way and waits for nothing of the server; the
  /// timeout covers the whole call. Dropping the answers cancels the call.
  func serverStream(path: String, message: [UInt8], metadata: Metadata, timeout: Duration)
    async throws(RPCError)
    -> any AnswerStream
  /// Many requests, many answers. Returns once the call is open on a connection.
  func duplexStream(path: String, metadata: Metadata, timeout: Duration) async throws(RPCError) -> any DuplexStream
  /// May be called more than once.
  func shutdown() async
}

/// The answers of a streaming call. One task takes them.
package protocol AnswerStream: Sendable {
  /// The next answer; nil after the last one of a call that ended with OK. Taking it returns its flow-control window.
  func receive() async throws(RPCError) -> [UInt8]?
  /// The answers that are here, about `bytesMax` bytes of them; waits for one where there is none. Empty after the last one.
  func receive(bytesMax: Int) async throws(RPCError) -> [ReceivedMessage]
  /// May be called more than once.
  func cancel() async
}

extension AnswerStream {
  package func receive(bytesMax: Int) async throws(RPCError) -> [ReceivedMessage] {
    guard let answer = try await receive() else { return [] }
    return [ReceivedMessage(bytes: answer, range: 0..<answer.count)]
  }
}

extension UnaryCaller {
  package func serverStream(path: String, message: [UInt8], metadata: Metadata, timeout: Duration)
    async throws(RPCError) -> any AnswerStream
  {
    throw RPCError(
      .unimplemented, "this caller has no streams", initiator: .local, peer: peer, isUnsent: true)
  }

  package func duplexStream(path: String, metadata: Metadata, timeout: Duration) async throws(RPCError)
    -> any DuplexStream
  {
    throw RPCError(
      .unimplemented, "this caller has no streams", initiator: .local, peer: peer, isUnsent: true)
  }
}

/// A call with messages in both directions. One task sends, one task takes answers.
package protocol DuplexStream: AnswerStream {
  /// Queues all of them without a pause between, then waits while the peer does not read.
  func forward(_ messages: OutgoingBatch) async throws(RPCError)
}

extension RPCCall: AnswerStream, DuplexStream {}

extension RPCChannel: UnaryCaller {
  package func serverStream(path: String, message: [UInt8], metadata: Metadata, timeout: Duration)
    async throws(RPCError) -> any AnswerStream
  {
    let call = try await open(path: path, metadata: metadata, timeout: timeout)
    try await call.send(message)
    try await call.closeSend()
    return call
  }
  package func duplexStream(path: String, metadata: Metadata, timeout: Duration) async throws(RPCError)
    -> any DuplexStream
  {
    try await open(path: path, metadata: metadata, timeout: timeout)
  }
}
