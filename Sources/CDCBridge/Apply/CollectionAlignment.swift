package import MilvusWire

/// The steps that make a target collection, which exists and is the task's, equal to its source in everything but rows.
package struct CollectionAlignment: Sendable, Equatable {
  /// In order.
  package var actions: [SchemaAction] = []
  /// Changes that `ddl: ignore` holds back.
  package var heldBack: [SchemaAction] = []
  /// What is not replicated, by name, with the reason.
  package var notes: [String] = []
  package init() {}
}

extension CollectionPlanner {
  /// Plans every step for a collection that is there and owned. `isSetUp` false: its first alignment, which `ddl` does not hold back.
  ///
  /// Order: properties and fields, partitions, then indexes (an index cannot be dropped while the collection is loaded, so a release comes
  /// before), then load state (Milvus loads only what is indexed).
  package func align(
    source: CollectionState, blueprint: SchemaBlueprint, target: CollectionState,
    record: OwnedCollection?
  ) throws(BridgeError) -> CollectionAlignment {
    var plan = CollectionAlignment()
    plan.notes = blueprint.notReplicated
    let properties = propertyActions(blueprint, target, notes: &plan.notes)
    let fields = fieldActions(blueprint, target)
    let partitions = partitionActions(source, target)
    let indexes = indexActions(source, blueprint, target, record: record, notes: &plan.notes)
    let needsRelease =
      target.loaded != .none && (!indexes.drops.isEmpty || properties.contains(where: needsUnloaded))
    if record?.isSetUp == true, ddl != .apply {
      let changes = properties + fields + partitions + indexes.drops + indexes.creates
      if ddl == .stop, let first = changes.first {
        throw heldBack(target.path, "the source changed (\(first))")
      }
      plan.heldBack = changes
      plan.notes += changes.map { "not applied (ddl: ignore): \($0)" }
      plan.actions = loadActions(source, target, after: target.loaded, indexCount: target.indexes.count)
        .filter { if case .load = $0 { return true } else { return false } }
      return plan
    }
    if needsRelease { plan.actions.append(.release(target.path)) }
    plan.actions += properties + fields + partitions + indexes.drops + indexes.creates
    plan.actions += loadActions(
      source, target, after: needsRelease ? .none : target.loaded,
      indexCount: target.indexes.count - indexes.drops.count + indexes.creates.count)
    return plan
  }

  private func needsUnloaded(_ action: SchemaAction) -> Bool {
    guard !targetProfile.isLite, case .alterCollection(_, let set, let delete) = action else {
      return false
    }
    return (set.map(\.key) + delete).contains("mmap.enabled")
  }

  private func propertyActions(
    _ blueprint: SchemaBlueprint, _ target: CollectionState, notes: inout [String]
  ) -> [SchemaAction] {
    let wanted = blueprint.creation.properties
    let found = PropertyRules.split(target.properties).replicated
    let set = wanted.filter { found[$0.key] != $0.value }
    var delete = found.map(\.key).filter { wanted[$0] == nil }
    if !delete.isEmpty, !targetProfile.isLite, !targetProfile.isAtLeast(2, 4, 18) {
      notes += delete.map { "property \($0): \(targetProfile.title) cannot remove it again" }
      delete = []
    }
    return set.isEmpty && delete.isEmpty
      ? [] : [.alterCollection(target.path, set: set, delete: delete)]
  }

  private func fieldActions(
    _ blueprint: SchemaBlueprint, _ target: CollectionState
  ) -> [SchemaAction] {
    comparison.differences(wanted: blueprint.creation, found: target).compactMap { difference in
      guard canApply(difference) else { return nil }
      switch difference {
      case .missingField(let field): return .addField(target.path, field)
      case .changedParameters(let name, let set): return .alterField(target.path, field: name, set: set)
      case .dynamicField:
        return .alterCollection(
          target.path, set: [KeyValuePair("dynamicfield.enabled", "true")], delete: [])
      case .extraField, .changedField, .function, .partitionCount: return nil
      }
    }
  }

  /// The partitions of a partition key are the server's own and never named.
  private func partitionActions(_ source: CollectionState, _ target: CollectionState) -> [SchemaAction] {
    if ignorePartition || source.hasPartitionKey || target.hasPartitionKey { return [] }
    let drops = target.partitions.filter { $0 != "_default" && !source.partitions.contains($0) }
    let creates = source.partitions.filter { $0 != "_default" && !target.partitions.contains($0) }
    return drops.map { .dropPartition(target.path, $0) }
      + creates.map { .createPartition(target.path, $0) }
  }

