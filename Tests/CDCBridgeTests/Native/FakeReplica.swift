import CDCBridge
import MilvusWire
import TestSupport

/// A standby in memory, as far as its streams go (`wal-protocol.md` §6.3 to §6.5): what it was sent, what of it is in its log, and on demand
/// everything that a real one does wrong in silence.
final class FakeReplica: MilvusReplica {
  struct State: Sendable {
    var pchannels: [String]
    var controlChannel: String
    var configuration: ReplicateConfiguration?
    /// The source's id; nil: a primary.
    var sourceID: String?
    /// By own pchannel.
    var checkpoints: [String: ReplicateCheckpoint] = [:]
    var salvage: [String: ReplicateCheckpoint] = [:]
    /// Everything that was sent, by the source's pchannel, repeats included.
    var sent: [String: [LogMessage]] = [:]
    /// What is in the log: each message once, transactions when they are committed.
    var applied: [String: [LogMessage]] = [:]
    var open: [String: [LogMessage]] = [:]
    var streams: [Int: FakeReplicateStream] = [:]
    var opened = 0
    var updates: [(ReplicateConfiguration, Bool)] = []
    var isDown = false
    /// Calls that found nobody.
    var refusals = 0
    /// Confirmations are kept back until `confirmAll`.
    var holdsConfirmations = false
    /// Old builds: nothing is said about what is there already.
    var isSilentAboutRepeats = false
    /// Streams end with OK, or break, after so many more messages.
    var endsAfter: [Int] = []
    var breaksAfter: [Int] = []
    /// It dies when it is sent a message with this tick.
    var poison: TimeTick?
    var flushes = 0
  }
  let state: Locked<State>
  let peer = "target:1"

  init(pchannels: [String], control: Int = 0) {
    state = Locked(State(pchannels: pchannels, controlChannel: ChannelName.control(ofPchannel: pchannels[control])))
  }

  static func lost(_ code: RPCStatusCode = .unavailable) -> CallError {
    .rpc(RPCError(code, "connection refused", initiator: .connection, peer: "target:1"), method: "CreateReplicateStream")
  }

  private func live() throws(CallError) {
    let isDown = state.withLock { state in
      if state.isDown { state.refusals += 1 }
      return state.isDown
    }
    if isDown { throw Self.lost() }
  }

  // MARK: MilvusLog

  func flushAll() async throws(CallError) -> FlushAllAnswer {
    try live()
    return state.withLock { state in
      state.flushes += 1
      var answer = FlushAllAnswer()
      answer.clusterID = "0"
      answer.controlChannel = state.controlChannel
      answer.pchannels = state.pchannels
      for name in state.pchannels {
        var writer = LogWriter(name)
        answer.messages[name] = try? writer.flushAll()
      }
      return answer
    }
  }
  func allocTimestamp() async throws(CallError) -> TimeTick { TimeTick(1_700_000_000_000 << 18) }
  func dump(_ request: DumpRequest) async throws(CallError) -> any DumpStream { throw Self.lost(.unimplemented) }
  func replicateConfiguration() async throws(CallError) -> ReplicateConfiguration? {
    try live()
    return state.withLock { $0.configuration }
  }

  func replicateInfo(sourceClusterID: String, targetPchannel: String) async throws(CallError) -> ReplicateInfo {
    try live()
    return state.withLock { state in
      var info = ReplicateInfo()
      info.checkpoint = state.sourceID == nil ? nil : state.checkpoints[targetPchannel]
      info.salvageCheckpoint = state.salvage[targetPchannel]
      return info
    }
  }

  // MARK: MilvusReplica

  func updateReplicateConfiguration(_ configuration: ReplicateConfiguration, isForced: Bool) async throws(CallError) {
    try live()
    let isOwn = state.withLock { state in configuration.clusters.contains { Set($0.pchannels) == Set(state.pchannels) } }
    guard isOwn else {
      let refusal = MilvusStatus(code: 65535, reason: "current Milvus cluster must be included in the clusters list: invalid parameter")
      throw .status(refusal, method: "UpdateReplicateConfiguration")
    }
    state.withLock { state in
      state.updates.append((configuration, isForced))
      state.configuration = configuration
      guard let edge = configuration.topology.first else { return }
      state.sourceID = edge.sourceClusterID
      let source = configuration.clusters.first { $0.id == edge.sourceClusterID }?.pchannels ?? []
      let target = configuration.clusters.first { $0.id == edge.targetClusterID }?.pchannels ?? []
      for (from, to) in zip(source, target) where state.checkpoints[to] == nil {
        var checkpoint = ReplicateCheckpoint()
        checkpoint.clusterID = edge.sourceClusterID
        checkpoint.pchannel = from
        state.checkpoints[to] = checkpoint
      }
    }
  }

  func replicate(from sourceClusterID: String, to targetClusterID: String) async throws(CallError) -> any ReplicateStream {
    try live()
    return state.withLock { state in
      state.opened += 1
      let stream = FakeReplicateStream(replica: self, number: state.opened)
      state.streams[state.opened] = stream
      return stream
    }
  }

  // MARK: What happens to it

  /// The tick to confirm, if any; an end of the stream otherwise.
  enum Outcome { case nothing, confirm(TimeTick), end, die }

