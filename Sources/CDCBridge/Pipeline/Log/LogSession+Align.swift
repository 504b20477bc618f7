internal import MilvusWire

/// Makes the target what the catalogue says.
extension LogSession {
  private var applier: SchemaApplier {
    var applier = SchemaApplier(cluster: pair.target, profile: pair.targetProfile, pause: time.sleep)
    applier.loadPatience = .seconds(10)
    return applier
  }

  /// Names first, then every covered collection.
  func alignAll() async throws(BridgeError) {
    try await alignNames()
    let listing = catalog.listing(spec.selection).collections
    let absent = spec.selection.patterns.filter { $0.collection != "*" && $0.database != "*" }
      .map { CollectionPath(database: $0.database, name: $0.collection) }
      .filter { listing[$0] == nil && spec.selection.covers($0) }
    reporter.retain(Set(listing.keys).union(absent))
    for path in absent {
      let reason = catalog.absence(of: path)
      reporter.update(path, target: spec.selection.target(of: path)) { collection in
        collection.state = .waiting
        collection.hint = reason.hint(path)
        collection.absence = reason
      }
    }
    for id in listing.values.map(\.id).sorted() {
      do throws(BridgeError) {
        try await align(id, isWhole: false)
      } catch {
        if policy.concernsWholeCluster(error) { throw error }
        failed(id, error)
      }
    }
  }

  /// Databases, dropped and renamed collections.
  func alignNames() async throws(BridgeError) {
    let reader = CatalogReader(cluster: pair.target, profile: pair.targetProfile, side: .target)
    let steps = NameSteps(
      applier: applier, keeper: keeper, ddl: spec.ddl, isInitialised: await keeper.current.isInitialised,
      sourceReader: nil, policy: policy, isOnlyLook: true)
    try await steps.recoverRenames()
    let checkpoint = await keeper.current
    let plan = ClusterPlan(
      ClusterPlan.Input(
        listing: catalog.listing(spec.selection), selection: spec.selection, records: checkpoint.collections,
        targetDatabases: try await reader.databases(), ownedDatabases: checkpoint.databases,
        sourceProfile: pair.sourceProfile, targetProfile: pair.targetProfile))
    conflicts = plan.conflicts
    for text in plan.notes + (try await steps.perform(plan.steps)) { note(text) }
  }

  func forget(_ id: Int64) {
    guard let follow = follows.removeValue(forKey: id) else { return }
    follow.pass?.cancel()
    follow.gate?.open(false)
    for change in follow.flow.changes { done(change.receipt) }
    uncompared.remove(id)
    let paths = catalog.listing(spec.selection).collections.keys
    reporter.retain(Set(paths))
  }

  /// `isWhole`: the log has all rows that the collection will ever have from here on, so that nothing is copied.
  func align(_ id: Int64, isWhole: Bool) async throws(BridgeError) {
    guard let state = catalog.state(of: id) else { return }
    guard spec.selection.covers(state.path) else { return forget(id) }
    if let vchannels = catalog.collections[id]?.vchannels { noticeChannels(vchannels) }
    follow(id, state.path)
    // What was prepared earlier may be about another name or another schema.
    follows[id]?.job = nil
    if let conflict = conflicts[state.path] { return failed(id, conflict) }
    let visit = CollectionVisit(
      pair: pair, spec: spec, keeper: keeper, applier: applier, source: state,
      isInitialised: await keeper.current.isInitialised)
    let result = await visit.run()
    var waits: (message: String, hint: String?)?
    switch result {
    case .failed(let error):
      if policy.concernsWholeCluster(error) { throw error }
      return failed(id, error)
    case .heldBack(let message): return stopFollow(id, message, hint: nil)
    case .gone: return
    case .waiting(let message, let hint, let notes):
      waits = (message, hint)
      reporter.setNotes(notes, of: state.path)
    case .rows(let work): try await take(work, of: visit, id, isWhole: isWhole)
    }
    if isWhole || !spec.initialCopy { await record(id) { $0.isCopied = true } }
    try await prepareRows(id, state)
    try await alignAliases(id)
    let record = await keeper.current[target: spec.selection.target(of: state.path)]
    let isCopied = record?.isCopied ?? false
    if isCopied { waits = record?.refused.map { ($0.description, OwnedCollection.Refused.hint) } }
    let trouble = waits
    follows[id]?.mode = .writing
    follows[id]?.retryAt = nil
    reporter.setTrouble(nil, of: state.path)
    reporter.update(state.path, target: spec.selection.target(of: state.path)) { collection in
      collection.isCopied = isCopied
      collection.state = isCopied ? .following : trouble == nil ? .copying : .waiting
      collection.lastError = trouble?.message
      collection.hint = trouble?.hint
      collection.inserted = max(collection.inserted, record?.inserted ?? 0)
      collection.updated = max(collection.updated, record?.updated ?? 0)
      collection.deleted = max(collection.deleted, record?.deleted ?? 0)
    }
    wake()
  }

