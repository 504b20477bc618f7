/// Writes a tree as JSON text.
package struct JSONWriter: Sendable {
  /// `fitted` is `pretty` with every array and object on one line that fits there, which is what people read.
  package enum Layout: Sendable { case compact, pretty, fitted }
  /// Where a line of `fitted` ends.
  private static let fittedColumns = 100
  package var layout: Layout
  /// `<`, `>`, `&`, U+2028 and U+2029 as `\u003c` …: safe inside a page, and what the task API answers (`task-api.md` §1.3).
  package var escapesForHTML: Bool

  package init(layout: Layout = .compact, escapesForHTML: Bool = false) {
    self.layout = layout
    self.escapesForHTML = escapesForHTML
  }

  package func bytes(of value: JSONValue) -> [UInt8] {
    var out: [UInt8] = []
    append(value, to: &out, indent: 0)
    return out
  }
  package func text(of value: JSONValue) -> String { String(decoding: bytes(of: value), as: UTF8.self) }

  private func append(_ value: JSONValue, to out: inout [UInt8], indent: Int) {
    switch value {
    case .null: out.append(contentsOf: "null".utf8)
    case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
    case .number(let number): out.append(contentsOf: number.text.utf8)
    case .string(let text): append(text, to: &out)
    case .array, .object:
      if layout == .fitted, let line = oneLine(value, columns: Self.fittedColumns - lineLength(out)) {
        out.append(contentsOf: line)
      } else {
        appendTree(value, to: &out, indent: indent)
      }
    }
  }

  private func appendTree(_ value: JSONValue, to out: inout [UInt8], indent: Int) {
    switch value {
    case .null, .bool, .number, .string: append(value, to: &out, indent: indent)
    case .array(let elements):
      appendList(elements, open: "[", close: "]", to: &out, indent: indent) { element, out in
        append(element, to: &out, indent: indent + 1)
      }
    case .object(let object):
      appendList(Array(object.members), open: "{", close: "}", to: &out, indent: indent) { member, out in
        append(member.key, to: &out)
        out.append(contentsOf: (layout == .compact ? ":" : ": ").utf8)
        append(member.value, to: &out, indent: indent + 1)
      }
    }
  }

  private func appendList<Element>(
    _ elements: [Element], open: Unicode.Scalar, close: Unicode.Scalar, to out: inout [UInt8], indent: Int,
    appendElement: (Element, inout [UInt8]) -> Void
  ) {
    out.append(UInt8(ascii: open))
    for (position, element) in elements.enumerated() {
      if position > 0 { out.append(UInt8(ascii: ",")) }
      breakLine(&out, indent: indent + 1)
      appendElement(element, &out)
    }
    if !elements.isEmpty { breakLine(&out, indent: indent) }
    out.append(UInt8(ascii: close))
  }

  /// The bytes since the last line break.
  private func lineLength(_ out: [UInt8]) -> Int {
    out.count - (out.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0)
  }

  /// `{"a": 1, "b": [2, 3]}`; nil as soon as it is longer than `columns`, so that a large tree costs little. A comma may follow.
  private func oneLine(_ value: JSONValue, columns: Int) -> [UInt8]? {
    var line: [UInt8] = []
    return appendOneLine(value, to: &line, columns: columns - 1) ? line : nil
  }

  private func appendOneLine(_ value: JSONValue, to line: inout [UInt8], columns: Int) -> Bool {
    switch value {
    case .null, .bool, .number: append(value, to: &line, indent: 0)
    case .string(let text):
      // A long text is not written only to be thrown away.
      guard text.utf8.count <= columns else { return false }
      append(text, to: &line)
    case .array(let elements):
      line.append(UInt8(ascii: "["))
      for (position, element) in elements.enumerated() {
        if position > 0 { line.append(contentsOf: ", ".utf8) }
        guard appendOneLine(element, to: &line, columns: columns), line.count <= columns else { return false }
      }
      line.append(UInt8(ascii: "]"))
    case .object(let object):
      line.append(UInt8(ascii: "{"))
      for (position, member) in object.members.enumerated() {
        if position > 0 { line.append(contentsOf: ", ".utf8) }
        append(member.key, to: &line)
        line.append(contentsOf: ": ".utf8)
        guard appendOneLine(member.value, to: &line, columns: columns), line.count <= columns else { return false }
      }
      line.append(UInt8(ascii: "}"))
    }
    return line.count <= columns
  }

  private func breakLine(_ out: inout [UInt8], indent: Int) {
    guard layout != .compact else { return }
    out.append(0x0A)
    out.append(contentsOf: repeatElement(0x20, count: indent * 2))
  }

  private func append(_ text: String, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): out.append(contentsOf: "\\\"".utf8)
      case UInt8(ascii: "\\"): out.append(contentsOf: "\\\\".utf8)
      case 0x0A: out.append(contentsOf: "\\n".utf8)
      case 0x0D: out.append(contentsOf: "\\r".utf8)
      case 0x09: out.append(contentsOf: "\\t".utf8)
      case 0..<0x20: appendEscape(byte, to: &out)
      case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"):
        if escapesForHTML { appendEscape(byte, to: &out) } else { out.append(byte) }
      case 0xA8, 0xA9:
        // U+2028 and U+2029 are E2 80 A8 and E2 80 A9; no other character ends in these three bytes.
        if escapesForHTML, out.suffix(2).elementsEqual([0xE2, 0x80]) {
          out.removeLast(2)
          out.append(contentsOf: (byte == 0xA8 ? "\\u2028" : "\\u2029").utf8)
        } else {
          out.append(byte)
        }
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }

  private func appendEscape(_ byte: UInt8, to out: inout [UInt8]) {
    let digits = String(byte, radix: 16)
    out.append(contentsOf: (byte < 16 ? "\\u000" : "\\u00").utf8)
    out.append(contentsOf: digits.utf8)
  }
}
