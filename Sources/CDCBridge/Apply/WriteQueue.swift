internal import MilvusWire

/// Decides which write goes out next and what a failed one means; the shell sends, waits and reports. Pure.
///
/// | State    | Entered by                             | Exits to                                            |
/// |----------|----------------------------------------|-----------------------------------------------------|
/// | flowing  | init, pause over, last suspect settled | paused (target takes nothing), proving, failed      |
/// | paused   | wait, repeat                           | flowing or proving (`pauseEnded`)                   |
/// | proving  | a connection broke with a job out      | flowing (no suspect left), paused, failed           |
/// | failed   | nothing can be done                    | –                                                   |
///
/// While proving, the jobs that were out when the connection broke go out one at a time: only so is it told which of them breaks it.
struct WriteQueue: Sendable {
  /// Connection drops on one batch before it is parked (`public-rpc.md` §8.1).
  static let dropsMax = 3
  /// Tries of one batch without an answer that says anything.
  static let repeatsMax = 5
  /// Rows refused one after the other without a row accepted between them: then it is not the rows.
  static let refusedInARowMax = 16

  enum Step: Sendable {
    case send(WriteJob)
    /// Nothing is sent until `pauseEnded`.
    case pause(Duration, reason: String, attempt: Int)
    case none
  }
  /// A job that is settled: confirmed, replaced by its halves, or given up as refused.
  struct Confirmed: Sendable, Equatable {
    /// Of a delete: keys that the source really lacked.
    var rows: Int
    var bytes: Int
  }
  struct Settled: Sendable {
    var job: WriteJob
    /// Halves that took its place.
    var replacedBy = 0
    var confirmed: Confirmed?
    var refusedReason: String?
  }

  private let collection: String
  private let policy: ErrorPolicy
  private let inFlightMax: Int
  private let refusedRowsMax: Int
  private var waiting: [WriteJob] = []
  private var suspects: [WriteJob] = []
  private var inFlight = 0
  /// A suspect is out alone.
  private var isProving = false
  private var nextID = 0
  private var isPaused = false
  private var pauseToStart: (Duration, String)?
  private var pauseAttempt = 0
  private var refusedInARow = 0
  private var refusedRows = 0
  private(set) var failure: BridgeError?

  init(collection: String, policy: ErrorPolicy, inFlightMax: Int, refusedRowsMax: Int) {
    self.collection = collection
    self.policy = policy
    self.inFlightMax = max(1, inFlightMax)
    self.refusedRowsMax = refusedRowsMax
  }

  var isIdle: Bool { waiting.isEmpty && suspects.isEmpty && inFlight == 0 }
  /// Jobs hold their pages: the merge stops while there are as many as may fly.
  var isFull: Bool { waiting.count + suspects.count + inFlight >= inFlightMax }

  mutating func add(_ work: WriteJob.Work, stretches: [Int], isUncertain: Bool) {
    waiting.append(WriteJob(id: newID(), stretches: stretches, work: work, isUncertain: isUncertain))
  }
  private mutating func newID() -> Int {
    nextID += 1
    return nextID
  }

  /// Call until it says none.
  mutating func next() -> Step {
    if failure != nil { return .none }
    if let (delay, reason) = pauseToStart {
      pauseToStart = nil
      isPaused = true
      return .pause(delay, reason: reason, attempt: pauseAttempt)
    }
    if isPaused { return .none }
    if !suspects.isEmpty {
      // Everything else that is out has to come home first.
      guard inFlight == 0 else { return .none }
      inFlight = 1
      isProving = true
      return .send(suspects.removeFirst())
    }
    // After a pause one job goes ahead: a target that takes nothing need not be asked by all.
    let limit = pauseAttempt > 0 ? 1 : inFlightMax
    guard inFlight < limit, !isProving, !waiting.isEmpty else { return .none }
    inFlight += 1
    return .send(waiting.removeFirst())
  }
  mutating func pauseEnded() { isPaused = false }

