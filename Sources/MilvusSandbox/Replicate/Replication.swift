internal import MilvusWire

/// What a cluster is in a replication topology, and how far it has got (`wal-protocol.md` §6.5, §7).
struct Replication {
  /// nil: never configured, which is a primary.
  private(set) var configuration: ReplicateConfiguration?
  let ownID: String
  /// By own pchannel; only while secondary.
  var checkpoints: [String: ReplicateCheckpoint] = [:]
  /// By source cluster, then own pchannel: where a forced promotion found it.
  private(set) var salvage: [String: [String: ReplicateCheckpoint]] = [:]
  /// By own pchannel: at most one is open.
  var open: [String: OpenTransaction] = [:]
  /// Broadcasts in the order of the control channel. They take effect in this order, each when the log has all of its copies: a channel that
  /// lags holds all later ones back (`wal-protocol.md` §3.5). One whose copy on the control channel has not come is behind the others.
  private var broadcasts: [Broadcast] = []

  private struct Broadcast {
    var id: UInt64
    var change: LogChange
    var missing: Set<String>
    /// Nothing that comes later goes before it.
    var isPlaced: Bool
  }
  /// vchannels whose CreateCollection is in the log.
  var known: Set<String> = []
  /// vchannels of a collection whose creation came, by collection id.
  var vchannels: [Int64: [String]] = [:]
  /// The newest schema of a collection that any copy brought, by collection id: rows of a vchannel follow its own copy.
  var schemas: [Int64: CollectionSchema] = [:]

  struct OpenTransaction {
    var id: Int64
    var drafts: [LogDraft]
    /// Ids of the source's messages, to tell repeats.
    var sources: [LogMessageID]
  }

  init(ownID: String) { self.ownID = ownID }

  /// The cluster that this one follows; nil on a primary.
  var sourceID: String? { configuration.flatMap { Self.source(of: ownID, in: $0) } }
  var isSecondary: Bool { sourceID != nil }

  static func source(of id: String, in configuration: ReplicateConfiguration) -> String? {
    configuration.topology.first { $0.targetClusterID == id }?.sourceClusterID
  }

  /// The own channel for a source's, by place in the lists; nil where the source has no such pchannel. vchannels keep their rest.
  func ownChannel(_ channel: String) -> String? {
    guard let configuration, let sourceID,
      let source = configuration.clusters.first(where: { $0.id == sourceID }),
      let own = configuration.clusters.first(where: { $0.id == ownID })
    else { return nil }
    let pchannel = ChannelName.pchannel(of: channel)
    guard let place = source.pchannels.firstIndex(of: pchannel), own.pchannels.indices.contains(place) else {
      return nil
    }
    return own.pchannels[place] + channel.dropFirst(pchannel.count)
  }

  /// Notes a copy of a broadcast; the changes that take effect by it, in their order.
  mutating func noteCopy(_ change: LogChange, of broadcast: BroadcastHeader, on channel: String) -> [LogChange] {
    let place = broadcasts.firstIndex { $0.id == broadcast.id }
    var noted =
      place.map { broadcasts.remove(at: $0) }
      ?? Broadcast(
        id: broadcast.id, change: change, missing: Set(broadcast.vchannels),
        isPlaced: !broadcast.vchannels.contains(where: ChannelName.isControl))
    noted.missing.remove(channel)
    let wasPlaced = noted.isPlaced && place != nil
    if ChannelName.isControl(channel) { noted.isPlaced = true }
    if let place, wasPlaced || !noted.isPlaced {
      broadcasts.insert(noted, at: place)
    } else if noted.isPlaced {
      broadcasts.insert(noted, at: broadcasts.firstIndex { !$0.isPlaced } ?? broadcasts.endIndex)
    } else {
      broadcasts.append(noted)
    }
    var ready: [LogChange] = []
    while let first = broadcasts.first, first.isPlaced, first.missing.isEmpty { ready.append(broadcasts.removeFirst().change) }
    return ready
  }

  /// Puts a configuration in force. A new source begins with nothing; the same one goes on.
  mutating func take(_ new: ReplicateConfiguration?) {
    let (before, after) = (sourceID, new.flatMap { Self.source(of: ownID, in: $0) })
    configuration = new
    guard before != after else { return }
    open.removeAll()
    checkpoints.removeAll()
    guard let after, let source = new?.clusters.first(where: { $0.id == after }),
      let own = new?.clusters.first(where: { $0.id == ownID })
    else { return }
    for (place, name) in own.pchannels.enumerated() where source.pchannels.indices.contains(place) {
      var checkpoint = ReplicateCheckpoint()
      (checkpoint.clusterID, checkpoint.pchannel) = (after, source.pchannels[place])
      checkpoints[name] = checkpoint
    }
  }

  /// Remembers how far everything had come, before the role changes by force.
  mutating func keepSalvage() {
    if let sourceID { salvage[sourceID] = checkpoints }
    open.removeAll()
  }
}
