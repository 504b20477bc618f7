package import MilvusWire

/// The collection that a target must have so that it equals a source collection (`public-rpc.md` §3.3, §4.6). Pure.
package struct SchemaBlueprint: Sendable, Equatable {
  package var creation: CollectionCreation
  /// Parts of the source that the target does without, each with the reason. No row is lost by them.
  package var notReplicated: [String]

  /// Throws `targetUnsupported` or `dangerousValue` with every reason in one message.
  package init(
    source: CollectionState, target: CollectionPath, sourceProfile: ServerProfile,
    targetProfile: ServerProfile
  ) throws(BridgeError) {
    let gate = FeatureGate(targetProfile)
    let operation = "create \(target)"
    let dangers = gate.dangers(of: source.schema)
    guard dangers.isEmpty else {
      throw BridgeError(
        .dangerousValue, side: .target, operation: operation,
        message: dangers.joined(separator: "; "),
        hint: "The schema that the source describes would destroy a server; it was not sent.")
    }
    var refusals = gate.refusals(of: source.schema)
    if let reason = gate.nameRefusal(target.name) { refusals.append("name \(target.name): \(reason)") }
    guard refusals.isEmpty else {
      throw BridgeError(
        .targetUnsupported, side: .target, operation: operation,
        message: refusals.joined(separator: "; "),
        hint: "Use a target that knows these features, or leave this collection out of the task.")
    }
    var notes: [String] = []
    let schema = Self.schema(
      of: source, named: target.name, sourceProfile: sourceProfile, targetProfile: targetProfile,
      notes: &notes)
    creation = CollectionCreation(path: target, schema: schema)
    creation.shardsNum = max(0, min(source.description.shardsNum, 16))
    creation.consistencyLevel = source.description.consistencyLevel
    creation.numPartitions = source.hasPartitionKey ? source.description.numPartitions : 0
    let properties = PropertyRules.split(source.properties)
    creation.properties = properties.replicated
    notes += properties.left.map { "property \($0): the target keeps its own" }
    notReplicated = notes
  }

  /// The schema with everything removed that a server assigns, and the key decision of §4.6 taken: no autoID, so keys are kept.
  private static func schema(
    of source: CollectionState, named name: String, sourceProfile: ServerProfile,
    targetProfile: ServerProfile, notes: inout [String]
  ) -> CollectionSchema {
    var schema = source.schema
    schema.name = name
    schema.dbName = ""
    schema.version = 0
    schema.autoID = false
    schema.properties = []
    schema.fields = schema.fields.filter { !isSystemField($0) }.map {
      field($0, sourceProfile: sourceProfile, targetProfile: targetProfile, notes: &notes)
    }
    for at in schema.functions.indices {
      schema.functions[at].id = 0
      schema.functions[at].inputFieldIDs = []
      schema.functions[at].outputFieldIDs = []
    }
    for at in schema.structArrayFields.indices {
      schema.structArrayFields[at].fieldID = 0
      for inner in schema.structArrayFields[at].fields.indices {
        schema.structArrayFields[at].fields[inner].fieldID = 0
      }
    }
    if targetProfile.isLite, !source.schema.description.isEmpty {
      notes.append("the description: \(targetProfile.title) keeps none")
    }
    return schema
  }

  private static func field(
    _ source: FieldSchema, sourceProfile: ServerProfile, targetProfile: ServerProfile,
    notes: inout [String]
  ) -> FieldSchema {
    var field = source
    field.fieldID = 0
    field.state = 0
    field.autoID = false
    field.indexParams = []
    field.typeParams = field.typeParams.filter { Self.typeParameters.contains($0.key) }
    if targetProfile.isLite || !targetProfile.isAtLeast(2, 4) {
      field.typeParams.removeAll { $0.key == "mmap.enabled" }
      if field.isClusteringKey {
        field.isClusteringKey = false
        notes.append("field \(field.name): \(targetProfile.title) knows no clustering key")
      }
    }
    // Lite leaves the element's max_length out of what it describes; Milvus insists on one.
    if field.dataType == .array, field.elementType == .varChar || field.elementType == .string,
      field.typeParams["max_length"] == nil
    {
      field.typeParams.append(KeyValuePair("max_length", "65535"))
    }
    // Before 2.5 a writer that leaves a column with a default out panics the server (`public-rpc.md` §8.1). A source of that age lives with
    // it, so an equal target may too; nobody else is given such a field.
    let sourceIsAsOld = !sourceProfile.isLite && !sourceProfile.isAtLeast(2, 5)
    if field.defaultValue != nil, !targetProfile.isAtLeast(2, 5), !sourceIsAsOld {
      field.defaultValue = nil
      notes.append(
        "field \(field.name): its default value, which \(targetProfile.title) does not serve safely")
    }
    return field
  }

  /// Fields that a server adds by itself and refuses in a request.
  package static func isSystemField(_ field: FieldSchema) -> Bool {
    field.isDynamic || ["RowID", "Timestamp", "$namespace_id", "$meta"].contains(field.name)
  }

  /// Type parameters that mean the same on every server; others belong to one server.
  private static let typeParameters: Set<String> = [
    "dim", "max_length", "max_capacity", "enable_analyzer", "analyzer_params", "enable_match",
    "mmap.enabled",
  ]
}
