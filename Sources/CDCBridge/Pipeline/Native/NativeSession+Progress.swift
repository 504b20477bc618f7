internal import MilvusWire

/// What the task's view shows: one line for the cluster, one for each pchannel.
extension NativeSession {
  /// The whole cluster, as the view of a task that selects everything names it.
  private static let everything = CollectionPath(database: "*", name: "*")

  func showProgress() async {
    var pchannels: [TaskProgress.Pchannel] = []
    var bytes: Int64 = 0
    var oldest: TimeTick?
    var isCopied = true
    for (name, lane) in lanes.sorted(by: { $0.key < $1.key }) {
      let queue = await lane.relay.summary
      // All that was taken is there, so what was proven is, too.
      let isLevel = lane.isDrained && queue.isEmpty && lane.held == nil
      let mark = isLevel ? max(lane.applied.timeTick, lane.proven) : lane.applied.timeTick
      if let barrier = checkpoint.lanes[name]?.barrier, mark < barrier { isCopied = false }
      oldest = oldest.map { min($0, mark) } ?? mark
      bytes &+= Int64(clamping: await lane.relay.confirmedBytes)
      pchannels.append(
        TaskProgress.Pchannel(name: name, watermarkUnixMs: mark.unixMilliseconds, waitingBytes: queue.byteCount))
      await watchRate(name, lane)
    }
    let retention = RetentionWatch(
      kind: checkpoint.lanes.values.first?.start.confirmed.kind ?? .unknown, version: pair.sourceProfile.version)
    let now = time.unixMs() &+ clockOffsetMs
    reporter.showLog(pchannels, retentionSecondsLeft: oldest.flatMap { retention.secondsLeft(since: $0, nowMs: now) })
    reporter.update(Self.everything, target: Self.everything) { line in
      line.state = isCopied ? .following : .copying
      line.isCopied = isCopied
      line.bytesWritten = bytes
      if let oldest, oldest.rawValue > 0 { line.watermarkUnixMs = max(line.watermarkUnixMs ?? 0, oldest.unixMilliseconds) }
    }
  }

  private func watchRate(_ name: String, _ lane: Lane) async {
    let now = time.now()
    let waited = await lane.relay.waitedUntil(now)
    let units = await lane.relay.confirmedUnits
    let before = lanes[name]?.rate.warning
    lanes[name]?.rate.looked(at: now, waited: waited, confirmed: units)
    if lanes[name]?.rate.warning != before { showNotes() }
  }

  func measureClock() async {
    do throws(CallError) {
      let tick = try await pair.log.allocTimestamp()
      clockOffsetMs = tick.unixMilliseconds &- time.unixMs()
      reporter.setClockOffset(clockOffsetMs)
    } catch {
      // Lag is then measured by this host's clock; the follower says what does not work.
    }
  }
}

/// Whether the target keeps up with one pchannel: a standby appends one message at a time, about 95 in a second, whatever is sent (D19). Pure.
struct NativeRate: Sendable, Equatable {
  static let window: Duration = .seconds(30)
  private var since: ContinuousClock.Instant?
  private var waitedAtStart: Duration = .zero
  private var confirmedAtStart = 0
  private(set) var warning: String?

  /// `waited` and `confirmed` are totals: how long the source was held back, and how many messages the target took.
  mutating func looked(at now: ContinuousClock.Instant, waited: Duration, confirmed: Int) {
    guard let since else {
      (self.since, waitedAtStart, confirmedAtStart) = (now, waited, confirmed)
      return
    }
    let span = now - since
    guard span >= Self.window else { return }
    let units = confirmed - confirmedAtStart
    let share = (waited - waitedAtStart) / span
    let perSecond = Double(units) / (span / .seconds(1))
    warning =
      share > 0.8 && units > 0
      ? "the source writes more than the target appends (\(Int(perSecond)) messages/s, one at a time): lag grows until fewer, larger writes are made, or use apply public"
      : nil
    (self.since, waitedAtStart, confirmedAtStart) = (now, waited, confirmed)
  }
}
