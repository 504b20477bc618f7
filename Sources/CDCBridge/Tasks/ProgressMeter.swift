internal import MilvusWire

/// Turns the states of a progress board into what a person watches: totals, speed, time left, lag. Pure: time is an argument.
///
/// Speed is measured over the last `window`, so that it follows a change and does not jump with every page.
package struct ProgressMeter: Sendable {
  package struct Reading: Sendable, Equatable {
    package var phase: TaskProgress.Phase = .probing
    package var rowsCopied: Int64 = 0
    /// nil until every collection's total is known.
    package var rowsTotal: Int64?
    package var rowsPerSecond: Double = 0
    package var bytesPerSecond: Double = 0
    /// nil where nothing is left or the speed is not known yet.
    package var secondsLeft: Double?
    /// nil until every collection has been read once.
    package var lagMs: Int64?
    package var inserted: Int64 = 0
    package var updated: Int64 = 0
    package var deleted: Int64 = 0
    /// True when every collection that can be copied has been; false while there is none.
    package var isCopied = false
    package init() {}
    /// 0…100 of the copy, 100 for good once it is done; nil while the total is unknown.
    package var percent: Int? {
      if isCopied { return 100 }
      guard let rowsTotal else { return nil }
      if rowsTotal == 0 { return 100 }
      return min(100, Int(Double(rowsCopied) / Double(rowsTotal) * 100))
    }
  }
  private struct Sample { var at: Duration, rows: Int64, bytes: Int64 }

  private let window: Duration
  private var samples: [Sample] = []

  package init(window: Duration = .seconds(5)) { self.window = window }

  /// `now` is any monotonic clock, `unixMs` the local wall clock.
  package mutating func read(_ progress: TaskProgress, now: Duration, unixMs: Int64) -> Reading {
    var reading = totals(progress)
    reading.lagMs = lag(progress, unixMs: unixMs)
    let bytes = progress.collections.reduce(0) { $0 &+ $1.bytesWritten }
    // A new pass starts counting at zero again; old samples say nothing about it.
    if let last = samples.last, reading.rowsCopied < last.rows { samples.removeAll() }
    samples.append(Sample(at: now, rows: reading.rowsCopied, bytes: bytes))
    while samples.count > 2, now - samples[1].at >= window { samples.removeFirst() }
    if let first = samples.first {
      let seconds = (now - first.at) / .seconds(1)
      if seconds > 0 {
        reading.rowsPerSecond = Double(reading.rowsCopied - first.rows) / seconds
        reading.bytesPerSecond = Double(bytes - first.bytes) / seconds
      }
    }
    if !reading.isCopied, let total = reading.rowsTotal, reading.rowsPerSecond > 0, total > reading.rowsCopied {
      reading.secondsLeft = Double(total - reading.rowsCopied) / reading.rowsPerSecond
    }
    return reading
  }

  private func totals(_ progress: TaskProgress) -> Reading {
    var reading = Reading()
    reading.phase = progress.phase
    var total: Int64? = 0
    var copied = 0
    for collection in progress.collections {
      reading.rowsCopied &+= collection.rowsCopied
      reading.inserted &+= collection.inserted
      reading.updated &+= collection.updated
      reading.deleted &+= collection.deleted
      total = total.flatMap { sum in collection.rowsTotal.map { sum &+ $0 } }
      if collection.isCopied || collection.state == .stopped { copied += 1 }
    }
    reading.rowsTotal = progress.collections.isEmpty ? nil : total
    reading.isCopied = !progress.collections.isEmpty && copied == progress.collections.count
    return reading
  }

  private func lag(_ progress: TaskProgress, unixMs: Int64) -> Int64? {
    var oldest: Int64?
    for collection in progress.collections where collection.state != .stopped {
      guard let watermark = collection.watermarkUnixMs else { return nil }
      oldest = min(oldest ?? watermark, watermark)
    }
    return oldest.map { max(0, unixMs &+ (progress.sourceClockOffsetMs ?? 0) &- $0) }
  }
}
