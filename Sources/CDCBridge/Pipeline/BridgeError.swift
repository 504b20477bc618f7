package import MilvusWire

/// How work of a task failed. `message` and `hint` are safe for logs and views: no credential, no row value.
package struct BridgeError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable, CaseIterable {
    /// A call of MilvusService failed: `cause` says how.
    case call
    /// Source and target differ in a way that cannot be applied to the target.
    case schemaConflict
    /// The target collection exists and is not the task's (`adopt`).
    case notOwned
    /// The source cannot be read as it is (not loaded, no index).
    case sourceUnreadable
    /// The target cannot hold it (type, feature, limit).
    case targetUnsupported
    /// A value that would destroy or panic a real server (`public-rpc.md` §8.1); it was not sent.
    case dangerousValue
    /// An object changed under our hands (dropped, recreated): look again.
    case changedMeanwhile
    /// The source's schema changed and the task was created with `ddl: stop`.
    case schemaChange
    /// The source's log cannot be followed: too old, a standby, a kind that is not known.
    case logUnusable
    /// What was asked for is on its way (a load, a build): look again later.
    case notReady
    /// A state file is unreadable or cannot be written.
    case storage
    /// A request or a configuration is wrong.
    case invalidInput
  }
  package enum Side: String, Sendable, Equatable { case source, target, local }
  package var code: Code
  package var side: Side
  /// What was tried on what, for example `copy default.films`.
  package var operation: String
  package var message: String
  /// What a person can do about it; nil where waiting is enough.
  package var hint: String?
  package var cause: CallError?

  package init(
    _ code: Code, side: Side, operation: String, message: String, hint: String? = nil,
    cause: CallError? = nil
  ) {
    self.code = code
    self.side = side
    self.operation = operation
    self.message = message
    self.hint = hint
    self.cause = cause
  }
  /// A failed call, with the call's own text (`CallError.shown`).
  package init(_ cause: CallError, side: Side, operation: String) {
    self.init(.call, side: side, operation: operation, message: cause.shown, cause: cause)
  }
  package var description: String { side == .local ? "\(operation): \(message)" : "\(operation) on the \(side.rawValue): \(message)" }
}