  private func follow(_ id: Int64, _ path: CollectionPath) {
    let target = spec.selection.target(of: path)
    if follows[id] == nil {
      follows[id] = LogFollow(
        id: id, path: path, target: target,
        limits: RowFlow.Limits(batchesMax: pair.targetProfile.isLite ? 1 : 4), queue: newQueue(path))
    }
    if follows[id]?.path != path {
      reporter.retain(Set(catalog.listing(spec.selection).collections.keys))
      follows[id]?.path = path
      follows[id]?.target = target
      follows[id]?.queue = newQueue(path)
    }
  }

  /// Either the rows are read and woven in, or what follows them is done at once.
  private func take(
    _ work: CollectionVisit.RowWork, of visit: CollectionVisit, _ id: Int64, isWhole: Bool
  ) async throws(BridgeError) {
    let path = visit.source.path
    reporter.setNotes(work.notes, of: path)
    let record = await keeper.current[target: spec.selection.target(of: path)]
    let isLost = record?.needsComparison ?? false || uncompared.contains(id)
    let isNew = work.isTargetEmpty || record?.isCopied != true
    if !isWhole, isLost || (isNew && spec.initialCopy) {
      guard follows[id]?.pass == nil else { return }
      // They may move while rows are copied: the alignment after the pass sets them, to what they are then.
      var rows = work
      rows.aliases = nil
      follows[id]?.job = RowJob(
        visit: visit, work: rows, makePass: environment.makePass, reporter: reporter, time: time)
      // From before the first row of the log is written: a target that is not scanned does not show it.
      let keys = KeyWatch(keepsAll: work.isTargetEmpty)
      for change in follows[id]?.flow.changes ?? [] { keys.arrived(Self.keys(of: change), receipt: change.receipt) }
      follows[id]?.watch = keys
      return
    }
    reporter.addNotes(try await visit.finish(work), of: path)
  }

  /// How rows of the log are read and written from now on.
  private func prepareRows(_ id: Int64, _ state: CollectionState) async throws(BridgeError) {
    let target = spec.selection.target(of: state.path)
    let description: CollectionDescription
    do {
      description = try await pair.target.describeCollection(target)
    } catch {
      throw BridgeError(error, side: .target, operation: "describe \(target)")
    }
    if targetReplicationID == nil {
      targetReplicationID = description.physicalChannelNames.lazy.compactMap(ChannelName.replicationID).first
    }
    let unit = RowUnit(
      source: state.path, target: target, sourcePartition: nil, targetPartition: nil, sourceSchema: state.schema,
      targetSchema: description.schema, sourceID: id)
    let plan = try RowPlan.make(unit, target: pair.targetProfile)
    let converter: LogRowConverter
    do {
      converter = try LogRowConverter(schema: state.schema, fields: plan.sourceFields)
    } catch {
      throw BridgeError(
        .targetUnsupported, side: .target, operation: "write rows of \(state.path)", message: error.description)
    }
    follows[id]?.form = LogFollow.Form(
      unit: unit, plan: plan, converter: converter,
      upsertReachesAll: state.hasPartitionKey || spec.ignorePartition || state.partitions.count == 1)
  }

  // MARK: Aliases

