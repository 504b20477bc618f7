package import MilvusWire

/// All tasks of the service: their records, their states and the runners of those that are Running.
///
/// Every change is durable before it is answered. Changes of one task are made one after another; changes of different tasks do not wait
/// for each other. A task has at most one runner: pausing, deleting and shutting down await its end. A task that is paused or deleted has
/// none and costs nothing.
package actor TaskManager {
  /// What `create` did.
  package enum Creation: Sendable, Equatable {
    case created(taskID: String)
    /// The id was known; nothing was compared or changed.
    case existing(taskID: String)
    /// `dry_run`.
    case planned([String])
  }

  struct Entry {
    /// nil: the stored record cannot be read; `unreadable` says why.
    var record: TaskRecord?
    var unreadable: String?
    var board = ProgressBoard()
    var run: Task<Void, Never>?
    /// Which run is current; the end of an older one says nothing.
    var runNumber = 0
    var startedAt: Duration = .zero
    var isBusy = false
  }

  let limits: TaskLimits
  private let store: any TaskStore
  private let checkpoints: any CheckpointStore
  private let factory: any TaskRunnerFactory
  private let defaultSource: ClusterConnection?
  let timekeeper: any Timekeeper
  private let log: Log
  private var generator: any RandomNumberGenerator & Sendable
  private(set) var entries: [String: Entry] = [:]
  private var waiters: [String: [CheckedContinuation<Void, Never>]] = [:]
  private var nextSequence: Int64 = 1
  private var isShuttingDown = false

  package init(
    store: any TaskStore, checkpoints: any CheckpointStore, factory: any TaskRunnerFactory,
    defaultSource: ClusterConnection?, limits: TaskLimits = TaskLimits(),
    timekeeper: any Timekeeper = SystemTimekeeper(), log: Log,
    generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
  ) {
    self.store = store
    self.checkpoints = checkpoints
    self.factory = factory
    self.defaultSource = defaultSource
    self.limits = limits
    self.timekeeper = timekeeper
    self.log = log
    self.generator = generator
  }

  // MARK: Start and end

  /// Reads what is stored and starts what must run. Called once, before anything else.
  package func open() async throws(BridgeError) {
    for stored in try await store.loadAll() {
      switch stored {
      case .unreadable(let taskID, let problem):
        log.error("a task cannot be read; it is kept as it is", ["task_id": taskID, "problem": problem])
        entries[taskID] = Entry(record: nil, unreadable: problem)
      case .record(let record) where record.isDeleted:
        try await store.removeTask(taskID: record.taskID)
      case .record(let record):
        nextSequence = max(nextSequence, record.sequence &+ 1)
        entries[record.taskID] = Entry(record: record)
      }
    }
    for record in entries.values.compactMap(\.record).sorted(by: { $0.sequence < $1.sequence }) {
      await restart(record)
    }
  }

  private func restart(_ record: TaskRecord) async {
    switch record.state.processRestarted(disableAutoStart: record.request.disableAutoStart) {
    case .stay: break
    case .pause(let state): await keep(state, taskID: record.taskID)
    case .start:
      do throws(TaskRefusal) {
        try start(record.taskID, try spec(of: record))
        if record.state != .running { await keep(.running, taskID: record.taskID) }
      } catch {
        let stop = TaskStop(
          reason: "fail to start task, err: \(error.reason)", hint: "Mend the cause, then resume the task.")
        await keep(record.state.runnerStopped(stop), taskID: record.taskID)
      }
    }
  }

  /// Ends all runners and waits for them. What is stored stays as it is: the tasks go on at the next start.
  package func shutdown() async {
    isShuttingDown = true
    let runs = entries.values.compactMap(\.run)
    for run in runs { run.cancel() }
    for run in runs { await run.value }
  }

  // MARK: Requests

  package func create(_ request: TaskRequest) async throws(TaskRefusal) -> Creation {
    try request.validate(limits)
    var spec = try request.spec(defaultSource: defaultSource, excluding: [])
    if let refusal = CaptureChoice.refusal(of: spec) {
      throw .client(refusal.message + (refusal.hint.map { ". \($0)" } ?? ""))
    }
    guard !TaskOverlap.copiesOntoItself(spec) else {
      throw .client(
        "the source and the target are the same cluster, a collection would be copied onto itself")
    }
    do { try await factory.checkConnection(spec) } catch {
      throw .server("fail to connect the milvus: \(error.message)" + (error.hint.map { ". \($0)" } ?? ""))
    }
    try refuseWhileShuttingDown()
    if !request.taskID.isEmpty, entries[request.taskID] != nil {
      // Another create of this id may still be on its way, and may fail.
      if await acquire(request.taskID) {
        release(request.taskID)
        return .existing(taskID: request.taskID)
      }
    }
    let excluded = try admit(request, spec)
    spec.selection.excluded = excluded
    if request.dryRun {
      do { return .planned(try await factory.plan(spec)) } catch {
        throw .server("fail to plan the task: \(error.message)" + (error.hint.map { ". \($0)" } ?? ""))
      }
    }
    return .created(taskID: try await add(request, spec))
  }

  /// Rules 22–27, at once and without waiting: what they admit has its place before another request is looked at.
  private func admit(
    _ request: TaskRequest, _ spec: TaskSpec
  ) throws(TaskRefusal) -> [ObjectSelection.Pattern] {
    let others = entries.values.compactMap(\.record)
    let known = others.compactMap { record in (try? self.spec(of: record)).map { (record, $0) } }
    let target = TaskOverlap.Identity(spec.target)
    if request.enableUserRole,
      known.contains(where: { $0.0.request.enableUserRole && TaskOverlap.Identity($0.1.target) == target })
    {
      throw .client("the enable user role param is duplicate")
    }
    let excluded: [ObjectSelection.Pattern]
    switch TaskOverlap.judge(spec, against: known.map(\.1)) {
    case .accepted(let patterns): excluded = patterns
    case .duplicate(let names):
      throw .client(
        "the collection name is duplicate with existing task, [\(names.joined(separator: " "))]")
    }
    try request.validateMappings(limits)
    guard entries.count < limits.taskCountMax else {
      throw .server("the task num has reach the limit, \(limits.taskCountMax)")
    }
    try request.validatePositions()
    return excluded
  }

  private func add(_ request: TaskRequest, _ spec: TaskSpec) async throws(TaskRefusal) -> String {
    let taskID = request.taskID.isEmpty ? newTaskID() : request.taskID
    var request = request
    request.taskID = taskID
    let record = TaskRecord(
      taskID: taskID, sequence: nextSequence, createdAtUnixMs: timekeeper.unixMilliseconds, state: .initial,
      request: request, excluded: spec.selection.excluded)
    nextSequence &+= 1
    entries[taskID] = Entry(record: record, isBusy: true)
    defer { release(taskID) }
    do throws(BridgeError) {
      try await store.save(record)
      try await setState(.running, taskID: taskID)
    } catch {
      entries[taskID] = nil
      // Whatever of it is on the disk must not come back at the next start.
      do throws(BridgeError) { try await store.removeTask(taskID: taskID) } catch {
        log.error(
          "a refused task may come back at the next start", ["task_id": taskID, "error": error.message])
      }
      throw .server("fail to put the task info to the store: \(error.message)")
    }
    try start(taskID, spec)
    log.info("task created", ["task_id": taskID, "target": spec.target.endpoint.authority])
    warnAboutScope(request)
    return taskID
  }

  /// What most users misread first (`task-api.md` §8 no. 9).
  private func warnAboutScope(_ request: TaskRequest) {
    if request.collectionInfos.contains(where: { $0.name == "*" }) {
      log.warning(
        "collection_infos with * covers database default only; db_collections {\"*\": [{\"name\": \"*\"}]} covers all",
        ["task_id": request.taskID])
    }
  }

  package func pause(taskID: String) async throws(TaskRefusal) {
    let record = try await acquireRecord(taskID)
    defer { release(taskID) }
    switch record?.state.pauseRequested() {
    case nil, .refuseAsPaused: throw .client("the task has paused, task_id: \(taskID)")
    case .refuseAsNotRunning:
      throw .server(
        "fail to update the task state, task_id: \(taskID): the task state can be only set to [Paused] when "
          + "current state is [Running], but current state is \(TaskState.initial.name). You can retry it.")
    case .pause(let state):
      // Durable first: a crash from here on leaves the task paused, as the person wanted it.
      do { try await setState(state, taskID: taskID) } catch {
        throw .server("fail to update the task state, task_id: \(taskID): \(error.message)")
      }
      await stopRunner(taskID)
      log.info("task paused", ["task_id": taskID])
    }
  }

  package func resume(taskID: String) async throws(TaskRefusal) {
    let record = try await acquireRecord(taskID)
    defer { release(taskID) }
    guard let record else {
      throw .server(
        "fail to start the task, task_id: \(taskID): \(entries[taskID]?.unreadable ?? "its record is missing")"
      )
    }
    switch record.state.resumeRequested() {
    case .refuseAsRunning: throw .client("the task has running, task_id: \(taskID)")
    case .start:
      do {
        let spec = try spec(of: record)
        try await factory.checkConnection(spec)
        try refuseWhileShuttingDown()
        try await setState(.running, taskID: taskID)
        try start(taskID, spec)
        log.info("task resumed", ["task_id": taskID])
      } catch {
        throw .server("fail to start the task, task_id: \(taskID): \(Self.cause(error))")
      }
    }
  }

  /// What is left behind that a person should know of; nil: nothing.
  @discardableResult
  package func delete(taskID: String, ignoreNotFound: Bool) async throws(TaskRefusal) -> String? {
    guard await acquire(taskID) else {
      if ignoreNotFound { return nil }
      throw notFound(taskID)
    }
    defer { release(taskID) }
    do throws(BridgeError) {
      let spec = entries[taskID]?.record.flatMap { try? self.spec(of: $0) }
      if var record = entries[taskID]?.record {
        record.isDeleted = true
        try await store.save(record)
      }
      await stopRunner(taskID)
      try await store.removeTask(taskID: taskID)
      entries[taskID] = nil
      log.info("task deleted", ["task_id": taskID])
      return spec.flatMap(Self.leftBehind)
    } catch {
      throw .server("fail to delete the task, task_id: \(taskID): \(error.message)")
    }
  }

  private static func leftBehind(_ spec: TaskSpec) -> String? {
    guard spec.apply == .native else { return nil }
    return "Roles stay as they are: a target that was made a standby takes no writes of its own until it is promoted."
      + " To make it a primary: cdc-bridge promote --target-uri \(spec.target.replicationURI)"
  }

  // MARK: Runners

  private func start(_ taskID: String, _ spec: TaskSpec) throws(TaskRefusal) {
    guard var entry = entries[taskID], entry.run == nil, !isShuttingDown else { return }
    entry.runNumber += 1
    entry.startedAt = timekeeper.now
    entry.board = ProgressBoard()
    let (number, board) = (entry.runNumber, entry.board)
    let runner = factory.makeRunner(taskID: taskID, spec: spec, checkpoints: checkpoints, board: board)
    entry.run = Task {
      let stop: TaskStop?
      do throws(TaskStop) {
        try await runner.run()
        stop = nil
      } catch { stop = error }
      await self.runnerEnded(taskID, number, stop)
    }
    entries[taskID] = entry
  }

  private func runnerEnded(_ taskID: String, _ number: Int, _ stop: TaskStop?) async {
    guard let entry = entries[taskID], entry.runNumber == number else { return }
    let wasCancelled = entry.run?.isCancelled ?? true
    entries[taskID]?.run = nil
    guard let record = entry.record, stop != nil || !wasCancelled, !isShuttingDown else { return }
    let stop = stop ?? TaskStop(reason: "the task ended by itself", hint: "Resume the task.")
    log.error(
      "task stopped", ["task_id": taskID, "reason": stop.reason, "hint": stop.hint ?? ""])
    await keep(record.state.runnerStopped(stop), taskID: taskID)
  }

  /// Cancels the runner of a task and waits until it has ended.
  private func stopRunner(_ taskID: String) async {
    guard let run = entries[taskID]?.run else { return }
    run.cancel()
    await run.value
    entries[taskID]?.run = nil
  }

  // MARK: State

  /// Stores a new state, then shows it.
  private func setState(_ state: TaskState, taskID: String) async throws(BridgeError) {
    guard var record = entries[taskID]?.record else { return }
    record.state = state
    try await store.save(record)
    entries[taskID]?.record?.state = state
  }

  /// Shows a new state also where it cannot be stored: nobody waits for an answer here.
  private func keep(_ state: TaskState, taskID: String) async {
    guard var record = entries[taskID]?.record, record.state != state else { return }
    record.state = state
    entries[taskID]?.record = record
    do throws(BridgeError) { try await store.save(record) } catch {
      log.error("a task's state could not be stored", ["task_id": taskID, "error": error.message])
    }
  }

  func spec(of record: TaskRecord) throws(TaskRefusal) -> TaskSpec {
    try record.request.spec(defaultSource: defaultSource, excluding: record.excluded)
  }

  private func newTaskID() -> String {
    while true {
      var generator = generator
      defer { self.generator = generator }
      // UUID version 4 without dashes (RFC 9562 §5.4).
      let high = generator.next() & ~0xF000 | 0x4000
      let low = generator.next() & ~(0b11 << 62) | 0b10 << 62
      let id = Self.hexadecimal(high) + Self.hexadecimal(low)
      if entries[id] == nil { return id }
    }
  }
  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  // MARK: One change at a time

  /// True: the task exists and is the caller's until `release`.
  private func acquire(_ taskID: String) async -> Bool {
    while entries[taskID]?.isBusy == true {
      await withCheckedContinuation { waiters[taskID, default: []].append($0) }
    }
    guard entries[taskID] != nil else { return false }
    entries[taskID]?.isBusy = true
    return true
  }
  /// The record is nil where it cannot be read.
  private func acquireRecord(_ taskID: String) async throws(TaskRefusal) -> TaskRecord? {
    guard await acquire(taskID) else { throw notFound(taskID) }
    return entries[taskID]?.record
  }
  private func release(_ taskID: String) {
    entries[taskID]?.isBusy = false
    for waiter in waiters.removeValue(forKey: taskID) ?? [] { waiter.resume() }
  }

  private func notFound(_ taskID: String) -> TaskRefusal { .client("not found the task, task_id: \(taskID)") }
  private func refuseWhileShuttingDown() throws(TaskRefusal) {
    if isShuttingDown { throw .server("the service is shutting down") }
  }
  private static func cause(_ error: any Error) -> String {
    switch error {
    case let error as TaskRefusal: error.reason
    case let error as BridgeError: error.message + (error.hint.map { ". \($0)" } ?? "")
    default: "\(error)"
    }
  }
}
