package import MilvusWire

/// What a task is doing now: the `progress` object of a view and the answer of the `progress` request (`design.md` §4).
package struct TaskProgress: Sendable, Equatable {
  package enum Phase: String, Sendable, Equatable { case probing, copying, following, retrying, stopped }
  package struct Collection: Sendable, Equatable {
    package enum State: String, Sendable, Equatable { case waiting, copying, following, retrying, stopped }
    package var source: CollectionPath
    package var target: CollectionPath
    package var state: State = .waiting {
      didSet { absence = nil }
    }
    /// Chosen by name and, at the last look, not there: the task waits for it. Ends with the next state that is set, so it is set after it.
    package var absence: SourceAbsence?
    /// Rows of the source read in this pass, and the count(*) taken when the pass began (nil: unknown).
    package var rowsCopied: Int64 = 0
    package var rowsTotal: Int64?
    /// Since the task started.
    package var inserted: Int64 = 0
    package var updated: Int64 = 0
    package var deleted: Int64 = 0
    package var bytesWritten: Int64 = 0
    /// True after the first pass over the whole collection has ended.
    package var isCopied = false
    /// The source was read completely at or after this instant (source clock, Unix ms); nil before the first pass has ended.
    package var watermarkUnixMs: Int64?
    /// When that reading had ended (this host's clock, Unix ms); nil where a log is followed.
    package var readEndedUnixMs: Int64?
    package var lastError: String?
    package var hint: String?
    package init(source: CollectionPath, target: CollectionPath) {
      self.source = source
      self.target = target
    }
  }
  /// One channel of a log that is followed.
  package struct Pchannel: Sendable, Equatable {
    package var name: String
    /// Everything up to here is on the target.
    package var watermarkUnixMs: Int64
    /// Delivered and not confirmed yet.
    package var waitingBytes: Int
    package init(name: String, watermarkUnixMs: Int64, waitingBytes: Int) {
      self.name = name
      self.watermarkUnixMs = watermarkUnixMs
      self.waitingBytes = waitingBytes
    }
  }
  package var phase: Phase = .probing
  package var capture: TaskSpec.Capture = .auto
  package var apply: TaskSpec.Apply = .public
  /// Why this capture was chosen.
  package var captureReason = ""
  package var collections: [Collection] = []
  /// The source was looked at whole at least once: `collections` has everything that the task covers. Before that it grows one by one.
  package var hasLooked = false
  /// Empty where no log is followed.
  package var pchannels: [Pchannel] = []
  /// Until changes that are not on the target may be unreadable; nil where the log does not tell.
  package var retentionSecondsLeft: Int64?
  package var lastError: String?
  package var hint: String?
  package var retryAttempt = 0
  /// On the monotonic clock of this process; nil where nothing waits to be retried.
  package var nextRetryAt: ContinuousClock.Instant?
  /// Objects that are not replicated, each with the reason; shown by name, never skipped silently.
  package var notReplicated: [String] = []
  /// Source clock minus local clock in ms as last measured; nil where the source has no AllocTimestamp.
  package var sourceClockOffsetMs: Int64?
  package init() {}
}

/// The board that a running task writes and that views read. Safe from any thread; holds the last state after the task stops.
package final class ProgressBoard: Sendable {
  private let state = Locked(TaskProgress())
  package init() {}
  package func read() -> TaskProgress { state.withLock { $0 } }
  package func update(_ change: (inout TaskProgress) -> Void) { state.withLock { change(&$0) } }
}
