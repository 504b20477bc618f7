internal import MilvusWire

/// The changes of one collection on their way to the target: in the order of arrival, batches of distinct keys side by side. Pure.
///
/// A batch is written beside others only where it shares no key with them, so the order of each key is kept (guarantee 2) without lanes.
/// What waits is coalesced: the longer the target takes, the larger the next batch. A flow that failed is rewound: everything that is not
/// confirmed waits again, in order, and is uncertain from then on.
struct RowFlow<Rows: Sendable>: Sendable {
  struct Limits: Sendable {
    /// Batches beside each other; one on Lite.
    var batchesMax = 4
    var rowsMax = 4_096
    var bytesMax = 2 << 20
    init(batchesMax: Int = 4, rowsMax: Int = 4_096, bytesMax: Int = 2 << 20) {
      self.batchesMax = max(1, batchesMax)
      self.rowsMax = rowsMax
      self.bytesMax = bytesMax
    }
  }
  private struct Flying: Sendable {
    var changes: [LogRowChange<Rows>]
    var keys: BatchKeys
  }

  private let limits: Limits
  private var waiting: [LogRowChange<Rows>] = []
  /// `waiting[..<head]` is used up.
  private var head = 0
  private var flying: [Int: Flying] = [:]
  private var nextNumber = 0
  /// Up to which tick of each pchannel changes were given out.
  private(set) var reach: [String: TimeTick] = [:]

  init(limits: Limits = Limits()) { self.limits = limits }

  var isEmpty: Bool { head == waiting.count && flying.isEmpty }
  var isFlying: Bool { !flying.isEmpty }
  var waitingCount: Int { waiting.count - head }

  /// All that is not confirmed.
  var changes: [LogRowChange<Rows>] { flying.sorted { $0.key < $1.key }.flatMap(\.value.changes) + waiting[head...] }

  mutating func add(_ change: LogRowChange<Rows>) { waiting.append(change) }

  /// What waits longest.
  var first: LogRowChange<Rows>? { head < waiting.count ? waiting[head] : nil }

  /// The next batch that may be written now; `mayGo` ends it before the first change that may not.
  mutating func next(
    upsertReachesAll: Bool, mayGo: (LogRowChange<Rows>) -> Bool = { _ in true }
  ) -> (number: Int, plan: RowBatchPlan<Rows>)? {
    guard head < waiting.count, flying.count < limits.batchesMax, mayGo(waiting[head]) else { return nil }
    var end = head
    var rows = 0
    var bytes = 0
    while end < waiting.count {
      let change = waiting[end]
      if end > head, rows + change.rowCount > limits.rowsMax || bytes + change.bytes > limits.bytesMax { break }
      // What is uncertain is written in another way than what is not.
      if end > head, change.isUncertain != waiting[head].isUncertain || !mayGo(change) { break }
      rows += change.rowCount
      bytes += change.bytes
      end += 1
    }
    let changes = Array(waiting[head..<end])
    var keys = BatchKeys(changes)
    guard sharesNoKey(&keys, changes) else { return nil }
    head = end
    for change in changes { reach[change.receipt.pchannel] = max(reach[change.receipt.pchannel] ?? change.tick, change.tick) }
    if head == waiting.count {
      waiting.removeAll(keepingCapacity: head < 1_024)
      head = 0
    } else if head > 256, head > waiting.count / 2 {
      waiting.removeFirst(head)
      head = 0
    }
    nextNumber += 1
    flying[nextNumber] = Flying(changes: changes, keys: keys)
    return (nextNumber, RowBatchPlan(changes, upsertReachesAll: upsertReachesAll))
  }

  private mutating func sharesNoKey(_ keys: inout BatchKeys, _ changes: [LogRowChange<Rows>]) -> Bool {
    for number in flying.keys {
      guard var other = flying[number], other.keys.mayMeet(keys) else { continue }
      let isDisjoint = other.keys.all(of: other.changes).isDisjoint(with: keys.all(of: changes))
      flying[number] = other
      if !isDisjoint { return false }
    }
    return true
  }

  /// The target has confirmed a batch; its receipts.
  mutating func confirmed(_ number: Int) -> [LogReceipt] {
    (flying.removeValue(forKey: number)?.changes ?? []).map(\.receipt)
  }

  /// Nothing that flies counts: it waits again, as something that may have been applied.
  mutating func rewind() {
    let returned = flying.sorted { $0.key < $1.key }.flatMap(\.value.changes).map { change in
      var change = change
      change.isUncertain = true
      return change
    }
    waiting = returned + waiting[head...]
    head = 0
    flying = [:]
  }

  /// The rows of these partitions are gone, and are not written if they are given out again. Their changes stay, without them.
  mutating func leaveOut(partitions: Set<String>) {
    for at in waiting.indices[head...] { waiting[at].leaveOut(partitions) }
    for number in flying.keys {
      for at in flying[number]?.changes.indices ?? 0..<0 { flying[number]?.changes[at].leaveOut(partitions) }
    }
  }

  /// Gives up everything; the receipts of what will never be written.
  mutating func abandon() -> [LogReceipt] {
    rewind()
    defer {
      waiting = []
      head = 0
    }
    return waiting.map(\.receipt)
  }
}
