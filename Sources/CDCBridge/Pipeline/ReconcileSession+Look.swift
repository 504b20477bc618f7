internal import MilvusWire

/// One look at both catalogues: names first, then every collection that is due.
extension ReconcileSession {
  /// A failure of one collection stays with it; what is thrown concerns the whole task.
  func look() async throws(BridgeError) {
    let began = time.now()
    nextLook = began + spec.reconcileInterval
    let pair = try await probedPair()
    let reader = CatalogReader(cluster: pair.source, profile: pair.sourceProfile, side: .source)
    let listing = try await SourceListingReader(reader: reader, selection: spec.selection).read()
    try await applyNames(listing, pair: pair)
    updateSlots(listing.listing, at: began)
    reporter.retain(
      Set(listing.listing.collections.keys).union(listing.absent.keys))
    // Before any of them is looked at: what a look does not get to is missing all the same.
    let checkpoint = await keeper.current
    for path in listing.listing.collections.keys {
      let target = spec.selection.target(of: path)
      reporter.introduce(path, target: target, checkpoint[target: target])
    }
    for (path, reason) in listing.absent {
      reporter.update(path, target: spec.selection.target(of: path)) { collection in
        collection.state = .waiting
        collection.lastError = nil
        collection.hint = reason.hint(path)
        collection.absence = reason
      }
    }
    try await visitDue(reader: reader, pair: pair, at: began)
    await keeper.change { $0.isInitialised = true }
    try await keeper.save()
    reporter.looked()
  }

  /// Probes both sides where that has not been done since either was away.
  private func probedPair() async throws(BridgeError) -> ClusterPair {
    if let pair { return pair }
    let sourceProfile = try await Self.probe(source, side: .source)
    let targetProfile = try await Self.probe(target, side: .target)
    let found = ClusterPair(
      source: source, sourceProfile: sourceProfile, target: target, targetProfile: targetProfile)
    pair = found
    reporter.began(
      capture: .reconcile, reason: captureReason ?? CaptureChoice.reason(spec: spec, source: sourceProfile))
    return found
  }

  static func probe(
    _ cluster: any MilvusCluster, side: BridgeError.Side
  ) async throws(BridgeError) -> ServerProfile {
    do {
      return try await ServerProfile.probe(cluster)
    } catch {
      throw BridgeError(error, side: side, operation: "connect to \(cluster.peer)")
    }
  }

  // MARK: Names

  private func applyNames(
    _ reading: SourceListingReader.Reading, pair: ClusterPair
  ) async throws(BridgeError) {
    let targetReader = CatalogReader(cluster: pair.target, profile: pair.targetProfile, side: .target)
    let steps = NameSteps(
      applier: applier(for: pair), keeper: keeper, ddl: spec.ddl,
      isInitialised: await keeper.current.isInitialised,
      sourceReader: CatalogReader(cluster: pair.source, profile: pair.sourceProfile, side: .source),
      policy: policy)
    try await steps.recoverRenames()
    let checkpoint = await keeper.current
    // The name of a collection whose rows are being written is not touched; its pass ends by itself when the source has changed.
    let running = checkpoint.collections.filter { slots[$0.source]?.isRunning == true }
    held = Self.renamed(running, in: reading.listing)
    let plan = ClusterPlan(
      ClusterPlan.Input(
        listing: reading.listing, selection: spec.selection,
        records: checkpoint.collections.filter { record in !running.contains { $0.target == record.target } },
        targetDatabases: try await targetReader.databases(), ownedDatabases: checkpoint.databases,
        sourceProfile: pair.sourceProfile, targetProfile: pair.targetProfile))
    var notes = reading.notes + plan.notes
    conflicts = plan.conflicts
    notes += try await steps.perform(plan.steps)
    notes += try await DatabaseProperties(
      pair: pair, selection: spec.selection, applier: applier(for: pair), ddl: spec.ddl
    ).align(reading.listing.databases, owned: await keeper.current.databases)
    reporter.setNotes(notes, of: nil)
  }

  /// The old names, by the new ones, of what the source renamed.
  private static func renamed(_ records: [OwnedCollection], in listing: SourceListing) -> [CollectionPath: CollectionPath] {
    var old: [CollectionPath: CollectionPath] = [:]
    for record in records where record.sourceIdentity.isKnown {
      for (path, identity) in listing.collections where identity.id == record.sourceIdentity.id && path != record.source {
        old[path] = record.source
      }
    }
    return old
  }

  func applier(for pair: ClusterPair) -> SchemaApplier {
    var applier = SchemaApplier(
      cluster: pair.target, profile: pair.targetProfile, pause: time.sleep)
    applier.loadPatience = .seconds(10)
    return applier
  }

