package import MilvusWire

/// Reads the log of a cluster for a person: finds out where, reads every channel, and says what is missing (`wal-protocol.md` §5).
///
/// A reading that ends delivers the channels merged by tick; one that follows delivers each channel as it comes, opens a stream again
/// that broke, at the last message's confirmed id, and goes on above its tick. Nothing is repeated and nothing stored.
package struct LogReading: Sendable {
  private let log: any MilvusLog
  private let survey: LogSurvey
  private let plan: LogReadPlan
  private let profile: ServerProfile
  private let time: RunnerTime
  private static let pauseMax = Duration.seconds(5)

  package init(
    log: any MilvusLog, cluster: any MilvusCluster, profile: ServerProfile, plan: LogReadPlan, time: RunnerTime = .system,
    limits: LogSurvey.Limits = LogSurvey.Limits()
  ) {
    self.log = log
    self.plan = plan
    self.profile = profile
    self.time = time
    survey = LogSurvey(log: log, cluster: cluster, limits: limits, time: time)
  }

  /// Everything that a reading knows before its first message.
  package struct Prepared: Sendable {
    package var starts: [LogReadStart]
    package var until: TimeTick
    package var book: NameBook
    package var notes: [LogReadEvent]
  }

  // MARK: Where

  package func prepare() async throws(BridgeError) -> Prepared {
    guard profile.hasLog || plan.kind != nil else {
      throw BridgeError(
        .logUnusable, side: .source, operation: "read the log",
        message: "\(profile.title) has no log that clients may read (that needs 2.6.20 or newer)",
        hint: "A build with another version text that has one is read with its kind of log given, such as --log-kind woodpecker.")
    }
    var notes: [LogReadEvent] = []
    let (book, named) = await survey.names()
    let now = try await call("ask for a timestamp") { () async throws(CallError) in try await survey.timestamp() }
    var starts: [LogReadStart]
    if plan.mayFlush {
      starts = try await flushedStarts(&notes)
    } else {
      starts = try await surveyedStarts(named, now, &notes)
    }
    if starts.contains(where: { $0.id.kind == .woodPecker }), profile.version.map({ $0.major == 2 }) ?? false {
      notes.append(
        .note(
          "this log forgets: 2.6 on WoodPecker keeps what it has stored away readable for about ten minutes, a restart or FlushAll less"))
    }
    let until = try end(starts, now)
    return Prepared(starts: starts, until: until, book: book, notes: notes)
  }

  /// Where the reading ends; zero: never. A dump up to a tick that is still to come would wait for it, and one that begins behind its end is
  /// refused by a server in words that name neither.
  private func end(_ starts: [LogReadStart], _ now: TimeTick) throws(BridgeError) -> TimeTick {
    let until = plan.until.rawValue == 0 ? plan.follows ? TimeTick(0) : now : plan.follows ? plan.until : min(plan.until, now)
    if until.rawValue > 0, let start = starts.map(\.tick).max(), start > until {
      throw BridgeError(
        .invalidInput, side: .source, operation: "read the log",
        message: "there is nothing to read: it would begin at \(TickText.time(start)) and end at \(TickText.time(until))",
        hint: "It is \(TickText.time(now)) on the server. What was written before that is read from a time or from the earliest message on."
      )
    }
    return until
  }

  private func flushedStarts(_ notes: inout [LogReadEvent]) async throws(BridgeError) -> [LogReadStart] {
    let start = try await survey.flushAll()
    notes.append(.note("FlushAll gave the position of \(start.pchannels.count) channels"))
    let wanted = plan.pchannels.isEmpty ? start.pchannels : plan.pchannels
    return wanted.compactMap { pchannel -> LogReadStart? in
      guard let position = start.positions[pchannel] else { return nil }
      if plan.start == .earliest, let earliest = LogIDFormat.earliestStart(position.confirmed.kind) {
        return LogReadStart(pchannel: pchannel, id: earliest.id, isInclusive: true, tick: plan.from)
      }
      let id = LogIDFormat.start(at: position.confirmed)
      return LogReadStart(pchannel: pchannel, id: id.id, isInclusive: id.isInclusive, tick: max(plan.from, position.timeTick.next))
    }
  }

  private func surveyedStarts(_ named: [String], _ now: TimeTick, _ notes: inout [LogReadEvent]) async throws(BridgeError)
    -> [LogReadStart]
  {
    let known = plan.pchannels.isEmpty ? named : plan.pchannels
    guard let sample = known.first(where: { named.contains($0) }) ?? named.first ?? known.first else {
      throw BridgeError(
        .logUnusable, side: .source, operation: "find the log's channels",
        message: "no collection names a channel", hint: "Name the channels with --pchannel, or let FlushAll tell them with --flush.")
    }
    if case .id(let id, let isInclusive) = plan.start {
      return known.map {
        LogReadStart(pchannel: $0, id: id, isInclusive: isInclusive, tick: plan.from, expected: isInclusive ? id : nil)
      }
    }
    let earliest = try await call("look for the beginning of the log") { () async throws(CallError) in
      try await survey.earliest(sample, kind: plan.kind, at: now)
    }
    // Without a name that is known to be right there is nothing to hold a wrong one against.
    if !named.isEmpty {
      for pchannel in plan.pchannels where !named.contains(pchannel) {
        guard await survey.hasChannel(pchannel, earliest: earliest, at: now) else {
          throw BridgeError(
            .invalidInput, side: .source, operation: "read the log", message: "the cluster answers nothing for a channel '\(pchannel)'",
            hint: "Its collections use \(named.joined(separator: ", ")).")
        }
      }
    }
    let pchannels =
      plan.pchannels.isEmpty ? await survey.channels(known: known, earliest: earliest, at: now) : plan.pchannels
    if plan.pchannels.isEmpty {
      notes.append(.note("\(pchannels.count) channels found by \(named.count) that collections use; --flush asks the cluster itself"))
    }
    if plan.start == .now {
      for pchannel in pchannels {
        try await call("find the end of \(pchannel)") { () async throws(CallError) in
          try await survey.prove(pchannel, earliest: earliest, upTo: now)
        }
      }
      return pchannels.map {
        LogReadStart(pchannel: $0, id: earliest.id, isInclusive: earliest.isInclusive, tick: max(plan.from, now.next))
      }
    }
    for pchannel in pchannels { notes += try await beginning(of: pchannel, earliest, now) }
    return pchannels.map { LogReadStart(pchannel: $0, id: earliest.id, isInclusive: earliest.isInclusive, tick: plan.from) }
  }

  /// Says where the readable part begins, and that it is later than asked for.
  private func beginning(of pchannel: String, _ earliest: LogIDFormat.Start, _ now: TimeTick) async throws(BridgeError) -> [LogReadEvent] {
    let first = try await call("look for the first message of \(pchannel)") { () async throws(CallError) in
      try await survey.beginning(pchannel, earliest: earliest, until: now)
    }
    guard let first, plan.from.rawValue > 0, first.timeTick > plan.from else { return [] }
    return [
      .warning(
        "\(pchannel): the readable log begins at \(TickText.time(first.timeTick)), later than \(TickText.time(plan.from)); what came before is "
          + "gone, or nothing was written")
    ]
  }

  private func call<Value>(_ operation: String, _ body: () async throws(CallError) -> Value) async throws(BridgeError) -> Value {
    do throws(CallError) { return try await body() } catch { throw BridgeError(error, side: .source, operation: operation) }
  }

  // MARK: Reading

  /// Reads until the end, `take` says enough, or the task is cancelled.
  package func run(_ prepared: Prepared, _ sink: some LogReadSink) async throws {
    for note in prepared.notes where try await !sink.take(note) { return }
    if prepared.until.rawValue > 0 {
      try await readMerged(prepared, sink)
    } else {
      try await follow(prepared, sink)
    }
  }

  private func request(_ start: LogReadStart, until: TimeTick) -> DumpRequest {
    DumpRequest(pchannel: start.pchannel, start: start.id, isInclusive: start.isInclusive, startTick: start.tick, endTick: until)
  }

  /// All channels at once, the lowest tick first; of equal ones the channel that stands first.
  private func readMerged(_ prepared: Prepared, _ sink: some LogReadSink) async throws {
    var channels: [Channel] = []
    let result: Result<Void, any Error>
    do {
      for start in prepared.starts {
        channels.append(Channel(watch: LogReadWatch(start), stream: try await log.dump(request(start, until: prepared.until))))
      }
      for index in channels.indices { channels[index].head = try await channels[index].stream.next() }
      result = .success(try await merge(&channels, sink))
    } catch {
      result = .failure(error)
    }
    for channel in channels { await channel.stream.cancel() }
    try result.get()
  }

  private struct Channel {
    var watch: LogReadWatch
    var stream: any DumpStream
    /// The next message; nil after the last one.
    var head: LogMessage?
  }

  private static func tick(_ channel: Channel) -> TimeTick { channel.head?.timeTick ?? TimeTick(.max) }

  private func merge(_ channels: inout [Channel], _ sink: some LogReadSink) async throws {
    while !Task.isCancelled {
      let waiting = channels.indices.filter { channels[$0].head != nil }
      guard
        let index = waiting.min(by: { Self.tick(channels[$0]) < Self.tick(channels[$1]) }), let message = channels[index].head
      else { return }
      for event in channels[index].watch.received(message) where try await !sink.take(event) { return }
      channels[index].head = try await channels[index].stream.next()
    }
  }

  private func follow(_ prepared: Prepared, _ sink: some LogReadSink) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for start in prepared.starts {
        group.addTask { try await follow(start, sink) }
      }
      // Whoever is the first to have enough, or to fail for good, ends the others.
      let first = await group.nextResult()
      group.cancelAll()
      while await group.nextResult() != nil {}
      try first?.get()
    }
  }

  private func follow(_ start: LogReadStart, _ sink: some LogReadSink) async throws {
    var watch = LogReadWatch(start)
    var attempt = 0
    while !Task.isCancelled {
      do {
        let stream = try await log.dump(request(watch.next, until: TimeTick(0)))
        let goesOn: Result<Bool, any Error>
        do { goesOn = .success(try await read(stream, &watch, &attempt, sink)) } catch { goesOn = .failure(error) }
        await stream.cancel()
        guard try goesOn.get() else { return }
      } catch let error as CallError {
        if Task.isCancelled { return }
        guard error.isConnectionLoss || error.rpcCode == .deadlineExceeded else { throw error }
        guard try await sink.take(.note("\(start.pchannel): \(error.shown); reading goes on after the last message")) else { return }
      }
      attempt = min(attempt + 1, 5)
      guard await time.sleep(min(Self.pauseMax, .milliseconds(200) * (1 << attempt))) else { return }
    }
  }

  /// False: enough.
  private func read(_ stream: any DumpStream, _ watch: inout LogReadWatch, _ attempt: inout Int, _ sink: some LogReadSink) async throws
    -> Bool
  {
    while let message = try await stream.next() {
      attempt = 0
      for event in watch.received(message) where try await !sink.take(event) { return false }
    }
    return true
  }
}

