internal import MilvusWire

/// The few expressions over the key that the bridge sends, parsed the way both servers parse them.
enum FakeExpression {
  case all
  case greater(RowKey, orEqual: Bool)
  case less(RowKey)
  case list([RowKey])

  struct Unparsable: Error { var what: String }

  func covers(_ key: RowKey) -> Bool {
    switch self {
    case .all: true
    case .greater(let bound, let orEqual): bound < key || (orEqual && bound == key)
    case .less(let bound): key < bound
    case .list(let keys): keys.contains(key)
    }
  }

  /// `refusesMinimum`: 2.3.5 cannot parse the smallest int64.
  static func parse(_ text: String, key: String, refusesMinimum: Bool) throws(Unparsable) -> FakeExpression {
    if text.isEmpty { return .all }
    var rest = Array(text.utf8)[...]
    guard rest.starts(with: key.utf8) else { throw Unparsable(what: "not about the key") }
    rest = rest.dropFirst(key.utf8.count)
    func token(_ word: String) -> Bool {
      let text = Array(" \(word) ".utf8)
      guard rest.starts(with: text) else { return false }
      rest = rest.dropFirst(text.count)
      return true
    }
    func literal() throws(Unparsable) -> RowKey {
      if rest.first == UInt8(ascii: "\"") { return .text(try quoted(&rest)) }
      let digits = rest.prefix { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }
      rest = rest.dropFirst(digits.count)
      guard let value = Int64(String(decoding: digits, as: UTF8.self)) else { throw Unparsable(what: "a number") }
      if refusesMinimum, value == .min { throw Unparsable(what: "the smallest number") }
      return .int(value)
    }
    let result: FakeExpression
    if token(">=") {
      result = .greater(try literal(), orEqual: true)
    } else if token(">") {
      result = .greater(try literal(), orEqual: false)
    } else if token("<") {
      result = .less(try literal())
    } else if token("==") {
      result = .list([try literal()])
    } else if rest.starts(with: " in [".utf8) {
      rest = rest.dropFirst(5)
      var keys: [RowKey] = []
      while rest.first != UInt8(ascii: "]") {
        keys.append(try literal())
        if rest.starts(with: ", ".utf8) {
          rest = rest.dropFirst(2)
        } else if rest.first != UInt8(ascii: "]") {
          throw Unparsable(what: "a list")
        }
      }
      rest = rest.dropFirst()
      result = .list(keys)
    } else {
      throw Unparsable(what: "an operator")
    }
    guard rest.isEmpty else { throw Unparsable(what: "the end") }
    return result
  }

  private static func quoted(_ rest: inout ArraySlice<UInt8>) throws(Unparsable) -> [UInt8] {
    rest = rest.dropFirst()
    var out: [UInt8] = []
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""): return out
      case UInt8(ascii: "\\"):
        switch rest.popFirst() {
        case UInt8(ascii: "n"): out.append(0x0A)
        case UInt8(ascii: "r"): out.append(0x0D)
        case UInt8(ascii: "t"): out.append(0x09)
        case UInt8(ascii: "\\"): out.append(0x5C)
        case UInt8(ascii: "\""): out.append(0x22)
        default: throw Unparsable(what: "an escape")
        }
      case 0x0A, 0x0D: throw Unparsable(what: "a line end in a text")
      default: out.append(byte)
      }
    }
    throw Unparsable(what: "the end of a text")
  }
}
