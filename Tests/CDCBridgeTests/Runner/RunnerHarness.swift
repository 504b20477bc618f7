import CDCBridge
import MilvusWire
import TestSupport

/// A virtual clock: short waits pass at once, long ones end when the test moves the time.
final class VirtualTime: Sendable {
  private struct Sleeper: Sendable {
    var id: Int
    var until: ContinuousClock.Instant
    var wake: @Sendable (Bool) -> Void
  }
  private struct State: Sendable {
    var now = ContinuousClock.now
    var nextID = 0
    var sleepers: [Sleeper] = []
    var cancelled: Set<Int> = []
    var passing: Duration = .milliseconds(400)
  }
  private let state = Locked(State())
  /// Waits up to this long pass at once and move the time.
  func pass(waitsUpTo duration: Duration) { state.withLock { $0.passing = duration } }

  var now: ContinuousClock.Instant { state.withLock { $0.now } }

  func sleep(_ duration: Duration) async -> Bool {
    if Task.isCancelled { return false }
    if duration <= state.withLock({ $0.passing }) {
      state.withLock { $0.now += duration }
      await Task.yield()
      return !Task.isCancelled
    }
    return await sleep(until: now + duration)
  }

  func sleep(until instant: ContinuousClock.Instant) async -> Bool {
    let id = state.withLock { state in
      state.nextID += 1
      return state.nextID
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let ended = state.withLock { state -> Bool? in
          if state.cancelled.contains(id) { return false }
          if state.now >= instant { return true }
          state.sleepers.append(
            Sleeper(id: id, until: instant, wake: { continuation.resume(returning: $0) }))
          return nil
        }
        if let ended { continuation.resume(returning: ended) }
      }
    } onCancel: {
      let sleeper = state.withLock { state -> Sleeper? in
        state.cancelled.insert(id)
        guard let at = state.sleepers.firstIndex(where: { $0.id == id }) else { return nil }
        return state.sleepers.remove(at: at)
      }
      sleeper?.wake(false)
    }
  }

  /// How many wait for the clock.
  var sleeperCount: Int { state.withLock { $0.sleepers.count } }

  func advance(by duration: Duration) {
    let woken = state.withLock { state -> [Sleeper] in
      state.now += duration
      let now = state.now
      let woken = state.sleepers.filter { $0.until <= now }
      state.sleepers.removeAll { $0.until <= now }
      return woken
    }
    for sleeper in woken { sleeper.wake(true) }
  }
}

/// Checkpoints in memory; `freeze` is what a kill does: nothing is stored any more.
final class MemoryCheckpoints: CheckpointStore {
  private struct State: Sendable {
    var documents: [String: [UInt8]] = [:]
    var saves = 0
    var isFrozen = false
    var failure: BridgeError?
  }
  private let state = Locked(State())
  func load(taskID: String) async throws(BridgeError) -> [UInt8]? { state.withLock { $0.documents[taskID] } }
  func save(taskID: String, document: [UInt8]) async throws(BridgeError) {
    let failure = state.withLock { state -> BridgeError? in
      if let failure = state.failure { return failure }
      state.saves += 1
      if !state.isFrozen { state.documents[taskID] = document }
      return nil
    }
    if let failure { throw failure }
  }
  func remove(taskID: String) async throws(BridgeError) { state.withLock { $0.documents[taskID] = nil } }
  var saves: Int { state.withLock { $0.saves } }
  func freeze(_ isFrozen: Bool) { state.withLock { $0.isFrozen = isFrozen } }
  func fail(with error: BridgeError?) { state.withLock { $0.failure = error } }
  func put(_ text: String, taskID: String = "t") {
    state.withLock { $0.documents[taskID] = Array(text.utf8) }
  }
  func checkpoint(taskID: String = "t") throws -> TaskCheckpoint {
    try TaskCheckpoint(document: state.withLock { $0.documents[taskID] ?? [] })
  }
}

