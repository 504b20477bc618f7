internal import MilvusWire

/// Runs a task with the capture that it asked for, or with the one that its source allows (`design.md` D5).
///
/// | `capture`   | Log of the source                    | Runs      |
/// |-------------|--------------------------------------|-----------|
/// | `reconcile` | –                                    | reconcile |
/// | `wal`       | can be read                          | wal       |
/// | `wal`       | cannot                               | nothing: it stops and says why |
/// | `auto`      | can be read                          | wal       |
/// | `auto`      | cannot                               | reconcile, and says why |
///
/// With `apply` `native` the log is forwarded and not read (`NativeRunner`).
///
/// A task that has followed the log goes on with it: what `auto` chose once stays.
package struct CaptureRunner: TaskRunner {
  private enum Choice {
    case log(LogStart, ClusterPair, any MilvusLog)
    case reconcile(reason: String)
  }
  let taskID: String
  let spec: TaskSpec
  let checkpoints: any CheckpointStore
  let board: ProgressBoard
  let environment: ReconcileRunner.Environment

  package init(
    taskID: String, spec: TaskSpec, checkpoints: any CheckpointStore, board: ProgressBoard,
    environment: ReconcileRunner.Environment
  ) {
    self.taskID = taskID
    self.spec = spec
    self.checkpoints = checkpoints
    self.board = board
    self.environment = environment
  }

  package func run() async throws(TaskStop) {
    let reporter = ProgressReporter(board: board)
    do throws(TaskStop) {
      if let refusal = CaptureChoice.refusal(of: spec) { throw TaskStop(refusal) }
      let keeper: CheckpointKeeper
      do {
        keeper = try await CheckpointKeeper(taskID: taskID, store: checkpoints)
      } catch {
        throw TaskStop(error)
      }
      if spec.apply == .native {
        try await NativeRunner(spec: spec, environment: environment, keeper: keeper, reporter: reporter).run()
      } else {
        try await run(keeper, reporter)
      }
      reporter.ended(with: nil)
    } catch {
      reporter.ended(with: error)
      throw error
    }
  }

  private func run(_ keeper: CheckpointKeeper, _ reporter: ProgressReporter) async throws(TaskStop) {
    let source = environment.connect(spec.source)
    let target = environment.connect(spec.target)
    let choice: Choice?
    do throws(TaskStop) {
      if spec.capture == .reconcile {
        choice = .reconcile(reason: "asked for")
      } else {
        let start = PatientStart(time: environment.time, reporter: reporter)
        choice = try await start { () async throws(BridgeError) in try await look(keeper, source, target) }
      }
    } catch {
      await source.close()
      await target.close()
      throw error
    }
    switch choice {
    case .log(let start, let pair, let log):
      let session = LogSession(
        spec: spec, environment: environment, keeper: keeper, reporter: reporter, pair: pair, log: log, start: start,
        captureReason: CaptureChoice.logReason(spec: spec, source: pair.sourceProfile))
      let result = await Self.outcome { () async throws(TaskStop) in try await session.run() }
      await source.close()
      await target.close()
      if let stop = result { throw stop }
    case .reconcile(let reason):
      await source.close()
      await target.close()
      if let refusal = CaptureChoice.refusal(of: spec, reconcileBecause: reason) { throw TaskStop(refusal) }
      // A comparison needs no position; one that follows it begins again.
      await keeper.change { $0.log = nil }
      let session = ReconcileSession(
        spec: spec, environment: environment, keeper: keeper, reporter: reporter, captureReason: reason)
      try await session.run()
    case nil:
      await source.close()
      await target.close()
    }
  }

  private static func outcome(_ body: () async throws(TaskStop) -> Void) async -> TaskStop? {
    do throws(TaskStop) {
      try await body()
      return nil
    } catch {
      return error
    }
  }

  private func look(
    _ keeper: CheckpointKeeper, _ source: any MilvusCluster, _ target: any MilvusCluster
  ) async throws(BridgeError) -> Choice {
    let sourceProfile = try await ReconcileSession.probe(source, side: .source)
    guard let log = environment.log(source), CaptureChoice.triesLog(spec, source: sourceProfile) else {
      if spec.capture == .wal { throw CaptureChoice.noLog(sourceProfile) }
      return .reconcile(reason: CaptureChoice.reason(spec: spec, source: sourceProfile))
    }
    let pair = ClusterPair(
      source: source, sourceProfile: sourceProfile, target: target,
      targetProfile: try await ReconcileSession.probe(target, side: .target))
    if let known = await keeper.current.log {
      let start = LogStart(
        replicationID: known.replicationID, controlChannel: known.controlChannel, pchannels: known.positions.keys.sorted(),
        positions: known.positions)
      return .log(start, pair, log)
    }
    do throws(BridgeError) {
      return .log(try await LogBootstrap.start(log: log, time: environment.time), pair, log)
    } catch {
      guard error.code == .logUnusable, spec.capture == .auto else { throw error }
      return .reconcile(reason: error.message)
    }
  }
}
