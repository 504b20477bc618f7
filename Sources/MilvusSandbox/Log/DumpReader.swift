internal import MilvusWire

/// One DumpMessages call: where it stands in its log (`wal-protocol.md` §5). Pure: asked again and again, it says what comes next.
struct DumpReader {
  enum Step {
    /// `common.ImmutableMessage`s: one message, or a whole transaction.
    case deliver([[UInt8]])
    /// Nothing now; ask again when the log has changed.
    case wait
    case end
  }
  private let pchannel: String
  private let startTick: UInt64
  /// 0: never ends.
  private let endTick: UInt64
  /// nil: a channel that the server does not have; such a dump waits for ever.
  private var next: Int?
  /// A start beyond the log's end: nothing before it is delivered.
  private var minimumID: EntryID?

  /// Checks in the order and with the words of real servers (§5.2).
  init(_ request: DumpRequest, _ journal: Journal, defaultKind: LogKind) throws(RPCError) {
    guard !request.pchannel.isEmpty else { throw Self.failure("missing parameter[missing_param=pchannel]") }
    guard !request.start.text.isEmpty else {
      throw Self.failure("missing parameter[missing_param=start_message_id]")
    }
    (pchannel, startTick, endTick) = (request.pchannel, request.startTick.rawValue, request.endTick.rawValue)
    guard startTick == 0 || endTick == 0 || startTick <= endTick else {
      throw Self.failure("end_timetick must be greater than or equal to start_timetick: invalid parameter")
    }
    let kind = request.start.kind == .unknown ? defaultKind : request.start.kind
    guard LogKind.real.contains(kind) else {
      throw Self.failure("message id unmarshaler not registered: \(request.start.kind)")
    }
    let value: LogIDValue
    do throws(LogMessageError) {
      value = try LogIDFormat.parse(LogMessageID(request.start.text, kind))
    } catch {
      throw Self.failure(
        "invalid start_message_id: decode \(Self.shortName(kind)) fail \(error.reason): invalid parameter")
    }
    guard let log = journal.logs.first(where: { $0.name == request.pchannel }) else { return }
    let start = DumpStart(log, kind: kind, id: EntryID(value), isInclusive: request.isInclusive)
    next = log.firstDelivery(from: start.ordinal)
    // A transaction that begins before the start is not read whole, and so not at all.
    while let index = next, index < log.deliveries.count, log.deliveries[index].firstOrdinal < start.ordinal {
      next = index + 1
    }
    minimumID = start.minimumID
  }

  private static func shortName(_ kind: LogKind) -> String {
    switch kind {
    case .rocksMQ: "rmq"
    case .pulsar: "pulsar"
    case .kafka: "kafka"
    default: "wp"
    }
  }
  private static func failure(_ text: String) -> RPCError { RPCError(.unknown, text, initiator: .remote) }

  mutating func step(_ journal: Journal) -> Step {
    guard var index = next, let log = journal.logs.first(where: { $0.name == pchannel }) else { return .wait }
    index = max(index, log.firstKeptDelivery)
    defer { next = index }
    while index < log.deliveries.count {
      let delivery = log.deliveries[index]
      guard endTick == 0 || delivery.tick <= endTick else { return .end }
      index += 1
      let isTooEarly = minimumID.map { log.id(delivery.firstOrdinal) < $0 } ?? false
      if delivery.tick >= startTick, !isTooEarly { return .deliver(delivery.messages) }
    }
    return endTick != 0 && log.provenTick > endTick ? .end : .wait
  }

  /// True for a dump that ends by itself, which needs the log's ticks to go on.
  var isBounded: Bool { endTick != 0 && next != nil }
}

/// What a start id means in each log (`wal-protocol.md` §2.6, §5.3).
struct DumpStart {
  var ordinal: Int
  var minimumID: EntryID?

  init(_ log: PchannelLog, kind: LogKind, id: EntryID, isInclusive: Bool) {
    let earliest = max(log.firstReadable, log.firstOfKind)
    guard kind == log.kind else {
      // Taken, and treated like the log's own beginning.
      ordinal = log.kind == .woodPecker ? max(earliest, log.truncationPoint) : earliest
      return
    }
    switch kind {
    case .rocksMQ: ordinal = Self.resetting(log, id, isInclusive, earliest)
    case .kafka where id.entry == -2: ordinal = earliest
    case .kafka where id.entry == -1: ordinal = log.nextOrdinal
    case .kafka where id == log.id(log.nextOrdinal): ordinal = log.nextOrdinal
    case .kafka: ordinal = Self.resetting(log, id, isInclusive, earliest)
    case .pulsar where id.segment < 0: ordinal = earliest
    case .woodPecker where isInclusive && id == EntryID(segment: 0, entry: 0):
      ordinal = max(earliest, log.truncationPoint)
    default:
      let (after, isLast) = id.entry.addingReportingOverflow(1)
      let first = EntryID(segment: id.segment, entry: isInclusive || isLast ? id.entry : after)
      let found = log.firstOrdinal(from: first)
      ordinal = max(earliest, found)
      if found == log.nextOrdinal { minimumID = first }
    }
  }

  /// An id that is no readable entry starts over from the earliest one.
  private static func resetting(_ log: PchannelLog, _ id: EntryID, _ isInclusive: Bool, _ earliest: Int)
    -> Int
  {
    guard let found = log.ordinal(id), found >= earliest else { return earliest }
    return isInclusive ? found : found + 1
  }
}
