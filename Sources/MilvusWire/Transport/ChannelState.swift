/// What a channel knows about its connections. Guarded by the channel's lock; whoever must be resumed is returned.
///
/// | Slot       | Entered by                         | Exits to                                            |
/// |------------|------------------------------------|-----------------------------------------------------|
/// | idle       | init, connection lost              | connecting (a call wants a connection)              |
/// | connecting | a call                             | ready (first SETTINGS), backingOff (failure)        |
/// | ready      | first SETTINGS                     | idle (GOAWAY, failure)                              |
/// | backingOff | failure                            | connecting (a call, after the pause)                |
struct ChannelState {
  typealias Continuation = CheckedContinuation<Void, Never>

  enum Choice {
    case use(Connection)
    case connect(slot: Int)
    case wait(slot: Int)
    case fail(RPCError)
  }

  private enum Slot {
    case idle
    case connecting
    case ready(Connection)
    case backingOff(until: ContinuousClock.Instant, RPCError)
  }

  private struct Waiter {
    var slot: Int
    var continuation: Continuation
  }

  private var slots: [Slot]
  private var backoffs: [Backoff]
  private var turn = 0
  private var waiters: [UInt64: Waiter] = [:]
  private var lastID: UInt64 = 0
  private var generator = SystemRandomNumberGenerator()
  private var shutDownReason: RPCError?
  var tasks: [UInt64: Task<Void, Never>] = [:]
  var keepalivePeriod: Duration

  init(slotCount: Int, keepalivePeriod: Duration, backoff: Backoff) {
    slots = Array(repeating: .idle, count: slotCount)
    backoffs = Array(repeating: backoff, count: slotCount)
    self.keepalivePeriod = keepalivePeriod
  }

  var isShutDown: Bool { shutDownReason != nil }

  mutating func newID() -> UInt64 {
    lastID += 1
    return lastID
  }

  /// What a call does next. Slots take turns.
  mutating func choose(at now: ContinuousClock.Instant) -> Choice {
    if let shutDownReason { return .fail(shutDownReason) }
    turn = (turn + 1) % slots.count
    switch slots[turn] {
    case .ready(let connection): return .use(connection)
    case .connecting: return .wait(slot: turn)
    case .backingOff(let until, let reason) where now < until: return .fail(reason)
    case .idle, .backingOff:
      slots[turn] = .connecting
      return .connect(slot: turn)
    }
  }

  mutating func connected(_ slot: Int, _ connection: Connection) -> [Continuation] {
    guard case .connecting = slots[slot], !isShutDown else { return [] }
    slots[slot] = .ready(connection)
    backoffs[slot].succeeded()
    return takeWaiters(of: slot)
  }

  mutating func connectFailed(
    _ slot: Int, _ reason: RPCError, at now: ContinuousClock.Instant
  ) -> [Continuation] {
    guard case .connecting = slots[slot] else { return [] }
    slots[slot] = .backingOff(until: now + backoffs[slot].failed(using: &generator), reason)
    return takeWaiters(of: slot)
  }

  /// The connection takes no more calls. One that never got ready is for `connectFailed` to report.
  mutating func lost(_ slot: Int, _ connection: Connection) -> [Continuation] {
    guard case .ready(let current) = slots[slot], current === connection else { return [] }
    slots[slot] = .idle
    return takeWaiters(of: slot)
  }

  mutating func shutDown(_ reason: RPCError) -> ([Connection], [Task<Void, Never>], [Continuation]) {
    if shutDownReason == nil { shutDownReason = reason }
    var connections: [Connection] = []
    for slot in slots {
      if case .ready(let connection) = slot { connections.append(connection) }
    }
    let resumed = waiters.values.map(\.continuation)
    waiters = [:]
    return (connections, Array(tasks.values), resumed)
  }

  // MARK: Calls that wait for a connection

  /// False where the slot is not connecting any more, so there is nothing to wait for.
  mutating func park(_ id: UInt64, slot: Int, _ continuation: Continuation) -> Bool {
    guard case .connecting = slots[slot], !isShutDown else { return false }
    waiters[id] = Waiter(slot: slot, continuation: continuation)
    return true
  }

  mutating func takeWaiter(_ id: UInt64) -> Continuation? {
    waiters.removeValue(forKey: id)?.continuation
  }

  private mutating func takeWaiters(of slot: Int) -> [Continuation] {
    let ids = waiters.filter { $0.value.slot == slot }.keys.sorted()
    return ids.compactMap { takeWaiter($0) }
  }
}
