/// Events as text: `*` is information, `>` was sent, `<` was received. One line for each header field.
package enum TranscriptFormatter {
  package static func lines(_ event: WireEvent) -> [String] {
    let place = event.stream == 0 ? event.peer : "\(event.peer) #\(event.stream)"
    switch event.kind {
    case .connecting: return ["* \(place) connecting"]
    case .connected: return ["* \(place) connected"]
    case .ended(let reason): return ["* \(place) ended: \(reason)"]
    case .sentHeaders(let headers): return fields(headers, "> \(place)")
    case .receivedHeaders(let headers): return fields(headers, "< \(place)")
    case .sentMessage(let bytes): return ["> \(place) message of \(bytes) bytes"]
    case .receivedData(let bytes): return ["< \(place) data of \(bytes) bytes"]
    case .sentEnd: return ["> \(place) end"]
    case .receivedReset(let code): return ["< \(place) reset \(code)"]
    case .receivedSettings(let streams):
      return ["< \(place) settings" + (streams == .max ? "" : ", at most \(streams) streams")]
    case .receivedGoAway(let last, let code): return ["< \(place) goaway \(code), last stream \(last)"]
    case .sentPing: return ["> \(place) ping"]
    case .sentFrame(let frame): return FrameText.lines(frame).map { "> \(event.peer) \($0)" }
    case .receivedFrame(let frame): return FrameText.lines(frame).map { "< \(event.peer) \($0)" }
    case .finished(let code, let message):
      return ["* \(place) \(code)" + (message.isEmpty ? "" : ": \(oneLine(message))")]
    }
  }

  private static func fields(_ headers: HeaderList, _ prefix: String) -> [String] {
    headers.fields.map { "\(prefix) \($0.name): \(oneLine($0.value))" }
  }

  /// A peer's text must not be able to forge lines or move the cursor.
  private static func oneLine(_ text: String) -> String { SafeText.line(text) }
}
