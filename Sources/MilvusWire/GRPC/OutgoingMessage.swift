/// Messages on their way out together, each behind gRPC's length prefix: bytes written for them, and bytes forwarded as they were received.
///
/// ```
/// | flag u8 | length u32 BE | what precedes the forwarded bytes … |  forwarded bytes … |
///   └─────────────── head, the framing included ───────────────┘    └─── tail ───┘
///
///  chunks: [ head tail head tail … head ][ tail ][ head … ]
///            small tails are copied        a large one is a slice of the array in which it came (D3)
/// ```
/// A chunk of its own costs more than the copy of a small message, so that thousands of them become a few chunks.
package struct OutgoingBatch: Sendable {
  /// A forwarded part from this size on is not copied.
  private static let sliceBytesMin = 4 << 10
  private static let copiedBytesMax = 64 << 10

  private var whole: [ArraySlice<UInt8>] = []
  private var open: [UInt8] = []
  /// Of each message, without gRPC's prefix.
  package private(set) var messageBytes: [Int] = []

  package init() {}

  /// What is to be sent, in order.
  package var chunks: [ArraySlice<UInt8>] { open.isEmpty ? whole : whole + [open[...]] }

  /// Adds a message that is `headBytes` bytes, which `writeHead` appends, and then the forwarded ones. False, and nothing is added, where
  /// the whole is too long for gRPC's 32-bit length.
  package mutating func append(headBytes: Int, tail: ArraySlice<UInt8>, writeHead: (inout [UInt8]) -> Void) -> Bool {
    let (count, isTooLarge) = headBytes.addingReportingOverflow(tail.count)
    guard !isTooLarge, let length = UInt32(exactly: count) else { return false }
    messageBytes.append(count)
    if open.isEmpty { open.reserveCapacity(Self.copiedBytesMax + Self.sliceBytesMin + 256) }
    MessageFramer.appendPrefix(length: length, to: &open)
    writeHead(&open)
    if tail.count >= Self.sliceBytesMin {
      whole.append(open[...])
      whole.append(tail)
      open = []
    } else {
      open.append(contentsOf: tail)
      if open.count >= Self.copiedBytesMax {
        whole.append(open[...])
        open = []
      }
    }
    return true
  }
}
