internal import MilvusWire

/// What the service tells an operator: one line per event on standard error, as text or as JSON.
///
/// Callers pass no credential and no row value; addresses are printed without user information. The same message is written at most
/// `repeatCountMax` times a minute, then its next line says how many were left out.
package final class Log: Sendable {
  package enum Level: Int, Sendable, Comparable, CaseIterable {
    case debug, info, warning, error
    package var name: String {
      switch self {
      case .debug: "debug"
      case .info: "info"
      case .warning: "warn"
      case .error: "error"
      }
    }
    package init?(name: String) {
      guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
      self = level
    }
    package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
  }
  package enum Format: String, Sendable, CaseIterable { case text, json }

  private struct Repeats {
    var windowStart: Duration
    var count = 0
  }
  private static let repeatCountMax = 20
  private static let repeatWindow: Duration = .seconds(60)
  /// Messages are constant texts of ours; more different ones than this would be a mistake.
  private static let messageCountMax = 1000

  private let format: Format
  private let timekeeper: any Timekeeper
  private let sink: @Sendable (String) -> Void
  private let currentLevel: Locked<Level>
  private let repeats = Locked<[String: Repeats]>([:])

  package init(
    level: Level = .info, format: Format = .text, timekeeper: any Timekeeper = SystemTimekeeper(),
    sink: @escaping @Sendable (String) -> Void = { StandardStreams.write($0 + "\n", to: .error) }
  ) {
    currentLevel = Locked(level)
    self.format = format
    self.timekeeper = timekeeper
    self.sink = sink
  }

  package var level: Level {
    get { currentLevel.withLock { $0 } }
    set { currentLevel.withLock { $0 = newValue } }
  }

  package func debug(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
    write(.debug, message, fields)
  }
  package func info(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
    write(.info, message, fields)
  }
  package func warning(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
    write(.warning, message, fields)
  }
  package func error(_ message: String, _ fields: KeyValuePairs<String, String> = [:]) {
    write(.error, message, fields)
  }

  private func write(_ level: Level, _ message: String, _ fields: KeyValuePairs<String, String>) {
    guard level >= self.level, let leftOut = admit(message) else { return }
    var pairs = fields.filter { !$0.value.isEmpty }.map { ($0.key, $0.value) }
    if leftOut > 0 { pairs.append(("repeats_left_out", String(leftOut))) }
    let time = CivilTime(unixMilliseconds: timekeeper.unixMilliseconds).rfc3339
    switch format {
    case .json:
      let object = JSONObject(
        [("time", .string(time)), ("level", .string(level.name)), ("message", .string(message))]
          + pairs.map { ($0.0, .string($0.1)) })
      sink(JSONWriter().text(of: .object(object)))
    case .text:
      let tail = pairs.map { " \($0.0)=\(Self.quoted($0.1))" }.joined()
      sink("\(time) \(level.name.uppercased()) \(Self.oneLine(message))\(tail)")
    }
  }

  /// How many lines with this message were left out before this one; nil: this one is left out too.
  private func admit(_ message: String) -> Int? {
    let now = timekeeper.now
    return repeats.withLock { repeats in
      if repeats.count >= Self.messageCountMax { repeats.removeAll() }
      var entry = repeats[message] ?? Repeats(windowStart: now)
      var leftOut = 0
      if now - entry.windowStart >= Self.repeatWindow {
        leftOut = max(0, entry.count - Self.repeatCountMax)
        entry = Repeats(windowStart: now)
      }
      entry.count += 1
      repeats[message] = entry
      return entry.count <= Self.repeatCountMax ? leftOut : nil
    }
  }

  /// Control characters cannot forge a line.
  private static func oneLine(_ text: String) -> String {
    String(text.map { $0.isNewline || $0.unicodeScalars.contains { $0.value < 0x20 } ? " " : $0 })
  }
  private static func quoted(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy {
      $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=")
    }
    return isPlain ? text : JSONWriter().text(of: .string(text))
  }
}
