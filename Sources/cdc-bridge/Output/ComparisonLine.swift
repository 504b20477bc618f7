internal import CDCBridge
internal import MilvusWire
internal import Synchronization

/// Where a comparison stands, redrawn in place on a terminal; silent elsewhere, so that a script reads nothing but the report.
final class ComparisonLine: Sendable {
  private let isTerminal = StandardStreams.isTerminal(.error)
  private let shown = Mutex<(text: String, at: ContinuousClock.Instant?)>(("", nil))

  /// At most ten times a second.
  func show(_ progress: ComparisonProgress) {
    guard isTerminal else { return }
    var text = "comparing \(progress.collectionsDone + 1)/\(progress.collectionsTotal)  \(progress.collection)"
    if let partition = progress.partition { text += " (\(partition))" }
    text += "  \(NumberText.grouped(progress.rowsRead))"
    if let total = progress.rowsTotal { text += "/\(NumberText.grouped(total))" }
    text += " rows"
    let isDue = shown.withLock { last in
      if let at = last.at, at.duration(to: .now) < .milliseconds(100) { return false }
      last = (text, .now)
      return true
    }
    if isDue { Terminal.redraw(text, on: .error) }
  }

  func finish() {
    let wasShown = shown.withLock { !$0.text.isEmpty }
    if wasShown { StandardStreams.write("\r\u{1B}[K", to: .error) }
  }
}
