package import MilvusWire

/// What a pchannel's log says, in its order.
///
/// Ticks of messages and transactions rise strictly. Each delivery of either kind therefore proves its own tick as `proven` does.
package enum LogDelivery: Sendable {
  /// A message outside of a transaction. `position` is what may be stored once it has been applied.
  case message(LogMessage, position: LogPosition)
  /// A whole committed transaction, begin and commit left out. Whatever the order of its members: all deletes take effect before all
  /// inserts (`wal-protocol.md` §4.2).
  case transaction([LogMessage], commit: LogMessage, position: LogPosition)
  /// Everything on this pchannel up to this tick was delivered before. Rises strictly, and is above every tick delivered so far.
  case proven(TimeTick)
  /// Part of the log of this pchannel is gone, or may be (D18). Comes before the first message behind the gap.
  case gap(LogGap)

  /// After a message or a transaction.
  package var position: LogPosition? {
    switch self {
    case .message(_, let position), .transaction(_, _, let position): position
    case .proven, .gap: nil
    }
  }
}

/// A piece of log that was not read and may have held changes.
package struct LogGap: Sendable, Equatable, CustomStringConvertible {
  package enum Reason: Sendable, Equatable {
    /// The stored message is not readable any more: the log was cut behind it.
    case truncated
    /// The reader was set back to the log's earliest entry, and the stored message was not among what came (RocksMQ, Kafka).
    case resetToEarliest
    /// The cluster writes another kind of log now; what was not delivered before the switch is lost.
    case kindChanged(from: LogKind, to: LogKind)
    /// The log is there, and gives nothing from the stored position on; reading begins again at its earliest entry.
    case unproven
    /// A message came with a tick below one that had come before.
    case disordered
  }
  package var reason: Reason
  package var pchannel: String
  /// The last message before the gap.
  package var after: LogPosition
  /// Up to here nothing is missing, whatever happened later. At least `after.timeTick`.
  package var provenUpTo: TimeTick
  /// The tick of the first message behind the gap; nil where none has come yet.
  package var firstSeen: TimeTick?

  package init(
    _ reason: Reason, pchannel: String, after: LogPosition, provenUpTo: TimeTick, firstSeen: TimeTick?
  ) {
    self.reason = reason
    self.pchannel = pchannel
    self.after = after
    self.provenUpTo = provenUpTo
    self.firstSeen = firstSeen
  }

  /// For a view and a log: one sentence.
  package var description: String {
    let what =
      switch reason {
      case .truncated: "the log was cut: the last message read is not there any more"
      case .resetToEarliest:
        "the log began again at its earliest entry, and the last message read is not there any more"
      case .kindChanged(let from, let to):
        "the source changed its log from \(from) to \(to); changes around the switch may be lost"
      case .unproven: "the log gives nothing from the stored position on"
      case .disordered: "the log delivered a change late, behind newer ones"
      }
    return "\(pchannel): \(what)"
  }
}

/// Takes the deliveries of all pchannels. Deliveries of one pchannel come one at a time and in order, those of several at the same time.
/// While `take` is suspended nothing more of this pchannel is read: that is the back-pressure. An error ends the follower with it.
package protocol LogConsumer: Sendable {
  func take(_ delivery: LogDelivery, pchannel: String) async throws(BridgeError)
}

/// A consumer that is given what came together at once: many messages for one step between tasks.
package protocol LogBatchConsumer: LogConsumer {
  /// One or more, in order; otherwise as `take` of one.
  func take(_ deliveries: [LogDelivery], pchannel: String) async throws(BridgeError)
}

/// What the follower says about how it fares, apart from the deliveries.
package enum LogReport: Sendable, Equatable {
  /// Reading does not work at the moment; it is tried again, for ever. `attempt` counts from 1.
  case trouble(pchannel: String, BridgeError, attempt: Int, nextTryIn: Duration)
  /// Reading works again, after a trouble that was reported.
  case recovered(pchannel: String)
}
