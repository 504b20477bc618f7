/// How many rows to ask for, so that an answer has about the wanted size (`public-rpc.md` §6.3). Pure.
///
/// A server that takes long for any answer, however small, is asked for larger pages and so less often: Milvus Lite walks the whole
/// collection for each page (200,000 rows: over a second). The estimate follows the answers. An answer that was too large halves the number and leaves a ceiling, which rises again slowly:
/// with both scan flags 2.3.5 answers several times what was asked for, now and then.
struct PageSizer: Sendable, Equatable {
  /// What Milvus takes at most as `limit`.
  static let rowsMax = 16_384

  /// How large pages of a slow server may grow; two of them and their neighbours fit the memory a pass may take.
  static let slowPageBytesMax = 16 << 20
  static let slow: Duration = .seconds(1)
  static let quick: Duration = .milliseconds(200)

  private let wantedBytes: Int
  private var pageBytes: Int
  private var rowBytes: Double
  private var ceiling: Double = Double(PageSizer.rowsMax)

  init(pageBytes: Int, estimatedRowBytes: Int) {
    wantedBytes = max(pageBytes, 1)
    self.pageBytes = wantedBytes
    rowBytes = Double(max(estimatedRowBytes, 16))
  }

  var rows: Int { max(1, Int(min(Double(pageBytes) / rowBytes, ceiling, Double(Self.rowsMax)))) }

  /// Pages are larger than wanted: one at a time is enough.
  var isSlow: Bool { pageBytes > wantedBytes }

  mutating func received(rows: Int, bytes: Int, took: Duration) {
    guard rows > 0 else { return }
    if took >= Self.slow {
      pageBytes = max(wantedBytes, min(pageBytes * 2, Self.slowPageBytesMax))
    } else if took < Self.quick {
      pageBytes = max(wantedBytes, pageBytes / 2)
    }
    let measured = max(1, Double(bytes) / Double(rows))
    // Larger rows count at once, smaller ones slowly: a page too large costs more than one too small.
    rowBytes = measured > rowBytes ? measured : rowBytes * 0.5 + measured * 0.5
    ceiling = min(ceiling * 1.25, Double(Self.rowsMax))
  }

  /// False where one row alone is too large.
  mutating func answerWasTooLarge() -> Bool {
    let before = rows
    guard before > 1 else { return false }
    ceiling = Double(before / 2)
    return true
  }
}
