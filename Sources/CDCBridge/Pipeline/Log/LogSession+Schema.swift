internal import MilvusWire

/// Names and schemas: the first look, and every change of the log in its turn. The log's message changes the catalogue; the target is then
/// aligned with what the catalogue says, by the same steps that align clusters without a log.
extension LogSession {
  // MARK: The first look

  /// Everything up to the first delivery: the catalogue, the names, every collection. Tried again until it succeeds.
  func prepare() async -> TaskStop? {
    var backoff = RetryBackoff()
    while !Task.isCancelled {
      do throws(BridgeError) {
        try await prepareOnce()
        reporter.setTaskTrouble(nil)
        return nil
      } catch {
        if Task.isCancelled { return nil }
        if let stop = await pause(after: error, &backoff) { return stop }
      }
    }
    return nil
  }

  private func prepareOnce() async throws(BridgeError) {
    startedAt = TimeTick(0)
    if let known = await keeper.current.log {
      catalog = known.catalog
      seededAt = known.seededAt
      applied = known.applied
      isAccessCopied = known.isAccessCopied
      start.positions = known.positions
      if known.isDoubted { request(.seed) }
      let now = try await timestamp()
      // Whoever remembers nothing may have handed over all of it.
      let isForgetful = repeatable != nil
      startedAt = isForgetful ? TimeTick(.max) : now
      // A checkpoint of an older build does not tell how far.
      handOver = HandOver(
        after: Dictionary(
          known.positions.keys.map { ($0, isForgetful ? TimeTick(.max) : known.handed?[$0] ?? now) },
          uniquingKeysWith: { first, _ in first }))
    } else {
      try await seed()
      handOver = HandOver(from: start.positions.mapValues(\.timeTick))
    }
    isSeeded = true
    board = BarrierBoard(applied: Set(applied.map(\.id)), starts: start.positions.mapValues(\.timeTick))
    ledgers = start.positions.mapValues { DeliveryLedger(position: $0, tick: $0.provenUpTo ?? $0.timeTick) }
    let bounds = handOver.written
    await storePositions()
    try await keeper.save()
    handOver.stored(bounds)
    try await alignAll()
    try await copyAccess()
    await keeper.change { $0.isInitialised = true }
    try await keeper.save()
    reporter.looked()
  }

  func timestamp() async throws(BridgeError) -> TimeTick {
    do {
      let tick = try await log.allocTimestamp()
      clockOffsetMs = tick.unixMilliseconds &- time.unixMs()
      reporter.setClockOffset(clockOffsetMs)
      return tick
    } catch {
      throw BridgeError(error, side: .source, operation: "ask the source for a timestamp")
    }
  }

  /// Waits as the policy says; the stop where a person is needed.
  private func pause(after error: BridgeError, _ backoff: inout RetryBackoff) async -> TaskStop? {
    switch policy.decide(error) {
    case .stopTask(let hint), .stopCollection(let hint): return TaskStop(error, hint: hint)
    case .retry(let pace, let hint):
      let delay = backoff.nextDelay(pace, random: time.random())
      reporter.setTaskTrouble(
        ProgressReporter.Trouble(
          message: error.description, hint: hint, attempt: backoff.attempt, nextTryAt: time.now() + delay))
      _ = await time.sleep(delay)
      return nil
    }
  }

  /// Reads the live catalogue, which then holds every change up to a timestamp taken afterwards, and none of which it is not known
  /// whether it is in it: a look in which the control channel was not quiet is made again.
  private func seed() async throws(BridgeError) {
    let reader = CatalogReader(cluster: pair.source, profile: pair.sourceProfile, side: .source)
    for attempt in 0..<Self.seedsMax {
      let before = try await timestamp()
      let found = try await LogSeed(reader: reader, selection: spec.selection).read()
      let after = try await timestamp()
      let isLast = attempt == Self.seedsMax - 1
      guard try await isQuiet(from: before, to: after) || isLast else { continue }
      // What was followed of truncated collections is not in a describe.
      catalog = found.keepingTruncations(of: catalog)
      seededAt = after
      if isLast { note("the source's schemas changed while they were read: changes of that moment may come late") }
      return
    }
  }
  private static let seedsMax = 20
  /// Ticks lie up to 200 ms below a timestamp that was taken before them (`wal-protocol.md` §4.4).
  private static let tickLagMs: UInt64 = 1_000

