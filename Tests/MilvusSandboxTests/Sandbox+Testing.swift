import MilvusWire

@testable import MilvusSandbox

extension SandboxSettings {
  /// A clock that moves one millisecond every time it is read: nothing depends on real time.
  static func test(clusterID: String = "by-dev", pchannels: Int = 4, log: LogKind = .woodPecker)
    -> SandboxSettings
  {
    let clock = Locked<Int64>(1_800_000_000_000)
    var settings = SandboxSettings {
      clock.withLock { time in
        time += 1
        return time
      }
    }
    (settings.clusterID, settings.pchannelCount, settings.log) = (clusterID, pchannels, log)
    return settings
  }
}

extension Sandbox {
  /// Everything that each pchannel delivers.
  func logs() throws -> [[LogMessage]] {
    try withState { state in state.journal.logs.map { $0.deliveries.flatMap(\.messages) } }
      .map { try $0.map { try LogMessage(immutableMessage: $0) } }
  }

  /// What a killed and started process does to the log; the second time nothing.
  func restartOnce() {
    withState { state in if state.journal.logs[0].term == 1 { state.journal.restart() } }
  }

  /// A call with a request in proto3 JSON; the answer's fields.
  func json(_ method: String, _ fields: JSONObject, database: String = "") async throws -> JSONObject {
    guard let shape = Method.named(method), let request = MessageDescriptor(named: shape.requestType),
      let response = MessageDescriptor(named: shape.responseType)
    else { throw TestFailure("no method \(method)") }
    let bytes = try MessageJSON().bytes(of: .object(fields), as: request)
    let answer = try await call(method, bytes, database: database)
    return try MessageJSON().json(of: answer, as: response).objectValue ?? JSONObject()
  }
}

struct TestFailure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

// MARK: Contents

extension Sandbox {
  /// An int64 key `id`, a vector `v` of two, and no index.
  func createCollection(_ name: String, shards: Int32 = 1) async throws {
    var key = FieldSchema(name: "id", dataType: .int64)
    key.isPrimaryKey = true
    var vector = FieldSchema(name: "v", dataType: .floatVector)
    vector.typeParams = [KeyValuePair("dim", "2")]
    var schema = CollectionSchema(name: name)
    schema.fields = [key, vector]
    let answer = try await json(
      "CreateCollection",
      [
        "collection_name": .string(name), "schema": .string(Base64.encode(try schema.encoded())),
        "shards_num": .int(shards),
      ])
    guard answer.integer("code") == 0 else { throw TestFailure(answer.text("reason")) }
  }

  func insert(_ name: String, keys: [Int64]) async throws { try await write("Insert", name, keys) }
  func upsert(_ name: String, keys: [Int64]) async throws { try await write("Upsert", name, keys) }

  private func write(_ method: String, _ name: String, _ keys: [Int64]) async throws {
    let answer = try await json(
      method,
      [
        "collection_name": .string(name), "num_rows": .int(keys.count),
        "fields_data": [
          [
            "type": "Int64", "field_name": "id",
            "scalars": ["long_data": ["data": .array(keys.map { .string(String($0)) })]],
          ],
          [
            "type": "FloatVector", "field_name": "v",
            "vectors": [
              "dim": "2", "float_vector": ["data": .array(keys.flatMap { [.double(Double($0)), 1] })],
            ],
          ],
        ],
      ])
    let status = answer.object("status")
    guard status.integer("code") == 0 else { throw TestFailure(status.text("reason")) }
  }

  /// A whole bounded dump; without a bound up to now.
  func dump(
    _ pchannel: String, _ start: LogMessageID, inclusive: Bool, from: UInt64 = 0, to: UInt64? = nil
  ) async throws -> [LogMessage] {
    let bound = to ?? withState { $0.oracle.next() }
    let request = DumpRequest(
      pchannel: pchannel, start: start, isInclusive: inclusive, startTick: TimeTick(from),
      endTick: TimeTick(bound))
    let got = Locked<[LogMessage]>([])
    // So that the dump need not wait for its end.
    syncTimeTicks()
    try await dump(request) { bytes in
      if let message = try LogMessage(dumpResponse: bytes) { got.withLock { $0.append(message) } }
    }
    return got.withLock { $0 }
  }

  func truncate(_ pchannel: String, before id: LogMessageID) throws {
    let value = try LogIDFormat.parse(id)
    withState { state in
      _ = state.journal.withLog(pchannel) { $0.truncate(before: $0.firstOrdinal(from: EntryID(value))) }
    }
  }

  /// Everything that clients could see, a line each; channel names without their cluster.
  var contents: [String] {
    withState { state in
      var lines = state.databases.map { "database \($0.id) \($0.name) \($0.properties)" }
      for (database, known) in state.aliases {
        lines += known.map { "alias \(database).\($0.key) \($0.value)" }
      }
      for collection in state.collections.values {
        let name = "\(collection.database).\(collection.name)"
        var schema = collection.schema
        // The name at the beginning stays in it on one side.
        (schema.name, schema.dbName) = ("", "")
        lines.append("\(name) \(collection.id) \(schema) level \(collection.consistencyLevel)")
        let channels = collection.vchannels.map { $0.dropFirst(state.journal.clusterID.count) }
        lines.append("\(name) channels \(channels)")
        lines.append("\(name) partitions \(collection.partitions.map { [$0.name, String($0.id)] })")
        lines.append(
          "\(name) indexes \(collection.indexes.map { [$0.name, String($0.id), $0.fieldName, "\($0.params)"] })"
        )
        lines.append(
          "\(name) loaded \(collection.load.map { "\($0.partitions.sorted()) \($0.fields)" } ?? "no")")
        let store = state.rows[collection.id] ?? RowStore()
        lines.append("\(name) rows \(store.rowCount)")
        store.forEachRow { key, row in
          lines.append("\(name) \(key) \(row.partition) \(Self.fields(of: row.bytes))")
        }
      }
      return lines.sorted()
    }
  }

  private static func fields(of row: [UInt8]) -> [String] {
    var reader = WireReader(row)
    var fields: [String] = []
    while let field = try? reader.next() {
      fields.append("\(field.number): \(field.range.map { Array(row[$0]) } ?? [])")
    }
    return fields.sorted()
  }

  /// Until a dump waits for news.
  func untilWaiting() async { await until { self.watchers.count > 0 } }
}

/// Waits until something holds; the suite's time limit ends it otherwise.
func until(_ holds: () -> Bool) async {
  while !holds() { try? await Task.sleep(for: .milliseconds(1)) }
}
