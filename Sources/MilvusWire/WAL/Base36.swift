/// Numbers in properties and in ids of RocksMQ and Kafka: base 36, written in lower case (§2.2).
///
/// Readers also take upper case and leading zeros. Unsigned numbers have no sign at all, signed ones may have either.
package enum Base36 {
  package static func write(_ value: some FixedWidthInteger) -> String { String(value, radix: 36) }

  /// nil for empty text, anything that is not a digit, and values beyond 64 bits.
  package static func unsigned(_ text: String) -> UInt64? { magnitude(text.utf8[...]) }

  package static func unsigned(_ text: ArraySlice<UInt8>) -> UInt64? { magnitude(text) }

  package static func signed(_ text: String) -> Int64? {
    var digits = text.utf8[...]
    var isNegative = false
    if let sign = digits.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
      isNegative = sign == UInt8(ascii: "-")
      digits = digits.dropFirst()
    }
    guard let value = magnitude(digits) else { return nil }
    if isNegative {
      return value <= Int64.min.magnitude ? Int64(truncatingIfNeeded: 0 &- value) : nil
    }
    return Int64(exactly: value)
  }

  private static func magnitude(_ digits: some Collection<UInt8>) -> UInt64? {
    guard !digits.isEmpty else { return nil }
    var value: UInt64 = 0
    for digit in digits {
      let number: UInt8
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): number = digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "z"): number = digit - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "Z"): number = digit - UInt8(ascii: "A") + 10
      default: return nil
      }
      let (product, isTooLarge) = value.multipliedReportingOverflow(by: 36)
      let (sum, isTooLargeNow) = product.addingReportingOverflow(UInt64(number))
      guard !isTooLarge, !isTooLargeNow else { return nil }
      value = sum
    }
    return value
  }
}
