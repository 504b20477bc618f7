internal import MilvusWire

/// What a log stream delivered that no log stream delivers (`wal-protocol.md` §4.3, §4.4). `description` is safe to log.
///
/// All but those that `isFinal` names are answered by reading again from the last good position.
package struct LogFault: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable, CaseIterable {
    /// Type 999: the server does not take transactions apart and loses what is in them (§0 no. 1).
    case unexpandedTransaction
    case bodyWithoutBegin
    case commitWithoutBegin
    case beginInsideTransaction
    /// A member of another transaction.
    case foreignMember
    /// A message that belongs to no transaction.
    case interleaved
    /// A begin or a commit that does not say of which transaction.
    case memberWithoutContext
    /// The members of a transaction show the commit's tick, all of them.
    case memberTickDiffers
    /// More than `LogLimits.transactionBytesMax`.
    case transactionTooLarge
    /// The ids of a message are none of its log: reading could not go on behind it.
    case unreadablePosition
  }
  package var code: Code
  package var pchannel: String
  package var timeTick: UInt64
  package var type: String

  init(_ code: Code, pchannel: String, _ message: LogMessage) {
    self.code = code
    self.pchannel = pchannel
    timeTick = message.timeTick.rawValue
    type = message.type.name
  }

  /// Only a person can help.
  package var isFinal: Bool {
    switch code {
    case .unexpandedTransaction, .transactionTooLarge, .unreadablePosition: true
    case .bodyWithoutBegin, .commitWithoutBegin, .beginInsideTransaction, .foreignMember, .interleaved,
      .memberWithoutContext, .memberTickDiffers:
      false
    }
  }

  /// What a person can do about a final one.
  package var hint: String? {
    switch code {
    case .unexpandedTransaction:
      "The source is too old to be followed by its log: upgrade it to 2.6.20, 3.0.0 or later, or create the task with capture=reconcile."
    case .transactionTooLarge:
      "The source committed more in one transaction than the bridge holds in memory; create the task with capture=reconcile."
    case .unreadablePosition:
      "The source writes a kind of log, or ids, that this version of the bridge does not know; create the task with capture=reconcile."
    case .bodyWithoutBegin, .commitWithoutBegin, .beginInsideTransaction, .foreignMember, .interleaved,
      .memberWithoutContext, .memberTickDiffers:
      nil
    }
  }

  package var description: String {
    let what =
      switch code {
      case .unexpandedTransaction: "a transaction came without its contents"
      case .bodyWithoutBegin: "a member of a transaction came without its beginning"
      case .commitWithoutBegin: "a commit came without the beginning of its transaction"
      case .beginInsideTransaction: "a transaction began inside another"
      case .foreignMember: "a member of another transaction came inside a transaction"
      case .interleaved: "a message came inside a transaction that it does not belong to"
      case .memberWithoutContext: "a begin or commit does not name its transaction"
      case .memberTickDiffers: "a member of a transaction has another tick than the others"
      case .transactionTooLarge: "a transaction is larger than the bridge holds"
      case .unreadablePosition: "a message has an id that its log cannot read"
      }
    return "\(pchannel): \(what) (\(type), tick \(timeTick))"
  }
}
