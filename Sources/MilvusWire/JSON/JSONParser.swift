/// Reads one JSON text (RFC 8259) from bytes. Nothing in the text can trap; every refusal names line and column.
///
/// Strict where the RFC is: UTF-8 is checked, control characters must be escaped, a lone surrogate escape is refused, nothing but
/// space may follow the value, no byte order mark. Repeated keys: the last value wins and keeps the first's place, unless they are refused.
package struct JSONParser {
  /// What a text may cost. The whole tree takes at most about 100 bytes per value plus the bytes of its strings.
  package struct Limits: Sendable {
    package var bytesMax: Int
    /// Arrays and objects inside each other; the parser recurses.
    package var depthMax: Int
    package var valueCountMax: Int
    /// A key that stands twice in an object is an error.
    package var refusesRepeatedKeys: Bool
    package init(
      bytesMax: Int = 64 << 20, depthMax: Int = 100, valueCountMax: Int = 10_000_000,
      refusesRepeatedKeys: Bool = false
    ) {
      (self.bytesMax, self.depthMax, self.valueCountMax) = (bytesMax, depthMax, valueCountMax)
      self.refusesRepeatedKeys = refusesRepeatedKeys
    }
  }

  private let bytes: [UInt8]
  private let limits: Limits
  private var position = 0
  private var valueCount = 0

  package static func parse(_ bytes: [UInt8], limits: Limits = Limits()) throws(JSONError) -> JSONValue {
    guard bytes.count <= limits.bytesMax else {
      throw JSONError("the text is longer than \(limits.bytesMax) bytes", at: 0, in: [])
    }
    var parser = JSONParser(bytes: bytes, limits: limits)
    let value = try parser.value(depth: 0)
    parser.skipSpace()
    guard parser.position == bytes.count else {
      throw parser.unexpected("only space may follow the value")
    }
    return value
  }
  package static func parse(_ text: String, limits: Limits = Limits()) throws(JSONError) -> JSONValue {
    try parse(Array(text.utf8), limits: limits)
  }

  private init(bytes: [UInt8], limits: Limits) {
    self.bytes = bytes
    self.limits = limits
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    skipSpace()
    valueCount += 1
    guard valueCount <= limits.valueCountMax else {
      throw error("more than \(limits.valueCountMax) values")
    }
    guard let byte = peek() else { throw unexpected("expected a value") }
    switch byte {
    case UInt8(ascii: "{"): return .object(try object(depth: depth))
    case UInt8(ascii: "["): return .array(try array(depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try literal("true", .bool(true))
    case UInt8(ascii: "f"): return try literal("false", .bool(false))
    case UInt8(ascii: "n"): return try literal("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
    default: throw unexpected("expected a value")
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
    try enter(depth: depth)
    var object = JSONObject()
    skipSpace()
    if take(UInt8(ascii: "}")) { return object }
    while true {
      skipSpace()
      guard peek() == UInt8(ascii: "\"") else { throw unexpected("expected a key in quotes") }
      let keyPosition = position
      let key = try string()
      if limits.refusesRepeatedKeys, object[key] != nil {
        throw JSONError("the key stands twice", at: keyPosition, in: bytes)
      }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw unexpected("expected ':' after the key") }
      object[key] = try value(depth: depth + 1)
      skipSpace()
      if take(UInt8(ascii: "}")) { return object }
      guard take(UInt8(ascii: ",")) else { throw unexpected("expected ',' or '}'") }
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
    try enter(depth: depth)
    var elements: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return elements }
    while true {
      elements.append(try value(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return elements }
      guard take(UInt8(ascii: ",")) else { throw unexpected("expected ',' or ']'") }
    }
  }

  private mutating func enter(depth: Int) throws(JSONError) {
    guard depth < limits.depthMax else {
      throw error("more than \(limits.depthMax) arrays and objects inside each other")
    }
    position += 1
  }

  private mutating func literal(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
    for expected in text.description.utf8 {
      guard take(expected) else { throw unexpected("expected '\(text)'") }
    }
    return value
  }

  /// RFC 8259 §6: `[-] int [frac] [exp]`.
  private mutating func number() throws(JSONError) -> JSONNumber {
    let start = position
    _ = take(UInt8(ascii: "-"))
    if take(UInt8(ascii: "0")) {
      guard !isDigit(peek()) else { throw unexpected("a number does not start with 0") }
    } else {
      try digits()
    }
    if take(UInt8(ascii: ".")) { try digits() }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try digits()
    }
    return JSONNumber(checkedText: String(decoding: bytes[start..<position], as: UTF8.self))
  }

  private mutating func digits() throws(JSONError) {
    guard isDigit(peek()) else { throw unexpected("expected a digit") }
    while isDigit(peek()) { position += 1 }
  }

  /// Texts without escapes, nearly all, are taken in one piece.
  private mutating func string() throws(JSONError) -> String {
    position += 1
    let start = position
    var unescaped: [UInt8]?
    while let byte = peek() {
      switch byte {
      case UInt8(ascii: "\""):
        let text: String? =
          if let unescaped {
            String(validating: unescaped, as: UTF8.self)
          } else {
            String(validating: bytes[start..<position], as: UTF8.self)
          }
        guard let text else { throw JSONError("the text is not UTF-8", at: start, in: bytes) }
        position += 1
        return text
      case UInt8(ascii: "\\"):
        var buffer = unescaped ?? Array(bytes[start..<position])
        try escape(into: &buffer)
        unescaped = buffer
      case 0..<0x20: throw error("a control character must be escaped")
      default:
        unescaped?.append(byte)
        position += 1
      }
    }
    throw unexpected("expected '\"'")
  }

  private mutating func escape(into buffer: inout [UInt8]) throws(JSONError) {
    position += 1
    guard let byte = peek() else { throw unexpected("expected an escape") }
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(byte)
    case UInt8(ascii: "b"): buffer.append(0x08)
    case UInt8(ascii: "f"): buffer.append(0x0C)
    case UInt8(ascii: "n"): buffer.append(0x0A)
    case UInt8(ascii: "r"): buffer.append(0x0D)
    case UInt8(ascii: "t"): buffer.append(0x09)
    case UInt8(ascii: "u"):
      position += 1
      buffer.append(contentsOf: String(try unicodeEscape()).utf8)
      return
    default: throw unexpected("unknown escape")
    }
    position += 1
  }

  /// RFC 8259 §7: four hexadecimal digits, or two such escapes that are a surrogate pair.
  private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
    let start = position
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    if first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
      let second = try hexadecimal()
      if (0xDC00..<0xE000).contains(second),
        let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
      {
        return scalar
      }
    }
    throw JSONError("half of a surrogate pair", at: start, in: bytes)
  }

  private mutating func hexadecimal() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80
      else { throw unexpected("expected four hexadecimal digits") }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }
  private func isDigit(_ byte: UInt8?) -> Bool {
    guard let byte else { return false }
    return byte &- UInt8(ascii: "0") < 10
  }
  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    position += 1
    return true
  }
  private mutating func skipSpace() {
    while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      position += 1
    }
  }

  private func error(_ message: String) -> JSONError { JSONError(message, at: position, in: bytes) }
  /// The error for the byte at the position, which is shown where it is printable.
  private func unexpected(_ message: String) -> JSONError {
    guard let byte = peek() else { return error("\(message), found the end of the text") }
    if (0x20..<0x7F).contains(byte) {
      return error("\(message), found '\(Character(Unicode.Scalar(byte)))'")
    }
    let digits = String(byte, radix: 16, uppercase: true)
    return error("\(message), found the byte 0x\(byte < 16 ? "0" : "")\(digits)")
  }
}
