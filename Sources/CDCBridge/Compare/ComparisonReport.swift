package import MilvusWire

/// What a comparison of two clusters found. Nothing in it changes either of them.
package struct ComparisonReport: Sendable, Equatable {
  package enum Verdict: String, Sendable, Equatable, CaseIterable {
    case equal, different
    /// Something could not be compared; what could be may be equal or not.
    case failed
  }
  package var source: String
  package var target: String
  package var collections: [CollectionReport] = []
  package init(source: String, target: String) {
    self.source = source
    self.target = target
  }

  /// A failure outweighs a difference: whoever asks must not take a half look for a whole one.
  package var verdict: Verdict {
    let verdicts = collections.map(\.verdict)
    return verdicts.contains(.failed) ? .failed : verdicts.contains(.different) ? .different : .equal
  }
}

/// One collection of the source and what stands for it on the target.
package struct CollectionReport: Sendable, Equatable {
  package var source: CollectionPath
  package var target: CollectionPath
  /// Schema, partitions, indexes, aliases, properties: what the target would need to be equal, one line each.
  package var schemaDifferences: [String] = []
  /// What the target's kind of server cannot keep, and what is no difference but worth knowing.
  package var notes: [String] = []
  package var units: [UnitReport] = []
  /// Why the rows, or all of it, could not be compared.
  package var failure: String?
  package init(source: CollectionPath, target: CollectionPath) {
    self.source = source
    self.target = target
  }

  package var verdict: ComparisonReport.Verdict {
    if failure != nil || units.contains(where: { $0.failure != nil }) { return .failed }
    return schemaDifferences.isEmpty && units.allSatisfy(\.isEqual) ? .equal : .different
  }
  /// All units together.
  package var rows: RowTally {
    units.reduce(into: RowTally()) { $0.add($1.rows) }
  }
}

/// The rows of a whole collection, or of one partition.
package struct UnitReport: Sendable, Equatable {
  /// nil: the whole collection.
  package var partition: String?
  package var rows = RowTally()
  package var failure: String?
  package init(partition: String?) { self.partition = partition }
  package var isEqual: Bool { failure == nil && rows.isEqual }
}

/// What a merge of two sides counted. Rows are distinct keys, found by reading them; `count(*)` counts repeats as well.
package struct RowTally: Sendable, Equatable {
  package var sourceRows: Int64 = 0
  package var targetRows: Int64 = 0
  package var equal: Int64 = 0
  package var missing: Int64 = 0
  package var extra: Int64 = 0
  package var different: Int64 = 0
  /// nil: not asked, or not told for a part of a collection (Lite).
  package var sourceCount: Int64?
  package var targetCount: Int64?
  package var missingKeys: [RowKey] = []
  package var extraKeys: [RowKey] = []
  package var differentKeys: [RowKey] = []
  package init() {}

  package var isEqual: Bool { missing == 0 && extra == 0 && different == 0 }
  /// Rows that stand beside another row of the same key: `count(*)` less what was read. A row that no query returns counts too.
  package var sourceRepeats: Int64? { sourceCount.map { max(0, $0 - sourceRows) } }
  package var targetRepeats: Int64? { targetCount.map { max(0, $0 - targetRows) } }

  /// Keys kept as a sample of each kind.
  package static let sampleKeysMax = 10

  package mutating func add(_ other: RowTally) {
    sourceRows += other.sourceRows
    targetRows += other.targetRows
    equal += other.equal
    missing += other.missing
    extra += other.extra
    different += other.different
    sourceCount = Self.sum(sourceCount, other.sourceCount)
    targetCount = Self.sum(targetCount, other.targetCount)
    Self.append(other.missingKeys, to: &missingKeys)
    Self.append(other.extraKeys, to: &extraKeys)
    Self.append(other.differentKeys, to: &differentKeys)
  }
  private static func sum(_ a: Int64?, _ b: Int64?) -> Int64? { a.flatMap { x in b.map { x + $0 } } ?? a ?? b }
  static func append(_ keys: [RowKey], to sample: inout [RowKey]) {
    sample += keys.prefix(max(0, sampleKeysMax - sample.count))
  }
}

/// Where a comparison stands.
package struct ComparisonProgress: Sendable, Equatable {
  package var collection: CollectionPath
  package var partition: String?
  /// Collections done, and all of them.
  package var collectionsDone: Int
  package var collectionsTotal: Int
  /// Source rows read of this unit, and its `count(*)` where it was told.
  package var rowsRead: Int64
  package var rowsTotal: Int64?
}
