internal import MilvusWire

/// The log of one pchannel: what was appended, in the form in which a dump delivers it.
///
/// Entries are numbered in a row (ordinals); those that no reader sees (TimeTick, CreateSegment) have ids only. A transaction is one
/// delivery of all its messages, which show the tick and the last-confirmed id of their commit (`wal-protocol.md` §4.3).
struct PchannelLog {
  struct Delivery {
    /// Of the message, or of the BeginTxn.
    var firstOrdinal: Int
    /// Of the message, or of the CommitTxn.
    var lastOrdinal: Int
    var tick: UInt64
    /// `common.ImmutableMessage`s.
    var messages: [[UInt8]]
  }
  /// A run of entries whose ids have one segment and rise by one.
  struct Run {
    var firstOrdinal: Int
    var id: EntryID
    var count: Int
    var kind: LogKind
  }

  let name: String
  private(set) var kind: LogKind
  private(set) var runs: [Run] = []
  private(set) var nextOrdinal = 0
  private(set) var deliveries: [Delivery] = []
  /// Deliveries before were lost by a switch of the log, also for readers that were on their way to them.
  private(set) var firstKeptDelivery = 0
  /// Entries below cannot be read any more.
  private(set) var firstReadable = 0
  /// Where an inclusive start at WoodPecker's 0/0 begins (`wal-protocol.md` §2.6).
  private(set) var truncationPoint = 0
  /// Raised by a restart (`_wt`).
  private(set) var term: Int64 = 1
  /// Everything appended from now on has a larger tick: what a bounded dump waits for.
  private(set) var provenTick: UInt64 = 0
  /// The tick of the last message.
  private(set) var lastTick: UInt64 = 0
  private var confirmedOrdinal = 0
  private var ticks: TickBatch?

  /// Ticks that the node took at once and gives out for a while (`wal-protocol.md` §4.4).
  private struct TickBatch {
    var next: UInt64
    var end: UInt64
    var takenAt: Int64
  }
  private static let batchCount: UInt64 = 4096
  private static let batchMillisecondsMax: Int64 = 200

  init(name: String, kind: LogKind, firstEntry: Int64) {
    (self.name, self.kind) = (name, kind)
    // Entry 0 is a TimeTick in every log that a server begins.
    runs = [Run(firstOrdinal: 0, id: EntryID(segment: 0, entry: firstEntry), count: 1, kind: kind)]
    nextOrdinal = 1
  }

  // MARK: Ids

  /// As the log writes it.
  func messageID(_ ordinal: Int) -> LogMessageID { id(ordinal).id(kind) }

