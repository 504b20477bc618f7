package import MilvusWire

/// Which part of a collection is loaded, that is, readable.
package enum LoadedPart: Sendable, Equatable {
  case none
  /// On its way; look again.
  case loading
  case all
  /// Some partitions only, by name.
  case some([String])

  package var isReadable: Bool {
    switch self {
    case .all, .some: return true
    case .none, .loading: return false
    }
  }
}

/// Everything about one collection but its rows, as its server told it.
package struct CollectionState: Sendable, Equatable {
  package var path: CollectionPath
  package var description: CollectionDescription
  /// In the order of the server; internal names where the collection has a partition key.
  package var partitions: [String]
  package var indexes: [IndexDescription]
  /// From ListAliases: `DescribeCollection.aliases` may be stale (`public-rpc.md` §8.3 no. 19).
  package var aliases: [String]
  package var loaded: LoadedPart

  package init(
    path: CollectionPath, description: CollectionDescription, partitions: [String] = ["_default"],
    indexes: [IndexDescription] = [], aliases: [String] = [], loaded: LoadedPart = .none
  ) {
    self.path = path
    self.description = description
    self.partitions = partitions
    self.indexes = indexes
    self.aliases = aliases
    self.loaded = loaded
  }

  package var schema: CollectionSchema { description.schema }
  package var hasPartitionKey: Bool { schema.partitionKey != nil }
  /// What tells this collection from another one of the same name; both parts are 0 on Milvus Lite.
  package var identity: CollectionIdentity {
    CollectionIdentity(id: description.id, createdAt: description.createdAt)
  }
  /// Properties as the server tells them; the response's own list is the current one.
  package var properties: [KeyValuePair] {
    description.properties.isEmpty ? schema.properties : description.properties
  }
  package func index(onField name: String) -> IndexDescription? {
    indexes.first { $0.fieldName == name }
  }
}

/// Id and creation time of a collection. Milvus gives every collection new ones, Milvus Lite gives none.
package struct CollectionIdentity: Sendable, Hashable {
  package var id: Int64
  package var createdAt: TimeTick
  package init(id: Int64, createdAt: TimeTick) {
    self.id = id
    self.createdAt = createdAt
  }
  package static let unknown = CollectionIdentity(id: 0, createdAt: TimeTick(0))
  package var isKnown: Bool { id != 0 }
  /// True only where both are known and different: an unknown identity proves nothing.
  package func isOther(than other: CollectionIdentity) -> Bool {
    guard isKnown, other.isKnown else { return false }
    if id != other.id { return true }
    return createdAt.rawValue != 0 && other.createdAt.rawValue != 0 && createdAt != other.createdAt
  }
}