  /// True where no schema change lies between two timestamps.
  private func isQuiet(from before: TimeTick, to after: TimeTick) async throws(BridgeError) -> Bool {
    let pchannel = ChannelName.pchannel(of: start.controlChannel)
    guard let position = ledgers[pchannel]?.confirmed ?? start.positions[pchannel] else { return true }
    let lag = Self.tickLagMs << 18
    let from = TimeTick(before.rawValue > lag ? before.rawValue - lag : 0)
    let begin = LogIDFormat.start(at: position.confirmed)
    let request = DumpRequest(
      pchannel: pchannel, start: begin.id, isInclusive: begin.isInclusive, startTick: max(from, position.timeTick),
      endTick: after)
    let control = start.controlChannel
    let calls = LogCalls(log: log, limits: LogLimits(), time: time)
    do throws(CallError) {
      let answer = try await calls.ask(request, within: calls.limits.proof) { message in
        message.timeTick > position.timeTick && message.broadcast != nil && message.vchannel == control && !message.isPchannelLevel
      }
      if case .message = answer { return false }
      return true
    } catch {
      throw BridgeError(error, side: .source, operation: "look at the log's schema changes")
    }
  }

  // MARK: Work

  func request(_ work: Work) {
    switch work {
    case .align(let id):
      if works.contains(where: { if case .align(id) = $0 { true } else { false } }) { return }
    case .seed: if works.contains(where: { if case .seed = $0 { true } else { false } }) { return }
    case .grow:
      if works.contains(where: { if case .grow = $0 { true } else { false } }) { return }
      // Whatever waits may wait for these channels.
      works.insert(work, at: 0)
      return wake()
    case .change: break
    }
    works.append(work)
    wake()
  }

  /// One at a time, in order; a change waits until the rows before it are on the target.
  func startWork(_ group: inout TaskGroup<Event>) {
    guard !isWorking, let work = works.first else { return }
    if case .change(let ready) = work {
      let ids = Self.collections(ready)
      for id in ids where follows[id]?.pass != nil { follows[id]?.pass?.cancel() }
      // A collection that waits for a try of its own has to go on first, or to stop.
      guard ids.allSatisfy({ follows[$0].map { $0.isDrained && $0.pass == nil } ?? true }) else {
        for id in ids where follows[id]?.mode == .waiting && follows[id]?.retryAt == nil { promote(id) }
        return
      }
    }
    works.removeFirst()
    isWorking = true
    group.addTask {
      switch work {
      case .change(let ready): return .worked(await self.execute(ready))
      case .align(let id): return .worked(await self.alignAgain(id))
      case .seed: return .worked(await self.seedAgain())
      case .grow: return .worked(await self.grow())
      }
    }
  }

  /// Its alignment is asked for already, behind the change that waits for it: it goes first.
  private func promote(_ id: Int64) {
    guard let at = works.firstIndex(where: { if case .align(id) = $0 { true } else { false } }), at > 0 else { return }
    works.insert(works.remove(at: at), at: 0)
  }

  /// The collections whose rows a change is ordered with: those of its data channels.
  private static func collections(_ ready: BarrierBoard<Waiting>.Ready) -> [Int64] {
    guard ready.copies.keys.contains(where: { !ChannelName.isControl($0) }) else { return [] }
    guard let message = ready.copies.values.first?.messages.first, let change = try? LogChange(message),
      let id = change.collectionID
    else { return [] }
    return [id]
  }

