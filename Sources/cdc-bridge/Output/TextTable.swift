/// Columns of text under headings, as wide as their widest cell.
struct TextTable {
  enum Alignment { case left, right }
  private let columns: [(title: String, alignment: Alignment)]
  private var rows: [[String]] = []

  init(_ columns: [(title: String, alignment: Alignment)]) { self.columns = columns }

  mutating func add(_ cells: [String]) { rows.append(cells.map(Self.oneLine)) }

  /// Nothing is longer than `width`; the last column gives way.
  func lines(width: Int = .max) -> [String] {
    let widths = columns.indices.map { column in
      (rows.map { $0[column].count } + [columns[column].title.count]).max() ?? 0
    }
    return ([columns.map(\.title)] + rows).map { cells in
      var line = ""
      for (column, cell) in cells.enumerated() {
        if column > 0 { line += "  " }
        let gap = String(repeating: " ", count: widths[column] - cell.count)
        line += columns[column].alignment == .right ? gap + cell : cell + gap
      }
      return Self.clipped(Self.trimmed(line), width)
    }
  }

  static func clipped(_ line: String, _ width: Int) -> String {
    line.count > width ? line.prefix(max(0, width - 1)) + "…" : line
  }

  private static func trimmed(_ line: String) -> String {
    var line = Substring(line)
    while line.last == " " { line.removeLast() }
    return String(line)
  }

  /// A peer's text must not be able to forge lines or move the cursor.
  private static func oneLine(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0 }))
  }
}
