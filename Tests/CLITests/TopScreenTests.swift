import MilvusWire
import Testing

@testable import cdc_bridge

/// What `top` draws, without a terminal.
@Suite struct TopScreenTests {
  private func reading(
    _ id: String, phase: String, at seconds: Int = 0, inserted: Int64 = 0, bytes: Int64 = 0, error: String? = nil,
    reason: String? = nil
  ) -> TopScreen.Reading {
    var task: JSONObject = ["task_id": .string(id), "state": reason == nil ? "Running" : "Paused"]
    if let reason { task["reason"] = .string(reason) }
    let progress: JSONObject = [
      "phase": .string(phase), "percent": 50, "inserted": .int(inserted), "updated": 0, "deleted": 0, "lag_ms": 1500,
      "retention_left_seconds": 540, "last_error": .text(error), "collections": [["bytes_written": .int(bytes)]],
    ]
    task["progress"] = .object(progress)
    return TopScreen.Reading(task: task, progress: reason == nil ? progress : nil, at: .seconds(seconds))
  }

  @Test func speedIsMeasuredBetweenTwoLooks() {
    var screen = TopScreen()
    let first = screen.lines([reading("a", phase: "copying")], service: "S", clock: "C", columns: 80, rows: 24)
    #expect(first[0] == "cdc-bridge S  C  1 task: 1 copying")
    #expect(first[2] == "TASK  PHASE    COPIED  ROWS/S  MB/S    LAG       KEPT  PROBLEM")
    #expect(first[3] == "a     copying     50%       -     -  1.5 s  9 min 0 s")
    let second = screen.lines(
      [reading("a", phase: "copying", at: 2, inserted: 30_000, bytes: 5_000_000)], service: "S", clock: "C", columns: 80,
      rows: 24)
    #expect(second[3] == "a     copying     50%  15,000   2.5  1.5 s  9 min 0 s")
    // A restarted task counts from zero again: no speed is better than a wrong one.
    let third = screen.lines(
      [reading("a", phase: "copying", at: 4, inserted: 10)], service: "S", clock: "C", columns: 80, rows: 24)
    #expect(third[3].contains("   -     -"))
  }

  @Test func whoNeedsAPersonComesFirst() {
    var screen = TopScreen()
    let lines = screen.lines(
      [
        reading("following", phase: "following"), reading("mine", phase: "stopped", reason: "manually pause through http interface"),
        reading("copying", phase: "copying"), reading("broken", phase: "stopped", reason: "the schema differs"),
        reading("retrying", phase: "retrying", error: "connection refused"),
      ], service: "S", clock: "C", columns: 120, rows: 24)
    #expect(lines[3...].map { String($0.prefix { $0 != " " }) } == ["broken", "retrying", "copying", "following", "mine"])
    #expect(lines[3].hasSuffix("the schema differs"))
    #expect(lines[4].hasSuffix("connection refused"))
    #expect(lines[7].contains("paused"))
  }

  @Test(arguments: [(80, 24), (40, 8), (1, 1), (500, 100)])
  func itFitsTheScreen(columns: Int, rows: Int) {
    var screen = TopScreen()
    let readings = (0..<100).map {
      reading("task-\($0)-with-a-long-name", phase: "retrying", error: String(repeating: "x", count: 300) + "\u{1B}[2J\n")
    }
    let lines = screen.lines(readings, service: "http://service:8444", clock: "C", columns: columns, rows: rows)
    #expect(lines.count <= max(rows, TopScreen.rowsMin))
    #expect(lines.allSatisfy { $0.count <= max(columns, TopScreen.columnsMin) })
    #expect(!lines.joined().contains("\u{1B}") && !lines.joined().contains("\n"))
    if rows < 100 { #expect(lines.last?.hasSuffix(" more") == true) }
  }

  @Test func noTasksAreSaid() {
    var screen = TopScreen()
    #expect(screen.lines([], service: "S", clock: "C", columns: 80, rows: 24).last == "no tasks")
  }
}

@Suite struct TaskTableTests {
  @Test func whatATaskCoversIsNamedTheSameInBothFormsOfARequest() {
    let infos = TaskTable.task(["task_id": "t", "collection_infos": [["name": "films"]]])
    let databases = TaskTable.task(["task_id": "t", "db_collections": ["default": [["name": "films"]]]])
    #expect(infos == databases)
    #expect(infos.contains("default.films"))
  }

  @Test func tasksAreATable() {
    let task: JSONValue = [
      "task_id": "8a1f", "state": "Running", "source": "a:1", "target": "b:2",
      "progress": ["phase": "retrying", "percent": 12, "lag_ms": 250, "last_error": "connection refused\nforged"],
    ]
    #expect(
      TaskTable.list([task]) == """
        TASK  STATE    PHASE     COPIED     LAG  SOURCE  TARGET  PROBLEM
        8a1f  Running  retrying     12%  250 ms  a:1     b:2     connection refused forged
        """)
    #expect(TaskTable.list([]) == "no tasks")
  }

  @Test func progressIsNamedValuesAndATable() {
    let answer: JSONObject = [
      "task_id": "t", "state": "Running", "copied": true, "caught_up": false, "can_cut_over": false, "phase": "copying",
      "rows_copied": 1200, "rows_total": 5000, "percent": 24, "rows_per_second": 800, "eta_seconds": 5, "inserted": 1200,
      "updated": 0, "deleted": 0, "lag_ms": nil, "not_replicated": ["users"],
      "collections": [
        [
          "source": "default.a", "target": "default.b", "state": "copying", "rows_copied": 1200, "rows_total": 5000,
          "inserted": 1200, "updated": 0, "deleted": 0, "watermark": nil, "last_error": nil,
        ]
      ],
    ]
    #expect(
      TaskTable.progress(answer) == """
        task            t
        state           Running
        copied          yes
        caught_up       no
        can_cut_over    no
        phase           copying
        rows            1,200/5,000 (24%), 800 rows/s, 5.0 s left
        written         1,200 inserted, 0 updated, 0 deleted
        not replicated  users

        COLLECTION             STATE           ROWS  INSERTED  UPDATED  DELETED  UP TO  PROBLEM
        default.a → default.b  copying  1,200/5,000     1,200        0        0  -      -
        """)
  }
}
