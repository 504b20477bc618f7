/// One message of a pchannel's log: a `common.ImmutableMessage` (§2.1), read in place.
///
/// ```
/// ImmutableMessage  id 1 MessageID | payload 2 bytes | properties 3 map<string, string>
/// ```
/// The message keeps the bytes in which it came (shared, not copied) and where its parts lie; the payload stays a
/// slice of them and is never decoded into a tree here. What the properties say about the message as a whole is read
/// once, at the beginning: a property that every message has is required, one that cannot be read is an error that
/// names it. Unknown properties stay. The types' own headers and bodies are `LogChange`'s.
///
/// Never changes. A class, because a message is handed on many times, and as a value each of its parts would be counted each time.
///
/// Not checked here: whether the ids are ids of their log (`validateIDs`), and whether the type exists.
package final class LogMessage: Sendable {
  /// The array in which the message came: the message itself or the answer around it.
  package let bytes: [UInt8]
  /// Where the `ImmutableMessage` lies in `bytes`.
  package let range: Range<Int>
  package let id: LogMessageID
  /// 0, Unknown, where `_t` is absent.
  package let type: LogMessageType
  /// `_v`; 0 where it is absent or empty, which readers take for 1.
  package let version: Int
  /// The commit's, for members of an expanded transaction (§4.3).
  package let timeTick: TimeTick
  /// Where reading must start for everything above `timeTick` to come (§2.7). May be empty on WoodPecker: 0/0.
  package let lastConfirmedID: LogMessageID
  /// `_lcs`: the last confirmed id is the message's own.
  package let lastConfirmedIsOwnID: Bool
  /// Empty: the message is for every vchannel of its pchannel.
  package let vchannel: String
  package let isPchannelLevel: Bool
  package let isUnreplicable: Bool
  /// Of a partial update: on the insert and on the commit (3.0.1).
  package let isPartialUpdate: Bool
  package let isPersisted: Bool
  /// `_wt`: rises when the channel's owner changes. nil where it is absent or cannot be read: nobody needs it.
  package let term: Int64?
  /// What few messages have.
  private let extras: Extras?
  /// The decoded `_h`; nil where the property is absent, which no reader of headers accepts.
  let headerBytes: [UInt8]?
  let payloadRange: Range<Int>

  package var barrierTimeTick: TimeTick? { extras?.barrierTimeTick }
  package var transaction: TransactionContext? { extras?.transaction }
  package var broadcast: BroadcastHeader? { extras?.broadcast }
  package var replicate: ReplicateHeader? { extras?.replicate }
  /// Present: the payload is ciphertext.
  package var cipher: CipherHeader? { extras?.cipher }
  package var isEncrypted: Bool { extras?.cipher != nil }
  package var header: ArraySlice<UInt8> { headerBytes?[...] ?? [] }
  package var payload: ArraySlice<UInt8> { bytes[payloadRange] }
  /// Bytes of the message on the wire.
  package var byteCount: Int { range.count }
  /// The pchannel by the name of the vchannel; empty where the message names none.
  package var pchannel: String { ChannelName.pchannel(of: vchannel) }

  /// The message that fills `range` of `bytes` (nil: all of them).
  package init(immutableMessage bytes: [UInt8], in range: Range<Int>? = nil) throws(LogMessageError) {
    let range = (range ?? 0..<bytes.count).clamped(to: 0..<bytes.count)
    let carrier: Carrier
    do throws(ProtobufError) {
      carrier = try Carrier(bytes, range)
    } catch {
      throw LogMessageError(.carrier, error.message)
    }
    guard let id = carrier.id else { throw LogMessageError(.carrier, "it has no id") }
    let properties = carrier.properties
    self.bytes = bytes
    self.range = range
    self.id = id
    payloadRange = carrier.payload
    type = LogMessageType(rawValue: try properties.decimal(.type, bytes) ?? 0)
    version = try properties.decimal(.version, bytes) ?? 0
    guard let tick = try properties.unsigned(.timeTick, bytes) else {
      throw LogMessageError(.missingProperty, property: LogProperty.timeTick, "")
    }
    timeTick = TimeTick(tick)
    // The log writes one of the two; where both are, the flag wins, whatever its value (§2.3).
    lastConfirmedIsOwnID = properties[.lastConfirmedIsOwn] != nil
    if lastConfirmedIsOwnID {
      lastConfirmedID = id
    } else if let text = properties.text(.lastConfirmed, bytes) {
      lastConfirmedID = LogMessageID(text, id.kind)
    } else {
      throw LogMessageError(
        .missingProperty, property: LogProperty.lastConfirmed, "and without \(LogProperty.lastConfirmedIsOwn)"
      )
    }
    vchannel = properties.text(.vchannel, bytes) ?? ""
    isPchannelLevel = properties[.pchannelLevel] != nil
    isUnreplicable = properties[.unreplicable] != nil
    isPartialUpdate = properties[.partialUpdate] != nil
    isPersisted = properties[.notPersisted] == nil
    term = properties.text(.term, bytes).flatMap { Base36.signed($0) }
    extras = try Extras(properties, bytes)
    headerBytes = try properties.bytes(.header, bytes)
  }

  /// All properties as texts, unknown ones too, in the order of the wire and each key once.
  package var properties: [(key: String, value: String)] {
    // The bytes were read before, so they are read again.
    var list: [(key: String, value: String)] = []
    var reader = WireReader(bytes, in: range)
    while let field = try? reader.next() {
      guard field.number == 3, let range = field.range, let pair = try? KeyValuePair(WireReader(bytes, in: range)) else { continue }
      if let place = list.firstIndex(where: { $0.key.utf8.elementsEqual(pair.key.utf8) }) {
        list[place].value = pair.value
      } else {
        list.append((pair.key, pair.value))
      }
    }
    return list
  }

  /// The text of one property; nil where it is absent.
  package subscript(property key: String) -> String? {
    properties.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
  }

  /// Throws unless all ids of the message are ids of their logs: its own, the last confirmed one and those of a
  /// replicate header. A position made of any other cannot be read from.
  package func validateIDs() throws(LogMessageError) {
    try LogIDFormat.validate(id, of: "the message")
    if !lastConfirmedIsOwnID { try LogIDFormat.validate(lastConfirmedID, of: LogProperty.lastConfirmed) }
    if let replicate {
      for id in [replicate.messageID, replicate.lastConfirmed] {
        guard let id else { continue }
        try LogIDFormat.validate(id, of: LogProperty.replicateHeader)
      }
    }
  }
}

