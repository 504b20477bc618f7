/// The life of one connection as its server sees it, and its defence against clients that open and drop streams in a
/// loop ("rapid reset", CVE-2023-44487). Pure: time is an argument.
///
/// | State    | Entered by                        | Exits to                                        |
/// |----------|-----------------------------------|-------------------------------------------------|
/// | open     | init                              | announced (shutdown), closed (abuse, failure)   |
/// | announced| shutdown: GOAWAY without a limit  | draining (the client has had time to see it)    |
/// | draining | final GOAWAY                      | closed (last call ended, failure)               |
/// | closed   | abuse, failure, last call ended   | —                                               |
struct ServerConnectionStateMachine: Equatable {
  enum OnOpen: Equatable {
    case accept
    /// Not looked at: the client may send it again (RFC 9113 §8.7).
    case refuse
    /// GOAWAY with ENHANCE_YOUR_CALM, and the end.
    case closeForAbuse
  }

  enum OnDrain: Equatable { case none, closeConnection }

  private enum State: Equatable { case open, announced, draining, closed }

  /// Calls whose handlers still run, be their streams open or not.
  private(set) var runningCount = 0
  private let runningMax: Int
  private var state = State.open
  // Resets by the client, as a bucket that empties with time.
  private static let resetBurst = 500.0
  private static let resetsPerSecond = 100.0
  private var resetLevel = 0.0
  private var resetLevelTime = Duration.zero

  /// Handlers may outlive the streams that a client resets, so as many again as streams may run.
  init(concurrentStreamsMax: UInt32) {
    runningMax = Int(concurrentStreamsMax) * 2
  }

  var isClosed: Bool { state == .closed }

  mutating func openedStream() -> OnOpen {
    switch state {
    case .open, .announced:
      guard runningCount < runningMax else { return .refuse }
      runningCount += 1
      return .accept
    case .draining, .closed: return .refuse
    }
  }

  mutating func receivedReset(at now: Duration) -> OnOpen {
    let elapsed = now - resetLevelTime
    resetLevelTime = now
    let drained = (elapsed / .seconds(1)) * ServerConnectionStateMachine.resetsPerSecond
    resetLevel = max(0, resetLevel - drained) + 1
    guard resetLevel > ServerConnectionStateMachine.resetBurst else { return .accept }
    state = .closed
    return .closeForAbuse
  }

  mutating func handlerEnded() -> OnDrain {
    runningCount -= 1
    return closeIfDrained()
  }

  /// True where the first, unlimited GOAWAY must be sent.
  mutating func announceShutdown() -> Bool {
    guard state == .open else { return false }
    state = .announced
    return true
  }

  /// The client has seen the announcement: streams that it opens from now on are refused.
  mutating func drain() -> OnDrain {
    switch state {
    case .open, .announced: state = .draining
    case .draining, .closed: break
    }
    return closeIfDrained()
  }

  mutating func failed() { state = .closed }

  private mutating func closeIfDrained() -> OnDrain {
    guard state == .draining, runningCount == 0 else { return .none }
    state = .closed
    return .closeConnection
  }
}
