package import MilvusWire

/// Whether two tasks would write the same collections (`task-api.md` §2.5). Pure.
///
/// Tasks are compared when they write to the same target. With the same source, names are compared as on the source and a wildcard may
/// leave out what others have. With different sources, the names on the target are compared and nothing may meet.
package struct TaskOverlap: Sendable {
  /// One end of a task as the rules see it: `localhost`, `127.0.0.1` and `[::1]` are one host, TLS or not.
  package struct Identity: Sendable, Hashable {
    private let authority: String
    package init(_ connection: ClusterConnection) {
      let host = connection.endpoint.host.lowercased()
      let isLoopback = ["localhost", "127.0.0.1", "::1"].contains(host)
      authority = "\(isLoopback ? "localhost" : host):\(connection.endpoint.port)"
    }
  }
  package enum Verdict: Sendable, Equatable {
    /// What the new task must leave out.
    case accepted(excluding: [ObjectSelection.Pattern])
    /// Full names, as the answer shows them.
    case duplicate([String])
  }

  package static func judge(_ new: TaskSpec, against existing: [TaskSpec]) -> Verdict {
    var excluded: [ObjectSelection.Pattern] = []
    var duplicates: [String] = []
    let (source, target) = (Identity(new.source), Identity(new.target))
    for other in existing where Identity(other.target) == target {
      for pattern in new.selection.patterns {
        if Identity(other.source) == source {
          for taken in other.selection.patterns {
            switch meeting(of: pattern, with: taken, excludedByTaken: other.selection.excluded) {
            case .none: break
            case .all: duplicates.append(name(of: pattern))
            case .part(let common): if !excluded.contains(common) { excluded.append(common) }
            }
          }
        }
        if meetsOnTarget(pattern, of: new, other, sameSource: Identity(other.source) == source) {
          duplicates.append(name(of: pattern))
        }
      }
    }
    var seen: Set<String> = []
    let names = duplicates.filter { seen.insert($0).inserted }
    return names.isEmpty ? .accepted(excluding: excluded) : .duplicate(names)
  }

  /// True where a task would write a collection onto itself.
  package static func copiesOntoItself(_ spec: TaskSpec) -> Bool {
    guard Identity(spec.source) == Identity(spec.target) else { return false }
    return spec.selection.patterns.contains { pattern in
      let image = targetPattern(of: pattern, in: spec.selection)
      return intersection(pattern, image) != nil
    }
  }

  private enum Meeting { case none, all, part(ObjectSelection.Pattern) }

  private static func meeting(
    of new: ObjectSelection.Pattern, with taken: ObjectSelection.Pattern,
    excludedByTaken: [ObjectSelection.Pattern]
  ) -> Meeting {
    guard let common = intersection(new, taken) else { return .none }
    if excludedByTaken.contains(where: { contains($0, common) }) { return .none }
    return common == new ? .all : .part(common)
  }

  /// Renamed collections of one source, and all collections of different sources, may meet under one name of the target.
  private static func meetsOnTarget(
    _ pattern: ObjectSelection.Pattern, of new: TaskSpec, _ other: TaskSpec, sameSource: Bool
  ) -> Bool {
    let image = targetPattern(of: pattern, in: new.selection)
    return other.selection.patterns.contains { taken in
      let otherImage = targetPattern(of: taken, in: other.selection)
      guard intersection(image, otherImage) != nil else { return false }
      if !sameSource { return true }
      // Within one source, wildcards are sorted out by source names; what is left are two exact collections with one new name.
      return isExact(pattern) && isExact(taken) && pattern != taken
    }
  }

  /// What a pattern is called on the target, as far as one pattern can say it; a wildcard with single renames keeps its own name.
  private static func targetPattern(
    of pattern: ObjectSelection.Pattern, in selection: ObjectSelection
  ) -> ObjectSelection.Pattern {
    if isExact(pattern) {
      let path = selection.target(of: CollectionPath(database: pattern.database, name: pattern.collection))
      return ObjectSelection.Pattern(database: path.database, collection: path.name)
    }
    guard pattern.database != "*",
      let mapping = selection.mappings.first(where: {
        $0.sourceDatabase == pattern.database && $0.collections.isEmpty
      })
    else { return pattern }
    return ObjectSelection.Pattern(database: mapping.targetDatabase, collection: pattern.collection)
  }

  private static func isExact(_ pattern: ObjectSelection.Pattern) -> Bool {
    pattern.database != "*" && pattern.collection != "*"
  }
  private static func contains(_ outer: ObjectSelection.Pattern, _ inner: ObjectSelection.Pattern) -> Bool {
    (outer.database == "*" || outer.database == inner.database)
      && (outer.collection == "*" || outer.collection == inner.collection)
  }
  private static func intersection(
    _ a: ObjectSelection.Pattern, _ b: ObjectSelection.Pattern
  ) -> ObjectSelection.Pattern? {
    guard let database = common(a.database, b.database), let collection = common(a.collection, b.collection)
    else { return nil }
    return ObjectSelection.Pattern(database: database, collection: collection)
  }
  private static func common(_ a: String, _ b: String) -> String? {
    a == "*" ? b : b == "*" || a == b ? a : nil
  }
  private static func name(of pattern: ObjectSelection.Pattern) -> String {
    "\(pattern.database).\(pattern.collection)"
  }
}
