package import MilvusWire

/// Looks at every message of a recording the way a native task looks at what it forwards, before anything is sent (`LogAdmission`, D21): what a
/// target would die of, or could not go on with, is found while there is still nothing to lose.
package struct NativeRecordCheck: Sendable {
  /// What must not be sent, with its offset in the file; nothing overrides it.
  package private(set) var held: [String] = []
  /// Passed over by a standby's sender, by reason.
  package private(set) var skipped: [String: Int] = [:]
  /// Messages that would be sent, by the source's pchannel.
  package private(set) var sent: [String: Int] = [:]
  /// Channels whose target stands exactly where a unit of the recording ends.
  private(set) var joined: Set<String> = []
  private static let heldMax = 20

  /// `has`: what the target has, by the source's pchannel; only what is later would be sent.
  init(path: String, until: TimeTick?, admission: LogAdmission, has: [String: TimeTick] = [:]) throws {
    var reader = RecordReader(try LocalFile.reading(path))
    var units: [String: RecordedUnits] = [:]
    while let found = try reader.next() {
      guard case .message(let message, let pchannel) = found.item, message.timeTick <= until ?? TimeTick(.max) else { continue }
      let tick = has[pchannel] ?? TimeTick(0)
      if message.timeTick == tick { joined.insert(pchannel) }
      guard message.timeTick > tick else { continue }
      judge(message, at: found.offset, admission)
      // What stands in the file more than once is sent once.
      for passed in units[pchannel, default: RecordedUnits()].received(message) { count(passed, pchannel, admission) }
    }
  }

  /// For a recording whose target is not known: of the newest line, with the channels that the recording names.
  package init(path: String, survey: RecordSurvey, until: TimeTick?) throws {
    try self.init(
      path: path, until: until,
      admission: LogAdmission(
        sourcePchannels: Set(survey.pchannels), typeMax: NativePair.typeMax(ServerProfile.Version(3, 0, 0)),
        targetKind: survey.places.values.first?.kind ?? .unknown))
  }

  private mutating func count(_ message: LogMessage, _ pchannel: String, _ admission: LogAdmission) {
    switch try? admission.judge(message) {
    case .skip(let why)?: skipped[why, default: 0] += 1
    case .send?: sent[pchannel, default: 0] += 1
    case nil: break
    }
  }

  private mutating func judge(_ message: LogMessage, at offset: Int, _ admission: LogAdmission) {
    do throws(LogAdmission.Held) {
      switch try admission.judge(message) {
      case .send where message.type == .alterReplicateConfig:
        hold("the source's replication was changed there, which no standby may be told", message, offset)
      case .send where message.byteCount > ReplicateFraming.requestBytesMax - 1024:
        hold("it has \(message.byteCount) bytes, more than a target takes (64 MiB)", message, offset)
      case .send, .skip: break
      }
    } catch {
      add("byte \(offset): \(error)")
    }
  }

  private mutating func hold(_ why: String, _ message: LogMessage, _ offset: Int) {
    add("byte \(offset): \(message.type) at tick \(message.timeTick) on \(message.vchannel) is held back: \(why)")
  }

  private mutating func add(_ text: String) { if held.count < Self.heldMax { held.append(text) } }
}

extension RecordSurvey {
  /// All channels of the source as far as the recording names them, with messages or without.
  package var pchannels: [String] {
    Set(channels).union(starts.keys).union(namedPchannels).sorted(by: LogSurvey.isBefore)
  }

  /// For a person, beside `lines`: what stands in the way of a standby.
  package func nativeLines(_ check: NativeRecordCheck) -> [String] {
    var lines = check.held.map { "native: must not be sent: \($0)" }
    lines += check.skipped.sorted { $0.key < $1.key }.map { "native: \($0.value) messages would be passed over: \($0.key)" }
    let names = incomplete.map(name).sorted()
    if !names.isEmpty {
      lines.append(
        "native: the creation of \(names.joined(separator: ", ")) is not in the recording: an empty standby cannot take changes of it")
    }
    lines.append(
      "native: \(check.sent.values.reduce(0, +)) messages for a standby of \(ChannelName.replicationID(ofPchannel: pchannels.first ?? "") ?? "?") "
        + "with \(pchannels.count) pchannels")
    return lines.map(SafeText.line)
  }
}
