package import MilvusWire

/// Follows the log of one pchannel over any number of streams: says how to open the next one, checks what comes, and turns it into
/// deliveries. Pure: no I/O and no clock.
///
/// Every stream starts at the stored position's last-confirmed id, inclusive, and with the stored tick itself, so that the first thing
/// it delivers has to be the message that was read last: the stream proves its own start (`wal-protocol.md` §5.6). Time decides
/// nothing here. A gap is said only for what the log itself showed.
///
/// | State | Entered by | Exits to |
/// |-------|------------|----------|
/// | closed | init, `streamEnded` | proving or following (`openStream`) |
/// | proving | `openStream` at the position | following: the stored tick came (dropped), a later tick or another kind came (gap), or the owner found out (`positionIsGone`); closed |
/// | following | proving; `openStream` at the earliest entry, after `restartAtEarliest` | closed |
///
/// An idle pchannel outlives its last message: logs that keep ten minutes have lost it when a proxy cuts the stream an hour later. Where the
/// stored message is that much older than what was proven complete, and the proof so young that nothing behind it can be gone yet,
/// its absence is no gap (`idleExcuse`); else every cut of a quiet stream would have all rows compared.
///
/// Tolerated: messages below the stored tick while proving (a reader that was reset, a server without a tick filter), repeats of what
/// this reader delivered, types that a server keeps to itself. All are dropped.
package struct PchannelReader: Sendable {
  package enum Phase: Sendable, Equatable { case closed, proving, following }
  private enum Start { case position, earliest }
  /// What no known log falls below, but Pulsar's, which may keep nothing (`wal-protocol.md` §5.3).
  private static let retentionMs: Int64 = 600_000
  private static let youngProofMs: Int64 = 60_000

  package let pchannel: String
  /// After the last delivery; what the next stream starts from.
  package private(set) var position: LogPosition
  /// Everything up to here was delivered, or a gap says so. At least `position.timeTick`.
  package private(set) var provenUpTo: TimeTick
  package private(set) var phase = Phase.closed
  /// Messages of this stream that were dropped because they had been delivered before.
  package private(set) var repeats = 0
  private var start = Start.position
  private var gate: TransactionGate
  private var recent: RecentUnits
  /// A message below the order was said once for this stream.
  private var saidDisorder = false
  /// The stored message may be gone without anything being lost.
  private var isExcused = false
  private let keepsBegins: Bool

  /// `keepsBegins`: delivered transactions have their begin as the first message.
  package init(pchannel: String, position: LogPosition, transactionBytesMax: Int, keepsBegins: Bool = false) {
    self.keepsBegins = keepsBegins
    self.pchannel = pchannel
    self.position = position
    provenUpTo = max(position.timeTick, position.provenUpTo ?? position.timeTick)
    gate = TransactionGate(pchannel: pchannel, bytesMax: transactionBytesMax)
    recent = RecentUnits(first: position.timeTick)
  }

  // MARK: Streams

  /// Whether `openStream` wants to know the source's time.
  package var asksForTime: Bool {
    start == .position && position.confirmed.kind != .pulsar
      && provenUpTo.unixMilliseconds &- position.timeTick.unixMilliseconds >= Self.retentionMs
  }

  /// `now`: a timestamp that the source gave just before; an upper bound, only for how young a proof is.
  package mutating func openStream(now: TimeTick? = nil) -> DumpRequest {
    gate.streamBegan()
    isExcused = asksForTime && now.map { $0.unixMilliseconds &- provenUpTo.unixMilliseconds <= Self.youngProofMs } ?? false
    repeats = 0
    saidDisorder = false
    switch start {
    case .position:
      phase = .proving
      return request(at: LogIDFormat.start(at: position.confirmed), from: position.timeTick)
    case .earliest:
      phase = .following
      let earliest = LogIDFormat.earliestStart(position.confirmed.kind)
      return request(at: earliest ?? LogIDFormat.start(at: position.confirmed), from: position.timeTick.next)
    }
  }

  package mutating func streamEnded() { phase = .closed }

  /// True once this stream has shown that it continues what was read before, or a gap was said.
  package var isFollowing: Bool { phase == .following }

  // MARK: Messages

  /// What a message of the open stream leads to: nothing, a unit, or a gap and the unit behind it.
  package mutating func received(_ message: LogMessage) throws(LogFault) -> [LogDelivery] {
    var deliveries: [LogDelivery] = []
    try received(message, into: &deliveries)
    return deliveries
  }

  /// The same, added to what came before.
  package mutating func received(_ message: LogMessage, into deliveries: inout [LogDelivery]) throws(LogFault) {
    // Before anything is dropped: what such a server delivers below the stored tick is as empty as the rest.
    if message.type == .txn { throw LogFault(.unexpandedTransaction, pchannel: pchannel, message) }
    guard !message.type.isSelfControlled else { return }
    switch phase {
    case .closed: return
    case .proving:
      guard message.timeTick >= position.timeTick else {
        repeats = repeats.addingReportingOverflow(1).partialValue
        return
      }
    case .following:
      guard message.timeTick > position.timeTick else {
        deliveries += belowOrder(message)
        return
      }
    }
    guard let unit = try gate.received(message) else { return }
    let next = unit.position
    guard next.isReadable else { throw LogFault(.unreadablePosition, pchannel: pchannel, message) }
    passed(unit, next, into: &deliveries)
  }

  private mutating func passed(_ unit: LogUnit, _ next: LogPosition, into deliveries: inout [LogDelivery]) {
    if let reason = gapReason(before: next) {
      deliveries.append(gap(reason, firstSeen: next.timeTick))
    }
    let isStored = next.timeTick == position.timeTick
    phase = .following
    start = .position
    position = next
    if isStored {
      // The message that was read last. A position that came without an own id learns it here.
      repeats = repeats.addingReportingOverflow(1).partialValue
      return
    }
    provenUpTo = max(provenUpTo, next.timeTick)
    recent.add(unit)
    deliveries.append(unit.delivery(keepsBegin: keepsBegins, position: next))
  }

  private func gapReason(before next: LogPosition) -> LogGap.Reason? {
    let (old, new) = (position.confirmed.kind, next.confirmed.kind)
    // A server that says "unknown" means its own log, whichever that is.
    if old != new, old != .unknown, new != .unknown { return .kindChanged(from: old, to: new) }
    guard phase == .proving, next.timeTick > position.timeTick else { return nil }
    if isExcused, next.timeTick > provenUpTo { return nil }
    return repeats > 0 || new == .rocksMQ || new == .kafka ? .resetToEarliest : .truncated
  }

  /// A tick that is not above the last one: a repeat, or a change that came too late for the order.
  private mutating func belowOrder(_ message: LogMessage) -> [LogDelivery] {
    if recent.contains(message) || saidDisorder {
      repeats = repeats.addingReportingOverflow(1).partialValue
      return []
    }
    saidDisorder = true
    return [gap(.disordered, firstSeen: message.timeTick)]
  }

  private func gap(_ reason: LogGap.Reason, firstSeen: TimeTick?) -> LogDelivery {
    .gap(LogGap(reason, pchannel: pchannel, after: position, provenUpTo: provenUpTo, firstSeen: firstSeen))
  }

  // MARK: What the owner found out

  /// A dump of the whole pchannel up to `tick` ended, and `position` was the last there was when it began.
  package mutating func proved(_ tick: TimeTick) -> LogDelivery? {
    guard tick > provenUpTo else { return nil }
    provenUpTo = tick
    return .proven(tick)
  }

  /// A probe found that the stored message is gone, and this stream has delivered nothing yet: it goes on behind a gap.
  package mutating func positionIsGone() -> LogDelivery? {
    guard phase == .proving else { return nil }
    phase = .following
    return isExcused ? nil : gap(.truncated, firstSeen: nil)
  }

  /// The log is there but the position leads nowhere: the next stream starts at the earliest entry. `isLost`: the stored message is not
  /// in the readable log, so that what followed it may be missing as well.
  package mutating func restartAtEarliest(isLost: Bool, firstSeen: TimeTick?) -> LogDelivery? {
    start = .earliest
    phase = .closed
    if isExcused, firstSeen.map({ $0 > provenUpTo }) ?? true { return nil }
    return isLost ? gap(.unproven, firstSeen: firstSeen) : nil
  }

  // MARK: Questions beside the stream

  /// A bounded dump that shows whether anything lies between `position` and a tick.
  package func proofRequest(upTo tick: TimeTick) -> DumpRequest {
    var request = request(at: LogIDFormat.start(at: position.confirmed), from: position.timeTick.next)
    request.endTick = tick
    return request
  }

  /// A bounded dump that delivers the stored message and nothing else, if it is still there.
  package var probeRequest: DumpRequest {
    var request = request(
      at: LogIDFormat.start(at: position.probe ?? position.confirmed), from: position.timeTick)
    request.endTick = position.timeTick
    return request
  }

  /// A bounded dump from the log's earliest readable entry; nil where this kind of log has none that could be named.
  package func wholeLogRequest(upTo tick: TimeTick) -> DumpRequest? {
    guard let earliest = LogIDFormat.earliestStart(position.confirmed.kind) else { return nil }
    var request = request(at: earliest, from: position.timeTick)
    request.endTick = tick
    return request
  }

  private func request(at start: LogIDFormat.Start, from tick: TimeTick) -> DumpRequest {
    DumpRequest(
      pchannel: pchannel, start: start.id, isInclusive: start.isInclusive, startTick: tick,
      endTick: TimeTick(0))
  }
}

