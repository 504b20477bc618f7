import CDCBridge
import MilvusWire

/// Runners that do nothing but wait, and tell what happened to them.
final class FakeFactory: TaskRunnerFactory {
  struct Started: Sendable, Equatable {
    var taskID: String
    var selection: ObjectSelection
  }
  private struct State {
    var started: [Started] = []
    var running: [String: Int] = [:]
    var mostAtOnce = 0
    var ended: [String] = []
    var stops: [String: TaskStop] = [:]
    var connectFailure: BridgeError?
    var boards: [String: ProgressBoard] = [:]
    var wakers: [String: CheckedContinuation<Void, Never>] = [:]
    var gate: CheckedContinuation<Void, Never>?
    var gateIsClosed = false
    var gateWatchers: [CheckedContinuation<Void, Never>] = []
  }
  private let state = Locked(State())

  var started: [Started] { state.withLock { $0.started } }
  var ended: [String] { state.withLock { $0.ended } }
  var runningCount: Int { state.withLock { $0.running.values.reduce(0, +) } }
  /// More than one: a task ran twice at once.
  var mostAtOnce: Int { state.withLock { $0.mostAtOnce } }
  func failConnections(_ failure: BridgeError?) { state.withLock { $0.connectFailure = failure } }
  /// The runner of this task ends by itself, now or when it starts.
  func stop(_ taskID: String, _ stop: TaskStop) {
    let waker = state.withLock { state in
      state.stops[taskID] = stop
      return state.wakers.removeValue(forKey: taskID)
    }
    waker?.resume()
  }
  func board(_ taskID: String) -> ProgressBoard? { state.withLock { $0.boards[taskID] } }

  /// The next connection check waits until `openGate`.
  func closeGate() { state.withLock { $0.gateIsClosed = true } }
  func waitAtGate() async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        if state.gate != nil { return true }
        state.gateWatchers.append(continuation)
        return false
      }
      if isThere { continuation.resume() }
    }
  }
  func openGate() {
    let waiting = state.withLock { state in
      state.gateIsClosed = false
      defer { state.gate = nil }
      return state.gate
    }
    waiting?.resume()
  }

  func makeRunner(
    taskID: String, spec: TaskSpec, checkpoints: any CheckpointStore, board: ProgressBoard
  ) -> any TaskRunner {
    state.withLock { state in
      state.started.append(Started(taskID: taskID, selection: spec.selection))
      state.boards[taskID] = board
    }
    return Runner(taskID: taskID, factory: self)
  }

  func check(_ connection: ClusterConnection, side: BridgeError.Side) async throws(BridgeError) {
    await withCheckedContinuation { continuation in
      let (passes, watchers) = state.withLock { state in
        guard state.gateIsClosed else { return (true, [CheckedContinuation<Void, Never>]()) }
        state.gate = continuation
        defer { state.gateWatchers = [] }
        return (false, state.gateWatchers)
      }
      for watcher in watchers { watcher.resume() }
      if passes { continuation.resume() }
    }
    if let failure = state.withLock({ $0.connectFailure }) { throw failure }
  }

  func plan(_ spec: TaskSpec) async throws(BridgeError) -> [String] {
    spec.selection.patterns.map { "copy \($0.database).\($0.collection)" }
  }

  private struct Runner: TaskRunner {
    let taskID: String
    let factory: FakeFactory
    func run() async throws(TaskStop) {
      factory.began(taskID)
      defer { factory.finished(taskID) }
      await factory.wait(taskID)
      if let stop = factory.takeStop(taskID) { throw stop }
    }
  }

  private func began(_ taskID: String) {
    state.withLock { state in
      state.running[taskID, default: 0] += 1
      state.mostAtOnce = max(state.mostAtOnce, state.running[taskID] ?? 0)
    }
  }
  private func finished(_ taskID: String) {
    state.withLock { state in
      state.running[taskID, default: 0] -= 1
      state.ended.append(taskID)
    }
  }
  private func takeStop(_ taskID: String) -> TaskStop? {
    state.withLock { $0.stops.removeValue(forKey: taskID) }
  }

  private func wait(_ taskID: String) async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        let isOver = state.withLock { state in
          if Task.isCancelled || state.stops[taskID] != nil { return true }
          state.wakers[taskID] = continuation
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      let waker = state.withLock { $0.wakers.removeValue(forKey: taskID) }
      waker?.resume()
    }
  }
}

/// Records in memory; a test can make every write fail.
final class MemoryTaskStore: TaskStore, CheckpointStore {
  private struct State {
    var records: [String: TaskRecord] = [:]
    var unreadable: [String: String] = [:]
    var checkpoints: [String: [UInt8]] = [:]
    var failure: BridgeError?
    /// Everything ever saved, in order.
    var saved: [TaskRecord] = []
    var watchers: [Watcher] = []
  }
  private struct Watcher {
    var taskID: String
    var isWanted: @Sendable (TaskState) -> Bool
    var continuation: CheckedContinuation<Void, Never>
  }
  private let state = Locked(State())
  init(records: [TaskRecord] = [], unreadable: [String: String] = [:]) {
    state.withLock { state in
      for record in records { state.records[record.taskID] = record }
      state.unreadable = unreadable
    }
  }
  var records: [String: TaskRecord] { state.withLock { $0.records } }
  var saved: [TaskRecord] { state.withLock { $0.saved } }
  func fail(_ failure: BridgeError?) { state.withLock { $0.failure = failure } }

