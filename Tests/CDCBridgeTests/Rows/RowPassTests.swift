import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Whole passes between two fake clusters.
@Suite struct RowPassTests {
  @Test(arguments: RowScenario.Direction.allCases, RowScenario.Keys.allCases)
  func `an empty target becomes equal, and the next pass finds nothing to do`(
    direction: RowScenario.Direction, keys: RowScenario.Keys
  ) async throws {
    let scenario = try await RowScenario(direction, keys: keys)
    scenario.fill(scenario.source, 0..<300)
    let reports = RowScenario.Reports()
    let first = try await scenario.pass(reports)
    #expect(first.counts.inserted == 300 && first.counts.updated == 0 && first.counts.deleted == 0)
    #expect(first.counts.rowsRead == 300 && first.counts.bytesWritten > 300 * 16)
    #expect(reports.confirmedThrough == scenario.visible(scenario.source).keys.max())
    scenario.expectEqual()
    let second = try await scenario.pass()
    #expect(second.isClean && second.counts.rowsRead == 300)
    #expect((second.readTimestamp != nil) == !scenario.source.manners.isLite)
  }

  @Test(arguments: RowScenario.Direction.allCases)
  func `a target known to be empty is not read`(direction: RowScenario.Direction) async throws {
    let scenario = try await RowScenario(direction)
    scenario.fill(scenario.source, 0..<50)
    _ = try await scenario.pass { $0.isTargetEmpty = true }
    #expect(!scenario.target.calls.contains { $0.method == "Query" })
    scenario.expectEqual()
  }

  @Test(arguments: RowScenario.Direction.allCases, 0..<UInt64(SearchDepth.rounds(12)))
  func `any two sets of rows become equal in one pass`(direction: RowScenario.Direction, seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let scenario = try await RowScenario(direction, keys: seed % 2 == 0 ? .ints : .texts, seed: seed)
    let span = [1, 30, 400][Int(seed % 3)]
    let mine = (0..<span).filter { _ in Bool.random(using: &random) }
    let theirs = (0..<span).filter { _ in Int.random(in: 0..<3, using: &random) > 0 }
    scenario.fill(scenario.source, mine, seed: 5)
    // Some rows are the same on both sides, some differ.
    let old = scenario.visible(scenario.source)
    scenario.put(
      theirs.map { number in
        let key = scenario.key(number)
        if let same = old[key], Bool.random(using: &random) { return (key, same) }
        return (key, RowScenario.row(key, &random))
      }, in: scenario.target)
    let result = try await scenario.pass()
    scenario.expectEqual()
    #expect(result.refused == [])
    #expect(result.counts.deleted == Int64(Set(theirs).subtracting(mine).count), "seed \(seed)")
    #expect(result.counts.inserted == Int64(Set(mine).subtracting(theirs).count), "seed \(seed)")
    #expect(try await scenario.pass().isClean)
  }

  @Test func `partitions are kept apart`() async throws {
    let scenario = try await RowScenario(.milvusToMilvus)
    for cluster in [scenario.source, scenario.target] {
      try await cluster.createPartition(scenario.path, name: "p1")
      try await cluster.loadCollection(scenario.path, options: LoadOptions())
    }
    var random = SeededGenerator(seed: 4)
    scenario.put((0..<40).map { (.int($0), RowScenario.row(.int($0), &random)) }, in: scenario.source, partition: "p1")
    scenario.put((20..<60).map { (.int($0), RowScenario.row(.int($0), &random)) }, in: scenario.source, partition: "_default")
    scenario.put((50..<70).map { (.int($0), RowScenario.row(.int($0), &random)) }, in: scenario.target, partition: "p1")
    let p1 = try await scenario.pass(partition: "p1")
    #expect(p1.counts.inserted == 40 && p1.counts.deleted == 20)
    #expect(scenario.visible(scenario.target, partition: "_default").isEmpty)
    _ = try await scenario.pass(partition: "_default")
    for name in ["p1", "_default"] {
      #expect(scenario.visible(scenario.target, partition: name) == scenario.visible(scenario.source, partition: name))
    }
  }

  @Test func `new rows are inserted and changed ones upserted, on Lite all are inserted`() async throws {
    for direction in [RowScenario.Direction.liteToMilvus, .milvusToLite] {
      let scenario = try await RowScenario(direction)
      scenario.fill(scenario.source, 0..<20)
      scenario.fill(scenario.target, 10..<20, seed: 1234)
      _ = try await scenario.pass()
      let methods = Set(scenario.target.calls.map(\.method)).intersection(["Insert", "Upsert"])
      #expect(methods == (direction == .liteToMilvus ? ["Insert", "Upsert"] : ["Insert"]))
      scenario.expectEqual()
    }
  }

  @Test func `after a crash new rows are upserted`() async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<20)
    _ = try await scenario.pass { $0.isUncertain = true }
    #expect(!scenario.target.calls.contains { $0.method == "Insert" })
    scenario.expectEqual()
  }

  @Test func `a pass that starts after a key leaves the rows before it alone`() async throws {
    let scenario = try await RowScenario(.milvusToLite)
    scenario.fill(scenario.source, 0..<100)
    let result = try await scenario.pass { $0.startAfterKey = .int(89) }
    #expect(result.counts.inserted == 10)
    #expect(scenario.visible(scenario.target).keys.min() == .int(90))
  }

  @Test func `writes to Lite never overlap, writes to Milvus do up to the limit`() async throws {
    for (direction, most) in [(RowScenario.Direction.milvusToLite, 1), (.milvusToMilvus, 4)] {
      let scenario = try await RowScenario(direction)
      scenario.fill(scenario.source, 0..<200)
      var pair = scenario.pair
      let target = PoisonedCluster(scenario.target)
      pair.target = target
      var options = scenario.options
      options.callsInFlight = 4
      // One page makes many batches.
      options.pageBytes = 20_000
      let result = try await RowPass(pair: pair, unit: try await scenario.unit(), options: options, report: { _ in }).run()
      #expect(result.counts.inserted == 200)
      #expect((min(most, 2)...most).contains(target.overlapMost))
      scenario.expectEqual()
    }
  }
}
