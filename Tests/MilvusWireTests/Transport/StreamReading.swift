@testable internal import MilvusWire

extension ByteStream {
  /// Reads until `count` bytes are there; fewer only at the end of the stream.
  func readExactly(_ count: Int) async throws(WireError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let part = try await read(maxBytes: count - bytes.count)
      if part.isEmpty { break }
      bytes += part
    }
    return bytes
  }
}
