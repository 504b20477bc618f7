package import MilvusWire

/// What part of a log is to be read, for a person or a recording.
package struct LogReadPlan: Sendable {
  package enum Start: Sendable, Equatable {
    /// What is written from now on. The position is a proof, not a clock: a dump up to a timestamp of the source has to end first.
    case now
    /// Everything that can be read; `from` and `until` leave out of it what lies outside.
    case earliest
    /// An id as a message or a stored position has it.
    case id(LogMessageID, isInclusive: Bool)
  }
  package var start = Start.now
  /// May call FlushAll, which seals the cluster's growing segments and is the exact way to channels and positions.
  package var mayFlush = false
  /// Only ticks from here on are shown; 0: all. A filter on what can be read, never a position.
  package var from = TimeTick(0)
  /// Only ticks up to here are shown, and the reading ends there; 0: see `follows`.
  package var until = TimeTick(0)
  /// Goes on when the end of the log is reached. False: ends at the time when it began.
  package var follows = false
  /// Empty: found out.
  package var pchannels: [String] = []
  /// nil: found out.
  package var kind: LogKind?
  package init() {}
}

/// What a reader of a log hears, one thing at a time.
package enum LogReadEvent: Sendable {
  case message(LogMessage, pchannel: String)
  /// How the reading goes.
  case note(String)
  /// Something about the log that a reader must know: part of it is missing, a secret lies in it.
  case warning(String)
}

/// Takes what is read. While `take` is suspended nothing more of the same channel is read.
package protocol LogReadSink: Sendable {
  /// False: enough, the reading ends.
  func take(_ event: LogReadEvent) async throws -> Bool
}

/// Where one channel is read from.
package struct LogReadStart: Sendable, Equatable {
  package var pchannel: String
  package var id: LogMessageID
  package var isInclusive: Bool
  /// Messages below are not shown.
  package var tick: TimeTick
  /// The message that was asked for by its id: when another one comes first, the log does not have it any more.
  package var expected: LogMessageID?
}