  private func execute(_ ready: BarrierBoard<Waiting>.Ready) async -> TaskStop? {
    let copies = ready.copies.sorted { ChannelName.isControl($0.key) && !ChannelName.isControl($1.key) }
    guard let first = copies.first?.value, let message = first.messages.first else { return nil }
    var effect = LogCatalogEffect()
    do {
      let change = try LogChange(message)
      if first.tick > seededAt {
        // It came from outside of what is covered, or was missed: the live catalogue tells what it is.
        if case .alterCollection(let content) = change, catalog.collections[content.collectionID] == nil { request(.seed) }
        effect = try catalog.apply(change)
      } else if case .truncateCollection = change {
        effect = try catalog.apply(change)
      } else {
        // It is in the catalogue; what cannot be replicated is named all the same.
        var known = catalog
        let seen = try known.apply(change)
        (effect.notes, effect.access) = (seen.notes, seen.access)
        doubts.add(change, tick: first.tick, seededAt: seededAt, catalog, now: time.now())
      }
    } catch {
      note("a schema change (\(message.type)) cannot be read: \(error)")
    }
    if let id = effect.truncated {
      for (lane, copy) in ready.copies where !ChannelName.isControl(lane) { catalog.truncate(id, lane, at: copy.tick) }
    }
    // A restart finishes what the catalogue says.
    await storePositions()
    var backoff = RetryBackoff()
    while !Task.isCancelled {
      do throws(BridgeError) {
        try await realize(effect)
        if !ready.missing.isEmpty { try await heal(effect, ready.missing) }
        applied.append(LogCheckpoint.Applied(id: ready.id, ticks: Self.ticks(of: ready)))
        await storePositions()
        try await keeper.save()
        break
      } catch {
        if Task.isCancelled { return nil }
        if let stop = await pause(after: error, &backoff) { return stop }
      }
    }
    if Task.isCancelled { return nil }
    if backoff.attempt > 0 { reporter.setTaskTrouble(nil) }
    let release = board.applied(ready.id)
    for copy in release.copies { done(copy.receipt) }
    for item in release.items { passOn(item) }
    return nil
  }

  private static func ticks(of ready: BarrierBoard<Waiting>.Ready) -> [String: TimeTick] {
    var ticks: [String: TimeTick] = [:]
    for (lane, copy) in ready.copies {
      let pchannel = ChannelName.pchannel(of: lane)
      ticks[pchannel] = max(ticks[pchannel] ?? copy.tick, copy.tick)
    }
    return ticks
  }

  private func passOn(_ item: Waiting) { if item.isRows { route(item) } else { done(item.receipt) } }

  private func realize(_ effect: LogCatalogEffect) async throws(BridgeError) {
    for text in effect.notes { note(text) }
    try await apply(effect.access)
    if effect.changesNames { try await alignNames() }
    if let id = effect.dropped { forget(id) }
    if let id = effect.truncated, let target = follows[id]?.target {
      await keeper.change { $0.changeRecord(target) { $0.stage = .dropping } }
      try await keeper.save()
    }
    var ids = effect.collections
    if let id = effect.truncated { ids.insert(id) }
    if let id = effect.imported, catalog.collections[id] != nil {
      note(
        "rows came into \(catalog.collections[id]?.path.description ?? "") that are in no log (an import): it is compared with the source")
      requireComparison(id)
      ids.insert(id)
    }
    for id in ids.sorted() {
      try await align(id, isWhole: effect.created == id || effect.truncated == id)
    }
    for id in effect.aliases { try await alignAliases(id) }
    // One that moved stays where it was as long as its new place is not copied: whoever still has it is among the others.
    let databases = Set(effect.aliases.compactMap { catalog.collections[$0]?.path.database })
    let others = catalog.collections.filter {
      databases.contains($0.value.path.database) && !effect.aliases.contains($0.key)
    }
    for id in others.keys.sorted() { try await alignAliases(id) }
  }

  /// A channel never showed its copy: rows around it may be lost as well.
  private func heal(_ effect: LogCatalogEffect, _ lanes: [String]) async throws(BridgeError) {
    note("a schema change did not come on \(lanes.joined(separator: ", ")): the rows there are compared with the source")
    for id in effect.collections where follows[id] != nil {
      requireComparison(id)
      try await align(id, isWhole: false)
    }
  }

  private func alignAgain(_ id: Int64) async -> TaskStop? {
    guard catalog.collections[id] != nil, follows[id] != nil else { return nil }
    do throws(BridgeError) {
      try await align(id, isWhole: false)
    } catch {
      if !Task.isCancelled { failed(id, error) }
    }
    return nil
  }

  // MARK: More channels

