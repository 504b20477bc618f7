/// A JSON number: its text, read as an integer or as a double only when asked.
///
/// `18446744073709551615` and `0.10` survive a round trip unchanged; short texts need no allocation.
package struct JSONNumber: Sendable, Hashable {
  /// Valid by RFC 8259 §6.
  package let text: String

  /// Only for the parser, which has checked the grammar.
  init(checkedText: String) { text = checkedText }
  /// nil where the text is not a number as RFC 8259 §6 spells it.
  package init?(text: String) {
    guard let number = (try? JSONParser.parse(text))?.numberValue, number.text == text else { return nil }
    self = number
  }
  package init(integer value: some FixedWidthInteger) { text = String(value) }
  /// nil for NaN and the infinities. The shortest text that reads back as the same double.
  package init?(_ value: Double) {
    guard value.isFinite else { return nil }
    text = value.description
  }

  /// The exact value where the number has no fraction and fits; `1.0`, `1e3` and `-0` count as integers.
  package var int64: Int64? { Int64(text) ?? integralDouble.flatMap { Int64(exactly: $0) } }
  package var uint64: UInt64? { UInt64(text) ?? integralDouble.flatMap { UInt64(exactly: $0) } }
  /// The nearest double; infinite for what is out of range, such as `1e999`.
  package var double: Double { Double(text) ?? .nan }

  /// The value where it was not written as plain digits and is a whole number that a double holds exactly. Plain digits that
  /// did not fit an integer must not come back rounded.
  private var integralDouble: Double? {
    guard text.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") })
    else { return text == "-0" ? 0 : nil }
    let value = double
    return value.rounded(.towardZero) == value && value.magnitude <= 9_007_199_254_740_992
      ? value : nil
  }
}
