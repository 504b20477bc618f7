package import MilvusWire

/// What a failed call of the log means (`wal-protocol.md` §5.2, §5.4): most failures have the code UNKNOWN, so nothing is read from texts.
extension ErrorPolicy {
  package enum LogDecision: Sendable, Equatable {
    /// Again, for ever. `isQuiet`: not worth a word the first time, as when a proxy in between cuts a stream that was silent.
    case again(Pace, hint: String?, isQuiet: Bool)
    case stop(BridgeError)
  }

  package func decideLog(_ cause: CallError, operation: String) -> LogDecision {
    if cause.isUnimplemented {
      return .stop(
        BridgeError(
          .logUnusable, side: .source, operation: operation, message: "the source does not let its log be read: \(cause)",
          hint: "Upgrade the source to 2.6.20, 3.0.0 or later, or create the task with capture=reconcile.", cause: cause))
    }
    let error = BridgeError(cause, side: .source, operation: operation)
    switch decide(error) {
    case .retry(let pace, let hint): return .again(pace, hint: hint, isQuiet: isQuiet(cause))
    // A server or proxy that could not read one request; there is no collection to stop here.
    case .stopCollection(let hint): return .again(.slow, hint: hint, isQuiet: false)
    case .stopTask(let hint):
      var final = error
      final.hint = hint
      if cause.rpcCode == .permissionDenied {
        final.hint =
          "Reading the log needs a user with cluster administration: the root user, the admin role, or PrivilegeManageOwnership. Grant it, then resume the task."
      }
      return .stop(final)
    }
  }

  private func isQuiet(_ cause: CallError) -> Bool {
    switch cause.rpcCode {
    case .unknown, .unavailable, .cancelled, .aborted, .internal: true
    default: false
    }
  }
}
