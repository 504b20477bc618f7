package import MilvusWire

/// Query, count, Insert, Upsert, Delete (`public-rpc.md` §4, §5, §6, §8).
extension FakeCluster {
  package func query(_ query: RowQuery) async throws(CallError) -> RowPage {
    try await call("Query", query.path, expression: query.expression) { [self] state throws(CallError) in
      let collection = try readable("Query", query.path, query.partitions, &state)
      let key = collection.key.name
      if !manners.isLite, query.expression.isEmpty, query.limit == nil {
        throw refusal("Query", milvus: (65535, "empty expression should be used with limit"), lite: (0, ""))
      }
      if !manners.isLite, let limit = query.limit, limit < 1 || limit > 16384 {
        throw refusal("Query", milvus: (65535, "invalid max query result window, limit: \(limit)"), lite: (0, ""))
      }
      let filter = try parsed("Query", query.expression, key)
      var rows = collection.visible(query.partitions).values.filter { filter.covers($0.key) }
      if manners.hidesMaximumKey { rows.removeAll { $0.key == .int(.max) } }
      if query.isScan {
        rows.sort { $0.key < $1.key }
        rows = page(rows, limit: query.limit ?? rows.count, &state)
      } else {
        rows.shuffle(using: &state.random)
        if let limit = query.limit { rows = Array(rows.prefix(max(limit, 1))) }
      }
      let answer = try answer(rows, collection, query.outputFields, &state)
      if answer.bytes.count > manners.answerBytesMax {
        throw .rpc(
          RPCError(.resourceExhausted, "trying to send message larger than max", initiator: .remote, peer: peer),
          method: "Query")
      }
      return answer
    }
  }

  /// The first rows of a scan: exact, or from 1 to several times the limit as 2.3.5 does.
  private func page(_ rows: [FakeRow], limit: Int, _ state: inout FakeState) -> [FakeRow] {
    let count =
      manners.pageFactorMax > 1
      ? Int.random(in: 1...max(1, limit * manners.pageFactorMax), using: &state.random) : max(limit, 1)
    var result = Array(rows.prefix(count))
    if manners.repeatsKeysInPages, let row = result.randomElement(using: &state.random) { result.append(row) }
    if manners.shufflesPages { result.shuffle(using: &state.random) }
    return result
  }

  private func readable(_ method: String, _ path: CollectionPath, _ partitions: [String], _ state: inout FakeState)
    throws(CallError) -> FakeCollection
  {
    guard let real = state.resolve(path), var collection = state[real] else { throw noCollection(method, path) }
    if state.hasLetGo {
      collection.rows = [:]
      return collection
    }
    // Lite loads whole collections, and answers for an unknown partition with no rows (§6.2).
    guard collection.isReadable(manners.isLite ? [] : partitions) else {
      throw refusal(method, milvus: (101, "collection not loaded[collection=\(path.name)]"), lite: (101, "not loaded"))
    }
    if !manners.isLite {
      if !partitions.isEmpty, collection.description.schema.partitionKey != nil {
        throw refusal(
          method, milvus: (65535, "not support manually specifying the partition names if partition key mode is used"), lite: (0, ""))
      }
      for name in partitions where !collection.partitions.contains(where: { $0.name == name }) {
        throw refusal(method, milvus: (65535, "partition name \(name) not found"), lite: (0, ""))
      }
    }
    return collection
  }

  private func parsed(_ method: String, _ expression: String, _ key: String) throws(CallError) -> FakeExpression {
    do throws(FakeExpression.Unparsable) {
      return try FakeExpression.parse(expression, key: key, refusesMinimum: !manners.isLite)
    } catch {
      throw refusal(method, milvus: (65535, "cannot parse expression: expected \(error.what)"), lite: (6, "expression"))
    }
  }

