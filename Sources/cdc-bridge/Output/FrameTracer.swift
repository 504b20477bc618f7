internal import MilvusWire

/// `--trace-frames`: every frame of every connection as lines on standard error, with the time since the command began.
struct FrameTracer: WireTracer {
  private let start = ContinuousClock.now
  var wantsFrames: Bool { true }

  func record(_ event: WireEvent) {
    switch event.kind {
    // The frames say the same.
    case .sentHeaders, .receivedHeaders, .sentMessage, .receivedData, .sentEnd, .receivedReset, .receivedSettings, .receivedGoAway,
      .sentPing:
      return
    case .connecting, .connected, .ended, .finished, .sentFrame, .receivedFrame: break
    }
    let milliseconds = (ContinuousClock.now - start) / .milliseconds(1)
    let time = String(Int64(milliseconds * 10))
    let padded = String(repeating: "0", count: max(0, 2 - time.count)) + time
    for line in TranscriptFormatter.lines(event) {
      Console.error("\(padded.dropLast()).\(padded.suffix(1)) \(line)")
    }
  }
}
