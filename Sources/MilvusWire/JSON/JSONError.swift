/// Why a text is not the JSON that was expected. `description` shows at most one character of the text.
package struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
  package var message: String
  /// Byte offset in the text.
  package var offset: Int
  /// Both count from 1; a column is a byte of its line.
  package var line: Int
  package var column: Int

  init(_ message: String, at offset: Int, in bytes: [UInt8]) {
    let before = bytes.prefix(offset)
    self.message = message
    self.offset = offset
    line = before.count { $0 == UInt8(ascii: "\n") } + 1
    column = before.count - (before.lastIndex(of: UInt8(ascii: "\n")) ?? -1)
  }
  package var description: String { "line \(line), column \(column): \(message)" }
}

/// A member of an object that is missing or of another kind than its reader needs.
package struct JSONFieldError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Dotted, as `tasks[2].name`.
  package var path: String
  package var message: String
  package init(path: String, message: String) {
    self.path = path
    self.message = message
  }
  package var description: String { "\(path): \(message)" }
}
