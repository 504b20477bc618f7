import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Passes that are cut off, refused, slowed down and repeated.
@Suite struct RowPassFaultTests {
  /// Runs passes as the runner does until one ends well: uncertain after an error, from the confirmed key.
  private func runToEnd(_ scenario: RowScenario, triesMax: Int = 6) async throws -> (result: RowPassResult, errors: [BridgeError]) {
    var errors: [BridgeError] = []
    var start: RowKey?
    for _ in 0..<triesMax {
      let reports = RowScenario.Reports()
      do {
        let result = try await scenario.pass(reports) {
          $0.isUncertain = !errors.isEmpty
          $0.startAfterKey = start
        }
        return (result, errors)
      } catch let error as BridgeError {
        errors.append(error)
        start = reports.confirmedThrough ?? start
      }
    }
    Issue.record("no pass ended well: \(errors)")
    return (RowPassResult(), errors)
  }

  private func mixed(_ direction: RowScenario.Direction, seed: UInt64) async throws -> RowScenario {
    var scenario = try await RowScenario(direction, seed: seed)
    scenario.options.pageBytes = 1_500
    scenario.options.batchBytes = 600
    scenario.fill(scenario.source, (0..<36).filter { $0 % 5 != 0 })
    scenario.fill(scenario.target, (0..<36).filter { $0 % 3 == 0 }, seed: 4321)
    return scenario
  }

  static let faults: [FakeFault] = [
    .timeoutBefore, .timeoutAfter, .timeoutLate(calls: 3), .dropBefore, .dropAfter, .notListening, .rateLimited, .tooLarge,
    .rpc(.unavailable), .rpc(.internal), .rpc(.unknown),
  ]

  @Test(arguments: [RowScenario.Direction.milvusToMilvus, .milvusToLite, .liteToMilvus], faults.indices)
  func `one fault at any call of either side, then passes until the end: equal, and no key twice`(
    direction: RowScenario.Direction, fault index: Int
  ) async throws {
    let fault = Self.faults[index]
    for side in 0..<2 {
      var position = 0
      while true {
        let scenario = try await mixed(direction, seed: UInt64(position))
        let cluster = side == 0 ? scenario.source : scenario.target
        let before = cluster.calls.count
        // Reads have no late effect; a fault of the largest size is for both.
        let at = before + 1 + position
        cluster.setFaults { $0.index == at ? fault : nil }
        _ = try await runToEnd(scenario)
        let wasReached = cluster.calls.count > at
        cluster.setFaults { _ in nil }
        // What still was on its way arrives, and one more pass mends what it changed.
        for _ in 0..<4 { _ = try? await cluster.checkHealth() }
        _ = try await scenario.pass { $0.isUncertain = true }
        // An Insert that Milvus does after its repeat has been done stands twice: nothing that a client can send prevents it.
        let isLateInsert = fault == .timeoutLate(calls: 3) && !scenario.target.manners.isLite
        scenario.expectEqual(allowsRepeatedKeys: isLateInsert)
        if !wasReached { break }
        position += SearchDepth.stride
      }
      #expect(position > 5, "the pass made calls on this side")
    }
  }

  @Test(arguments: [RowScenario.Direction.milvusToMilvus, .liteToMilvus, .milvusToLite], 0..<6 as Range<UInt64>)
  func `a pass killed at any instant and made again ends equal and without doubles`(direction: RowScenario.Direction, seed: UInt64)
    async throws
  {
    let scenario = try await mixed(direction, seed: seed)
    var random = SeededGenerator(seed: seed)
    var start: RowKey?
    let unit = try await scenario.unit()
    for round in 0..<12 {
      let reports = RowScenario.Reports()
      let lives = Int.random(in: 0..<14, using: &random)
      let count = Locked(0)
      // From some call on nothing of this pass reaches the target: the process is gone. What was sent may be done.
      for cluster in [scenario.source, scenario.target] {
        cluster.setFaults { _ in
          let number = count.withLock {
            $0 += 1; return $0
          }
          return number <= lives ? nil : number == lives + 1 ? .dropAfter : .rpc(.internal)
        }
      }
      var options = scenario.options
      options.isUncertain = round > 0
      options.startAfterKey = start
      do {
        _ = try await RowPass(pair: scenario.pair, unit: unit, options: options, report: reports.add).run()
      } catch {}
      start = reports.confirmedThrough ?? start
    }
    for cluster in [scenario.source, scenario.target] { cluster.setFaults { _ in nil } }
    _ = try await scenario.pass {
      $0.isUncertain = true
      $0.startAfterKey = start
    }
    scenario.expectEqual()
  }

