package import MilvusWire

/// Finds the channels of a cluster, the kind of its log and where to begin, by reading alone unless FlushAll is allowed
/// (`wal-protocol.md` §2.6, §5.3, §7.1).
///
/// Channels are named by the collections that use them. Those without a collection, the control channel's among them, have names of the same
/// pattern: each is asked with a short dump, which a server that lacks the channel never ends.
package struct LogSurvey: Sendable {
  package struct Limits: Sendable {
    /// For one bounded dump that only asks.
    package var ask: Duration = .seconds(2)
    /// For a bounded dump that proves the end of the log.
    package var proof: Duration = .seconds(30)
    /// Collections that are described to learn names.
    package var collectionsMax = 500
    /// Channels of a cluster, Milvus's default number; more are found where a collection uses them.
    package var guessedChannels = 16
    package init() {}
  }
  package let log: any MilvusLog
  package let cluster: any MilvusCluster
  private let limits: Limits
  private let calls: LogCalls

  package init(log: any MilvusLog, cluster: any MilvusCluster, limits: Limits = Limits(), time: RunnerTime = .system) {
    self.log = log
    self.cluster = cluster
    self.limits = limits
    calls = LogCalls(log: log, limits: LogLimits(), time: time)
  }

  // MARK: Names

  /// Collections by id and the channels that they use; what cannot be looked at is left out.
  package func names() async -> (book: NameBook, pchannels: [String]) {
    var book = NameBook()
    var channels: Set<String> = []
    var rest = limits.collectionsMax
    let databases = (try? await cluster.listDatabases()) ?? ["default"]
    for database in databases {
      for summary in (try? await cluster.showCollections(database: database)) ?? [] where rest > 0 {
        rest -= 1
        let path = CollectionPath(database: database, name: summary.name)
        guard let description = try? await cluster.describeCollection(path) else { continue }
        book.learn(description, path: path)
        channels.formUnion(description.physicalChannelNames)
      }
    }
    return (book, channels.sorted(by: Self.isBefore))
  }

  /// By number where the names have one: `dml_2` before `dml_10`.
  package static func isBefore(_ a: String, _ b: String) -> Bool {
    func parts(_ name: String) -> (String, Int) {
      guard let cut = name.lastIndex(of: "_"), let number = Int(name[name.index(after: cut)...]) else { return (name, -1) }
      return (String(name[..<cut]), number)
    }
    return parts(a) < parts(b)
  }

  /// Every channel that the cluster has, as far as names and short dumps tell.
  package func channels(known: [String], earliest: LogIDFormat.Start, at now: TimeTick) async -> [String] {
    guard let sample = known.first, let cut = sample.lastIndex(of: "_"), ChannelName.replicationID(ofPchannel: sample) != nil else {
      return known
    }
    let prefix = sample[...cut]
    let guesses = (0..<limits.guessedChannels).map { "\(prefix)\($0)" }.filter { !known.contains($0) }
    let found = await Bounded.map(guesses, limit: 8) { pchannel -> String? in
      await hasChannel(pchannel, earliest: earliest, at: now) ? pchannel : nil
    }
    return (known + found.compactMap(\.self)).sorted(by: Self.isBefore)
  }

  /// Whether a name is that of one of the cluster's channels, as far as a short dump tells.
  package func hasChannel(_ pchannel: String, earliest: LogIDFormat.Start, at now: TimeTick) async -> Bool {
    (try? await calls.ask(Self.request(pchannel, earliest, from: now, until: now), within: limits.ask) { _ in false }) != nil
  }

  // MARK: The log

  /// Where the readable log begins, by an id that the server can read: of the kind that was named, else that of the first message, else of
  /// one of the two spellings that ids have. An id that is not of its log is a clean error from 2.6.20 on, the first version that can be
  /// read at all.
  package func earliest(_ pchannel: String, kind: LogKind?, at now: TimeTick) async throws(CallError) -> LogIDFormat.Start {
    if let kind, let start = LogIDFormat.earliestStart(kind) { return start }
    var last: CallError?
    for text in ["CAAQAQ==", "-2"] {
      let start: LogIDFormat.Start = (LogMessageID(text, .unknown), true)
      do throws(CallError) {
        guard let first = try await beginning(pchannel, earliest: start, until: now) else { return start }
        return LogIDFormat.earliestStart(first.id.kind) ?? start
      } catch {
        guard error.rpcCode == .unknown || error.rpcCode == .invalidArgument else { throw error }
        last = error
      }
    }
    throw last ?? .malformed(method: "DumpMessages", what: "the kind of the log cannot be told")
  }

  /// The first message that can be read; nil where nothing can, or nothing was written.
  package func beginning(_ pchannel: String, earliest: LogIDFormat.Start, until now: TimeTick) async throws(CallError) -> LogMessage? {
    let request = Self.request(pchannel, earliest, from: TimeTick(0), until: now)
    if case .message(let message) = try await calls.ask(request, within: limits.proof, for: { _ in true }) { return message }
    return nil
  }

  /// Waits until everything up to `now` has been delivered: what comes later has a greater tick (`wal-protocol.md` §4.4).
  package func prove(_ pchannel: String, earliest: LogIDFormat.Start, upTo now: TimeTick) async throws(CallError) {
    _ = try await calls.ask(Self.request(pchannel, earliest, from: now, until: now), within: limits.proof) { _ in false }
  }

  package func timestamp() async throws(CallError) -> TimeTick { try await calls.timestamp() }

  package func flushAll() async throws(BridgeError) -> LogStart {
    let answer: FlushAllAnswer
    do throws(CallError) { answer = try await calls.flushAll() } catch {
      throw BridgeError(error, side: .source, operation: "ask for the log's position with FlushAll")
    }
    return try LogBootstrap.read(answer)
  }

  private static func request(_ pchannel: String, _ start: LogIDFormat.Start, from: TimeTick, until: TimeTick) -> DumpRequest {
    DumpRequest(pchannel: pchannel, start: start.id, isInclusive: start.isInclusive, startTick: from, endTick: until)
  }
}
