package import MilvusWire

/// `POST /cdc`: one JSON request, one envelope (`task-api.md` §1). Knows nothing of HTTP but the body and what it answers.
package struct TaskAPI: Sendable {
  /// The documented types, two undocumented ones of the original, and `progress`.
  package enum RequestType: String, Sendable, CaseIterable {
    case create, delete, get, list, maintenance, pause, position, progress, resume
  }
  /// How a request ended, for `milvus_cdc_request_total`.
  package enum Outcome: Sendable, Equatable { case success, refused, malformed }

  package struct Answer: Sendable, Equatable {
    package var envelope: JSONValue
    /// nil: it did not come to a known type.
    package var type: RequestType?
    package var outcome: Outcome
    package var code: Int { envelope.objectValue?["code"]?.int64Value.map { Int($0) } ?? 500 }
  }

  /// A parsed text may cost this much: a body is at most 4 MiB, and nobody writes deep requests.
  private static let limits = JSONParser.Limits(bytesMax: 4 << 20, depthMax: 32, valueCountMax: 200_000)

  let manager: TaskManager
  let log: Log
  let views: TaskViews

  package init(manager: TaskManager, log: Log, timekeeper: any Timekeeper = SystemTimekeeper()) {
    self.manager = manager
    self.log = log
    views = TaskViews(timekeeper: timekeeper)
  }

  package func answer(body: [UInt8]) async -> Answer {
    let type: RequestType
    let data: JSONObject
    do throws(Refusal) {
      (type, data) = try Self.envelope(body)
    } catch {
      return Answer(envelope: Envelope.failure(error.code, error.message), type: nil, outcome: error.outcome)
    }
    let decoder = RequestDecoder()
    let fields = decoder.fields(data)
    do throws(TaskRefusal) {
      guard let result = try await perform(type, fields, decoder) else {
        let problems = decoder.problemText ?? ""
        return Answer(
          envelope: Envelope.failure(500, "fail to decode the \(type.rawValue) request, error: \(problems)"),
          type: type, outcome: .malformed)
      }
      return Answer(envelope: Envelope.success(result), type: type, outcome: .success)
    } catch {
      log.info(
        "request refused",
        ["type": type.rawValue, "code": String(error.code.rawValue), "reason": error.reason])
      let message = "fail to handle the \(type.rawValue) request, error: \(error.reason)"
      return Answer(
        envelope: Envelope.failure(error.code.rawValue, message), type: type, outcome: .refused)
    }
  }

  private struct Refusal: Error {
    var code: Int
    var message: String
    var outcome: Outcome
    static func malformed(_ reason: String) -> Refusal {
      Refusal(code: 500, message: "fail to unmarshal the request, error: \(reason)", outcome: .malformed)
    }
  }

  /// `null` as body or as `request_data` means `{}`.
  private static func envelope(_ body: [UInt8]) throws(Refusal) -> (RequestType, JSONObject) {
    let value: JSONValue
    do { value = try JSONParser.parse(body, limits: limits) } catch { throw .malformed(error.description) }
    guard let request = value.isNull ? JSONObject() : value.objectValue else {
      throw .malformed("expected an object, found \(value.kind)")
    }
    let name = request.member(ignoringCase: "request_type") ?? .null
    guard name.isNull || name.stringValue != nil else {
      throw .malformed("'request_type' expected type 'string', found \(name.kind)")
    }
    let data = request.member(ignoringCase: "request_data") ?? .null
    guard data.isNull || data.objectValue != nil else {
      throw .malformed("'request_data' expected an object, found \(data.kind)")
    }
    guard let type = RequestType(rawValue: name.stringValue ?? "") else {
      let names = RequestType.allCases.map(\.rawValue).sorted().joined(separator: " ")
      throw Refusal(
        code: 400, message: "invalid 'request_type' param, can be set [\(names)]", outcome: .malformed)
    }
    return (type, data.objectValue ?? JSONObject())
  }

  /// nil: the decoder of `fields` has problems; nothing was done.
  private func perform(
    _ type: RequestType, _ fields: RequestDecoder.Fields, _ decoder: RequestDecoder
  ) async throws(TaskRefusal) -> JSONObject? {
    switch type {
    case .create:
      let request = TaskRequest(decoding: fields)
      guard decoder.problems.isEmpty else { return nil }
      return try await create(request)
    case .list:
      return ["tasks": .array(await manager.snapshots().map { .object(views.task($0)) })]
    case .maintenance:
      let operation = fields.string("operation")
      let params = fields.object("params")
      guard decoder.problems.isEmpty else { return nil }
      return ["State": .string(maintain(operation, params?.object ?? JSONObject()))]
    case .get, .pause, .resume, .delete, .position, .progress:
      let taskID = fields.string("task_id")
      let ignoresNotFound = type == .delete && fields.bool("ignore_not_found")
      let stoppedAt = type == .progress ? views.instant(fields, "writes_stopped_at") : nil
      guard decoder.problems.isEmpty else { return nil }
      return try await perform(type, taskID, ignoresNotFound: ignoresNotFound, stoppedAt: stoppedAt)
    }
  }

  private func perform(
    _ type: RequestType, _ taskID: String, ignoresNotFound: Bool, stoppedAt: Int64?
  ) async throws(TaskRefusal) -> JSONObject {
    switch type {
    case .get:
      let view = JSONValue.object(views.task(try await snapshot(taskID)))
      // Documentation and the original disagree on the key; both hold here (`task-api.md` §2.1).
      return ["Task": view, "task": view]
    case .pause: try await manager.pause(taskID: taskID)
    case .resume: try await manager.resume(taskID: taskID)
    case .delete:
      if let note = try await manager.delete(taskID: taskID, ignoreNotFound: ignoresNotFound) { return ["note": .string(note)] }
    case .position:
      let all = await manager.snapshots()
      return views.positions(taskID.isEmpty ? all : all.filter { $0.taskID == taskID })
    case .progress: return views.progressAnswer(try await snapshot(taskID), writesStoppedAt: stoppedAt)
    case .create, .list, .maintenance: preconditionFailure("not a request about one task")
    }
    return JSONObject()
  }

  private func snapshot(_ taskID: String) async throws(TaskRefusal) -> TaskManager.Snapshot {
    guard !taskID.isEmpty else { throw .client("task_id is empty") }
    guard let snapshot = await manager.snapshot(taskID: taskID) else {
      throw .client("not found: [\(taskID)]")
    }
    return snapshot
  }

  private func create(_ request: TaskRequest) async throws(TaskRefusal) -> JSONObject {
    switch try await manager.create(request) {
    case .created(let taskID), .existing(let taskID): return ["task_id": .string(taskID)]
    case .planned(let lines): return ["dry_run": true, "plan": .array(lines.map(JSONValue.string))]
    }
  }

  /// Failures are told in the text, the code stays 200 (`task-api.md` §2.7).
  private func maintain(_ operation: String, _ params: JSONObject) -> String {
    guard operation == "set_log_level" else { return "unsupported operation: \(operation)" }
    let value = params.member(ignoringCase: "log_level") ?? .null
    guard let name = value.stringValue, !name.isEmpty else { return "log_level is required" }
    // The original's levels above error have no counterpart: they mean "errors only".
    let level: Log.Level? =
      switch name.lowercased() {
      case "dpanic", "panic", "fatal": .error
      case "warning": .warning
      default: Log.Level(name: name.lowercased())
      }
    guard let level else { return "parse log level failed: unrecognized level: \(name)" }
    log.level = level
    return "set log level to \(name)"
  }
}
