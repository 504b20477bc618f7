package import MilvusWire

/// Where a pchannel is to be read on from (`wal-protocol.md` §5.6): from `confirmed`, inclusive, only what has a later tick.
///
/// Ids are never compared with each other, only kept and given back; the order is that of the ticks.
package struct LogPosition: Sendable, Equatable {
  /// The last-confirmed id of the last message, with its kind of log. Its text may be empty (WoodPecker's 0/0).
  package var confirmed: LogMessageID
  /// The tick of the last message; of a transaction, of its commit.
  package var timeTick: TimeTick
  /// The message's own id, of a transaction that of its begin: what one asks with whether the message is still there. nil where it is
  /// not known, as in a position that a target reports.
  package var probe: LogMessageID?
  /// Nothing lies between `timeTick` and this tick: a bounded dump said so. nil: nobody asked.
  package var provenUpTo: TimeTick?

  package init(confirmed: LogMessageID, timeTick: TimeTick, probe: LogMessageID? = nil, provenUpTo: TimeTick? = nil) {
    self.confirmed = confirmed
    self.timeTick = timeTick
    self.probe = probe
    self.provenUpTo = provenUpTo
  }

  /// The position after a message that stands by itself.
  package init(after message: LogMessage) {
    self.init(confirmed: message.lastConfirmedID, timeTick: message.timeTick, probe: message.id)
  }

  /// The position after a whole transaction: the commit's, probed with the begin. A dump that starts at the commit drops the transaction.
  package init(afterCommit commit: LogMessage, begin: LogMessage) {
    self.init(confirmed: commit.lastConfirmedID, timeTick: commit.timeTick, probe: begin.id)
  }

  /// Whether a dump may start here: the ids are ids of their log. A server's "unknown" kind is given back as it came; any other kind
  /// that is not one of the four would be refused, and older servers die of an id that they cannot read (`wal-protocol.md` §5.2).
  package var isReadable: Bool {
    guard let probe, probe != confirmed else { return Self.isReadable(confirmed) }
    return Self.isReadable(confirmed) && Self.isReadable(probe)
  }

  private static func isReadable(_ id: LogMessageID) -> Bool { id.kind == .unknown || (try? LogIDFormat.parse(id)) != nil }
}

/// Where a task begins on a source's log: what FlushAll and the channel names tell (`wal-protocol.md` §7.1).
package struct LogStart: Sendable, Equatable {
  /// What replication calls the cluster: the prefix of its channel names, and not `cluster_info.cluster_id`. nil where the names
  /// are not Milvus's own.
  package var replicationID: String?
  /// The vchannel that carries the cluster's schema changes.
  package var controlChannel: String
  /// In the server's order.
  package var pchannels: [String]
  /// By pchannel. Everything acknowledged before the start lies at or below `timeTick`; what is delivered from here on lies above.
  package var positions: [String: LogPosition]

  package init(
    replicationID: String?, controlChannel: String, pchannels: [String], positions: [String: LogPosition]
  ) {
    self.replicationID = replicationID
    self.controlChannel = controlChannel
    self.pchannels = pchannels
    self.positions = positions
  }

  /// The tick of the barrier on each pchannel.
  package var barriers: [String: TimeTick] { positions.mapValues(\.timeTick) }
}
