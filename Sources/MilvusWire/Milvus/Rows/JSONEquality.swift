/// Whether two JSON texts say the same; the rules are in `Column.isEqual`'s table.
enum JSONEquality {
  /// A value of Milvus is at most 64 KiB by default; what is larger or deeper than this is compared by bytes only.
  private static let limits = JSONParser.Limits(bytesMax: 16 << 20, depthMax: 100, valueCountMax: 1_000_000)

  static func isEqual(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
    if isSameWithoutSpace(a, b) { return true }
    guard let x = try? JSONParser.parse(Array(a), limits: limits),
      let y = try? JSONParser.parse(Array(b), limits: limits)
    else { return false }
    return isEqual(x, y)
  }

  /// The common case, a server that put spaces between tokens, without building a tree.
  private static func isSameWithoutSpace(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
    var (i, j) = (a.startIndex, b.startIndex)
    var isInText = false
    var previous: UInt8 = 0
    while true {
      if !isInText {
        let (oldI, oldJ) = (i, j)
        while i < a.endIndex, isSpace(a[i]) { i += 1 }
        while j < b.endIndex, isSpace(b[j]) { j += 1 }
        // A space that stands on one side only may not divide two tokens: `1 2` is not `12`.
        if (i > oldI) != (j > oldJ), i < a.endIndex, isWord(previous), isWord(a[i]) { return false }
      }
      guard i < a.endIndex, j < b.endIndex else { return i == a.endIndex && j == b.endIndex && !isInText }
      guard a[i] == b[j] else { return false }
      if isInText, a[i] == UInt8(ascii: "\\") {
        guard i + 1 < a.endIndex, j + 1 < b.endIndex, a[i + 1] == b[j + 1] else { return false }
        i += 1
        j += 1
      } else if a[i] == UInt8(ascii: "\"") {
        isInText.toggle()
      }
      previous = a[i]
      i += 1
      j += 1
    }
  }
  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }
  /// Whether a byte can stand inside a number or a literal.
  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "E"),
      UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  static func isEqual(_ a: JSONValue, _ b: JSONValue) -> Bool {
    switch (a, b) {
    case (.number(let x), .number(let y)): return isEqual(x, y)
    case (.array(let x), .array(let y)):
      return x.count == y.count && zip(x, y).allSatisfy { isEqual($0, $1) }
    case (.object(let x), .object(let y)):
      return x.count == y.count
        && x.members.allSatisfy { member in y[member.key].map { isEqual(member.value, $0) } ?? false }
    case (.null, _), (.bool, _), (.number, _), (.string, _), (.array, _), (.object, _): return a == b
    }
  }

  /// Integers by their digits, however many; numbers with a fraction or an exponent as doubles; one of each kind: different.
  private static func isEqual(_ a: JSONNumber, _ b: JSONNumber) -> Bool {
    let (x, y) = (isInteger(a.text), isInteger(b.text))
    if x != y { return false }
    if x { return a.text == b.text || (isZero(a.text) && isZero(b.text)) }
    return a.double == b.double
  }
  private static func isInteger(_ text: String) -> Bool {
    !text.utf8.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
  }
  private static func isZero(_ text: String) -> Bool { text == "0" || text == "-0" }
}
