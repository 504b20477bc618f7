internal import MilvusWire

/// Which capture a task gets, and what cannot be (`design.md` D5, D6). Pure.
package enum CaptureChoice {
  /// Why no task of this kind can run in this build; nil: it may.
  package static func refusal(of spec: TaskSpec) -> BridgeError? {
    if spec.apply == .native {
      var obstacles = NativeObstacles()
      obstacles.check(spec)
      return obstacles.list.isEmpty ? nil : obstacles.error
    }
    return spec.capture == .reconcile ? refusal(of: spec, reconcileBecause: "asked for") : nil
  }

  /// Why this task cannot run by comparing clusters.
  package static func refusal(of spec: TaskSpec, reconcileBecause reason: String) -> BridgeError? {
    let because = reason == "asked for" ? "" : ", and the log of the source cannot be followed: \(reason)"
    if !spec.initialCopy {
      return refusal(
        "initial_copy false: capture reconcile makes the clusters equal, so it always copies what exists\(because)",
        hint: "Create the task with initial_copy true.")
    }
    if spec.endAt != nil {
      return refusal(
        "end_at: capture reconcile follows no log, so it reaches no point of one\(because)",
        hint: "Create the task without end_at.")
    }
    return nil
  }

  private static func refusal(_ message: String, hint: String) -> BridgeError {
    BridgeError(.invalidInput, side: .local, operation: "start the task", message: message, hint: hint)
  }

  static func noLog(_ source: ServerProfile) -> BridgeError {
    BridgeError(
      .invalidInput, side: .source, operation: "start the task",
      message: "capture wal: \(reason(source))",
      hint: "Create the task with capture auto or reconcile, which compares the clusters instead.")
  }

  /// Whether the log is tried, by what the source says of itself. Whether it can be followed is known only when it is read.
  static func triesLog(_ spec: TaskSpec, source: ServerProfile) -> Bool {
    switch spec.capture {
    case .reconcile: false
    case .auto: source.hasLog
    case .wal: !source.isLite
    }
  }

  /// Why `wal` was chosen.
  static func logReason(spec: TaskSpec, source: ServerProfile) -> String {
    guard spec.capture == .wal else { return "\(source.title) has a log that clients may read" }
    return source.hasLog ? "asked for" : "asked for, although \(reason(source))"
  }

  /// Why `reconcile` was chosen.
  package static func reason(spec: TaskSpec, source: ServerProfile) -> String {
    spec.capture == .reconcile ? "asked for" : reason(source)
  }

  static func reason(_ source: ServerProfile) -> String {
    "\(source.title) has no log that clients may read (that needs 2.6.20 or newer)"
  }
}
