package import MilvusWire

/// The names that a source showed, each from an answer that said so: what is not in it was not seen, not dropped, unless its database was.
package struct SourceListing: Sendable, Equatable {
  /// From ListDatabases.
  package var databases: [String]
  /// Databases whose collections were listed without an error.
  package var listed: Set<String>
  /// Collections that the task covers.
  package var collections: [CollectionPath: CollectionIdentity]
  package init(
    databases: [String], listed: Set<String>, collections: [CollectionPath: CollectionIdentity]
  ) {
    self.databases = databases
    self.listed = listed
    self.collections = collections
  }
  /// True where an answer of the source proves that there is no such collection.
  package func provesAbsence(of path: CollectionPath) -> Bool {
    guard collections[path] == nil else { return false }
    return listed.contains(path.database) || !databases.contains(path.database)
  }
}

/// What happens to names before collections are looked at one by one: dropped, renamed and moved collections, databases. Pure.
///
/// A rename is known by the collection id. A Lite source has no ids: there a renamed collection is a dropped one and a new one, and is
/// copied again. A collection that was renamed to a name outside the task counts as dropped: the task follows names.
package struct ClusterPlan: Sendable, Equatable {
  package enum Step: Sendable, Equatable {
    case createDatabase(String)
    /// The source dropped it. `forgetOnly`: the record goes, the target collection stays (it was adopted with rows).
    case drop(OwnedCollection, forgetOnly: Bool)
    /// The source renamed it; `to` is the new target name, `source` its new source name (nil: a way station, to let a swap pass).
    case rename(OwnedCollection, to: CollectionPath, source: CollectionPath?)
    /// Renamed on the source, same name on the target.
    case move(OwnedCollection, source: CollectionPath)
    /// The source dropped a database that the task had created on the target.
    case dropDatabase(String)
  }
  package var steps: [Step] = []
  package var notes: [String] = []
  /// Source collections that cannot be replicated whatever they are, e.g. two with one target name.
  package var conflicts: [CollectionPath: BridgeError] = [:]

  package struct Input: Sendable {
    package var listing: SourceListing
    package var selection: ObjectSelection
    package var records: [OwnedCollection]
    package var targetDatabases: [String]
    /// Databases of the target that the task created.
    package var ownedDatabases: Set<String>
    package var targetProfile: ServerProfile
    package var sourceProfile: ServerProfile
    package init(
      listing: SourceListing, selection: ObjectSelection, records: [OwnedCollection],
      targetDatabases: [String], ownedDatabases: Set<String>, sourceProfile: ServerProfile,
      targetProfile: ServerProfile
    ) {
      self.listing = listing
      self.selection = selection
      self.records = records
      self.targetDatabases = targetDatabases
      self.ownedDatabases = ownedDatabases
      self.sourceProfile = sourceProfile
      self.targetProfile = targetProfile
    }
  }

  package init(_ input: Input) {
    findConflicts(input)
    var renames: [(record: OwnedCollection, to: CollectionPath, source: CollectionPath)] = []
    let byID = Dictionary(
      input.listing.collections.filter { $0.value.isKnown }.map { ($0.value.id, $0.key) },
      uniquingKeysWith: { first, _ in first })
    for record in input.records.sorted(by: { $0.source < $1.source }) {
      if record.sourceIdentity.isKnown, let path = byID[record.sourceIdentity.id] {
        guard path != record.source, conflicts[path] == nil else { continue }
        if input.records.contains(where: { $0.source == path && $0.sourceIdentity.id == record.sourceIdentity.id }) {
          // Made a second time under its new name, whatever it was that kept it from being renamed: the old copy goes.
          steps.append(.drop(record, forgetOnly: record.isAdopted))
          continue
        }
        let target = input.selection.target(of: path)
        if target == record.target {
          steps.append(.move(record, source: path))
        } else if input.targetProfile.isLite, target.database != record.target.database {
          // Lite renames inside one database only (`public-rpc.md` §3.2): the collection is made and copied again.
          steps.append(.drop(record, forgetOnly: record.isAdopted))
        } else {
          renames.append((record, target, path))
        }
      } else if input.listing.provesAbsence(of: record.source)
        || isTaken(record, by: input.records, input.listing)
      {
        steps.append(.drop(record, forgetOnly: record.isAdopted))
        if record.isAdopted {
          notes.append(
            "collection \(record.target): dropped on the source, kept on the target because the task took it over and did not make it"
          )
        }
      }
    }
    addDatabases(input)
    orderRenames(renames, input)
    for database in input.ownedDatabases.sorted()
    where !input.listing.databases.contains(where: { Self.targetDatabase(of: $0, input) == database }) {
      steps.append(.dropDatabase(database))
    }
  }

  /// True where another collection of the task was renamed to this one's old name: then this one is gone, not made again.
  private func isTaken(
    _ record: OwnedCollection, by records: [OwnedCollection], _ listing: SourceListing
  ) -> Bool {
    guard record.sourceIdentity.isKnown, let now = listing.collections[record.source],
      record.sourceIdentity.isOther(than: now)
    else { return false }
    return records.contains { $0.source != record.source && $0.sourceIdentity.id == now.id }
  }

  /// Two source collections with one target name: neither is written, whichever was first.
  private mutating func findConflicts(_ input: Input) {
    var sources: [CollectionPath: [CollectionPath]] = [:]
    for path in input.listing.collections.keys {
      sources[input.selection.target(of: path), default: []].append(path)
    }
    for (target, paths) in sources where paths.count > 1 {
      for path in paths {
        conflicts[path] = BridgeError(
          .invalidInput, side: .local, operation: "map \(path)",
          message:
            "\(paths.sorted().map(\.description).joined(separator: " and ")) would both be \(target) on the target",
          hint: "Give one of them another name with name_mapping.")
      }
    }
  }

  /// Databases come first: everything else needs them.
  private mutating func addDatabases(_ input: Input) {
    var wanted: Set<String> = []
    for path in input.listing.collections.keys {
      wanted.insert(input.selection.target(of: path).database)
    }
    for database in input.listing.databases where input.selection.coversWhole(database: database) {
      wanted.insert(Self.targetDatabase(of: database, input))
    }
    let missing = wanted.subtracting(input.targetDatabases).subtracting(["default"]).sorted()
    if !input.targetProfile.hasDatabases {
      notes += missing.map { "database \($0): \(input.targetProfile.title) has no databases" }
    } else {
      steps = missing.map(Step.createDatabase) + steps
    }
  }

  /// A rename whose new name is still taken by another one waits for it; a ring of them is opened by a way station.
  private mutating func orderRenames(
    _ renames: [(record: OwnedCollection, to: CollectionPath, source: CollectionPath)], _ input: Input
  ) {
    var waiting = renames
    while !waiting.isEmpty {
      let taken = Set(waiting.map(\.record.target))
      let free = waiting.indices.filter { !taken.contains(waiting[$0].to) }
      for at in free {
        steps.append(.rename(waiting[at].record, to: waiting[at].to, source: waiting[at].source))
      }
      let moved = Set(free)
      waiting = waiting.indices.filter { !moved.contains($0) }.map { waiting[$0] }
      if free.isEmpty, let first = waiting.first {
        let station = CollectionPath(
          database: first.record.target.database,
          name: "cdc_bridge_moving_\(first.record.sourceIdentity.id)")
        steps.append(.rename(first.record, to: station, source: nil))
        waiting[0].record.target = station
      }
    }
  }

  private static func targetDatabase(of database: String, _ input: Input) -> String {
    input.selection.target(of: CollectionPath(database: database, name: "")).database
  }
}

extension ObjectSelection {
  /// True where the task covers every collection of a database, so that the database itself is replicated, also an empty one.
  package func coversWhole(database: String) -> Bool {
    func matches(_ pattern: Pattern) -> Bool {
      pattern.collection == "*" && (pattern.database == "*" || pattern.database == database)
    }
    return patterns.contains(where: matches) && !excluded.contains(where: matches)
  }
  /// True where the task may cover a collection of this database, so that its collections have to be listed.
  package func mayCover(database: String) -> Bool {
    patterns.contains { $0.database == "*" || $0.database == database }
  }
}
