internal import MilvusWire

/// What a terminal can do.
enum Terminal {
  /// Whether lines may be drawn again: a terminal that is not said to be dumb.
  static func canRedraw(_ stream: StandardStreams.Stream, _ environment: [String: String]) -> Bool {
    StandardStreams.isTerminal(stream) && environment["TERM"] != "dumb"
  }

  /// Writes a line over the one before. It never fills the last column: a line that wraps cannot be drawn over.
  static func redraw(_ line: String, on stream: StandardStreams.Stream) {
    let columns = StandardStreams.terminalSize(stream)?.columns ?? 80
    StandardStreams.write("\r\u{1B}[K" + TextTable.clipped(line, columns - 1), to: stream)
  }
}
