internal import MilvusWire

/// What one pchannel delivered and what of it has taken effect: positions move with the longest confirmed prefix, never past a hole (D8).
/// Pure.
///
/// Two cursors: what was added, and what is confirmed. Only the second is ever stored.
struct DeliveryLedger<Position: Sendable>: Sendable {
  private struct Entry: Sendable {
    /// nil: something that proves a tick and is no message.
    var position: Position?
    var tick: TimeTick
    var bytes: Int
    var isDone: Bool
  }
  private var entries: [Entry] = []
  /// Number of `entries[head]`; entries before it are used up.
  private var firstNumber = 0
  private var head = 0

  /// Where the pchannel is to be read on from; nil: nothing was confirmed yet.
  private(set) var confirmed: Position?
  /// Everything of the pchannel up to here has taken effect.
  private(set) var appliedTick: TimeTick
  /// Of entries that were added and are not confirmed; what the budget of a pchannel is measured by.
  private(set) var openBytes = 0

  init(position: Position?, tick: TimeTick) {
    confirmed = position
    appliedTick = tick
  }

  var isEmpty: Bool { head == entries.count }
  var openCount: Int { entries.count - head }

  /// Returns the number of the entry.
  mutating func add(_ position: Position?, tick: TimeTick, bytes: Int) -> Int {
    entries.append(Entry(position: position, tick: tick, bytes: max(0, bytes), isDone: false))
    openBytes += max(0, bytes)
    return firstNumber + entries.count - 1 - head
  }

  /// Everything up to this tick has come: a bounded dump ended.
  mutating func prove(_ tick: TimeTick) {
    let number = add(nil, tick: tick, bytes: 0)
    done(number)
  }

  /// The entry took effect. Numbers that are confirmed already are tolerated.
  mutating func done(_ number: Int) {
    let at = head + (number - firstNumber)
    guard at >= head, at < entries.count else { return }
    if !entries[at].isDone {
      entries[at].isDone = true
      openBytes -= entries[at].bytes
    }
    while head < entries.count, entries[head].isDone {
      if let position = entries[head].position { confirmed = position }
      appliedTick = max(appliedTick, entries[head].tick)
      head += 1
      firstNumber += 1
    }
    if head == entries.count {
      entries.removeAll(keepingCapacity: true)
      head = 0
    } else if head > 512, head > entries.count / 2 {
      entries.removeFirst(head)
      head = 0
    }
  }
}
