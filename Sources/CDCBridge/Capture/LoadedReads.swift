internal import MilvusWire

/// Reads that count only if the collection is still loaded when they have been answered.
///
/// A server that releases a collection goes on answering queries for a while, with OK and the rows that it still has, mostly none: 2.3.5
/// gave 1,340 empty pages in 80 releases of a collection with rows, some of them 0.3 s after the question. Taken for an end of the
/// range such a page loses rows of the source, and doubles those of the target. The coordinator forgets that a collection is loaded before
/// the nodes let go of it, so GetLoadState, asked after the answer, said NotLoad in every one of these cases.
extension MilvusCluster {
  /// A page of rows; code 101 or 103 where it may lack some because the collection is being released or loaded anew.
  func queryLoaded(_ query: RowQuery, isLite: Bool) async throws(CallError) -> RowPage {
    let page = try await self.query(query)
    try await requireLoaded(query.path, partitions: query.partitions, isLite: isLite)
    return page
  }

  /// A number of rows; code 101 or 103 as with `queryLoaded`.
  func countLoaded(
    _ path: CollectionPath, expression: String = "", partitions: [String] = [], isLite: Bool
  ) async throws(CallError) -> Int64 {
    let rows = try await count(path, expression: expression, partitions: partitions)
    try await requireLoaded(path, partitions: partitions, isLite: isLite)
    return rows
  }

  /// Lite loads whole collections only.
  private func requireLoaded(_ path: CollectionPath, partitions: [String], isLite: Bool) async throws(CallError) {
    let state = try await loadState(path, partitions: isLite ? [] : partitions)
    let status: MilvusStatus
    switch state {
    case .loaded: return
    case .notExist: status = MilvusStatus(code: 100, reason: "\(path) went away while it was read")
    case .loading: status = MilvusStatus(code: 103, reason: "\(path) was loaded anew while it was read")
    case .notLoad: status = MilvusStatus(code: 101, reason: "\(path) was released while it was read")
    }
    throw .status(status, method: "GetLoadState")
  }
}
