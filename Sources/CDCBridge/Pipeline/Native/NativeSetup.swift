package import MilvusWire

/// The connections of a native task.
package struct NativeEnds: Sendable {
  package var source: any MilvusCluster
  package var target: any MilvusCluster
  /// Carries both; the task runs on it, so that no message changes the thread between them (D13). nil: wherever there is room.
  package var loop: ConnectionLoop?

  package init(source: any MilvusCluster, target: any MilvusCluster, loop: ConnectionLoop?) {
    self.source = source
    self.target = target
    self.loop = loop
  }
}

/// The two ends of a native task.
struct NativePair: Sendable {
  var source: any MilvusCluster
  var sourceProfile: ServerProfile
  var log: any MilvusLog
  var target: any MilvusCluster
  var targetProfile: ServerProfile
  var replica: any MilvusReplica

  /// The largest type number below 700 that the target knows. One that does not tell its version is taken for the older line: an unknown
  /// type is not refused, it destroys (`wal-protocol.md` §0 no. 7).
  var typeMax: Int { Self.typeMax(targetProfile.version) }

  static func typeMax(_ version: ServerProfile.Version?) -> Int { (version?.major ?? 2) >= 3 ? 46 : 38 }
}

/// From two clusters to a running pair (`wal-protocol.md` §7.4): everything that is asked before a byte is sent.
///
/// | Step | Asks | Changes |
/// |------|------|---------|
/// | look | versions, configurations, what stands on the target, what the tokens' users may do | nothing |
/// | channels | FlushAll on the source; on the target, where it is no standby yet | seals growing segments |
/// | history | the source's log from its beginning, where something stands on the source | nothing |
/// | role | UpdateReplicateConfiguration on the target only; again has no effect | the target becomes a standby |
struct NativeSetup: Sendable {
  let spec: TaskSpec
  let pair: NativePair
  let time: RunnerTime
  var silence: Duration = .seconds(30)

  // MARK: Looking

  /// What stands in the way, as far as it can be known without changing anything.
  func obstacles() async throws(BridgeError) -> NativeObstacles { try await look().found }

  private func look() async throws(BridgeError) -> (found: NativeObstacles, target: ReplicateConfiguration?) {
    var found = NativeObstacles()
    found.check(spec)
    found.check(source: pair.sourceProfile, target: pair.targetProfile)
    guard found.list.isEmpty else { return (found, nil) }
    let configurations = try await configurations(&found)
    let sourceID = configurations.target?.topology.first?.sourceClusterID
    found.check(source: configurations.source, target: nil, sourceID: nil)
    let isFree = configurations.target?.topology.isEmpty ?? true
    if isFree {
      found.check(targetObjects: try await objects(pair.target, .target))
    } else if let target = configurations.target, let sourceID, NativePairing.existing(target, sourceID: sourceID) == nil {
      // Whether it is this source's is known when the source's channels are.
      found.check(source: nil, target: target, sourceID: nil)
    }
    await NativeRights(pair: pair, time: time).check(&found)
    return (found, configurations.target)
  }

  private typealias Configurations = (source: ReplicateConfiguration?, target: ReplicateConfiguration?)

  /// Of both at once: a server that never had a configuration answers with the deadline only (`wal-protocol.md` §7.2).
  private func configurations(_ found: inout NativeObstacles) async throws(BridgeError) -> Configurations {
    async let source = configuration(of: pair.log)
    async let target = configuration(of: pair.replica)
    let answers = await (source, target)
    return (try configuration(answers.0, .source, &found), try configuration(answers.1, .target, &found))
  }

  private func configuration(of log: any MilvusLog) async -> Result<ReplicateConfiguration?, CallError> {
    do throws(CallError) {
      return .success(try await log.replicateConfiguration())
    } catch {
      return .failure(error)
    }
  }

