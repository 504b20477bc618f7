import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Rows of a collection with a partition key on a target whose Upsert misplaces them.
@Suite struct PartitionKeyTests {
  /// 36 rows on the source; the target has every third of them with other values, and with other partition keys.
  private func mixed(_ direction: RowScenario.Direction, seed: UInt64 = 7) async throws -> RowScenario {
    var scenario = try await RowScenario(direction, partitionKey: "title", seed: seed)
    scenario.options.pageBytes = 1_500
    scenario.options.batchBytes = 600
    scenario.fill(scenario.source, (0..<36).filter { $0 % 5 != 0 })
    scenario.fill(scenario.target, (0..<36).filter { $0 % 3 == 0 }, seed: 4321)
    return scenario
  }
  private func misplaced(_ scenario: RowScenario) -> [RowKey] {
    let path = scenario.path
    return scenario.target.withState { $0[path]?.misplacedKeys ?? [] }
  }
  private func writes(_ scenario: RowScenario) -> [String] {
    scenario.target.calls.map(\.method).filter { ["Insert", "Upsert", "Delete"].contains($0) }
  }

  @Test func `the fake cluster misplaces what is upserted, as the real one does`() async throws {
    let scenario = try await mixed(.liteToMilvus)
    var pair = scenario.pair
    // A server that is trusted with Upsert.
    pair.targetProfile.version = .init(2, 5, 0)
    _ = try await RowPass(pair: pair, unit: try await scenario.unit(), options: scenario.options, report: { _ in }).run()
    #expect(writes(scenario).contains("Upsert"))
    #expect(misplaced(scenario) != [])
    scenario.expectEqual()
  }

  @Test(arguments: [RowScenario.Direction.liteToMilvus, .milvusToMilvus], [false, true])
  func `updated and uncertain rows are deleted and inserted, and are found by their partition key`(
    direction: RowScenario.Direction, isUncertain: Bool
  ) async throws {
    let scenario = try await mixed(direction)
    let result = try await scenario.pass { $0.isUncertain = isUncertain }
    #expect(result.counts.updated > 0 && result.counts.inserted > 0)
    #expect(!writes(scenario).contains("Upsert"))
    #expect(misplaced(scenario) == [])
    scenario.expectEqual()
    #expect(try await scenario.pass().isClean)
  }

  @Test func `without a partition key, and from 2.5 on, an update is one Upsert`() async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<9)
    scenario.fill(scenario.target, 0..<9, seed: 4321)
    #expect(try await scenario.pass().counts.updated == 9)
    #expect(Set(writes(scenario)) == ["Upsert"])
  }

  @Test(arguments: [FakeFault.timeoutBefore, .dropBefore, .rateLimited, .rpc(.unknown)])
  func `nothing is inserted before the delete is confirmed`(fault: FakeFault) async throws {
    var scenario = try await RowScenario(.liteToMilvus, partitionKey: "title")
    scenario.options.callsInFlight = 1
    scenario.fill(scenario.source, 0..<9)
    scenario.fill(scenario.target, 0..<9, seed: 4321)
    let failures = Locked(2)
    scenario.target.setFaults { call in
      guard call.method == "Delete" else { return nil }
      return failures.withLock { left in
        defer { left -= 1 }
        return left > 0 ? fault : nil
      }
    }
    #expect(try await scenario.pass().counts.updated == 9)
    let calls = writes(scenario)
    #expect(calls.prefix(4) == ["Delete", "Delete", "Delete", "Insert"], "two tries failed")
    #expect(zip(calls, calls.dropFirst()).allSatisfy { $0 == "Delete" || $1 == "Delete" }, "each insert has its delete: \(calls)")
    scenario.expectEqual()
  }

  @Test func `a process that ends between delete and insert leaves a gap that the next pass closes`() async throws {
    let scenario = try await mixed(.liteToMilvus)
    let isDown = Locked(false)
    let shared = Set(scenario.visible(scenario.source).keys).intersection(scenario.visible(scenario.target).keys)
    // From the first Delete on nothing of this process arrives.
    scenario.target.setFaults { call in
      isDown.withLock { isDown in
        if isDown { return .rpc(.internal) }
        isDown = call.method == "Delete"
        return nil
      }
    }
    await #expect(throws: BridgeError.self) { try await scenario.pass() }
    #expect(!shared.isSubset(of: scenario.visible(scenario.target).keys), "some rows are gone")
    scenario.target.setFaults { _ in nil }
    _ = try await scenario.pass { $0.isUncertain = true }
    #expect(misplaced(scenario) == [])
    scenario.expectEqual()
  }

  @Test(arguments: [FakeFault.timeoutBefore, .timeoutAfter, .timeoutLate(calls: 3), .dropBefore, .dropAfter, .rpc(.unknown)])
  func `one fault at any call of the target, then one more pass: equal, in place and no key twice`(fault: FakeFault) async throws {
    var position = 0
    while true {
      let scenario = try await mixed(.liteToMilvus, seed: UInt64(position))
      let at = scenario.target.calls.count + 1 + position
      scenario.target.setFaults { $0.index == at ? fault : nil }
      do { _ = try await scenario.pass() } catch {}
      let wasReached = scenario.target.calls.count > at
      scenario.target.setFaults { _ in nil }
      // What still was on its way arrives, a late Delete as well, and one more pass mends what it changed.
      for _ in 0..<4 { _ = try? await scenario.target.checkHealth() }
      _ = try await scenario.pass { $0.isUncertain = true }
      #expect(misplaced(scenario) == [])
      // As everywhere: an Insert that Milvus does after its repeat has been done stands twice.
      scenario.expectEqual(allowsRepeatedKeys: fault == .timeoutLate(calls: 3))
      if !wasReached { break }
      position += SearchDepth.stride
    }
    #expect(position > 5)
  }

  @Test func `a row whose delete cannot be written is refused, its neighbours are written`() async throws {
    let scenario = try await RowScenario(.liteToMilvus, partitionKey: "title")
    var random = SeededGenerator(seed: 1)
    let keys: [RowKey] = [.int(.min), .int(1), .int(2)]
    scenario.put(keys.map { ($0, RowScenario.row($0, &random)) }, in: scenario.source)
    scenario.put(keys.map { ($0, RowScenario.row($0, &random)) }, in: scenario.target)
    let result = try await scenario.pass()
    #expect(result.counts.updated == 2 && result.refused.map(\.count) == [1])
    #expect(scenario.visible(scenario.target).keys.contains(.int(.min)), "it was not deleted either")
    #expect(misplaced(scenario) == [])
  }
}
