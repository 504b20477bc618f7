package import MilvusWire

/// Whether a target collection may be touched, and what has to happen first. The answer to "whose is it?".
package enum CollectionClaim: Sendable, Equatable {
  /// There is none: create it.
  case create
  /// It is the task's, but its source is another collection now: drop it and create it.
  case recreate
  /// It was there before; `isEmpty` tells whether it held rows.
  case adopt(isEmpty: Bool)
  /// It is the task's.
  case keep
  /// It was there before and equal in schema: its rows must be counted to decide.
  case countTarget
  /// It must not be touched; this collection stops, the others go on.
  case conflict(BridgeError)
}

/// Plans for one collection: first whose it is, then what makes it equal. Pure: states in, decisions out.
package struct CollectionPlanner: Sendable {
  package var sourceProfile: ServerProfile
  package var targetProfile: ServerProfile
  package var ddl: TaskSpec.DDLPolicy
  package var adopt: Bool
  package var ignorePartition: Bool

  package init(
    sourceProfile: ServerProfile, targetProfile: ServerProfile, ddl: TaskSpec.DDLPolicy = .apply,
    adopt: Bool = false, ignorePartition: Bool = false
  ) {
    self.sourceProfile = sourceProfile
    self.targetProfile = targetProfile
    self.ddl = ddl
    self.adopt = adopt
    self.ignorePartition = ignorePartition
  }

  package var comparison: SchemaComparison {
    SchemaComparison(sourceProfile: sourceProfile, targetProfile: targetProfile)
  }

  /// `targetRows` is the target's `count(*)` where it was asked for and could be told.
  package func claim(
    source: CollectionState, blueprint: SchemaBlueprint, target: CollectionState?,
    record: OwnedCollection?, targetRows: Int64? = nil
  ) -> CollectionClaim {
    let path = blueprint.creation.path
    guard let target else { return .create }
    if source.identity.isKnown, source.identity == target.identity {
      return .conflict(
        BridgeError(
          .invalidInput, side: .target, operation: "align \(path)",
          message: "source and target are the same collection of the same cluster",
          hint: "Give another target, or another name on it: --rename, or name_mapping in a request."))
    }
    let differences = comparison.differences(wanted: blueprint.creation, found: target)
    guard let record else {
      return claimForeign(target, differences: differences, rows: targetRows)
    }
    switch record.stage {
    case .creating:
      return differences.isEmpty ? .keep : .conflict(lostOnTheWay(path, differences))
    case .dropping: return .recreate
    case .owned, .renaming:
      if record.targetIdentity.isOther(than: target.identity) {
        return claimForeign(target, differences: differences, rows: targetRows)
      }
      return claimOwned(
        source: source, blueprint: blueprint, record: record, differences: differences)
    }
  }

  private func claimOwned(
    source: CollectionState, blueprint: SchemaBlueprint, record: OwnedCollection,
    differences: [SchemaDifference]
  ) -> CollectionClaim {
    let path = blueprint.creation.path
    // Lite gives no ids, but it cannot change the schema of a collection either: another schema is another collection.
    let isRecreated =
      record.sourceIdentity.isOther(than: source.identity)
      || (!source.identity.isKnown && record.fingerprint != blueprint.creation.fingerprint)
    if isRecreated {
      switch ddl {
      case .apply: return .recreate
      case .ignore where differences.isEmpty: return .keep
      case .ignore, .stop:
        return .conflict(heldBack(path, "the source dropped the collection and made it again"))
      }
    }
    if let error = unappliable(differences, path: path) { return .conflict(error) }
    return .keep
  }

  private func claimForeign(
    _ target: CollectionState, differences: [SchemaDifference], rows: Int64?
  ) -> CollectionClaim {
    let operation = "take over \(target.path)"
    guard differences.isEmpty else {
      return .conflict(
        BridgeError(
          .notOwned, side: .target, operation: operation,
          message:
            "the collection exists on the target, this task did not make it, and its schema is another one: "
            + text(of: differences),
          hint: "Drop or rename it on the target, or give it another name there: --rename, or name_mapping in a request."))
    }
    if adopt { return .adopt(isEmpty: rows == 0) }
    guard let rows else { return .countTarget }
    if rows == 0 { return .adopt(isEmpty: true) }
    return .conflict(
      BridgeError(
        .notOwned, side: .target, operation: operation,
        message: "the collection exists on the target, this task did not make it, and it holds \(rows) rows",
        hint:
          "Drop or rename it on the target, or have it adopted (--adopt, or adopt: true in a request); rows that the source lacks are deleted then."
      ))
  }

  /// The error for a foreign collection whose rows cannot be counted.
  package func uncountable(_ path: CollectionPath) -> BridgeError {
    BridgeError(
      .notOwned, side: .target, operation: "take over \(path)",
      message:
        "the collection exists on the target, this task did not make it, and it is not loaded, so nobody can tell whether it is empty",
      hint: "Load it or drop it on the target, or have it adopted (--adopt, or adopt: true in a request).")
  }

  /// The error for differences that no call of the target can remove; nil where all can be.
  private func unappliable(_ differences: [SchemaDifference], path: CollectionPath) -> BridgeError? {
    let stuck = differences.filter { !canApply($0) }
    guard !stuck.isEmpty else { return nil }
    return BridgeError(
      .schemaConflict, side: .target, operation: "align \(path)",
      message: "source and target differ in a way that cannot be applied: \(text(of: stuck))",
      hint: "Drop the collection on the target: the task then makes it again and copies its rows.")
  }

  func canApply(_ difference: SchemaDifference) -> Bool {
    switch difference {
    case .missingField(let field):
      return targetProfile.hasAddField && !field.dataType.isVector && !field.isPrimaryKey
        && (field.nullable || field.defaultValue != nil)
    case .changedParameters: return !targetProfile.isLite && targetProfile.isAtLeast(2, 5)
    case .dynamicField(let wanted):
      return wanted && !targetProfile.isLite && targetProfile.isAtLeast(2, 6)
    case .extraField, .changedField, .function, .partitionCount: return false
    }
  }

  /// A target that was just made and lacks a part that it was asked for is too old for it.
  private func lostOnTheWay(_ path: CollectionPath, _ differences: [SchemaDifference]) -> BridgeError {
    BridgeError(
      .targetUnsupported, side: .target, operation: "create \(path)",
      message: "the target made the collection but not as asked: \(text(of: differences))",
      hint: "The target is too old for this schema. Drop the collection there and leave it out of the task.")
  }

  func heldBack(_ path: CollectionPath, _ change: String) -> BridgeError {
    BridgeError(
      ddl == .stop ? .schemaChange : .schemaConflict, side: .source, operation: "align \(path)",
      message: "\(change), and the task was created with ddl: \(ddl.rawValue)",
      hint: "Make the same change on the target by hand, or create the task again with ddl: apply.")
  }

  private func text(of differences: [SchemaDifference]) -> String {
    differences.map(\.description).joined(separator: "; ")
  }
}