  /// Returns when such a state of the task is stored, which is after it is shown.
  func stored(_ taskID: String, where isWanted: @escaping @Sendable (TaskState) -> Bool) async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLock { state in
        if let found = state.records[taskID]?.state, isWanted(found) { return true }
        state.watchers.append(Watcher(taskID: taskID, isWanted: isWanted, continuation: continuation))
        return false
      }
      if isThere { continuation.resume() }
    }
  }

  func loadAll() async throws(BridgeError) -> [StoredTask] {
    state.withLock { state in
      state.records.values.map { .record($0) }
        + state.unreadable.map { .unreadable(taskID: $0.key, problem: $0.value) }
    }
  }
  func save(_ record: TaskRecord) async throws(BridgeError) {
    try change { state in
      state.records[record.taskID] = record
      state.saved.append(record)
    }
    let ready = state.withLock { state in
      let ready = state.watchers.filter { $0.taskID == record.taskID && $0.isWanted(record.state) }
      state.watchers.removeAll { $0.taskID == record.taskID && $0.isWanted(record.state) }
      return ready.map(\.continuation)
    }
    for continuation in ready { continuation.resume() }
  }
  func removeTask(taskID: String) async throws(BridgeError) {
    try change { state in
      state.records[taskID] = nil
      state.unreadable[taskID] = nil
      state.checkpoints[taskID] = nil
    }
  }
  func load(taskID: String) async throws(BridgeError) -> [UInt8]? {
    state.withLock { $0.checkpoints[taskID] }
  }
  func save(taskID: String, document: [UInt8]) async throws(BridgeError) {
    try change { $0.checkpoints[taskID] = document }
  }
  func remove(taskID: String) async throws(BridgeError) { try change { $0.checkpoints[taskID] = nil } }

  private func change(_ body: (inout State) -> Void) throws(BridgeError) {
    let failure = state.withLock { state in
      if state.failure == nil { body(&state) }
      return state.failure
    }
    if let failure { throw failure }
  }
}

/// A service without sockets: the task API over fake runners and a store in memory.
struct TaskRig {
  /// Runners that no test ended wait to the end of the process; held here they are no leak.
  private static let managers = Locked<[TaskManager]>([])
  let factory = FakeFactory()
  let store: MemoryTaskStore
  let manager: TaskManager
  let api: TaskAPI

  init(
    limits: TaskLimits = TaskLimits(), store: MemoryTaskStore = MemoryTaskStore(),
    source: String? = "http://source:19530", log: Log = Log(sink: { _ in }),
    timekeeper: any Timekeeper = SystemTimekeeper()
  ) throws {
    self.store = store
    manager = TaskManager(
      store: store, checkpoints: store, factory: factory,
      defaultSource: try source.map { ClusterConnection(endpoint: try Endpoint(parsing: $0)) },
      limits: limits,
      timekeeper: timekeeper, log: log, generator: SeededGenerator(seed: 7))
    api = TaskAPI(manager: manager, log: log, timekeeper: timekeeper)
    Self.managers.withLock { [manager] in $0.append(manager) }
  }

  func answer(_ body: String) async -> String {
    JSONWriter().text(of: await api.answer(body: Array(body.utf8)).envelope)
  }
  /// The envelope of a request with this `request_data`.
  func call(_ type: String, _ data: String = "{}") async -> JSONObject {
    let body = "{\"request_type\":\"\(type)\",\"request_data\":\(data)}"
    return await api.answer(body: Array(body.utf8)).envelope.objectValue ?? JSONObject()
  }
  /// `code` and `message` of a refusal without the constant prefix.
  func refusal(_ type: String, _ data: String) async -> String {
    let envelope = await call(type, data)
    let code = envelope["code"]?.int64Value ?? 0
    var message = envelope["message"]?.stringValue ?? "success"
    let prefix = "fail to handle the \(type) request, error: "
    if message.hasPrefix(prefix) { message = String(message.dropFirst(prefix.count)) }
    return "\(code) \(message)"
  }
  func create(_ collections: String = #"[{"name":"a"}]"#, id: String = "", more: String = "") async
    -> JSONObject
  {
    await call(
      "create",
      #"{"milvus_connect_param":{"uri":"http://target:19530"},"collection_infos":\#(collections),"task_id":"\#(id)"\#(more)}"#
    )
  }
  func state(_ taskID: String) async -> TaskState? { await manager.snapshot(taskID: taskID)?.state }
}
