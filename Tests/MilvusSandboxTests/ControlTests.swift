import MilvusWire
import Testing

@testable import MilvusSandbox

/// Faults on demand, as other programs ask for them.
@Suite(.timeLimit(.minutes(5))) struct ControlTests {
  private let pchannel = "by-dev-rootcoord-dml_0"

  private func filled() async throws -> Sandbox {
    let sandbox = Sandbox(.test(pchannels: 1))
    try await sandbox.createCollection("c")
    try await sandbox.insert("c", keys: [1])
    return sandbox
  }

  @Test func `a fault decides for as many calls as it says`() async throws {
    let sandbox = try await filled()
    _ = try sandbox.control("fault", ["method": "AllocTimestamp", "action": "drop", "count": 2, "skip": 1])
    _ = try await sandbox.call("AllocTimestamp", [])
    for _ in 0..<2 {
      await #expect(throws: RPCError.self) { try await sandbox.call("AllocTimestamp", []) }
    }
    _ = try await sandbox.call("AllocTimestamp", [])
  }

  @Test func `a lost answer leaves what was done`() async throws {
    let sandbox = try await filled()
    _ = try sandbox.control("fault", ["method": "Insert", "action": "drop-answer"])
    await #expect(throws: RPCError.self) { try await sandbox.insert("c", keys: [2]) }
    #expect(try sandbox.control("state", [:]).integer("rows") == 2)
    _ = try sandbox.control("fault", ["method": "Insert", "action": "drop"])
    await #expect(throws: RPCError.self) { try await sandbox.insert("c", keys: [3]) }
    #expect(try sandbox.control("state", [:]).integer("rows") == 2)
  }

  @Test func `denied writes change nothing and show in the health`() async throws {
    let sandbox = try await filled()
    let before = try sandbox.logs()[0].count
    _ = try sandbox.control("deny", [:])
    await #expect(throws: TestFailure.self) { try await sandbox.insert("c", keys: [2]) }
    let health = try await sandbox.json("CheckHealth", [:])
    #expect(health.flag("isHealthy") && health["quota_states"] != nil)
    #expect(try sandbox.logs()[0].count == before)
    _ = try sandbox.control("allow", [:])
    try await sandbox.insert("c", keys: [2])
  }

  @Test func `held ticks keep a bounded dump of that channel from ending`() async throws {
    let sandbox = Sandbox(.test(pchannels: 2))
    _ = try sandbox.control("hold-ticks", ["pchannel": .string(pchannel)])
    let bound = sandbox.withState { $0.oracle.next() }
    let start = LogMessageID("CAAQAQ==", .woodPecker)
    let request = DumpRequest(pchannel: pchannel, start: start, endTick: TimeTick(bound))
    let held = Task { try await sandbox.dump(request) { _ in } }
    await sandbox.untilWaiting()
    let other = try await sandbox.dump("by-dev-rootcoord-dml_1", start, inclusive: true, to: bound)
    #expect(other.isEmpty && sandbox.watchers.count == 1)
    _ = try sandbox.control("release-ticks", [:])
    sandbox.syncTimeTicks()
    try await held.value
  }

  @Test func `a truncated and a switched log are told by nothing but what is missing`() async throws {
    let sandbox = try await filled()
    for key in 2..<6 { try await sandbox.insert("c", keys: [Int64(key)]) }
    let all = try sandbox.logs()[0]
    _ = try sandbox.control("truncate", ["pchannel": .string(pchannel), "before": .string(all[4].id.text)])
    let left = try await sandbox.dump(pchannel, all[0].id, inclusive: true)
    #expect(left.map(\.id) == all[4...].map(\.id))
    _ = try sandbox.control("switch", ["wal": "kafka"])
    #expect(try await sandbox.dump(pchannel, all[0].id, inclusive: true).isEmpty)
    try await sandbox.insert("c", keys: [9])
    #expect(try await sandbox.dump(pchannel, all[0].id, inclusive: true).map(\.id.kind) == [.kafka])
  }

  @Test func `a message can be appended, with a new place or as it is`() async throws {
    let sandbox = try await filled()
    let last = try #require(try sandbox.logs()[0].last)
    var strange = LogMessageBuilder(last)
    strange.type = LogMessageType(rawValue: 9999)
    let bytes = Base64.encode(strange.immutableMessage)
    _ = try sandbox.control("append", ["pchannel": .string(pchannel), "message": .string(bytes)])
    _ = try sandbox.control(
      "append", ["pchannel": .string(pchannel), "message": .string(bytes), "raw": true])
    let got = try sandbox.logs()[0].suffix(2)
    #expect(got.map(\.type.rawValue) == [9999, 9999])
    #expect(got.first?.id != last.id && got.last?.id == last.id)
  }

  static let wrong: [(String, JSONObject)] = [
    ("nonsense", [:]), ("cut", ["how": "gently"]), ("truncate", [:]), ("hold-ticks", ["pchannel": "x"]),
    ("switch", ["wal": "paper"]), ("fault", ["action": "explode"]),
    ("fault", ["action": "drop", "method": "Explode"]),
    ("append", ["pchannel": "by-dev-rootcoord-dml_0", "message": "?"]), ("pause", ["streams": "river"]),
  ]

  @Test(arguments: wrong)
  func `a wrong call is refused`(call: String, body: JSONObject) {
    let sandbox = Sandbox(.test(pchannels: 1))
    #expect(throws: Sandbox.ControlError.self) { try sandbox.control(call, body) }
  }
}
