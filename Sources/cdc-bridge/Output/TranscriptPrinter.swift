internal import MilvusWire

/// Writes what happens on the wire to standard error, as it happens.
struct TranscriptPrinter: WireTracer {
  func record(_ event: WireEvent) {
    Console.error(TranscriptFormatter.lines(event).joined(separator: "\n"))
  }
}
