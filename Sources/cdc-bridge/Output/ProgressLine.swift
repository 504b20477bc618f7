internal import CDCBridge
internal import MilvusWire

/// The progress of `sync` on standard error: one line that is redrawn on a terminal, plain lines now and then elsewhere.
struct ProgressLine {
  /// How often a line is written where it cannot be redrawn.
  static let plainInterval = Duration.seconds(5)

  private let isTerminal = StandardStreams.isTerminal(.error)
  private var lastText = ""
  private var lastPhase: TaskProgress.Phase?
  private var lastAt: Duration?
  private var lastError: String?
  /// Why collections that wait do so, as far as it was said.
  private var waiting: [CollectionPath: String] = [:]

  mutating func show(_ reading: ProgressMeter.Reading, progress: TaskProgress, at now: Duration) {
    if let error = progress.lastError, error != lastError { note("! " + error) }
    lastError = progress.lastError
    for collection in progress.collections {
      let why = collection.state == .waiting ? [collection.lastError, collection.hint].compactMap(\.self).joined(separator: ". ") : ""
      if !why.isEmpty, why != waiting[collection.source] { note("! \(collection.source) waits: \(why)") }
      waiting[collection.source] = why
    }
    let text = Self.text(reading, progress: progress)
    if isTerminal {
      if text != lastText { Terminal.redraw(text, on: .error) }
    } else {
      let isDue = lastAt.map { now - $0 >= Self.plainInterval } ?? true
      guard reading.phase != lastPhase || (isDue && text != lastText) else { return }
      Console.error(text)
    }
    (lastText, lastPhase, lastAt) = (text, reading.phase, now)
  }

  /// A line that stays.
  mutating func note(_ line: String) {
    if isTerminal, !lastText.isEmpty { StandardStreams.write("\r\u{1B}[K", to: .error) }
    Console.error(line)
    lastText = ""
  }

  mutating func finish() {
    if isTerminal, !lastText.isEmpty { StandardStreams.write("\n", to: .error) }
    lastText = ""
  }

  static func text(_ reading: ProgressMeter.Reading, progress: TaskProgress) -> String {
    var parts = [reading.phase.rawValue]
    switch reading.phase {
    case .probing: break
    case .copying, .following, .retrying, .stopped:
      let percent = reading.percent.map { "\($0)%" } ?? "-%"
      let total = reading.rowsTotal.map(NumberText.grouped) ?? "?"
      parts.append("\(percent)  \(NumberText.grouped(reading.rowsCopied))/\(total) rows")
      parts.append("\(NumberText.whole(reading.rowsPerSecond)) rows/s")
      parts.append("\(NumberText.tenths(reading.bytesPerSecond / 1e6)) MB/s")
      if let left = reading.secondsLeft { parts.append("ETA \(NumberText.duration(seconds: left))") }
      if let lag = reading.lagMs { parts.append("lag \(NumberText.duration(seconds: Double(lag) / 1000))") }
      parts.append(
        "inserted \(NumberText.grouped(reading.inserted)) updated \(NumberText.grouped(reading.updated)) deleted \(NumberText.grouped(reading.deleted))"
      )
    }
    if reading.phase == .retrying, let at = progress.nextRetryAt {
      parts.append("next try in \(NumberText.duration(seconds: max(0, (at - .now) / .seconds(1))))")
    }
    return parts.joined(separator: "  ")
  }
}
