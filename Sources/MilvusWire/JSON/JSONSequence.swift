/// JSON values one after another, in lines or over several, as they arrive (JSON Lines is one form of it).
///
/// Bytes go in, in pieces of any size; values come out as soon as their last byte is here. An object or array ends with its bracket, any other
/// value with the space behind it or the end of the input. Errors count lines from the start of the input.
package struct JSONSequence {
  private var bytes: [UInt8] = []
  /// Everything before it was taken.
  private var start = 0
  /// Everything before it was looked at.
  private var position = 0
  private var depth = 0
  private var isInText = false
  private var isEscaped = false
  private var isAtEnd = false
  /// Where `start` is in the input; both count from 1.
  private var line = 1
  private var column = 1
  private let limits: JSONParser.Limits

  package init(limits: JSONParser.Limits = JSONParser.Limits(refusesRepeatedKeys: true)) { self.limits = limits }

  package mutating func append(_ more: some Sequence<UInt8>) {
    if start > 0 {
      bytes.removeFirst(start)
      position -= start
      start = 0
    }
    bytes.append(contentsOf: more)
  }

  /// Says that nothing follows.
  package mutating func finish() { isAtEnd = true }

  /// The next value; nil where more bytes are needed, or nothing is left.
  package mutating func next() throws(JSONError) -> JSONValue? {
    skipSpace()
    guard start < bytes.count else { return nil }
    guard let end = end() else {
      guard bytes.count - start <= limits.bytesMax else {
        throw moved(JSONError("the value is longer than \(limits.bytesMax) bytes", at: 0, in: []))
      }
      return nil
    }
    let text = Array(bytes[start..<end])
    let value: JSONValue
    do throws(JSONError) { value = try JSONParser.parse(text, limits: limits) } catch { throw moved(error) }
    advance(to: end)
    return value
  }

  private mutating func skipSpace() {
    guard position == start else { return }
    while position < bytes.count, Self.isSpace(bytes[position]) { position += 1 }
    advance(to: position)
  }

  private mutating func advance(to end: Int) {
    for byte in bytes[start..<end] {
      if byte == 0x0A { (line, column) = (line + 1, 1) } else { column += 1 }
    }
    (start, position) = (end, end)
    (depth, isInText, isEscaped) = (0, false, false)
  }

  /// Where the value that begins at `start` ends.
  private mutating func end() -> Int? {
    while position < bytes.count {
      let byte = bytes[position]
      if isInText {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isInText = false
          if depth == 0 { return position + 1 }
        }
      } else {
        switch byte {
        case UInt8(ascii: "\""): isInText = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
          depth -= 1
          if depth <= 0 { return position + 1 }
        default:
          if depth == 0, Self.isSpace(byte) { return position }
        }
      }
      position += 1
    }
    return isAtEnd ? bytes.count : nil
  }

  /// An error of a value as an error of the input.
  private func moved(_ error: JSONError) -> JSONError {
    var moved = error
    if moved.line == 1 { moved.column += column - 1 }
    moved.line += line - 1
    return moved
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }
}
