package import MilvusWire

/// What stands on the source at a point of its log: names by id, because a log names collections, partitions, fields and indexes by id, and
/// an older row may carry a name that is gone (`wal-protocol.md` §3.7, §8.3 no. 36). Pure.
///
/// Seeded from the live catalogue, advanced by the log, kept with the checkpoint. A change that is contained already changes nothing.
/// Identities are ids without a creation time: the same id lives for ever, and a log does not tell the time as a describe does.
package struct LogCatalog: Sendable, Equatable {
  package struct Database: Sendable, Equatable {
    package var id: Int64
    package var name: String
    package var properties: [KeyValuePair] = []
  }
  package struct Partition: Sendable, Equatable {
    package var id: Int64
    package var name: String
  }
  package struct Index: Sendable, Equatable {
    package var id: Int64
    /// 0: the seed did not tell; the name of the field does.
    package var fieldID: Int64
    package var description: IndexDescription
  }
  package struct Collection: Sendable, Equatable {
    package var id: Int64
    package var path: CollectionPath
    /// In public form (`LogSchema`), with field ids.
    package var schema: CollectionSchema
    package var properties: [KeyValuePair] = []
    package var vchannels: [String] = []
    package var shardsNum: Int32 = 0
    package var consistencyLevel: Int32 = 0
    package var partitions: [Partition] = []
    package var indexes: [Index] = []
    package var aliases: [String] = []
    /// Ids of partitions; nil: the collection is not loaded.
    package var loaded: Set<Int64>?
    /// Rows of a vchannel before this tick are gone, although a channel that is read again may show them.
    package var truncatedAt: [String: TimeTick] = [:]
  }

  package internal(set) var databases: [Int64: Database] = [:]
  package internal(set) var collections: [Int64: Collection] = [:]

  package init() {}

  /// The collection as the planners know one.
  package func state(of id: Int64) -> CollectionState? {
    guard let collection = collections[id] else { return nil }
    var description = CollectionDescription(schema: collection.schema)
    description.id = id
    description.name = collection.path.name
    description.dbName = collection.path.database
    description.shardsNum = collection.shardsNum
    description.consistencyLevel = collection.consistencyLevel
    description.properties = collection.properties
    description.virtualChannelNames = collection.vchannels
    description.numPartitions = Int64(collection.partitions.count)
    var state = CollectionState(
      path: collection.path, description: description, partitions: collection.partitions.map(\.name),
      indexes: collection.indexes.map(\.description), aliases: collection.aliases.sorted())
    if let loaded = collection.loaded {
      let names = collection.partitions.filter { loaded.contains($0.id) }.map(\.name)
      state.loaded = names.count == collection.partitions.count ? .all : .some(names)
    }
    return state
  }

  /// The names that a task covers.
  package func listing(_ selection: ObjectSelection) -> SourceListing {
    let names = databases.values.map(\.name)
    var listing = SourceListing(databases: names, listed: Set(names), collections: [:])
    for (id, collection) in collections where selection.covers(collection.path) {
      listing.collections[collection.path] = CollectionIdentity(id: id, createdAt: TimeTick(0))
    }
    return listing
  }

  package func id(of path: CollectionPath) -> Int64? { collections.first { $0.value.path == path }?.key }

  /// Why the name is no collection; an alias is known by the collection that has it.
  func absence(of path: CollectionPath) -> SourceAbsence {
    let holder = collections.values.first { $0.path.database == path.database && $0.aliases.contains(path.name) }
    return holder.map { .alias(of: $0.path.name) } ?? .missing
  }

  /// The partition's name; nil where it is none of the collection's (any more).
  package func partition(_ id: Int64, of collection: Int64) -> String? {
    collections[collection]?.partitions.first { $0.id == id }?.name
  }

  func databaseName(_ id: Int64, _ said: String) -> String? {
    if !said.isEmpty { return said }
    if let known = databases[id] { return known.name }
    // Bodies may leave the name of `default` out.
    return id == 0 || id == 1 ? "default" : nil
  }
}
