import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Reading a log for a person, over recordings of real servers and over logs in memory.
@Suite(.timeLimit(.minutes(5))) struct LogReadingTests {
  private actor Taken: LogReadSink {
    var events: [LogReadEvent] = []
    let countMax: Int
    init(countMax: Int = .max) { self.countMax = countMax }
    func take(_ event: LogReadEvent) -> Bool {
      events.append(event)
      // A transaction that broke off comes again.
      return Set(messages.map(\.0.id)).count < countMax
    }
    var messages: [(LogMessage, String)] {
      events.compactMap { if case .message(let message, let pchannel) = $0 { (message, pchannel) } else { nil } }
    }
    var warnings: [String] { events.compactMap { if case .warning(let text) = $0 { text } else { nil } } }
  }

  private static var profile: ServerProfile {
    var profile = ServerProfile(kind: .milvus, version: ServerProfile.Version(2, 6, 23), versionText: "2.6.23")
    profile.hasLog = true
    return profile
  }

  private func reading(_ log: RecordedLog, _ plan: LogReadPlan) -> LogReading {
    LogReading(log: log, cluster: FakeCluster(.lite), profile: Self.profile, plan: plan)
  }

  @Test(arguments: Recordings.names)
  func `a dump of everything is every message of every channel by tick`(name: String) async throws {
    let log = try Recordings.log(name)
    var plan = LogReadPlan()
    plan.start = .earliest
    plan.pchannels = log.pchannels
    let reading = reading(log, plan)
    let taken = Taken()
    try await reading.run(try await reading.prepare(), taken)
    let messages = await taken.messages
    #expect(zip(messages, messages.dropFirst()).allSatisfy { $0.0.timeTick <= $1.0.timeTick })
    for pchannel in log.pchannels {
      let wanted = log.units(pchannel).flatMap { $0 }
      #expect(messages.filter { $0.1 == pchannel }.map(\.0) == wanted)
    }
  }

  @Test func `a tail from now begins behind a proven end and misses nothing`() async throws {
    var writer = LogWriter("src-rootcoord-dml_0", .woodPecker, entry: 10)
    let old = try (0..<3).map { _ in try writer.plain() }
    let log = RecordedLog(["src-rootcoord-dml_0": old])
    var plan = LogReadPlan()
    plan.follows = true
    plan.pchannels = log.pchannels
    let reading = reading(log, plan)
    let prepared = try await reading.prepare()
    #expect(prepared.starts.count == 1)
    #expect(prepared.starts[0].tick > old[2].timeTick)
    // The end was proven by a dump that ended, at the tick behind which reading begins.
    #expect(log.requests.contains { $0.endTick.rawValue + 1 == prepared.starts[0].tick.rawValue && $0.startTick == $0.endTick })
    var new: [LogMessage] = []
    log.append(to: "src-rootcoord-dml_0") { tick in
      writer.tick = max(writer.tick, tick.rawValue)
      new = (try? (0..<4).map { _ in try writer.plain() }) ?? []
      return new
    }
    let taken = Taken(countMax: 4)
    try await reading.run(prepared, taken)
    #expect(await taken.messages.map(\.0) == new)
  }

  @Test func `a stream that breaks goes on behind the last message`() async throws {
    var writer = LogWriter("src-rootcoord-dml_0", .woodPecker, entry: 10)
    var all = try (0..<3).map { _ in try writer.plain() }
    all += try writer.transaction()
    all += try (0..<3).map { _ in try writer.plain() }
    let log = RecordedLog(["src-rootcoord-dml_0": all])
    log.script(
      [.cut(after: 2, RecordedLog.error(.unavailable)), .end(after: 2), .cut(after: 1, RecordedLog.error(.unavailable))],
      on: "src-rootcoord-dml_0")
    var plan = LogReadPlan()
    plan.follows = true
    plan.start = .earliest
    plan.pchannels = log.pchannels
    let reading = reading(log, plan)
    let taken = Taken(countMax: all.count)
    try await reading.run(try await reading.prepare(), taken)
    let seen = await taken.messages.map(\.0.id)
    // A transaction that broke off comes again whole; everything else once and in order.
    #expect(Set(seen) == Set(all.map(\.id)))
    #expect(seen.first == all.first?.id)
  }

  @Test func `a log that begins later than asked is a warning`() async throws {
    var writer = LogWriter("src-rootcoord-dml_0", .woodPecker, entry: 10)
    let all = try (0..<6).map { _ in try writer.plain() }
    let log = RecordedLog(["src-rootcoord-dml_0": all])
    log.truncate("src-rootcoord-dml_0", to: 3)
    var plan = LogReadPlan()
    plan.start = .earliest
    plan.from = all[1].timeTick
    plan.pchannels = log.pchannels
    let reading = reading(log, plan)
    let taken = Taken()
    try await reading.run(try await reading.prepare(), taken)
    #expect(await taken.messages.map(\.0) == Array(all[3...]))
    #expect(await taken.warnings.contains { $0.contains("later than") })
  }

  @Test func `a start that is gone and a changed kind of log are warnings`() async throws {
    let log = try Recordings.log("wal-switch")
    var plan = LogReadPlan()
    plan.start = .earliest
    plan.kind = .rocksMQ
    plan.pchannels = log.pchannels
    let reading = reading(log, plan)
    let taken = Taken()
    try await reading.run(try await reading.prepare(), taken)
    #expect(await taken.warnings.contains { $0.contains("changed from RocksMQ to WoodPecker") })
  }

  @Test func `filters choose by type, collection and key`() async throws {
    let log = try Recordings.log("source")
    var plan = LogReadPlan()
    plan.start = .earliest
    plan.pchannels = log.pchannels
    func lines(_ change: (inout LogShow.Options) -> Void) async throws -> [JSONValue] {
      var options = LogShow.Options()
      options.isJSON = true
      change(&options)
      let lines = Locked<[String]>([])
      let reading = reading(log, plan)
      let prepared = try await reading.prepare()
      let show = LogShow(options, book: prepared.book) { line in
        if case .result(let text) = line { lines.withLock { $0.append(text) } }
      }
      try await reading.run(prepared, show)
      return try lines.withLock { $0 }.map { try JSONParser.parse($0) }
    }
    let all = try await lines { _ in }
    let inserts = try await lines { $0.filter.types = [.insert] }
    #expect(!inserts.isEmpty && inserts.allSatisfy { $0.objectValue?["type"] == "Insert" })
    #expect(inserts.count == all.count { $0.objectValue?["type"] == "Insert" })
    let named = try await lines { $0.filter.collections = ["c_int64"] }
    #expect(!named.isEmpty && named.count < all.count)
    #expect(named.allSatisfy { $0.objectValue?["collection"] == "c_int64" })
    // Messages that say only an id are found by the name that the log gave it.
    #expect(named.contains { $0.objectValue?["type"] == "CreateIndex" })
    let keyed = try await lines {
      $0.filter.collections = ["c_int64"]
      $0.filter.keys = [.int(2)]
    }
    #expect(!keyed.isEmpty && keyed.count < named.count)
    #expect(keyed.allSatisfy { $0.objectValue?["type"] == "Insert" || $0.objectValue?["type"] == "Delete" })
    // Of an insert the rows with the key alone, however many stand before them.
    let rows = keyed.filter { $0.objectValue?["type"] == "Insert" }.compactMap { $0.objectValue?["body"]?.objectValue?["rows"]?.arrayValue }
    #expect(!rows.isEmpty)
    #expect(rows.allSatisfy { $0.count == 1 && $0[0].objectValue?.members.contains { $0.value == .int(2) } == true })
    #expect(try await lines { $0.countMax = 5 }.count == 5)
  }
}