  func id(_ ordinal: Int) -> EntryID {
    var low = 0, high = runs.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if runs[middle].firstOrdinal <= ordinal { low = middle } else { high = middle }
    }
    let run = runs[low]
    return EntryID(segment: run.id.segment, entry: run.id.entry &+ Int64(ordinal - run.firstOrdinal))
  }

  /// The entry with an id of the log's present kind; nil where there is none.
  func ordinal(_ id: EntryID) -> Int? {
    for run in runs where run.kind == kind && run.id.segment == id.segment {
      let (offset, isOut) = id.entry.subtractingReportingOverflow(run.id.entry)
      if !isOut, offset >= 0, offset < Int64(run.count) { return run.firstOrdinal + Int(offset) }
    }
    return nil
  }

  /// The first entry whose id is not below `id`; `nextOrdinal` where all are.
  func firstOrdinal(from id: EntryID) -> Int {
    for run in runs where run.kind == kind {
      if run.id >= id { return run.firstOrdinal }
      let last = EntryID(segment: run.id.segment, entry: run.id.entry &+ Int64(run.count - 1))
      if id <= last { return run.firstOrdinal + Int(id.entry &- run.id.entry) }
    }
    return nextOrdinal
  }

  /// The first entry of the present kind.
  var firstOfKind: Int { runs.first { $0.kind == kind }?.firstOrdinal ?? nextOrdinal }

  private mutating func takeEntry() -> Int {
    if runs.isEmpty {
      runs.append(Run(firstOrdinal: nextOrdinal, id: EntryID(segment: 0, entry: 0), count: 0, kind: kind))
    }
    runs[runs.count - 1].count += 1
    nextOrdinal += 1
    return nextOrdinal - 1
  }

  /// An entry that no dump delivers: a TimeTick, a CreateSegment.
  mutating func appendHidden() { _ = takeEntry() }

  // MARK: Appending

  /// Appends one message, or a transaction of several (begin, bodies, commit), and says its tick.
  mutating func append(_ drafts: [LogDraft], oracle: inout TimestampOracle, random: inout SandboxRandom)
    -> Delivery
  {
    if let barrier = drafts.compactMap(\.barrierTick).max(), let batch = ticks, batch.next <= barrier {
      ticks = nil
    }
    // The last-confirmed entry lies a little behind, never before an earlier one's, and before all of the message.
    let candidate = max(confirmedOrdinal, nextOrdinal - 1 - Int(random.next() % 3))
    confirmedOrdinal = max(candidate, firstOfKind)
    let first = nextOrdinal
    var tick: UInt64 = 0
    for _ in drafts {
      _ = takeEntry()
      tick = takeTick(&oracle)
    }
    let confirmed = messageID(confirmedOrdinal)
    let messages = drafts.enumerated().map { offset, draft in
      draft.message(id: messageID(first + offset), confirmed: confirmed, tick: tick, term: term)
    }
    lastTick = tick
    let delivery = Delivery(firstOrdinal: first, lastOrdinal: nextOrdinal - 1, tick: tick, messages: messages)
    deliveries.append(delivery)
    return delivery
  }

  /// Bytes that are delivered as they are, whatever they say.
  mutating func append(raw: [UInt8], oracle: inout TimestampOracle) {
    let ordinal = takeEntry()
    lastTick = takeTick(&oracle)
    deliveries.append(Delivery(firstOrdinal: ordinal, lastOrdinal: ordinal, tick: lastTick, messages: [raw]))
  }

  /// The form of a FlushAll answer: without `_wt`.
  func answerForm(of draft: LogDraft, _ delivery: Delivery) -> [UInt8] {
    draft.message(
      id: messageID(delivery.firstOrdinal), confirmed: messageID(confirmedOrdinal), tick: delivery.tick,
      term: nil)
  }

  private mutating func takeTick(_ oracle: inout TimestampOracle) -> UInt64 {
    let now = oracle.clockMilliseconds
    if let batch = ticks, batch.next < batch.end, now - batch.takenAt < Self.batchMillisecondsMax {
      ticks?.next += 1
      return batch.next
    }
    let first = oracle.next(Self.batchCount)
    ticks = TickBatch(next: first + 1, end: first + Self.batchCount, takenAt: now)
    return first
  }

  /// What the node's TimeTick does: gives back unused ticks, so that all later ones are larger than every timestamp given out so far.
  mutating func syncTimeTick(_ oracle: inout TimestampOracle) {
    ticks = nil
    provenTick = oracle.next()
  }

  // MARK: What a reader finds

  /// The first delivery that is read whole from `ordinal` on.
  func firstDelivery(from ordinal: Int) -> Int {
    var low = 0, high = deliveries.count
    while low < high {
      let middle = (low + high) / 2
      if deliveries[middle].lastOrdinal < ordinal { low = middle + 1 } else { high = middle }
    }
    return low
  }

  // MARK: Accidents

  /// Entries before `ordinal` are gone for readers.
  mutating func truncate(before ordinal: Int) {
    firstReadable = max(firstReadable, min(ordinal, nextOrdinal))
  }

  mutating func setTruncationPoint(_ ordinal: Int) { truncationPoint = min(ordinal, nextOrdinal) }

  mutating func moveTruncationPoint(to ordinal: Int) {
    truncationPoint = max(truncationPoint, min(ordinal, nextOrdinal))
  }

  /// A restart: a new term, in WoodPecker and Pulsar a new segment.
  mutating func roll() {
    term += 1
    ticks = nil
    guard kind == .woodPecker || kind == .pulsar, let last = runs.last else { return }
    runs.append(
      Run(
        firstOrdinal: nextOrdinal, id: EntryID(segment: last.id.segment + 1, entry: 0), count: 0, kind: kind))
    appendHidden()
  }

  /// The log goes on in another implementation: what was there before can be read no more, and nothing says so (`wal-protocol.md` §5.3).
  mutating func switchKind(to other: LogKind, firstEntry: Int64) {
    kind = other
    ticks = nil
    term += 1
    runs.append(
      Run(firstOrdinal: nextOrdinal, id: EntryID(segment: 0, entry: firstEntry), count: 0, kind: other))
    firstReadable = nextOrdinal
    firstKeptDelivery = deliveries.count
    truncationPoint = nextOrdinal
    confirmedOrdinal = nextOrdinal
    appendHidden()
  }
}
