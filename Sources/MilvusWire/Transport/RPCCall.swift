/// One RPC of any kind, as its client holds it. Dropping it cancels a call that has not ended.
///
/// At most one task sends and one task receives at a time. Cancelling a task that waits in a call cancels the call.
package final class RPCCall: Sendable {
  private let connection: Connection
  private let id: Int32

  init(connection: Connection, id: Int32) {
    self.connection = connection
    self.id = id
  }

  deinit {
    let (connection, id) = (connection, id)
    connection.loop.execute { connection.assumeIsolated { $0.release(id: id) } }
  }

  /// Sends one message. Suspends while the peer does not read: at most `sendQueueBytesMax` and one message wait inside.
  /// Throws the call's error when it has ended with one; a call that has ended otherwise ignores the message.
  package func send(_ message: [UInt8]) async throws(RPCError) {
    try await connection.send(message, id: id)
  }

  /// Sends messages that follow each other without a pause; waits as `send` of one does, once, behind the last.
  package func forward(_ messages: OutgoingBatch) async throws(RPCError) {
    try await connection.forward(messages, id: id)
  }

  /// Sends one message that has gRPC's prefix already; waits as `send` does.
  package func sendFramed(_ message: [UInt8]) async throws(RPCError) {
    try await connection.send(framed: message, id: id)
  }

  /// Says that no more messages follow.
  package func closeSend() async throws(RPCError) {
    try await connection.closeSend(id: id)
  }

  /// The next message; nil after the last one of a call that ended with OK. Any other end is thrown after the messages
  /// before it. Taking a message returns its flow-control window to the peer.
  package func receive() async throws(RPCError) -> [UInt8]? {
    try await connection.receive(id: id)
  }

  /// The messages that are here, about `bytesMax` bytes of them and at least one; empty where `receive` would give nil. One step for many
  /// messages: they may share arrays.
  package func receive(bytesMax: Int) async throws(RPCError) -> [ReceivedMessage] {
    try await connection.receive(id: id, bytesMax: bytesMax)
  }

  /// The metadata of the response headers; waits for them.
  package func initialMetadata() async throws(RPCError) -> Metadata {
    try await connection.initialMetadata(id: id)
  }

  /// The same for whoever hands the answer on: nil where the server sent trailers only.
  package func responseHeaders() async throws(RPCError) -> Metadata? {
    try await connection.responseHeaders(id: id)
  }

  /// What the response headers say about compression; nothing before they are there.
  package func responseEncodings() async -> MessageEncodings { await connection.encodings(id: id) }

  /// How the server ended the call, with its trailers; waits for the end and drops messages that nobody took.
  /// Throws where there is no status of the server: a deadline, a cancellation, a lost connection.
  package func status() async throws(RPCError) -> RPCStatus {
    try await connection.status(id: id)
  }

  /// Ends the call now with CANCELLED, unless it has ended.
  package func cancel() async {
    await connection.cancel(id: id)
  }
}

/// What an `RPCCall` asks of its connection. The call exists until `release`.
extension Connection {
  func openCall(_ request: ClientRequest) async throws(RPCError) -> Int32 {
    try await open(request).id
  }

  func send(_ message: [UInt8], id: Int32) async throws(RPCError) {
    try await send(message, on: call(id))
  }

  func forward(_ messages: OutgoingBatch, id: Int32) async throws(RPCError) {
    try await forward(messages, on: call(id))
  }

  func send(framed message: [UInt8], id: Int32) async throws(RPCError) {
    try await send(framed: message, on: call(id))
  }

  func encodings(id: Int32) -> MessageEncodings { calls[id]?.encodings ?? MessageEncodings() }

  func closeSend(id: Int32) throws(RPCError) { try closeSend(call(id)) }

  func receive(id: Int32) async throws(RPCError) -> [UInt8]? {
    try await receive(on: call(id))
  }

  func receive(id: Int32, bytesMax: Int) async throws(RPCError) -> [ReceivedMessage] {
    try await receive(on: call(id), bytesMax: bytesMax)
  }

  func initialMetadata(id: Int32) async throws(RPCError) -> Metadata {
    try await initialMetadata(of: call(id))
  }

  func responseHeaders(id: Int32) async throws(RPCError) -> Metadata? {
    try await responseHeaders(of: call(id))
  }

  func status(id: Int32) async throws(RPCError) -> RPCStatus {
    try await status(of: call(id))
  }

  func cancel(id: Int32) { end(id, with: error(.cancelled, "the call was cancelled", .local)) }

  func release(id: Int32) {
    if let call = calls[id] { release(call) }
  }

  private func call(_ id: Int32) throws(RPCError) -> ClientCall {
    guard let call = calls[id] else { throw error(.internal, "the call is over", .local) }
    return call
  }
}
