internal import MilvusWire

/// A server's words without the row values that they may quote (`design.md` §7, guarantee 6).
enum RedactedText {
  private static let charactersMax = 160

  /// Quoted parts and numbers are left out; the rest is cut to one line. An apostrophe within a word is no quote; a backslash within
  /// quotes takes the next character along.
  static func of(_ text: String) -> String {
    var out = ""
    var quote: Character?
    var isEscaped = false
    var last: Character = " "
    for character in text {
      defer { last = character }
      if let open = quote {
        if isEscaped {
          isEscaped = false
        } else if character == "\\" {
          isEscaped = true
        } else if character == open {
          quote = nil
        }
        continue
      }
      if character == "\"" || character == "`" || (character == "'" && !last.isLetter) {
        quote = character
        out += "…"
      } else if character.isNumber {
        if !last.isNumber { out += "N" }
      } else {
        out.append(character.isNewline ? " " : character)
      }
      if out.count >= charactersMax { return out + "…" }
    }
    return out
  }
}

extension CallError {
  /// Calls that carry rows or keys, which a refusal may quote.
  private static let rowMethods: Set<String> = ["Insert", "Upsert", "Delete", "Query", "Search"]

  /// The description, safe for logs and views: what a server says about rows comes without them.
  var shown: String {
    switch self {
    case .status(let status, let method) where Self.rowMethods.contains(method):
      return "\(method): Milvus code \(status.decidingCode): \(RedactedText.of(status.reason))"
    case .rpc(var error, let method) where Self.rowMethods.contains(method) && error.initiator == .remote:
      error.message = RedactedText.of(error.message)
      return "\(method): \(error)"
    case .rpc, .status, .malformed: return description
    }
  }
}
