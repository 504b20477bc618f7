internal import MilvusWire

/// Stores how far a first copy is, now and then, so that a restart goes on from there instead of at the first row.
///
/// Contract. What is stored was confirmed by the target, so it may be older than the truth and never newer: rows after it may have been
/// written, which the uncertain mark covers. A write of the checkpoint follows `interval` or `rowsPerSave` after the last one; a pass over a
/// collection that is copied has no tracker and writes nothing. Safe from any thread.
final class CopyTracker: Sendable {
  static let interval: Duration = .seconds(5)
  static let rowsPerSave: Int64 = 50_000

  private struct State: Sendable {
    var copy: OwnedCollection.CopyProgress
    /// Rows of the units that have ended, those of earlier runs included.
    var rowsBefore: Int64
    var unit = ""
    var savedAt: ContinuousClock.Instant
    var savedRows: Int64
  }
  private let state: Locked<State>
  private let target: CollectionPath
  private let keeper: CheckpointKeeper
  private let now: @Sendable () -> ContinuousClock.Instant
  private let due: AsyncStream<Void>
  private let becameDue: AsyncStream<Void>.Continuation

  init(
    _ copy: OwnedCollection.CopyProgress, target: CollectionPath, keeper: CheckpointKeeper,
    now: @escaping @Sendable () -> ContinuousClock.Instant
  ) {
    state = Locked(State(copy: copy, rowsBefore: copy.rowsRead, savedAt: now(), savedRows: copy.rowsRead))
    (self.target, self.keeper, self.now) = (target, keeper, now)
    (due, becameDue) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// When the copy began to read, in whatever run.
  var readAtUnixMs: Int64 { state.withLock { $0.copy.readAtUnixMs } }

  func begin(_ unit: RowUnit) { state.withLock { $0.unit = Self.name(unit) } }
  func end(_ counts: RowCounts) {
    state.withLock { state in
      state.rowsBefore &+= counts.rowsRead
      state.copy.rowsRead = state.rowsBefore
    }
  }
  static func name(_ unit: RowUnit) -> String { unit.sourcePartition ?? "" }

  func take(_ report: RowPassReport) {
    let now = now()
    let isDue = state.withLock { state in
      // A text that is no UTF-8 would come back as another key.
      guard let key = report.confirmedThrough, RowKey(persisted: key.persisted) == key else { return false }
      guard state.copy.confirmed[state.unit] != key else { return false }
      state.copy.confirmed[state.unit] = key
      state.copy.rowsRead = state.rowsBefore &+ report.counts.rowsRead
      guard state.savedAt.duration(to: now) >= Self.interval || state.copy.rowsRead &- state.savedRows >= Self.rowsPerSave else {
        return false
      }
      (state.savedAt, state.savedRows) = (now, state.copy.rowsRead)
      return true
    }
    if isDue { becameDue.yield() }
  }

  /// Runs the copy and stores beside it; called once. When the copy fails, what was confirmed last is in the checkpoint, for the next try.
  func track<Result: Sendable>(
    _ copy: () async throws(BridgeError) -> Result
  ) async throws(BridgeError) -> Result {
    async let saving: Void = save()
    let outcome: Swift.Result<Result, BridgeError>
    do throws(BridgeError) { outcome = .success(try await copy()) } catch { outcome = .failure(error) }
    becameDue.finish()
    await saving
    if case .failure = outcome { await note() }
    return try outcome.get()
  }

  private func save() async {
    for await _ in due {
      await note()
      // A disk that cannot be written is told by the writes that have to be done; this one may be missing.
      try? await keeper.save()
    }
  }

  private func note() async {
    let copy = state.withLock { $0.copy }
    guard !copy.confirmed.isEmpty else { return }
    await keeper.change { [target] in $0.changeRecord(target) { if !$0.isCopied { $0.copy = copy } } }
  }
}
