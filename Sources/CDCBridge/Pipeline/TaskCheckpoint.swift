package import MilvusWire

/// What a task keeps durably: whose the target's collections are, how far their rows are, and, where it follows a log, where in it. JSON.
///
/// ```
/// {"version": 1, "capture": "reconcile", "is_initialised": true, "databases": ["films"],
///  "collections": [{"source": {"db": "default", "name": "a"}, "target": {…}, "stage": "owned", …}]}
/// ```
/// Version 1 is that of a task that compares; version 2 has `"capture": "wal"` and the object `log` (`LogCheckpoint`). A task may go over from
/// the first to the second, not back. Version 3 is that of native replication: `"capture": "wal"` and the object `native` (`NativeCheckpoint`).
/// Ids and time ticks are decimal texts: they do not fit a double. What cannot be read is an error, never an empty checkpoint.
package struct TaskCheckpoint: Sendable, Equatable {
  package static let version: Int64 = 1
  package static let logVersion: Int64 = 2
  package static let nativeVersion: Int64 = 3

  /// True after the first look at everything: what appears later is a change (`ddl`).
  package var isInitialised = false
  /// Databases of the target that the task created.
  package var databases: Set<String> = []
  package var collections: [OwnedCollection] = []
  /// nil: the task does not follow a log.
  package var log: LogCheckpoint?
  /// nil: the target is not written natively.
  package var native: NativeCheckpoint?

  package init() {}

  package subscript(source path: CollectionPath) -> OwnedCollection? {
    collections.first { $0.source == path }
  }
  package subscript(target path: CollectionPath) -> OwnedCollection? {
    collections.first { $0.target == path }
  }
  /// Replaces the record of the same target, or adds it.
  package mutating func set(_ record: OwnedCollection) {
    if let at = collections.firstIndex(where: { $0.target == record.target }) {
      collections[at] = record
    } else {
      collections.append(record)
    }
  }
  package mutating func remove(target path: CollectionPath) {
    collections.removeAll { $0.target == path }
  }

  // MARK: JSON

  /// Throws where a schema of the log's catalogue cannot be written.
  package func document() throws(BridgeError) -> [UInt8] {
    var members: [(String, JSONValue)] = [
      ("version", .int(native != nil ? Self.nativeVersion : log == nil ? Self.version : Self.logVersion)),
      ("capture", log == nil && native == nil ? "reconcile" : "wal"),
      ("is_initialised", .bool(isInitialised)),
      ("databases", .array(databases.sorted().map(JSONValue.string))),
      (
        "collections",
        .array(collections.sorted { $0.target < $1.target }.map(Self.json(of:)))
      ),
    ]
    if let log { members.append(("log", try log.json())) }
    if let native { members.append(("native", native.json)) }
    return JSONWriter().bytes(of: .object(JSONObject(members)))
  }

  package init(document: [UInt8]) throws(BridgeError) {
    do {
      let fields = try JSONFields(try JSONParser.parse(document))
      let version = try fields.int64("version")
      guard (Self.version...Self.nativeVersion).contains(version) else {
        throw Self.unreadable("version \(version) is not one of \(Self.version) to \(Self.nativeVersion)")
      }
      let capture = try fields.string("capture")
      guard capture == (version == Self.version ? "reconcile" : "wal") else {
        throw Self.unreadable("it belongs to a task with capture \(capture)")
      }
      if version == Self.nativeVersion { native = try NativeCheckpoint(try fields.fields("native")) }
      if version == Self.logVersion { log = try LogCheckpoint(try fields.fields("log")) }
      isInitialised = try fields.bool("is_initialised")
      for value in try fields.array("databases") {
        guard let name = value.stringValue else { throw Self.unreadable("a database without a name") }
        databases.insert(name)
      }
      for entry in try fields.fieldsList("collections") {
        collections.append(try Self.record(entry))
      }
    } catch let error as BridgeError {
      throw error
    } catch {
      throw Self.unreadable("\(error)")
    }
  }

  private static func unreadable(_ what: String) -> BridgeError {
    BridgeError(
      .storage, side: .local, operation: "read the checkpoint", message: what,
      hint:
        "Restore the task's files from a copy, or delete the task and create it again (with adopt: true the target keeps its rows)."
    )
  }

  private static func json(of record: OwnedCollection) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("source", json(of: record.source)), ("target", json(of: record.target)),
      ("stage", .string(record.stage.rawValue)),
      ("source_id", .string(String(record.sourceIdentity.id))),
      ("source_created_at", .string(String(record.sourceIdentity.createdAt.rawValue))),
      ("target_id", .string(String(record.targetIdentity.id))),
      ("target_created_at", .string(String(record.targetIdentity.createdAt.rawValue))),
    ]
    if let new = record.renamingTo { members.append(("renaming_to", json(of: new))) }
    let indexes = record.indexes.sorted { $0.key < $1.key }.map { key, pair in
      (
        key,
        JSONValue.object(
          JSONObject([
            ("source", .string(pair.source)), ("target", .string(pair.target)), ("note", .text(pair.note)),
          ]))
      )
    }
    members += [
      ("adopted", .bool(record.isAdopted)), ("fingerprint", .string(record.fingerprint)),
      ("set_up", .bool(record.isSetUp)), ("aliases_set_up", .bool(record.hasAliases)), ("indexes", .object(JSONObject(indexes))),
      ("copied", .bool(record.isCopied)), ("uncertain", .bool(record.isUncertain)),
      ("needs_comparison", .bool(record.needsComparison)),
      ("watermark_unix_ms", record.watermarkUnixMs.map { .int($0) } ?? .null),
      ("inserted", .int(record.inserted)), ("updated", .int(record.updated)),
      ("deleted", .int(record.deleted)), ("bytes_written", .int(record.bytesWritten)),
    ]
    if let copy = record.copy { members.append(("copy", json(of: copy))) }
    if let refused = record.refused {
      members.append(("refused", ["rows": .int(refused.rows), "reason": .string(refused.reason)]))
    }
    return .object(JSONObject(members))
  }

  private static func json(of copy: OwnedCollection.CopyProgress) -> JSONValue {
    let keys = copy.confirmed.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value.persisted)) }
    return .object(
      JSONObject([
        ("confirmed", .object(JSONObject(keys))), ("rows_read", .int(copy.rowsRead)),
        ("read_at_unix_ms", .int(copy.readAtUnixMs)),
      ]))
  }

  private static func json(of path: CollectionPath) -> JSONValue {
    .object(JSONObject([("db", .string(path.database)), ("name", .string(path.name))]))
  }

  private static func path(_ fields: JSONFields) throws -> CollectionPath {
    CollectionPath(database: try fields.string("db"), name: try fields.string("name"))
  }

  private static func identity(_ fields: JSONFields, _ side: String) throws -> CollectionIdentity {
    guard let id = Int64(try fields.string("\(side)_id")),
      let createdAt = UInt64(try fields.string("\(side)_created_at"))
    else { throw unreadable("\(fields.path).\(side)_id or _created_at is not a number") }
    return CollectionIdentity(id: id, createdAt: TimeTick(createdAt))
  }

  private static func copy(_ fields: JSONFields) throws -> OwnedCollection.CopyProgress {
    var copy = OwnedCollection.CopyProgress(
      rowsRead: try fields.int64("rows_read"), readAtUnixMs: try fields.int64("read_at_unix_ms"))
    let confirmed = try fields.fields("confirmed")
    for name in confirmed.object.members.map(\.key) {
      guard let key = RowKey(persisted: try confirmed.string(name)) else { throw unreadable("\(confirmed.path).\(name) is not a key") }
      copy.confirmed[name] = key
    }
    return copy
  }

  private static func record(_ fields: JSONFields) throws -> OwnedCollection {
    let stageText = try fields.string("stage")
    guard let stage = OwnedCollection.Stage(rawValue: stageText) else {
      throw unreadable("\(fields.path).stage is \(stageText)")
    }
    var record = OwnedCollection(
      source: try path(fields.fields("source")), target: try path(fields.fields("target")),
      stage: stage, sourceIdentity: try identity(fields, "source"),
      fingerprint: try fields.string("fingerprint"))
    record.targetIdentity = try identity(fields, "target")
    record.renamingTo = try fields.optionalFields("renaming_to").map { try path($0) }
    record.isAdopted = try fields.bool("adopted")
    record.isSetUp = try fields.bool("set_up")
    record.hasAliases = try fields.bool("aliases_set_up")
    for (key, value) in try fields.fields("indexes").object.members {
      let pair = try JSONFields(value, path: "\(fields.path).indexes")
      record.indexes[key] = OwnedCollection.IndexPair(
        source: try pair.string("source"), target: try pair.string("target"),
        note: try pair.optionalString("note"))
    }
    record.isCopied = try fields.bool("copied")
    record.copy = try fields.optionalFields("copy").map { try copy($0) }
    record.isUncertain = try fields.bool("uncertain")
    record.needsComparison = try fields.optionalBool("needs_comparison") ?? false
    record.refused = try fields.optionalFields("refused").map {
      OwnedCollection.Refused(rows: try $0.int64("rows"), reason: try $0.string("reason"))
    }
    record.watermarkUnixMs = try fields.optionalInt64("watermark_unix_ms")
    record.inserted = try fields.int64("inserted")
    record.updated = try fields.int64("updated")
    record.deleted = try fields.int64("deleted")
    record.bytesWritten = try fields.int64("bytes_written")
    return record
  }
}
