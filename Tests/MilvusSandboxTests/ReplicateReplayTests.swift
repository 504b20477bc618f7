import MilvusWire
import Testing

@testable import MilvusSandbox

/// A recorded replication of a whole log, sent again: the same confirmations, the same log on the target, the same descriptions.
@Suite(.timeLimit(.minutes(5))) struct ReplicateReplayTests {
  @Test func `a recorded replication comes out the same`() async throws {
    let recorded = RecordedSession("replicate"), theirs = RecordedSession("target")
    let sandbox = Sandbox(.test(clusterID: "cdc-dst"))
    _ = try await sandbox.call("FlushAll", [])
    let configure = try #require(
      try recorded.calls("rpc-target").first { $0.method == "UpdateReplicateConfiguration" }?.request)
    let configured = try await sandbox.call("UpdateReplicateConfiguration", configure)
    #expect(configured.isEmpty)
    // One stream after the other: schema changes are applied when all copies have come.
    for pchannel in 0..<4 { try replay(try recorded.stream(pchannel), on: sandbox) }
    let (ours, target) = (try sandbox.logs(), try (0..<4).map { try theirs.log($0) })
    let (ourShape, theirShape) = (try LogShape(ours), try LogShape(target))
    for pchannel in 0..<4 {
      let (a, b) = (try ourShape.lines(ours[pchannel]), try theirShape.lines(target[pchannel]))
      let report = b.difference(from: a).map { change -> String in
        switch change {
        case .insert(let offset, let line, _): "missing at \(offset): \(line)"
        case .remove(let offset, let line, _): "too much at \(offset): \(line)"
        }
      }
      #expect(report.isEmpty, "pchannel \(pchannel):\n\(report.joined(separator: "\n"))")
    }
    let source = try recorded.calls("rpc-target").last { $0.method == "GetReplicateInfo" }
    let asked = try #require(source?.request), answered = try #require(source?.response)
    #expect(
      try ReplicateInfo(encoded: await sandbox.call("GetReplicateInfo", asked))
        == ReplicateInfo(encoded: answered))
  }

  @Test func `a cluster that takes another's whole log holds the same`() async throws {
    let source = Sandbox(.test(clusterID: "cdc-src"))
    for call in try RecordedSession("source").calls("rpc-workload") {
      guard let request = call.request else { continue }
      let database = call.step.hasPrefix("shop:") ? "shop" : ""
      _ = try await source.call(
        call.method, ReplayTests.withoutSchemaTick(request, call.method), database: database)
    }
    let target = Sandbox(.test(clusterID: "cdc-dst"))
    let configured = try await ReplicateTests.update(
      target, ReplicateTests.configuration("cdc-src", "cdc-dst", count: 4))
    #expect(configured.integer("code") == 0)
    for message in try source.logs().joined() {
      let outcome = target.replicate(
        ReplicateTests.request(Array(message.bytes[message.range]), from: "cdc-src"))
      switch outcome {
      case .confirmed, .silent: continue
      case .end, .death: Issue.record("\(message): \(outcome)")
      }
    }
    let changes = target.contents.difference(from: source.contents)
    #expect(changes.isEmpty, "\(changes)")
    #expect(source.contents.count > 80)
  }

  /// Requests in order; what was confirmed on the recording must be confirmed here, with the same ticks in the same order.
  private func replay(_ stream: [RecordedSession.StreamMessage], on sandbox: Sandbox) throws {
    var ours: [UInt64] = [], theirs: [UInt64] = []
    for message in stream {
      switch message {
      case .request(let bytes):
        switch sandbox.replicate(bytes) {
        case .confirmed(let tick, _): ours.append(tick)
        case .silent: break
        case .end(let why), .death(let why, _): Issue.record("\(why)")
        }
      case .confirmation(let tick): theirs.append(tick)
      }
    }
    #expect(ours == theirs)
  }
}