/// Two fake clusters, a task between them, and a hand on the clock.
final class RunnerHarness: Sendable {
  let source: FakeCluster
  let target: FakeCluster
  let time = VirtualTime()
  let checkpoints = MemoryCheckpoints()
  let spec: Locked<TaskSpec>
  /// False: `StatePass` stands in for the row engine.
  let usesRealEngine = Locked(false)
  /// Of the real engine's options; nil: as they are.
  let pageBytes = Locked<Int?>(nil)
  private struct Running: Sendable {
    var task: Task<TaskStop?, Never>?
    var board = ProgressBoard()
    var idle = 0
    var waiters: [(after: Int, resume: @Sendable () -> Void)] = []
  }
  private let running = Locked(Running())

  init(
    _ source: FakeCluster.Manners = .milvus235, _ target: FakeCluster.Manners = .lite,
    patterns: [(String, String)] = [("*", "*")]
  ) {
    self.source = FakeCluster(source, peer: "source:1", seed: 1)
    self.target = FakeCluster(target, peer: "target:1", seed: 2)
    // Two clusters never give the same id; equal ids would mean one cluster on both sides.
    self.target.withState { $0.nextID = 1_000_000 }
    let selection = ObjectSelection(
      patterns: patterns.map { ObjectSelection.Pattern(database: $0.0, collection: $0.1) })
    spec = Locked(
      TaskSpec(
        source: ClusterConnection(endpoint: Endpoint(host: "source", port: 1)),
        target: ClusterConnection(endpoint: Endpoint(host: "target", port: 1)), selection: selection))
  }

  var board: TaskProgress { running.withLock { $0.board }.read() }
  func collection(_ name: String, database: String = "default") -> TaskProgress.Collection? {
    board.collections.first { $0.source == CollectionPath(database: database, name: name) }
  }

  var environment: ReconcileRunner.Environment {
    let time = self.time
    var environment = ReconcileRunner.Environment(
      connect: { [source, target] connection in connection.endpoint.host == "source" ? source : target },
      makePass: { [source, target, usesReal = usesRealEngine.withLock { $0 }, pageBytes = pageBytes.withLock { $0 }] in
        if usesReal {
          var options = $2
          if let pageBytes { (options.pageBytes, options.batchBytes) = (pageBytes, pageBytes) }
          return RowPass(pair: $0, unit: $1, options: options, report: $3)
        }
        return StatePass(source: source, target: target, pair: $0, unit: $1, options: $2, report: $3)
      },
      time: RunnerTime(
        now: { time.now }, sleep: { await time.sleep($0) },
        sleepUntil: { await time.sleep(until: $0) }, unixMs: { 1_700_000_000_000 }, random: { 0 },
        clock: ContinuousClock()))
    environment.whenIdle = { [weak self] in self?.becameIdle() }
    return environment
  }

  private func becameIdle() {
    let woken = running.withLock { running -> [@Sendable () -> Void] in
      running.idle += 1
      let ready = running.waiters.filter { $0.after < running.idle }.map(\.resume)
      running.waiters.removeAll { $0.after < running.idle }
      return ready
    }
    for resume in woken { resume() }
  }

  /// Starts a runner; returns when it has done everything that was due, or has ended.
  func start() async {
    let board = ProgressBoard()
    let runner = ReconcileRunner(
      taskID: "t", spec: spec.withLock { $0 }, checkpoints: checkpoints, board: board,
      environment: environment)
    let seen = running.withLock { running in
      running.board = board
      return running.idle
    }
    let task = Task { [weak self] () -> TaskStop? in
      do throws(TaskStop) {
        try await runner.run()
        self?.becameIdle()
        return nil
      } catch {
        self?.becameIdle()
        return error
      }
    }
    running.withLock { $0.task = task }
    await idle(after: seen)
  }

  private func idle(after seen: Int) async {
    await withCheckedContinuation { continuation in
      let isReady = running.withLock { running -> Bool in
        if running.idle > seen { return true }
        running.waiters.append((after: seen, resume: { continuation.resume() }))
        return false
      }
      if isReady { continuation.resume() }
    }
  }