  /// New and recreated collections are due at once; those that are gone lose their slot when nothing of theirs runs any more.
  private func updateSlots(_ listing: SourceListing, at now: ContinuousClock.Instant) {
    for (path, identity) in listing.collections {
      if let slot = slots[path] {
        if slot.identity != identity {
          slots[path]?.identity = identity
          slots[path]?.nextVisit = now
          slots[path]?.queued = nil
        }
      } else {
        slots[path] = Slot(source: path, identity: identity, nextVisit: now)
      }
    }
    for (path, slot) in slots where listing.collections[path] == nil && !slot.isRunning {
      slots[path] = nil
    }
  }

  // MARK: Collections

  private func visitDue(
    reader: CatalogReader, pair: ClusterPair, at now: ContinuousClock.Instant
  ) async throws(BridgeError) {
    // Looks that are nearly due are taken along: fewer wake-ups.
    let horizon = time.now() + spec.reconcileInterval / 10
    let due = slots.values.filter { !$0.isRunning && $0.queued == nil && $0.nextVisit <= horizon && held[$0.source] == nil }
      .map(\.source).sorted()
    for (path, old) in held {
      slots[path]?.nextVisit = now + spec.reconcileInterval
      reporter.update(path, target: spec.selection.target(of: path)) { collection in
        collection.state = .waiting
        collection.lastError = nil
        collection.hint = "It was renamed while its rows are written as \(old); the target follows when that pass ends."
      }
    }
    let isInitialised = await keeper.current.isInitialised
    let visitor = CollectionVisitor(
      pair: pair, spec: spec, keeper: keeper, applier: applier(for: pair), reader: reader,
      isInitialised: isInitialised)
    let conflicts = self.conflicts
    let visits = await Bounded.map(due, limit: Self.visitsAtOnce) { path in
      await visitor.visit(path, conflict: conflicts[path])
    }
    var firstFailure: BridgeError?
    for visit in visits {
      slots[visit.path]?.nextVisit = now + spec.reconcileInterval
      if let state = visit.source { slots[visit.path]?.aliases = state.aliases }
      if case .failed(let error) = visit.result, firstFailure == nil,
        errorConcernsTask(error)
      {
        firstFailure = error
        continue
      }
      take(visit, pair: pair, seenAt: now)
    }
    if let firstFailure { throw firstFailure }
    try await alignAliases(visits, pair: pair)
  }

  private func take(_ visit: CollectionVisitor.Visited, pair: ClusterPair, seenAt: ContinuousClock.Instant) {
    let path = visit.path
    let mapped = spec.selection.target(of: path)
    switch visit.result {
    case .rows(let work):
      guard let collectionVisit = visit.visit else { return }
      reporter.setTrouble(nil, of: path)
      reporter.setNotes(work.notes, of: path)
      reporter.update(path, target: mapped) { collection in
        if collection.state != .following { collection.state = visit.isCopied ? .following : .copying }
        collection.isCopied = visit.isCopied
        collection.watermarkUnixMs = collection.watermarkUnixMs ?? visit.watermarkUnixMs
        if let total = visit.rowsTotal { collection.rowsTotal = total }
        collection.lastError = nil
        collection.hint = nil
      }
      var job = RowJob(visit: collectionVisit, work: work, makePass: environment.makePass, reporter: reporter, time: time)
      job.seenAt = seenAt
      slots[path]?.queued = job
    case .waiting(let message, let hint, let notes):
      reporter.setTrouble(nil, of: path)
      reporter.setNotes(notes, of: path)
      slots[path]?.backoff.succeeded()
      reporter.update(path, target: mapped) { collection in
        collection.state = .waiting
        collection.isCopied = visit.isCopied
        collection.lastError = message
        collection.hint = hint
      }
    case .heldBack(let message):
      reporter.setTrouble(nil, of: path)
      reporter.update(path, target: mapped) { collection in
        collection.state = .stopped
        collection.lastError = message
      }
    case .gone: slots[path]?.nextVisit = time.now() + .seconds(1)
    case .failed(let error): _ = collectionFailed(path, error, isRowFailure: false)
    }
  }

  // MARK: Aliases

  /// After the collections, because an alias may have moved from one to another. An alias of a collection whose rows are still on their
  /// way the first time waits until they are there.
  private func alignAliases(
    _ visits: [CollectionVisitor.Visited], pair: ClusterPair
  ) async throws(BridgeError) {
    for visit in visits {
      guard let source = visit.source, visit.wasAligned else { continue }
      let path = spec.selection.target(of: visit.path)
      guard let record = await keeper.current[target: path] else { continue }
      // The pass that ends the first copy sets them.
      guard record.isCopied || !source.loaded.isReadable else { continue }
      let elsewhere = slots.values.filter {
        $0.source != source.path && spec.selection.target(of: $0.source).database == path.database
      }.flatMap(\.aliases)
      let steps = AliasSteps(applier: applier(for: pair), keeper: keeper, ddl: spec.ddl)
      do throws(BridgeError) {
        reporter.addNotes(
          try await steps.align(source, record: record, elsewhere: Set(elsewhere)), of: visit.path)
      } catch {
        if errorConcernsTask(error) { throw error }
        reporter.addNotes(["aliases: \(error.message)"], of: visit.path)
      }
    }
  }
}
