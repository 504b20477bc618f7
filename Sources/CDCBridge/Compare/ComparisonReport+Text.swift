internal import MilvusWire

/// The report as a table for people, then what differs, then the verdict.
extension ComparisonReport {
  package var text: String {
    var lines = ["source \(source), target \(target)", ""]
    lines += Self.table(collections)
    for collection in collections {
      let details = collection.details
      if !details.isEmpty { lines += ["", "\(collection.title):"] + details.map { "  \($0)" } }
    }
    lines += ["", summary]
    return lines.joined(separator: "\n") + "\n"
  }

  private var summary: String {
    switch verdict {
    case .equal: "equal: \(count(.equal)) of \(collections.count) collections"
    case .different: "different: \(count(.different)) of \(collections.count) collections"
    case .failed:
      "failed: \(count(.failed)) of \(collections.count) collections could not be compared whole, \(count(.different)) differ"
    }
  }
  private func count(_ verdict: Verdict) -> Int { collections.count { $0.verdict == verdict } }

  private static func table(_ collections: [CollectionReport]) -> [String] {
    var rows = [["collection", "source rows", "target rows", "missing", "extra", "different", "verdict"]]
    for collection in collections {
      let tally = collection.rows
      rows.append(
        [collection.title]
          + [tally.sourceRows, tally.targetRows, tally.missing, tally.extra, tally.different].map { "\($0)" }
          + [collection.verdict.rawValue])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        // Numbers stand at the right.
        return column == 0 || column == row.count - 1 ? cell + space : space + cell
      }.joined(separator: "  ").trimmedAtEnd
    }
  }
}

extension String {
  fileprivate var trimmedAtEnd: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}

extension CollectionReport {
  fileprivate var title: String { source == target ? "\(source)" : "\(source) → \(target)" }

  fileprivate var details: [String] {
    var lines = schemaDifferences.map { "schema: \($0)" }
    if let failure { lines.append("failed: \(failure)") }
    for unit in units {
      let place = unit.partition.map { "partition \($0): " } ?? ""
      if let failure = unit.failure { lines.append("\(place)failed: \(failure)") }
      lines += unit.rows.details.map { place + $0 }
    }
    return lines + notes.map { "note: \($0)" }
  }
}

extension RowTally {
  fileprivate var details: [String] {
    var lines: [String] = []
    func sample(_ what: String, _ count: Int64, _ keys: [RowKey]) {
      guard count > 0 else { return }
      let shown = keys.map(\.shown).joined(separator: ", ")
      lines.append("\(count) rows \(what)\(keys.isEmpty ? "" : ", keys \(shown)\(count > Int64(keys.count) ? ", …" : "")")")
    }
    sample("missing on the target", missing, missingKeys)
    sample("on the target only", extra, extraKeys)
    sample("with other values", different, differentKeys)
    for (side, repeats, count) in [("source", sourceRepeats, sourceCount), ("target", targetRepeats, targetCount)] {
      if let repeats, let count, repeats > 0, sourceRows + targetRows > 0 {
        lines.append("note: the \(side) counts \(count) rows, \(repeats) of them repeat a key or are not returned")
      }
    }
    return lines
  }
}

extension RowKey {
  /// As a person would write it in an expression.
  fileprivate var shown: String { KeyExpression.literal(self) }
}
