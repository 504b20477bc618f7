internal import CDCBridge
internal import FoundationEssentials
internal import MilvusWire

/// Runs one task until it has copied, is interrupted, or needs a person; meanwhile shows its progress.
struct SyncSession {
  private let spec: TaskSpec
  private let copyOnly: Bool
  private let taskID: String
  private let factory: any TaskRunnerFactory
  private let checkpoints: any CheckpointStore

  init(spec: TaskSpec, factory: any TaskRunnerFactory, checkpoints: any CheckpointStore, copyOnly: Bool) {
    self.spec = spec
    self.copyOnly = copyOnly
    self.factory = factory
    self.checkpoints = checkpoints
    taskID = Self.taskID(of: spec)
  }

  private enum Ending: Sendable, Equatable {
    /// The board as it was then: a new pass may have begun before the runner was stopped.
    case copied(TaskProgress)
    case interrupted
    case stopped(TaskStop)
  }

  func run() async throws -> ExitCode {
    // A person waits in front of it: a cluster that cannot be reached is told at once, later losses are waited for.
    try await factory.check(spec.source, side: .source)
    try await factory.check(spec.target, side: .target)
    let board = ProgressBoard()
    let runner = factory.makeRunner(taskID: taskID, spec: spec, checkpoints: checkpoints, board: board)
    let interrupted = TerminationSignal.install()
    let ending = await withTaskGroup(of: Ending?.self) { group in
      group.addTask {
        do {
          try await runner.run()
          return nil
        } catch let stop as TaskStop {
          return .stopped(stop)
        } catch {
          return nil
        }
      }
      group.addTask { await Self.watch(board, untilCopied: copyOnly) }
      if let interrupted {
        group.addTask {
          for await _ in interrupted { return .interrupted }
          return nil
        }
      }
      var first: Ending?
      for await ending in group where first == nil {
        guard let ending else { continue }
        first = ending
        group.cancelAll()
      }
      return first
    }
    if case .copied(let progress) = ending { return try finish(ending, progress) }
    return try finish(ending, board.read())
  }

  private func finish(_ ending: Ending?, _ progress: TaskProgress) throws -> ExitCode {
    var meter = ProgressMeter()
    let reading = meter.read(progress, now: .zero, unixMs: Int64(Date().timeIntervalSince1970 * 1000))
    for object in progress.notReplicated { Console.error("not replicated: \(object)") }
    var isWhole = true
    for collection in progress.collections where copyOnly {
      guard let absence = collection.absence else { continue }
      isWhole = false
      Console.error("\(collection.source) was not copied: \(absence.statement)")
    }
    if copyOnly, ending != .interrupted, progress.collections.isEmpty {
      isWhole = false
      Console.error("nothing was copied: the source has no collection that is chosen by --database and --collection")
    }
    for collection in progress.collections where collection.state == .stopped {
      isWhole = false
      Console.error("\(collection.source) stopped: \(collection.lastError ?? "no reason given")")
      if let hint = collection.hint { Console.error("Hint: \(hint)") }
    }
    Console.print(
      "\(progress.collections.count) collection\(progress.collections.count == 1 ? "" : "s"), \(NumberText.grouped(reading.rowsCopied)) rows read: "
        + "\(NumberText.grouped(reading.inserted)) inserted, \(NumberText.grouped(reading.updated)) updated, "
        + "\(NumberText.grouped(reading.deleted)) deleted")
    if case .stopped(let stop) = ending { throw stop }
    return isWhole ? .success : .failure
  }

  /// Shows the progress; ends when everything has been copied, where that is asked for, and else when it is cancelled.
  private static func watch(_ board: ProgressBoard, untilCopied: Bool) async -> Ending? {
    let start = ContinuousClock.now
    var meter = ProgressMeter()
    var line = ProgressLine()
    while true {
      let progress = board.read()
      let now = start.duration(to: .now)
      let reading = meter.read(progress, now: now, unixMs: Int64(Date().timeIntervalSince1970 * 1000))
      line.show(reading, progress: progress, at: now)
      // Rows come first, then indexes and load: a collection follows when it has all of them.
      let isBusy = progress.collections.contains { $0.state == .copying || $0.state == .retrying }
      // To wait for what is not there is for a task that goes on.
      let isOver = progress.hasLooked && progress.collections.allSatisfy { $0.isCopied || $0.state == .stopped || $0.absence != nil }
      if untilCopied, reading.phase == .following, !isBusy, isOver {
        line.finish()
        return .copied(progress)
      }
      do { try await Task.sleep(for: .milliseconds(200)) } catch {
        line.finish()
        return nil
      }
    }
  }

  /// The same source, target and choice give the same id, so that a second run finds what the first one made (FNV-1a, 64 bits).
  private static func taskID(of spec: TaskSpec) -> String {
    var parts = [spec.source.endpoint.authority, spec.target.endpoint.authority]
    parts += spec.selection.patterns.map { "\($0.database)/\($0.collection)" }
    for mapping in spec.selection.mappings {
      parts += [mapping.sourceDatabase, mapping.targetDatabase]
      parts += mapping.collections.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
    }
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in parts.joined(separator: "\n").utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return "sync-" + String(hash, radix: 16)
  }
}
