internal import MilvusWire

/// Which messages wait for which schema change (`wal-protocol.md` §3.5). Pure.
///
/// Every vchannel, the control channel too, is a lane. A copy of a broadcast stops its lane: what comes after it waits behind it. A broadcast
/// is ready when it stands at the head of all its lanes, and is executed once; then its lanes go on to their next copies. So an order on
/// the control channel is the order of execution, a row waits for the copies of its own lane only, and a lane that lags holds back what needs it
/// and nothing else.
///
/// | A broadcast is | Entered by                                   | Exits to                        |
/// |----------------|----------------------------------------------|---------------------------------|
/// | gathering      | its first copy is at the head of a lane      | ready (at the head of all lanes) |
/// | ready          | its last copy is there, or will never come   | executing (`nextReady`)         |
/// | executing      | `nextReady` gave it out                      | applied                         |
/// | applied        | `applied`; it was so before this run         | forgotten (all positions are past it) |
///
/// Tolerated: copies of an applied broadcast and repeated copies (they pass), copies that are missing because a later broadcast already stands
/// in their place or because their part of the log is gone (they are excused and named).
struct BarrierBoard<Item: Sendable>: Sendable {
  struct Broadcast: Sendable, Equatable {
    var id: UInt64
    /// All lanes that carry a copy, the control channel's too.
    var lanes: [String]
  }
  struct Ready: Sendable {
    var id: UInt64
    /// The copies, by lane.
    var copies: [String: Item]
    /// Lanes whose copy never came.
    var missing: [String]
  }
  struct Release: Sendable {
    /// Copies that have taken effect.
    var copies: [Item] = []
    /// What waited behind them, in the order of each lane.
    var items: [Item] = []
  }
  private enum Element: Sendable {
    case copy(UInt64, Item)
    case item(Item)
  }
  private struct Barrier: Sendable {
    var lanes: Set<String>
    var excused: Set<String> = []
    var tick: TimeTick
    var isExecuting = false
  }

  private var lanes: [String: [Element]] = [:]
  private var barriers: [UInt64: Barrier] = [:]
  private var appliedIDs: Set<UInt64>
  /// Up to these ticks the log of a pchannel is gone.
  private var lostUntil: [String: TimeTick] = [:]

  /// Where the reading of each pchannel began.
  private let starts: [String: TimeTick]

  /// `applied`: broadcasts that took effect before this run. `starts`: the positions that it goes on from.
  init(applied: Set<UInt64> = [], starts: [String: TimeTick] = [:]) {
    appliedIDs = applied
    self.starts = starts
  }

  var isIdle: Bool { lanes.isEmpty }
  func isHeld(_ lane: String) -> Bool { lanes[lane] != nil }
  func isApplied(_ id: UInt64) -> Bool { appliedIDs.contains(id) }
  mutating func forget(_ id: UInt64) { appliedIDs.remove(id) }

  /// True: nothing holds the lane, the item is the caller's at once. False: it waits here.
  mutating func receive(_ item: Item, on lane: String) -> Bool {
    guard lanes[lane] != nil else { return true }
    lanes[lane]?.append(.item(item))
    return false
  }

  /// A copy of a broadcast. True: it was applied before and passes.
  mutating func receive(_ item: Item, copyOf broadcast: Broadcast, on lane: String, tick: TimeTick) -> Bool {
    let isRepeated = lanes[lane]?.contains { Self.id(of: $0) == broadcast.id } ?? false
    if appliedIDs.contains(broadcast.id) || isRepeated { return receive(item, on: lane) }
    if barriers[broadcast.id] == nil {
      barriers[broadcast.id] = Barrier(lanes: Set(broadcast.lanes).union([lane]), tick: tick)
    }
    barriers[broadcast.id]?.lanes.insert(lane)
    barriers[broadcast.id]?.excused.remove(lane)
    for (pchannel, until) in lostUntil where tick <= until { excuse(broadcast.id, pchannel: pchannel) }
    lanes[lane, default: []].append(.copy(broadcast.id, item))
    return false
  }

