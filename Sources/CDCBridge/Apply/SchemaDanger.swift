internal import MilvusWire

/// Arguments of schema calls that harm a real server or mean "everything" to it (`public-rpc.md` §7.2 end, §8.1, §8.2). Pure.
enum SchemaDanger {
  /// Why the step must not be sent; nil: it may.
  static func reason(in action: SchemaAction, profile: ServerProfile) -> String? {
    switch action {
    case .createDatabase(let name, _), .alterDatabase(let name, _, _): return empty(name, "database")
    case .dropDatabase(let name):
      return name == "default" ? "the database `default` is never dropped" : empty(name, "database")
    case .createCollection(let creation):
      if let reason = empty(creation.path) { return reason }
      if creation.schema.name != creation.path.name {
        return "the schema names another collection than the request"
      }
      let dangers = FeatureGate(profile).dangers(of: creation.schema)
      return dangers.isEmpty ? nil : dangers.joined(separator: "; ")
    case .dropCollection(let path, _), .alterCollection(let path, _, _), .alterField(let path, _, _),
      .addField(let path, _), .load(let path, nil), .release(let path):
      return empty(path)
    case .renameCollection(let path, let new, _):
      if profile.isLite, path.database != new.database {
        return "Milvus Lite ignores the new database of a rename"
      }
      return empty(path) ?? empty(new)
    case .createPartition(let path, let name), .dropPartition(let path, let name):
      if name == "_default" { return "the default partition is the server's own" }
      return empty(path) ?? empty(name, "partition")
    case .createIndex(let path, let index, _):
      return empty(path) ?? empty(index.fieldName, "field") ?? empty(index.indexName, "index")
    case .dropIndex(let path, let field, let name):
      return empty(path) ?? empty(field, "field") ?? empty(name, "index")
    case .load(let path, let names?), .releasePartitions(let path, let names):
      if names.isEmpty || names.contains("") { return "an empty list or name of partitions" }
      return empty(path)
    case .setAlias(let alias, let path, _): return empty(path) ?? empty(alias, "alias")
    case .dropAlias(let database, let alias): return empty(database, "database") ?? empty(alias, "alias")
    }
  }

  /// On Lite an empty name addresses `default` or everything.
  private static func empty(_ name: String, _ what: String) -> String? {
    name.isEmpty ? "the name of the \(what) is empty" : nil
  }
  private static func empty(_ path: CollectionPath) -> String? { empty(path.name, "collection") }
}
