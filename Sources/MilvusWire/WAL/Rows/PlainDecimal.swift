/// A finite number with the fewest digits that give it back, without an exponent: `30`, `-0.5`, `0.000001`. Parsers of
/// geometries differ in the exponents they take; digits they all read.
enum PlainDecimal {
  static func append(_ value: Double, to text: inout [UInt8]) {
    // `description` has the shortest digits that give the value back, as `12.5`, `5e-324` or `1e+16`.
    let source = Array(value.description.utf8)
    let mark = source.firstIndex(of: UInt8(ascii: "e")) ?? source.endIndex
    let exponent = mark == source.endIndex ? 0 : Int(String(decoding: source[(mark + 1)...], as: UTF8.self)) ?? 0
    var digits: [UInt8] = []
    var point = 0, hasPoint = false
    for byte in source[..<mark] {
      switch byte {
      case UInt8(ascii: "-"): text.append(byte)
      case UInt8(ascii: "."): hasPoint = true
      default:
        digits.append(byte)
        if !hasPoint { point += 1 }
      }
    }
    point += exponent
    if point <= 0 {
      text.append(contentsOf: "0.".utf8)
      text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: -point))
      text.append(contentsOf: digits)
    } else if point >= digits.count {
      text.append(contentsOf: digits)
      text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: point - digits.count))
      return
    } else {
      text.append(contentsOf: digits[..<point])
      let fraction = digits[point...]
      // `30.0` is 30.
      if fraction.allSatisfy({ $0 == UInt8(ascii: "0") }) { return }
      text.append(UInt8(ascii: "."))
      text.append(contentsOf: fraction)
    }
    while text.last == UInt8(ascii: "0") { text.removeLast() }
    if text.last == UInt8(ascii: ".") { text.removeLast() }
  }
}
