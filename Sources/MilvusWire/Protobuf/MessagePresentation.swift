/// Where a person is better served by something else than ProtoJSON: what bytes hold, what a long list amounts to.
///
/// The official form stays the one that is read: whatever a presentation shows in place of it, `MessageJSON` still takes the official form too.
package protocol MessagePresentation: Sendable {
  /// The message that a bytes field holds; nil: just bytes. Bytes that are not that message are shown in base64.
  func content(of field: FieldDescriptor, in type: MessageDescriptor) -> MessageDescriptor?

  /// What is shown in place of a whole message; nil: its fields.
  func summary(of message: MessageParts) throws(ProtobufError) -> JSONValue?

  /// Changes what is shown of a message after its fields were read. `names` says how they are spelled.
  func finish(_ object: inout JSONObject, of type: MessageDescriptor, names: MessageJSON.Names)

  /// The bytes that `value`, which is not a text, stands for in a bytes field; nil: it stands for none.
  /// `beside`: the JSON of the whole message.
  func bytes(of value: JSONValue, in field: FieldDescriptor, of type: MessageDescriptor, beside: JSONObject)
    -> [UInt8]?
}

/// A message as it stands on the wire: its fields lie in `parts`, one after the other.
package struct MessageParts: Sendable {
  package let type: MessageDescriptor
  package let bytes: [UInt8]
  package let parts: [Range<Int>]

  package init(type: MessageDescriptor, bytes: [UInt8], parts: [Range<Int>]) {
    self.type = type
    self.bytes = bytes
    self.parts = parts
  }

  /// All fields in the order of the wire.
  package func fields() throws(ProtobufError) -> [WireField] {
    var fields: [WireField] = []
    for part in parts {
      var reader = WireReader(bytes, in: part)
      while let field = try reader.next() { fields.append(field) }
    }
    return fields
  }
}

/// Something in a message that its JSON does not show, or shows only nearly.
package struct WireOddity: Sendable, Equatable, CustomStringConvertible {
  package enum Kind: Sendable, Equatable {
    /// `protos/` has no field of this number: a newer server, or another type.
    case unknownField
    /// A known field whose content is encoded as another type; decoders treat it as unknown.
    case wrongWireType
    /// Bytes in a text that are not UTF-8; U+FFFD is shown for them.
    case notText
  }
  package var kind: Kind
  /// Full name of the message type.
  package var type: String
  package var number: UInt32
  package var wireType: WireField.WireType
  /// How often it was seen.
  package var count: Int
  /// Content bytes of all of them.
  package var byteCount: Int

  package init(
    kind: Kind, type: String, number: UInt32, wireType: WireField.WireType, count: Int, byteCount: Int
  ) {
    self.kind = kind
    self.type = type
    self.number = number
    self.wireType = wireType
    self.count = count
    self.byteCount = byteCount
  }

  package var description: String {
    let size = "\(wireType), \(count == 1 ? "once" : "\(count) times"), \(byteCount) bytes"
    switch kind {
    case .unknownField: return "\(type) has no field \(number) in our protos: not shown (\(size))"
    case .wrongWireType: return "\(type), field \(number) is encoded as another type: not shown (\(size))"
    case .notText: return "\(type), field \(number) is not UTF-8: shown with replacements (\(size))"
    }
  }
}

/// Oddities, each kind once for each field.
struct OddityList {
  private(set) var all: [WireOddity] = []
  /// More fields than anybody reads; a hostile message has any number.
  private static let countMax = 100

  mutating func add(_ kind: WireOddity.Kind, _ wire: WireField, _ type: MessageDescriptor) {
    let bytes =
      switch wire.content {
      case .varint(let value): WireWriter.varintBytes(value)
      case .fixed32: 4
      case .fixed64: 8
      case .lengthDelimited(let range): range.count
      }
    let name = type.name
    if let known = all.firstIndex(where: {
      $0.kind == kind && $0.number == wire.number && $0.wireType == wire.wireType && $0.type == name
    }) {
      all[known].count += 1
      all[known].byteCount &+= bytes
    } else if all.count < Self.countMax {
      all.append(
        WireOddity(kind: kind, type: name, number: wire.number, wireType: wire.wireType, count: 1, byteCount: bytes))
    }
  }

  mutating func add(contentsOf others: [WireOddity]) {
    for other in others {
      if let known = all.firstIndex(where: {
        $0.kind == other.kind && $0.number == other.number && $0.wireType == other.wireType && $0.type == other.type
      }) {
        all[known].count += other.count
        all[known].byteCount &+= other.byteCount
      } else if all.count < Self.countMax {
        all.append(other)
      }
    }
  }
}
