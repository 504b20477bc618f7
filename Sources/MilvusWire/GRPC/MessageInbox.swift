/// Received messages of one stream that nobody has taken yet, and how much flow-control window they hold back. Pure.
///
/// The window is returned when a message is taken, so a reader that stops makes the peer stop (`design.md` D14). One
/// exception keeps messages larger than the window moving: while a reader waits for a message, what has arrived of it
/// is returned at once.
struct MessageInbox: Equatable {
  private(set) var deframer: MessageDeframer
  private var isWanted = false
  // Totals over the life of the stream, in bytes of DATA. Always returned ≤ received and taken ≤ received.
  private var receivedBytes = 0
  private var takenBytes = 0
  private var returnedBytes = 0

  init(messageBytesMax: Int, keepsPrefix: Bool = false) {
    deframer = MessageDeframer(messageBytesMax: messageBytesMax, keepsPrefix: keepsPrefix)
  }

  var messageCount: Int { deframer.messageCount }
  /// Beside those that are in the message.
  private var prefixBytes: Int { deframer.keepsPrefix ? 0 : MessageFramer.prefixBytes }

  mutating func received(_ bytes: ArraySlice<UInt8>) throws(MessageDeframer.Failure) {
    receivedBytes += bytes.count
    try deframer.receive(bytes)
  }

  /// The next message, or nil: then a reader is noted as waiting for it.
  mutating func take() -> [UInt8]? {
    let message = deframer.takeNext()
    isWanted = message == nil
    guard let message else { return nil }
    takenBytes += prefixBytes + message.count
    return message.whole
  }

  /// The messages that are here, about `bytesMax` bytes of them and at least one; none: then a reader is noted as waiting.
  mutating func take(bytesMax: Int) -> [ReceivedMessage] {
    let messages = deframer.take(bytesMax: bytesMax)
    isWanted = messages.isEmpty
    for message in messages { takenBytes += prefixBytes + message.count }
    return messages
  }

  /// Bytes of window to return now; each is reported once.
  mutating func takeWindow() -> Int {
    let target = isWanted && messageCount == 0 ? receivedBytes : max(takenBytes, returnedBytes)
    defer { returnedBytes = target }
    return target - returnedBytes
  }

  /// Forgets what nobody will take, and returns its window.
  mutating func discard() -> Int {
    deframer.dropMessages()
    defer { returnedBytes = receivedBytes }
    return receivedBytes - returnedBytes
  }
}
