package import MilvusWire

/// What a task that follows a log keeps beside its records: where it reads on, what stood on the source there, and which schema changes have
/// taken effect although a lagging channel may show them again (D8).
///
/// ```
/// {"replication_id": "by-dev", "control_channel": "…_vcchan", "seeded_at": "470…",
///  "positions": {"by-dev-rootcoord-dml_0": {"confirmed": "CAE=", "kind": 4, "tick": "470…", "probe": "CAEQAg=="}},
///  "applied": [{"id": "470…", "ticks": {"by-dev-rootcoord-dml_0": "470…"}}], "handed": {"by-dev-rootcoord-dml_0": "470…"},
///  "access_copied": false, "catalog": {…}}
/// ```
package struct LogCheckpoint: Sendable, Equatable {
  /// A broadcast that took effect. It is forgotten when every pchannel has been read past its copy.
  package struct Applied: Sendable, Equatable {
    package var id: UInt64
    /// Of its copies, by pchannel; the largest where there are two.
    package var ticks: [String: TimeTick]
    package init(id: UInt64, ticks: [String: TimeTick]) {
      self.id = id
      self.ticks = ticks
    }
  }

  package var replicationID: String?
  package var controlChannel: String
  package var positions: [String: LogPosition]
  package var catalog: LogCatalog
  /// Changes up to this tick are in the catalogue since it was seeded.
  package var seededAt: TimeTick
  /// Changes before that may be missing from it: it is read again.
  package var isDoubted = false
  package var applied: [Applied] = []
  /// Up to which tick of each pchannel rows may have been handed to the target; ahead of what was (`HandOver`). nil: an older build wrote it.
  package var handed: [String: TimeTick]?
  /// Users and roles that stood before the log have been copied, where the task replicates them.
  package var isAccessCopied = false

  package init(start: LogStart, catalog: LogCatalog, seededAt: TimeTick) {
    replicationID = start.replicationID
    controlChannel = start.controlChannel
    positions = start.positions
    self.catalog = catalog
    self.seededAt = seededAt
  }

  /// Forgets broadcasts whose copies no position can show again.
  package mutating func prune() {
    applied.removeAll { entry in
      entry.ticks.allSatisfy { pchannel, tick in positions[pchannel].map { $0.timeTick >= tick } ?? true }
    }
  }

  // MARK: JSON

  package func json() throws(BridgeError) -> JSONValue {
    [
      "replication_id": .text(replicationID), "control_channel": .string(controlChannel),
      "seeded_at": .string(seededAt.description), "doubted": .bool(isDoubted),
      "positions": .object(
        JSONObject(positions.sorted { $0.key < $1.key }.map { ($0.key, Self.json(of: $0.value)) })),
      "applied": .array(
        applied.map { entry in
          [
            "id": .string(String(entry.id)),
            "ticks": .object(
              JSONObject(entry.ticks.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value.description)) })),
          ]
        }),
      "handed": handed.map { .object(JSONObject($0.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value.description)) })) } ?? .null,
      "access_copied": .bool(isAccessCopied), "catalog": try catalog.json(),
    ]
  }

  static func json(of position: LogPosition) -> JSONValue {
    [
      "confirmed": .string(position.confirmed.text), "kind": .int(position.confirmed.kind.rawValue),
      "tick": .string(position.timeTick.description), "probe": .text(position.probe?.text),
      "probe_kind": position.probe.map { .int($0.kind.rawValue) } ?? .null, "proven": .text(position.provenUpTo?.description),
    ]
  }

  package init(_ fields: JSONFields) throws {
    replicationID = try fields.optionalString("replication_id")
    controlChannel = try fields.string("control_channel")
    seededAt = try Self.tick(fields, "seeded_at")
    isDoubted = try fields.optionalBool("doubted") ?? false
    positions = [:]
    let list = try fields.fields("positions")
    for (pchannel, value) in list.object.members {
      positions[pchannel] = try Self.position(try JSONFields(value, path: list.path(of: pchannel)))
    }
    for entry in try fields.fieldsList("applied") {
      guard let id = UInt64(try entry.string("id")) else {
        throw JSONFieldError(path: entry.path(of: "id"), message: "it is not a number")
      }
      let ticks = try entry.fields("ticks")
      var found: [String: TimeTick] = [:]
      for key in ticks.object.members.map(\.key) { found[key] = try Self.tick(ticks, key) }
      applied.append(Applied(id: id, ticks: found))
    }
    if let bounds = try fields.optionalFields("handed") {
      var found: [String: TimeTick] = [:]
      for key in bounds.object.members.map(\.key) { found[key] = try Self.tick(bounds, key) }
      handed = found
    }
    isAccessCopied = try fields.optionalBool("access_copied") ?? false
    catalog = try LogCatalog(try fields.fields("catalog"))
  }

  static func tick(_ fields: JSONFields, _ key: String) throws -> TimeTick {
    guard let tick = UInt64(try fields.string(key)) else {
      throw JSONFieldError(path: fields.path(of: key), message: "it is not a number")
    }
    return TimeTick(tick)
  }

  static func position(_ fields: JSONFields) throws -> LogPosition {
    func kind(_ key: String) throws -> LogKind { LogKind(rawValue: Int32(clamping: try fields.int64(key))) }
    var position = LogPosition(
      confirmed: LogMessageID(try fields.string("confirmed"), try kind("kind")), timeTick: try tick(fields, "tick"))
    if try fields.optionalString("proven") != nil { position.provenUpTo = try tick(fields, "proven") }
    if let probe = try fields.optionalString("probe") {
      position.probe = LogMessageID(probe, try kind("probe_kind"))
    }
    return position
  }
}
