package import MilvusWire

/// What is stored of one task. Version 1, JSON, secrets included: the file is readable by its owner only.
///
/// ```
/// {"version": 1, "task_id": "…", "sequence": 3, "created_at_ms": 1795228420123, "state": "Paused",
///  "pause": {"cause": "manual", "reason": "…", "hint": null}, "is_deleted": false,
///  "excluded": [{"database": "default", "collection": "films"}], "request": {…as create…}}
/// ```
package struct TaskRecord: Sendable, Equatable {
  package static let version: Int64 = 1

  package var taskID: String
  /// Creation order, also between tasks of one millisecond.
  package var sequence: Int64
  package var createdAtUnixMs: Int64
  package var state: TaskState
  package var request: TaskRequest
  /// What other tasks had when this one was created; fixed then (`task-api.md` §2.5).
  package var excluded: [ObjectSelection.Pattern]
  /// True from the moment a delete is accepted until everything of the task is removed.
  package var isDeleted = false

  package init(
    taskID: String, sequence: Int64, createdAtUnixMs: Int64, state: TaskState, request: TaskRequest,
    excluded: [ObjectSelection.Pattern]
  ) {
    self.taskID = taskID
    self.sequence = sequence
    self.createdAtUnixMs = createdAtUnixMs
    self.state = state
    self.request = request
    self.excluded = excluded
  }

  package var document: [UInt8] {
    var object = JSONObject([
      ("version", .int(Self.version)), ("task_id", .string(taskID)), ("sequence", .int(sequence)),
      ("created_at_ms", .int(createdAtUnixMs)), ("state", .string(state.name)),
      ("is_deleted", .bool(isDeleted)),
      (
        "excluded",
        .array(excluded.map { ["database": .string($0.database), "collection": .string($0.collection)] })
      ),
      ("request", .object(request.json(revealingSecrets: true))),
    ])
    if let pause = state.pause {
      object["pause"] = [
        "cause": .string(pause.cause.rawValue), "reason": .string(pause.reason), "hint": .text(pause.hint),
      ]
    }
    return JSONWriter(layout: .pretty).bytes(of: .object(object)) + [0x0A]
  }

  /// Throws a text that names what is wrong, without values.
  package init(document: [UInt8]) throws(JSONFieldError) {
    let value: JSONValue
    do { value = try JSONParser.parse(document) } catch {
      throw JSONFieldError(path: "document", message: error.description)
    }
    let fields = try JSONFields(value)
    let version = try fields.int64("version")
    guard version == Self.version else {
      throw JSONFieldError(path: "version", message: "is \(version), this build reads \(Self.version)")
    }
    taskID = try fields.string("task_id")
    sequence = try fields.int64("sequence")
    createdAtUnixMs = try fields.int64("created_at_ms")
    isDeleted = try fields.bool("is_deleted")
    state = try Self.state(fields)
    excluded = try fields.fieldsList("excluded").map { (entry) throws(JSONFieldError) in
      ObjectSelection.Pattern(
        database: try entry.string("database"), collection: try entry.string("collection"))
    }
    let decoder = RequestDecoder()
    request = TaskRequest(decoding: decoder.fields(try fields.fields("request").object))
    if let problem = decoder.problems.first { throw JSONFieldError(path: "request", message: problem) }
  }

  private static func state(_ fields: JSONFields) throws(JSONFieldError) -> TaskState {
    switch try fields.string("state") {
    case TaskState.initial.name: return .initial
    case TaskState.running.name: return .running
    case "Paused":
      let pause = try fields.fields("pause")
      guard let cause = TaskPause.Cause(rawValue: try pause.string("cause")) else {
        throw JSONFieldError(path: "pause.cause", message: "is none this build knows")
      }
      return .paused(
        TaskPause(cause: cause, reason: try pause.string("reason"), hint: try pause.optionalString("hint")))
    default: throw JSONFieldError(path: "state", message: "is none this build knows")
    }
  }
}
