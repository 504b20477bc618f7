/// Bytes of a message whose type is not known, as the fields that stand on the wire (protobuf "Encoding"; the text is in protoscope's spirit).
///
/// What a length-delimited field holds is a guess: a text without control characters, else a message where the bytes are one to
/// their end, else bytes. Fields keep their order; nothing is merged.
package struct WireTree: Sendable, Equatable {
  package indirect enum Value: Sendable, Equatable {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case text(String)
    case bytes([UInt8])
    case message(WireTree)
  }
  package struct Field: Sendable, Equatable {
    package var number: UInt32
    package var value: Value
  }
  package struct Limits: Sendable {
    /// Messages inside each other; deeper ones are shown as bytes.
    package var depthMax = 32
    /// Fields in the whole tree; a message with more is shown as bytes.
    package var fieldCountMax = 100_000
    package init() {}
  }
  package private(set) var fields: [Field] = []

  /// Throws where the bytes are no message.
  package init(_ bytes: [UInt8], limits: Limits = Limits()) throws(ProtobufError) {
    var budget = limits.fieldCountMax
    try self.init(WireReader(bytes), depth: limits.depthMax, budget: &budget)
  }

  private init(_ message: WireReader, depth: Int, budget: inout Int) throws(ProtobufError) {
    var reader = message
    while let field = try reader.next() {
      budget -= 1
      guard budget >= 0 else { throw ProtobufError(.tooLarge, "more fields than are shown") }
      let value: Value =
        switch field.content {
        case .varint(let value): .varint(value)
        case .fixed32(let value): .fixed32(value)
        case .fixed64(let value): .fixed64(value)
        case .lengthDelimited(let range): Self.guess(reader.bytes, range, depth: depth, budget: &budget)
        }
      fields.append(Field(number: field.number, value: value))
    }
  }

  private static func guess(_ bytes: [UInt8], _ range: Range<Int>, depth: Int, budget: inout Int) -> Value {
    guard !range.isEmpty else { return .text("") }
    let text = String(validating: bytes[range], as: UTF8.self)
    if let text, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) { return .text(text) }
    var rest = budget
    if depth > 0, let inner = try? WireTree(WireReader(bytes, in: range), depth: depth - 1, budget: &rest) {
      budget = rest
      return .message(inner)
    }
    if let text, !text.utf8.contains(where: { $0 < 0x20 && $0 != 0x0A && $0 != 0x09 && $0 != 0x0D || $0 == 0x7F }) {
      return .text(text)
    }
    return .bytes(Array(bytes[range]))
  }
}

extension WireTree {
  /// One line for each field, messages in braces. Bytes above `bytesMax` are cut, and say how many there are.
  package func lines(bytesMax: Int = 64) -> [String] {
    var lines: [String] = []
    appendLines(to: &lines, indent: 0, bytesMax: bytesMax)
    return lines
  }

  private func appendLines(to lines: inout [String], indent: Int, bytesMax: Int) {
    let space = String(repeating: "  ", count: indent)
    for field in fields {
      guard case .message(let inner) = field.value else {
        lines.append("\(space)\(field.number): \(Self.text(field.value, bytesMax: bytesMax))")
        continue
      }
      lines.append("\(space)\(field.number): {")
      inner.appendLines(to: &lines, indent: indent + 1, bytesMax: bytesMax)
      lines.append("\(space)}")
    }
  }

  private static func text(_ value: Value, bytesMax: Int) -> String {
    switch value {
    case .varint(let value):
      let signed = Int64(bitPattern: value)
      return signed < 0 ? "\(value) (\(signed))" : "\(value)"
    case .fixed32(let value): return "\(value)i32 (\(Float(bitPattern: value)))"
    case .fixed64(let value): return "\(value)i64 (\(Double(bitPattern: value)))"
    case .text(let text): return JSONWriter().text(of: .string(text))
    case .bytes(let bytes):
      let shown = bytes.prefix(bytesMax)
      return "`\(HexText.encode(shown))`" + (shown.count < bytes.count ? " … \(bytes.count) bytes" : "")
    case .message: return "{}"
    }
  }

  /// A list of `{field, type, value}`: type is `varint`, `fixed32`, `fixed64`, `text`, `bytes` (base64) or `message` (a list again).
  package var json: JSONValue {
    .array(
      fields.map { field in
        var object: JSONObject = ["field": .int(field.number)]
        switch field.value {
        case .varint(let value): (object["type"], object["value"]) = ("varint", .string(String(value)))
        case .fixed32(let value): (object["type"], object["value"]) = ("fixed32", .int(value))
        case .fixed64(let value): (object["type"], object["value"]) = ("fixed64", .string(String(value)))
        case .text(let text): (object["type"], object["value"]) = ("text", .string(text))
        case .bytes(let bytes): (object["type"], object["value"]) = ("bytes", .string(Base64.encode(bytes)))
        case .message(let inner): (object["type"], object["value"]) = ("message", inner.json)
        }
        return .object(object)
      })
  }
}

/// Bytes as pairs of hexadecimal digits.
package enum HexText {
  private static let digits = Array("0123456789abcdef".utf8)

  package static func encode(_ bytes: some Collection<UInt8>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Pairs of digits with any white space, colons or commas between them; `0x` before a pair is skipped. nil for anything else.
  package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    var high: UInt8?
    for byte in text {
      switch byte {
      case UInt8(ascii: "x"), UInt8(ascii: "X"):
        guard high == 0 else { return nil }
        high = nil
      case 0x09, 0x0A, 0x0D, 0x20, UInt8(ascii: ":"), UInt8(ascii: ","):
        if high != nil { return nil }
      default:
        guard let digit = digit(byte) else { return nil }
        if let first = high {
          bytes.append(first << 4 | digit)
          high = nil
        } else {
          high = digit
        }
      }
    }
    return high == nil ? bytes : nil
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
