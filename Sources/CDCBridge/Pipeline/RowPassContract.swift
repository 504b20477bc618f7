package import MilvusWire

/// How one pass over a unit is to be made.
package struct RowPassOptions: Sendable {
  /// Rows up to this key were confirmed by an earlier pass over this unit (`RowPassReport.confirmedThrough`); nil: from the first row.
  package var startAfterKey: RowKey?
  /// True on the first pass after a crash, and after a pass that ended with an error: writes of the earlier pass may still arrive.
  /// New rows are then written with Upsert, which a repeat cannot double (D16). Lite's Insert replaces and needs no difference.
  package var isUncertain = false
  /// True where the target collection was just created and nobody has written to it: it is not scanned at all. Never together with
  /// `startAfterKey` or `isUncertain`.
  package var isTargetEmpty = false
  /// Wanted size of one answer and of one write, in bytes: with three writes in flight a pass holds about ten times that.
  package var pageBytes = 2 << 20
  package var batchBytes = 2 << 20
  /// Write calls in flight at once; always one on Lite, which has one writer per collection (`public-rpc.md` §4.8).
  package var callsInFlight = 3
  /// Rows that the target refuses one by one before the pass gives up; the first of them are named.
  package var refusedRowsMax = 1_000
  /// Where a log is followed while the pass runs; nil: nobody else writes.
  package var gate: (any RowPassGate)?
  /// Waits between two tries go through it.
  package var clock: any Clock<Duration> = ContinuousClock()
  package init() {}
}

/// What a pass tells while it runs: after each page, after each confirmed write, and while it waits.
package struct RowPassReport: Sendable, Equatable {
  /// Why nothing moves at the moment. The pass goes on by itself and keeps trying for ever.
  package struct Waiting: Sendable, Equatable {
    package var side: BridgeError.Side
    /// Safe for views.
    package var reason: String
    package var attempt: Int
    package var nextTryIn: Duration
    package init(side: BridgeError.Side, reason: String, attempt: Int, nextTryIn: Duration) {
      self.side = side
      self.reason = reason
      self.attempt = attempt
      self.nextTryIn = nextTryIn
    }
  }
  package var counts = RowCounts()
  /// The target has confirmed everything up to this key: a later pass may start after it. nil: nothing yet.
  package var confirmedThrough: RowKey?
  /// nil: the pass is moving.
  package var waiting: Waiting?
  package init() {}
}

/// Rows that were not written or not deleted, with the reason; they are looked at again in the next pass.
package struct RefusedRows: Sendable, Equatable {
  /// How many keys are kept as a sample.
  package static let sampleKeysMax = 10
  /// Safe for views: no row value, and no key.
  package var reason: String
  package var count: Int64
  /// The first few keys, for commands that a person runs on purpose (`compare`); not for logs and views.
  package var sampleKeys: [RowKey]
  package init(reason: String, count: Int64 = 0, sampleKeys: [RowKey] = []) {
    self.reason = reason
    self.count = count
    self.sampleKeys = sampleKeys
  }
}

/// A pass that reached the end of its unit.
package struct RowPassResult: Sendable, Equatable {
  package var counts = RowCounts()
  /// Everything that the source had acknowledged at this time was read, where the source has a clock (AllocTimestamp).
  package var readTimestamp: TimeTick?
  package var refused: [RefusedRows] = []
  /// Nothing was different and nothing was refused.
  package var isClean: Bool {
    counts.inserted == 0 && counts.updated == 0 && counts.deleted == 0 && refused.isEmpty
  }
  package init() {}
}

/// Makes the rows of a unit on the target equal to those on the source, once (`design.md` D5, D6, D16).
///
/// Contract. Both collections are loaded. Rows are read in key order on both sides and merged in bounded memory; each key is written at
/// most once per pass. The pass may be cancelled, or fail, at any point and be started again from the first row or after
/// `confirmedThrough`: the effect of a repeat is none. Rate limits, denied writes and a target that is away are waited for inside;
/// every other failed call is thrown as `.call` after nothing of ours is in flight any more. `.changedMeanwhile` asks to look at the
/// catalogue again; `.dangerousValue`, `.schemaConflict` and `.targetUnsupported` need a person.
package protocol RowPassRunning: Sendable {
  func run() async throws(BridgeError) -> RowPassResult
}
