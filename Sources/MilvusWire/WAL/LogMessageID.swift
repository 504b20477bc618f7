/// `common.MessageID`: where a message lies in the log of its pchannel.
///
/// The text is opaque to everything but `LogIDFormat`. Ids have no order: two may be of different logs, and a server
/// may even use a number again on another pchannel. Order by tick, and key by (pchannel, tick) (§2.6).
package struct LogMessageID: Hashable, Sendable, CustomStringConvertible {
  /// Empty is WoodPecker's 0/0, and no id of any other log.
  package var text: String
  package var kind: LogKind

  package init(_ text: String, _ kind: LogKind) {
    self.text = text
    self.kind = kind
  }

  package var description: String { "\(kind) \(text.isEmpty ? "\"\"" : text)" }

  // Ids are bytes: Swift's own equality of texts would also accept other spellings of a character.
  package static func == (a: LogMessageID, b: LogMessageID) -> Bool {
    a.kind == b.kind && a.text.utf8.elementsEqual(b.text.utf8)
  }
  package func hash(into hasher: inout Hasher) {
    hasher.combine(kind)
    for byte in text.utf8 { hasher.combine(byte) }
  }
}

extension LogMessageID {
  /// `MessageID {id 1, WAL_name 2}`.
  init(_ message: WireReader) throws(ProtobufError) {
    self.init("", .unknown)
    var reader = message
    while let field = try reader.next() {
      switch (field.number, field.content) {
      case (1, .lengthDelimited(let range)): text = try reader.validText(range, "MessageID.id")
      case (2, .varint(let value)): kind = LogKind(rawValue: Int32(truncatingIfNeeded: value))
      case (1, _), (2, _): throw ProtobufError(.wrongType, "field \(field.number) of MessageID")
      default: break
      }
    }
  }

  /// The message's bytes.
  package var encoded: [UInt8] {
    var writer = WireWriter()
    if !text.isEmpty { writer.string(1, text) }
    if kind != .unknown { writer.varint(2, UInt64(truncatingIfNeeded: kind.rawValue)) }
    return writer.bytes
  }
}

extension WireReader {
  /// The text of a range. Go refuses a string that is not UTF-8, and a repaired one would be another name.
  func validText(_ range: Range<Int>, _ what: @autoclosure () -> String) throws(ProtobufError) -> String {
    guard let text = String(validating: bytes[range.clamped(to: 0..<bytes.count)], as: UTF8.self) else {
      throw ProtobufError(.invalidString, "\(what()) is not UTF-8")
    }
    return text
  }
}
