package import MilvusWire

/// Writes the messages of one pchannel as a server's log hands them out, with rising ids and ticks. Before each message lies an entry that
/// nobody sees, a tick, which last-confirmed ids name.
package struct LogWriter: Sendable {
  package let pchannel: String
  package var kind: LogKind
  package var tick: UInt64
  package var segment: Int64 = 0
  /// The next free entry of the log; for RocksMQ and Kafka the whole id.
  package var entry: Int64
  package var collectionID: Int64 = 100
  private var transactions: Int64 = 0

  package init(
    _ pchannel: String, _ kind: LogKind = .woodPecker, tick: UInt64 = 1_700_000_000_000 << 18,
    entry: Int64 = 0
  ) {
    self.pchannel = pchannel
    self.kind = kind
    self.tick = tick
    self.entry = entry
  }

  package var vchannel: String {
    ChannelName.vchannel(ofPchannel: pchannel, collectionID: collectionID, shard: 0)
  }

  /// A message outside of a transaction.
  package mutating func plain(
    _ type: LogMessageType = .insert, change: (inout LogMessageBuilder) -> Void = { _ in }
  ) throws -> LogMessage {
    let confirmed = nextID()
    advance()
    var builder = LogMessageBuilder(type, id: nextID(), timeTick: TimeTick(tick), vchannel: vchannel)
    builder.lastConfirmed = .id(confirmed.text)
    builder.term = 1
    change(&builder)
    return try builder.message()
  }

  /// Begin, so many bodies, commit; in the form in which a dump shows them: all with the tick and the last-confirmed id of the commit.
  package mutating func transaction(
    _ bodies: [LogMessageType] = [.delete, .insert],
    change: (Int, inout LogMessageBuilder) -> Void = { _, _ in }
  ) throws -> [LogMessage] {
    let confirmed = nextID()
    advance()
    transactions += 1
    var messages: [LogMessage] = []
    for (number, type) in ([.beginTxn] + bodies + [.commitTxn]).enumerated() {
      var builder = LogMessageBuilder(type, id: nextID(), timeTick: TimeTick(tick), vchannel: vchannel)
      builder.lastConfirmed = .id(confirmed.text)
      builder.transaction = TransactionContext(id: transactions, keepaliveMilliseconds: 10_000)
      change(number, &builder)
      messages.append(try builder.message())
    }
    return messages
  }

  package mutating func flushAll() throws -> LogMessage {
    let name = pchannel
    return try plain(.flushAll) {
      $0.vchannel = name
      $0.isPchannelLevel = true
      $0.broadcast = BroadcastHeader(id: 1, vchannels: [name])
      $0.term = nil
    }
  }

  private mutating func advance() { tick += 1 << 18 }

  package mutating func nextID() -> LogMessageID {
    defer { entry += 1 }
    let value: LogIDValue =
      switch kind {
      case .woodPecker: .woodPecker(segment: segment, entry: entry)
      case .pulsar: .pulsar(PulsarMessageID(ledger: segment, entry: entry))
      default: .number(entry)
      }
    return LogIDFormat.write(value, kind: kind) ?? LogMessageID("", kind)
  }
}
