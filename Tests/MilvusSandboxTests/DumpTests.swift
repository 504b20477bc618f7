import MilvusWire
import Testing

@testable import MilvusSandbox

/// DumpMessages as `wal-protocol.md` §5 tells it, the silent parts included.
@Suite(.timeLimit(.minutes(5))) struct DumpTests {
  /// One collection with one shard on the first pchannel, and `count` inserts of one row.
  private func filled(_ log: LogKind = .woodPecker, count: Int = 10) async throws -> Sandbox {
    let sandbox = Sandbox(.test(pchannels: 2, log: log))
    try await sandbox.createCollection("c")
    for key in 0..<count { try await sandbox.insert("c", keys: [Int64(key)]) }
    return sandbox
  }

  private let pchannel = "by-dev-rootcoord-dml_0"

  private func everything(_ sandbox: Sandbox) throws -> [LogMessage] { try sandbox.logs()[0] }

  // MARK: Starts

  @Test(arguments: [LogKind.woodPecker, .rocksMQ, .kafka, .pulsar])
  func `the earliest start delivers everything and a bounded dump ends`(log: LogKind) async throws {
    let sandbox = try await filled(log)
    let start = try #require(LogIDFormat.earliestStart(log))
    let all = try await sandbox.dump(pchannel, start.id, inclusive: start.isInclusive)
    #expect(try all.map(\.id) == everything(sandbox).map(\.id))
  }

  @Test(arguments: [LogKind.woodPecker, .rocksMQ, .kafka, .pulsar])
  func `a start is exclusive unless the request says otherwise`(log: LogKind) async throws {
    let sandbox = try await filled(log)
    let all = try everything(sandbox)
    for (index, message) in all.enumerated() {
      let from = try await sandbox.dump(pchannel, message.id, inclusive: true)
      let after = try await sandbox.dump(pchannel, message.id, inclusive: false)
      #expect(from.map(\.id) == all[index...].map(\.id))
      #expect(after.map(\.id) == all[(index + 1)...].map(\.id))
    }
  }

  @Test(arguments: [LogKind.woodPecker, .rocksMQ, .kafka, .pulsar])
  func `from the last-confirmed id nothing later is missing`(log: LogKind) async throws {
    let sandbox = try await filled(log)
    for key in 0..<5 { try await sandbox.upsert("c", keys: [Int64(key)]) }
    let all = try everything(sandbox)
    for message in all where message.transaction == nil || message.type == .commitTxn {
      let start = LogIDFormat.start(at: message.lastConfirmedID)
      let got = try await sandbox.dump(
        pchannel, start.id, inclusive: start.isInclusive, from: message.timeTick.rawValue + 1)
      #expect(got.map(\.id) == all.filter { $0.timeTick > message.timeTick }.map(\.id))
    }
  }

  @Test func `0/0 inclusive is the truncation point, and 0/1 everything`() async throws {
    let sandbox = try await filled()
    _ = try await sandbox.call("FlushAll", [])
    try await sandbox.insert("c", keys: [100])
    let all = try everything(sandbox)
    let fromZero = try await sandbox.dump(pchannel, LogMessageID("CAAQAA==", .woodPecker), inclusive: true)
    #expect(fromZero.map(\.type) == [.flushAll, .insert])
    let afterZero = try await sandbox.dump(pchannel, LogMessageID("CAAQAA==", .woodPecker), inclusive: false)
    #expect(afterZero.map(\.id) == all.map(\.id))
    // An id of another log is taken, and means the same as 0/0.
    let foreign = try await sandbox.dump(pchannel, LogMessageID("0", .rocksMQ), inclusive: true)
    #expect(foreign.map(\.id) == fromZero.map(\.id))
  }

  @Test func `a truncated start is a silent gap, on RocksMQ after a silent repeat`() async throws {
    for log in [LogKind.woodPecker, .rocksMQ, .kafka] {
      let sandbox = try await filled(log)
      let all = try everything(sandbox)
      try sandbox.truncate(pchannel, before: all[6].id)
      let gone = try await sandbox.dump(pchannel, all[3].id, inclusive: true)
      #expect(gone.map(\.id) == all[6...].map(\.id), "\(log)")
      let future = LogIDFormat.write(
        log == .woodPecker ? .woodPecker(segment: 9, entry: 0) : .number(1 << 60), kind: log)
      let late = try await sandbox.dump(pchannel, #require(future), inclusive: true)
      #expect(late.map(\.id) == (log == .woodPecker ? [] : all[6...].map(\.id)), "\(log)")
    }
  }

  @Test func `a start inside a transaction loses it`() async throws {
    let sandbox = try await filled(count: 1)
    try await sandbox.upsert("c", keys: [0])
    try await sandbox.insert("c", keys: [7])
    let all = try everything(sandbox)
    let members = all.filter { $0.transaction != nil }
    #expect(members.map(\.type) == [.beginTxn, .delete, .insert, .commitTxn])
    for member in members.dropFirst() {
      let got = try await sandbox.dump(pchannel, member.id, inclusive: true)
      #expect(got.map(\.type) == [.insert])
    }
    #expect(try await sandbox.dump(pchannel, members[0].id, inclusive: true).count == 5)
    #expect(try await sandbox.dump(pchannel, members[0].id, inclusive: false).count == 1)
  }

  // MARK: Windows

  @Test func `windows look at the commit, so that a transaction comes whole or not at all`() async throws {
    let sandbox = try await filled(count: 1)
    try await sandbox.upsert("c", keys: [0])
    let all = try everything(sandbox)
    let commit = try #require(all.first { $0.type == .commitTxn }).timeTick.rawValue
    #expect(all.filter { $0.transaction != nil }.allSatisfy { $0.timeTick.rawValue == commit })
    let first = LogMessageID("CAAQAQ==", .woodPecker)
    let inside = try await sandbox.dump(pchannel, first, inclusive: true, from: commit, to: commit)
    #expect(inside.map(\.type) == [.beginTxn, .delete, .insert, .commitTxn])
    let before = try await sandbox.dump(pchannel, first, inclusive: true, to: commit - 1)
    #expect(before.allSatisfy { $0.transaction == nil })
  }

  @Test
  func `ticks lie below a timestamp taken before, and no later one below the bound of a dump that ended`()
    async throws
  {
    let sandbox = try await filled(count: 1)
    var below = 0
    for key in 10..<20 {
      let bound = try await sandbox.json("AllocTimestamp", [:]).unsigned("timestamp")
      try await sandbox.insert("c", keys: [Int64(key)])
      if try #require(everything(sandbox).last).timeTick.rawValue < bound { below += 1 }
    }
    #expect(below >= 8)
    let bound = try await sandbox.json("AllocTimestamp", [:]).unsigned("timestamp")
    _ = try await sandbox.dump(pchannel, LogMessageID("CAAQAQ==", .woodPecker), inclusive: true, to: bound)
    try await sandbox.insert("c", keys: [99])
    #expect(try #require(everything(sandbox).last).timeTick.rawValue > bound)
  }

  @Test func `ticks rise strictly and stay unique over all pchannels`() async throws {
    let sandbox = Sandbox(.test(pchannels: 3))
    for name in ["a", "b", "c"] { try await sandbox.createCollection(name, shards: 2) }
    for round in 0..<20 {
      for name in ["a", "b", "c"] {
        try await sandbox.upsert(name, keys: (0..<4).map { Int64(round * 4 + $0) })
      }
    }
    var seen: Set<UInt64> = []
    for log in try sandbox.logs() {
      var last: UInt64 = 0
      for message in log where message.transaction == nil || message.type == .commitTxn {
        #expect(message.timeTick.rawValue > last)
        last = message.timeTick.rawValue
        #expect(seen.insert(last).inserted)
      }
    }
  }

  // MARK: Refusals

  @Test func `requests are refused with the words of real servers`() async throws {
    let sandbox = try await filled(count: 1)
    let good = LogMessageID("CAAQAQ==", .woodPecker)
    let cases: [(DumpRequest, String)] = [
      (DumpRequest(pchannel: "", start: good), "missing parameter[missing_param=pchannel]"),
      (
        DumpRequest(pchannel: pchannel, start: LogMessageID("", .woodPecker)),
        "missing parameter[missing_param=start_message_id]"
      ),
      (
        DumpRequest(pchannel: pchannel, start: good, startTick: TimeTick(5), endTick: TimeTick(4)),
        "end_timetick must be greater than or equal to start_timetick: invalid parameter"
      ),
      (
        DumpRequest(pchannel: pchannel, start: LogMessageID("CAAQ", .woodPecker)),
        "invalid start_message_id: decode wp fail"
      ),
      (
        DumpRequest(pchannel: pchannel, start: LogMessageID("1", LogKind(rawValue: 77))),
        "message id unmarshaler not registered"
      ),
    ]
    for (request, text) in cases {
      let error = await #expect(throws: RPCError.self) { try await sandbox.dump(request) { _ in } }
      #expect(error?.code == .unknown)
      #expect(error?.message.hasPrefix(text) == true, "\(error?.message ?? "")")
    }
  }

  @Test(arguments: ["nobody", "by-dev-rootcoord-dml_0_vcchan", "by-dev-rootcoord-dml_0_1v0"])
  func `a channel that is no pchannel waits in silence`(name: String) async throws {
    let sandbox = try await filled(count: 1)
    var request = DumpRequest(pchannel: name, start: LogMessageID("CAAQAQ==", .woodPecker))
    request.endTick = TimeTick(1)
    let running = Task { [request] in try await sandbox.dump(request) { _ in Issue.record("delivered") } }
    await sandbox.untilWaiting()
    sandbox.syncTimeTicks()
    #expect(sandbox.watchers.count == 1)
    running.cancel()
    await #expect(throws: CancellationError.self) { try await running.value }
  }

  // MARK: Following

  @Test func `a dump without an end follows the log over a restart, and jumps over a switch of the log`()
    async throws
  {
    let sandbox = try await filled(count: 2)
    let got = Locked<[LogMessage]>([])
    let request = DumpRequest(pchannel: pchannel, start: LogMessageID("CAAQAQ==", .woodPecker))
    let running = Task {
      try await sandbox.dump(request) { bytes in
        if let message = try LogMessage(dumpResponse: bytes) { got.withLock { $0.append(message) } }
      }
    }
    await until { got.withLock { $0.count } == 4 }
    sandbox.withState { $0.journal.restart() }
    try await sandbox.insert("c", keys: [50])
    await until { got.withLock { $0.count } == 5 }
    #expect(
      got.withLock { $0.last?.id.text } == "CAEQAg==" || got.withLock { $0.last?.id.text } == "CAEQAQ==")
    #expect(got.withLock { $0.last?.term } == 2)
    // Lost: appended, not yet delivered when the log is switched.
    sandbox.faults.pause([.dump])
    try await sandbox.insert("c", keys: [51])
    sandbox.withState { $0.journal.switchKind(to: .rocksMQ, oracle: &$0.oracle) }
    try await sandbox.insert("c", keys: [52])
    sandbox.faults.resume([.dump])
    sandbox.watchers.changed()
    await until { got.withLock { $0.count } == 6 }
    #expect(got.withLock { $0.last?.id.kind } == .rocksMQ)
    running.cancel()
    _ = await running.result
    // An id of the old log is the new one's beginning.
    let old = try await sandbox.dump(pchannel, LogMessageID("CAAQAQ==", .woodPecker), inclusive: true)
    #expect(old.map(\.type) == [.insert] && old[0].id.kind == .rocksMQ)
  }

  @Test func `a cut ends a dump as asked`() async throws {
    for (how, expectsError) in [(SandboxFaults.Cut.status, true), (.eof, false)] {
      let sandbox = try await filled(count: 1)
      let request = DumpRequest(pchannel: pchannel, start: LogMessageID("CAAQAQ==", .woodPecker))
      let running = Task { try await sandbox.dump(request) { _ in } }
      await sandbox.untilWaiting()
      sandbox.cut([.dump], how)
      let result = await running.result
      if expectsError {
        #expect(throws: RPCError.self) { try result.get() }
      } else {
        #expect(throws: Never.self) { try result.get() }
      }
    }
  }

  @Test func `FlushAll says where each log is, and not who the cluster is`() async throws {
    let sandbox = try await filled()
    let answer = try await sandbox.json("FlushAll", [:])
    let info = answer.object("cluster_info")
    #expect(info.text("cluster_id") == "0")
    #expect(info.text("cchannel") == "by-dev-rootcoord-dml_0_vcchan")
    #expect(info.texts("pchannels").sorted() == ["by-dev-rootcoord-dml_0", "by-dev-rootcoord-dml_1"])
    let type = try #require(MessageDescriptor(named: "milvus.proto.common.ImmutableMessage"))
    for (index, log) in try sandbox.logs().enumerated() {
      let last = try #require(log.last)
      let told = try #require(answer.object("flush_all_msgs")["by-dev-rootcoord-dml_\(index)"])
      let message = try LogMessage(immutableMessage: try MessageJSON().bytes(of: told, as: type))
      #expect(message.type == .flushAll && message.isPchannelLevel && message.term == nil)
      #expect(
        message.id == last.id && message.timeTick == last.timeTick
          && message.lastConfirmedID == last.lastConfirmedID)
    }
  }
}
