/// One RPC as its handler holds it. At most one task sends and one task receives at a time.
package final class ServerCall: Sendable {
  package let head: RequestHead
  /// The client's address as `host:port`.
  package let peer: String
  /// When the client gives up; nil: never.
  package let deadline: ContinuousClock.Instant?
  private let connection: ServerConnection
  private let id: Int32

  package var path: String { head.path }
  package var metadata: Metadata { head.metadata }

  init(
    head: RequestHead, peer: String, deadline: ContinuousClock.Instant?, connection: ServerConnection, id: Int32
  ) {
    self.head = head
    self.peer = peer
    self.deadline = deadline
    self.connection = connection
    self.id = id
  }

  /// The next message; nil after the last one. Taking a message returns its flow-control window to the client.
  package func receive() async throws(RPCError) -> [UInt8]? {
    try await connection.receive(id: id)
  }

  /// Sends one message; suspends while the client does not read. Throws CANCELLED when there is no client any more.
  package func send(_ message: [UInt8]) async throws(RPCError) {
    try await connection.send(message, id: id)
  }

  /// Sends one message that has gRPC's prefix already.
  package func sendFramed(_ message: [UInt8]) async throws(RPCError) {
    try await connection.send(framed: message, id: id)
  }

  /// Sends the response headers with this metadata now, instead of before the first message. Once at most. `encodings`: nil for `identity`.
  package func sendInitialMetadata(_ metadata: Metadata, encodings: MessageEncodings? = nil) async throws(RPCError) {
    try await connection.sendInitialMetadata(metadata, encodings: encodings, id: id)
  }

  /// Ends the client's connection at once, as a network would: every call on it fails.
  package func cutConnection() async { await connection.fail() }

  /// Metadata that goes with the status, whatever that will be.
  package func setTrailers(_ metadata: Metadata) async {
    await connection.setTrailers(metadata, id: id)
  }
}

/// What a server connection knows about one RPC. Confined to the connection's actor.
final class ServerStream {
  let id: Int32
  var machine = ServerStreamStateMachine()
  var inbox: MessageInbox
  var encoding: String?
  var trailers: Metadata = [:]
  /// Why the call cannot go on, for the handler that still asks. Set once.
  var failure: RPCError?
  var timer: LoopTimer?
  var task: Task<Void, Never>?
  var isClosed = false
  var isHandled = false
  let receiver = Wakeup()
  let sender = Wakeup()

  init(id: Int32, messageBytesMax: Int, keepsPrefix: Bool) {
    self.id = id
    inbox = MessageInbox(messageBytesMax: messageBytesMax, keepsPrefix: keepsPrefix)
  }
}
