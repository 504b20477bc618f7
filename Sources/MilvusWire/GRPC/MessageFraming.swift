/// Writes gRPC's length-prefixed messages (gRPC PROTOCOL-HTTP2 "Length-Prefixed-Message").
///
/// | compressed u8 (always 0) | length u32 BE | message … |
package enum MessageFramer {
  /// Bytes before every message.
  package static let prefixBytes = 5

  /// The prefix of a message; nil where the message is too long for the 32-bit length.
  package static func prefix(messageBytes: Int) -> [UInt8]? {
    guard let length = UInt32(exactly: messageBytes) else { return nil }
    var prefix: [UInt8] = []
    appendPrefix(length: length, to: &prefix)
    return prefix
  }

  static func appendPrefix(flag: UInt8 = 0, length: UInt32, to bytes: inout [UInt8]) {
    bytes.append(flag)
    bytes.append(UInt8(truncatingIfNeeded: length >> 24))
    bytes.append(UInt8(truncatingIfNeeded: length >> 16))
    bytes.append(UInt8(truncatingIfNeeded: length >> 8))
    bytes.append(UInt8(truncatingIfNeeded: length))
  }
}

/// A message as it was received: a part of an array that it may share with its neighbours.
package struct ReceivedMessage: Sendable {
  package let bytes: [UInt8]
  package let range: Range<Int>

  package init(bytes: [UInt8], range: Range<Int>) {
    self.bytes = bytes
    self.range = range
  }

  package var count: Int { range.count }
  /// An array of its own; copied where it is shared.
  package var whole: [UInt8] { range.count == bytes.count ? bytes : Array(bytes[range]) }
}

extension ReceivedMessage: Equatable {
  /// The same bytes.
  package static func == (a: ReceivedMessage, b: ReceivedMessage) -> Bool { a.bytes[a.range] == b.bytes[b.range] }
}

