internal import MilvusWire

/// Where an entry lies in its log: segment (WoodPecker), ledger (Pulsar) or always 0, and the number in it.
struct EntryID: Hashable, Comparable {
  var segment: Int64
  var entry: Int64

  static func < (a: EntryID, b: EntryID) -> Bool { (a.segment, a.entry) < (b.segment, b.entry) }

  /// As the log writes it (`wal-protocol.md` §2.6).
  func id(_ kind: LogKind) -> LogMessageID {
    let value: LogIDValue
    switch kind {
    case .rocksMQ, .kafka: value = .number(entry)
    case .pulsar:
      var pulsar = PulsarMessageID(ledger: segment, entry: entry)
      pulsar.partition = 0
      value = .pulsar(pulsar)
    default: value = .woodPecker(segment: segment, entry: entry)
    }
    return LogIDFormat.write(value, kind: kind) ?? LogMessageID("", kind)
  }

  init(segment: Int64, entry: Int64) { (self.segment, self.entry) = (segment, entry) }

  init(_ value: LogIDValue) {
    switch value {
    case .number(let number): self.init(segment: 0, entry: number)
    case .pulsar(let id): self.init(segment: id.ledger, entry: id.entry)
    case .woodPecker(let segment, let entry): self.init(segment: segment, entry: entry)
    }
  }
}
