/// The life of one task (`task-api.md` §3, `design.md` D10). Pure.
///
/// | State   | Entered by                                  | Exits to                                    | Persisted? |
/// |---------|---------------------------------------------|---------------------------------------------|------------|
/// | initial | create accepted                             | running (started), gone (start failed)      | yes        |
/// | running | started, resume, restart                    | paused (pause, the runner stopped), gone    | yes        |
/// | paused  | pause, the runner stopped, restart with     | running (resume), gone                      | yes, with  |
/// |         | `disable_auto_start`                        |                                             | its cause  |
///
/// "Gone" is no state: a deleted task has no record. Refused inputs are the caller's to word; nothing is tolerated silently.
package enum TaskState: Sendable, Equatable {
  case initial
  case running
  case paused(TaskPause)

  /// On the wire.
  package var name: String {
    switch self {
    case .initial: "Initial"
    case .running: "Running"
    case .paused: "Paused"
    }
  }
  /// In `milvus_cdc_task_state`.
  package var metricValue: Int {
    switch self {
    case .initial: 0
    case .running: 1
    case .paused: 2
    }
  }
  package var pause: TaskPause? { if case .paused(let pause) = self { pause } else { nil } }

  package enum OnPause: Equatable { case pause(TaskState), refuseAsPaused, refuseAsNotRunning }
  package enum OnResume: Equatable { case start, refuseAsRunning }
  package enum OnRestart: Equatable { case start, stay, pause(TaskState) }

  package func pauseRequested() -> OnPause {
    switch self {
    case .initial: .refuseAsNotRunning
    case .running: .pause(.paused(.manual))
    case .paused: .refuseAsPaused
    }
  }

  package func resumeRequested() -> OnResume {
    switch self {
    case .initial, .running: .refuseAsRunning
    case .paused: .start
    }
  }

  /// The process has started again. What a person paused, or has to mend, stays paused; an accepted create is carried out.
  package func processRestarted(disableAutoStart: Bool) -> OnRestart {
    switch self {
    case .initial, .running: disableAutoStart ? .pause(.paused(.disabledAutoStart)) : .start
    case .paused: .stay
    }
  }

  /// A runner ended by itself. The state of a task that was paused meanwhile stands: the person's word counts.
  package func runnerStopped(_ stop: TaskStop) -> TaskState {
    switch self {
    case .initial, .running:
      .paused(TaskPause(cause: .stopped, reason: stop.reason, hint: stop.hint))
    case .paused: self
    }
  }
}

/// Why a task is Paused.
package struct TaskPause: Sendable, Equatable {
  package enum Cause: String, Sendable, Equatable, CaseIterable {
    case manual
    case stopped
    case disabledAutoStart = "disabled_auto_start"
  }
  package var cause: Cause
  package var reason: String
  package var hint: String?
  package init(cause: Cause, reason: String, hint: String? = nil) {
    self.cause = cause
    self.reason = reason
    self.hint = hint
  }
  package static let manual = TaskPause(cause: .manual, reason: "manually pause through http interface")
  package static let disabledAutoStart = TaskPause(
    cause: .disabledAutoStart, reason: "the task is disabled auto start", hint: "Resume the task to start it."
  )
}
