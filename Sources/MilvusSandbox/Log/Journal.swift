internal import MilvusWire

/// The logs of all pchannels and the rules of who writes where (`wal-protocol.md` §3.2).
struct Journal {
  private(set) var logs: [PchannelLog]
  let clusterID: String
  private var nextBroadcastID: UInt64
  private var random: SandboxRandom
  /// Raised with every append: what waiting readers look at.
  private(set) var version: UInt64 = 0

  init(clusterID: String, pchannelCount: Int, kind: LogKind, seed: UInt64, oracle: inout TimestampOracle) {
    self.clusterID = clusterID
    nextBroadcastID = oracle.next()
    random = SandboxRandom(seed: seed)
    let first = Self.firstEntry(kind, &oracle)
    logs = (0..<max(1, pchannelCount)).map {
      PchannelLog(name: "\(clusterID)-rootcoord-dml_\($0)", kind: kind, firstEntry: first)
    }
  }

  /// RocksMQ counts from a timestamp on and its ids repeat on other pchannels (`wal-protocol.md` §2.6).
  private static func firstEntry(_ kind: LogKind, _ oracle: inout TimestampOracle) -> Int64 {
    kind == .rocksMQ ? Int64(truncatingIfNeeded: oracle.next()) : 0
  }

  var pchannels: [String] { logs.map(\.name) }
  var controlChannel: String { ChannelName.control(ofPchannel: logs[0].name) }

  func index(of channel: String) -> Int? {
    logs.firstIndex { channel == $0.name || channel.hasPrefix($0.name + "_") }
  }

  mutating func withLog<T>(_ pchannel: String, _ body: (inout PchannelLog) -> T) -> T? {
    guard let index = logs.firstIndex(where: { $0.name == pchannel }) else { return nil }
    version &+= 1
    return body(&logs[index])
  }

  // MARK: Appending

  /// One message on one vchannel.
  @discardableResult
  mutating func append(_ draft: LogDraft, oracle: inout TimestampOracle) -> PchannelLog.Delivery? {
    append([draft], to: draft.channel, oracle: &oracle)
  }

  private mutating func append(_ drafts: [LogDraft], to channel: String, oracle: inout TimestampOracle)
    -> PchannelLog.Delivery?
  {
    guard let index = index(of: channel) else { return nil }
    version &+= 1
    return logs[index].append(drafts, oracle: &oracle, random: &random)
  }

  /// Messages that came from another cluster: one, or a transaction.
  mutating func append(replicated drafts: [LogDraft], to pchannel: String, oracle: inout TimestampOracle) {
    guard let index = logs.firstIndex(where: { $0.name == pchannel }) else { return }
    version &+= 1
    _ = logs[index].append(drafts, oracle: &oracle, random: &random)
  }

  /// A message on one pchannel whatever its vchannel says, or bytes that are delivered as they are.
  mutating func append(to pchannel: String, oracle: inout TimestampOracle, draft: LogDraft?, raw: [UInt8]) {
    guard let index = logs.firstIndex(where: { $0.name == pchannel }) else { return }
    version &+= 1
    if let draft {
      _ = logs[index].append([draft], oracle: &oracle, random: &random)
    } else {
      logs[index].append(raw: raw, oracle: &oracle)
    }
  }

  /// Messages of one write on one vchannel: one goes plainly, more are a transaction.
  @discardableResult
  mutating func appendWrite(_ bodies: [LogDraft], transaction id: Int64, oracle: inout TimestampOracle)
    -> PchannelLog.Delivery?
  {
    guard let first = bodies.first else { return nil }
    if bodies.count == 1 { return append(first, oracle: &oracle) }
    let context = TransactionContext(id: id, keepaliveMilliseconds: Self.keepaliveMilliseconds)
    var drafts = [LogDraft(type: .beginTxn, channel: first.channel)]
    drafts += bodies
    drafts.append(LogDraft(type: .commitTxn, channel: first.channel))
    for index in drafts.indices { drafts[index].transaction = context }
    return append(drafts, to: first.channel, oracle: &oracle)
  }
  private static let keepaliveMilliseconds: Int64 = 10_000

  /// One copy on every channel, in an order by chance, as servers do it; the drafts differ in their channel and perhaps their header.
  @discardableResult
  mutating func broadcast(
    _ drafts: [LogDraft], keys: [ResourceKey], waitsForAll: Bool = false, oracle: inout TimestampOracle
  )
    -> [(LogDraft, PchannelLog.Delivery)]
  {
    nextBroadcastID += 1
    var header = BroadcastHeader(
      id: nextBroadcastID, vchannels: drafts.shuffled(using: &random).map(\.channel))
    header.resourceKeys = keys.shuffled(using: &random)
    header.ackSyncUp = waitsForAll
    var copies: [(LogDraft, PchannelLog.Delivery)] = []
    for var draft in drafts.shuffled(using: &random) {
      draft.broadcast = header
      if let delivery = append(draft, oracle: &oracle) { copies.append((draft, delivery)) }
    }
    return copies
  }

  /// What the nodes do all the time: every tick given out later is larger than every timestamp given out before.
  mutating func syncTimeTicks(oracle: inout TimestampOracle, except held: Set<String>) {
    version &+= 1
    for index in logs.indices where !held.contains(logs[index].name) { logs[index].syncTimeTick(&oracle) }
  }

  mutating func switchKind(to kind: LogKind, oracle: inout TimestampOracle) {
    version &+= 1
    let first = Self.firstEntry(kind, &oracle)
    for index in logs.indices { logs[index].switchKind(to: kind, firstEntry: first) }
  }

  mutating func restart() {
    version &+= 1
    for index in logs.indices { logs[index].roll() }
  }

  /// True once in `count` times, by the journal's own seed.
  mutating func chance(oneIn count: Int) -> Bool { random.oneIn(count) }
}

/// What a broadcast locks (`wal-protocol.md` §2.4).
extension ResourceKey {
  private static let collectionName: Int32 = 2, databaseName: Int32 = 3, privilegeDomain: Int32 = 4,
    clusterDomain: Int32 = 127

  static let cluster = ResourceKey(domain: clusterDomain, key: "", isShared: false)
  static let sharedCluster = ResourceKey(domain: clusterDomain, key: "", isShared: true)
  static let privilege = [ResourceKey(domain: privilegeDomain, key: "", isShared: false), sharedCluster]

  static func collection(_ database: String, _ name: String) -> [ResourceKey] {
    [
      ResourceKey(domain: collectionName, key: "\(database):\(name)", isShared: false),
      ResourceKey(domain: databaseName, key: database, isShared: true), sharedCluster,
    ]
  }
  static func database(_ names: String...) -> [ResourceKey] {
    names.map { ResourceKey(domain: databaseName, key: $0, isShared: false) } + [sharedCluster]
  }
}
