internal import MilvusWire

/// One look at one collection on both sides: decides whose the target is, makes or mends it, and says what is left to do with its rows.
///
/// Every step stores what it is about to do before it does it, so that a restart at any point finishes it (`OwnedCollection.Stage`).
struct CollectionVisit: Sendable {
  /// What a visit ended with.
  enum Result: Sendable {
    case rows(RowWork)
    /// Rows cannot be read now; the schema is in order. `hint` says what would help.
    case waiting(message: String, hint: String, notes: [String])
    /// `ddl: ignore` holds the collection back as a whole.
    case heldBack(String)
    /// It vanished from the source between two calls.
    case gone
    case failed(BridgeError)
  }
  /// The rows of a collection, ready to be passed over.
  struct RowWork: Sendable {
    var units: [RowUnit]
    var isTargetEmpty: Bool
    /// Steps that come after the rows: what costs less on a new collection that is full.
    var afterwards: [SchemaAction]
    /// Come last: an alias that points to half a collection would be worse than none. Only for one that was never copied, and nil where
    /// whoever asked sets them.
    var aliases: [SchemaAction]?
    var notes: [String]
  }

  let pair: ClusterPair
  let spec: TaskSpec
  let keeper: CheckpointKeeper
  let applier: SchemaApplier
  let source: CollectionState
  /// True after the task's first look at everything: a collection without a record is new then.
  let isInitialised: Bool

  private var planner: CollectionPlanner {
    CollectionPlanner(
      sourceProfile: pair.sourceProfile, targetProfile: pair.targetProfile, ddl: spec.ddl,
      adopt: spec.adopt, ignorePartition: spec.ignorePartition)
  }
  private var targetReader: CatalogReader {
    CatalogReader(cluster: pair.target, profile: pair.targetProfile, side: .target)
  }
  private var targetPath: CollectionPath { spec.selection.target(of: source.path) }

  func run() async -> Result {
    do {
      return try await visit()
    } catch {
      return .failed(error)
    }
  }

  private func visit() async throws(BridgeError) -> Result {
    let blueprint = try SchemaBlueprint(
      source: source, target: targetPath, sourceProfile: pair.sourceProfile,
      targetProfile: pair.targetProfile)
    var target = try await targetReader.state(of: targetPath)
    var isNew = false
    switch try await claim(blueprint, target) {
    case .conflict(let error): throw error
    case .countTarget: throw planner.uncountable(targetPath)
    case .keep: break
    case .adopt(let isEmpty): try await store(blueprint, target, isAdopted: !isEmpty)
    case .recreate:
      try await dropForRecreation()
      try await create(blueprint)
      isNew = true
    case .create:
      if isInitialised, spec.ddl != .apply, await keeper.current[target: targetPath] == nil {
        let error = planner.heldBack(targetPath, "the source has a new collection \(source.path)")
        if spec.ddl == .stop { throw error }
        return .heldBack(error.message)
      }
      try await create(blueprint)
      isNew = true
    }
    if isNew { target = try await targetReader.state(of: targetPath) }
    guard let target else { throw vanished(targetPath) }
    if isNew { try await confirmCreation(blueprint, target) }
    return try await align(blueprint, target, isNew: isNew)
  }

  /// Asks for the target's row count only where the decision needs it and the target can tell it.
  private func claim(
    _ blueprint: SchemaBlueprint, _ target: CollectionState?
  ) async throws(BridgeError) -> CollectionClaim {
    let record = await keeper.current[target: targetPath]
    let first = planner.claim(source: source, blueprint: blueprint, target: target, record: record)
    switch first {
    case .countTarget: break
    case .adopt where spec.adopt: break
    case .create, .recreate, .adopt, .keep, .conflict: return first
    }
    guard let target, target.loaded == .all else { return first }
    let rows: Int64
    do {
      rows = try await pair.target.countLoaded(targetPath, isLite: pair.targetProfile.isLite)
    } catch {
      throw BridgeError(error, side: .target, operation: "count \(targetPath)")
    }
    return planner.claim(
      source: source, blueprint: blueprint, target: target, record: record, targetRows: rows)
  }