  /// One FieldData per wanted field, in the server's spelling.
  private func answer(_ rows: [FakeRow], _ collection: FakeCollection, _ wanted: [String], _ state: inout FakeState)
    throws(CallError) -> RowPage
  {
    var fields = collection.description.schema.fields.filter { wanted.contains($0.name) || $0.isPrimaryKey }
    if collection.description.schema.enableDynamicField, manners.isLite || wanted.contains("$meta") {
      var meta = FieldSchema(name: "$meta", dataType: .json)
      meta.isDynamic = true
      fields.append(meta)
    }
    if !manners.isLite {
      let known = Set(fields.map(\.name))
      for name in wanted where !known.contains(name) {
        throw refusal("Query", milvus: (65535, "field \(name) not exist"), lite: (0, ""))
      }
    }
    if manners.shufflesColumns { fields.shuffle(using: &state.random) }
    var page = RowPage(bytes: [], columns: [])
    for field in fields {
      let values = rows.map { row -> FakeValue in
        let value = row.values[field.name] ?? (field.isDynamic ? .text("{}") : .null)
        if manners.isLite, field.dataType == .json, case .text(let json) = value { return .text(Self.spaced(json)) }
        return value
      }
      var writer = WireWriter()
      writer.lengthDelimited(
        2,
        FakeColumn.encode(
          field, values, spelling: FakeColumn.Spelling(emptyArrayHasNoSlot: !manners.isLite), fieldID: field.fieldID))
      let header = writer.bytes.count
      let payload = try? FakeColumnRange.content(of: writer.bytes)
      page.columns.append((page.bytes.count + (payload ?? 0))..<(page.bytes.count + header))
      page.bytes += writer.bytes
    }
    return page
  }

