internal import MilvusWire

// Query (`public-rpc.md` §6). Reads see the newest state, whatever guarantee they ask for: writes are visible at once.

extension SandboxState {
  /// Rows that match, in the order of their keys: the newest of each key, or every one.
  mutating func matching(
    _ filter: Expression, _ collection: CollectionRecord, partitions: Set<Int64>, allRows: Bool, limit: Int?
  ) -> [(RowKey, [UInt8])] {
    guard let key = collection.key else { return [] }
    let range = KeyRange(filter, key: key)
    var found: [(RowKey, [UInt8])] = []
    // Taken out while it is read, so that reading its keys in order does not copy it.
    guard var store = rows.removeValue(forKey: collection.id) else { return [] }
    defer { rows[collection.id] = store }
    func take(_ key: RowKey) -> Bool {
      let visible = store.rows(of: key).filter { partitions.contains($0.partition) }
      for row in allRows ? visible : visible.suffix(1) where filter.matches(row.bytes) {
        found.append((key, row.bytes))
      }
      return limit.map { found.count < $0 } ?? true
    }
    if let keys = range.keys {
      for key in keys.sorted() where !take(key) { break }
    } else {
      for key in store.orderedKeys(from: range.lower) {
        if let upper = range.upper, upper < key { break }
        if !take(key) { break }
      }
    }
    return found
  }

  mutating func query(_ request: Request) throws(Refusal) -> [UInt8] {
    let collection = try collection(request)
    guard let load = collection.load else { throw .notLoaded(collection.id) }
    let names = request.fields.texts("partition_names")
    guard names.isEmpty || !collection.hasPartitionKey else {
      throw .unexpected("not support manually specifying the partition names if partition key mode is used")
    }
    let asked = try partitionIDs(names, collection)
    if let missing = asked.first(where: { !load.partitions.contains($0) }) {
      throw Refusal(201, "partition not loaded[partition=\(missing)]")
    }
    let partitions = Set(asked.isEmpty ? load.partitions : asked)
    let expression = request.text("expr")
    let filter = try ExpressionParser.parse(
      expression, collection, templates: request.fields.object("expr_template_values"))
    let parameters = request.fields.pairs("query_params")
    let outputs = request.fields.texts("output_fields")
    if outputs.contains(where: { $0.lowercased() == "count(*)" }) {
      guard parameters["limit"] == nil else {
        throw .unexpected("count entities with pagination is not allowed")
      }
      return try count(filter, collection, partitions)
    }
    let (offset, limit) = try window(parameters, isUnfiltered: expression.allSatisfy(\.isWhitespace))
    let found = matching(
      filter, collection, partitions: partitions, allRows: false, limit: limit.map { $0 + offset })
    return try answer(found.dropFirst(offset).map(\.1), collection, outputs: outputs, parameters)
  }

  private func window(_ parameters: [KeyValuePair], isUnfiltered: Bool) throws(Refusal) -> (Int, Int?) {
    let offset = parameters["offset"].flatMap { Int($0) } ?? 0
    guard let text = parameters["limit"] else {
      guard !isUnfiltered else { throw .unexpected("empty expression should be used with limit") }
      return (0, nil)
    }
    guard let limit = Int(text), limit >= 1, offset >= 0, limit <= 16384, offset <= 16384 - limit else {
      throw .unexpected(
        "invalid max query result window, (offset+limit) should be in range [1, 16384], but got \(text)")
    }
    return (offset, limit)
  }

  /// Rows, not keys: a repeated key counts as often as it stands.
  private mutating func count(_ filter: Expression, _ collection: CollectionRecord, _ partitions: Set<Int64>)
    throws(Refusal)
    -> [UInt8]
  {
    let count: Int
    if case .always = filter {
      let isWhole = Set(collection.partitions.map(\.id)).isSubset(of: partitions)
      count = isWhole ? rows[collection.id]?.rowCount ?? 0 : rows[collection.id]?.count(in: partitions) ?? 0
    } else {
      count = matching(filter, collection, partitions: partitions, allRows: true, limit: nil).count
    }
    let field = FieldSchema(name: "count(*)", dataType: .int64)
    let value = RowKey.int(Int64(count)).storedBytes
    return wrap([ColumnWriter(field, .answer).fieldData([value[...]])], collection, outputs: ["count(*)"])
  }

