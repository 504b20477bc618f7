package import MilvusWire

/// Which index a target shall have for an index of the source, and how the two are told apart. Pure (`public-rpc.md` §3.5).
package struct IndexPlan: Sendable {
  package var targetProfile: ServerProfile
  package var sourceIsLite: Bool
  package init(targetProfile: ServerProfile, sourceIsLite: Bool = false) {
    self.targetProfile = targetProfile
    self.sourceIsLite = sourceIsLite
  }

  /// What to create for one index of the source.
  package enum Wanted: Sendable, Equatable {
    /// `standIn` for the case that the target refuses it; `note` says what differs from the source.
    case index(IndexDescription, standIn: IndexDescription?, note: String?)
    case none(note: String)
  }

  /// The name of an index that the source does not have: without one Milvus cannot load the collection, and what is not loaded cannot be compared.
  package static let helperName = "cdc_bridge_helper"

  package func wanted(for index: IndexDescription, field: FieldSchema) -> Wanted {
    let shape = IndexShape(index)
    return field.dataType.isVector
      ? vector(index, shape, field) : scalar(index, shape, field)
  }

  private func vector(_ index: IndexDescription, _ shape: IndexShape, _ field: FieldSchema) -> Wanted {
    var wanted = IndexDescription(fieldName: index.fieldName, indexName: index.indexName)
    wanted.params = spelledOut(shape).pairs
    let standIn = standIn(for: field, metric: shape.metric, name: index.indexName)
    let metricIsKnown = !targetProfile.isLite || Self.liteMetrics.contains(shape.metric)
    guard metricIsKnown else {
      return .none(
        note:
          "index \(index.indexName) on \(field.name): metric \(shape.metric) is not known to \(targetProfile.title)"
      )
    }
    if knows(vectorType: shape.type) { return .index(wanted, standIn: standIn, note: nil) }
    let note =
      "index \(index.indexName) on \(field.name): \(shape.type) is not known to \(targetProfile.title)"
    guard let standIn else { return .none(note: note) }
    return .index(
      standIn, standIn: nil, note: "\(note), \(IndexShape(standIn).type) stands in for it")
  }

  /// Lite builds with values of its own where none are given; Milvus insists on some (2.3) or has other ones (2.5 and newer). So what Lite
  /// means is said.
  private func spelledOut(_ shape: IndexShape) -> IndexShape {
    guard sourceIsLite, !targetProfile.isLite else { return shape }
    var shape = shape
    for (key, value) in Self.liteDefaults[shape.type] ?? [:] where shape.parameters[key] == nil {
      shape.parameters[key] = value
    }
    return shape
  }

  private func scalar(_ index: IndexDescription, _ shape: IndexShape, _ field: FieldSchema) -> Wanted {
    let note =
      "index \(index.indexName) on \(field.name): \(shape.type.isEmpty ? "the default type" : shape.type) on \(field.dataType.title) is not known to \(targetProfile.title)"
    if targetProfile.isLite {
      guard shape.type == "INVERTED", Self.liteScalars.contains(field.dataType), shape.path.isEmpty
      else { return .none(note: note) }
    } else if !targetProfile.isAtLeast(2, 4) {
      guard ["", "STL_SORT", "TRIE", "MARISA-TRIE"].contains(shape.type), shape.path.isEmpty else {
        return .none(note: note)
      }
    }
    var wanted = IndexDescription(fieldName: index.fieldName, indexName: index.indexName)
    // Scalar type names are case-sensitive on some servers (`Trie`): the source's own spelling is kept.
    wanted.params = shape.pairs.map { pair in
      pair.key == "index_type"
        ? KeyValuePair("index_type", index.params["index_type"] ?? pair.value) : pair
    }
    return .index(wanted, standIn: nil, note: nil)
  }

  /// The plainest index that makes a vector field loadable; nil for types that have none.
  package func standIn(for field: FieldSchema, metric: String, name: String) -> IndexDescription? {
    var index = IndexDescription(fieldName: field.name, indexName: name)
    switch field.dataType {
    case .floatVector, .float16Vector, .bfloat16Vector, .int8Vector:
      index.params = [
        KeyValuePair("index_type", "FLAT"), KeyValuePair("metric_type", metric.isEmpty ? "L2" : metric),
      ]
    case .binaryVector:
      index.params = [
        KeyValuePair("index_type", "BIN_FLAT"),
        KeyValuePair("metric_type", metric.isEmpty ? "HAMMING" : metric),
      ]
    case .sparseFloatVector:
      index.params = [
        KeyValuePair("index_type", "SPARSE_INVERTED_INDEX"),
        KeyValuePair("metric_type", metric.isEmpty ? "IP" : metric),
      ]
    default: return nil
    }
    return index
  }

  /// True where two servers mean the same index. Names are compared only where both keep them.
  package func isSame(_ wanted: IndexDescription, _ found: IndexDescription, comparesNames: Bool) -> Bool {
    if comparesNames, wanted.indexName != found.indexName { return false }
    return IndexShape(wanted) == IndexShape(found)
  }

  private func knows(vectorType type: String) -> Bool {
    if targetProfile.isLite { return Self.liteVectorTypes.contains(type) }
    // Only Lite has this one.
    if type == "BRUTE_FORCE" || type == "HNSW_SQ" && !targetProfile.isAtLeast(2, 5) { return false }
    if !targetProfile.isAtLeast(2, 4) { return Self.vectorTypesBefore24.contains(type) }
    // A newer server's list is its own; what it refuses is replaced by the stand-in.
    return true
  }

  /// Milvus Lite 3.2.2.
  private static let liteDefaults: [String: [String: String]] = [
    "HNSW": ["M": "16", "efConstruction": "200"], "HNSW_SQ": ["M": "16", "efConstruction": "200"],
    "IVF_FLAT": ["nlist": "128"], "IVF_SQ8": ["nlist": "128"],
  ]
  private static let liteMetrics: Set<String> = ["COSINE", "L2", "IP", "BM25"]
  /// What Milvus Lite 3.2.2 builds; other names it takes at CreateIndex and fails on at load.
  private static let liteVectorTypes: Set<String> = [
    "AUTOINDEX", "BRUTE_FORCE", "FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8",
    "SPARSE_INVERTED_INDEX",
  ]
  private static let liteScalars: Set<DataType> = [
    .bool, .int8, .int16, .int32, .int64, .float, .double, .varChar, .timestamptz,
  ]
  private static let vectorTypesBefore24: Set<String> = [
    "", "AUTOINDEX", "FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "HNSW", "DISKANN", "SCANN", "BIN_FLAT",
    "BIN_IVF_FLAT", "GPU_IVF_FLAT", "GPU_IVF_PQ", "GPU_CAGRA", "GPU_BRUTE_FORCE",
  ]
}
