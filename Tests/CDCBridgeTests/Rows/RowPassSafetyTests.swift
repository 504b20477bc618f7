@testable import CDCBridge
import MilvusWire
import Synchronization
import TestSupport
import Testing

/// Rows that must not be deleted, sent or lost in silence.
@Suite struct RowPassSafetyTests {
  private func half(_ direction: RowScenario.Direction) async throws -> RowScenario {
    let scenario = try await RowScenario(direction)
    scenario.fill(scenario.source, 0..<10)
    scenario.fill(scenario.target, 0..<40)
    return scenario
  }
  /// Nothing was deleted, and the pass asks for another look.
  private func expectNothingDeleted(
    _ scenario: RowScenario, _ codes: Set<BridgeError.Code>, _ location: SourceLocation = #_sourceLocation
  ) async {
    let error = await #expect(throws: BridgeError.self, sourceLocation: location) { try await scenario.pass() }
    #expect(error.map { codes.contains($0.code) } == true, "\(error.map(\.description) ?? "")", sourceLocation: location)
    #expect(!scenario.target.calls.contains { $0.method == "Delete" }, sourceLocation: location)
    #expect(scenario.visible(scenario.target).count == 40, sourceLocation: location)
  }

  @Test(arguments: [RowScenario.Direction.milvusToLite, .liteToMilvus])
  func `a source collection that was made anew deletes nothing`(direction: RowScenario.Direction) async throws {
    let scenario = try await half(direction)
    let path = scenario.path
    // After the scans have been read, before the source is asked again.
    scenario.source.setFaults { call in
      guard call.method == "DescribeCollection", call.index > 6 else { return nil }
      return .status(MilvusStatus(code: 100, legacyErrorCode: 1, reason: "collection not found"))
    }
    await expectNothingDeleted(scenario, [.changedMeanwhile])
    scenario.source.setFaults { _ in nil }
    if direction == .milvusToLite {
      // Another id: the unit was planned for the collection before.
      let unit = try await scenario.unit()
      scenario.source.withState { $0[path]?.description.id += 1 }
      let error = await #expect(throws: BridgeError.self) {
        try await RowPass(pair: scenario.pair, unit: unit, options: scenario.options, report: { _ in }).run()
      }
      #expect(error?.code == .changedMeanwhile)
      #expect(scenario.visible(scenario.target).count == 40)
    }
  }

  @Test func `a source that was released deletes nothing`() async throws {
    let scenario = try await half(.milvusToLite)
    let calls = Mutex(0)
    let path = scenario.path
    scenario.source.setFaults { call in
      // The pages say nothing of it; the state does.
      call.method == "GetLoadState"
        && calls.withLock {
          $0 += 1; return $0
        } > 0
        ? .status(MilvusStatus(code: 101, reason: "collection not loaded[collection=\(path.name)]")) : nil
    }
    await expectNothingDeleted(scenario, [.sourceUnreadable])
  }

  // MARK: Released while it is read: OK, and no rows

  /// A page of the target that lacks rows would make rows of the source look new, and Insert would double them.
  @Test(arguments: RowScenario.Direction.allCases)
  func `a target that is released while it is read gets no row twice`(direction: RowScenario.Direction) async throws {
    let scenario = try await RowScenario(direction)
    scenario.fill(scenario.source, 0..<40)
    scenario.fill(scenario.target, 0..<40)
    let reads = Mutex(0)
    scenario.target.setFaults { call in
      guard call.method == "Query", !call.expression.contains("count(*)") else { return nil }
      return reads.withLock {
        $0 += 1; return $0
      } == 2 ? .released : nil
    }
    let error = await #expect(throws: BridgeError.self) { try await scenario.pass() }
    #expect(error?.code == .notReady, "\(error.map(\.description) ?? "")")
    #expect(error?.message.contains("not loaded") == true)
    #expect(!scenario.target.calls.contains { $0.method == "Insert" || $0.method == "Delete" })
    scenario.target.setFaults { _ in nil }
    try await scenario.target.loadCollection(scenario.path, options: LoadOptions())
    #expect(try await scenario.pass().counts.inserted == 0)
    #expect(scenario.physicalCount == 40)
  }

  /// A page of the source that lacks rows would end the range too early.
  @Test(arguments: RowScenario.Direction.allCases)
  func `a source that is released while it is read is not copied in part`(direction: RowScenario.Direction) async throws {
    let scenario = try await RowScenario(direction)
    scenario.fill(scenario.source, 0..<40)
    let reads = Mutex(0)
    scenario.source.setFaults { call in
      guard call.method == "Query", !call.expression.contains("count(*)") else { return nil }
      return reads.withLock {
        $0 += 1; return $0
      } == 2 ? .released : nil
    }
    let error = await #expect(throws: BridgeError.self) { try await scenario.pass() }
    #expect(error?.code == .sourceUnreadable, "\(error.map(\.description) ?? "")")
    #expect(error?.hint == "Load the collection on the source.")
    #expect(!scenario.target.calls.contains { $0.method == "Delete" })
    scenario.source.setFaults { _ in nil }
    try await scenario.source.loadCollection(scenario.path, options: LoadOptions())
    _ = try await scenario.pass()
    scenario.expectEqual()
  }

  /// All that the target has alone is asked about; released in between, the source seems to have none of it.
  @Test func `a source that is released during the look-up deletes nothing`() async throws {
    let scenario = try await RowScenario(.milvusToLite)
    scenario.fill(scenario.source, 0..<40)
    scenario.fill(scenario.target, 0..<40)
    scenario.remove(Set((35..<40).map { .int($0) }), from: scenario.source)
    scenario.source.setFaults { $0.method == "Query" && $0.expression.contains(" in [") ? .released : nil }
    await expectNothingDeleted(scenario, [.sourceUnreadable])
  }

  @Test func `a source partition that is gone deletes nothing`() async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    try await scenario.target.createPartition(scenario.path, name: "p1")
    try await scenario.target.loadCollection(scenario.path, options: LoadOptions())
    var random = SeededGenerator(seed: 3)
    scenario.put((0..<9).map { (.int($0), RowScenario.row(.int($0), &random)) }, in: scenario.target, partition: "p1")
    // Lite answers for an unknown partition with no rows, not with an error (`public-rpc.md` §6.2).
    let error = await #expect(throws: BridgeError.self) { try await scenario.pass(partition: "p1") }
    #expect(error?.code == .changedMeanwhile, "\(error.map(\.description) ?? "")")
    #expect(scenario.visible(scenario.target, partition: "p1").count == 9)
  }

  @Test(arguments: [FakeFault.timeoutBefore, .tooLarge, .rpc(.internal), .status(MilvusStatus(code: 101)), .dropBefore])
  func `an error of the look-up deletes nothing`(fault: FakeFault) async throws {
    let scenario = try await half(.milvusToLite)
    scenario.source.setFaults { $0.method == "Query" && $0.expression.contains(" in [") ? fault : nil }
    await expectNothingDeleted(scenario, [.call, .sourceUnreadable])
  }

  @Test func `a row that came back before the delete is kept`() async throws {
    let scenario = try await RowScenario(.milvusToLite)
    scenario.fill(scenario.source, 0..<5)
    scenario.fill(scenario.target, 0..<8)
    let other = scenario.visible(scenario.target)
    let path = scenario.path, source = scenario.source
    let isDone = Mutex(false)
    scenario.target.setFaults { call in
      // Between the scans and the delete the source gets row 6 again.
      if call.method == "Query", call.expression.contains("id > 7"), !isDone.withLock({ $0 }) {
        isDone.withLock { $0 = true }
        source.withState { state in
          let row = FakeRow(key: .int(6), values: other[.int(6)] ?? [:], version: state.now())
          state[path]?.rows["_default", default: []].append(row)
        }
      }
      return nil
    }
    _ = try await scenario.pass()
    #expect(isDone.withLock { $0 })
    #expect(scenario.visible(scenario.target).keys.contains(.int(6)))
    _ = try await scenario.pass()
    scenario.expectEqual()
  }

  // MARK: Keys at the ends

  @Test(arguments: RowScenario.Direction.allCases)
  func `the largest and the smallest key are copied or named, never looped on`(direction: RowScenario.Direction) async throws {
    let scenario = try await RowScenario(direction)
    var random = SeededGenerator(seed: 1)
    let ends: [RowKey] = [.int(.min), .int(.min + 1), .int(0), .int(.max - 1), .int(.max)]
    scenario.put(ends.map { ($0, RowScenario.row($0, &random)) }, in: scenario.source)
    let first = try await scenario.pass()
    let isHidden = scenario.source.manners.hidesMaximumKey
    #expect(first.counts.inserted == (isHidden ? 4 : 5))
    #expect(first.refused.map(\.sampleKeys) == (isHidden ? [[.int(.max)]] : []))
    let before = scenario.physicalCount
    let second = try await scenario.pass()
    #expect(second.counts.inserted == 0 && second.counts.updated == 0 && second.counts.deleted == 0)
    let isUnsure = isHidden || scenario.target.manners.hidesMaximumKey
    #expect(second.isClean == !isUnsure)
    #expect(scenario.physicalCount == before, "nothing is doubled")
    // Gone from the source: the smallest cannot be deleted by its name on any server.
    scenario.remove(Set(ends), from: scenario.source)
    let third = try await scenario.pass()
    #expect(third.refused.contains { $0.sampleKeys == [.int(.min)] && $0.reason.contains("smallest") })
    #expect(scenario.visible(scenario.target).keys.contains(.int(.min)))
    #expect(!scenario.visible(scenario.target).keys.contains(.int(0)))
  }

  // MARK: Rows that the target refuses

  @Test func `rows that the target refuses are found and counted, the others are written`() async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<60)
    var random = SeededGenerator(seed: 2)
    var json = RowScenario.row(.int(13), &random)
    json["facts"] = .text("[1,2]")
    var text = RowScenario.row(.int(41), &random)
    // 32 characters are 64 bytes: Lite counts the former, Milvus the latter.
    text["title"] = .text(String(repeating: "é", count: 30))
    scenario.remove([.int(13), .int(41)], from: scenario.source)
    scenario.put([(.int(13), json), (.int(41), text)], in: scenario.source)
    let result = try await scenario.pass()
    #expect(result.counts.inserted == 58)
    #expect(result.refused.map(\.count).reduce(0, +) == 2)
    #expect(Set(result.refused.flatMap(\.sampleKeys)) == [.int(13), .int(41)])
    #expect(result.refused.allSatisfy { !$0.reason.contains("30") && !$0.reason.contains("é") }, "no value in a reason")
    #expect(!result.isClean)
    #expect(scenario.visible(scenario.target).count == 58)
  }

  @Test func `a target that refuses everything is an error, not a thousand refused rows`() async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<300)
    scenario.target.setFaults { $0.method == "Insert" ? .status(MilvusStatus(code: 65535, legacyErrorCode: 1, reason: "no")) : nil }
    let error = await #expect(throws: BridgeError.self) { try await scenario.pass() }
    #expect(error?.code == .call)
    #expect(scenario.target.calls.count { $0.method == "Insert" } < 100)
  }

  @Test func `dynamic fields that Lite would lose or let overwrite are refused by row`() async throws {
    let scenario = try await RowScenario(.milvusToLite)
    scenario.fill(scenario.source, 0..<10)
    var random = SeededGenerator(seed: 2)
    var overwriting = RowScenario.row(.int(100), &random), odd = RowScenario.row(.int(101), &random)
    overwriting["$meta"] = .text(#"{"t\u0069tle":"x"}"#)
    odd["$meta"] = .text("[1]")
    scenario.put([(.int(100), overwriting), (.int(101), odd)], in: scenario.source)
    let result = try await scenario.pass()
    #expect(result.counts.inserted == 10)
    #expect(Set(result.refused.flatMap(\.sampleKeys)) == [.int(100), .int(101)])
  }

  @Test func `a null is refused where the target would store a zero`() async throws {
    var scenario = try await RowScenario(.liteToMilvus)
    scenario.schema.fields[5].nullable = true
    let path = scenario.path, schema = scenario.schema
    scenario.source.withState { $0[path]?.description.schema = schema }
    scenario.fill(scenario.source, 0..<10)
    var random = SeededGenerator(seed: 2)
    var row = RowScenario.row(.int(50), &random)
    row["price"] = .null
    scenario.put([(.int(50), row)], in: scenario.source)
    let result = try await scenario.pass()
    #expect(result.counts.inserted == 10)
    #expect(result.refused.first?.reason == "field price: the target's field takes no null")
    #expect(scenario.target.violations == [])
  }

  @Test(arguments: [Int32(100), 109, 200])
  func `a target that is not what it was asks for another look`(code: Int32) async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<3)
    scenario.target.setFaults { $0.method == "Insert" ? .status(MilvusStatus(code: code, reason: "gone")) : nil }
    let error = await #expect(throws: BridgeError.self) { try await scenario.pass() }
    #expect(error?.code == .changedMeanwhile)
  }
}
