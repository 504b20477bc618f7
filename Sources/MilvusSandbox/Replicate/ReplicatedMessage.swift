internal import MilvusWire

/// What becomes of one replicated message (`wal-protocol.md` §6.3).
enum ReplicateOutcome: Equatable {
  /// Answered with the source's tick. `isApplied` is false for what is only ignored: nobody outside can tell.
  case confirmed(UInt64, isApplied: Bool)
  /// Taken or dropped without an answer; the stream goes on.
  case silent
  /// The stream ends with OK, and the reason is known here only.
  case end(String)
  /// The process dies; with `poisons` the message is in the log and it dies again at every start.
  case death(String, poisons: Bool)
}

/// A message as it comes from another cluster, read the way the target's conversion reads it (`wal-protocol.md` §6.4 step 1).
struct ReplicatedMessage {
  let bytes: [UInt8]
  private(set) var properties: [KeyValuePair] = []
  private(set) var payload: [UInt8] = []
  private(set) var id: LogMessageID
  private(set) var confirmed: LogMessageID
  private(set) var tick: UInt64 = 0
  private(set) var vchannel = ""

  /// A message that the conversion does not take.
  struct Failure: Error {
    var outcome: ReplicateOutcome
    static func end(_ why: String) -> Failure { Failure(outcome: .end(why)) }
    static func death(_ why: String, poisons: Bool = false) -> Failure {
      Failure(outcome: .death(why, poisons: poisons))
    }
  }

  init(_ bytes: [UInt8], defaultKind: LogKind) throws(Failure) {
    self.bytes = bytes
    (id, confirmed) = (LogMessageID("", .unknown), LogMessageID("", .unknown))
    let given: LogMessageID?
    do throws(ProtobufError) { given = try read() } catch {
      throw .death("the message is no ImmutableMessage")
    }
    guard var own = given else { throw .death("no id") }
    if own.kind == .unknown { own.kind = defaultKind }
    guard LogKind.real.contains(own.kind), Self.isReadable(own) else {
      throw .death("an id that cannot be read")
    }
    id = own
    if let text = self[LogProperty.replicateHeader] {
      guard Self.isReadableHeader(text) else { throw .death("a replicate header that cannot be read") }
      throw .end("the message is replicated already")
    }
    if self[LogProperty.lastConfirmedIsOwn] != nil {
      confirmed = own
    } else {
      guard let text = self[LogProperty.lastConfirmed] else { throw .death("no last confirmed id") }
      confirmed = LogMessageID(text, own.kind)
      guard Self.isReadable(confirmed) else { throw .death("a last confirmed id that cannot be read") }
    }
    guard let text = self[LogProperty.timeTick], let tick = Base36.unsigned(text) else {
      throw .death("no tick")
    }
    self.tick = tick
    vchannel = self[LogProperty.vchannel] ?? ""
    if self[LogProperty.broadcastHeader] != nil, self[LogProperty.vchannel] == nil {
      throw .death("a broadcast without a channel")
    }
  }

  private mutating func read() throws(ProtobufError) -> LogMessageID? {
    var given: LogMessageID?
    var reader = WireReader(bytes)
    while let field = try reader.next() {
      guard let range = field.range else { continue }
      switch field.number {
      case 1: given = try Self.messageID(Array(bytes[range]))
      case 2: payload = Array(bytes[range])
      case 3: try readProperty(range)
      default: break
      }
    }
    return given
  }

  private mutating func readProperty(_ range: Range<Int>) throws(ProtobufError) {
    var reader = WireReader(bytes, in: range)
    var pair = KeyValuePair("", "")
    while let field = try reader.next() {
      guard let text = field.range.map({ String(decoding: bytes[$0], as: UTF8.self) }) else { continue }
      if field.number == 1 { pair.key = text }
      if field.number == 2 { pair.value = text }
    }
    properties.removeAll { $0.key == pair.key }
    properties.append(pair)
  }

  private static func messageID(_ bytes: [UInt8]) throws(ProtobufError) -> LogMessageID {
    var id = LogMessageID("", .unknown)
    var reader = WireReader(bytes)
    while let field = try reader.next() {
      if field.number == 1, let range = field.range {
        id.text = String(decoding: bytes[range], as: UTF8.self)
      }
      if field.number == 2, let number = field.varint {
        id.kind = LogKind(rawValue: Int32(truncatingIfNeeded: number))
      }
    }
    return id
  }

  private static func isReadable(_ id: LogMessageID) -> Bool { (try? LogIDFormat.parse(id)) != nil }

  /// Readable, or empty.
  private static func isReadableHeader(_ text: String) -> Bool {
    guard text.utf8.count % 4 == 0, let bytes = Base64.decode(text),
      let header = try? ReplicateHeader(encoded: bytes)
    else { return false }
    return [header.messageID, header.lastConfirmed].allSatisfy { id in id.map(isReadable) ?? true }
  }

  // MARK: Parts

  subscript(key: String) -> String? { properties.last { $0.key == key }?.value }

  /// Missing and garbled read as 0.
  var type: LogMessageType { LogMessageType(rawValue: self[LogProperty.type].flatMap { Int($0) } ?? 0) }
  var isMissingType: Bool { self[LogProperty.type] == nil }

  /// A proto in a property; nil where the property is missing.
  func record<Record: LogRecord>(_ key: String, of type: Record.Type, _ what: String) throws(Failure)
    -> Record?
  {
    guard let text = self[key] else { return nil }
    guard text.utf8.count % 4 == 0, let bytes = Base64.decode(text), let record = try? Record(encoded: bytes)
    else {
      throw .death("\(what) cannot be read")
    }
    return record
  }

  /// The header's bytes; nil where the property is missing or not base64.
  var header: [UInt8]? {
    self[LogProperty.header].flatMap { $0.utf8.count % 4 == 0 ? Base64.decode($0) : nil }
  }
}
