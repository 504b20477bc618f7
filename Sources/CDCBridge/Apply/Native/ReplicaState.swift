internal import MilvusWire

/// What a target says of itself as a standby (`wal-protocol.md` §7.2). Pure.
enum ReplicaState: Sendable, Equatable {
  /// It takes what comes from this source, and has everything of the pchannel up to the tick; 0: nothing yet.
  case standby(TimeTick, confirmed: LogMessageID?)
  /// It is a standby of another cluster.
  case standbyOf(String)
  /// It takes writes of its own. `promotedAt`: it was a standby of this source and was promoted by force, having got this far.
  case primary(promotedAt: TimeTick?)

  init(_ info: ReplicateInfo, sourceClusterID: String) {
    guard let checkpoint = info.checkpoint else {
      self = .primary(promotedAt: info.salvageCheckpoint?.timeTick)
      return
    }
    if checkpoint.clusterID == sourceClusterID {
      self = .standby(checkpoint.timeTick, confirmed: checkpoint.messageID)
    } else {
      self = .standbyOf(checkpoint.clusterID)
    }
  }
}

/// Notices a target that dies of what it is sent (D21). Pure.
///
/// One death may be anyone's doing. A target that dies again within seconds of being sent the same message, having taken nothing in between, is
/// killed by it, and nothing more may be sent. A process that dies takes seconds to return (a standalone server about 30,
/// `wal-protocol.md` §6.4); a connection that is cut or refused for a moment is the network's doing and no death.
struct DeathWatch: Sendable {
  static let deathsMax = 2
  static let soon: Duration = .seconds(10)
  /// Between the first and the last call of an absence that found nobody.
  static let absenceMin: Duration = .seconds(1)
  private var suspect: TimeTick?
  private var absence: (since: ContinuousClock.Instant, until: ContinuousClock.Instant)?
  private var deaths = 0

  /// The stream broke (no clean end) while this message was the first unconfirmed one, `after` it was sent.
  mutating func broke(head: TimeTick, after: Duration) {
    guard after <= Self.soon else { return }
    if suspect != head { deaths = 0 }
    suspect = head
    absence = nil
  }

  /// A call found nobody, or lost its connection.
  mutating func refused(at now: ContinuousClock.Instant) {
    guard suspect != nil else { return }
    absence = (absence?.since ?? now, now)
  }

  /// The target answers again and has everything up to `tick`. True: it must not be sent the message again.
  mutating func answered(_ tick: TimeTick) -> Bool {
    guard let head = suspect else { return false }
    guard tick < head else {
      confirmed()
      return false
    }
    if let absence, absence.until - absence.since >= Self.absenceMin { deaths += 1 }
    absence = nil
    return deaths >= Self.deathsMax
  }

  /// It took something: whatever it was sent last, it lived.
  mutating func confirmed() {
    suspect = nil
    absence = nil
    deaths = 0
  }
}
