internal import MilvusWire

/// Compares one collection: its schema as a task would align it, then its rows unit by unit.
struct CollectionComparer: Sendable {
  let pair: ClusterPair
  let path: CollectionPath
  let target: CollectionPath
  let options: ClusterComparison.Options
  let report: @Sendable (ComparisonProgress) -> Void

  func run() async throws(BridgeError) -> CollectionReport {
    var result = CollectionReport(source: path, target: target)
    let sourceReader = CatalogReader(cluster: pair.source, profile: pair.sourceProfile, side: .source)
    let targetReader = CatalogReader(cluster: pair.target, profile: pair.targetProfile, side: .target)
    guard let source = try await sourceReader.state(of: path) else {
      result.failure = "the collection has gone from the source"
      return result
    }
    guard let found = try await targetReader.state(of: target) else {
      result.schemaDifferences = ["the collection is missing on the target"]
      return result
    }
    compareSchemas(source, found, &result)
    // Columns that cannot be matched leave nothing to compare row by row.
    guard result.failure == nil else { return result }
    if !source.loaded.isReadable {
      result.failure = "the collection is not loaded on the source, so its rows cannot be read"
    } else if !found.loaded.isReadable {
      result.failure = "the collection is not loaded on the target, so its rows cannot be read"
    } else {
      for unit in units(source, found) { result.units.append(try await compare(unit, source, found)) }
    }
    return result
  }

  // MARK: Schema

  /// What a task would still do to the target is what differs; what it would note is a note.
  private func compareSchemas(_ source: CollectionState, _ found: CollectionState, _ result: inout CollectionReport) {
    do throws(BridgeError) {
      let blueprint = try SchemaBlueprint(
        source: source, target: target, sourceProfile: pair.sourceProfile, targetProfile: pair.targetProfile)
      let planner = CollectionPlanner(sourceProfile: pair.sourceProfile, targetProfile: pair.targetProfile)
      let differences = planner.comparison.differences(wanted: blueprint.creation, found: found)
        .filter { !isSameAutoID($0, source, found) }
      result.schemaDifferences = differences.map(\.description)
      let plan = try planner.align(source: source, blueprint: blueprint, target: found, record: nil)
      result.notes = plan.notes
      // Fields and partitions of the partition key were told above, in the words of a comparison.
      for action in plan.actions {
        switch action {
        case .load, .release, .releasePartitions: result.notes.append("load state: \(action)")
        case .addField, .alterField: break
        default: result.schemaDifferences.append("\(action)")
        }
      }
    } catch {
      result.schemaDifferences.append(error.message)
    }
    for alias in source.aliases where !found.aliases.contains(alias) {
      result.schemaDifferences.append("alias \(alias) is missing")
    }
    for alias in found.aliases where !source.aliases.contains(alias) {
      result.schemaDifferences.append("alias \(alias) is on the target only")
    }
    do throws(BridgeError) { _ = try plan(source, found) } catch {
      result.failure = "the rows cannot be compared: \(error.message)"
    }
  }

  /// Two collections that give out keys themselves are equal, although no task could have filled the second one.
  private func isSameAutoID(_ difference: SchemaDifference, _ source: CollectionState, _ found: CollectionState) -> Bool {
    guard case .changedField(let name, let what) = difference, what.hasPrefix("autoID") else { return false }
    return [source, found].allSatisfy { $0.schema.fields.contains { $0.name == name && $0.autoID } }
  }

  private func plan(_ source: CollectionState, _ found: CollectionState) throws(BridgeError) -> RowPlan {
    var target = found.schema
    // Whether the target takes keys does not matter to who only reads.
    for index in target.fields.indices { target.fields[index].autoID = false }
    let unit = RowUnit(
      source: path, target: self.target, sourcePartition: nil, targetPartition: nil, sourceSchema: source.schema,
      targetSchema: target, sourceID: source.description.id)
    return try RowPlan.make(unit, target: pair.targetProfile)
  }

  // MARK: Rows

  private struct Unit {
    var partition: String?
    var isOnSource = true
    var isOnTarget = true
  }

  /// The whole collection where the server chooses the partitions or there is only one, else every partition of either side.
  private func units(_ source: CollectionState, _ found: CollectionState) -> [Unit] {
    if source.hasPartitionKey || found.hasPartitionKey { return [Unit()] }
    let names = Set(source.partitions).union(found.partitions)
    if names == ["_default"] { return [Unit()] }
    return names.sorted().map {
      Unit(partition: $0, isOnSource: source.partitions.contains($0), isOnTarget: found.partitions.contains($0))
    }
  }

  private func compare(_ unit: Unit, _ source: CollectionState, _ found: CollectionState) async throws(BridgeError) -> UnitReport {
    var result = UnitReport(partition: unit.partition)
    if let partition = unit.partition {
      for (state, side) in [(source, "source"), (found, "target")] {
        if case .some(let loaded) = state.loaded, state.partitions.contains(partition), !loaded.contains(partition) {
          result.failure = "the partition is not loaded on the \(side)"
          return result
        }
      }
    }
    do throws(BridgeError) {
      result.rows.sourceCount = unit.isOnSource ? try await count(.source, unit.partition, source) : 0
      result.rows.targetCount = unit.isOnTarget ? try await count(.target, unit.partition, found) : 0
      try await RowComparison(
        pair: pair, plan: try plan(source, found), path: path, target: target, partition: unit.partition,
        readsSource: unit.isOnSource, readsTarget: unit.isOnTarget, options: options, report: report
      ).run(&result.rows)
    } catch {
      if error.cause?.isConnectionLoss == true || Task.isCancelled { throw error }
      result.failure = error.description
    }
    return result
  }

  /// nil where the server does not tell it: Lite ignores the partition (`public-rpc.md` §6.4).
  private func count(_ side: RowMerge.Side, _ partition: String?, _ state: CollectionState) async throws(BridgeError) -> Int64? {
    let (cluster, profile) = side == .source ? (pair.source, pair.sourceProfile) : (pair.target, pair.targetProfile)
    if profile.isLite, partition != nil, state.partitions.count > 1 { return nil }
    let patience = Patience(
      side: side == .source ? .source : .target, isLite: profile.isLite, clock: options.clock, waits: { _ in })
    do {
      return try await patience.call { () async throws(CallError) in
        try await cluster.countLoaded(state.path, partitions: partition.map { [$0] } ?? [], isLite: profile.isLite)
      }
    } catch {
      throw ReadFailure.call(error).bridgeError(side: side == .source ? .source : .target, operation: "count \(state.path)")
    }
  }
}
