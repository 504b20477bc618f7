internal import MilvusWire

/// Compares the rows of one unit: reads both sides in key order and counts what the merge finds.
struct RowComparison {
  let pair: ClusterPair
  let plan: RowPlan
  let path: CollectionPath
  let target: CollectionPath
  let partition: String?
  let readsSource: Bool
  let readsTarget: Bool
  let options: ClusterComparison.Options
  let report: @Sendable (ComparisonProgress) -> Void

  func run(_ tally: inout RowTally) async throws(BridgeError) {
    let operation = "compare \(path)"
    let unit = RowUnit(
      source: path, target: target, sourcePartition: partition, targetPartition: partition,
      sourceSchema: CollectionSchema(name: path.name), targetSchema: CollectionSchema(name: target.name), sourceID: 0)
    func patience(_ side: BridgeError.Side, _ profile: ServerProfile) -> Patience {
      Patience(side: side, isLite: profile.isLite, clock: options.clock, waits: { _ in })
    }
    let source = try await pair.consistency(
      of: .source, operation: operation, patience: patience(.source, pair.sourceProfile))
    let other = try await pair.consistency(
      of: .target, operation: operation, patience: patience(.target, pair.targetProfile))
    var scan = PairedScan(
      pair: pair, unit: unit, plan: plan, operation: operation, consistency: (source, other), pageBytes: options.pageBytes,
      startAfter: nil, clock: options.clock, waits: { _ in })
    if !readsSource { scan.skip(.source) }
    if !readsTarget { scan.skip(.target) }
    let begun = scan, before = tally
    let outcome: Result<RowTally, BridgeError> = await withTaskGroup(of: PairedScan.Answer.self) { group in
      var scan = begun, tally = before
      while true {
        while let stretch = scan.next() { count(stretch, &tally) }
        report(progress(tally))
        for request in scan.requests() { group.addTask { await request.perform() } }
        guard let answer = await group.next() else { return .success(tally) }
        do throws(BridgeError) { try scan.received(answer) } catch {
          group.cancelAll()
          return .failure(error)
        }
      }
    }
    tally = try outcome.get()
  }

  private func progress(_ tally: RowTally) -> ComparisonProgress {
    ComparisonProgress(
      collection: path, partition: partition, collectionsDone: 0, collectionsTotal: 0, rowsRead: tally.sourceRows,
      rowsTotal: tally.sourceCount)
  }

  private func count(_ stretch: MergedStretch, _ tally: inout RowTally) {
    tally.equal += Int64(stretch.equalCount)
    tally.missing += Int64(stretch.sourceOnly.count)
    tally.different += Int64(stretch.different.count)
    tally.extra += Int64(stretch.targetOnly.count)
    tally.sourceRows += Int64(stretch.page?.count ?? 0)
    tally.targetRows = tally.equal + tally.different + tally.extra
    if let page = stretch.page {
      RowTally.append(page.keys(stretch.sourceOnly.prefix(RowTally.sampleKeysMax)), to: &tally.missingKeys)
      RowTally.append(page.keys(stretch.different.prefix(RowTally.sampleKeysMax)), to: &tally.differentKeys)
    }
    RowTally.append(Array(stretch.targetOnly.prefix(RowTally.sampleKeysMax)), to: &tally.extraKeys)
  }
}

extension ScanPage {
  /// Keys of row numbers of the answer.
  fileprivate func keys(_ rows: ArraySlice<Int32>) -> [RowKey] { rows.map { columns.key.key(Int($0)) } }
}
