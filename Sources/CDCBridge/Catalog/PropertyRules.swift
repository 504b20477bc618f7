package import MilvusWire

/// Which collection and database properties belong to the data and are replicated, and which belong to a server (`public-rpc.md` §3.1, §3.2).
package enum PropertyRules {
  private static let collectionKeys: Set<String> = [
    "collection.ttl.seconds", "collection.description", "collection.autocompaction.enabled",
    "mmap.enabled", "partitionkey.isolation", "dynamicfield.enabled", "timezone",
    "allow_insert_auto_id", "collection.function.allowInsertNonBM25FunctionOutputs",
    "consistency_level", "query_mode",
  ]
  private static let databaseKeys: Set<String> = ["timezone"]

  package static func isReplicated(_ key: String) -> Bool {
    collectionKeys.contains(key) || key.hasPrefix("warmup.")
  }

  /// The pairs to replicate, the last one of a repeated key, and the keys that stay behind.
  package static func split(_ properties: [KeyValuePair]) -> (replicated: [KeyValuePair], left: [String]) {
    split(properties, isReplicated)
  }
  package static func splitOfDatabase(
    _ properties: [KeyValuePair]
  ) -> (replicated: [KeyValuePair], left: [String]) {
    split(properties, databaseKeys.contains)
  }

  private static func split(
    _ properties: [KeyValuePair], _ isReplicated: (String) -> Bool
  ) -> (replicated: [KeyValuePair], left: [String]) {
    var replicated: [KeyValuePair] = []
    var left: [String] = []
    for pair in properties {
      if isReplicated(pair.key) {
        replicated.removeAll { $0.key == pair.key }
        replicated.append(pair)
      } else if !left.contains(pair.key) {
        left.append(pair.key)
      }
    }
    return (replicated, left)
  }
}
