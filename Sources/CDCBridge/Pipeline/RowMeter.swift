internal import MilvusWire

/// Adds up the reports of a pass over several units and shows them on the board. Safe from any thread.
final class RowMeter: Sendable {
  private struct State: Sendable {
    /// Of the units that have ended in this pass.
    var done = RowCounts()
    /// Of the unit that runs.
    var running = RowCounts()
    var isWaiting = false
  }
  private let state = Locked(State())
  private let before: RowCounts
  private let rowsBefore: Int64
  private let isCopied: Bool
  private let watermarkUnixMs: Int64?
  private let path: CollectionPath
  private let target: CollectionPath
  private let reporter: ProgressReporter
  private let time: RunnerTime

  /// `record` holds what earlier passes wrote; `rowsBefore` are rows of the first copy that an earlier run read.
  init(
    record: OwnedCollection?, rowsBefore: Int64 = 0, path: CollectionPath, target: CollectionPath,
    reporter: ProgressReporter, time: RunnerTime
  ) {
    var before = RowCounts()
    before.inserted = record?.inserted ?? 0
    before.updated = record?.updated ?? 0
    before.deleted = record?.deleted ?? 0
    before.bytesWritten = record?.bytesWritten ?? 0
    self.before = before
    self.rowsBefore = rowsBefore
    isCopied = record?.isCopied ?? false
    watermarkUnixMs = record?.watermarkUnixMs
    self.path = path
    self.target = target
    self.reporter = reporter
    self.time = time
  }

  /// Of this pass.
  var counts: RowCounts { state.withLock { $0.done + $0.running } }

  func begin(total: Int64?) {
    reporter.update(path, target: target) { collection in
      collection.state = isCopied ? .following : .copying
      collection.isCopied = isCopied
      collection.watermarkUnixMs = watermarkUnixMs
      collection.rowsTotal = total
      collection.rowsCopied = rowsBefore
    }
  }
  func beginUnit() { state.withLock { $0.running = RowCounts() } }
  func endUnit(_ counts: RowCounts) {
    state.withLock {
      $0.done = $0.done + counts
      $0.running = RowCounts()
    }
    show()
  }

  func take(_ report: RowPassReport) {
    let wasWaiting = state.withLock { state in
      state.running = report.counts
      defer { state.isWaiting = report.waiting != nil }
      return state.isWaiting
    }
    if let waiting = report.waiting {
      reporter.setTrouble(
        ProgressReporter.Trouble(
          message: "\(waiting.side.rawValue): \(waiting.reason)", hint: nil, attempt: waiting.attempt,
          nextTryAt: time.now() + waiting.nextTryIn),
        of: path)
      reporter.update(path, target: target) { collection in
        collection.state = .retrying
        collection.lastError = waiting.reason
      }
    } else if wasWaiting {
      reporter.setTrouble(nil, of: path)
      reporter.update(path, target: target) { collection in
        collection.state = isCopied ? .following : .copying
        collection.lastError = nil
      }
    }
    show()
  }

  private func show() {
    let counts = self.counts
    reporter.update(path, target: target) { collection in
      collection.rowsCopied = rowsBefore &+ counts.rowsRead
      collection.inserted = before.inserted &+ counts.inserted
      collection.updated = before.updated &+ counts.updated
      collection.deleted = before.deleted &+ counts.deleted
      collection.bytesWritten = before.bytesWritten &+ counts.bytesWritten
    }
  }
}

extension RowCounts {
  static func + (a: RowCounts, b: RowCounts) -> RowCounts {
    var sum = RowCounts()
    sum.rowsRead = a.rowsRead &+ b.rowsRead
    sum.inserted = a.inserted &+ b.inserted
    sum.updated = a.updated &+ b.updated
    sum.deleted = a.deleted &+ b.deleted
    sum.bytesWritten = a.bytesWritten &+ b.bytesWritten
    return sum
  }
}
