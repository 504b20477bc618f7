internal import MilvusWire

extension RecordedLog {
  /// Which units a dump can see.
  enum Start: Sendable {
    /// All from this unit on, by their place.
    case place(Int)
    /// Of one kind of log: those whose first message has at least this id (or is behind it); all of any other kind that come after them.
    case id(Order, inclusive: Bool, LogKind)
    /// Nothing ever.
    case nowhere
  }

  /// Ids of one log in their physical order.
  struct Order: Comparable, Sendable {
    var parts: [Int64]
    init(_ value: LogIDValue) {
      switch value {
      case .number(let number): parts = [number]
      // Unsigned on the wire: −1 is the largest, and as a start the earliest.
      case .pulsar(let id): parts = [id.ledger, id.entry, Int64(id.batchIndex)]
      case .woodPecker(let segment, let entry): parts = [segment, entry]
      }
    }
    static func < (a: Order, b: Order) -> Bool { a.parts.lexicographicallyPrecedes(b.parts) }
  }

  static func order(_ id: LogMessageID) -> Order? { (try? LogIDFormat.parse(id)).map(Order.init) }

  /// The rules of §5.2 and §5.3 for the start of a dump.
  func starts(_ request: DumpRequest) throws(CallError) -> Start {
    guard !request.pchannel.isEmpty else {
      throw Self.error(.unknown, "missing parameter[missing_param=pchannel]")
    }
    guard !request.start.text.isEmpty else {
      throw Self.error(.unknown, "missing parameter[missing_param=start_message_id]")
    }
    if request.endTick.rawValue != 0, request.startTick > request.endTick {
      throw Self.error(
        .unknown, "end_timetick must be greater than or equal to start_timetick: invalid parameter")
    }
    let isRefused = state.withLock { $0.refusedStarts.contains(request.start.text) }
    // A server takes an id of unknown kind for one of the log that it has.
    var start = request.start
    if start.kind == .unknown {
      start.kind = state.withLock { $0.channels[request.pchannel]?.units.last?.first?.id.kind } ?? .woodPecker
    }
    guard !isRefused, let wanted = Self.order(start) else {
      throw Self.error(.unknown, "invalid start_message_id: decode wp fail: invalid parameter")
    }
    return state.withLock { state in
      guard let channel = state.channels[request.pchannel] else { return .nowhere }
      let isInclusive = request.isInclusive && !state.ignoresInclusive
      let readable = channel.units[min(channel.firstReadable, channel.units.count)...]
      let kinds = readable.compactMap(\.first?.id.kind)
      let asked = start.kind
      if state.isSwitched, let newest = kinds.last, newest != asked {
        return .place(readable.firstIndex { $0.first?.id.kind == newest } ?? channel.units.count)
      }
      guard kinds.contains(asked) || channel.units.isEmpty else {
        // An id of another log, or of one that is gone.
        return .place(max(channel.firstReadable, channel.flushCheckpoint))
      }
      switch asked {
      case .woodPecker where wanted.parts == [0, 0] && isInclusive:
        return .place(max(channel.firstReadable, channel.flushCheckpoint))
      case .rocksMQ:
        // Not an existing entry: from the earliest. The entries that last-confirmed ids name are ticks, which no recording has.
        let exists = readable.contains { unit in
          unit.contains { $0.id == request.start || $0.lastConfirmedID == request.start }
        }
        return exists ? .id(wanted, inclusive: isInclusive, asked) : .place(channel.firstReadable)
      case .kafka:
        let orders = channel.orders[readable.indices].compactMap(\.self)
        guard let earliest = orders.min(), let latest = orders.max(), wanted >= earliest, wanted <= latest
        else {
          return .place(channel.firstReadable)
        }
        return .id(wanted, inclusive: isInclusive, asked)
      default: return .id(wanted, inclusive: isInclusive, asked)
      }
    }
  }

  /// Whether the unit at this place comes in a dump.
  static func isSeen(_ channel: Channel, at place: Int, _ start: Start) -> Bool {
    guard let first = channel.units[place].first else { return false }
    switch start {
    case .nowhere: return false
    case .place(let from): return place >= from
    case .id(let wanted, let inclusive, let kind):
      // The new log lies behind the old one.
      guard first.id.kind == kind else { return true }
      // A start inside a transaction drops it.
      guard let own = channel.orders[place] else { return false }
      return inclusive ? own >= wanted : own > wanted
    }
  }
}