  /// Moves the clock; returns when the runner has done everything that became due.
  func advance(by duration: Duration = .seconds(30)) async {
    let seen = running.withLock { $0.idle }
    time.advance(by: duration)
    await idle(after: seen)
  }

  /// Cancels the runner and waits for its end; what it threw, if anything.
  @discardableResult
  func stop() async -> TaskStop? {
    let task = running.withLock { $0.task }
    task?.cancel()
    return await task?.value
  }

  /// What the runner threw by itself.
  func ended() async -> TaskStop? { await running.withLock { $0.task }?.value }
}

/// A row pass that works on the fakes' states: what the runner has to do around a pass, without the row engine.
/// One call per unit and per written row goes through the clusters, so that faults reach it.
struct StatePass: RowPassRunning {
  let source: FakeCluster
  let target: FakeCluster
  let pair: ClusterPair
  let unit: RowUnit
  let options: RowPassOptions
  let report: @Sendable (RowPassReport) -> Void

  func run() async throws(BridgeError) -> RowPassResult {
    let operation = "copy \(unit.source)"
    let names = unit.sourcePartition.map { [$0] } ?? []
    guard try await load(pair.source, unit.source, names, .source, operation) else {
      throw BridgeError(.sourceUnreadable, side: .source, operation: operation, message: "not loaded")
    }
    let targetNames = pair.targetProfile.isLite ? [] : names
    if !options.isTargetEmpty {
      guard try await load(pair.target, unit.target, targetNames, .target, operation) else {
        throw BridgeError(.notReady, side: .target, operation: operation, message: "target not loaded")
      }
    }
    let wanted = source.withState { $0[unit.source]?.visible(names) } ?? [:]
    let found =
      options.isTargetEmpty ? [:] : target.withState { $0[unit.target]?.visible(names) } ?? [:]
    var result = RowPassResult()
    result.counts.rowsRead = Int64(wanted.count)
    for (key, row) in wanted.sorted(by: { $0.key < $1.key }) where found[key]?.values != row.values {
      try await touch(operation)
      if found[key] == nil { result.counts.inserted += 1 } else { result.counts.updated += 1 }
      put(row, replaces: found[key] != nil || options.isUncertain)
    }
    for key in found.keys.sorted() where wanted[key] == nil {
      try await touch(operation)
      result.counts.deleted += 1
      remove(key)
    }
    var last = RowPassReport()
    last.counts = result.counts
    report(last)
    return result
  }

  private func load(
    _ cluster: any MilvusCluster, _ path: CollectionPath, _ names: [String], _ side: BridgeError.Side,
    _ operation: String
  ) async throws(BridgeError) -> Bool {
    do {
      return try await cluster.loadState(path, partitions: names) == .loaded
    } catch {
      throw BridgeError(error, side: side, operation: operation)
    }
  }

  /// The call that a write makes.
  private func touch(_ operation: String) async throws(BridgeError) {
    do {
      _ = try await pair.target.hasCollection(unit.target)
    } catch {
      throw BridgeError(error, side: .target, operation: operation)
    }
  }

  private func put(_ row: FakeRow, replaces: Bool) {
    let (path, partition) = (unit.target, unit.targetPartition ?? "_default")
    let isLite = target.manners.isLite
    target.withState { state in
      let version = state.now()
      guard var collection = state[path] else { return }
      if isLite || replaces {
        for name in collection.rows.keys { collection.rows[name]?.removeAll { $0.key == row.key } }
      }
      collection.rows[partition, default: []].append(
        FakeRow(key: row.key, values: row.values, version: version))
      state[path] = collection
    }
  }

  private func remove(_ key: RowKey) {
    let (path, partition) = (unit.target, unit.targetPartition)
    let isLite = target.manners.isLite
    target.withState { state in
      guard var collection = state[path] else { return }
      for name in collection.rows.keys where isLite || partition == nil || name == partition {
        collection.rows[name]?.removeAll { $0.key == key }
      }
      state[path] = collection
    }
  }
}