  /// The answer of one try. Returns the jobs that are settled by it.
  mutating func finished(_ job: WriteJob, _ outcome: WriteOutcome) -> Settled? {
    inFlight -= 1
    if inFlight == 0 { isProving = false }
    switch outcome {
    case .done(let rows, let bytes):
      pauseAttempt = 0
      if rows > 0 { refusedInARow = 0 }
      return Settled(job: job, confirmed: Confirmed(rows: rows, bytes: bytes))
    case .stopped(let error):
      fail(error)
      return nil
    case .unsendable(let reason): return refuse(job, reason, cause: nil)
    case .failed(let cause): return failed(job, cause)
    }
  }

  private mutating func failed(_ job: WriteJob, _ cause: CallError) -> Settled? {
    var job = job
    switch policy.decideWrite(cause) {
    case .wait(let reason):
      requeue(job)
      pause(reason)
    case .repeatIdempotently:
      job.repeats += 1
      job.isUncertain = true
      guard job.repeats < Self.repeatsMax else {
        fail(BridgeError(cause, side: .target, operation: operation))
        return nil
      }
      requeue(job)
      pause(cause.shown)
    case .suspect:
      job.drops += 1
      job.isUncertain = true
      guard job.drops < Self.dropsMax else {
        fail(parked(job, cause))
        return nil
      }
      suspects.append(job)
      pause(cause.shown)
    case .split:
      if let halves = replaceByHalves(job) { return halves }
      return refuse(job, "one row is larger than the target takes in a message", cause: cause)
    case .refused(let reason): return refuse(job, reason, cause: cause)
    case .changedMeanwhile:
      fail(
        BridgeError(
          .changedMeanwhile, side: .target, operation: operation, message: "the target collection is not what it was: \(cause.shown)",
          cause: cause))
    case .fail: fail(BridgeError(cause, side: .target, operation: operation))
    }
    return nil
  }

  private var operation: String { "copy \(collection)" }

  /// A job that is tried again keeps its place at the front, and stays a suspect if it was one.
  private mutating func requeue(_ job: WriteJob) {
    if job.drops > 0 { suspects.insert(job, at: 0) } else { waiting.insert(job, at: 0) }
  }

  private mutating func pause(_ reason: String) {
    // Several jobs come home with the same bad news: one pause is enough.
    guard !isPaused, pauseToStart == nil else { return }
    pauseAttempt += 1
    pauseToStart = (Self.delay(attempt: pauseAttempt), reason)
  }

  /// 0.1 s doubling to 10 s (`public-rpc.md` §2.2, code 8).
  static func delay(attempt: Int) -> Duration { min(.milliseconds(100 * (1 << min(attempt - 1, 10))), .seconds(10)) }

  private mutating func replaceByHalves(_ job: WriteJob) -> Settled? {
    guard let (first, second) = job.halves(newID(), newID()) else { return nil }
    waiting.insert(contentsOf: [first, second], at: 0)
    return Settled(job: job, replacedBy: 2)
  }

  /// Halves a refused batch until the rows that cause it stand alone.
  private mutating func refuse(_ job: WriteJob, _ reason: String, cause: CallError?) -> Settled? {
    if let halves = replaceByHalves(job) { return halves }
    refusedRows += 1
    if let cause {
      refusedInARow += 1
      if refusedInARow >= Self.refusedInARowMax {
        fail(BridgeError(cause, side: .target, operation: operation))
        return nil
      }
    }
    if refusedRows > refusedRowsMax {
      fail(
        BridgeError(
          .targetUnsupported, side: .target, operation: operation,
          message: "the target cannot take more than \(refusedRowsMax) rows, the last one: \(reason)",
          hint: "Mend the rows on the source or the schema of the target; the collection then goes on by itself.", cause: cause))
      return nil
    }
    return Settled(job: job, refusedReason: reason)
  }

  private func parked(_ job: WriteJob, _ cause: CallError) -> BridgeError {
    BridgeError(
      .dangerousValue, side: .target, operation: operation,
      message:
        "the connection broke \(Self.dropsMax) times while the same \(job.count) rows were sent; they may end the server and are not sent again",
      hint: "Look at the target's log; cdc-bridge compare names rows that it lacks. Resume when they are mended on the source.",
      cause: cause)
  }

  /// The first failure counts.
  private mutating func fail(_ error: BridgeError) { if failure == nil { failure = error } }
}
