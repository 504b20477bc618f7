/// Requests and answers of `CreateReplicateStream` (§6.1), without a tree.
///
/// ```
/// ReplicateRequest { replicate_message 1: ReplicateMessage { source_cluster_id 1 | message 2: ImmutableMessage } }
/// ReplicateResponse { replicate_confirmed_message_info 1: { confirmed_time_tick 1 } }
/// ```
/// The message's own bytes stand last, so that a request is some new bytes and then the bytes that were received.
package struct ReplicateFraming: Sendable {
  /// The largest request that a target with the shipped configuration takes (§5.4).
  package static let requestBytesMax = 64 << 20

  /// `source_cluster_id` as an encoded field.
  private let source: [UInt8]

  package init(sourceClusterID: String) {
    var writer = WireWriter()
    writer.string(1, sourceClusterID)
    source = writer.bytes
  }

  /// Bytes of the request that forwards a message of this size.
  package func requestBytes(messageBytes: Int) -> Int {
    let inner = source.count + WireWriter.lengthDelimitedBytes(2, count: messageBytes)
    return WireWriter.lengthDelimitedBytes(1, count: inner)
  }

  /// Adds the request that forwards a message byte for byte; false beyond gRPC's limit.
  package func add(_ message: LogMessage, to batch: inout OutgoingBatch) -> Bool {
    let count = message.range.count
    let inner = source.count + WireWriter.lengthDelimitedBytes(2, count: count)
    let headBytes = WireWriter.lengthDelimitedBytes(1, count: inner) - count
    return batch.append(headBytes: headBytes, tail: message.bytes[message.range]) { bytes in
      bytes.append(Self.tag1)
      Self.appendVarint(UInt64(truncatingIfNeeded: inner), to: &bytes)
      bytes.append(contentsOf: source)
      bytes.append(Self.tag2)
      Self.appendVarint(UInt64(truncatingIfNeeded: count), to: &bytes)
    }
  }

  // Tags of length-delimited fields 1 and 2.
  private static let tag1: UInt8 = 1 << 3 | 2
  private static let tag2: UInt8 = 2 << 3 | 2

  private static func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// The source's tick that an answer confirms; nil for an answer that confirms nothing.
  package static func confirmedTick(_ answer: [UInt8], in range: Range<Int>? = nil) throws(ProtobufError) -> TimeTick? {
    var reader = WireReader(answer, in: range)
    var tick: TimeTick?
    while let field = try reader.next() {
      guard field.number == 1 else { continue }
      guard let range = field.range else {
        throw ProtobufError(.wrongType, "field 1 of ReplicateResponse is a \(field.wireType)")
      }
      var inner = WireReader(answer, in: range)
      tick = TimeTick(0)
      while let field = try inner.next() {
        if field.number == 1, let value = field.varint { tick = TimeTick(value) }
      }
    }
    return tick
  }
}