  /// The next broadcast to be executed; each is given out once.
  mutating func nextReady() -> Ready? {
    excuseOvertaken()
    for (id, barrier) in barriers.sorted(by: { $0.key < $1.key }) where !barrier.isExecuting {
      guard barrier.lanes.allSatisfy({ headID($0) == id || barrier.excused.contains($0) }) else { continue }
      barriers[id]?.isExecuting = true
      var copies: [String: Item] = [:]
      for lane in barrier.lanes {
        if case .copy(id, let item)? = lanes[lane]?.first { copies[lane] = item }
      }
      return Ready(id: id, copies: copies, missing: barrier.lanes.filter { copies[$0] == nil }.sorted())
    }
    return nil
  }

  /// It took effect, durably: its lanes go on.
  mutating func applied(_ id: UInt64) -> Release {
    appliedIDs.insert(id)
    var release = Release()
    guard let barrier = barriers.removeValue(forKey: id) else { return release }
    for lane in barrier.lanes.sorted() {
      guard case .copy(id, let item)? = lanes[lane]?.first else { continue }
      release.copies.append(item)
      goOn(lane, &release)
    }
    return release
  }

  /// Part of the log of a pchannel is gone: copies that were in it are not waited for.
  mutating func lost(pchannel: String, until tick: TimeTick) {
    lostUntil[pchannel] = max(lostUntil[pchannel] ?? tick, tick)
    for id in barriers.keys { excuse(id, pchannel: pchannel) }
  }

  /// Everything of a pchannel up to this tick has been received. Ticks of one channel bound nothing on another: a copy may lie before what is
  /// read although the others are later. One that is `patienceMs` later than they are, and not there, is not waited for any longer; should it
  /// come all the same, it passes.
  mutating func reached(pchannel: String, tick: TimeTick) {
    guard !barriers.isEmpty, let start = [lostUntil[pchannel], starts[pchannel]].compactMap({ $0 }).max() else { return }
    for (id, barrier) in barriers where !barrier.isExecuting {
      let now = barrier.tick.unixMilliseconds
      guard tick.unixMilliseconds - now > Self.patienceMs, now - start.unixMilliseconds <= Self.spreadMs else { continue }
      excuse(id, pchannel: pchannel)
    }
  }
  static var patienceMs: Int64 { 30_000 }
  /// Copies of one broadcast are written within this time.
  static var spreadMs: Int64 { 60_000 }

  /// Lanes of broadcasts that still wait for a copy on one of them: reading on there may be the only way forward.
  var awaitedLanes: Set<String> {
    var awaited: Set<String> = []
    for (id, barrier) in barriers where !barrier.isExecuting {
      for lane in barrier.lanes where lanes[lane] == nil && !barrier.excused.contains(lane) && headID(lane) != id {
        awaited.insert(lane)
      }
    }
    return awaited
  }

  // MARK: Private

  private static func id(of element: Element) -> UInt64? {
    if case .copy(let id, _) = element { id } else { nil }
  }
  private func headID(_ lane: String) -> UInt64? { lanes[lane]?.first.flatMap(Self.id) }

  private mutating func excuse(_ id: UInt64, pchannel: String) {
    guard let barrier = barriers[id] else { return }
    for lane in barrier.lanes where lane == pchannel || lane.hasPrefix(pchannel + "_") {
      let isThere = lanes[lane]?.contains { Self.id(of: $0) == id } ?? false
      if !isThere { barriers[id]?.excused.insert(lane) }
    }
  }

  /// Where a lane shows a broadcast that comes later on another lane of the one at that lane's head, the earlier one's copy was lost.
  private mutating func excuseOvertaken() {
    for (lane, elements) in lanes {
      guard let first = headID(lane), let barrier = barriers[first] else { continue }
      let later = Set(elements.dropFirst().compactMap(Self.id))
      guard !later.isEmpty else { continue }
      for other in barrier.lanes where other != lane {
        if let head = headID(other), head != first, later.contains(head) {
          barriers[first]?.excused.insert(other)
        }
      }
    }
  }

  /// Removes the head of a lane and gives out what waited up to the next copy that still holds.
  private mutating func goOn(_ lane: String, _ release: inout Release) {
    guard var rest = lanes[lane]?.dropFirst() else { return }
    while let element = rest.first {
      switch element {
      case .item(let item): release.items.append(item)
      case .copy(let id, let item):
        guard appliedIDs.contains(id) else {
          lanes[lane] = Array(rest)
          return
        }
        release.copies.append(item)
      }
      rest = rest.dropFirst()
    }
    lanes[lane] = nil
  }
}
