internal import MilvusWire

/// Reads the same range of rows on two clusters at once and merges it: one page is read ahead on either side. The owner starts what
/// `requests` asks for and hands back what came of it.
struct PairedScan: Sendable {
  struct Request: Sendable {
    let side: RowMerge.Side
    let query: RowQuery
    fileprivate let mark: UInt64
    fileprivate let fields: [FieldSchema]
    fileprivate let key: String
    fileprivate let cluster: any MilvusCluster
    fileprivate let patience: Patience

    /// The answer, read into columns, and how long it took; runs outside of the merge.
    func perform() async -> Answer {
      var result: Result<RowColumns, ReadFailure> = .failure(.call(.malformed(method: "Query", what: "no answer")))
      let took = await Self.measure(patience.clock) { result = await ask() }
      return Answer(side: side, mark: mark, result: result, took: took)
    }

    private static func measure<C: Clock<Duration>>(_ clock: C, _ body: () async -> Void) async -> Duration {
      let start = clock.now
      await body()
      return start.duration(to: clock.now)
    }

    private func ask() async -> Result<RowColumns, ReadFailure> {
      let query = query
      do throws(CallError) {
        let page = try await patience.call { () async throws(CallError) in
          try await cluster.queryLoaded(query, isLite: patience.isLite)
        }
        return Result { () throws(ColumnError) in try RowColumns.parse(page, fields: fields, key: key) }
          .mapError(ReadFailure.column)
      } catch {
        return .failure(.call(error))
      }
    }
  }

  struct Answer: Sendable {
    let side: RowMerge.Side
    /// From when it was asked for (`RowPassGate.mark`).
    let mark: UInt64
    let result: Result<RowColumns, ReadFailure>
    let took: Duration
  }

  private let pair: ClusterPair
  private let plan: RowPlan
  private let operation: String
  private let patience: (source: Patience, target: Patience)
  private var source: OrderedScan
  private var target: OrderedScan
  private var reading: Set<RowMerge.Side> = []
  private var merge = RowMerge()
  /// Of the pages in the merge, per side.
  private var marks: [RowMerge.Side: [UInt64]] = [:]

  /// `waits` hears of rate limits on either side.
  init(
    pair: ClusterPair, unit: RowUnit, plan: RowPlan, operation: String, consistency: (source: ReadConsistency, target: ReadConsistency),
    pageBytes: Int, startAfter: RowKey?, clock: any Clock<Duration>,
    waits: @escaping @Sendable (RowPassReport.Waiting?) -> Void
  ) {
    self.pair = pair
    self.plan = plan
    self.operation = operation
    func scan(_ path: CollectionPath, _ partition: String?, _ consistency: ReadConsistency) -> OrderedScan {
      OrderedScan(
        path: path, partition: partition, key: plan.key, outputFields: plan.outputFields, consistency: consistency,
        pageBytes: pageBytes, estimatedRowBytes: plan.estimatedRowBytes, startAfter: startAfter)
    }
    source = scan(unit.source, unit.sourcePartition, consistency.source)
    target = scan(unit.target, unit.targetPartition, consistency.target)
    patience = (
      Patience(side: .source, isLite: pair.sourceProfile.isLite, clock: clock, waits: waits),
      Patience(side: .target, isLite: pair.targetProfile.isLite, clock: clock, waits: waits)
    )
  }

  var isFinished: Bool { merge.isFinished && reading.isEmpty }
  var isMerged: Bool { merge.isFinished }
  var isReading: Bool { !reading.isEmpty }

  /// A side that is known to have no rows is not read at all.
  mutating func skip(_ side: RowMerge.Side) { merge.receive(nil, from: side) }

  /// Pages to ask for now; none where enough is on its way. `mark` is asked for once per page.
  mutating func requests(mark: () -> UInt64 = { 0 }) -> [Request] {
    RowMerge.Side.allCases.filter { side in
      let scan = side == .source ? source : target
      return !reading.contains(side) && merge.wantsPage(side, readsAhead: scan.readsAhead)
    }.map { side in
      reading.insert(side)
      return Request(
        side: side, query: side == .source ? source.nextQuery : target.nextQuery, mark: mark(),
        fields: side == .source ? plan.sourceFields : plan.targetFields, key: plan.key.name,
        cluster: side == .source ? pair.source : pair.target,
        patience: side == .source ? patience.source : patience.target)
    }
  }

  mutating func next() -> MergedStretch? { merge.next() }

  /// The mark of the oldest page that the next stretch may come from; nil where there is none.
  var oldestMark: UInt64? {
    RowMerge.Side.allCases.compactMap { side in
      (marks[side] ?? []).suffix(merge.pageCount(side)).first
    }.min()
  }

  mutating func received(_ answer: Answer) throws(BridgeError) {
    let side = answer.side
    reading.remove(side)
    var scan = side == .source ? source : target
    let name: BridgeError.Side = side == .source ? .source : .target
    do throws(ReadFailure) {
      let page = try Self.take(try answer.result.get(), &scan, took: answer.took)
      merge.receive(page, from: side)
      if page != nil { marks[side] = (marks[side] ?? []).suffix(2) + [answer.mark] }
      if scan.isEnded, page != nil { merge.receive(nil, from: side) }
    } catch {
      guard case .call(let cause) = error, cause.saysAnswerTooLarge else {
        throw error.bridgeError(side: name, operation: operation)
      }
      if !scan.answerWasTooLarge() {
        throw BridgeError(
          .sourceUnreadable, side: name, operation: operation, message: "one row is larger than the server sends in an answer",
          cause: cause)
      }
    }
    if side == .source { source = scan } else { target = scan }
  }

  private static func take(_ columns: RowColumns, _ scan: inout OrderedScan, took: Duration) throws(ReadFailure) -> ScanPage? {
    do throws(ColumnError) { return try scan.received(columns, took: took) } catch { throw .column(error) }
  }
}

extension ClusterPair {
  /// How every page of a pass is read: at one time where the server has a clock, 2–4 ms a page instead of a time tick
  /// (`public-rpc.md` §6.3). Taken after all earlier writes were confirmed, it shows them.
  func consistency(of side: RowMerge.Side, operation: String, patience: Patience) async throws(BridgeError) -> ReadConsistency {
    let (cluster, profile) = side == .source ? (source, sourceProfile) : (target, targetProfile)
    guard profile.hasAllocTimestamp else { return .strong }
    do {
      return .at(try await patience.call { () async throws(CallError) in try await cluster.allocTimestamp() })
    } catch {
      if error.isUnimplemented { return .strong }
      throw BridgeError(error, side: side == .source ? .source : .target, operation: operation)
    }
  }
}