  @Test func `a write that arrives after its timeout doubles nothing`() async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<30)
    let first = Locked(true)
    scenario.target.setFaults { call in
      guard call.method == "Insert" else { return nil }
      return first.withLock { isFirst in
        defer { isFirst = false }
        return isFirst ? .timeoutAfter : nil
      }
    }
    let result = try await scenario.pass()
    #expect(result.counts.inserted == 30)
    #expect(scenario.target.calls.contains { $0.method == "Upsert" })
    scenario.expectEqual()
  }

  @Test(arguments: [FakeFault.rateLimited, .writesDenied, .notListening])
  func `a target that takes nothing is waited for, in sight, without an end`(fault: FakeFault) async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<10)
    let count = Locked(0)
    scenario.target.setFaults { call in
      guard call.method == "Insert" else { return nil }
      return count.withLock {
        $0 += 1; return $0
      } <= 40 ? fault : nil
    }
    let reports = RowScenario.Reports()
    let result = try await scenario.pass(reports)
    #expect(result.counts.inserted == 10)
    let waits = reports.list.compactMap(\.waiting)
    #expect((waits.map(\.attempt).max() ?? 0) >= 38, "calls that were out together count once")
    #expect(waits.allSatisfy { $0.side == .target && $0.nextTryIn <= .seconds(10) && !$0.reason.isEmpty })
    #expect(reports.list.last?.waiting == nil, "the view forgets the wait when it is over")
    #expect(!scenario.target.calls.contains { $0.method == "Upsert" }, "nothing was done, so nothing is uncertain")
    scenario.expectEqual()
  }

  @Test func `a source that limits reads is waited for`() async throws {
    let scenario = try await RowScenario(.milvusToLite)
    scenario.fill(scenario.source, 0..<30)
    scenario.source.setFaults { $0.method == "Query" && $0.index % 3 != 0 ? .rateLimited : nil }
    let reports = RowScenario.Reports()
    _ = try await scenario.pass(reports)
    #expect(reports.list.contains { $0.waiting?.side == .source })
    scenario.expectEqual()
  }

  @Test func `a batch that breaks the connection three times is parked without showing its keys, its neighbours are not blamed`()
    async throws
  {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<60)
    // The batch that holds key 30 ends the server each time.
    let poison = scenario.visible(scenario.source)[.int(30)]
    let poisoned = PoisonedCluster(scenario.target, poison: try #require(poison?["title"]))
    var pair = scenario.pair
    pair.target = poisoned
    var options = scenario.options
    options.callsInFlight = 3
    let error = await #expect(throws: BridgeError.self) {
      try await RowPass(pair: pair, unit: try await scenario.unit(), options: options, report: { _ in }).run()
    }
    #expect(error?.code == .dangerousValue)
    #expect(error?.hint != nil)
    #expect(poisoned.drops.withLock { $0 } == 3)
    let count = error?.message.firstMatch(of: /the same (\d+) rows/).flatMap { Int($0.1) }
    #expect((1..<60).contains(count ?? 0))
    #expect(scenario.visible(scenario.target)[.int(30)] == nil)
  }

  @Test func `an answer that is too large is asked for in smaller pieces`() async throws {
    var manners = FakeCluster.Manners.milvus235
    manners.answerBytesMax = 3_000
    let scenario = try await RowScenario(.milvusToLite)
    let small = FakeCluster(manners, peer: "small:1")
    try await small.createCollection(CollectionCreation(path: scenario.path, schema: scenario.schema))
    try await small.createIndex(scenario.path, index: IndexDescription(fieldName: "vec", indexName: "vec"))
    try await small.loadCollection(scenario.path, options: LoadOptions())
    scenario.fill(small, 0..<200)
    var pair = scenario.pair
    pair.source = small
    var options = scenario.options
    options.pageBytes = 1 << 20
    var unit = try await scenario.unit()
    unit.sourceID = try await small.describeCollection(scenario.path).id
    let result = try await RowPass(pair: pair, unit: unit, options: options, report: { _ in }).run()
    #expect(result.counts.inserted == 200)
    #expect(scenario.visible(scenario.target) == scenario.visible(small))
  }

  @Test func `a batch that is too large for the target is split`() async throws {
    var manners = FakeCluster.Manners.lite
    manners.requestBytesMax = 900
    let scenario = try await RowScenario(.milvusToLite)
    let small = FakeCluster(manners, peer: "small:1")
    try await small.createCollection(CollectionCreation(path: scenario.path, schema: scenario.schema))
    scenario.fill(scenario.source, 0..<100)
    var pair = scenario.pair
    pair.target = small
    var options = scenario.options
    options.pageBytes = 50_000
    options.batchBytes = 50_000
    let result = try await RowPass(pair: pair, unit: try await scenario.unit(), options: options, report: { _ in }).run()
    #expect(result.counts.inserted == 100 && result.refused == [])
    #expect(scenario.visible(small) == scenario.visible(scenario.source))
  }

  @Test func `cancelling a pass ends it`() async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<10)
    scenario.target.setFaults { $0.method == "Insert" ? .rateLimited : nil }
    var options = scenario.options
    options.clock = ContinuousClock()
    let waiting = AsyncStream<Void>.makeStream()
    let task = Task { [options] in
      try await RowPass(pair: scenario.pair, unit: try await scenario.unit(), options: options) {
        if $0.waiting != nil { waiting.continuation.yield() }
      }.run()
    }
    for await _ in waiting.stream { break }
    task.cancel()
    await #expect(throws: BridgeError.self) { try await task.value }
  }
}