  /// Vchannels that lie on a pchannel nobody follows: the source was given more of them. Asked about once for each.
  func noticeChannels(_ vchannels: [String]) {
    let found = Set(vchannels.map { ChannelName.pchannel(of: $0) }).subtracting(ledgers.keys).subtracting(unfollowed)
    guard !found.isEmpty else { return }
    unfollowed.formUnion(found)
    request(.grow)
  }

  /// They are followed from a FlushAll on. What came on them before is in no position: collections that lie there are compared.
  private func grow() async -> TaskStop? {
    var backoff = RetryBackoff()
    while !Task.isCancelled {
      do throws(BridgeError) {
        let found = try await LogBootstrap.start(log: log, time: time)
        for pchannel in found.pchannels where ledgers[pchannel] == nil {
          guard let position = found.positions[pchannel] else { continue }
          note("the source has a new channel \(pchannel): it is followed, and what lies on it compared")
          start.positions[pchannel] = position
          start.pchannels.append(pchannel)
          ledgers[pchannel] = DeliveryLedger(position: position, tick: position.timeTick)
          board.lost(pchannel: pchannel, until: position.timeTick)
          for (id, collection) in catalog.collections where collection.isOn(pchannel) {
            requireComparison(id)
            request(.align(id))
          }
          follower?.add(pchannel, position: position)
        }
        for pchannel in unfollowed where ledgers[pchannel] == nil {
          note("a schema change names a channel \(pchannel) that the source does not have")
          board.lost(pchannel: pchannel, until: TimeTick(.max))
        }
        await storePositions()
        try await keeper.save()
        reporter.setTaskTrouble(nil)
        return nil
      } catch {
        if Task.isCancelled { return nil }
        if let stop = await pause(after: error, &backoff) { return stop }
      }
    }
    return nil
  }

  // MARK: Gaps

  func lost(_ gap: LogGap) async {
    note("\(gap)")
    if spec.onGap == .stop {
      stop =
        stop
        ?? TaskStop(
          reason: "part of the source's log is gone: \(gap)",
          hint: "Create the task again, or with on_gap heal: it then compares the clusters and writes what differs.")
      return
    }
    let until = gap.firstSeen ?? gap.after.timeTick
    board.lost(pchannel: gap.pchannel, until: max(until, gap.provenUpTo))
    for (id, collection) in catalog.collections where collection.isOn(gap.pchannel) {
      requireComparison(id)
    }
    request(.seed)
  }

  /// Rows that were understood by an older catalogue, for partitions that the alignment drops on the target.
  private func leaveOut(_ partitions: Set<String>, of id: Int64) {
    guard !partitions.isEmpty, let follow = follows[id] else { return }
    let isMadeAgain = catalog.collections[id]?.partitions.contains { partitions.contains($0.name) } ?? false
    let mayArrive = follow.calls > 0
    rewind(id)
    follows[id]?.flow.leaveOut(partitions: partitions)
    // What the target has, or still gets, by a name that is another partition's now.
    if isMadeAgain || mayArrive { requireComparison(id) }
  }

  /// Changes of schemas may be lost with the rows: the live catalogue counts.
  private func seedAgain() async -> TaskStop? {
    var backoff = RetryBackoff()
    while !Task.isCancelled {
      do throws(BridgeError) {
        let before = catalog
        try await seed()
        doubts.looked(catalog, now: time.now())
        for id in follows.keys {
          if catalog.collections[id] == nil { forget(id) } else { leaveOut(catalog.droppedPartitions(of: id, since: before), of: id) }
        }
        await storePositions()
        try await alignAll()
        reporter.setTaskTrouble(nil)
        return nil
      } catch {
        if Task.isCancelled { return nil }
        if let stop = await pause(after: error, &backoff) { return stop }
      }
    }
    return nil
  }
}

extension LogChange {
  /// The collection that a schema change is about.
  var collectionID: Int64? {
    switch self {
    case .createCollection(let content): content.collectionID
    case .dropCollection(let content): content.collectionID
    case .createPartition(let content), .dropPartition(let content): content.collectionID
    case .schemaChange(let content): content.collectionID
    case .alterCollection(let content): content.collectionID
    case .truncateCollection(let content): content.collectionID
    case .import(let content): content.collectionID
    case .commitImport(let content), .rollbackImport(let content): content.collectionID
    default: nil
    }
  }
}
