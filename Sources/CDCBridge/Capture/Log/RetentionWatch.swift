package import MilvusWire

/// How long a position will still be readable, as far as the kind of log and the server's version tell (`wal-protocol.md` §5.3). Pure.
///
/// | Log | Known |
/// |-----|-------|
/// | WoodPecker on 2.6 | about ten minutes, whatever the server's own retention says |
/// | others | only what the operator tells |
package struct RetentionWatch: Sendable, Equatable {
  /// What 2.6 with WoodPecker keeps readable: a segment is rolled after ten minutes and skipped by new readers from then on.
  package static let woodPecker26Seconds: Int64 = 600

  /// nil: not known.
  package let retentionSeconds: Int64?

  /// `configuredSeconds` is what the operator knows about the log; it counts before anything else.
  package init(kind: LogKind, version: ServerProfile.Version?, configuredSeconds: Int64? = nil) {
    if let configuredSeconds, configuredSeconds > 0 {
      retentionSeconds = configuredSeconds
    } else if kind == .woodPecker, let version, version.major == 2 {
      retentionSeconds = Self.woodPecker26Seconds
    } else {
      retentionSeconds = nil
    }
  }

  /// What is left before changes after this tick may be unreadable; 0 where that time is over, nil where the log does not tell.
  /// `tick` is what was applied or proven last, `nowMs` the source's clock in Unix milliseconds.
  package func secondsLeft(since tick: TimeTick, nowMs: Int64) -> Int64? {
    guard let retentionSeconds else { return nil }
    let (age, overflow) = nowMs.subtractingReportingOverflow(tick.unixMilliseconds)
    guard !overflow else { return 0 }
    // A tick may lie ahead of another machine's clock.
    return max(0, retentionSeconds - max(0, age) / 1000)
  }

  /// Less than a third is left: someone should look.
  package func isShort(since tick: TimeTick, nowMs: Int64) -> Bool {
    guard let retentionSeconds, let left = secondsLeft(since: tick, nowMs: nowMs) else { return false }
    return left < retentionSeconds / 3
  }
}