  private mutating func answer(
    _ rows: [[UInt8]], _ collection: CollectionRecord, outputs: [String], _ parameters: [KeyValuePair]
  ) throws(Refusal) -> [UInt8] {
    let shape = try OutputShape(outputs, collection)
    let values = RowValues(rows, fields: shape.stored)
    var columns: [[UInt8]] = []
    var position = 0
    for field in shape.plain {
      columns.append(ColumnWriter(field, .answer).fieldData(values.columns[position]))
      position += 1
    }
    for structure in shape.structs {
      var inner = WireWriter()
      for field in structure.fields {
        let qualified = CollectionRecord.qualified(field, in: structure)
        inner.lengthDelimited(
          1, ColumnWriter(qualified, .answer, name: field.name).fieldData(values.columns[position]))
        position += 1
      }
      var writer = WireWriter()
      writer.varint(1, UInt64(UInt32(bitPattern: DataType.arrayOfStruct.rawValue)))
      writer.string(2, structure.name)
      writer.varint(5, UInt64(bitPattern: structure.fieldID))
      writer.lengthDelimited(8, inner.bytes)
      columns.append(writer.bytes)
    }
    return wrap(columns, collection, outputs: shape.names)
  }

  /// `milvus.QueryResults`.
  private mutating func wrap(_ columns: [[UInt8]], _ collection: CollectionRecord, outputs: [String])
    -> [UInt8]
  {
    var writer = WireWriter(capacity: columns.reduce(256) { $0 + $1.count + 8 })
    writer.lengthDelimited(1, [])
    for column in columns { writer.lengthDelimited(2, column) }
    writer.string(3, collection.name)
    for name in outputs { writer.string(4, name) }
    writer.varint(5, oracle.next())
    writer.string(6, collection.key?.name ?? "")
    return writer.bytes
  }
}

/// The columns of an answer: what `output_fields` means for a collection.
private struct OutputShape {
  var plain: [FieldSchema] = []
  var structs: [StructArrayFieldSchema] = []
  /// As the answer lists them; a dynamic key stays a name of its own.
  var names: [String] = []

  init(_ outputs: [String], _ collection: CollectionRecord) throws(Refusal) {
    let isEverything = outputs.contains("*")
    var wanted: Set<String> = []
    for name in outputs where name != "*" {
      names.append(name)
      if collection.schema.structArrayFields.contains(where: { $0.name == name }) {
        wanted.insert(name)
      } else if collection.storedFields.contains(where: { $0.name == name }) {
        wanted.insert(name)
      } else if collection.schema.fields.contains(where: { $0.name == name && collection.isComputed($0) }) {
        throw .unexpected("not allowed to retrieve raw data of field \(name)")
      } else {
        guard collection.dynamicField != nil else { throw .unexpected("field \(name) not exist") }
        wanted.insert(CollectionRecord.metaField)
      }
    }
    plain = collection.storedFields.filter { field in
      !field.name.hasSuffix("]") && (isEverything || wanted.contains(field.name) || field.isPrimaryKey)
    }
    structs = collection.schema.structArrayFields.filter { isEverything || wanted.contains($0.name) }
    if isEverything { names = plain.map(\.name) + structs.map(\.name) }
    if let key = collection.key?.name, !names.contains(key) { names.append(key) }
  }

  var stored: [FieldSchema] {
    plain
      + structs.flatMap { structure in structure.fields.map { CollectionRecord.qualified($0, in: structure) }
      }
  }
}
