package import MilvusWire

/// Plays a recording into a standby, message by message as it was written: what a native task does, with a file in the place of the source.
///
/// | The target is | Then |
/// |---------------|------|
/// | a standby of the recorded cluster | it gets what is later than it has |
/// | alone and empty | it becomes a standby, if the recording holds the creation of every collection |
/// | anything else | refused |
///
/// Everything is checked before the first byte is sent (`NativeRecordCheck`), and again while it is. Nothing overrides these checks.
package struct NativeReplay: Sendable {
  package struct Outcome: Sendable, Equatable {
    package var clusterID: String
    package var pchannels: Int
    /// Of the recording, later than what the target had when it began.
    package var messages: Int
    package var passedOver: [String]
    package var last: TimeTick
  }
  private let path: String
  private let survey: RecordSurvey
  private let target: ClusterConnection
  private let options: Replay.Options

  package init(path: String, survey: RecordSurvey, target: ClusterConnection, options: Replay.Options) {
    (self.path, self.survey, self.target, self.options) = (path, survey, target, options)
  }

  private static let everything = ObjectSelection(patterns: [.init(database: "*", collection: "*")])
  private static let roundsMax = 5

  private var spec: TaskSpec {
    var spec = TaskSpec(source: source, target: target, selection: Self.everything)
    (spec.capture, spec.apply, spec.onGap) = (.wal, .native, .stop)
    return spec
  }

  /// The recorded cluster's address, which the target is told with its role; a recording that does not say has one that leads nowhere.
  private var source: ClusterConnection {
    let endpoint = (try? Endpoint(parsing: survey.sourceURI)) ?? (try? Endpoint(parsing: "http://recording.invalid:19530"))
    return ClusterConnection(endpoint: endpoint ?? target.endpoint)
  }

  package func run(board: ProgressBoard) async throws -> Outcome {
    if let refusal = Replay.refusal(survey, options) { throw refusal }
    if options.adopt { throw Replay.refusal("a standby takes nothing over: --adopt and --apply native exclude each other") }
    let environment = ReconcileRunner.Environment.milvus
    // Its other end is the recording, and is never called.
    let ends = environment.connectNative?(source, target)
    let cluster = ends?.target ?? environment.connect(target)
    let result: Result<Outcome, any Error>
    do { result = .success(try await play(cluster, board)) } catch { result = .failure(error) }
    await cluster.close()
    await ends?.source.close()
    return try result.get()
  }

  private func play(_ cluster: any MilvusCluster, _ board: ProgressBoard) async throws -> Outcome {
    guard let replica = cluster as? any MilvusReplica else { throw Replay.refusal("the target cannot be a standby") }
    let profile = try await ReconcileSession.probe(cluster, side: .target)
    var recorded = ServerProfile.identify(info: ServerInfo(), versionText: survey.server)
    recorded.hasLog = true
    var found = NativeObstacles()
    found.check(source: recorded, target: profile)
    guard found.list.isEmpty else { throw found.error }

    let empty = RecordedSource(path: path, channels: [:], until: nil, rate: nil)
    let pair = NativePair(
      source: empty, sourceProfile: recorded, log: empty, target: cluster, targetProfile: profile, replica: replica)
    let setup = NativeSetup(spec: spec, pair: pair, time: .system)
    let (pairing, kind, isStandby) = try await assign(setup, replica)
    let admission = LogAdmission(
      sourcePchannels: Set(pairing.sourcePchannels), typeMax: pair.typeMax, targetKind: kind)
    var outcome: Outcome?
    for _ in 0..<Self.roundsMax {
      let states = isStandby || outcome != nil ? try await states(setup, pairing) : [:]
      let has = states.mapValues(\.received)
      let check = try NativeRecordCheck(path: path, until: options.until, admission: admission, has: has)
      if let held = check.held.first {
        throw Replay.refusal(
          "the recording holds what a target must not be sent; \(held)",
          "Nothing was sent, and --force does not change it: the target would confirm the message and die of it. Replay with --apply public, or --until before it."
        )
      }
      try checkBeginning(has, check)
      if outcome == nil, !isStandby { try await setup.assignRole(pairing) }
      if outcome == nil {
        outcome = Outcome(
          clusterID: pairing.targetID, pchannels: pairing.sourcePchannels.count, messages: check.sent.values.reduce(0, +),
          passedOver: check.skipped.map { "\($0.value) messages: \($0.key)" }.sorted(), last: survey.last ?? TimeTick(0))
      }
      let now = try await self.states(setup, pairing)
      if try await session(pair, pairing, kind, now, board) { continue }
      break
    }
    guard let outcome else { throw Replay.refusal("nothing was replayed") }
    return outcome
  }

  // MARK: The role

  /// Who takes what. The target is not changed yet.
  private func assign(_ setup: NativeSetup, _ replica: any MilvusReplica) async throws -> (NativePairing, LogKind, isStandby: Bool) {
    let names = survey.pchannels
    guard let id = names.first.flatMap({ ChannelName.replicationID(ofPchannel: $0) }) else {
      throw Replay.refusal("the recording's channels do not tell the replication id of their cluster", "Replay it with --apply public.")
    }
    let recordedKind = survey.places.values.first?.kind ?? survey.starts.values.first?.id.kind ?? .unknown
    let configuration = try await asked("ask for the replicate configuration") { () async throws(CallError) in
      try await replica.replicateConfiguration()
    }
    if let configuration, !configuration.topology.isEmpty {
      guard let existing = NativePairing.existing(configuration, sourceID: id) else {
        var found = NativeObstacles()
        found.check(source: nil, target: configuration, sourceID: id)
        throw found.error
      }
      let unknown = Set(names).subtracting(existing.sourcePchannels)
      guard unknown.isEmpty else {
        throw Replay.refusal("the target is a standby of \(id), but not of its channel \(unknown.sorted().joined(separator: ", "))")
      }
      return (existing, recordedKind, true)
    }
    var found = NativeObstacles()
    found.check(targetObjects: try await setup.objects(setup.pair.target, .target))
    guard found.list.isEmpty else { throw found.error }
    let answer = try await asked("ask for the target's channels (FlushAll)") { () async throws(CallError) in try await replica.flushAll() }
    let start = LogStart(replicationID: id, controlChannel: survey.control, pchannels: names, positions: [:])
    do throws(NativeObstacles) {
      return (try NativePairing.make(source: start, target: answer), answer.messages.values.first?.id.kind ?? recordedKind, false)
    } catch {
      throw error.error
    }
  }

  private func asked<Value>(_ operation: String, _ body: () async throws(CallError) -> Value) async throws(BridgeError) -> Value {
    do throws(CallError) { return try await body() } catch { throw BridgeError(error, side: .target, operation: operation) }
  }

  private func states(_ setup: NativeSetup, _ pairing: NativePairing) async throws -> [String: ReplicaState] {
    let states = try await setup.states(pairing)
    for state in states.values {
      switch state {
      case .standby: break
      case .primary(let promotedAt): throw PchannelRelay.noStandby(promotedAt: promotedAt, sourceID: pairing.sourceID)
      case .standbyOf(let other): throw Replay.refusal("the target is a standby of \(other), not of \(pairing.sourceID)")
      }
    }
    return states
  }

  /// Whether the recording continues what the target has. A standby cannot be mended afterwards.
  private func checkBeginning(_ has: [String: TimeTick], _ check: NativeRecordCheck) throws {
    let hasSomething = has.values.contains { $0.rawValue > 0 }
    if !hasSomething, !survey.incomplete.isEmpty, !options.ignoresHoles {
      throw Replay.refusal(
        "the recording does not hold the creation of \(survey.incomplete.map(survey.name).sorted().joined(separator: ", ")): "
          + "a standby ends its streams at changes of collections that it does not have",
        "Record from the beginning of the log, replay with --apply public, or leave these collections out with --force.")
    }
    for (pchannel, place) in survey.places.sorted(by: { $0.key < $1.key }) {
      guard let tick = has[pchannel], tick.rawValue > 0, tick < place.last, !check.joined.contains(pchannel), !options.ignoresHoles
      else { continue }
      throw Replay.refusal(
        "\(pchannel): the target has everything up to \(TickText.time(tick)), and no message of the recording is of that tick: what lies between may be missing",
        "Record without the gap, or give --force to send what there is.")
    }
  }

  // MARK: Playing

  /// True: the target has less than it had confirmed, so that it has to be asked again.
  private func session(
    _ pair: NativePair, _ pairing: NativePairing, _ kind: LogKind, _ states: [String: ReplicaState], _ board: ProgressBoard
  ) async throws -> Bool {
    var channels = options.follows ? try RecordedSource.channels(following: survey) : survey.places
    for (pchannel, state) in states {
      let tick = state.received
      guard tick.rawValue > 0 else { continue }
      let known = channels[pchannel]?.after ?? tick
      channels[pchannel]?.after = max(tick, known)
    }
    let source = RecordedSource(path: path, channels: channels, until: options.until, rate: options.rate, follows: options.follows)
    let lanes = NativePair(
      source: source, sourceProfile: pair.sourceProfile, log: source, target: pair.target, targetProfile: pair.targetProfile,
      replica: pair.replica)
    var checkpoint = NativeCheckpoint(pairing: pairing, lanes: [:], targetKind: kind)
    for (pchannel, position) in try source.start(controlChannel: survey.control).positions {
      var lane = NativeCheckpoint.Lane(start: position, barrier: position.timeTick)
      lane.sentTick = states[pchannel]?.received ?? TimeTick(0)
      checkpoint.lanes[pchannel] = lane
    }
    checkpoint.isSetUp = true
    // A target that has something has the collections that were made before the recording.
    let isEmpty = states.values.allSatisfy { $0.received.rawValue == 0 }
    checkpoint.leftOut = options.ignoresHoles && isEmpty ? survey.incomplete : []
    let stored = checkpoint
    let keeper = try await CheckpointKeeper(taskID: "replay", store: ForgetfulStore())
    await keeper.change { $0.native = stored }
    guard options.follows else { return try await session(lanes, stored, states, keeper, board, endAt: source.last) }
    try await RecordedEnd.following(path) {
      _ = try await session(lanes, stored, states, keeper, board, endAt: nil)
    }
    return Task.isCancelled ? false : try await rest(lanes, source, stored, board)
  }

  /// What a session that followed had not taken yet: the recording is whole now, and the target is asked again.
  private func rest(_ pair: NativePair, _ source: RecordedSource, _ checkpoint: NativeCheckpoint, _ board: ProgressBoard) async throws
    -> Bool
  {
    let whole = NativeReplay(path: path, survey: try RecordSurvey(path: path), target: target, options: ended)
    let states = try await whole.states(NativeSetup(spec: spec, pair: pair, time: .system), checkpoint.pairing)
    guard whole.survey.places.contains(where: { name, place in states[name].map { $0.received < place.last } ?? true }) else {
      return false
    }
    return try await whole.session(pair, checkpoint.pairing, checkpoint.targetKind, states, board)
  }

  private var ended: Replay.Options {
    var options = options
    options.follows = false
    return options
  }

  private func session(
    _ pair: NativePair, _ checkpoint: NativeCheckpoint, _ states: [String: ReplicaState], _ keeper: CheckpointKeeper,
    _ board: ProgressBoard, endAt: TimeTick?
  ) async throws -> Bool {
    var spec = spec
    spec.endAt = endAt
    let reporter = ProgressReporter(board: board)
    reporter.began(capture: .wal, reason: "a recording is replayed", apply: .native)
    let session = NativeSession(
      spec: spec, environment: .milvus, keeper: keeper, reporter: reporter, pair: pair, checkpoint: checkpoint, states: states)
    do throws(TaskStop) {
      return try await session.run()
    } catch {
      reporter.ended(with: error)
      guard error.reason == "reached end_at" else { throw error }
      return false
    }
  }
}

extension ReplicaState {
  /// What a standby has of the pchannel; 0 for anything else.
  fileprivate var received: TimeTick {
    if case .standby(let tick, _) = self { tick } else { TimeTick(0) }
  }
}