/// What one channel has delivered, to say what is missing and where the next stream begins.
struct LogReadWatch {
  private let pchannel: String
  private(set) var next: LogReadStart
  private var kind: LogKind
  private var hasSeenFirst = false
  private var hasSaidSecret = false

  init(_ start: LogReadStart) {
    (pchannel, next, kind) = (start.pchannel, start, start.id.kind)
  }

  mutating func received(_ message: LogMessage) -> [LogReadEvent] {
    // A server without the filter, and a log that began again from its earliest entry, deliver what lies before.
    guard message.timeTick >= next.tick else { return [] }
    var events: [LogReadEvent] = []
    if kind != .unknown, message.id.kind != .unknown, message.id.kind != kind {
      events.append(
        .warning("\(pchannel): the log changed from \(kind) to \(message.id.kind); messages around the switch may be missing"))
    }
    if message.id.kind != .unknown { kind = message.id.kind }
    if !hasSeenFirst, let expected = next.expected, expected != message.id {
      events.append(
        .warning("\(pchannel): the first message is \(message.id.text), not \(expected.text) that was asked for: what lies between is gone")
      )
    }
    hasSeenFirst = true
    if message.type == .txn {
      events.append(.warning("\(pchannel): the server sends transactions empty (older than 2.6.20): upserts are missing"))
    }
    if let warning = secretWarning(message) { events.append(.warning(warning)) }
    events.append(.message(message, pchannel: pchannel))
    // Members of a transaction share a tick, and only its commit is a place to go on from.
    if message.transaction == nil || message.type == .commitTxn {
      let start = LogIDFormat.start(at: message.lastConfirmedID)
      next = LogReadStart(pchannel: pchannel, id: start.id, isInclusive: start.isInclusive, tick: message.timeTick.next)
    }
    return events
  }

  /// Configurations of replication carry the login of every cluster in clear text (`wal-protocol.md` §7.3).
  private mutating func secretWarning(_ message: LogMessage) -> String? {
    guard !hasSaidSecret, message.type == .alterReplicateConfig, case .alterReplicateConfig(let change)? = try? LogChange(message),
      change.configuration?.hasTokens ?? false
    else { return nil }
    hasSaidSecret = true
    return "\(pchannel): the log holds the token of a cluster in clear text, and whoever may read the log has it: change that token"
  }
}
