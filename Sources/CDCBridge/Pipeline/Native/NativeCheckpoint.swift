package import MilvusWire

/// What a native task keeps: which channels belong together, where its log begins, and how far it is.
///
/// The target's own checkpoint is the truth about what it has; the position here is only used where it says the same and leads further, behind
/// messages that were passed over (`wal-protocol.md` §6.8).
///
/// ```
/// {"source_id": "by-dev", "target_id": "by-prod", "pchannels": [{"source": "…", "target": "…", "start": {…}, "position": {…},
///  "sent": "470…", "first": "470…", "barrier": "470…"}], "target_log": 4, "set_up": true, "left_out": ["450…"], "left_out_databases": []}
/// ```
package struct NativeCheckpoint: Sendable, Equatable {
  package struct Lane: Sendable, Equatable {
    /// Where a target that has nothing begins.
    package var start: LogPosition
    /// Everything up to here is on the target, or was passed over.
    package var position: LogPosition
    /// Of the last message that was sent up to `position`; 0: none.
    package var sentTick = TimeTick(0)
    /// Of the first message that the source's log had when the task began from its earliest entry; 0: it began later.
    package var firstTick = TimeTick(0)
    /// Up to here the source's history reaches; from here on the target follows.
    package var barrier: TimeTick

    package init(start: LogPosition, barrier: TimeTick) {
      self.start = start
      position = start
      self.barrier = barrier
    }
  }
  package var pairing: NativePairing
  /// By the source's pchannel.
  package var lanes: [String: Lane]
  /// The kind of log that the target has.
  package var targetKind: LogKind
  /// The target was told its role.
  package var isSetUp = false
  /// Collections that were dropped before the readable log begins, with changes of theirs still in it.
  package var leftOut: Set<Int64> = []
  package var leftOutDatabases: Set<String> = []

  package init(pairing: NativePairing, lanes: [String: Lane], targetKind: LogKind) {
    self.pairing = pairing
    self.lanes = lanes
    self.targetKind = targetKind
  }

  /// Where a pchannel is read on, given what the target has of it.
  package func position(_ pchannel: String, targetHas tick: TimeTick, confirmed: LogMessageID?) -> LogPosition? {
    guard let lane = lanes[pchannel] else { return nil }
    if tick.rawValue == 0 { return lane.sentTick.rawValue == 0 ? lane.position : lane.start }
    if tick == lane.sentTick { return lane.position }
    guard let confirmed else { return lane.start }
    return LogPosition(confirmed: confirmed, timeTick: tick)
  }

  // MARK: JSON

  package var json: JSONValue {
    let pchannels = pairing.sourcePchannels.enumerated().compactMap { place, name -> JSONValue? in
      guard let lane = lanes[name], place < pairing.targetPchannels.count else { return nil }
      return [
        "source": .string(name), "target": .string(pairing.targetPchannels[place]),
        "start": LogCheckpoint.json(of: lane.start), "position": LogCheckpoint.json(of: lane.position),
        "sent": .string(lane.sentTick.description), "first": .string(lane.firstTick.description),
        "barrier": .string(lane.barrier.description),
      ]
    }
    return [
      "source_id": .string(pairing.sourceID), "target_id": .string(pairing.targetID), "pchannels": .array(pchannels),
      "target_log": .int(targetKind.rawValue), "set_up": .bool(isSetUp),
      "left_out": .array(leftOut.sorted().map { .string(String($0)) }),
      "left_out_databases": .array(leftOutDatabases.sorted().map { .string($0) }),
    ]
  }

  package init(_ fields: JSONFields) throws {
    var pairing = NativePairing(
      sourceID: try fields.string("source_id"), targetID: try fields.string("target_id"), sourcePchannels: [],
      targetPchannels: [])
    lanes = [:]
    for entry in try fields.fieldsList("pchannels") {
      let name = try entry.string("source")
      pairing.sourcePchannels.append(name)
      pairing.targetPchannels.append(try entry.string("target"))
      var lane = Lane(
        start: try LogCheckpoint.position(try entry.fields("start")), barrier: try LogCheckpoint.tick(entry, "barrier"))
      lane.position = try LogCheckpoint.position(try entry.fields("position"))
      lane.sentTick = try LogCheckpoint.tick(entry, "sent")
      lane.firstTick = try LogCheckpoint.tick(entry, "first")
      lanes[name] = lane
    }
    self.pairing = pairing
    targetKind = LogKind(rawValue: Int32(clamping: try fields.int64("target_log")))
    isSetUp = try fields.bool("set_up")
    for value in try fields.array("left_out") {
      guard let id = value.stringValue.flatMap({ Int64($0) }) else {
        throw JSONFieldError(path: fields.path(of: "left_out"), message: "it is not a list of numbers")
      }
      leftOut.insert(id)
    }
    leftOutDatabases = Set(try fields.array("left_out_databases").compactMap(\.stringValue))
  }
}