/// The last units that were delivered, to tell a repeat from a change that came late. Bounded.
struct RecentUnits: Sendable {
  static let countMax = 256
  private enum Key: Equatable {
    /// The stored position of a start: its message's identity may be unknown.
    case any
    case message(LogMessageID)
    case transaction(Int64)
  }
  private struct Unit {
    let tick: TimeTick
    let key: Key
  }
  private var units: [Unit]
  private var oldest = 0

  init(first tick: TimeTick) {
    units = [Unit(tick: tick, key: .any)]
    units.reserveCapacity(Self.countMax)
  }

  mutating func add(_ unit: LogUnit) {
    let key: Key =
      switch unit {
      case .message(let message): .message(message.id)
      case .transaction(let begin, _, _): .transaction(begin.transaction?.id ?? 0)
      }
    if units.count < Self.countMax {
      units.append(Unit(tick: unit.timeTick, key: key))
    } else {
      units[oldest] = Unit(tick: unit.timeTick, key: key)
      oldest = (oldest + 1) % Self.countMax
    }
  }

  /// Asked only where something is wrong, so it may look at all.
  func contains(_ message: LogMessage) -> Bool {
    switch units.first(where: { $0.tick == message.timeTick })?.key {
    case nil: false
    case .any: true
    case .message(let id): message.transaction == nil && message.id == id
    case .transaction(let id): message.transaction?.id == id
    }
  }
}

extension TimeTick {
  /// The smallest tick above; the largest stays.
  var next: TimeTick { rawValue == .max ? self : TimeTick(rawValue + 1) }
}
