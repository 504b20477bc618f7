internal import MilvusWire

/// A message before the log has taken it: everything but id, tick and what the log adds (`wal-protocol.md` §2.3).
struct LogDraft {
  var type: LogMessageType
  /// A data vchannel, the control channel, or a pchannel for messages of the whole cluster.
  var channel: String
  var header: [UInt8] = []
  var body: [UInt8] = []
  /// The same on every copy.
  var broadcast: BroadcastHeader?
  var transaction: TransactionContext?
  var isPchannelLevel = false
  /// The tick must be larger.
  var barrierTick: UInt64?
  /// Of a message that another cluster wrote first.
  var replicate: ReplicateHeader?
  /// Properties without a member here, such as those that a replicated message brings along.
  var others: [KeyValuePair] = []
  /// nil: the type's own.
  var version: Int?
  /// Without `_v`, as messages from before 2.6 are.
  var isVersionless = false

  /// `common.ImmutableMessage`. `term` is left out of the messages of a FlushAll answer.
  func message(id: LogMessageID, confirmed: LogMessageID, tick: UInt64, term: Int64?) -> [UInt8] {
    var builder = LogMessageBuilder(type, id: id, timeTick: TimeTick(tick), vchannel: channel)
    builder.lastConfirmed = .id(confirmed.text)
    builder.header = header
    builder.payload = body
    builder.broadcast = broadcast
    builder.transaction = transaction
    builder.isPchannelLevel = isPchannelLevel
    builder.barrierTimeTick = barrierTick.map { TimeTick($0) }
    builder.replicate = replicate
    builder.others = others
    builder.term = term
    if let version { builder.version = version }
    if isVersionless { builder.version = nil }
    return builder.immutableMessage
  }
}
