internal import MilvusWire

/// One collection that a session follows: its changes on their way, and what is known about its target.
///
/// | Mode    | Entered by                                        | Exits to                                             |
/// |---------|---------------------------------------------------|------------------------------------------------------|
/// | waiting | it is covered; a failure that passes by itself    | writing (aligned, and the pause is over)             |
/// | writing | aligned                                           | waiting (a failure), stopped (one for a person)      |
/// | stopped | a failure that needs a person                     | waiting (looked at again), with all rows compared    |
///
/// Changes that arrive while it waits are kept, which holds their pchannels back; those that arrive while it is stopped are left out, and
/// its rows are compared when it goes on: one collection that needs a person does not hold back the others.
struct LogFollow: Sendable {
  enum Mode: Sendable, Equatable { case waiting, writing, stopped }
  /// How rows become requests; made at each alignment.
  struct Form: Sendable {
    var unit: RowUnit
    var plan: RowPlan
    var converter: LogRowConverter
    var upsertReachesAll: Bool
  }
  /// What is left of a batch.
  struct Batch: Sendable {
    var open = 0
    /// They wait for the deletes.
    var later: [RowBatchPlan<RowColumns>.Write] = []
    var isUncertain: Bool
  }

  let id: Int64
  var path: CollectionPath
  var target: CollectionPath
  var mode = Mode.waiting
  var form: Form?
  var flow: RowFlow<RowColumns>
  var queue: WriteQueue
  var batches: [Int: Batch] = [:]
  /// Targets' partitions by the second number of a job's stretches.
  var partitions: [String?] = []
  /// Calls that are out.
  var calls = 0
  /// Counted up when a queue is given up: answers to its calls are not taken.
  var generation = 0
  var isPaused = false
  /// The first one; it is acted on when nothing is out any more.
  var failure: BridgeError?
  var backoff = RetryBackoff()
  var retryAt: ContinuousClock.Instant?
  var counts = RowCounts()
  /// Since the last checkpoint: refused rows that its record does not count yet.
  var refused: OwnedCollection.Refused?

  // The pass that is woven in.
  var job: RowJob?
  var pass: Task<Void, Never>?
  var watch: KeyWatch?
  /// Asked for; opened when nothing of the log is being written.
  var gate: LogLatch?
  var isGateHeld = false

  init(id: Int64, path: CollectionPath, target: CollectionPath, limits: RowFlow<RowColumns>.Limits, queue: WriteQueue) {
    self.id = id
    self.path = path
    self.target = target
    self.queue = queue
    flow = RowFlow(limits: limits)
  }

  /// Nothing is on its way and nothing waits.
  var isDrained: Bool { flow.isEmpty && calls == 0 }

  mutating func partitionNumber(_ name: String?) -> Int {
    if let at = partitions.firstIndex(of: name) { return at }
    partitions.append(name)
    return partitions.count - 1
  }
}
