internal import MilvusWire

/// Lists the names that a task covers on its source. Read-only; every name comes from an answer that said so.
struct SourceListingReader: Sendable {
  struct Reading: Sendable {
    var listing: SourceListing
    /// Collections asked for by name that are not there.
    var absent: [CollectionPath: SourceAbsence]
    var notes: [String]
  }
  let reader: CatalogReader
  let selection: ObjectSelection

  func read() async throws(BridgeError) -> Reading {
    let databases = try await reader.databases()
    var listing = SourceListing(databases: databases, listed: [], collections: [:])
    for database in databases.sorted() where selection.mayCover(database: database) {
      // nil: dropped between the two calls; the next look sees it missing from the list of databases.
      guard let summaries = try await reader.collections(database: database) else { continue }
      listing.listed.insert(database)
      for summary in summaries {
        let path = CollectionPath(database: database, name: summary.name)
        guard selection.covers(path) else { continue }
        listing.collections[path] = CollectionIdentity(id: summary.id, createdAt: summary.createdAt)
      }
    }
    var reading = Reading(listing: listing, absent: [:], notes: [])
    for pattern in selection.patterns where pattern.collection != "*" && pattern.database != "*" {
      let path = CollectionPath(database: pattern.database, name: pattern.collection)
      guard listing.collections[path] == nil, selection.covers(path) else { continue }
      if let real = try await collection(behind: path) {
        reading.absent[path] = .alias(of: real)
        reading.notes.append("\(path): an alias of \(real), not a collection")
      } else {
        reading.absent[path] = .missing
      }
    }
    return reading
  }

  /// The collection that the name is an alias of; nil where it is none.
  private func collection(behind path: CollectionPath) async throws(BridgeError) -> String? {
    do {
      return try await reader.cluster.describeAlias(database: path.database, alias: path.name)
    } catch {
      if error.isConnectionLoss {
        throw BridgeError(error, side: reader.side, operation: "look up \(path)")
      }
      return nil
    }
  }
}