  private func configuration(
    _ answer: Result<ReplicateConfiguration?, CallError>, _ side: BridgeError.Side, _ found: inout NativeObstacles
  ) throws(BridgeError) -> ReplicateConfiguration? {
    do throws(CallError) {
      return try answer.get()
    } catch {
      guard error.rpcCode == .permissionDenied else {
        throw BridgeError(error, side: side, operation: "ask for the replicate configuration")
      }
      NativeRights.add(
        &found, side.rawValue, "ask for its replication (GetReplicateConfiguration)", "PrivilegeGetReplicateConfiguration")
      return nil
    }
  }

  /// Collections and databases by name.
  func objects(_ cluster: any MilvusCluster, _ side: BridgeError.Side) async throws(BridgeError) -> [String] {
    do throws(CallError) {
      var names: [String] = []
      for database in try await cluster.listDatabases() {
        if database != "default" { names.append("database \(database)") }
        names += try await cluster.showCollections(database: database).map { "\(database).\($0.name)" }
      }
      return names.sorted()
    } catch {
      throw BridgeError(error, side: side, operation: "list what stands on the \(side.rawValue)")
    }
  }

  // MARK: The first start

  /// The checkpoint of a new task, not stored yet; the target is as it was.
  func begin() async throws(BridgeError) -> NativeCheckpoint {
    let (found, configuration) = try await look()
    if !found.list.isEmpty { throw found.error }
    let start = try await LogBootstrap.start(log: pair.log, time: time)
    var (pairing, kind) = try await pairing(start, configuration)
    var isStandby = false
    if let configuration, let sourceID = start.replicationID {
      if let existing = NativePairing.existing(configuration, sourceID: sourceID) {
        guard Set(existing.sourcePchannels) == Set(start.pchannels) else {
          var obstacles = NativeObstacles()
          obstacles.add(
            "the target is a standby of \(sourceID) with other pchannels than the source has now",
            fix: "promote the target, empty it, and create the task again")
          throw obstacles.error
        }
        pairing = existing
        isStandby = true
      } else if !configuration.topology.isEmpty {
        var obstacles = NativeObstacles()
        obstacles.check(source: nil, target: configuration, sourceID: sourceID)
        throw obstacles.error
      }
    }
    if kind == .unknown { kind = start.positions.values.first?.confirmed.kind ?? .unknown }
    var checkpoint = NativeCheckpoint(pairing: pairing, lanes: [:], targetKind: kind)
    for (pchannel, position) in start.positions {
      checkpoint.lanes[pchannel] = NativeCheckpoint.Lane(start: position, barrier: position.timeTick)
    }
    checkpoint.isSetUp = isStandby
    let hasSomething = isStandby ? try await hasReceived(pairing) : false
    if !hasSomething { try await seed(&checkpoint, start) }
    return checkpoint
  }

  private func pairing(_ start: LogStart, _ configuration: ReplicateConfiguration?) async throws(BridgeError)
    -> (NativePairing, LogKind)
  {
    if let configuration, let id = start.replicationID, let existing = NativePairing.existing(configuration, sourceID: id) {
      return (existing, .unknown)
    }
    let answer: FlushAllAnswer
    do throws(CallError) {
      answer = try await pair.replica.flushAll()
    } catch {
      throw BridgeError(error, side: .target, operation: "ask for the target's channels (FlushAll)")
    }
    do throws(NativeObstacles) {
      return (try NativePairing.make(source: start, target: answer), answer.messages.values.first?.id.kind ?? .unknown)
    } catch {
      throw error.error
    }
  }

  private func hasReceived(_ pairing: NativePairing) async throws(BridgeError) -> Bool {
    do throws(CallError) {
      for pchannel in pairing.targetPchannels {
        let info = try await pair.replica.replicateInfo(sourceClusterID: pairing.sourceID, targetPchannel: pchannel)
        if info.checkpoint?.hasReceivedNothing == false { return true }
      }
      return false
    } catch {
      throw BridgeError(error, side: .target, operation: "ask what the target has received")
    }
  }