/// Cuts a stream's DATA into messages. Bytes may come one at a time or many messages at once.
///
/// Small messages that follow each other are gathered in one array, which they share when they are taken: thousands of them cost one
/// allocation and no second copy. A large one has an array of its own.
///
/// ```
///  sealed: [ m m m m ] [ M ] [ m m m ]     gathered: m m m …(partial)     or large: M…(partial)
/// ```
/// A peer's mistake ends it: after an error every further call throws the same error.
package struct MessageDeframer: Equatable, Sendable {
  package enum Failure: Error, Equatable, Sendable {
    /// The compressed flag is set; compression is not offered by us (`grpc-accept-encoding: identity`).
    case compressed
    /// The flag byte is neither 0 nor 1.
    case badFlag(UInt8)
    /// The announced length is above the limit; nothing was allocated for it.
    case tooLarge(bytes: Int, bytesMax: Int)
  }

  /// Space reserved at once for an announced message. A larger one grows as its bytes really arrive, so that a
  /// peer that only announces cannot make us allocate.
  private static let reservedBytesMax = 16 << 20
  /// A message from this size on has an array of its own.
  private static let largeBytesMin = 32 << 10
  /// What one gathering array holds at most, the last message beside it.
  private static let gatheredBytesMax = 64 << 10

  package let messageBytesMax: Int
  /// Messages come as they were, compressed or not, with the five bytes before them: for whoever passes them on.
  package let keepsPrefix: Bool
  private var prefixBytesRead = 0
  private var flag: UInt8 = 0
  private var length: UInt32 = 0
  /// Small messages, the one that is being received last; `ends` are the ends of those that are complete.
  private var gathered: [UInt8] = []
  private var ends: [Int] = []
  private var isLarge = false
  private var large: [UInt8] = []
  /// Complete messages, in order.
  private var sealed: [ReceivedMessage] = []
  /// Sealed messages before this one are taken.
  private var firstSealed = 0
  private var failure: Failure?

  package init(messageBytesMax: Int, keepsPrefix: Bool = false) {
    self.messageBytesMax = messageBytesMax
    self.keepsPrefix = keepsPrefix
  }

  /// True where no message is begun: the only place where a stream may end.
  package var isBetweenMessages: Bool { prefixBytesRead == 0 }
  /// Complete messages that were not taken.
  package var messageCount: Int { sealed.count - firstSealed + ends.count }

  /// Takes the next bytes and returns the messages that they complete.
  package mutating func feed(_ bytes: ArraySlice<UInt8>) throws(Failure) -> [[UInt8]] {
    try receive(bytes)
    return take(bytesMax: .max).map(\.whole)
  }

  /// Takes the next bytes.
  package mutating func receive(_ bytes: ArraySlice<UInt8>) throws(Failure) {
    if let failure { throw failure }
    var place = bytes.startIndex
    while true {
      while prefixBytesRead < MessageFramer.prefixBytes {
        guard place < bytes.endIndex else { return }
        takePrefix(bytes[place])
        place += 1
        if prefixBytesRead == MessageFramer.prefixBytes { try beginBody() }
      }
      let missing = bodyBytes - (isLarge ? large.count : gathered.count - (ends.last ?? 0))
      let part = min(missing, bytes.endIndex - place)
      if isLarge {
        large.append(contentsOf: bytes[place..<place + part])
      } else {
        gathered.append(contentsOf: bytes[place..<place + part])
      }
      place += part
      guard part == missing else { return }
      endBody()
    }
  }

  /// Complete messages in order: as many as there are until they have about `bytesMax` bytes, and at least one where there is one.
  package mutating func take(bytesMax: Int) -> [ReceivedMessage] {
    seal()
    if firstSealed == 0, sealed.count <= 1 || bytesMax == .max {
      defer { sealed = [] }
      return sealed
    }
    var (end, bytes) = (firstSealed, 0)
    while end < sealed.count, bytes == 0 || bytes < bytesMax {
      bytes += max(1, sealed[end].count)
      end += 1
    }
    if firstSealed == 0, end == sealed.count {
      defer { sealed = [] }
      return sealed
    }
    let taken = Array(sealed[firstSealed..<end])
    // Whoever takes is the only owner: where there is always a rest, what was taken would stay for a thousand messages.
    let nothing = Self.nothing
    for place in firstSealed..<end { sealed[place] = nothing }
    firstSealed = end
    dropTaken()
    return taken
  }

  /// The next complete message; nil where there is none.
  package mutating func takeNext() -> ReceivedMessage? {
    if firstSealed == sealed.count { seal() }
    guard firstSealed < sealed.count else { return nil }
    let message = sealed[firstSealed]
    sealed[firstSealed] = Self.nothing
    firstSealed += 1
    dropTaken()
    return message
  }

  /// Forgets the messages that are complete.
  package mutating func dropMessages() {
    seal()
    (sealed, firstSealed) = ([], 0)
  }

  /// Bytes that are kept here, complete or not.
  var heldBytes: Int { sealed.reduce(gathered.count + large.count) { $0 + $1.count } }

  /// Bytes of the message that is being received, all in all.
  private var bodyBytes: Int { Int(length) + (keepsPrefix ? MessageFramer.prefixBytes : 0) }

  private static let nothing = ReceivedMessage(bytes: [], range: 0..<0)

  private mutating func dropTaken() {
    if firstSealed == sealed.count {
      sealed.removeAll(keepingCapacity: true)
      firstSealed = 0
    } else if firstSealed >= 1024 {
      sealed.removeFirst(firstSealed)
      firstSealed = 0
    }
  }

  /// Makes messages of what is gathered; the bytes of a message that is not complete move to a new array.
  private mutating func seal() {
    guard let end = ends.last else { return }
    let rest = gathered.count > end ? Array(gathered[end...]) : []
    let bytes = gathered
    gathered = rest
    if !isLarge, prefixBytesRead == MessageFramer.prefixBytes { gathered.reserveCapacity(bodyBytes) }
    sealed.reserveCapacity(sealed.count + ends.count)
    var start = 0
    for end in ends {
      sealed.append(ReceivedMessage(bytes: bytes, range: start..<end))
      start = end
    }
    ends.removeAll(keepingCapacity: true)
  }

  private mutating func takePrefix(_ byte: UInt8) {
    if prefixBytesRead == 0 { flag = byte } else { length = length << 8 | UInt32(byte) }
    prefixBytesRead += 1
  }

  /// Judges the whole prefix before a byte is allocated.
  private mutating func beginBody() throws(Failure) {
    switch flag {
    case 0: break
    case 1: if !keepsPrefix { try fail(.compressed) }
    default: try fail(.badFlag(flag))
    }
    if Int(length) > messageBytesMax {
      try fail(.tooLarge(bytes: Int(length), bytesMax: messageBytesMax))
    }
    isLarge = Int(length) >= Self.largeBytesMin
    if isLarge {
      large.reserveCapacity(min(Int(length), Self.reservedBytesMax))
    } else if gathered.count + bodyBytes > Self.gatheredBytesMax {
      seal()
    }
    guard keepsPrefix else { return }
    if isLarge {
      MessageFramer.appendPrefix(flag: flag, length: length, to: &large)
    } else {
      MessageFramer.appendPrefix(flag: flag, length: length, to: &gathered)
    }
  }

  private mutating func endBody() {
    if isLarge {
      seal()
      sealed.append(ReceivedMessage(bytes: large, range: 0..<large.count))
      large = []
      isLarge = false
    } else {
      ends.append(gathered.count)
    }
    (prefixBytesRead, length) = (0, 0)
  }

  private mutating func fail(_ failure: Failure) throws(Failure) {
    self.failure = failure
    throw failure
  }
}

extension MessageDeframer.Failure {
  /// The status and text that a call ends with. `encoding` is the peer's `grpc-encoding`, where it sent one.
  func rpcError(encoding: String?) -> RPCError {
    switch self {
    case .compressed:
      let name = encoding ?? "an unnamed encoding"
      return RPCError(
        .internal,
        "the peer compressed a message (\(name)); compressed messages such as gzip are not supported",
        initiator: .local)
    case .badFlag(let flag):
      return RPCError(
        .internal, "malformed message prefix: the first byte is \(flag), not 0 or 1", initiator: .local)
    case .tooLarge(let bytes, let bytesMax):
      return RPCError(
        .resourceExhausted, "message of \(bytes) bytes is larger than the receive limit of \(bytesMax) bytes",
        initiator: .local)
    }
  }
}
