/// What stands in the id of a message, per log (§2.6).
package enum LogIDValue: Hashable, Sendable {
  /// RocksMQ and Kafka.
  case number(Int64)
  case pulsar(PulsarMessageID)
  case woodPecker(segment: Int64, entry: Int64)
}

/// Pulsar's `MessageIdData {ledgerId 1, entryId 2, partition 3, batch_index 4, batch_size 6}`.
package struct PulsarMessageID: Hashable, Sendable {
  package var ledger: Int64
  package var entry: Int64
  package var partition: Int32 = -1
  package var batchIndex: Int32 = -1
  package var batchSize: Int32 = 0
  package init(ledger: Int64, entry: Int64) {
    self.ledger = ledger
    self.entry = entry
  }
}

/// Reads, checks and writes the texts of message ids (§2.6).
///
/// | Log | Text | Earliest | Latest |
/// |---|---|---|---|
/// | RocksMQ | base 36 of int64 | `-1` | none |
/// | Kafka | base 36 of int64 | `-2` | `-1` |
/// | Pulsar | base64 of `MessageIdData` | ledger and entry −1 | ledger and entry at their largest |
/// | WoodPecker | base64 of `{segId 1, entryId 2}`, zero fields left out | `CAAQAQ==` inclusive | both at their largest |
package enum LogIDFormat {
  /// Where a dump begins.
  package typealias Start = (id: LogMessageID, isInclusive: Bool)

  /// WoodPecker's 0/1. Unlike 0/0, which is empty and as an inclusive start means the truncation point, it stands for
  /// everything readable; entry 0/0 is always a tick.
  private static let woodPeckerStart = LogMessageID("CAAQAQ==", .woodPecker)

  package static func parse(_ id: LogMessageID) throws(LogMessageError) -> LogIDValue {
    switch id.kind {
    case .rocksMQ, .kafka:
      guard let number = Base36.signed(id.text) else {
        throw LogMessageError(.messageID, "not a 64-bit number in base 36, which \(id.kind) has")
      }
      return .number(number)
    case .pulsar: return .pulsar(try pulsar(fields(of: id)))
    case .woodPecker:
      let fields = try fields(of: id)
      return .woodPecker(segment: Int64(wire: fields[1] ?? 0), entry: Int64(wire: fields[2] ?? 0))
    default: throw LogMessageError(.messageID, "\(id.kind) is no log that ids can be read of")
    }
  }

  /// Throws unless the text is an id of its log. `place` says whose id it is.
  package static func validate(_ id: LogMessageID, of place: String) throws(LogMessageError) {
    do throws(LogMessageError) {
      _ = try parse(id)
    } catch {
      throw LogMessageError(.messageID, property: place, error.reason)
    }
  }

  /// The text as the log itself writes it; nil where the value is of another log.
  package static func write(_ value: LogIDValue, kind: LogKind) -> LogMessageID? {
    switch (value, kind) {
    case (.number(let number), .rocksMQ), (.number(let number), .kafka):
      return LogMessageID(Base36.write(number), kind)
    case (.pulsar(let value), .pulsar):
      var writer = WireWriter()
      writer.varint(1, value.ledger.wire)
      writer.varint(2, value.entry.wire)
      writer.varint(3, value.partition.wire)
      writer.varint(4, value.batchIndex.wire)
      writer.varint(6, value.batchSize.wire)
      return LogMessageID(Base64.encode(writer.bytes), kind)
    case (.woodPecker(let segment, let entry), .woodPecker):
      var writer = WireWriter()
      if segment != 0 { writer.varint(1, segment.wire) }
      if entry != 0 { writer.varint(2, entry.wire) }
      return LogMessageID(Base64.encode(writer.bytes), kind)
    default: return nil
    }
  }

  /// The id before everything that can be read, as the log's own code has it; nil for no real log. To start there ask
  /// `earliestStart`: WoodPecker's id is empty.
  package static func earliest(_ kind: LogKind) -> LogMessageID? {
    switch kind {
    case .rocksMQ: LogMessageID("-1", kind)
    case .kafka: LogMessageID("-2", kind)
    case .pulsar: write(.pulsar(PulsarMessageID(ledger: -1, entry: -1)), kind: kind)
    case .woodPecker: LogMessageID("", kind)
    default: nil
    }
  }

  /// The id behind everything; RocksMQ has none.
  package static func latest(_ kind: LogKind) -> LogMessageID? {
    switch kind {
    case .kafka: LogMessageID("-1", kind)
    case .pulsar: write(.pulsar(PulsarMessageID(ledger: .max, entry: .max)), kind: kind)
    case .woodPecker: write(.woodPecker(segment: .max, entry: .max), kind: kind)
    default: nil
    }
  }

  /// The start that delivers everything readable; nil for no real log.
  package static func earliestStart(_ kind: LogKind) -> Start? {
    if kind == .woodPecker { return (woodPeckerStart, true) }
    return earliest(kind).map { ($0, true) }
  }

  /// The start at a last-confirmed id, inclusive (§2.7). WoodPecker's 0/0, empty or with explicit zeros, becomes 0/1:
  /// a server refuses the empty text and takes the other for the truncation point.
  package static func start(at id: LogMessageID) -> Start {
    if case .woodPecker(segment: 0, entry: 0)? = try? parse(id) { return (woodPeckerStart, true) }
    return (id, true)
  }

  // MARK: Parts

  /// By number up to 7.
  private typealias Fields = InlineArray<8, UInt64?>

  /// More than any id of a log has: two numbers of ten bytes, or five.
  private static let idBytesMax = 64

  /// The numbers of the fields, the last one of each. Unknown fields and those of other wire types say nothing.
  private static func fields(of id: LogMessageID) throws(LogMessageError) -> Fields {
    // Every message has an id or two: nothing is allocated for them.
    let text = id.text.utf8
    var buffer = InlineArray<64, UInt8>(repeating: 0)
    var room = buffer.mutableSpan
    if text.count % 4 == 0, text.count / 4 * 3 <= idBytesMax, let count = Base64.decode(text.span, into: &room) {
      return try fields(buffer.span, count, of: id)
    }
    guard text.count % 4 == 0, let bytes = Base64.decode(id.text) else {
      throw LogMessageError(.messageID, "not base64 with padding, which \(id.kind) has")
    }
    return try fields(bytes.span, bytes.count, of: id)
  }

  private static func fields(_ bytes: Span<UInt8>, _ count: Int, of id: LogMessageID) throws(LogMessageError) -> Fields {
    var fields = Fields(repeating: nil)
    do throws(ProtobufError) {
      var cursor = WireCursor(bytes, in: 0..<count)
      while let field = try cursor.next(in: bytes) {
        if let value = field.varint, field.number < 8 { fields[Int(field.number)] = value }
      }
    } catch {
      throw LogMessageError(.messageID, "base64 of something that is no message: \(error.message)")
    }
    return fields
  }

  private static func pulsar(_ fields: Fields) throws(LogMessageError) -> PulsarMessageID {
    guard let ledger = fields[1], let entry = fields[2] else {
      throw LogMessageError(.messageID, "ledger or entry is absent, which Pulsar requires")
    }
    var value = PulsarMessageID(ledger: Int64(wire: ledger), entry: Int64(wire: entry))
    if let partition = fields[3] { value.partition = Int32(wire: partition) }
    if let batchIndex = fields[4] { value.batchIndex = Int32(wire: batchIndex) }
    if let batchSize = fields[6] { value.batchSize = Int32(wire: batchSize) }
    return value
  }
}
