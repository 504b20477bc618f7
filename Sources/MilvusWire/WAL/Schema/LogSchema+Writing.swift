/// The other direction, for a peer that keeps a log: a public schema as the log has it.
extension LogSchema {
  /// `schema` as CreateCollection sends it, with the ids that a server gives: fields from 100 in their order, `$meta` behind them, then each struct array
  /// and its fields; functions from 100. Ids that are there already stay, and new ones come after the largest (`wal-protocol.md` §3.7, an added field).
  package static func withIDs(_ schema: CollectionSchema) -> CollectionSchema {
    var result = schema
    let known = allFields(of: schema).map(\.fieldID) + schema.structArrayFields.map(\.fieldID)
    var next = max(LogColumnPlaces.firstFieldID, (known.max() ?? 0) &+ 1)
    func give(_ id: inout Int64) {
      guard id < LogColumnPlaces.firstFieldID else { return }
      id = next
      next &+= 1
    }
    for index in result.fields.indices { give(&result.fields[index].fieldID) }
    // The place of `$meta` among the ids, which a public schema does not list.
    if result.enableDynamicField, !result.fields.contains(where: \.isDynamic), known.allSatisfy({ $0 < LogColumnPlaces.firstFieldID }) {
      next &+= 1
    }
    for index in result.structArrayFields.indices {
      give(&result.structArrayFields[index].fieldID)
      for inner in result.structArrayFields[index].fields.indices { give(&result.structArrayFields[index].fields[inner].fieldID) }
    }
    var nextFunction = max(100, (schema.functions.map(\.id).max() ?? 0) &+ 1)
    for index in result.functions.indices {
      if result.functions[index].id == 0 {
        result.functions[index].id = nextFunction
        nextFunction &+= 1
      }
      result.functions[index].inputFieldIDs = ids(of: result.functions[index].inputFieldNames, in: result)
      result.functions[index].outputFieldIDs = ids(of: result.functions[index].outputFieldNames, in: result)
      for name in result.functions[index].outputFieldNames {
        guard let field = result.fields.firstIndex(where: { $0.name == name }) else { continue }
        result.fields[field].isFunctionOutput = true
      }
    }
    return result
  }

  /// A schema with ids in the form of a log's body: `$meta` as a field where the collection has one, RowID and Timestamp last, qualified names of struct
  /// fields, the consistency level among the properties. `dynamicFieldID`: of `$meta`; nil finds the id that `withIDs` left for it.
  package static func logged(_ schema: CollectionSchema, consistencyLevel: Int32?, dynamicFieldID: Int64? = nil) -> CollectionSchema {
    var result = schema
    if schema.enableDynamicField, !schema.fields.contains(where: \.isDynamic) {
      result.fields.append(loggedDynamicField(dynamicFieldID ?? freeID(in: schema)))
    }
    result.fields += systemFields
    for index in result.structArrayFields.indices {
      let name = result.structArrayFields[index].name
      for inner in result.structArrayFields[index].fields.indices {
        let bare = ColumnForm.bareName(result.structArrayFields[index].fields[inner].name)
        result.structArrayFields[index].fields[inner].name = "\(name)[\(bare)]"
      }
    }
    result.properties.removeAll { $0.key == consistencyProperty }
    if let consistencyLevel { result.properties.append(KeyValuePair(consistencyProperty, String(consistencyLevel))) }
    return result
  }

  private static let systemFields: [FieldSchema] = {
    var row = FieldSchema(name: "RowID", dataType: .int64)
    row.description = "row id"
    var time = FieldSchema(name: "Timestamp", dataType: .int64)
    (time.fieldID, time.description) = (1, "time stamp")
    return [row, time]
  }()

  private static func loggedDynamicField(_ id: Int64) -> FieldSchema {
    var field = dynamicField
    field.fieldID = id
    field.description = "dynamic schema"
    field.defaultValue = .bytes(Array("{}".utf8))
    field.nullable = true
    return field
  }

  /// The first id from 100 that no field has.
  package static func freeID(in schema: CollectionSchema) -> Int64 {
    let taken = Set(allFields(of: schema).map(\.fieldID) + schema.structArrayFields.map(\.fieldID))
    var id = LogColumnPlaces.firstFieldID
    while taken.contains(id) { id &+= 1 }
    return id
  }

  private static func allFields(of schema: CollectionSchema) -> [FieldSchema] {
    schema.fields + schema.structArrayFields.flatMap(\.fields)
  }

  private static func ids(of names: [String], in schema: CollectionSchema) -> [Int64] {
    names.compactMap { name in schema.fields.first { $0.name == name }?.fieldID }
  }
}
