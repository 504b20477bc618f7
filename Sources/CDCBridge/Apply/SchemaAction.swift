package import MilvusWire

/// One step that makes a target equal to its source in everything but rows. Pure data: `SchemaApplier` performs it.
///
/// Every step may be repeated: it says what shall be, and the applier looks before and after it acts (`public-rpc.md` §3).
package enum SchemaAction: Sendable, Equatable {
  case createDatabase(String, properties: [KeyValuePair])
  case alterDatabase(String, set: [KeyValuePair], delete: [String])
  case dropDatabase(String)

  case createCollection(CollectionCreation)
  /// `identity` is the one the task knows; another collection that has taken the name meanwhile is left alone.
  case dropCollection(CollectionPath, identity: CollectionIdentity)
  case renameCollection(CollectionPath, to: CollectionPath, identity: CollectionIdentity)
  case alterCollection(CollectionPath, set: [KeyValuePair], delete: [String])
  case alterField(CollectionPath, field: String, set: [KeyValuePair])
  case addField(CollectionPath, FieldSchema)

  case createPartition(CollectionPath, String)
  case dropPartition(CollectionPath, String)

  /// `standIn` is tried where the target refuses the index, so that the collection can still be loaded.
  case createIndex(CollectionPath, IndexDescription, standIn: IndexDescription?)
  case dropIndex(CollectionPath, field: String, name: String)

  /// nil: the whole collection. Ends when the target says Loaded.
  case load(CollectionPath, partitions: [String]?)
  case release(CollectionPath)
  case releasePartitions(CollectionPath, [String])

  /// `movableFrom`: the collections of the task, from which the alias may be taken away; an alias of anybody else stays.
  case setAlias(String, CollectionPath, movableFrom: Set<String>)
  case dropAlias(database: String, alias: String)
}

extension SchemaAction: CustomStringConvertible {
  /// For `dry_run`, for messages and for tests: what is done, to what.
  package var description: String {
    switch self {
    case .createDatabase(let name, _): return "create database \(name)"
    case .alterDatabase(let name, let set, let delete):
      return "alter database \(name): \(Self.keys(set, delete))"
    case .dropDatabase(let name): return "drop database \(name)"
    case .createCollection(let creation): return "create collection \(creation.path)"
    case .dropCollection(let path, _): return "drop collection \(path)"
    case .renameCollection(let path, let new, _): return "rename collection \(path) to \(new)"
    case .alterCollection(let path, let set, let delete):
      return "alter collection \(path): \(Self.keys(set, delete))"
    case .alterField(let path, let field, let set):
      return "alter field \(field) of \(path): \(Self.keys(set, []))"
    case .addField(let path, let field): return "add field \(field.name) to \(path)"
    case .createPartition(let path, let name): return "create partition \(name) of \(path)"
    case .dropPartition(let path, let name): return "drop partition \(name) of \(path)"
    case .createIndex(let path, let index, _):
      return
        "create index \(index.indexName) on \(index.fieldName) of \(path): \(IndexShape(index))"
    case .dropIndex(let path, let field, let name):
      return "drop index \(name) on \(field) of \(path)"
    case .load(let path, nil): return "load \(path)"
    case .load(let path, let partitions?):
      return "load partitions \(partitions.joined(separator: ", ")) of \(path)"
    case .release(let path): return "release \(path)"
    case .releasePartitions(let path, let names):
      return "release partitions \(names.joined(separator: ", ")) of \(path)"
    case .setAlias(let alias, let path, _): return "point alias \(alias) to \(path)"
    case .dropAlias(let database, let alias): return "drop alias \(database).\(alias)"
    }
  }

  /// Keys only: values of properties may be anything.
  private static func keys(_ set: [KeyValuePair], _ delete: [String]) -> String {
    (set.map { "set \($0.key)" } + delete.map { "delete \($0)" }).joined(separator: ", ")
  }

  /// True for what follows load state only: it changes no schema, so `ddl: ignore` and `stop` do not hold it back.
  package var isLoadOnly: Bool {
    switch self {
    case .load, .release, .releasePartitions: return true
    case .createDatabase, .alterDatabase, .dropDatabase, .createCollection, .dropCollection,
      .renameCollection, .alterCollection, .alterField, .addField, .createPartition, .dropPartition,
      .createIndex, .dropIndex, .setAlias, .dropAlias:
      return false
    }
  }
}
