import CDCBridge
import Foundation
import MilvusWire
import TestSupport
import Testing

/// The follower over real sockets against a log that Milvus's own message code serves.
@Suite(
  .enabled(
    if: TestPaths.witness("log-witness-2.6.23") != nil && TestPaths.witness("log-witness-3.0.1") != nil,
    "no log witness: `dev/setup python` unpacks it, or CDC_BRIDGE_WITNESS names its folder"),
  .timeLimit(.minutes(5)))
struct WitnessFollowTests {
  private static let folder = Recordings.folder

  private func witness(_ version: String, _ recording: String, _ more: [String]) async throws -> LogWitness {
    let program = try #require(TestPaths.witness("log-witness-\(version)"))
    return try await LogWitness(program, ["--log", Self.folder.appending(path: recording).path] + more)
  }

  /// Real time, asked often.
  private var limits: LogLimits {
    var limits = LogLimits()
    limits.idleAfter = .milliseconds(300)
    limits.undecidedAfter = .seconds(2)
    return limits
  }

  /// A follower that runs beside the test; cancelled at the end.
  private func following(
    _ client: MilvusClient, _ positions: [String: LogPosition], _ ledger: LogLedger, _ reports: LogReports,
    _ test: (LogFollower) async throws -> Void
  ) async throws {
    let follower = LogFollower(
      log: client, positions: positions, limits: limits, consumer: ledger, report: { reports.add($0) })
    let task = Task { () -> BridgeError? in
      do throws(BridgeError) { try await follower.run() } catch { return error }
      return nil
    }
    do { try await test(follower) } catch {
      task.cancel()
      _ = await task.value
      throw error
    }
    task.cancel()
    #expect(await task.value == nil)
  }

  /// Looks until it holds; the suite's time limit ends what never does.
  private func wait(_ isDone: () -> Bool) async throws {
    while !isDone() { try await Task.sleep(for: .milliseconds(20)) }
  }

  @Test(arguments: [
    ("2.6.23", "source"), ("3.0.1", "source-v3"), ("2.6.23", "source-rocksmq"), ("2.6.23", "target"),
  ])
  func `a recorded log from its FlushAll on comes whole through every kind of cut`(
    version: String, name: String
  )
    async throws
  {
    // A log that is and was a secondary's begins with its change of role; a FlushAll in front of it is a primary's.
    let witness = try await witness(version, name, ["--flush-all", "start"])
    let client = MilvusClient(witness.connection)
    let start = try await LogBootstrap.start(log: client)
    #expect(start.pchannels.count == 4)
    #expect(start.replicationID == (name == "target" ? "cdc-dst" : "cdc-src"))
    let recorded = try RecordedLog.read(folder: Self.folder.appending(path: name))
    let wanted = recorded.mapValues { RecordedLog.units(of: $0).map(LogLedger.line(unit:)) }
    let total = wanted.values.reduce(0) { $0 + $1.count }
    let ledger = LogLedger(), reports = LogReports()
    try await following(client, start.positions, ledger, reports) { _ in
      var next = 10
      for how in ["status", "eof", "tcp", "status", "tcp"] {
        try await wait { ledger.units >= min(next, total) }
        try await witness.control("POST", "/cut?how=\(how)")
        next += max(1, total / 6)
      }
      try await wait { ledger.units >= total }
      let tick = try await client.allocTimestamp()
      try await wait { wanted.keys.allSatisfy { ledger[$0].proven >= tick } }
    }
    await client.close()
    for (pchannel, lines) in wanted { #expect(ledger[pchannel].lines == lines, "\(pchannel)") }
    #expect(ledger.gaps == [])
    #expect(ledger.overlaps == 0)
  }

  @Test func `what is written while it follows comes, and everything up to a timestamp is proven on demand`()
    async throws
  {
    let witness = try await witness("2.6.23", "source", [])
    let client = MilvusClient(witness.connection)
    let start = try await LogBootstrap.start(log: client)
    let pchannel = try #require(start.pchannels.first)
    let ledger = LogLedger(), reports = LogReports()
    let vchannel = ChannelName.vchannel(ofPchannel: pchannel, collectionID: 7, shard: 0)
    func build(_ type: String, _ more: String = "") async throws {
      try await witness.control(
        "POST", "/build",
        body:
          #"{"type":"\#(type)","vchannel":"\#(vchannel)","header":{"collection_id":7,"rows":1},"body":{}\#(more)}"#
      )
    }
    try await following(client, start.positions, ledger, reports) { follower in
      for round in 1...5 {
        try await build("Delete")
        try await build("Delete", #","txn":"begin""#)
        try await build("Delete", #","txn":"commit""#)
        let tick = try await client.allocTimestamp()
        #expect(await follower.prove(upTo: tick))
        #expect(ledger[pchannel].lines.count == 2 * round, "all that was acknowledged before the timestamp")
        if round == 3 { try await witness.control("POST", "/cut?how=tcp") }
      }
    }
    await client.close()
    #expect(ledger.gaps == [])
  }

  @Test(arguments: ["source", "source-rocksmq"])
  func `a log that was cut while nobody read is a gap`(name: String) async throws {
    let recorded = try RecordedLog.read(folder: Self.folder.appending(path: name))
    let (pchannel, messages) = try #require(recorded.max { $0.value.count < $1.value.count })
    let units = RecordedLog.units(of: messages)
    let cut = units.count / 2
    let id = try #require(units[cut].first?.id.text)
    let witness = try await witness("2.6.23", name, ["--truncate-before", "\(pchannel)=\(id)"])
    let client = MilvusClient(witness.connection)
    let position = try #require(LogLedger.position(after: units[2]))
    let ledger = LogLedger(), reports = LogReports()
    try await following(client, [pchannel: position], ledger, reports) { _ in
      try await wait { ledger[pchannel].lines.last == units.last.map(LogLedger.line(unit:)) }
    }
    await client.close()
    #expect(ledger[pchannel].lines == units[cut...].map(LogLedger.line(unit:)))
    #expect(ledger.gaps.map(\.reason) == [name == "source" ? .truncated : .resetToEarliest])
    #expect(ledger.gaps.first?.firstSeen == units[cut].last?.timeTick)
  }

  @Test func `a switch of the log is a gap`() async throws {
    let recorded = try RecordedLog.read(folder: Self.folder.appending(path: "wal-switch"))
    let (pchannel, messages) = try #require(recorded.max { $0.value.count < $1.value.count })
    let ledger = LogLedger(), reports = LogReports()
    let witness = try await witness("2.6.23", "wal-switch", ["--switched"])
    let client = MilvusClient(witness.connection)
    let first = try #require(messages.first)
    try await following(client, [pchannel: LogPosition(after: first)], ledger, reports) { _ in
      try await wait { ledger[pchannel].lines.count == 3 }
    }
    await client.close()
    #expect(ledger.gaps.map(\.reason) == [.kindChanged(from: .rocksMQ, to: .woodPecker)])
  }
}
