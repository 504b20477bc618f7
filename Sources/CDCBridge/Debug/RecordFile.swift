internal import MilvusWire

/// The format of a recording of a log (docs/RECORDING.md): blocks, each whole by itself, one after the other.
///
/// ```
/// block   "CDCR" | kind u8 | encoding u8 | version u16 | stored u32 | plain u32 | sum of body u32 | sum of these 20 bytes u32 | body …
/// ```
/// Numbers are little endian, sums CRC-32C. `stored` counts the bytes of the body in the file, `plain` those of the body once it is unpacked;
/// `encoding` says how: 0 as it is, 1 LZ4 block. The head has a sum of its own, so that a damaged length is never believed. A reader that
/// meets damage looks for the next "CDCR"; a writer appends to whatever stands behind the first one.
enum RecordFormat {
  static let magic = Array("CDCR".utf8)
  static let version: UInt16 = 1
  static let headBytes = 24
  /// Of a body, plain or stored: the largest message that Milvus can carry, and room around it.
  static let bodyBytesMax = 600 << 20

  /// Unknown kinds are passed over.
  enum Kind: UInt8 {
    /// JSON: where and when the recording was made. Begins each recording; a file may hold several.
    case head = 1
    /// Messages of the log, `{1: {pchannel 1 text, message 2 ImmutableMessage}}` repeated (protobuf encoding).
    case messages = 2
    /// JSON: what stood on the source when the recording began (`LogCatalog`).
    case catalog = 3
    /// JSON: what happened while recording, such as a gap.
    case note = 4
    /// JSON: `ended`, when the recording was ended in good order.
    case end = 5
    /// Calls that went through a tap, `{1: RecordedCall}` repeated (protobuf encoding).
    case calls = 6
  }
  enum Encoding: UInt8 { case plain = 0, lz4 = 1 }

  struct Head: Equatable {
    var kind: UInt8
    var encoding: UInt8
    var version: UInt16
    var stored: UInt32
    var plain: UInt32
    var bodySum: UInt32

    var bytes: [UInt8] {
      var writer = WireWriter(capacity: RecordFormat.headBytes)
      writer.raw(RecordFormat.magic)
      writer.raw([kind, encoding])
      writer.rawFixed(version)
      writer.rawFixed(stored)
      writer.rawFixed(plain)
      writer.rawFixed(bodySum)
      writer.rawFixed(CRC32C.of(writer.bytes))
      return writer.bytes
    }

    /// nil where the bytes are no head, or a damaged one.
    init?(_ bytes: ArraySlice<UInt8>) {
      guard bytes.count == RecordFormat.headBytes, bytes.starts(with: RecordFormat.magic) else { return nil }
      func number(_ offset: Int, _ width: Int) -> UInt32 {
        (0..<width).reduce(0) { $0 | UInt32(bytes[bytes.startIndex + offset + $1]) << UInt32(8 * $1) }
      }
      guard number(20, 4) == CRC32C.of(bytes.prefix(20)) else { return nil }
      (kind, encoding, version) = (bytes[bytes.startIndex + 4], bytes[bytes.startIndex + 5], UInt16(truncatingIfNeeded: number(6, 2)))
      (stored, plain, bodySum) = (number(8, 4), number(12, 4), number(16, 4))
      guard stored <= RecordFormat.bodyBytesMax, plain <= RecordFormat.bodyBytesMax else { return nil }
    }

    init(kind: Kind, encoding: Encoding, plain: Int, stored: [UInt8]) {
      (self.kind, self.encoding, version) = (kind.rawValue, encoding.rawValue, RecordFormat.version)
      self.stored = UInt32(clamping: stored.count)
      self.plain = UInt32(clamping: plain)
      bodySum = CRC32C.of(stored)
    }
  }

  static func block(_ kind: Kind, _ body: [UInt8], compresses: Bool) -> [UInt8] {
    if compresses, let packed = LZ4Block.compress(body) {
      return Head(kind: kind, encoding: .lz4, plain: body.count, stored: packed).bytes + packed
    }
    return Head(kind: kind, encoding: .plain, plain: body.count, stored: body).bytes + body
  }
}
