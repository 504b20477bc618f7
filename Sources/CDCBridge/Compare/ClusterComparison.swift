internal import MilvusWire

/// Compares two clusters: schema, counts, and every row by an ordered merge in bounded memory (`design.md` §6). Read-only.
///
/// Rows that change while they are compared may show as different: compare when writing has stopped, or again. A collection or partition that
/// cannot be read makes the verdict `failed`, never `equal`; the others are compared all the same.
package struct ClusterComparison: Sendable {
  package struct Options: Sendable {
    package var pageBytes = 2 << 20
    package var clock: any Clock<Duration> = ContinuousClock()
    package init() {}
  }
  private let pair: ClusterPair
  private let selection: ObjectSelection
  private let options: Options

  package init(pair: ClusterPair, selection: ObjectSelection, options: Options = Options()) {
    (self.pair, self.selection, self.options) = (pair, selection, options)
  }

  /// Throws only where not even the lists of collections can be read.
  package func run(report: @escaping @Sendable (ComparisonProgress) -> Void) async throws(BridgeError) -> ComparisonReport {
    var result = ComparisonReport(source: pair.source.peer, target: pair.target.peer)
    let listing = try await SourceListingReader(
      reader: CatalogReader(cluster: pair.source, profile: pair.sourceProfile, side: .source), selection: selection
    ).read()
    let paths = listing.listing.collections.keys.sorted()
    for (number, path) in paths.enumerated() {
      let comparer = CollectionComparer(
        pair: pair, path: path, target: selection.target(of: path), options: options,
        report: { report($0.with(done: number, total: paths.count)) })
      do throws(BridgeError) {
        result.collections.append(try await comparer.run())
      } catch {
        // Nothing can be said about any other collection either when a whole cluster is away.
        if error.cause?.isConnectionLoss == true || Task.isCancelled { throw error }
        var failed = CollectionReport(source: path, target: selection.target(of: path))
        failed.failure = error.description
        result.collections.append(failed)
      }
    }
    for (path, why) in listing.absent.sorted(by: { $0.key < $1.key }) {
      var absent = CollectionReport(source: path, target: selection.target(of: path))
      absent.failure = why.statement
      result.collections.append(absent)
    }
    result.collections += try await extras(paths)
    return result
  }

  /// Collections that only the target has, where whole databases were selected.
  private func extras(_ sources: [CollectionPath]) async throws(BridgeError) -> [CollectionReport] {
    let wanted = Set(sources.map { selection.target(of: $0) })
    let reader = CatalogReader(cluster: pair.target, profile: pair.targetProfile, side: .target)
    var reports: [CollectionReport] = []
    for database in Set(wanted.map(\.database)).sorted() {
      // A database that holds collections under the names of others cannot tell which of the rest belong to the source.
      let isWhole = selection.patterns.contains { $0.collection == "*" && ($0.database == "*" || $0.database == database) }
      guard isWhole, selection.mappings.isEmpty, selection.excluded.isEmpty else { continue }
      for summary in try await reader.collections(database: database) ?? [] {
        let path = CollectionPath(database: database, name: summary.name)
        guard !wanted.contains(path) else { continue }
        var extra = CollectionReport(source: path, target: path)
        extra.schemaDifferences = ["the collection is on the target only"]
        reports.append(extra)
      }
    }
    return reports.sorted { $0.target < $1.target }
  }
}

extension ComparisonProgress {
  fileprivate func with(done: Int, total: Int) -> ComparisonProgress {
    var progress = self
    progress.collectionsDone = done
    progress.collectionsTotal = total
    return progress
  }
}
