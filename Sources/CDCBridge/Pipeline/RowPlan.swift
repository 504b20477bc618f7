package import MilvusWire

/// Which columns of a unit are read on both sides and in which form the target wants them; made once per pass. Pure.
///
/// Function outputs stay out where Insert refuses them or Query cannot return them (`public-rpc.md` §4.7); `$meta` is one more column.
package struct RowPlan: Sendable, Equatable {
  package var key: FieldSchema
  /// In the order of the source's schema, `$meta` last. As the source has them.
  package var sourceFields: [FieldSchema]
  /// The same columns as the target has them.
  package var targetFields: [FieldSchema]
  package var forms: [ColumnForm]
  /// Names of the target's fields that a key of `$meta` would overwrite on Lite (`public-rpc.md` §4.5).
  package var staticNames: Set<String>

  package var outputFields: [String] { sourceFields.map(\.name) }

  package static func make(_ unit: RowUnit, target profile: ServerProfile) throws(BridgeError) -> RowPlan {
    let operation = "copy \(unit.source)"
    func conflict(_ message: String, hint: String? = nil) -> BridgeError {
      BridgeError(.schemaConflict, side: .target, operation: operation, message: message, hint: hint)
    }
    guard let key = unit.sourceSchema.primaryKey, let targetKey = unit.targetSchema.primaryKey, key.name == targetKey.name,
      isSameType(key, targetKey)
    else { throw conflict("the primary keys of source and target differ") }
    if targetKey.autoID, !profile.isLite, !profile.isAtLeast(2, 6) {
      throw conflict(
        "the target gives out keys itself (autoID) and takes none",
        hint: "Drop the target collection; the task creates it with autoID off and keeps the source's keys.")
    }
    let acceptsFlags = profile.isAtLeast(2, 5)
    let skipped = unreadable(unit.sourceSchema).union(unwritable(unit.targetSchema))
    var plan = RowPlan(
      key: key, sourceFields: [], targetFields: [], forms: [], staticNames: Set(unit.targetSchema.fields.map(\.name)))
    for field in unit.sourceSchema.fields where !field.isDynamic && !skipped.contains(field.name) {
      guard let other = unit.targetSchema.fields.first(where: { $0.name == field.name }) else {
        throw conflict("the target has no field \(field.name)")
      }
      guard isSameType(field, other) else { throw conflict("field \(field.name) has another type on the target") }
      plan.append(field, other, ColumnForm(other, acceptsFlags: acceptsFlags))
    }
    for field in unit.sourceSchema.structArrayFields {
      guard let other = unit.targetSchema.structArrayFields.first(where: { $0.name == field.name }) else {
        throw conflict("the target has no field \(field.name)")
      }
      let column = FieldSchema(name: field.name, dataType: .arrayOfStruct)
      plan.append(column, column, ColumnForm(other, acceptsFlags: acceptsFlags))
    }
    if unit.sourceSchema.enableDynamicField {
      guard unit.targetSchema.enableDynamicField else { throw conflict("the target has no dynamic field") }
      plan.append(dynamicField, dynamicField, ColumnForm(dynamicField, acceptsFlags: acceptsFlags))
    }
    try plan.checkCompleteness(unit.targetSchema, acceptsFlags: acceptsFlags, skipped: skipped, operation)
    return plan
  }

  private mutating func append(_ source: FieldSchema, _ target: FieldSchema, _ form: ColumnForm) {
    sourceFields.append(source)
    targetFields.append(target)
    forms.append(form)
  }

  /// A column that is left out is null or the default, and kills 2.3.5 where it has a default (`public-rpc.md` §8.1).
  private func checkCompleteness(
    _ target: CollectionSchema, acceptsFlags: Bool, skipped: Set<String>, _ operation: String
  ) throws(BridgeError) {
    let known = Set(targetFields.map(\.name)).union(skipped)
    for field in target.fields where !field.isDynamic && !known.contains(field.name) {
      if acceptsFlags, field.nullable || field.defaultValue != nil { continue }
      throw BridgeError(
        .schemaConflict, side: .target, operation: operation,
        message: "the target's field \(field.name) takes no null and the source has no such field")
    }
  }

  /// Outputs that no Query returns: BM25, MinHash, and what we do not know.
  private static func unreadable(_ schema: CollectionSchema) -> Set<String> {
    Set(schema.functions.filter { $0.type != textEmbedding }.flatMap(\.outputFieldNames))
  }

  /// Outputs that Insert refuses; embedded vectors are taken where the collection allows it.
  private static func unwritable(_ schema: CollectionSchema) -> Set<String> {
    let allowsEmbeddings =
      schema.properties["collection.function.allowInsertNonBM25FunctionOutputs"]?.lowercased() == "true"
    return Set(
      schema.functions.filter { $0.type != textEmbedding || !allowsEmbeddings }.flatMap(\.outputFieldNames))
  }
  /// `FunctionType.TextEmbedding`.
  private static let textEmbedding: Int32 = 2

  /// What `enable_dynamic_field` adds; DescribeCollection does not list it.
  package static let dynamicField: FieldSchema = {
    var field = FieldSchema(name: "$meta", dataType: .json)
    field.isDynamic = true
    return field
  }()

  /// Text types share one form; everything else must be the same type, with the same elements and dimension.
  private static func isSameType(_ a: FieldSchema, _ b: FieldSchema) -> Bool {
    let texts: Set<DataType> = [.string, .varChar, .text]
    let isSame = a.dataType == b.dataType || (texts.contains(a.dataType) && texts.contains(b.dataType))
    return isSame && a.elementType == b.elementType && (!a.dataType.isVector || a.dimension == b.dimension)
  }

  /// Bytes that a row of this plan has at least, before the first page tells more: widths of vectors and numbers, a guess for texts.
  package var estimatedRowBytes: Int {
    sourceFields.reduce(0) { sum, field in
      let width =
        switch field.dataType {
        case .bool, .int8, .int16, .int32, .float: 4
        case .int64, .double: 8
        case .floatVector: 4 * (field.dimension ?? 0)
        case .float16Vector, .bfloat16Vector: 2 * (field.dimension ?? 0)
        case .binaryVector: (field.dimension ?? 0) / 8
        case .int8Vector: field.dimension ?? 0
        case .arrayOfStruct, .sparseFloatVector: 1024
        default: 64
        }
      let (total, isTooMuch) = sum.addingReportingOverflow(max(width, 0))
      return isTooMuch ? Int.max : total
    }
  }
}

extension RowColumns {
  /// Whether two rows hold the same values. Both pages were read with the same plan: columns stand in one order.
  package func isRowEqual(_ row: Int, _ other: RowColumns, _ otherRow: Int) -> Bool {
    for (a, b) in zip(columns, other.columns) where !a.isEqual(row, b, otherRow) {
      // A row without dynamic fields is `{}`, or null on servers that added the field later.
      guard a.isDynamic, a.hasNoMembers(row), b.hasNoMembers(otherRow) else { return false }
    }
    return true
  }
}

extension Column {
  fileprivate func hasNoMembers(_ row: Int) -> Bool {
    guard let text = bytes(row) else { return true }
    return text.allSatisfy { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "}") || $0 == 0x20 }
  }
}
