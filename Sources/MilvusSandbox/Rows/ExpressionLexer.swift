/// Cuts the text of a filter into words. Works on bytes: a text literal may hold anything, NUL included.
struct ExpressionLexer {
  enum Token: Equatable {
    case word(String)
    case int(Int64)
    case double(Double)
    case text([UInt8])
    /// `{name}`: a value that comes beside the expression.
    case template(String)
    /// `==`, `<=`, `(`, `[`, `,` and so on.
    case symbol(String)
    case end
  }
  private let bytes: [UInt8]
  private var position = 0

  init(_ text: String) { bytes = Array(text.utf8) }

  static func tokens(of text: String) throws(Refusal) -> [Token] {
    var lexer = ExpressionLexer(text)
    var tokens: [Token] = []
    while true {
      let token = try lexer.next()
      tokens.append(token)
      if token == .end { return tokens }
    }
  }

  static func refusal(_ what: String) -> Refusal {
    Refusal(
      1100, "failed to create query plan: cannot parse expression: \(what): invalid parameter", legacy: 5)
  }

  private mutating func next() throws(Refusal) -> Token {
    while position < bytes.count, bytes[position] == 0x20 || (0x09...0x0D).contains(bytes[position]) {
      position += 1
    }
    guard position < bytes.count else { return .end }
    let byte = bytes[position]
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "'"): return .text(try quoted(byte))
    case UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    case UInt8(ascii: "-") where isDigit(position + 1), UInt8(ascii: ".") where isDigit(position + 1):
      return try number()
    case UInt8(ascii: "{"): return try template()
    default: break
    }
    if isWord(byte) {
      let start = position
      while position < bytes.count, isWord(bytes[position]) || isDigit(position) { position += 1 }
      return .word(String(decoding: bytes[start..<position], as: UTF8.self))
    }
    for symbol in ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "(", ")", "[", "]", ",", "!", "-", "+"]
    where bytes[position...].starts(with: symbol.utf8) {
      position += symbol.utf8.count
      return .symbol(symbol)
    }
    throw Self.refusal("unexpected character at byte \(position)")
  }

  private func isDigit(_ place: Int) -> Bool {
    place < bytes.count && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[place])
  }
  private func isWord(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || byte == UInt8(ascii: "$")
      || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
      || byte >= 0x80
  }

  private mutating func number() throws(Refusal) -> Token {
    let start = position
    if bytes[position] == UInt8(ascii: "-") { position += 1 }
    while position < bytes.count {
      let byte = bytes[position]
      let isSign = byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
      let isExponentSign = isSign && bytes[position - 1] | 0x20 == UInt8(ascii: "e")
      guard
        isDigit(position) || byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e") || isExponentSign
      else { break }
      position += 1
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if let value = Int64(text) { return .int(value) }
    guard let value = Double(text),
      text.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") })
    else { throw Self.refusal("the number at byte \(start) is out of range") }
    return .double(value)
  }

  private mutating func template() throws(Refusal) -> Token {
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "}")) else {
      throw Self.refusal("'{' without '}'")
    }
    let name = String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
    position = end + 1
    return .template(String(name.filter { !$0.isWhitespace }))
  }

  /// A character by its hexadecimal number.
  private mutating func codePoint(_ digits: Int) throws(Refusal) -> [UInt8] {
    let text = String(decoding: bytes[position..<min(bytes.count, position + digits)], as: UTF8.self)
    guard text.utf8.count == digits, let number = UInt32(text, radix: 16), let scalar = Unicode.Scalar(number)
    else {
      throw Self.refusal("a bad character number at byte \(position)")
    }
    position += digits
    return Array(String(Character(scalar)).utf8)
  }

  private mutating func quoted(_ quote: UInt8) throws(Refusal) -> [UInt8] {
    position += 1
    var text: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == quote { return text }
      guard byte == UInt8(ascii: "\\") else {
        text.append(byte)
        continue
      }
      guard position < bytes.count else { break }
      let escaped = bytes[position]
      position += 1
      switch escaped {
      case UInt8(ascii: "n"): text.append(0x0A)
      case UInt8(ascii: "r"): text.append(0x0D)
      case UInt8(ascii: "t"): text.append(0x09)
      case UInt8(ascii: "b"): text.append(0x08)
      case UInt8(ascii: "x"): text += try codePoint(2)
      case UInt8(ascii: "u"): text += try codePoint(4)
      case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "'"): text.append(escaped)
      // Kept as it is: patterns of `like` escape with it.
      case UInt8(ascii: "%"), UInt8(ascii: "_"): text += [UInt8(ascii: "\\"), escaped]
      default: throw Self.refusal("unknown escape at byte \(position - 1)")
      }
    }
    throw Self.refusal("a text without end")
  }
}