/// One dump of a `RecordedLog`.
final class RecordedStream: DumpStream {
  private struct Cursor: Sendable {
    var place = 0
    /// The rest of the unit that is being delivered.
    var rest: ArraySlice<LogMessage> = []
    var delivered = 0
    var again: LogMessage?
    var isCancelled = false
    var wake: (@Sendable () -> Void)?
  }
  private enum Step {
    case message(LogMessage)
    case end
    case fail(CallError)
    case wait
  }
  private let log: RecordedLog
  private let request: DumpRequest
  private let start: RecordedLog.Start
  private let fault: RecordedLog.Fault
  private let cursor: Locked<Cursor>
  private let id: Int

  init(log: RecordedLog, request: DumpRequest, start: RecordedLog.Start, fault: RecordedLog.Fault) {
    self.log = log
    self.request = request
    self.start = start
    self.fault = fault
    var cursor = Cursor()
    let (id, first) = log.state.withLock { state -> (Int, Int) in
      state.nextID += 1
      return (state.nextID, state.channels[request.pchannel]?.firstReadable ?? 0)
    }
    self.id = id
    cursor.place = first
    self.cursor = Locked(cursor)
  }

  func next() async throws(CallError) -> LogMessage? {
    while true {
      if Task.isCancelled { throw RecordedLog.error(.cancelled) }
      switch step() {
      case .message(let message): return message
      case .end: return nil
      case .fail(let error): throw error
      case .wait: await park()
      }
    }
  }

  func cancel() async {
    let wake = cursor.withLock { cursor in
      cursor.isCancelled = true
      defer { cursor.wake = nil }
      return cursor.wake
    }
    wake?()
  }

  private func step() -> Step {
    log.state.withLock { state in
      cursor.withLock { cursor in
        if cursor.isCancelled { return .fail(RecordedLog.error(.cancelled)) }
        if let step = scripted(cursor) { return step }
        if let again = cursor.again {
          cursor.again = nil
          return .message(again)
        }
        guard var channel = state.channels[request.pchannel] else { return .wait }
        while cursor.rest.isEmpty, cursor.place < channel.units.count {
          if isWanted(channel, at: cursor.place) { cursor.rest = channel.units[cursor.place][...] }
          cursor.place += 1
        }
        if let message = cursor.rest.popFirst() {
          if case .repeat(let at) = fault, at == cursor.delivered { cursor.again = message }
          cursor.delivered += 1
          return .message(message)
        }
        guard request.endTick.rawValue != 0 else { return .wait }
        // A tick behind the end has passed; from here on nothing may be written below it.
        channel.frontier = max(channel.frontier, request.endTick)
        state.now = max(state.now, request.endTick)
        state.channels[request.pchannel] = channel
        return .end
      }
    }
  }

  private func scripted(_ cursor: Cursor) -> Step? {
    switch fault {
    case .cut(let after, let error) where cursor.delivered >= after: .fail(error)
    case .end(let after) where cursor.delivered >= after: .end
    case .silence(let after) where cursor.delivered >= after: .wait
    default: nil
    }
  }

  private func isWanted(_ channel: RecordedLog.Channel, at place: Int) -> Bool {
    guard RecordedLog.isSeen(channel, at: place, start) else { return false }
    let tick = RecordedLog.tick(channel.units[place])
    if case .unfiltered = fault {} else if tick < request.startTick { return false }
    return request.endTick.rawValue == 0 || tick <= request.endTick
  }

  /// Until something is appended, the stream is cancelled or the task is.
  private func park() async {
    let bell = Locked<(isRung: Bool, continuation: CheckedContinuation<Void, Never>?)>((false, nil))
    let ring: @Sendable () -> Void = {
      bell.withLock { bell in
        bell.isRung = true
        defer { bell.continuation = nil }
        return bell.continuation
      }?.resume()
    }
    let before = cursor.withLock { cursor -> Int in
      cursor.wake = ring
      if cursor.isCancelled { ring() }
      return cursor.place
    }
    log.state.withLock { state in
      // What was appended since the last look wakes nobody: look again, unless the script keeps the stream silent.
      if let count = state.channels[request.pchannel]?.units.count, count > before, !isSilenced { ring() }
      state.channels[request.pchannel]?.waiters[id] = ring
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isRung = bell.withLock { bell -> Bool in
          if bell.isRung || Task.isCancelled { return true }
          bell.continuation = continuation
          return false
        }
        if isRung { continuation.resume() }
      }
    } onCancel: {
      ring()
    }
  }

  private var isSilenced: Bool {
    if case .silence(let after) = fault { cursor.withLock { $0.delivered >= after } } else { false }
  }
}
