/// Body bytes of one stream that wait to be put into DATA frames.
///
/// A reference type, so that nghttp2's callbacks change it in place. Confined to the session that holds it.
final class OutgoingBody {
  private var chunks: [ArraySlice<UInt8>] = []
  /// Chunks before this one are done; dropped together from time to time, so that taking from the front stays cheap.
  private var firstChunk = 0
  private var offset = 0
  private(set) var queuedBytes = 0
  /// No more bytes will come.
  var isFinished = false
  /// Sent after the last byte, in place of END_STREAM on it.
  var trailers: HeaderList?
  /// nghttp2 found nothing to send and waits to be resumed.
  var isDeferred = false

  /// A slice keeps its whole array until it has been sent.
  func append(_ chunk: ArraySlice<UInt8>) {
    guard !chunk.isEmpty else { return }
    chunks.append(chunk)
    queuedBytes += chunk.count
  }

  /// Moves the next `count` bytes, which must be queued, to `output`, which may keep slices of them.
  func move(_ count: Int, to output: inout OutputChain) {
    precondition(count <= queuedBytes, "more bytes announced than queued")
    var missing = count
    while missing > 0 {
      let start = chunks[firstChunk].startIndex + offset
      let part = min(missing, chunks[firstChunk].endIndex - start)
      output.append(chunks[firstChunk][start..<(start + part)])
      offset += part
      missing -= part
      if offset == chunks[firstChunk].count { dropFirstChunk() }
    }
    queuedBytes -= count
  }

  private func dropFirstChunk() {
    chunks[firstChunk] = []
    firstChunk += 1
    offset = 0
    if firstChunk == chunks.count || firstChunk >= 64 {
      chunks.removeFirst(firstChunk)
      firstChunk = 0
    }
  }
}
