package import Foundation
package import MilvusWire

/// A log in memory that plays recordings as a server would: every start rule of `wal-protocol.md` §5.3 and §2.6, bounded and live dumps,
/// back-pressure (nobody reads ahead), and on demand everything that goes wrong silently.
///
/// Messages are kept as units in the order of delivery: a plain message, or begin, bodies and commit. What a dump delivers follows from
/// the ids of the units (`starts`), the tick window at the unit's tick, and the faults that a test sets.
package final class RecordedLog: MilvusLog {
  /// What happens to a dump. `after` counts messages of this dump.
  package enum Fault: Sendable {
    /// The call ends with an error.
    case cut(after: Int, CallError)
    /// OK, although the dump is unbounded.
    case end(after: Int)
    /// Nothing more, for ever: a peer that accepts and never answers.
    case silence(after: Int)
    /// Opening fails.
    case refuse(CallError)
    /// Opening never returns.
    case hang
    /// Messages below the start tick come too, as from a server without the filter.
    case unfiltered
    /// The message with this number comes twice.
    case `repeat`(at: Int)
    /// As asked.
    case none
  }
  struct Channel: Sendable {
    var units: [[LogMessage]] = [] {
      didSet { orders += units[orders.count...].map { $0.first.flatMap { RecordedLog.order($0.id) } } }
    }
    /// The ids of the units' first messages.
    private(set) var orders: [Order?] = []
    /// Units before this one are gone.
    var firstReadable = 0
    /// Where an inclusive WoodPecker 0/0, and an id of another log, start.
    var flushCheckpoint = 0
    var liveFaults: [Fault] = []
    var boundedFaults: [Fault] = []
    /// Set for ever, where the list above is empty.
    var boundedAlways: Fault?
    var liveAlways: Fault?
    /// Bounded dumps ended here: no later message may have a tick at or below.
    var frontier = TimeTick(0)
    var waiters: [Int: @Sendable () -> Void] = [:]
  }
  struct State: Sendable {
    var channels: [String: Channel] = [:]
    var hidden: Set<String> = []
    var flushHangs = false
    var beforeFlush: (@Sendable ([String]) -> Void)?
    var order: [String] = []
    var controlChannel = ""
    /// An id of the old log starts at the beginning of the new one.
    var isSwitched = false
    /// An old server: inclusive starts are not known.
    var ignoresInclusive = false
    var now = TimeTick(0)
    var flush: Result<FlushAllAnswer, CallError>?
    var timestampFault: CallError?
    var timestampsHang = false
    var requests: [DumpRequest] = []
    var openCount = 0
    var nextID = 0
    var timestamps = 0
    /// Ids that this server cannot read, although they are well-formed.
    var refusedStarts: Set<String> = []
  }
  let state: Locked<State>
  package let peer: String

  package init(_ channels: [String: [LogMessage]], peer: String = "source:1") {
    self.peer = peer
    var state = State()
    state.order = channels.keys.sorted()
    for (name, messages) in channels {
      let units = Self.units(of: messages)
      var channel = Channel()
      channel.units = units
      state.channels[name] = channel
      for message in messages {
        state.now = max(state.now, message.timeTick)
        if ChannelName.isControl(message.vchannel) { state.controlChannel = message.vchannel }
      }
    }
    if state.controlChannel.isEmpty, let first = state.order.first {
      state.controlChannel = ChannelName.control(ofPchannel: first)
    }
    self.state = Locked(state)
  }

  /// The folder's `pchannel-N.pb`: `DumpMessagesResponse`, each behind its length as a varint. Channels are named by their messages.
  package convenience init(folder: URL, peer: String = "source:1") throws {
    self.init(try Self.read(folder: folder), peer: peer)
  }

  package static func read(folder: URL) throws -> [String: [LogMessage]] {
    var channels: [String: [LogMessage]] = [:]
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    for name in names where name.hasPrefix("pchannel-") && name.hasSuffix(".pb") {
      let messages = try messages(in: folder.appending(path: name))
      guard let pchannel = messages.lazy.map(\.pchannel).first(where: { !$0.isEmpty }) else { continue }
      channels[pchannel] = messages
    }
    return channels
  }

  package static func messages(in file: URL) throws -> [LogMessage] {
    var reader = WireReader([UInt8](try Data(contentsOf: file)))
    var messages: [LogMessage] = []
    while !reader.isAtEnd {
      guard case .lengthDelimited(let range) = try reader.content(.lengthDelimited) else { break }
      if let message = try LogMessage(dumpResponse: Array(reader.bytes[range])) { messages.append(message) }
    }
    return messages
  }

  package static func units(of messages: [LogMessage]) -> [[LogMessage]] {
    var units: [[LogMessage]] = []
    var open: [LogMessage] = []
    for message in messages {
      switch message.type {
      case .beginTxn: open = [message]
      case .commitTxn where !open.isEmpty:
        units.append(open + [message])
        open = []
      default:
        if open.isEmpty { units.append([message]) } else { open.append(message) }
      }
    }
    // What a test leaves open is delivered as it is.
    if !open.isEmpty { units.append(open) }
    return units
  }

  // MARK: The content

  package var pchannels: [String] { state.withLock { $0.order } }
  package func units(_ pchannel: String) -> [[LogMessage]] {
    state.withLock { $0.channels[pchannel]?.units ?? [] }
  }

  package func append(_ messages: [LogMessage], to pchannel: String) {
    append(to: pchannel) { _ in messages }
  }

  /// `make` gets a tick that nothing given out so far is above, and no bounded dump ends in between: for a log that is written while it is read.
  package func append(to pchannel: String, _ make: (TimeTick) throws -> [LogMessage]) rethrows {
    let wake = try state.withLock { state -> [@Sendable () -> Void] in
      guard var channel = state.channels[pchannel] else { preconditionFailure("no channel \(pchannel)") }
      for unit in Self.units(of: try make(max(state.now, channel.frontier))) {
        let tick = Self.tick(unit)
        precondition(tick > channel.frontier, "a bounded dump has ended behind tick \(tick)")
        channel.units.append(unit)
        state.now = max(state.now, tick)
      }
      let wake = Array(channel.waiters.values)
      channel.waiters = [:]
      state.channels[pchannel] = channel
      return wake
    }
    for wake in wake { wake() }
  }

  /// The first `count` units cannot be read any more; streams that are open do not notice.
  package func truncate(_ pchannel: String, to count: Int) {
    state.withLock { $0.channels[pchannel]?.firstReadable = count }
  }
  package func setFlushCheckpoint(_ pchannel: String, to count: Int) {
    state.withLock { $0.channels[pchannel]?.flushCheckpoint = count }
  }
  package func switchLog() { state.withLock { $0.isSwitched = true } }
  package func ignoreInclusive() { state.withLock { $0.ignoresInclusive = true } }

  // MARK: Faults

  /// One for each unbounded dump of the channel, in the order in which they are opened.
  package func script(_ faults: [Fault], on pchannel: String) {
    state.withLock { $0.channels[pchannel]?.liveFaults += faults }
  }
  package func scriptBounded(_ faults: [Fault], on pchannel: String) {
    state.withLock { $0.channels[pchannel]?.boundedFaults += faults }
  }
  package func always(live: Fault?, bounded: Fault?, on pchannel: String) {
    state.withLock {
      $0.channels[pchannel]?.liveAlways = live
      $0.channels[pchannel]?.boundedAlways = bounded
    }
  }
  package func refuseStart(_ text: String) { state.withLock { _ = $0.refusedStarts.insert(text) } }
  package func answerFlushAll(_ answer: Result<FlushAllAnswer, CallError>?) {
    state.withLock { $0.flush = answer }
  }
  package func failTimestamps(_ error: CallError?) { state.withLock { $0.timestampFault = error } }
  package func hangTimestamps(_ hangs: Bool) { state.withLock { $0.timestampsHang = hangs } }
  package static func error(_ code: RPCStatusCode, _ text: String = "scripted") -> CallError {
    .rpc(RPCError(code, text, initiator: .remote, peer: "source:1"), method: "DumpMessages")
  }

  // MARK: What was asked

  /// The last timestamp that was given out, or the last tick.
  package var clock: TimeTick { state.withLock { $0.now } }
  package var requests: [DumpRequest] { state.withLock { $0.requests } }
  package var openCount: Int { state.withLock { $0.openCount } }
  package var timestampCount: Int { state.withLock { $0.timestamps } }
  package func liveCount(_ pchannel: String) -> Int {
    requests.count { $0.pchannel == pchannel && $0.endTick.rawValue == 0 }
  }

  /// These exist only later: FlushAll does not tell them.
  package func hide(_ pchannels: Set<String>) { state.withLock { $0.hidden = pchannels } }

  /// Called with the channels that a FlushAll is about to tell.
  package func onFlushAll(_ body: @escaping @Sendable ([String]) -> Void) { state.withLock { $0.beforeFlush = body } }

  package func hangFlushAll() { state.withLock { $0.flushHangs = true } }

  // MARK: MilvusLog

  /// Answers what the test set, else with the last FlushAll message of each channel.
  package func flushAll() async throws(CallError) -> FlushAllAnswer {
    if state.withLock({ $0.flushHangs }) {
      await Self.forever()
      throw Self.error(.cancelled)
    }
    if let answer = state.withLock({ $0.flush }) { return try answer.get() }
    let (before, visible) = state.withLock { state in (state.beforeFlush, state.order.filter { !state.hidden.contains($0) }) }
    before?(visible)
    return state.withLock { state in
      var answer = FlushAllAnswer()
      answer.clusterID = "0"
      answer.controlChannel = state.controlChannel
      answer.pchannels = state.order.filter { !state.hidden.contains($0) }
      for (name, channel) in state.channels where !state.hidden.contains(name) {
        answer.messages[name] = channel.units.last { $0.first?.type == .flushAll }?.first
      }
      return answer
    }
  }

  package func allocTimestamp() async throws(CallError) -> TimeTick {
    let (fault, hangs) = state.withLock { ($0.timestampFault, $0.timestampsHang) }
    if hangs {
      await Self.forever()
      throw Self.error(.cancelled)
    }
    if let fault { throw fault }
    return state.withLock { state in
      state.timestamps += 1
      // Ticks of messages lie up to 200 ms below a timestamp.
      state.now = TimeTick(state.now.rawValue + 100 << 18)
      return state.now
    }
  }

  package func replicateInfo(sourceClusterID: String, targetPchannel: String) async throws(CallError)
    -> ReplicateInfo
  {
    ReplicateInfo()
  }
  package func replicateConfiguration() async throws(CallError) -> ReplicateConfiguration? { nil }

  package func dump(_ request: DumpRequest) async throws(CallError) -> any DumpStream {
    let isBounded = request.endTick.rawValue != 0
    let fault = state.withLock { state -> Fault in
      state.requests.append(request)
      guard var channel = state.channels[request.pchannel] else { return .silence(after: 0) }
      defer { state.channels[request.pchannel] = channel }
      if isBounded {
        return channel.boundedFaults.isEmpty
          ? channel.boundedAlways ?? .none : channel.boundedFaults.removeFirst()
      }
      return channel.liveFaults.isEmpty ? channel.liveAlways ?? .none : channel.liveFaults.removeFirst()
    }
    switch fault {
    case .refuse(let error): throw error
    case .hang:
      await Self.forever()
      throw Self.error(.cancelled)
    default: break
    }
    let start = try starts(request)
    state.withLock { $0.openCount += 1 }
    return RecordedStream(log: self, request: request, start: start, fault: fault)
  }

  /// Until the task is cancelled.
  static func forever() async {
    let gate = Locked<CheckedContinuation<Void, Never>?>(nil)
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isCancelled = gate.withLock { held -> Bool in
          if Task.isCancelled { return true }
          held = continuation
          return false
        }
        if isCancelled { continuation.resume() }
      }
    } onCancel: {
      gate.withLock { held in
        defer { held = nil }
        return held
      }?.resume()
    }
  }

  static func tick(_ unit: [LogMessage]) -> TimeTick { unit.last?.timeTick ?? TimeTick(0) }
}
