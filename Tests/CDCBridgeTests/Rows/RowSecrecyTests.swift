@testable import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// No key and no value of a row stands in anything that a view or a log is made of (`design.md` §7, guarantee 6).
@Suite struct RowSecrecyTests {
  /// Keys that nothing else contains.
  private static let number: Int64 = 8_675_309_123_456
  private static let text = #"Rumpel"st\ilt'skin"#

  /// What a server may say when it refuses a row or a key; `what` is the call's expression, or quotes the key in some way.
  struct Refusal: Sendable, CustomTestStringConvertible {
    var method: String
    var fault: @Sendable (FakeCall) -> FakeFault
    var testDescription: String
    /// A write that may be a repeat is an Upsert.
    func hits(_ call: FakeCall) -> FakeFault? {
      call.method == method || (method == "Insert" && call.method == "Upsert") ? fault(call) : nil
    }
  }
  private static func status(_ method: String, _ code: Int32, _ words: String) -> Refusal {
    Refusal(
      method: method, fault: { call in .status(MilvusStatus(code: code, reason: words.replacing("EXPR", with: call.expression))) },
      testDescription: "\(method) \(code) \(words)")
  }
  static let refusals: [Refusal] = [
    status("Insert", 1100, "the length (70) of row \(number) with 'Rumpelstiltskin' can't be more"),
    status("Insert", 65535, #"can't take "Rumpel\"st\\ilt'skin" (id \#(number)), row `Rumpel`"#),
    status("Insert", 1, "no node for row \(number), 'Rumpel'"), status("Insert", 100, "collection not found, key \(number)"),
    status("Insert", 1_800, "strange: \(number) \"Rumpel\""), status("Delete", 65535, "cannot parse expression: EXPR, error: at \(number)"),
    status("Delete", 1, "EXPR"), status("Query", 65535, "failed to create query plan: EXPR"), status("Query", 2_200, "EXPR"),
    Refusal(method: "Insert", fault: { _ in .dropAfter }, testDescription: "Insert breaks the connection"),
  ]

  private func expectSilence(_ text: String, _ what: String, _ location: SourceLocation = #_sourceLocation) {
    for secret in ["8675309", "8_675", "Rumpel", "st\\", "ilt", "skin"] {
      #expect(!text.contains(secret), "\(what): \(text)", sourceLocation: location)
    }
  }

  @Test(arguments: refusals, RowScenario.Keys.allCases)
  func `whatever a server says about a row, its key stays out of errors, waits and refusals`(
    refusal: Refusal, keys: RowScenario.Keys
  ) async throws {
    let scenario = try await RowScenario(.liteToMilvus, keys: keys)
    var random = SeededGenerator(seed: 4)
    let secret: RowKey = keys == .ints ? .int(Self.number) : .text(Self.text)
    let gone: RowKey = keys == .ints ? .int(Self.number + 1) : .text(Self.text + "2")
    scenario.fill(scenario.source, 0..<5)
    scenario.put([(secret, RowScenario.row(secret, &random))], in: scenario.source)
    scenario.put([(gone, RowScenario.row(gone, &random))], in: scenario.target)
    for cluster in [scenario.source, scenario.target] {
      cluster.setFaults { refusal.hits($0) }
    }
    let reports = RowScenario.Reports()
    var said = 0
    do {
      let result = try await scenario.pass(reports) { $0.callsInFlight = 1 }
      for refused in result.refused {
        said += 1
        expectSilence(refused.reason, "refused")
      }
    } catch let error as BridgeError {
      said += 1
      expectSilence("\(error) \(error.message) \(error.hint ?? "") \(TaskStop(error).reason)", "error")
    }
    for waiting in reports.list.compactMap(\.waiting) { expectSilence(waiting.reason, "wait") }
    #expect(said > 0)
  }

  @Test(arguments: refusals) func `nor does it reach the view of a task`(refusal: Refusal) async throws {
    let harness = RunnerHarness(.lite, .milvus235)
    harness.usesRealEngine.withLock { $0 = true }
    try await harness.scene.make("a", rows: 0)
    harness.source.withState { state in
      let row = FakeRow(
        key: .int(Self.number), values: ["id": .int(Self.number), "v": .floats([1, 2, 3, 4])], version: state.now())
      state[Sample.path("a")]?.rows["_default", default: []].append(row)
    }
    for cluster in [harness.source, harness.target] {
      cluster.setFaults { $0.expression.hasPrefix("count") ? nil : refusal.hits($0) }
    }
    await harness.start()
    // Everything that a view shows is made of the board.
    let board = String(describing: harness.board)
    expectSilence(board, "board")
    if refusal.method == "Insert" { #expect(harness.collection("a")?.lastError != nil, "\(board)") }
    await harness.stop()
    expectSilence(String(describing: harness.board), "board")
  }

  @Test(arguments: [
    ("the length (70) of 'secret' exceeds 1", "the length (N) of … exceeds N"), ("can't find 'secret'", "can't find …"),
    (#"a "b\"secret" c"#, "a … c"), ("`secret` 12.5\n3", "… N.N N"), ("'secret", "…"), ("", ""),
    (String(repeating: "x", count: 500), String(repeating: "x", count: 160) + "…"),
  ])
  func `quotes and numbers are left out of a server's words`(text: String, redacted: String) {
    #expect(RedactedText.of(text) == redacted)
  }
}
