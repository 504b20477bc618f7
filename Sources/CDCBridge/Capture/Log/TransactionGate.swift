package import MilvusWire

/// What the gate lets through: a message that stands by itself, or a whole committed transaction.
package enum LogUnit: Sendable {
  case message(LogMessage)
  case transaction(begin: LogMessage, bodies: [LogMessage], commit: LogMessage)

  /// Where the unit stands in the order of the pchannel.
  package var timeTick: TimeTick { last.timeTick }
  package var position: LogPosition {
    switch self {
    case .message(let message): LogPosition(after: message)
    case .transaction(let begin, _, let commit): LogPosition(afterCommit: commit, begin: begin)
    }
  }
  package var delivery: LogDelivery { delivery(keepsBegin: false, position: position) }

  /// `position` is the unit's own.
  package func delivery(keepsBegin: Bool, position: LogPosition) -> LogDelivery {
    switch self {
    case .message(let message): .message(message, position: position)
    case .transaction(let begin, let bodies, let commit):
      .transaction(keepsBegin ? [begin] + bodies : bodies, commit: commit, position: position)
    }
  }
  private var last: LogMessage {
    switch self {
    case .message(let message): message
    case .transaction(_, _, let commit): commit
    }
  }
}

/// Puts the transactions of one stream together: whole, or not at all (`wal-protocol.md` §4.3). Pure.
///
/// | State | Entered by | begin | body | commit | rollback | other message |
/// |-------|------------|-------|------|--------|----------|---------------|
/// | fresh | a stream begins | → open | dropped | dropped | dropped | → idle, passes |
/// | idle | anything passed | → open | fault | fault | dropped | passes |
/// | open | begin | fault | held | → idle, passes as a whole | → idle, all dropped | fault |
///
/// A stream that starts inside a transaction loses it at the server; `fresh` drops what it should have dropped. Members of another
/// transaction, and members with another tick than the begin's, are faults. Tolerated: a member that comes twice (dropped by its id),
/// a RollbackTxn (never delivered by a real server). After a fault the gate must not be used before `streamBegan`.
package struct TransactionGate: Sendable {
  private struct Open {
    let begin: LogMessage
    let id: Int64
    var bodies: [LogMessage] = []
    var ids: Set<LogMessageID>
    var byteCount: Int
  }
  private enum State {
    case fresh
    case idle
    case open(Open)
  }
  private let pchannel: String
  private let bytesMax: Int
  private var state = State.fresh

  package init(pchannel: String, bytesMax: Int) {
    self.pchannel = pchannel
    self.bytesMax = bytesMax
  }

  /// Bytes that are held until a commit comes.
  package var heldBytes: Int {
    if case .open(let open) = state { open.byteCount } else { 0 }
  }

  /// Another stream: what was held of the last one comes again, or never was committed.
  package mutating func streamBegan() { state = .fresh }

  package mutating func received(_ message: LogMessage) throws(LogFault) -> LogUnit? {
    switch message.type {
    case .txn: throw LogFault(.unexpandedTransaction, pchannel: pchannel, message)
    case .beginTxn: return try began(message)
    case .commitTxn: return try committed(message)
    case .rollbackTxn:
      rolledBack(message)
      return nil
    default:
      return message.transaction == nil ? try plain(message) : try body(message)
    }
  }

  private mutating func began(_ message: LogMessage) throws(LogFault) -> LogUnit? {
    guard let context = message.transaction else { throw fault(.memberWithoutContext, message) }
    switch state {
    case .fresh, .idle:
      state = .open(
        Open(begin: message, id: context.id, ids: [message.id], byteCount: message.byteCount))
    case .open(let open):
      if open.ids.contains(message.id), open.id == context.id { return nil }
      throw fault(.beginInsideTransaction, message)
    }
    return nil
  }

  private mutating func body(_ message: LogMessage) throws(LogFault) -> LogUnit? {
    switch state {
    case .fresh: return nil
    case .idle: throw fault(.bodyWithoutBegin, message)
    case .open(var open):
      try check(message, in: open)
      guard open.ids.insert(message.id).inserted else { return nil }
      // The list must have one owner while it grows.
      state = .fresh
      open.byteCount = open.byteCount.addingReportingOverflow(message.byteCount).partialValue
      guard open.byteCount <= bytesMax else { throw fault(.transactionTooLarge, message) }
      open.bodies.append(message)
      state = .open(open)
      return nil
    }
  }

  private mutating func committed(_ message: LogMessage) throws(LogFault) -> LogUnit? {
    switch state {
    case .fresh: return nil
    case .idle: throw fault(.commitWithoutBegin, message)
    case .open(let open):
      try check(message, in: open)
      state = .idle
      return .transaction(begin: open.begin, bodies: open.bodies, commit: message)
    }
  }

  private mutating func rolledBack(_ message: LogMessage) {
    switch state {
    case .fresh, .idle: break
    case .open(let open): if message.transaction?.id == open.id { state = .idle }
    }
  }

  private mutating func plain(_ message: LogMessage) throws(LogFault) -> LogUnit? {
    switch state {
    case .fresh, .idle:
      state = .idle
      return .message(message)
    case .open: throw fault(.interleaved, message)
    }
  }

  private func check(_ message: LogMessage, in open: Open) throws(LogFault) {
    guard let context = message.transaction else { throw fault(.memberWithoutContext, message) }
    guard context.id == open.id else { throw fault(.foreignMember, message) }
    guard message.timeTick == open.begin.timeTick else { throw fault(.memberTickDiffers, message) }
  }

  private func fault(_ code: LogFault.Code, _ message: LogMessage) -> LogFault {
    LogFault(code, pchannel: pchannel, message)
  }
}
