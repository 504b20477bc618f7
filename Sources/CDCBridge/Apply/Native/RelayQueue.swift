internal import MilvusWire

/// What goes to the target as one: a message, or a whole transaction from begin to commit; or a place in the log that is passed over.
struct RelayUnit: Sendable {
  /// nil: nothing is sent, the position alone moves on.
  private(set) var first: LogMessage?
  /// Of a transaction; most units are one message, which needs no array.
  private(set) var rest: [LogMessage]
  /// After this unit.
  let position: LogPosition
  let byteCount: Int

  init(_ messages: [LogMessage], position: LogPosition) {
    first = messages.first
    rest = messages.count > 1 ? Array(messages[1...]) : []
    self.position = position
    byteCount = messages.reduce(0) { $0 + $1.byteCount }
  }

  init(_ message: LogMessage, position: LogPosition) {
    first = message
    rest = []
    self.position = position
    byteCount = message.byteCount
  }

  var timeTick: TimeTick { position.timeTick }
  var isEmpty: Bool { first == nil }
  var messages: [LogMessage] { first.map { [$0] + rest } ?? [] }

  func append(to messages: inout [LogMessage]) {
    guard let first else { return }
    messages.append(first)
    if !rest.isEmpty { messages += rest }
  }

  /// Frees the bytes.
  mutating func release() {
    first = nil
    rest = []
  }
}

/// The units of one pchannel that are not confirmed yet, in the order of the log, with two cursors: sent and confirmed. Pure.
///
/// Only the last message of a unit is ever confirmed, and a confirmation covers everything before it (`wal-protocol.md` §6.3, §6.7). Units
/// stay until then, so that a stream that ends can be begun again without the source. How much may be held is the owner's to decide
/// (`byteCount`); a unit is never taken apart, whatever its size.
///
/// ```
///  confirmed │ sent on this stream │ not sent     units in order
///            └ first               └ sentCount
/// ```
struct RelayQueue: Sendable {
  private var units: [RelayUnit] = []
  /// Units before this one are gone; dropped together from time to time.
  private var first = 0
  /// Of the units that are held.
  private(set) var sentCount = 0
  private(set) var byteCount = 0
  /// After the last unit that was confirmed, or passed over behind one.
  private(set) var confirmed: LogPosition
  /// Of the last unit that was really sent and is confirmed: what the target has. 0: none.
  private(set) var confirmedTick: TimeTick

  /// Begins after a position that counts as confirmed; `targetTick` is what the target has received up to there.
  init(at position: LogPosition, targetTick: TimeTick) {
    confirmed = position
    confirmedTick = targetTick
  }

  /// What may be asked of a queue that goes on meanwhile, without its units.
  struct Summary: Sendable {
    let confirmed: LogPosition
    let confirmedTick: TimeTick
    let byteCount: Int
    let isEmpty: Bool
  }
  var summary: Summary { Summary(confirmed: confirmed, confirmedTick: confirmedTick, byteCount: byteCount, isEmpty: isEmpty) }

  var count: Int { units.count - first }
  var isEmpty: Bool { count == 0 }
  var hasUnsent: Bool { sentCount < count }
  /// The first unit that is not confirmed and has messages.
  var head: RelayUnit? { units[first...].first { !$0.isEmpty } }
  var isInFlight: Bool { sentCount > 0 }

  mutating func add(_ unit: RelayUnit) {
    if unit.isEmpty {
      if isEmpty {
        confirmed = unit.position
        return
      }
      if let last = units.last, last.isEmpty {
        units[units.count - 1] = unit
        return
      }
    }
    units.append(unit)
    byteCount += unit.byteCount
  }

  /// The next messages to send, whole units, at most about `bytesMax` of them and at least one unit; nil where everything is sent.
  mutating func takeUnsent(bytesMax: Int) -> [LogMessage]? {
    guard hasUnsent else { return nil }
    var messages: [LogMessage] = []
    messages.reserveCapacity(min(count - sentCount, 512))
    var bytes = 0
    while hasUnsent, bytes == 0 || bytes < bytesMax {
      units[first + sentCount].append(to: &messages)
      bytes += units[first + sentCount].byteCount
      sentCount += 1
    }
    return messages
  }

  /// Everything that is held has to be sent again, on the next stream.
  mutating func streamEnded() { sentCount = 0 }

  /// The target has everything up to this tick. True where something was released.
  @discardableResult
  mutating func confirm(_ tick: TimeTick) -> Bool {
    let before = first
    while first < units.count, units[first].isEmpty || units[first].timeTick <= tick {
      if !units[first].isEmpty { confirmedTick = units[first].timeTick }
      byteCount -= units[first].byteCount
      // Frees the bytes now; the place in the array goes later.
      units[first].release()
      first += 1
      sentCount = max(0, sentCount - 1)
    }
    if first > before { confirmed = units[first - 1].position }
    let isChanged = first > before
    if first == units.count {
      units.removeAll(keepingCapacity: true)
      first = 0
    } else if first >= 1024 {
      units.removeFirst(first)
      first = 0
    }
    return isChanged
  }
}