  /// Where something stands on the source already, the log has to tell all of it.
  private func seed(_ checkpoint: inout NativeCheckpoint, _ start: LogStart) async throws(BridgeError) {
    let (databases, live) = try await catalogue()
    if live.isEmpty, databases.allSatisfy({ $0 == "default" }) { return }
    guard spec.initialCopy else {
      var obstacles = NativeObstacles()
      obstacles.add(
        "initial_copy is false and the source is not empty: a standby ends its streams at rows of collections it does not have",
        fix: "create the task with initial_copy true, or use apply public")
      throw obstacles.error
    }
    let history = try await history(start)
    let missing = history.missing(live, databases: databases, controlChannel: start.controlChannel)
    guard missing.isEmpty else {
      var obstacles = NativeObstacles()
      obstacles.add(
        "the source's log does not reach back to the creation of \(missing.prefix(5).joined(separator: ", "))\(missing.count > 5 ? " and \(missing.count - 5) more" : "")",
        fix: "restore a backup into the standby with milvus-backup (secondary restore), or use apply public")
      throw obstacles.error
    }
    for pchannel in start.pchannels {
      guard let kind = start.positions[pchannel]?.confirmed.kind, let earliest = LogIDFormat.earliestStart(kind) else { continue }
      let position = LogPosition(confirmed: earliest.id, timeTick: TimeTick(0))
      checkpoint.lanes[pchannel]?.start = position
      checkpoint.lanes[pchannel]?.position = position
      checkpoint.lanes[pchannel]?.firstTick = history.firstTicks[pchannel] ?? TimeTick(0)
    }
    checkpoint.leftOut = history.incomplete
    checkpoint.leftOutDatabases = history.incompleteDatabases
  }

  private func catalogue() async throws(BridgeError) -> ([String], [CollectionDescription]) {
    do throws(CallError) {
      let databases = try await pair.source.listDatabases()
      var live: [CollectionDescription] = []
      for database in databases {
        for summary in try await pair.source.showCollections(database: database) {
          var description = try await pair.source.describeCollection(CollectionPath(database: database, name: summary.name))
          description.schema.name = "\(database).\(summary.name)"
          live.append(description)
        }
      }
      return (databases, live)
    } catch {
      throw BridgeError(error, side: .source, operation: "list what stands on the source")
    }
  }

  private func history(_ start: LogStart) async throws(BridgeError) -> NativeHistory {
    var whole = NativeHistory()
    for pchannel in start.pchannels {
      guard let position = start.positions[pchannel] else { continue }
      whole.merge(
        try await NativeHistory.read(
          pair.log, pchannel: pchannel, kind: position.confirmed.kind, upTo: position.timeTick, silence: silence, time: time))
    }
    return whole
  }

  // MARK: The role

  /// Makes the target a standby of the source. Has no effect where it is one.
  func assignRole(_ pairing: NativePairing) async throws(BridgeError) {
    let configuration = pairing.configuration(
      sourceURI: spec.source.replicationURI, targetURI: spec.target.replicationURI)
    do throws(CallError) {
      try await pair.replica.updateReplicateConfiguration(configuration, isForced: false)
    } catch {
      if error.rpcCode == .permissionDenied {
        var found = NativeObstacles()
        NativeRights.add(&found, "target", "change roles (UpdateReplicateConfiguration)", "PrivilegeUpdateReplicateConfiguration")
        throw found.error
      }
      throw BridgeError(error, side: .target, operation: "make the target a standby of \(pairing.sourceID)")
    }
  }

  /// What the target has of each pchannel, by the source's names.
  func states(_ pairing: NativePairing) async throws(BridgeError) -> [String: ReplicaState] {
    var states: [String: ReplicaState] = [:]
    for (source, target) in zip(pairing.sourcePchannels, pairing.targetPchannels) {
      do throws(CallError) {
        let info = try await pair.replica.replicateInfo(sourceClusterID: pairing.sourceID, targetPchannel: target)
        states[source] = ReplicaState(info, sourceClusterID: pairing.sourceID)
      } catch {
        throw BridgeError(error, side: .target, operation: "ask what the target has of \(source)")
      }
    }
    return states
  }
}
