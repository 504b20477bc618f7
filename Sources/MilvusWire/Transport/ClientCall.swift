/// What a connection knows about one RPC that it carries. Confined to the connection's actor.
final class ClientCall {
  let id: Int32
  let request: ClientRequest
  var machine = ClientStreamStateMachine()
  var inbox: MessageInbox
  var initialMetadata: Metadata?
  /// Of the response headers.
  var encodings = MessageEncodings()
  /// How the call ended: the server's status, or why there is none. Set once.
  var outcome: Result<RPCStatus, RPCError>?
  /// Fires at the call's deadline.
  var timer: LoopTimer?
  /// The header block was given to the byte stream: the server may have seen the call.
  var isOnTheWire = false
  /// The stream is closed in both directions.
  var isClosed = false
  /// Nobody will ask for anything any more.
  var isReleased = false
  /// The task that waits for headers, messages or the end; woken by whatever happens to the call.
  let receiver = Wakeup()
  /// The task that waits until queued messages have left.
  let sender = Wakeup()

  init(id: Int32, _ request: ClientRequest, messageBytesMax: Int, keepsPrefix: Bool) {
    self.id = id
    self.request = request
    inbox = MessageInbox(messageBytesMax: messageBytesMax, keepsPrefix: keepsPrefix)
  }
}

/// A call that waits until its connection may open one more stream. Confined to the connection's actor.
final class OpenWaiter {
  let id: UInt64
  let wakeup = Wakeup()
  var isCancelled = false
  var isExpired = false

  init(id: UInt64) { self.id = id }
}

/// What a call starts with.
struct ClientRequest: Sendable {
  var path: String
  var metadata: Metadata
  var deadline: ContinuousClock.Instant
  /// The same as a duration, for messages.
  var timeout: Duration
  /// nil: the channel's own.
  var userAgent: String?
  /// nil: `identity`.
  var encodings: MessageEncodings?
}