  func alignAliases(_ id: Int64) async throws(BridgeError) {
    guard let state = catalog.state(of: id), follows[id] != nil,
      let record = await keeper.current[target: spec.selection.target(of: state.path)],
      // The pass that ends the first copy sets them: an alias never points at something half full.
      record.isCopied || !state.loaded.isReadable
    else { return }
    let elsewhere = catalog.collections.values.filter {
      $0.id != id && spec.selection.target(of: $0.path).database == record.target.database
    }.flatMap(\.aliases)
    let steps = AliasSteps(applier: applier, keeper: keeper, ddl: spec.ddl)
    do throws(BridgeError) {
      reporter.addNotes(try await steps.align(state, record: record, elsewhere: Set(elsewhere)), of: state.path)
    } catch {
      if policy.concernsWholeCluster(error) || policy.isPassing(error) || error.code == .schemaChange { throw error }
      reporter.addNotes(["aliases: \(error.message)"], of: state.path)
    }
  }

  // MARK: Progress

  /// What is known to be on the target, by the slowest channel of each collection. Schema changes may come on the control channel alone:
  /// what waits there is missing on the target too, wherever the rows lie.
  func showProgress() async {
    let control = ChannelName.pchannel(of: start.controlChannel)
    let pchannels = ledgers.sorted { $0.key < $1.key }.map { name, ledger in
      TaskProgress.Pchannel(
        name: name, watermarkUnixMs: ledger.appliedTick.unixMilliseconds, waitingBytes: ledger.openBytes)
    }
    let retention = RetentionWatch(
      kind: start.positions.values.first?.confirmed.kind ?? .unknown, version: pair.sourceProfile.version)
    let oldest = ledgers.values.map(\.appliedTick).min()
    reporter.showLog(
      pchannels, retentionSecondsLeft: oldest.flatMap { retention.secondsLeft(since: $0, nowMs: time.unixMs() &+ clockOffsetMs) })
    for (id, follow) in follows {
      guard let known = catalog.collections[id] else { continue }
      let own = ledgers.filter { known.isOn($0.key) || $0.key == control }
      let ticks = (own.isEmpty ? ledgers : own).values.map(\.appliedTick)
      guard let watermark = ticks.min()?.unixMilliseconds else { continue }
      let counts = follow.counts
      let record = await keeper.current[target: follow.target]
      let isCopied = record?.isCopied ?? false
      let refused = follow.mode == .writing ? record?.refused : nil
      // It may have been renamed, or a pass may have begun, meanwhile.
      guard let now = follows[id], now.pass == nil, now.path == follow.path else { continue }
      reporter.update(follow.path, target: follow.target) { collection in
        if let refused, collection.state == .following {
          collection.lastError = refused.description
          collection.hint = OwnedCollection.Refused.hint
        }
        if isCopied { collection.watermarkUnixMs = max(collection.watermarkUnixMs ?? watermark, watermark) }
        collection.inserted = (record?.inserted ?? 0) &+ counts.inserted
        collection.updated = (record?.updated ?? 0) &+ counts.updated
        collection.deleted = (record?.deleted ?? 0) &+ counts.deleted
        collection.bytesWritten = (record?.bytesWritten ?? 0) &+ counts.bytesWritten
      }
    }
  }
}

extension LogCatalog.Collection {
  func isOn(_ pchannel: String) -> Bool { vchannels.contains { ChannelName.pchannel(of: $0) == pchannel } }
}

extension LogCatalog {
  mutating func truncate(_ id: Int64, _ vchannel: String, at tick: TimeTick) {
    collections[id]?.truncatedAt[vchannel] = tick
  }

  /// Names of partitions that the older catalogue has and this one has not, or has another of.
  func droppedPartitions(of id: Int64, since before: LogCatalog) -> Set<String> {
    let now = collections[id]?.partitions ?? []
    let gone = (before.collections[id]?.partitions ?? []).filter { old in
      // A server that tells no ids tells names.
      !now.contains { $0.id == old.id && old.id != 0 || ($0.id == 0 || old.id == 0) && $0.name == old.name }
    }
    return Set(gone.map(\.name))
  }

  func keepingTruncations(of other: LogCatalog) -> LogCatalog {
    var copy = self
    for (id, collection) in other.collections where copy.collections[id] != nil {
      copy.collections[id]?.truncatedAt = collection.truncatedAt
    }
    return copy
  }
}
