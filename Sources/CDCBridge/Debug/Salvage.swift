package import MilvusWire

/// After a promotion by force: what the old primary had written and the new one never got (`wal-protocol.md` §7.7).
///
/// The new cluster keeps, for each of its channels, how far it had come with the old one's (salvage checkpoint). From there the old one's log
/// is read up to now and recorded. Its log may have forgotten the place already: on 2.6 with WoodPecker within minutes.
package struct Salvage: Sendable {
  package struct Place: Sendable, Equatable {
    /// The old cluster's.
    package var pchannel: String
    /// The new cluster's.
    package var newPchannel: String
    package var checkpoint: ReplicateCheckpoint
    /// The message at the checkpoint is still in the old log; nil: nothing had arrived, so everything that is readable counts.
    package var isReadable: Bool?
    /// The first message behind the checkpoint that can be read.
    package var firstReadable: TimeTick?
  }
  package struct Found: Sendable {
    package var places: [Place] = []
    package var warnings: [String] = []
  }
  /// Keys that were written on both sides after the promotion, by collection; at most `listedMax` are named.
  package struct Conflicts: Sendable {
    package var counts: [CollectionPath: Int] = [:]
    package var samples: [CollectionPath: [RowKey]] = [:]
    /// All of them.
    package var keys: [CollectionPath: Set<RowKey>] = [:]
    package var isEmpty: Bool { counts.isEmpty }
  }
  private static let listedMax = 5

  /// What becomes of a key that both clusters wrote after the promotion. Names are those of the command line.
  package enum Policy: String, Sendable, CaseIterable {
    /// Nothing is applied.
    case stop
    /// The old cluster's last change wins: its row replaces the new one's, its delete deletes it.
    case keepOld = "keep-old"
    /// The key stays as the new cluster has it, there or not; everything else is applied.
    case keepNew = "keep-new"

    /// Other names for the same.
    package static let aliases: [String: Policy] = ["overwrite": .keepOld, "skip": .keepNew]
    package static var names: [String] { allCases.map(\.rawValue) + aliases.keys.sorted() }
    package init?(name: String) {
      guard let policy = Policy(rawValue: name) ?? Self.aliases[name] else { return nil }
      self = policy
    }
  }

  package typealias Cluster = any MilvusCluster & MilvusLog
  private let old: Cluster
  private let new: Cluster
  private let time: RunnerTime

  package init(old: Cluster, new: Cluster, time: RunnerTime = .system) {
    (self.old, self.new, self.time) = (old, new, time)
  }

  private static func error(_ side: BridgeError.Side, _ message: String, _ hint: String? = nil) -> BridgeError {
    BridgeError(.logUnusable, side: side, operation: "salvage", message: message, hint: hint)
  }

  private func call<Value>(_ side: BridgeError.Side, _ operation: String, _ body: () async throws(CallError) -> Value)
    async throws(BridgeError) -> Value
  {
    do throws(CallError) { return try await body() } catch { throw BridgeError(error, side: side, operation: operation) }
  }

  // MARK: Where

  /// The checkpoints of all channels, and whether the old log still reaches back to them.
  package func find() async throws(BridgeError) -> Found {
    let newSurvey = LogSurvey(log: new, cluster: new, time: time)
    let oldSurvey = LogSurvey(log: old, cluster: old, time: time)
    let newNow = try await call(.target, "ask for a timestamp") { () async throws(CallError) in try await newSurvey.timestamp() }
    let oldNow = try await call(.source, "ask for a timestamp") { () async throws(CallError) in try await oldSurvey.timestamp() }
    let oldNames = await oldSurvey.names().pchannels
    let newNames = await newSurvey.names().pchannels
    guard let oldSample = oldNames.first, let newSample = newNames.first, let id = ChannelName.replicationID(ofPchannel: oldSample) else {
      throw Self.error(.source, "the channels of both clusters cannot be found: no collection names one")
    }
    let newEarliest = try await call(.target, "look at the log") { () async throws(CallError) in
      try await newSurvey.earliest(newSample, kind: nil, at: newNow)
    }
    let oldEarliest = try await call(.source, "look at the log") { () async throws(CallError) in
      try await oldSurvey.earliest(oldSample, kind: nil, at: oldNow)
    }
    var found = Found()
    for pchannel in await newSurvey.channels(known: newNames, earliest: newEarliest, at: newNow) {
      let info = try await call(.target, "ask for the salvage checkpoint of \(pchannel)") { () async throws(CallError) in
        try await new.replicateInfo(sourceClusterID: id, targetPchannel: pchannel)
      }
      guard let checkpoint = info.salvageCheckpoint else { continue }
      var place = Place(pchannel: checkpoint.pchannel, newPchannel: pchannel, checkpoint: checkpoint)
      try await look(&place, oldEarliest, oldNow, &found)
      found.places.append(place)
    }
    guard !found.places.isEmpty else {
      throw Self.error(
        .target, "the new cluster has no salvage checkpoint for \(id)",
        "Only a cluster that was promoted by force from a secondary of \(id) has one; see cdc-bridge probe.")
    }
    return found
  }

  private func look(_ place: inout Place, _ earliest: LogIDFormat.Start, _ now: TimeTick, _ found: inout Found) async throws(BridgeError) {
    let calls = LogCalls(log: old, limits: LogLimits(), time: time)
    let start = Self.start(place, earliest)
    // With the checkpoint's own tick first: the message there shows that nothing in between is gone.
    let request = DumpRequest(
      pchannel: place.pchannel, start: start.id, isInclusive: start.isInclusive, startTick: place.checkpoint.timeTick, endTick: now)
    let answer = try await call(.source, "look for the checkpoint of \(place.pchannel)") { () async throws(CallError) in
      try await calls.ask(request, within: .seconds(60)) { _ in true }
    }
    if case .message(let message) = answer { place.firstReadable = message.timeTick }
    if place.checkpoint.hasReceivedNothing {
      found.warnings.append(
        "\(place.pchannel): nothing had ever arrived; everything that can be read counts, and what was forgotten before is lost")
      return
    }
    place.isReadable = place.firstReadable == place.checkpoint.timeTick
    guard place.isReadable == false else { return }
    let time = TickText.time(place.checkpoint.timeTick)
    found.warnings.append(
      place.firstReadable.map {
        "\(place.pchannel): the old log no longer reaches back to \(time), it begins at \(TickText.time($0)): what lies between is lost"
      } ?? "\(place.pchannel): the old log shows nothing at or behind \(time): what came then is lost, if anything did")
  }

  private static func start(_ place: Place, _ earliest: LogIDFormat.Start) -> LogIDFormat.Start {
    guard !place.checkpoint.hasReceivedNothing, let id = place.checkpoint.messageID else { return earliest }
    return LogIDFormat.start(at: id)
  }

  // MARK: What

  /// Records everything behind the checkpoints up to now.
  package func record(_ found: Found, profile: ServerProfile, to writer: RecordWriter, unixMs: Int64) async throws {
    let catalog = await LogReading.catalog(of: old, profile: profile)
    try Recording.begin(writer, uri: old.peer, profile: profile, catalog: catalog, unixMs: unixMs)
    for warning in found.warnings { try writer.note(warning) }
    let survey = LogSurvey(log: old, cluster: old, time: time)
    let now = try await survey.timestamp()
    let earliest = try await survey.earliest(found.places[0].pchannel, kind: nil, at: now)
    let starts = found.places.map { place in
      let start = Self.start(place, earliest)
      return LogReadStart(
        pchannel: place.pchannel, id: start.id, isInclusive: start.isInclusive,
        tick: place.checkpoint.hasReceivedNothing ? TimeTick(0) : place.checkpoint.timeTick.next)
    }
    let prepared = LogReading.Prepared(starts: starts, until: now, book: await survey.names().book, notes: [])
    let recording = Recording(writer, filter: LogFilter(), countMax: nil, book: prepared.book) { _ in }
    var plan = LogReadPlan()
    plan.start = .earliest
    try await LogReading(log: old, cluster: old, profile: profile, plan: plan, time: time).run(prepared, recording)
    try writer.sync()
  }

  // MARK: Conflicts

  /// Keys of the recording that the new cluster has written itself since its promotion: what it received carries a mark, what it wrote does not.
  package func conflicts(_ recordingPath: String, _ found: Found, profile: ServerProfile) async throws -> Conflicts {
    let written = try Self.keys(of: recordingPath)
    let survey = LogSurvey(log: new, cluster: new, time: time)
    let now = try await survey.timestamp()
    let earliest = try await survey.earliest(found.places[0].newPchannel, kind: nil, at: now)
    let starts = found.places.map {
      LogReadStart(pchannel: $0.newPchannel, id: earliest.id, isInclusive: earliest.isInclusive, tick: TimeTick(0))
    }
    let (book, _) = await survey.names()
    let watch = ConflictWatch(written, book: book)
    var plan = LogReadPlan()
    plan.start = .earliest
    try await LogReading(log: new, cluster: new, profile: profile, plan: plan, time: time)
      .run(LogReading.Prepared(starts: starts, until: now, book: book, notes: []), watch)
    var conflicts = Conflicts()
    for (path, keys) in await watch.found {
      conflicts.counts[path] = keys.count
      conflicts.keys[path] = keys
      conflicts.samples[path] = Array(keys.sorted().prefix(Self.listedMax))
    }
    return conflicts
  }

  private static func keys(of path: String) throws -> [CollectionPath: Set<RowKey>] {
    var reader = RecordReader(try LocalFile.reading(path))
    var book = NameBook()
    var keys: [CollectionPath: Set<RowKey>] = [:]
    while let found = try reader.next() {
      if case .catalog(let value) = found.item { book.learn(catalog: value) }
      guard case .message(let message, _) = found.item else { continue }
      let subject = LogSubject(message)
      book.learn(message, subject)
      guard let path = book.path(subject) else { continue }
      keys[path, default: []].formUnion(LogFilter.keys(of: message, subject, book))
    }
    return keys
  }
}

/// Which of some keys a log's own writes touch.
private actor ConflictWatch: LogReadSink {
  private let keys: [CollectionPath: Set<RowKey>]
  private var book: NameBook
  var found: [CollectionPath: Set<RowKey>] = [:]

  init(_ keys: [CollectionPath: Set<RowKey>], book: NameBook) {
    self.keys = keys
    self.book = book
  }

  func take(_ event: LogReadEvent) -> Bool {
    guard case .message(let message, _) = event, message.replicate == nil else { return true }
    let subject = LogSubject(message)
    book.learn(message, subject)
    guard let path = book.path(subject), let wanted = keys[path] else { return true }
    let hit = LogFilter.keys(of: message, subject, book).intersection(wanted)
    if !hit.isEmpty { found[path, default: []].formUnion(hit) }
    return true
  }
}
