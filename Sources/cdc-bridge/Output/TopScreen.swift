internal import MilvusWire

/// One screen of `top`: all tasks, the ones that need a person first. Pure: what is shown depends on the readings and the size alone.
struct TopScreen {
  /// One look at one task.
  struct Reading: Sendable {
    var task: JSONObject
    /// The `progress` answer, where it was asked for.
    var progress: JSONObject?
    /// Any monotonic clock.
    var at: Duration
  }

  /// Smaller screens get the same lines, cut off.
  static let columnsMin = 40
  static let rowsMin = 8

  private var earlier: [String: Reading] = [:]

  /// At most `rows` lines of at most `columns` characters each. Speeds are those since the look before.
  mutating func lines(_ readings: [Reading], service: String, clock: String, columns: Int, rows: Int) -> [String] {
    let columns = max(Self.columnsMin, columns)
    let rows = max(Self.rowsMin, rows)
    var lines = [head(readings, service: service, clock: clock), ""]
    var table = TextTable([
      ("TASK", .left), ("PHASE", .left), ("COPIED", .right), ("ROWS/S", .right), ("MB/S", .right), ("LAG", .right),
      ("KEPT", .right), ("PROBLEM", .left),
    ])
    let sorted = readings.enumerated().sorted { (Self.rank($0.element), $0.offset) < (Self.rank($1.element), $1.offset) }
    let shown = sorted.prefix(rows - lines.count - 2).map(\.element)
    for reading in shown { table.add(cells(reading)) }
    lines += table.lines()
    let hidden = readings.count - shown.count
    if hidden > 0 { lines.append("… \(hidden) more") }
    if readings.isEmpty { lines.append("no tasks") }
    earlier = Dictionary(readings.map { (Self.id($0), $0) }) { $1 }
    return lines.prefix(rows).map { TextTable.clipped($0, columns) }
  }

  private func head(_ readings: [Reading], service: String, clock: String) -> String {
    var counts: [(String, Int)] = []
    for reading in readings {
      let phase = Self.phase(reading)
      if let known = counts.firstIndex(where: { $0.0 == phase }) { counts[known].1 += 1 } else { counts.append((phase, 1)) }
    }
    let phases = counts.sorted { $0.0 < $1.0 }.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
    return "cdc-bridge \(service)  \(clock)  \(readings.count) task\(readings.count == 1 ? "" : "s")\(phases.isEmpty ? "" : ": \(phases)")"
  }

  private func cells(_ reading: Reading) -> [String] {
    let progress = reading.progress ?? reading.task["progress"]?.objectValue ?? JSONObject()
    let speed = speed(reading)
    let kept = progress["retention_left_seconds"]?.int64Value.map { NumberText.duration(seconds: Double($0)) } ?? "-"
    return [
      TextTable.clipped(Self.id(reading), 20), Self.phase(reading), TaskTable.percent(progress),
      speed.map { NumberText.whole($0.rows) } ?? "-", speed.map { NumberText.tenths($0.bytes / 1e6) } ?? "-",
      TaskTable.lag(progress), kept, TaskTable.problem(reading.task, progress),
    ]
  }

  /// Rows written and their bytes for each second since the look before; nil at the first look, and after a restart of the task.
  private func speed(_ reading: Reading) -> (rows: Double, bytes: Double)? {
    guard let before = earlier[Self.id(reading)], let now = reading.progress, let then = before.progress else { return nil }
    let seconds = (reading.at - before.at) / .seconds(1)
    let rows = Self.rowsWritten(now) &- Self.rowsWritten(then)
    let bytes = Self.bytesWritten(now) &- Self.bytesWritten(then)
    guard seconds > 0, rows >= 0, bytes >= 0 else { return nil }
    return (Double(rows) / seconds, Double(bytes) / seconds)
  }

  private static func rowsWritten(_ progress: JSONObject) -> Int64 {
    ["inserted", "updated", "deleted"].reduce(0) { $0 &+ (progress[$1]?.int64Value ?? 0) }
  }
  private static func bytesWritten(_ progress: JSONObject) -> Int64 {
    (progress["collections"]?.arrayValue ?? []).reduce(0) { $0 &+ ($1.objectValue?["bytes_written"]?.int64Value ?? 0) }
  }

  /// Stopped by a failure, retrying, copying, the rest, paused by hand.
  private static func rank(_ reading: Reading) -> Int {
    switch phase(reading) {
    case "stopped": 0
    case "retrying": 1
    case "probing", "copying": 2
    case "paused": 4
    default: 3
    }
  }

  private static func id(_ reading: Reading) -> String { reading.task["task_id"]?.stringValue ?? "-" }

  /// A task that somebody paused is not one that stopped.
  private static func phase(_ reading: Reading) -> String {
    let progress = reading.progress ?? reading.task["progress"]?.objectValue
    let phase = progress?["phase"]?.stringValue ?? "-"
    guard reading.task["state"]?.stringValue == "Paused" else { return phase }
    return reading.task["reason"]?.stringValue == "manually pause through http interface" ? "paused" : "stopped"
  }
}
