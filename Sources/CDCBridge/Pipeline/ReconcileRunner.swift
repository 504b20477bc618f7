package import MilvusWire

/// A task with capture `reconcile` and apply `public`: looks at both catalogues, aligns them, passes over the rows, and again after every
/// interval, until it is cancelled (`design.md` D5, D10).
///
/// ```
///            ┌── look ─────────────────────────────────────────────┐      ┌── rows, two collections at once ──┐
///  names ──► │ dropped, renamed, databases ─► per collection:       │ ───► │ RowPass per unit ─► index, load   │ ─► aliases
///            │ whose is it? ─► create / adopt ─► align ─► what rows │      └───────────────────────────────────┘
///            └──────────────────────────────────────────────────────┘
/// ```
/// A long pass over one collection does not hold back the looks at the others. Between looks nothing wakes up.
/// `CaptureRunner` chooses between this one and `LogSession`; nothing here knows of it.
package struct ReconcileRunner: TaskRunner {
  /// Everything a run needs from outside.
  package struct Environment: Sendable {
    package var connect: @Sendable (ClusterConnection) -> any MilvusCluster
    package var makePass: RowPassMaker
    /// The log side of a cluster; nil where it has none that can be read.
    package var log: @Sendable (any MilvusCluster) -> (any MilvusLog)? = { $0 as? any MilvusLog }
    /// The side of a cluster that can be a standby; nil where it has none.
    package var replica: @Sendable (any MilvusCluster) -> (any MilvusReplica)? = { $0 as? any MilvusReplica }
    /// Users and roles of a cluster; nil where it has none.
    package var access: @Sendable (any MilvusCluster) -> (any MilvusAccess)? = { $0 as? any MilvusAccess }
    /// The two ends of a native task, whose streams need windows of their own size and one loop for both; nil: `connect`, and no loop.
    package var connectNative: (@Sendable (_ source: ClusterConnection, _ target: ClusterConnection) -> NativeEnds)?
    package var time: RunnerTime
    /// Called whenever everything that was due is done and only the clock is waited for.
    package var whenIdle: @Sendable () -> Void = {}
    package init(
      connect: @escaping @Sendable (ClusterConnection) -> any MilvusCluster,
      makePass: @escaping RowPassMaker, time: RunnerTime = .system
    ) {
      self.connect = connect
      self.makePass = makePass
      self.time = time
    }
  }

  let taskID: String
  let spec: TaskSpec
  let checkpoints: any CheckpointStore
  let board: ProgressBoard
  let environment: Environment

  package init(
    taskID: String, spec: TaskSpec, checkpoints: any CheckpointStore, board: ProgressBoard,
    environment: Environment
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
      let refusal = CaptureChoice.refusal(of: spec) ?? CaptureChoice.refusal(of: spec, reconcileBecause: "asked for")
      if let refusal { throw TaskStop(refusal) }
      let keeper: CheckpointKeeper
      do {
        keeper = try await CheckpointKeeper(taskID: taskID, store: checkpoints)
      } catch {
        throw TaskStop(error)
      }
      let session = ReconcileSession(
        spec: spec, environment: environment, keeper: keeper, reporter: reporter)
      try await session.run()
      reporter.ended(with: nil)
    } catch {
      reporter.ended(with: error)
      throw error
    }
  }
}

extension TaskStop {
  init(_ error: BridgeError, hint: String? = nil) {
    self.init(reason: error.description, hint: error.hint ?? hint)
  }
}
