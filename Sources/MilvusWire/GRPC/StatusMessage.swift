/// Percent-coding of `grpc-message` (gRPC PROTOCOL-HTTP2 "Percent-Encoded").
package enum StatusMessage {
  private static let hexDigits = Array("0123456789ABCDEF".utf8)
  private static let percent = UInt8(ascii: "%")

  /// Bytes outside `%x20-%x24 / %x26-%x7E` become `%XX`.
  package static func encode(_ message: String) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(message.utf8.count)
    for byte in message.utf8 {
      if (0x20...0x7E).contains(byte) && byte != percent {
        text.append(byte)
      } else {
        text += [percent, hexDigits[Int(byte >> 4)], hexDigits[Int(byte & 15)]]
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// Never fails: a `%` that two hex digits do not follow stays as it is, and bytes that are not UTF-8 are replaced
  /// (the specification forbids to lose the message over its coding).
  package static func decode(_ text: String) -> String {
    let coded = Array(text.utf8)
    guard coded.contains(percent) else { return text }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(coded.count)
    var index = 0
    while index < coded.count {
      if coded[index] == percent, index + 2 < coded.count,
        let high = nibble(coded[index + 1]), let low = nibble(coded[index + 2])
      {
        bytes.append(high << 4 | low)
        index += 3
      } else {
        bytes.append(coded[index])
        index += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func nibble(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}