  private func vanished(_ path: CollectionPath) -> BridgeError {
    BridgeError(
      .changedMeanwhile, side: .target, operation: "align \(path)",
      message: "the collection vanished while it was looked at")
  }

  // MARK: Creation

  private func newRecord(
    _ blueprint: SchemaBlueprint, stage: OwnedCollection.Stage
  ) -> OwnedCollection {
    OwnedCollection(
      source: source.path, target: targetPath, stage: stage, sourceIdentity: source.identity,
      fingerprint: blueprint.creation.fingerprint)
  }

  /// The intent is durable before the target is asked, the ownership after it was seen.
  private func create(_ blueprint: SchemaBlueprint) async throws(BridgeError) {
    let record = newRecord(blueprint, stage: .creating)
    await keeper.change { $0.set(record) }
    try await keeper.save()
    try await applier.perform(.createCollection(blueprint.creation))
  }

  /// A server may have made less than it was asked for: then the collection is not used (`public-rpc.md` §3.2).
  private func confirmCreation(
    _ blueprint: SchemaBlueprint, _ target: CollectionState
  ) async throws(BridgeError) {
    let record = await keeper.current[target: targetPath]
    let claim = planner.claim(source: source, blueprint: blueprint, target: target, record: record)
    if case .conflict(let error) = claim { throw error }
    try await store(blueprint, target, isAdopted: false)
  }

  private func store(
    _ blueprint: SchemaBlueprint, _ target: CollectionState?, isAdopted: Bool
  ) async throws(BridgeError) {
    var record = newRecord(blueprint, stage: .owned)
    record.targetIdentity = target?.identity ?? .unknown
    record.isAdopted = isAdopted
    let stored = record
    await keeper.change { $0.set(stored) }
    try await keeper.save()
  }

  private func dropForRecreation() async throws(BridgeError) {
    guard var record = await keeper.current[target: targetPath] else { return }
    record.stage = .dropping
    let stored = record
    await keeper.change { $0.set(stored) }
    try await keeper.save()
    try await applier.perform(.dropCollection(targetPath, identity: record.targetIdentity))
  }

  // MARK: Alignment

  private func align(
    _ blueprint: SchemaBlueprint, _ found: CollectionState, isNew: Bool
  ) async throws(BridgeError) -> Result {
    var target = found
    let record = await keeper.current[target: targetPath]
    let plan = try planner.align(
      source: source, blueprint: blueprint, target: target, record: record)
    var notes = plan.notes
    // A new collection is filled first: building an index once costs less than growing it with every batch.
    let isRowsFirst = isNew && source.loaded.isReadable
    let isAfter = { (action: SchemaAction) in isRowsFirst && action.isCheaperAfterRows(isLite: pair.targetProfile.isLite) }
    let before = plan.actions.filter { !isAfter($0) }
    let after = plan.actions.filter(isAfter)
    let isWhole = after.isEmpty
    var aliases: [SchemaAction]?
    if record?.isCopied != true {
      let owned = await keeper.current.collections.filter { $0.target.database == targetPath.database }
      aliases =
        AliasPlan(
          source: source.aliases, target: [], path: targetPath, elsewhere: [],
          owned: Set(owned.map(\.target.name)), gate: FeatureGate(pair.targetProfile)
        ).sets
    }
    for action in before { notes += try await applier.perform(action) }
    if !before.isEmpty {
      guard let again = try await targetReader.state(of: targetPath) else { throw vanished(targetPath) }
      target = again
    }
    notes += target.indexes.filter { $0.state == 4 }.map {
      "index \($0.indexName) on \($0.fieldName): its build failed on the target: \($0.failReason)"
    }
    try await finishAlignment(blueprint, target, isWhole: isWhole, notes: notes)
    guard source.loaded.isReadable else {
      return .waiting(
        message: source.loaded == .loading
          ? "the source is loading the collection" : "the source has not loaded the collection",
        hint: "Load \(source.path) on the source: only loaded rows can be read.", notes: notes)
    }
    return .rows(
      RowWork(units: units(target, notes: &notes), isTargetEmpty: isNew, afterwards: after, aliases: aliases, notes: notes))
  }

