/// Standard base64 (RFC 4648 §4), as gRPC uses it for `-bin` metadata and Milvus for `authorization`.
package enum Base64 {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The text of `bytes`, with padding unless told otherwise.
  package static func encode(_ bytes: some Collection<UInt8>, padded: Bool = true) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var bits: UInt32 = 0
    var bitCount = 0
    for byte in bytes {
      bits = bits << 8 | UInt32(byte)
      bitCount += 8
      while bitCount >= 6 {
        bitCount -= 6
        text.append(alphabet[Int(bits >> UInt32(bitCount) & 63)])
      }
      bits &= (1 << UInt32(bitCount)) - 1
    }
    if bitCount > 0 { text.append(alphabet[Int(bits << UInt32(6 - bitCount) & 63)]) }
    while padded && text.count % 4 != 0 { text.append(UInt8(ascii: "=")) }
    return String(decoding: text, as: UTF8.self)
  }

  /// The bytes of `text`, padded or not; nil where it is not base64.
  ///
  /// Bits left over in the last character must be zero, so that every value has one spelling (RFC 4648 §3.5).
  package static func decode(_ text: some StringProtocol) -> [UInt8]? { decode(Array(text.utf8).span) }

  /// The same for a text that stands among other bytes.
  package static func decode(bytes text: ArraySlice<UInt8>) -> [UInt8]? { decode(text.span) }

  private static func decode(_ text: Span<UInt8>) -> [UInt8]? {
    guard let digits = digitCount(text) else { return nil }
    // An array without capacity is one that all threads share, and its count would be written.
    if digits == 0 { return [] }
    var bytes = [UInt8](repeating: 0, count: digits * 3 / 4)
    var room = bytes.mutableSpan
    return decode(text, digits, into: &room) ? bytes : nil
  }

  /// Decodes into the beginning of `room`: the number of bytes; nil where it is not base64, or where there is not enough room.
  package static func decode(_ text: Span<UInt8>, into room: inout MutableSpan<UInt8>) -> Int? {
    guard let digits = digitCount(text), digits * 3 / 4 <= room.count else { return nil }
    return decode(text, digits, into: &room) ? digits * 3 / 4 : nil
  }

  /// Without the padding; nil where no text of base64 has so many.
  private static func digitCount(_ text: Span<UInt8>) -> Int? {
    var count = text.count
    if count % 4 == 0 {
      for _ in 0..<2 where count > 0 && text[count - 1] == UInt8(ascii: "=") { count -= 1 }
    }
    return count % 4 == 1 ? nil : count
  }

  /// Two characters have a byte, three have two, four have three: `room` has at least as many.
  private static func decode(_ text: Span<UInt8>, _ digits: Int, into room: inout MutableSpan<UInt8>) -> Bool {
    var bits: UInt32 = 0
    var bitCount: UInt32 = 0
    var count = 0
    for place in 0..<digits {
      guard let value = value(of: text[place]) else { return false }
      bits = bits << 6 | value
      bitCount += 6
      guard bitCount >= 8 else { continue }
      bitCount -= 8
      room[count] = UInt8(truncatingIfNeeded: bits >> bitCount)
      count += 1
      bits &= (1 << bitCount) - 1
    }
    return bits == 0
  }

  private static func value(of digit: UInt8) -> UInt32? {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