  /// Lite reads JSON into objects and writes it again with spaces.
  static func spaced(_ json: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    var isInText = false
    var isEscaped = false
    for byte in json {
      if !isInText, byte == 0x20 { continue }
      out.append(byte)
      if isEscaped {
        isEscaped = false
      } else if isInText, byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isInText.toggle()
      } else if !isInText, byte == UInt8(ascii: ":") || byte == UInt8(ascii: ",") {
        out.append(0x20)
      }
    }
    return out
  }

  package func count(_ path: CollectionPath, expression: String, partitions: [String]) async throws(CallError) -> Int64 {
    try await call("Query", path, expression: "count(*) \(expression)") { [self] state throws(CallError) in
      let collection = try readable("Query", path, partitions, &state)
      if expression.isEmpty { return Int64(collection.physicalCount(manners.isLite ? [] : partitions)) }
      let filter = try parsed("Query", expression, collection.key.name)
      var count = 0
      for (name, rows) in collection.rows where partitions.isEmpty || partitions.contains(name) {
        count += rows.count { filter.covers($0.key) }
      }
      return Int64(count)
    }
  }

  // MARK: Writing

  package func insert(_ batch: RowBatch) async throws(CallError) -> MutationCounts {
    try await write("Insert", batch)
  }
  package func upsert(_ batch: RowBatch) async throws(CallError) -> MutationCounts {
    try await write("Upsert", batch)
  }

  private func write(_ method: String, _ batch: RowBatch) async throws(CallError) -> MutationCounts {
    if batch.columns.reduce(0, { $0 + $1.count }) > manners.requestBytesMax {
      throw .rpc(
        RPCError(.resourceExhausted, "received message larger than max", initiator: .remote, peer: peer), method: method)
    }
    return try await call(method, batch.path, rows: batch.rowCount) { [self] state throws(CallError) in
      guard let real = state.resolve(batch.path), var collection = state[real] else { throw noCollection(method, batch.path) }
      let columns: [FakeColumn.Decoded]
      do { columns = try batch.columns.map { try FakeColumn.decode($0) } } catch {
        throw refusal(method, milvus: (1100, "\(error)"), lite: (6, "\(error)"))
      }
      let partition = try place(method, batch, collection)
      try check(method, columns, batch.rowCount, collection.description.schema, &state)
      let rows = try rows(method, columns, batch.rowCount, collection.description.schema, version: state.now())
      for row in rows { store(row, partition: partition ?? spread(row, method, collection), isUpsert: method == "Upsert", &collection) }
      state[real] = collection
      var counts = MutationCounts()
      counts.inserted = Int64(rows.count)
      return counts
    }
  }

  /// nil: the partition key decides.
  private func place(_ method: String, _ batch: RowBatch, _ collection: FakeCollection) throws(CallError) -> String? {
    if collection.description.schema.partitionKey != nil {
      if !manners.isLite, !batch.partition.isEmpty {
        throw refusal(
          method, milvus: (65535, "not support manually specifying the partition names if partition key mode is used"), lite: (0, ""))
      }
      return nil
    }
    let name = batch.partition.isEmpty ? "_default" : batch.partition
    guard collection.partitions.contains(where: { $0.name == name }) else {
      throw refusal(method, milvus: (200, "partition not found[partition=\(name)]"), lite: (200, name))
    }
    return name
  }

  /// By the partition key, and elsewhere for an Upsert of a server that misplaces it.
  private func spread(_ row: FakeRow, _ method: String, _ collection: FakeCollection) -> String {
    let home = collection.home(of: row) ?? "_default"
    guard method == "Upsert", manners.misplacesUpserts, let at = collection.partitions.firstIndex(where: { $0.name == home }) else {
      return home
    }
    return collection.partitions[(at + 1) % collection.partitions.count].name
  }

  private func store(_ row: FakeRow, partition: String, isUpsert: Bool, _ collection: inout FakeCollection) {
    if manners.isLite {
      let old = collection.visible()[row.key]
      for name in collection.rows.keys { collection.rows[name]?.removeAll { $0.key == row.key } }
      var row = row
      // Lite's Upsert merges into the old row, its Insert replaces (`public-rpc.md` §4.8).
      if isUpsert, let old { row.values.merge(old.values) { new, _ in new } }
      collection.rows[partition, default: []].append(row)
    } else {
      // With a partition key an Upsert deletes from all partitions, else from the one that it names.
      let isEverywhere = collection.description.schema.partitionKey != nil
      for name in collection.rows.keys where isUpsert && (isEverywhere || name == partition) {
        collection.rows[name]?.removeAll { $0.key == row.key }
      }
      collection.rows[partition, default: []].append(row)
    }
  }

  package func delete(_ path: CollectionPath, expression: String, partition: String) async throws(CallError)
    -> MutationCounts
  {
    if expression.isEmpty { throw .malformed(method: "Delete", what: "an empty expression") }
    return try await call("Delete", path, expression: expression) { [self] state throws(CallError) in
      guard let real = state.resolve(path), var collection = state[real] else { throw noCollection("Delete", path) }
      if !manners.isLite, !partition.isEmpty, collection.description.schema.partitionKey != nil {
        throw refusal(
          "Delete", milvus: (65535, "not support manually specifying the partition names if partition key mode is used"), lite: (0, ""))
      }
      guard case .list(let keys) = try parsed("Delete", expression, collection.key.name) else {
        throw refusal("Delete", milvus: (65535, "only a list of keys here"), lite: (6, "expression"))
      }
      // Lite checks that the partition exists and then ignores it (§5), and cannot find its smallest key.
      let doomed = Set(keys.filter { !manners.isLite || $0 != .int(.min) })
      for name in collection.rows.keys where manners.isLite || partition.isEmpty || partition == name {
        collection.rows[name]?.removeAll { doomed.contains($0.key) }
      }
      state[real] = collection
      var counts = MutationCounts()
      counts.deleted = Int64(keys.count)
      return counts
    }
  }
}

/// Where the content of a single length-delimited field begins.
private enum FakeColumnRange {
  static func content(of bytes: [UInt8]) throws -> Int {
    var reader = WireReader(bytes)
    return try reader.next()?.range?.lowerBound ?? 0
  }
}