  /// Remembers what was aligned, so that a later difference is known as a change and an index is not made again because the target
  /// describes it in other words.
  func finishAlignment(
    _ blueprint: SchemaBlueprint, _ target: CollectionState, isWhole: Bool, notes: [String]
  ) async throws(BridgeError) {
    let source = self.source
    let path = targetPath
    let fingerprint = blueprint.creation.fingerprint
    let ddl = spec.ddl
    await keeper.change { checkpoint in
      guard var record = checkpoint[target: path] else { return }
      if ddl == .apply || !record.isSetUp {
        record.fingerprint = fingerprint
        record.sourceIdentity = source.identity
      }
      record.source = source.path
      record.stage = .owned
      record.renamingTo = nil
      record.targetIdentity = target.identity
      if isWhole {
        record.isSetUp = true
        record.indexes = Self.indexPairs(source, target, notes: notes)
      }
      checkpoint.set(record)
    }
    try await keeper.save()
  }

  private static func indexPairs(
    _ source: CollectionState, _ target: CollectionState, notes: [String]
  ) -> [String: OwnedCollection.IndexPair] {
    var pairs: [String: OwnedCollection.IndexPair] = [:]
    for index in source.indexes {
      guard let found = target.indexes.first(where: { $0.key == index.key }) else { continue }
      pairs[index.key] = OwnedCollection.IndexPair(
        source: index.fingerprint, target: found.fingerprint,
        note: notes.first { $0.hasPrefix("index \(index.indexName) on \(index.fieldName):") })
    }
    return pairs
  }

  /// After the rows of a new collection: its indexes, its load and its aliases, then what they came to.
  func finish(_ work: RowWork) async throws(BridgeError) -> [String] {
    let actions = work.afterwards + (work.aliases ?? [])
    guard !actions.isEmpty else { return [] }
    var notes: [String] = []
    var patient = applier
    patient.loadPatience = .seconds(600)
    for action in actions { notes += try await patient.perform(action) }
    let blueprint = try SchemaBlueprint(
      source: source, target: targetPath, sourceProfile: pair.sourceProfile,
      targetProfile: pair.targetProfile)
    guard let target = try await targetReader.state(of: targetPath) else { throw vanished(targetPath) }
    try await finishAlignment(blueprint, target, isWhole: true, notes: notes)
    if work.aliases != nil {
      await keeper.change { [targetPath] in $0.changeRecord(targetPath) { $0.hasAliases = true } }
    }
    return notes
  }

  // MARK: Units

  /// One unit without partition names where the server chooses the partition, else one per partition that both sides can read.
  private func units(_ target: CollectionState, notes: inout [String]) -> [RowUnit] {
    func unit(_ partition: String?) -> RowUnit {
      RowUnit(
        source: source.path, target: targetPath, sourcePartition: partition,
        targetPartition: partition, sourceSchema: source.schema, targetSchema: target.schema,
        sourceID: source.description.id)
    }
    if spec.ignorePartition || source.hasPartitionKey { return [unit(nil)] }
    if source.partitions == ["_default"], target.partitions == ["_default"] { return [unit(nil)] }
    var units: [RowUnit] = []
    for partition in source.partitions {
      if case .some(let loaded) = source.loaded, !loaded.contains(partition) {
        notes.append("partition \(partition): not loaded on the source, so its rows cannot be read")
      } else if !target.partitions.contains(partition) {
        notes.append("partition \(partition): not on the target")
      } else {
        units.append(unit(partition))
      }
    }
    return units
  }
}

extension SchemaAction {
  /// The rows of a new collection are better written before this. Milvus Lite reads all rows again for CreateIndex (200,000 of 128
  /// dimensions: 6 s) and builds nothing as they come: there an index costs least while the collection is empty.
  func isCheaperAfterRows(isLite: Bool) -> Bool {
    switch self {
    case .load: return true
    case .createIndex: return !isLite
    case .createDatabase, .alterDatabase, .dropDatabase, .createCollection, .dropCollection,
      .renameCollection, .alterCollection, .alterField, .addField, .createPartition, .dropPartition,
      .dropIndex, .release, .releasePartitions, .setAlias, .dropAlias:
      return false
    }
  }
}
