internal import MilvusWire

/// Visits collections side by side and brings back, for each, what was found and what is to be done.
struct CollectionVisitor: Sendable {
  struct Visited: Sendable {
    var path: CollectionPath
    var result: CollectionVisit.Result
    /// nil: it is gone, or could not be read.
    var source: CollectionState?
    var visit: CollectionVisit?
    var isCopied = false
    var watermarkUnixMs: Int64?
    /// The source's `count(*)`, asked for while the first copy has not ended.
    var rowsTotal: Int64?

    /// True where schema, indexes and load state are in order, so that aliases may follow.
    var wasAligned: Bool {
      switch result {
      case .rows, .waiting: return true
      case .heldBack, .gone, .failed: return false
      }
    }
  }

  let pair: ClusterPair
  let spec: TaskSpec
  let keeper: CheckpointKeeper
  let applier: SchemaApplier
  let reader: CatalogReader
  let isInitialised: Bool

  /// `conflict`: why the collection cannot be replicated whatever it is.
  func visit(_ path: CollectionPath, conflict: BridgeError?) async -> Visited {
    if let conflict { return Visited(path: path, result: .failed(conflict)) }
    let state: CollectionState
    do {
      guard let found = try await reader.state(of: path) else { return Visited(path: path, result: .gone) }
      state = found
    } catch {
      return Visited(path: path, result: .failed(error))
    }
    let visit = CollectionVisit(
      pair: pair, spec: spec, keeper: keeper, applier: applier, source: state,
      isInitialised: isInitialised)
    var visited = Visited(path: path, result: await visit.run(), source: state, visit: visit)
    let record = await keeper.current[target: spec.selection.target(of: path)]
    visited.isCopied = record?.isCopied ?? false
    visited.watermarkUnixMs = record?.watermarkUnixMs
    if case .rows = visited.result, !visited.isCopied {
      visited.rowsTotal = try? await pair.source.count(path, expression: "", partitions: [])
    }
    return visited
  }
}

/// Runs a few asynchronous jobs at a time.
enum Bounded {
  /// The results in the order of `items`; at most `limit` bodies run at once.
  static func map<Item: Sendable, Output: Sendable>(
    _ items: [Item], limit: Int, _ body: @escaping @Sendable (Item) async -> Output
  ) async -> [Output] {
    await withTaskGroup(of: (Int, Output).self) { group in
      var outputs: [Int: Output] = [:]
      var next = 0
      func start() {
        guard next < items.count else { return }
        let at = next
        next += 1
        group.addTask { (at, await body(items[at])) }
      }
      for _ in 0..<min(limit, items.count) { start() }
      while let (at, output) = await group.next() {
        outputs[at] = output
        start()
      }
      return items.indices.compactMap { outputs[$0] }
    }
  }
}