  func take(_ message: LogMessage) -> Outcome {
    state.withLock { state in
      guard !state.isDown else { return .die }
      let pchannel = message.pchannel
      state.sent[pchannel, default: []].append(message)
      if message.timeTick == state.poison {
        state.isDown = true
        return .die
      }
      if let left = state.endsAfter.first {
        state.endsAfter[0] = left - 1
        if left == 0 {
          state.endsAfter.removeFirst()
          return .end
        }
      }
      if let left = state.breaksAfter.first {
        state.breaksAfter[0] = left - 1
        if left == 0 {
          state.breaksAfter.removeFirst()
          return .die
        }
      }
      guard state.sourceID != nil, let own = state.checkpoints.first(where: { $0.value.pchannel == pchannel })?.key else { return .end }
      return Self.append(message, own, &state)
    }
  }

  private static func append(_ message: LogMessage, _ own: String, _ state: inout State) -> Outcome {
    let (tick, reached) = (message.timeTick, state.checkpoints[own]?.timeTick ?? TimeTick(0))
    let pchannel = message.pchannel
    func advance() -> Outcome {
      state.checkpoints[own]?.timeTick = tick
      state.checkpoints[own]?.messageID = message.lastConfirmedID
      return .confirm(tick)
    }
    switch message.type {
    case .beginTxn:
      if tick <= reached { return .nothing }
      if let open = state.open[pchannel] { return open[0].transaction == message.transaction ? .nothing : .end }
      state.open[pchannel] = [message]
      return .nothing
    case .commitTxn:
      guard tick > reached, let open = state.open.removeValue(forKey: pchannel) else {
        return state.isSilentAboutRepeats ? .nothing : .confirm(tick)
      }
      state.applied[pchannel, default: []] += open + [message]
      return advance()
    default:
      if message.transaction != nil {
        guard let open = state.open[pchannel], !open.contains(where: { $0.id == message.id }) else { return .nothing }
        state.open[pchannel]?.append(message)
        return .nothing
      }
      if state.open[pchannel] != nil { return .end }
      if tick <= reached { return state.isSilentAboutRepeats ? .nothing : .confirm(tick) }
      state.applied[pchannel, default: []].append(message)
      return advance()
    }
  }

  func confirmAll() {
    let streams = state.withLock { state in
      state.holdsConfirmations = false
      return Array(state.streams.values)
    }
    for stream in streams { stream.releaseHeld() }
  }

  /// Every stream breaks; open transactions are gone.
  func breakStreams() {
    let streams = state.withLock { state in
      state.open = [:]
      defer { state.streams = [:] }
      return Array(state.streams.values)
    }
    for stream in streams { stream.end(.failure(Self.lost())) }
  }

  func promote() {
    state.withLock { state in
      state.sourceID = nil
      state.salvage = state.checkpoints
      state.checkpoints = [:]
      state.open = [:]
    }
  }
  func revive() {
    state.withLock { state in
      state.isDown = false
      state.refusals = 0
    }
  }
  func applied(_ pchannel: String) -> [LogMessage] { state.withLock { $0.applied[pchannel] ?? [] } }
  func sent(_ pchannel: String) -> [LogMessage] { state.withLock { $0.sent[pchannel] ?? [] } }
}

/// One stream of it. Confirmations wait in a list until they are taken.
final class FakeReplicateStream: ReplicateStream {
  private struct State: Sendable {
    var ready: [TimeTick] = []
    var held: [TimeTick] = []
    /// Success: ended with OK.
    var end: Result<Void, CallError>?
    var waiting: CheckedContinuation<Void, Never>?
  }
  private let replica: FakeReplica
  private let number: Int
  private let state = Locked(State())

  init(replica: FakeReplica, number: Int) {
    self.replica = replica
    self.number = number
  }

  func send(_ messages: [LogMessage]) async throws(CallError) {
    for message in messages {
      if case .failure(let error)? = state.withLock({ $0.end }) { throw error }
      if state.withLock({ $0.end }) != nil { return }
      switch replica.take(message) {
      case .nothing: break
      case .confirm(let tick):
        // In one: `confirmAll` lets go of what is held, and nothing may be held after it.
        let isHeld = state.withLock { own in
          let isHeld = replica.state.withLock { $0.holdsConfirmations }
          if isHeld { own.held.append(tick) }
          return isHeld
        }
        if !isHeld { push { $0.ready.append(tick) } }
      case .end: end(.success(()))
      case .die: replica.breakStreams()
      }
    }
  }

  func confirmed() async throws(CallError) -> TimeTick? {
    while true {
      let (tick, end) = state.withLock { state in (state.ready.isEmpty ? nil : state.ready.removeFirst(), state.end) }
      if let tick { return tick }
      switch end {
      case .success?: return nil
      case .failure(let error)?: throw error
      case nil: break
      }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let isReady = state.withLock { state in
            if !state.ready.isEmpty || state.end != nil { return true }
            state.waiting = continuation
            return false
          }
          if isReady { continuation.resume() }
        }
      } onCancel: {
        self.end(.failure(FakeReplica.lost(.cancelled)))
      }
    }
  }

  func cancel() async { end(.failure(FakeReplica.lost(.cancelled))) }

  func releaseHeld() {
    push { state in
      state.ready += state.held
      state.held = []
    }
  }

  func end(_ result: Result<Void, CallError>) {
    push { if $0.end == nil { $0.end = result } }
    replica.state.withLock { _ = $0.streams.removeValue(forKey: number) }
  }

  private func push(_ change: (inout State) -> Void) {
    let waiting = state.withLock { state in
      change(&state)
      defer { state.waiting = nil }
      return state.waiting
    }
    waiting?.resume()
  }
}
