package import MilvusWire

/// Why a task ended by itself: it needs a person. `reason` and `hint` go into the view and are kept until resume.
package struct TaskStop: Error, Sendable, Equatable {
  package var reason: String
  package var hint: String?
  package init(reason: String, hint: String? = nil) {
    self.reason = reason
    self.hint = hint
  }
}

/// The work of one Running task: capture → pipeline → apply, with its own retries (D10).
///
/// Contract. `run` returns only when the awaiting task is cancelled, after what was in flight has been answered or given up
/// (within 5 s); it throws only what a person must mend. It writes its state to the checkpoint store whenever the target has confirmed it,
/// and only there; kill −9 at any instant is harmless. It never runs twice at once for one task id.
package protocol TaskRunner: Sendable {
  func run() async throws(TaskStop)
}

/// Makes runners and answers what `create` asks before a task exists.
package protocol TaskRunnerFactory: Sendable {
  func makeRunner(
    taskID: String, spec: TaskSpec, checkpoints: any CheckpointStore, board: ProgressBoard
  ) -> any TaskRunner
  /// The connect check of `create` (rule 20): Connect with the token within the connection's timeout, retried inside it.
  /// The error's `message` is the cause as a person should read it.
  func check(_ connection: ClusterConnection, side: BridgeError.Side) async throws(BridgeError)
  /// `dry_run`: what would be created, copied, followed, refused; one line each. Writes nothing anywhere.
  func plan(_ spec: TaskSpec) async throws(BridgeError) -> [String]
}

extension TaskRunnerFactory {
  /// What `create` checks: the target. The source is the running service's own and is waited for.
  package func checkConnection(_ spec: TaskSpec) async throws(BridgeError) {
    try await check(spec.target, side: .target)
  }
}

/// Durable bytes of a task's own making (JSON of the runner), one document per task.
///
/// Contract. `save` returns when the document would survive a power cut (temp, fsync, rename, fsync directory); a reader sees the old or
/// the new document, never a mixture. An unreadable document is an error with a hint, never an empty one.
package protocol CheckpointStore: Sendable {
  func load(taskID: String) async throws(BridgeError) -> [UInt8]?
  func save(taskID: String, document: [UInt8]) async throws(BridgeError)
  func remove(taskID: String) async throws(BridgeError)
}
