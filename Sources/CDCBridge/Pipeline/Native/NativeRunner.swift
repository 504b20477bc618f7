internal import MilvusWire

/// A task with apply `native`: looks, sets the target up, and runs sessions until it is cancelled.
///
/// | Phase | Does | Stored before it goes on |
/// |-------|------|--------------------------|
/// | first start | `NativeSetup.begin`: obstacles stop the task, each with its fix | where everything begins |
/// | role | makes the target a standby; without effect where it is one | that it was done |
/// | following | `NativeSession` | what the target says it has |
///
/// A restart begins with the second. A target that is no standby any more is never made one again: somebody meant it (D6).
struct NativeRunner: Sendable {
  let spec: TaskSpec
  let environment: ReconcileRunner.Environment
  let keeper: CheckpointKeeper
  let reporter: ProgressReporter

  func run() async throws(TaskStop) {
    let ends =
      environment.connectNative?(spec.source, spec.target)
      ?? NativeEnds(source: environment.connect(spec.source), target: environment.connect(spec.target), loop: nil)
    let stop = await withTaskExecutorPreference(ends.loop?.tasks) { await outcome(ends.source, ends.target) }
    await ends.source.close()
    await ends.target.close()
    if let stop { throw stop }
  }

  private func outcome(_ source: any MilvusCluster, _ target: any MilvusCluster) async -> TaskStop? {
    do throws(TaskStop) {
      while !Task.isCancelled {
        let start = PatientStart(time: environment.time, reporter: reporter)
        let prepared = try await start { () async throws(BridgeError) in try await prepare(source, target) }
        guard let (pair, checkpoint, states) = prepared else { return nil }
        reporter.began(capture: .wal, reason: "apply native forwards the log", apply: .native)
        let session = NativeSession(
          spec: spec, environment: environment, keeper: keeper, reporter: reporter, pair: pair, checkpoint: checkpoint, states: states)
        guard try await session.run() else { return nil }
      }
      return nil
    } catch {
      return error
    }
  }

  private typealias Prepared = (NativePair, NativeCheckpoint, [String: ReplicaState])

  private func prepare(_ source: any MilvusCluster, _ target: any MilvusCluster) async throws(BridgeError) -> Prepared {
    let pair = try await Self.pair(environment, source, target)
    let setup = NativeSetup(spec: spec, pair: pair, time: environment.time)
    var checkpoint: NativeCheckpoint
    if let known = await keeper.current.native {
      checkpoint = known
      var found = NativeObstacles()
      found.check(source: pair.sourceProfile, target: pair.targetProfile)
      if !found.list.isEmpty { throw found.error }
    } else {
      checkpoint = try await setup.begin()
      try await store(checkpoint)
    }
    if !checkpoint.isSetUp {
      try await setup.assignRole(checkpoint.pairing)
      checkpoint.isSetUp = true
      try await store(checkpoint)
    }
    let states = try await setup.states(checkpoint.pairing)
    for state in states.values {
      switch state {
      case .standby: break
      case .primary(let promotedAt):
        throw Self.refusal(PchannelRelay.noStandby(promotedAt: promotedAt, sourceID: checkpoint.pairing.sourceID))
      case .standbyOf(let other):
        throw Self.refusal(
          TaskStop(
            reason: "the target is a standby of \(other)",
            hint: "Delete this task, or make the target a standby of \(checkpoint.pairing.sourceID)."))
      }
    }
    return (pair, checkpoint, states)
  }

  /// What a session would end with, found before it began.
  private static func refusal(_ stop: TaskStop) -> BridgeError {
    BridgeError(.schemaChange, side: .target, operation: "forward the log", message: stop.reason, hint: stop.hint)
  }

  private func store(_ checkpoint: NativeCheckpoint) async throws(BridgeError) {
    await keeper.change { $0.native = checkpoint }
    try await keeper.save()
  }

  static func pair(
    _ environment: ReconcileRunner.Environment, _ source: any MilvusCluster, _ target: any MilvusCluster
  ) async throws(BridgeError) -> NativePair {
    let sourceProfile = try await ReconcileSession.probe(source, side: .source)
    let targetProfile = try await ReconcileSession.probe(target, side: .target)
    guard let log = environment.log(source), let replica = environment.replica(target) else {
      throw BridgeError(
        .invalidInput, side: .local, operation: "start native replication", message: "one of the clusters has no log",
        hint: "Use apply public.")
    }
    return NativePair(
      source: source, sourceProfile: sourceProfile, log: log, target: target, targetProfile: targetProfile, replica: replica)
  }

  // MARK: dry_run

  /// What the task would do, and everything that stands in its way. Changes nothing: FlushAll is not called, so channels are compared at the start.
  static func plan(_ spec: TaskSpec, _ pair: NativePair, time: RunnerTime) async throws(BridgeError) -> [String] {
    var lines = [
      "source: \(pair.sourceProfile.title) at \(pair.source.peer)", "target: \(pair.targetProfile.title) at \(pair.target.peer)",
      "capture: wal (apply native forwards the log)",
      "apply: native: the target becomes a standby of the source and refuses writes of its own until it is promoted",
    ]
    let found = try await NativeSetup(spec: spec, pair: pair, time: time).obstacles()
    if !found.list.isEmpty { return lines + found.lines }
    lines += [
      "make the target a standby (UpdateReplicateConfiguration on the target only, no tokens)",
      "forward the log from its beginning where something stands on the source, else from now on; ids and ticks stay as they are",
      "follow: a standby appends one message at a time, about 95 in a second on each pchannel, however large",
      "users, passwords, roles and grants are replicated: the target's credentials become those of the source",
      "not replicated: resource groups, restored snapshots, imported files",
      "checked at the start: the same number of pchannels, different cluster ids, whether the log reaches back far enough",
    ]
    return lines
  }
}
