/// The log side of a cluster. `MilvusClient` is the real one.
///
/// Contract. Every unary call has a deadline and ends with one `CallError`; none is repeated inside. Several dumps may
/// run at the same time, also of one pchannel. Cancelling the awaiting task cancels the call.
package protocol MilvusLog: Sendable {
  /// `host:port`, for messages.
  var peer: String { get }

  /// The cluster-wide barrier: everything acknowledged before it lies below its tick on each pchannel (§7.1). It seals
  /// all growing segments, so it is for a bootstrap, not a heartbeat. Only a primary can.
  func flushAll() async throws(CallError) -> FlushAllAnswer
  /// A tick above all that were given out before. Sound as an upper bound only (§4.4).
  func allocTimestamp() async throws(CallError) -> TimeTick
  /// Opens a dump (§5). Never waits for a first message: an unknown pchannel and a quiet one look the same.
  func dump(_ request: DumpRequest) async throws(CallError) -> any DumpStream
  /// `targetPchannel` is the target's own name; any other hangs until the deadline (§7.2).
  func replicateInfo(sourceClusterID: String, targetPchannel: String) async throws(CallError) -> ReplicateInfo
  /// nil: not configured, which servers say by not answering (§7.3).
  func replicateConfiguration() async throws(CallError) -> ReplicateConfiguration?
}

/// `DumpMessagesRequest` (§5.1).
package struct DumpRequest: Sendable, Hashable {
  package var pchannel: String
  /// Its text must not be empty: `LogIDFormat.start` makes a start of any last confirmed id.
  package var start: LogMessageID
  /// False: strictly after the start.
  package var isInclusive: Bool
  /// Deliver ticks from here on, 0: all. Only ever a tick of this pchannel's own log.
  package var startTick: TimeTick
  /// Deliver ticks up to here, then end; 0: follow for ever.
  package var endTick: TimeTick

  package init(
    pchannel: String, start: LogMessageID, isInclusive: Bool = true, startTick: TimeTick = TimeTick(0),
    endTick: TimeTick = TimeTick(0)
  ) {
    self.pchannel = pchannel
    self.start = start
    self.isInclusive = isInclusive
    self.startTick = startTick
    self.endTick = endTick
  }
}

extension DumpRequest: LogRecord {
  package init() { self.init(pchannel: "", start: LogMessageID("", .unknown), isInclusive: false) }

  package static let members: [LogMember<Self>] = [
    .text(1, \.pchannel), .messageID(2, \.wireStart), .number(3, \.startTick), .number(4, \.endTick),
    .number(5, \.isInclusive),
  ]

  /// nil says that a request without an id was read.
  private var wireStart: LogMessageID? {
    get { start.text.isEmpty && start.kind == .unknown ? nil : start }
    set { start = newValue ?? LogMessageID("", .unknown) }
  }
}

/// One dump of one pchannel. One task takes messages at a time.
package protocol DumpStream: Sendable {
  /// The next message in the order of ticks; nil after a clean end, which a dump with an end tick has. Taking a message
  /// returns its flow-control window: whoever does not take holds the server back.
  func next() async throws(CallError) -> LogMessage?
  /// The messages that are here, about `bytesMax` bytes of them; waits for one where there is none. Empty where `next` gives nil.
  func next(bytesMax: Int) async throws(CallError) -> [LogMessage]
  /// Ends the call. May be called more than once.
  func cancel() async
}

extension DumpStream {
  package func next(bytesMax: Int) async throws(CallError) -> [LogMessage] {
    guard let message = try await next() else { return [] }
    return [message]
  }
}

/// `FlushAllResponse` (§7.1).
package struct FlushAllAnswer: Sendable, Equatable {
  /// `common.clusterID`, by default "0" everywhere; the id that replication uses is in the pchannels' names.
  package var clusterID = ""
  package var controlChannel = ""
  package var pchannels: [String] = []
  /// The FlushAll message of each pchannel, without `_wt`.
  package var messages: [String: LogMessage] = [:]
  package init() {}
}

extension FlushAllAnswer {
  /// `flush_all_msgs` 4 and `cluster_info` 5; the Status has been read and was success.
  package init(_ bytes: [UInt8]) throws(ProtobufError) {
    self.init()
    var reader = WireReader(bytes)
    while let field = try reader.next() {
      guard field.number == 4 || field.number == 5 else { continue }
      guard let range = field.range else {
        throw ProtobufError(.wrongType, "field \(field.number) of FlushAllResponse is a \(field.wireType)")
      }
      if field.number == 4 { try addMessage(WireReader(bytes, in: range)) }
      if field.number == 5 { try readCluster(WireReader(bytes, in: range)) }
    }
  }

  private mutating func addMessage(_ entry: WireReader) throws(ProtobufError) {
    var reader = entry
    var pchannel = ""
    var message: Range<Int>?
    while let field = try reader.next() {
      guard let range = field.range else { continue }
      if field.number == 1 { pchannel = try reader.validText(range, "a pchannel") }
      if field.number == 2 { message = range }
    }
    guard let message else { throw ProtobufError(.malformed, "no FlushAll message for \(pchannel)") }
    do throws(LogMessageError) {
      messages[pchannel] = try LogMessage(immutableMessage: reader.bytes, in: message)
    } catch {
      throw ProtobufError(.malformed, "FlushAll message of \(pchannel): \(error)")
    }
  }

  /// `ClusterInfo {cluster_id 1, cchannel 2, pchannels 3}`.
  private mutating func readCluster(_ message: WireReader) throws(ProtobufError) {
    var reader = message
    while let field = try reader.next() {
      guard let range = field.range else { continue }
      switch field.number {
      case 1: clusterID = try reader.validText(range, "ClusterInfo.cluster_id")
      case 2: controlChannel = try reader.validText(range, "ClusterInfo.cchannel")
      case 3: pchannels.append(try reader.validText(range, "ClusterInfo.pchannels"))
      default: break
      }
    }
  }
}
