internal import MilvusWire

/// A recording that plays the source of a task: its log is what was recorded, and its catalogue is what the task's checkpoint says.
///
/// Each dump reads the file from its beginning and gives the messages of its channel; several at the same time read it several times, in bounded
/// memory. Before the first message of a channel comes one that was not recorded, a FlushAll one tick earlier: it is where the task begins,
/// and shows it that nothing is missing. Nothing can be asked of a recording but its log.
///
/// A file that still grows is followed: at its end the rest is waited for.
final class RecordedSource: Sendable {
  struct Channel: Sendable, Equatable {
    var first: TimeTick
    var last: TimeTick
    var kind: LogKind
    /// Where the first message is read from; the begin's place.
    var confirmed: LogMessageID
    /// Units up to here are passed over, because the target has them or the recording began behind; nil: one below the first.
    var after: TimeTick?

    var barrier: TimeTick { after ?? TimeTick(first.rawValue &- 1) }
  }
  let path: String
  let channels: [String: Channel]
  /// Messages from here on are given no more; the largest tick otherwise.
  let until: TimeTick
  /// Messages a second; nil: as fast as they are taken.
  let rate: Int?
  /// More is being written; then `last` is not known.
  let follows: Bool
  let time: RunnerTime
  /// Of a file that grows: the last tick that was given, by channel.
  private let given = Locked<[String: TimeTick]>([:])
  /// How often the end of a file that grows is looked at.
  static let look = Duration.milliseconds(100)

  init(
    path: String, channels: [String: Channel], until: TimeTick?, rate: Int?, follows: Bool = false, time: RunnerTime = .system
  ) {
    self.path = path
    self.channels = channels
    self.until = until ?? TimeTick(.max)
    self.rate = rate
    self.follows = follows
    self.time = time
  }

  fileprivate func gave(_ tick: TimeTick, _ pchannel: String) {
    guard follows else { return }
    given.withLock { $0[pchannel] = max($0[pchannel] ?? tick, tick) }
  }

  var last: TimeTick { min(until, channels.values.map(\.last).max() ?? TimeTick(0)) }

  /// The message that a channel's replay begins behind.
  func barrier(_ pchannel: String) throws(CallError) -> LogMessage? {
    guard let channel = channels[pchannel] else { return nil }
    var builder = LogMessageBuilder(.flushAll, id: channel.confirmed, timeTick: channel.barrier, vchannel: pchannel)
    builder.isPchannelLevel = true
    builder.broadcast = BroadcastHeader(id: 0, vchannels: [pchannel])
    do { return try builder.message() } catch { throw .malformed(method: "replay", what: error.description) }
  }

  /// Positions behind the barriers.
  func start(controlChannel: String) throws(CallError) -> LogStart {
    var positions: [String: LogPosition] = [:]
    for pchannel in channels.keys {
      if let message = try barrier(pchannel) { positions[pchannel] = LogPosition(after: message) }
    }
    let names = channels.keys.sorted(by: LogSurvey.isBefore)
    return LogStart(
      replicationID: names.first.flatMap { ChannelName.replicationID(ofPchannel: $0) }, controlChannel: controlChannel, pchannels: names,
      positions: positions)
  }
}

extension RecordedSource: MilvusLog {
  var peer: String { path }

  func flushAll() async throws(CallError) -> FlushAllAnswer { throw unavailable("FlushAll") }

  /// Above everything that was recorded; of a file that grows nothing is known but what was read of each channel.
  func allocTimestamp() async throws(CallError) -> TimeTick {
    guard follows else { return last.next }
    let given = given.withLock { $0 }
    return channels.map { given[$0.key] ?? $0.value.barrier }.min() ?? TimeTick(0)
  }

  func replicateInfo(sourceClusterID: String, targetPchannel: String) async throws(CallError) -> ReplicateInfo { ReplicateInfo() }
  func replicateConfiguration() async throws(CallError) -> ReplicateConfiguration? { nil }

  func dump(_ request: DumpRequest) async throws(CallError) -> any DumpStream {
    do {
      var reader = RecordReader(try LocalFile.reading(path))
      reader.isGrowing = follows
      return RecordedDump(self, request, reader)
    } catch {
      throw .malformed(method: "DumpMessages", what: "\(error)")
    }
  }

  func unavailable(_ method: String) -> CallError {
    .rpc(
      RPCError(.unimplemented, "a recording has a log and nothing else", initiator: .local, peer: path, isUnsent: true), method: method)
  }
}

/// One reading of a recording.
private final class RecordedDump: DumpStream {
  private struct State: Sendable {
    var reader: RecordReader
    var units = RecordedUnits()
    /// The rest of a unit.
    var waiting: [LogMessage] = []
    var isBegun = false
    var isCancelled = false
    var given = 0
    var startedAt: ContinuousClock.Instant?
  }
  private let source: RecordedSource
  private let request: DumpRequest
  private let state: Locked<State>

  init(_ source: RecordedSource, _ request: DumpRequest, _ reader: RecordReader) {
    self.source = source
    self.request = request
    state = Locked(State(reader: reader))
  }

  func next() async throws(CallError) -> LogMessage? {
    while !Task.isCancelled, !state.withLock({ $0.isCancelled }) {
      guard let message = try step() else {
        // A log goes on; a recording has nothing more to say.
        if request.endTick.rawValue != 0 { return nil }
        if source.follows {
          guard await source.time.sleep(RecordedSource.look) else { break }
          continue
        }
        while await source.time.sleep(.seconds(3600)), !state.withLock({ $0.isCancelled }) {}
        break
      }
      if request.endTick.rawValue == 0 { source.gave(message.timeTick, request.pchannel) }
      guard message.timeTick >= request.startTick, request.endTick.rawValue == 0 || message.timeTick <= request.endTick else { continue }
      await pace()
      return message
    }
    throw .rpc(RPCError(.cancelled, "the call was cancelled", initiator: .local, peer: source.path), method: "DumpMessages")
  }

  /// The next message of the channel, whatever its tick.
  private func step() throws(CallError) -> LogMessage? {
    let isFirst = state.withLock { state in
      defer { state.isBegun = true }
      return !state.isBegun
    }
    if isFirst, let barrier = try source.barrier(request.pchannel) { return barrier }
    let barrier = source.channels[request.pchannel]?.barrier ?? TimeTick(0)
    do {
      return try state.withLock { state in
        while state.waiting.isEmpty, let found = try state.reader.next() {
          guard case .message(let message, let pchannel) = found.item, pchannel == request.pchannel else { continue }
          guard message.timeTick <= source.until else { return nil }
          state.waiting = state.units.received(message).filter { $0.timeTick > barrier }
        }
        return state.waiting.isEmpty ? nil : state.waiting.removeFirst()
      }
    } catch {
      throw .malformed(method: "DumpMessages", what: "\(error)")
    }
  }

  /// Keeps to the rate; the pause is where the message would have come.
  private func pace() async {
    guard let rate = source.rate, rate > 0, request.endTick.rawValue == 0 else { return }
    let now = source.time.now()
    let (given, started) = state.withLock { state in
      state.given += 1
      if state.startedAt == nil { state.startedAt = now }
      return (state.given, state.startedAt ?? now)
    }
    _ = await source.time.sleepUntil(started + .microseconds(Int64(given) &* 1_000_000 / Int64(rate)))
  }

  func cancel() async { state.withLock { $0.isCancelled = true } }
}
