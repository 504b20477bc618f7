/// Where the values of the known properties of one message lie, found in one walk without a text being made.
///
/// A key that comes twice has its last value (protobuf "Maps"). Unknown keys are looked at as texts, since Go refuses those that are none, and left.
struct LogPropertyPlaces {
  /// The known keys (§2.2, §2.3); the order is that of `keys`.
  enum Key: Int, CaseIterable {
    case version, type, timeTick, term, barrierTimeTick, lastConfirmed, lastConfirmedIsOwn, vchannel, broadcastHeader, header, transaction,
      cipherHeader, notPersisted, pchannelLevel, replicateHeader, unreplicable, partialUpdate

    var name: String {
      switch self {
      case .version: LogProperty.version
      case .type: LogProperty.type
      case .timeTick: LogProperty.timeTick
      case .term: LogProperty.term
      case .barrierTimeTick: LogProperty.barrierTimeTick
      case .lastConfirmed: LogProperty.lastConfirmed
      case .lastConfirmedIsOwn: LogProperty.lastConfirmedIsOwn
      case .vchannel: LogProperty.vchannel
      case .broadcastHeader: LogProperty.broadcastHeader
      case .header: LogProperty.header
      case .transaction: LogProperty.transaction
      case .cipherHeader: LogProperty.cipherHeader
      case .notPersisted: LogProperty.notPersisted
      case .pchannelLevel: LogProperty.pchannelLevel
      case .replicateHeader: LogProperty.replicateHeader
      case .unreplicable: LogProperty.unreplicable
      case .partialUpdate: LogProperty.partialUpdate
      }
    }
  }

  /// Start and end; an end before the start: absent.
  private typealias Place = (start: Int, end: Int)
  private var places = InlineArray<17, Place>(repeating: (0, -1))

  subscript(key: Key) -> Range<Int>? {
    let place = places[key.rawValue]
    return place.start <= place.end ? place.start..<place.end : nil
  }

  /// Whether any property is there that few messages have.
  var hasExtras: Bool {
    self[.barrierTimeTick] != nil || self[.transaction] != nil || self[.broadcastHeader] != nil || self[.replicateHeader] != nil
      || self[.cipherHeader] != nil
  }

  /// Takes one entry of the map, `{key 1, value 2}`.
  mutating func add(_ bytes: Span<UInt8>, _ entry: Range<Int>) throws(ProtobufError) {
    let (key, value) = if let plain = Self.plainPair(bytes, entry) { plain } else { try Self.pair(bytes, entry) }
    guard bytes.isText(key), bytes.isText(value) else { throw ProtobufError(.invalidString, "a key or value is not UTF-8") }
    guard let packed = Self.packed(bytes, key) else { return }
    for place in 0..<17 where Self.keys[place] == packed {
      places[place] = (value.lowerBound, value.upperBound)
      return
    }
  }

  private typealias Pair = (key: Range<Int>, value: Range<Int>)

  /// An entry as every writer of protobuf writes it: key, then value, and both lengths in one byte. nil: it is written in another way.
  private static func plainPair(_ bytes: Span<UInt8>, _ entry: Range<Int>) -> Pair? {
    let start = entry.lowerBound, end = entry.upperBound
    guard end - start >= 4, bytes[start] == 0x0A else { return nil }
    let keyLength = Int(bytes[start + 1])
    let second = start + 2 + keyLength
    guard keyLength < 0x80, end - second >= 2, bytes[second] == 0x12 else { return nil }
    let valueLength = Int(bytes[second + 1])
    guard valueLength < 0x80, second + 2 + valueLength == end else { return nil }
    return ((start + 2)..<second, (second + 2)..<end)
  }

  /// The last of each field, as protobuf reads.
  private static func pair(_ bytes: Span<UInt8>, _ entry: Range<Int>) throws(ProtobufError) -> Pair {
    var cursor = WireCursor(bytes, in: entry)
    var key = entry.lowerBound..<entry.lowerBound, value = key
    while let field = try cursor.next(in: bytes) {
      guard field.number <= 2 else { continue }
      guard let range = field.range else { throw ProtobufError(.wrongType, "field \(field.number) of a pair") }
      // Also of one that another replaces.
      guard bytes.isText(range) else { throw ProtobufError(.invalidString, "a key or value is not UTF-8") }
      if field.number == 1 { key = range } else { value = range }
    }
    return (key, value)
  }

  /// A key as a number; nil for one that is longer than all known ones.
  private static func packed(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64? {
    guard range.count <= 8 else { return nil }
    var value: UInt64 = 0
    for place in range { value = value << 8 | UInt64(bytes[place]) }
    return value
  }

  /// The known keys as numbers, in the order of `Key`.
  private static let keys: InlineArray<17, UInt64> = {
    var keys = InlineArray<17, UInt64>(repeating: 0)
    for key in Key.allCases {
      let bytes = Array(key.name.utf8)
      keys[key.rawValue] = packed(bytes.span, 0..<bytes.count) ?? 0
    }
    return keys
  }()

  // MARK: Values

  func text(_ key: Key, _ bytes: [UInt8]) -> String? {
    self[key].map { String(decoding: bytes[$0], as: UTF8.self) }
  }

  /// nil where the property is absent or empty.
  func decimal(_ key: Key, _ bytes: [UInt8]) throws(LogMessageError) -> Int? {
    guard let range = self[key], !range.isEmpty else { return nil }
    // One or two digits: nearly always.
    if range.count == 1, let digit = Self.digit(bytes[range.lowerBound]) { return digit }
    guard let number = LogProperty.decimal(String(decoding: bytes[range], as: UTF8.self)) else {
      throw LogMessageError(.property, property: key.name, "not a decimal number")
    }
    return number
  }

  private static func digit(_ byte: UInt8) -> Int? {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int(byte - UInt8(ascii: "0")) : nil
  }

  func unsigned(_ key: Key, _ bytes: [UInt8]) throws(LogMessageError) -> UInt64? {
    guard let range = self[key] else { return nil }
    guard let number = Base36.unsigned(bytes[range]) else {
      throw LogMessageError(
        .property, property: key.name, range.isEmpty ? "it is empty" : "not an unsigned 64-bit number in base 36")
    }
    return number
  }

  func bytes(_ key: Key, _ bytes: [UInt8]) throws(LogMessageError) -> [UInt8]? {
    guard let range = self[key] else { return nil }
    guard range.count % 4 == 0, let decoded = Base64.decode(bytes: bytes[range]) else {
      throw LogMessageError(.property, property: key.name, "not base64 with padding")
    }
    return decoded
  }

  func record<Record: LogRecord>(_ key: Key, _ bytes: [UInt8]) throws(LogMessageError) -> Record? {
    guard let text = text(key, bytes) else { return nil }
    return try LogProperty.record(text, of: key.name)
  }
}

extension Span<UInt8> {
  /// Whether a range, which must lie inside, is UTF-8.
  fileprivate func isText(_ range: Range<Int>) -> Bool {
    var high: UInt8 = 0
    for place in range { high |= self[place] }
    return high < 0x80 || String(validating: range.map { self[$0] }, as: UTF8.self) != nil
  }
}
