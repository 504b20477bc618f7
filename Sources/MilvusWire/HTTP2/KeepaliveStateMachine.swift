/// Decides when to ping a silent connection and when to give it up. Pure: time is an argument.
///
/// Polite to every known server (`public-rpc.md` §1.1): no PING while no RPC is open, and never two within `period`, however
/// often RPCs come and go. Any inbound byte counts as a sign of life, not only the acknowledgement.
///
/// | State   | Entered by              | Exits to                                         |
/// |---------|-------------------------|--------------------------------------------------|
/// | idle    | init, last RPC closed   | quiet (an RPC opened)                            |
/// | quiet   | RPC opened, received    | pinging (nothing received for `period`), idle    |
/// | pinging | tick                    | quiet (any bytes), idle, dead (`timeout`)        |
/// | dead    | tick                    | —                                                |
struct KeepaliveStateMachine: Equatable {
  enum OnTick: Equatable { case none, sendPing, close }

  private enum State: Equatable {
    case idle
    case quiet(since: Duration)
    case pinging(since: Duration)
    case dead
  }

  private(set) var period: Duration
  let timeout: Duration
  private var state = State.idle
  private var lastPing: Duration?

  init(period: Duration, timeout: Duration) {
    self.period = period
    self.timeout = timeout
  }

  mutating func receivedBytes(at now: Duration) {
    switch state {
    case .quiet, .pinging: state = .quiet(since: now)
    case .idle, .dead: break  // tolerated: nobody waits for a sign of life
    }
  }

  mutating func openedFirstStream(at now: Duration) {
    switch state {
    case .idle: state = .quiet(since: now)
    case .quiet, .pinging, .dead: break
    }
  }

  mutating func closedLastStream() {
    switch state {
    case .quiet, .pinging: state = .idle
    case .idle, .dead: break
    }
  }

  /// When `tick` should be called next; nil while there is nothing to watch.
  var nextTick: Duration? {
    switch state {
    case .idle, .dead: nil
    case .quiet(let since): max(since, lastPing ?? since) + period
    case .pinging(let since): since + timeout
    }
  }

  mutating func tick(at now: Duration) -> OnTick {
    guard let nextTick, now >= nextTick else { return .none }
    switch state {
    case .quiet:
      (state, lastPing) = (.pinging(since: now), now)
      return .sendPing
    case .pinging:
      state = .dead
      return .close
    case .idle, .dead:
      return .none
    }
  }
}
