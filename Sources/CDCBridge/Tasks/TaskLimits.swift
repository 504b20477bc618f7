/// What the service admits (`task-api.md` §4.2).
package struct TaskLimits: Sendable, Equatable {
  /// All stored tasks count, paused ones too.
  package var taskCountMax = 100
  /// Of a collection's or database's name.
  package var nameBytesMax = 256
  /// The only `rpc_channel_info.name` that is accepted: the documented default of the original.
  package var replicateChannel = "by-dev-replicate-msg"
  /// Of a task id that a client chooses.
  package static let taskIDBytesMax = 128
  package init() {}
}
