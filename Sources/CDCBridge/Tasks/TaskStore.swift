internal import MilvusWire

/// Where task records live.
///
/// Contract. `save` and `removeTask` return when the change would survive a power cut. A record that cannot be read is reported by its id and
/// left as it is.
package protocol TaskStore: Sendable {
  func loadAll() async throws(BridgeError) -> [StoredTask]
  func save(_ record: TaskRecord) async throws(BridgeError)
  /// The record and the task's checkpoint.
  func removeTask(taskID: String) async throws(BridgeError)
}

package enum StoredTask: Sendable, Equatable {
  case record(TaskRecord)
  /// `problem` names the file and what is wrong with it.
  case unreadable(taskID: String, problem: String)
}

/// The data directory of a service (D9): `tasks/<id>.json` and `checkpoints/<id>.json`, one document per file, and the lock that keeps a
/// second process out. All file calls run on one thread, in the order they were made.
package final class DataDirectory: TaskStore, CheckpointStore {
  private static let suffix = ".json"

  package let path: String
  private let thread = FileThread()
  private let tasks: StateDirectory
  private let checkpoints: StateDirectory
  /// Held until `close`, or while this object lives.
  private let lock: DirectoryLock

  private init(path: String, tasks: StateDirectory, checkpoints: StateDirectory, lock: DirectoryLock) {
    self.path = path
    self.tasks = tasks
    self.checkpoints = checkpoints
    self.lock = lock
  }

  /// Makes what is missing and takes the lock.
  package static func open(path: String) async throws(BridgeError) -> DataDirectory {
    try await open(path: path, beforeOperation: { _ in })
  }

  /// `beforeOperation`: see `StateDirectory`.
  static func open(
    path: String, beforeOperation: @escaping @Sendable (String) throws(FileError) -> Void
  ) async throws(BridgeError) -> DataDirectory {
    do throws(FileError) {
      return try await FileThread().run { () throws(FileError) in
        let lock = try StateDirectory(path: path).lock("lock")
        return DataDirectory(
          path: path, tasks: try StateDirectory(path: "\(path)/tasks", beforeOperation: beforeOperation),
          checkpoints: try StateDirectory(path: "\(path)/checkpoints", beforeOperation: beforeOperation),
          lock: lock)
      }
    } catch {
      let hint =
        error.code == .inUse
        ? "Give each cdc-bridge its own --data-dir, or end the other process."
        : "See that \(path) is a directory this user may write."
      throw BridgeError(
        .storage, side: .local, operation: "open the data directory", message: error.message, hint: hint)
    }
  }

  /// Another process may open the directory from now on; nothing is written any more.
  package func close() { lock.release() }

  /// What `serve --check` says of a directory. One that a running service holds is good: the check may run beside it.
  package static func check(path: String) async -> (finding: String, isGood: Bool) {
    do throws(FileError) {
      try await FileThread().run { () throws(FileError) in try StateDirectory(path: path).lock("lock").release() }
      return ("ok", true)
    } catch {
      return error.code == .inUse ? ("ok: in use by a running cdc-bridge", true) : (error.message, false)
    }
  }

  // MARK: TaskStore

  package func loadAll() async throws(BridgeError) -> [StoredTask] {
    let tasks = tasks
    return try await run("read the tasks") { () throws(FileError) in
      var stored: [StoredTask] = []
      for name in try tasks.names() where name.hasSuffix(Self.suffix) {
        let id = String(name.dropLast(Self.suffix.count))
        do throws(FileError) {
          stored.append(Self.record(id: id, bytes: try tasks.read(name), path: "\(tasks.path)/\(name)"))
        } catch {
          stored.append(.unreadable(taskID: id, problem: error.message))
        }
      }
      return stored
    }
  }

  private static func record(id: String, bytes: [UInt8], path: String) -> StoredTask {
    do throws(JSONFieldError) {
      let record = try TaskRecord(document: bytes)
      guard record.taskID == id else {
        return .unreadable(taskID: id, problem: "\(path) is the record of another task")
      }
      return .record(record)
    } catch {
      return .unreadable(taskID: id, problem: "\(path) cannot be read: \(error)")
    }
  }

  package func save(_ record: TaskRecord) async throws(BridgeError) {
    let (tasks, document) = (tasks, record.document)
    try await run("store task \(record.taskID)") { () throws(FileError) in
      try tasks.write(document, to: record.taskID + Self.suffix)
    }
  }

  package func removeTask(taskID: String) async throws(BridgeError) {
    let (tasks, checkpoints) = (tasks, checkpoints)
    // The checkpoint goes first: a record without checkpoint can be removed again, a checkpoint without record would be taken for
    // that of the next task with this id.
    try await run("remove task \(taskID)") { () throws(FileError) in
      try checkpoints.remove(taskID + Self.suffix)
      try tasks.remove(taskID + Self.suffix)
    }
  }

  // MARK: CheckpointStore

  package func load(taskID: String) async throws(BridgeError) -> [UInt8]? {
    let checkpoints = checkpoints
    return try await run("read the checkpoint of task \(taskID)") { () throws(FileError) in
      do throws(FileError) { return try checkpoints.read(taskID + Self.suffix) } catch {
        if error.code == .notFound { return nil }
        throw error
      }
    }
  }

  package func save(taskID: String, document: [UInt8]) async throws(BridgeError) {
    let checkpoints = checkpoints
    try await run("store the checkpoint of task \(taskID)") { () throws(FileError) in
      try checkpoints.write(document, to: taskID + Self.suffix)
    }
  }

  package func remove(taskID: String) async throws(BridgeError) {
    let checkpoints = checkpoints
    try await run("remove the checkpoint of task \(taskID)") { () throws(FileError) in
      try checkpoints.remove(taskID + Self.suffix)
    }
  }

  private func run<Value: Sendable>(
    _ operation: String, _ call: @escaping @Sendable () throws(FileError) -> Value
  ) async throws(BridgeError) -> Value {
    do throws(FileError) { return try await thread.run(call) } catch {
      throw BridgeError(
        .storage, side: .local, operation: operation, message: error.message,
        hint: "See that \(path) can be written and has room.")
    }
  }
}
