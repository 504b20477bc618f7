/// Finds what somebody probably meant.
package enum NearestName {
  /// ` Did you mean 'x'?`, or nothing where no name is near.
  package static func hint(_ word: String, among names: [String]) -> String {
    nearest(word, among: names, countMax: 1).first.map { " Did you mean '\($0)'?" } ?? ""
  }

  /// The names that differ from the word in at most a third of its letters, or contain it, the nearest first. Letter case does not count.
  package static func nearest(_ word: String, among names: [String], countMax: Int) -> [String] {
    let wanted = word.lowercased()
    // A person's typing slip is short; a long word costs time in its square for each name.
    guard wanted.count <= 100 else { return [] }
    var ranked: [(name: String, distance: Int)] = []
    for name in names {
      let known = name.lowercased()
      let letters = distance(wanted, known)
      if letters <= max(2, wanted.count / 3) {
        ranked.append((name, letters))
      } else if wanted.count >= 4, known.contains(wanted) {
        // After all that are nearly the same word.
        ranked.append((name, wanted.count + known.count))
      }
    }
    // A stable order: equally near names stay in the order given.
    return ranked.enumerated().sorted { ($0.element.distance, $0.offset) < ($1.element.distance, $1.offset) }
      .prefix(countMax).map(\.element.name)
  }

  /// Insertions, deletions, replacements and swaps of neighbours, one each (optimal string alignment).
  package static func distance(_ first: String, _ second: String) -> Int {
    let a = Array(first), b = Array(second)
    var rows = [Array(0...b.count)]
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
        row.append(best)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
