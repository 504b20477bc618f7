package import MilvusWire

/// One way in which a target collection is not what its source asks for.
package enum SchemaDifference: Sendable, Equatable, CustomStringConvertible {
  /// The source has it, the target does not.
  case missingField(FieldSchema)
  case extraField(String)
  /// `what` names the property and both values.
  case changedField(String, what: String)
  /// Parameters that AlterCollectionField can change.
  case changedParameters(String, set: [KeyValuePair])
  case dynamicField(wanted: Bool)
  case function(String, what: String)
  case partitionCount(wanted: Int64, found: Int64)

  package var description: String {
    switch self {
    case .missingField(let field): return "field \(field.name) is missing"
    case .extraField(let name): return "field \(name) is not in the source"
    case .changedField(let name, let what): return "field \(name): \(what)"
    case .changedParameters(let name, let set):
      return "field \(name): \(set.map { "\($0.key) must be \($0.value)" }.joined(separator: ", "))"
    case .dynamicField(let wanted):
      return wanted ? "the dynamic field is off" : "the dynamic field is on"
    case .function(let name, let what): return "function \(name): \(what)"
    case .partitionCount(let wanted, let found):
      return "\(found) partitions of the partition key instead of \(wanted)"
    }
  }
}

/// Compares a collection that exists with the blueprint that its source asks for. Pure.
///
/// What a kind of server does not keep is no difference: Lite's descriptions, shard count, consistency level, partition count and the
/// `max_length` of array elements (`public-rpc.md` §3.2, §8.2 no. 8); and never ids, order of fields or function ids.
package struct SchemaComparison: Sendable {
  package var sourceProfile: ServerProfile
  package var targetProfile: ServerProfile
  package init(sourceProfile: ServerProfile, targetProfile: ServerProfile) {
    self.sourceProfile = sourceProfile
    self.targetProfile = targetProfile
  }

  package func differences(
    wanted: CollectionCreation, found: CollectionState
  ) -> [SchemaDifference] {
    var differences: [SchemaDifference] = []
    let foundFields = found.schema.fields.filter { !SchemaBlueprint.isSystemField($0) }
    for field in wanted.schema.fields {
      if let other = foundFields.first(where: { $0.name == field.name }) {
        differences += compare(field, other, found: found)
      } else {
        differences.append(.missingField(field))
      }
    }
    for field in foundFields
    where !wanted.schema.fields.contains(where: { $0.name == field.name }) {
      differences.append(.extraField(field.name))
    }
    differences += compareStructs(wanted.schema, found.schema)
    differences += compareFunctions(wanted.schema.functions, found.schema.functions)
    if wanted.schema.enableDynamicField != found.schema.enableDynamicField {
      differences.append(.dynamicField(wanted: wanted.schema.enableDynamicField))
    }
    if !targetProfile.isLite, wanted.numPartitions > 0,
      found.description.numPartitions != wanted.numPartitions
    {
      differences.append(
        .partitionCount(wanted: wanted.numPartitions, found: found.description.numPartitions))
    }
    return differences
  }

  private func compare(
    _ wanted: FieldSchema, _ found: FieldSchema, found state: CollectionState
  ) -> [SchemaDifference] {
    var texts: [String] = []
    func check<Value: Equatable>(_ what: String, _ a: Value, _ b: Value) {
      if a != b { texts.append("\(what) is \(b) instead of \(a)") }
    }
    check("type", wanted.dataType.title, found.dataType.title)
    check("element type", wanted.elementType.title, found.elementType.title)
    check("primary key", wanted.isPrimaryKey, found.isPrimaryKey)
    check("partition key", wanted.isPartitionKey, found.isPartitionKey)
    check("nullable", wanted.nullable, found.nullable)
    check("function output", wanted.isFunctionOutput, found.isFunctionOutput)
    if wanted.defaultValue != found.defaultValue { texts.append("the default value is another one") }
    if !targetProfile.isLite, targetProfile.isAtLeast(2, 4) {
      check("clustering key", wanted.isClusteringKey, found.isClusteringKey)
    }
    if found.autoID, wanted.isPrimaryKey, !takesKeysInSpiteOfAutoID(state) {
      texts.append("autoID is on, so the keys of the source cannot be kept")
    }
    check("dim", wanted.dimension ?? 0, found.dimension ?? 0)
    var differences = texts.map { SchemaDifference.changedField(wanted.name, what: $0) }
    let set = changedParameters(wanted, found)
    if !set.isEmpty { differences.append(.changedParameters(wanted.name, set: set)) }
    return differences
  }

  /// Lite keeps a key that is sent; Milvus from 2.6 on does with a property (`public-rpc.md` §4.6).
  private func takesKeysInSpiteOfAutoID(_ state: CollectionState) -> Bool {
    if targetProfile.isLite { return true }
    return targetProfile.isAtLeast(2, 6) && state.properties["allow_insert_auto_id"] == "true"
  }

  private func changedParameters(_ wanted: FieldSchema, _ found: FieldSchema) -> [KeyValuePair] {
    var changed: [KeyValuePair] = []
    for key in ["max_length", "max_capacity"] {
      // Either Lite leaves the element's max_length out of its description.
      if key == "max_length", wanted.dataType == .array, targetProfile.isLite || sourceProfile.isLite {
        continue
      }
      guard let value = wanted.typeParams[key], found.typeParams[key] != value else { continue }
      changed.append(KeyValuePair(key, value))
    }
    return changed
  }

  private func compareStructs(
    _ wanted: CollectionSchema, _ found: CollectionSchema
  ) -> [SchemaDifference] {
    var differences: [SchemaDifference] = []
    for field in wanted.structArrayFields {
      guard let other = found.structArrayFields.first(where: { $0.name == field.name }) else {
        differences.append(.changedField(field.name, what: "the array of structs is missing"))
        continue
      }
      let a = field.fields.map { [$0.name, $0.dataType.title, $0.elementType.title] }
      let b = other.fields.map { [$0.name, $0.dataType.title, $0.elementType.title] }
      if a != b { differences.append(.changedField(field.name, what: "other members")) }
    }
    for field in found.structArrayFields
    where !wanted.structArrayFields.contains(where: { $0.name == field.name }) {
      differences.append(.extraField(field.name))
    }
    return differences
  }

  private func compareFunctions(
    _ wanted: [FunctionSchema], _ found: [FunctionSchema]
  ) -> [SchemaDifference] {
    var differences: [SchemaDifference] = []
    for function in wanted {
      guard let other = found.first(where: { $0.name == function.name }) else {
        differences.append(.function(function.name, what: "missing"))
        continue
      }
      if other.type != function.type || other.inputFieldNames != function.inputFieldNames
        || other.outputFieldNames != function.outputFieldNames
      {
        differences.append(.function(function.name, what: "not the same type or fields"))
      }
    }
    for function in found where !wanted.contains(where: { $0.name == function.name }) {
      differences.append(.function(function.name, what: "not in the source"))
    }
    return differences
  }
}

extension CollectionCreation {
  /// A stable text of what matters about a schema: two sources with the same text ask for the same target. Kept in checkpoints.
  package var fingerprint: String {
    var parts = ["dynamic=\(schema.enableDynamicField)", "partitions=\(numPartitions)"]
    for field in schema.fields {
      let parameters = field.typeParams.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      parts.append(
        [
          field.name, field.dataType.title, field.elementType.title,
          field.isPrimaryKey ? "pk" : "", field.isPartitionKey ? "partition-key" : "",
          field.nullable ? "nullable" : "", field.defaultValue.map { "\($0)" } ?? "",
          parameters.joined(separator: ","),
        ].joined(separator: ":"))
    }
    for function in schema.functions {
      parts.append(
        "f:\(function.name):\(function.type):\(function.inputFieldNames):\(function.outputFieldNames)")
    }
    for field in schema.structArrayFields {
      parts.append("s:\(field.name):\(field.fields.map { "\($0.name):\($0.dataType.title)" })")
    }
    return parts.joined(separator: "|")
  }
}
