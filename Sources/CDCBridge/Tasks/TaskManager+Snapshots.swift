internal import MilvusWire

extension TaskManager {
  /// A task as views show it.
  package struct Snapshot: Sendable, Equatable {
    package var taskID: String
    package var state: TaskState
    /// nil where the record cannot be read.
    package var record: TaskRecord?
    /// `host:port` of both ends; nil where they are not known.
    package var sourceAuthority: String?
    package var targetAuthority: String?
    package var progress: TaskProgress
    /// Since the runner of a Running task was started.
    package var runningFor: Duration?
  }

  /// In creation order, ties by id; tasks whose record cannot be read come last.
  package func snapshots() -> [Snapshot] {
    entries.map { snapshot($0.key, $0.value) }.sorted {
      ($0.record?.sequence ?? .max, $0.taskID) < ($1.record?.sequence ?? .max, $1.taskID)
    }
  }

  package func snapshot(taskID: String) -> Snapshot? { entries[taskID].map { snapshot(taskID, $0) } }

  package var taskCount: Int { entries.count }

  private func snapshot(_ taskID: String, _ entry: Entry) -> Snapshot {
    let progress = entry.board.read()
    guard let record = entry.record else {
      let pause = TaskPause(
        cause: .stopped, reason: entry.unreadable ?? "the task cannot be read",
        hint: "Restore the file from a copy and restart the service, or delete the task.")
      return Snapshot(taskID: taskID, state: .paused(pause), record: nil, progress: progress)
    }
    let spec = try? spec(of: record)
    return Snapshot(
      taskID: taskID, state: record.state, record: record, sourceAuthority: spec?.source.endpoint.authority,
      targetAuthority: spec?.target.endpoint.authority, progress: progress,
      runningFor: entry.run == nil ? nil : timekeeper.now - entry.startedAt)
  }
}