  private func indexActions(
    _ source: CollectionState, _ blueprint: SchemaBlueprint, _ target: CollectionState,
    record: OwnedCollection?, notes: inout [String]
  ) -> (drops: [SchemaAction], creates: [SchemaAction]) {
    let rules = IndexPlan(targetProfile: targetProfile, sourceIsLite: sourceProfile.isLite)
    let comparesNames = !sourceProfile.isLite && !targetProfile.isLite
    var drops: [SchemaAction] = []
    var creates: [SchemaAction] = []
    var kept: Set<String> = []
    for index in source.indexes {
      guard let field = blueprint.creation.schema.fields.first(where: { $0.name == index.fieldName })
      else {
        notes.append("index \(index.indexName) on \(index.fieldName): the field is not replicated")
        continue
      }
      let key = index.key
      switch rules.wanted(for: index, field: field) {
      case .none(let note): notes.append(note)
      case .index(let wanted, let standIn, let note):
        if let note { notes.append(note) }
        kept.insert(key)
        let found = target.indexes.first { $0.key == key }
        if let found {
          if let known = record?.indexes[key], known.source == index.fingerprint,
            known.target == found.fingerprint
          {
            if let note = known.note { notes.append(note) }
            continue
          }
          if rules.isSame(wanted, found, comparesNames: comparesNames) { continue }
          drops.append(.dropIndex(target.path, field: found.fieldName, name: found.indexName))
        }
        creates.append(.createIndex(target.path, wanted, standIn: standIn))
      }
    }
    let helpers = helperIndexes(source, blueprint, kept: kept, rules: rules)
    for helper in helpers {
      kept.insert(helper.key)
      notes.append(
        "index \(helper.indexName) on \(helper.fieldName): only on the target, which cannot be compared without an index"
      )
      if !target.indexes.contains(where: { $0.key == helper.key }) {
        creates.append(.createIndex(target.path, helper, standIn: nil))
      }
    }
    for found in target.indexes where !kept.contains(found.key) {
      drops.append(.dropIndex(target.path, field: found.fieldName, name: found.indexName))
    }
    return (drops, creates)
  }

  /// Milvus loads a collection only when its vector fields have indexes; Lite does without.
  private func helperIndexes(
    _ source: CollectionState, _ blueprint: SchemaBlueprint, kept: Set<String>, rules: IndexPlan
  ) -> [IndexDescription] {
    guard !targetProfile.isLite, source.loaded.isReadable else { return [] }
    return blueprint.creation.schema.fields.compactMap { field in
      guard field.dataType.isVector, !kept.contains(field.name) else { return nil }
      return rules.standIn(
        for: field, metric: field.isFunctionOutput ? "BM25" : "",
        name: "\(IndexPlan.helperName)_\(field.name)")
    }
  }

  /// `indexCount`: of the target after the steps before. A collection of Lite without an index is always loaded.
  private func loadActions(
    _ source: CollectionState, _ target: CollectionState, after current: LoadedPart, indexCount: Int
  ) -> [SchemaAction] {
    let path = target.path
    switch source.loaded {
    case .loading: return []
    case .none:
      if current == .none || (targetProfile.isLite && indexCount == 0) { return [] }
      return [.release(path)]
    case .all: return current == .all ? [] : [.load(path, partitions: nil)]
    case .some(let names):
      if targetProfile.isLite || ignorePartition || source.hasPartitionKey {
        return current == .all ? [] : [.load(path, partitions: nil)]
      }
      return partialLoad(path, wanted: names, current: current, existing: target.partitions)
    }
  }

  private func partialLoad(
    _ path: CollectionPath, wanted: [String], current: LoadedPart, existing: [String]
  ) -> [SchemaAction] {
    let loaded: [String]
    switch current {
    case .none, .loading: loaded = []
    case .all: loaded = existing
    case .some(let names): loaded = names
    }
    let missing = wanted.filter { !loaded.contains($0) }
    let extra = loaded.filter { !wanted.contains($0) }
    var actions: [SchemaAction] = []
    if !missing.isEmpty { actions.append(.load(path, partitions: missing)) }
    if !extra.isEmpty { actions.append(.releasePartitions(path, extra)) }
    return actions
  }
}

extension IndexDescription {
  /// Field and JSON path: what an index is on. One field has one index per path.
  package var key: String {
    let path = IndexShape(self).path
    return path.isEmpty ? fieldName : "\(fieldName) \(path)"
  }
  /// Name and shape as one text, for `OwnedCollection.IndexPair`.
  package var fingerprint: String { "\(indexName): \(IndexShape(self))" }
}
