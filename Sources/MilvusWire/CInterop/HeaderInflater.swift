internal import CNghttp2

/// One direction's HPACK decoder by itself, for looking at bytes that another session reads (RFC 7541).
///
/// Not thread-safe. After a failure the tables of both sides may differ, so every later block is refused as well.
final class HeaderInflater {
  enum Failure: Error, Equatable {
    case malformed
    /// One-byte references to large fields make a small block grow without bound.
    case tooLarge(bytesMax: Int)
  }
  /// The peer of what is looked at may have allowed a larger table, which is not seen here; the encoder says in the block what it uses.
  private static let tableBytesMax = 1 << 20

  private let raw: OpaquePointer
  private let listBytesMax: Int
  private var failure: Failure?

  /// nil without memory.
  init?(listBytesMax: Int = 256 << 10) {
    var pointer: OpaquePointer?
    guard nghttp2_hd_inflate_new(&pointer) == 0, let pointer else { return nil }
    nghttp2_hd_inflate_change_table_size(pointer, Self.tableBytesMax)
    raw = pointer
    self.listBytesMax = listBytesMax
  }

  deinit { nghttp2_hd_inflate_del(raw) }

  /// A whole header block, without padding and priority.
  func headers(of block: ArraySlice<UInt8>) throws(Failure) -> HeaderList {
    if let failure { throw failure }
    var list = HeaderList()
    var rest = block
    var size = 0
    while true {
      var field = nghttp2_nv()
      var flags: CInt = 0
      let used = rest.withUnsafeBufferPointer { buffer in
        // SAFETY: the buffer is borrowed for the call; nghttp2 copies what it keeps.
        nghttp2_hd_inflate_hd2(raw, &field, &flags, buffer.baseAddress, buffer.count, 1)
      }
      guard used >= 0, used <= rest.count else { throw fail(.malformed) }
      rest = rest.dropFirst(used)
      if flags & CInt(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 {
        // SAFETY: nghttp2 keeps name and value, with these lengths, until its next call.
        let name = String(decoding: UnsafeBufferPointer(start: field.name, count: field.namelen), as: UTF8.self)
        let value = String(decoding: UnsafeBufferPointer(start: field.value, count: field.valuelen), as: UTF8.self)
        size = size.addingReportingOverflow(HeaderList.byteCount(name: name.utf8.count, value: value.utf8.count)).partialValue
        guard size <= listBytesMax else { throw fail(.tooLarge(bytesMax: listBytesMax)) }
        list.append(name, value)
      }
      if flags & CInt(NGHTTP2_HD_INFLATE_FINAL.rawValue) != 0 { break }
      if used == 0, flags & CInt(NGHTTP2_HD_INFLATE_EMIT.rawValue) == 0 { throw fail(.malformed) }
    }
    nghttp2_hd_inflate_end_headers(raw)
    return list
  }

  private func fail(_ failure: Failure) -> Failure {
    self.failure = failure
    return failure
  }
}