extension LogMessage: CustomStringConvertible {
  /// Type, place and tick: headers can hold tokens and payloads rows.
  package var description: String { "\(type) \(id) on \(vchannel) at \(timeTick), \(byteCount) bytes" }
}

extension LogMessage: Equatable {
  /// The same bytes.
  package static func == (a: LogMessage, b: LogMessage) -> Bool { a.bytes[a.range] == b.bytes[b.range] }
}

/// The rarer properties of one message.
private final class Extras: Sendable {
  let barrierTimeTick: TimeTick?
  let transaction: TransactionContext?
  let broadcast: BroadcastHeader?
  let replicate: ReplicateHeader?
  let cipher: CipherHeader?

  /// nil where the message has none of them.
  init?(_ properties: LogPropertyPlaces, _ bytes: [UInt8]) throws(LogMessageError) {
    guard properties.hasExtras else { return nil }
    barrierTimeTick = try properties.unsigned(.barrierTimeTick, bytes).map { TimeTick($0) }
    transaction = try properties.record(.transaction, bytes)
    broadcast = try properties.record(.broadcastHeader, bytes)
    replicate = try properties.record(.replicateHeader, bytes)
    cipher = try properties.record(.cipherHeader, bytes)
  }
}

/// The fields of an `ImmutableMessage`.
private struct Carrier {
  var id: LogMessageID?
  var payload = 0..<0
  var properties = LogPropertyPlaces()

  init(_ bytes: [UInt8], _ range: Range<Int>) throws(ProtobufError) {
    let span = bytes.span
    var cursor = WireCursor(span, in: range)
    while let field = try cursor.next(in: span) {
      guard field.number <= 3 else { continue }
      guard let range = field.range else {
        throw ProtobufError(.wrongType, "field \(field.number) of ImmutableMessage is a \(field.wireType)")
      }
      switch field.number {
      case 1: id = try LogMessageID(WireReader(bytes, in: range))
      case 2: payload = range
      default: try properties.add(span, range)
      }
    }
  }
}
