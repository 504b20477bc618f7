internal import MilvusWire

/// Lines for a person or a script: results on standard output, everything else on standard error.
enum Console {
  static func print(_ line: String) { write(line + "\n") }
  static func error(_ line: String) { StandardStreams.write(line + "\n", to: .error) }
  /// Text that ends its own lines.
  static func write(_ text: String) { StandardStreams.write(text, to: .output) }
}
