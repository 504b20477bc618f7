internal import MilvusWire

/// Answers of the task API as tables for people.
enum TaskTable {
  static func list(_ tasks: [JSONValue]) -> String {
    guard !tasks.isEmpty else { return "no tasks" }
    var table = TextTable([
      ("TASK", .left), ("STATE", .left), ("PHASE", .left), ("COPIED", .right), ("LAG", .right), ("SOURCE", .left),
      ("TARGET", .left), ("PROBLEM", .left),
    ])
    for task in tasks.compactMap(\.objectValue) {
      let progress = task["progress"]?.objectValue ?? JSONObject()
      table.add([
        text(task["task_id"]), text(task["state"]), text(progress["phase"]), percent(progress), lag(progress),
        text(task["source"]), text(task["target"]), problem(task, progress),
      ])
    }
    return table.lines().joined(separator: "\n")
  }

  static func task(_ task: JSONObject) -> String {
    let progress = task["progress"]?.objectValue ?? JSONObject()
    let capture = text(task["capture"]) + (progress["capture_reason"]?.stringValue.map { $0.isEmpty ? "" : " (\($0))" } ?? "")
    var rows = [
      ("task", text(task["task_id"])), ("state", text(task["state"])), ("reason", text(task["reason"])),
      ("created", text(task["created_at"])), ("source", text(task["source"])), ("target", text(task["target"])),
      ("covers", covers(task)), ("capture", capture), ("apply", text(task["apply"])),
    ]
    rows += progressRows(progress)
    if rows.allSatisfy({ $0.0 != "hint" }) { rows.append(("hint", text(task["hint"]))) }
    return pairs(rows)
  }

  static func progress(_ answer: JSONObject) -> String {
    var rows = [("task", text(answer["task_id"])), ("state", text(answer["state"])), ("reason", text(answer["reason"]))]
    for key in ["copied", "caught_up", "can_cut_over"] {
      rows.append((key, answer[key]?.boolValue == true ? "yes" : "no"))
    }
    var parts = [pairs(rows + progressRows(answer))]
    var table = TextTable([
      ("COLLECTION", .left), ("STATE", .left), ("ROWS", .right), ("INSERTED", .right), ("UPDATED", .right),
      ("DELETED", .right), ("UP TO", .left), ("PROBLEM", .left),
    ])
    let collections = answer["collections"]?.arrayValue?.compactMap(\.objectValue) ?? []
    for collection in collections {
      let names = (text(collection["source"]), text(collection["target"]))
      table.add([
        names.0 == names.1 ? names.0 : "\(names.0) → \(names.1)", text(collection["state"]), rowCount(collection),
        number(collection["inserted"]), number(collection["updated"]), number(collection["deleted"]),
        text(collection["watermark"]), text(collection["last_error"]),
      ])
    }
    if !collections.isEmpty { parts.append(table.lines().joined(separator: "\n")) }
    return parts.joined(separator: "\n\n")
  }

  static func positions(_ positions: [JSONValue]) -> String {
    guard !positions.isEmpty else { return "no positions" }
    var table = TextTable([
      ("TASK", .left), ("COLLECTION", .left), ("CHANNEL", .left), ("TIME", .right), ("TICK", .right), ("MESSAGE", .left),
    ])
    for position in positions.compactMap(\.objectValue) {
      table.add([
        text(position["task_id"]), text(position["collection_name"]), text(position["channel_name"]),
        position["time"]?.numberValue?.text ?? "-", position["tt"]?.numberValue?.text ?? "-", text(position["msg_id"]),
      ])
    }
    return table.lines().joined(separator: "\n")
  }

  // MARK: Cells

  static func percent(_ progress: JSONObject) -> String {
    progress["percent"]?.int64Value.map { "\($0)%" } ?? "-"
  }

  static func lag(_ progress: JSONObject) -> String {
    progress["lag_ms"]?.int64Value.map { NumberText.duration(seconds: Double($0) / 1000) } ?? "-"
  }

  /// Why it is paused, or what it waits out.
  static func problem(_ task: JSONObject, _ progress: JSONObject) -> String {
    task["reason"]?.stringValue ?? progress["last_error"]?.stringValue ?? ""
  }

  private static func progressRows(_ progress: JSONObject) -> [(String, String)] {
    let speed = progress["rows_per_second"]?.int64Value.map { ", \(NumberText.grouped($0)) rows/s" } ?? ""
    let left = progress["eta_seconds"]?.int64Value.map { $0 > 0 ? ", \(NumberText.duration(seconds: Double($0))) left" : "" }
    let written = ["inserted", "updated", "deleted"].map { "\(number(progress[$0])) \($0)" }.joined(separator: ", ")
    let retention = progress["retention_left_seconds"]?.int64Value
    let retry = progress["next_retry_in_ms"]?.int64Value.map {
      "attempt \(number(progress["retry_attempt"])), next in \(NumberText.duration(seconds: Double($0) / 1000))"
    }
    let lost = progress["not_replicated"]?.arrayValue?.compactMap(\.stringValue) ?? []
    return [
      ("phase", text(progress["phase"])), ("rows", "\(rowCount(progress)) (\(percent(progress)))\(speed)\(left ?? "")"),
      ("written", written), ("lag", lag(progress)), ("up to", text(progress["watermark"])),
      ("log kept", retention.map { NumberText.duration(seconds: Double($0)) } ?? "-"),
      ("last error", text(progress["last_error"])), ("retry", retry ?? "-"), ("hint", text(progress["hint"])),
      ("not replicated", lost.isEmpty ? "-" : lost.joined(separator: "; ")),
    ].filter { $0.1 != "-" }
  }

  private static func rowCount(_ object: JSONObject) -> String {
    "\(number(object["rows_copied"]))/\(number(object["rows_total"]))"
  }

  /// `shop.*, default.films`.
  private static func covers(_ task: JSONObject) -> String {
    var names = task["collection_infos"]?.arrayValue?.compactMap { $0.objectValue?["name"]?.stringValue.map { "default.\($0)" } } ?? []
    for (database, collections) in (task["db_collections"]?.objectValue ?? JSONObject()).members {
      names += collections.arrayValue?.compactMap { $0.objectValue?["name"]?.stringValue.map { "\(database).\($0)" } } ?? []
    }
    return names.isEmpty ? "-" : names.joined(separator: ", ")
  }

  /// Rows of a name and a value; what there is nothing to say about is left out.
  private static func pairs(_ rows: [(String, String)]) -> String {
    let rows = rows.filter { $0.1 != "-" && !$0.1.isEmpty }
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { $0.0 + String(repeating: " ", count: width - $0.0.count + 2) + $0.1 }.joined(separator: "\n")
  }

  private static func number(_ value: JSONValue?) -> String { value?.int64Value.map(NumberText.grouped) ?? "-" }
  private static func text(_ value: JSONValue?) -> String { value?.stringValue ?? "-" }
}
