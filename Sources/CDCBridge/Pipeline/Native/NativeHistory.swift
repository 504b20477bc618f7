internal import MilvusWire

/// What the readable part of a source's log tells from its earliest entry on: whether a target that is given all of it ends up with everything.
///
/// The log forgets its beginning. A collection is complete where its creation is still there on each of its channels, since nothing behind it
/// can be missing then. Changes of others would end the target's streams (`wal-protocol.md` §0 no. 23): those that are gone from the source
/// are left out, those that still exist make seeding by the log impossible. Pure; `read` feeds it.
struct NativeHistory: Sendable, Equatable {
  /// Of the first message of each pchannel.
  private(set) var firstTicks: [String: TimeTick] = [:]
  /// By collection: the channels on which its creation was seen.
  private var created: [Int64: Set<String>] = [:]
  /// Seen without a creation before.
  private(set) var incomplete: Set<Int64> = []
  private var createdDatabases: Set<String> = []
  private(set) var incompleteDatabases: Set<String> = []
  private(set) var messages = 0

  mutating func saw(_ message: LogMessage, pchannel: String) {
    messages &+= 1
    if firstTicks[pchannel] == nil { firstTicks[pchannel] = message.timeTick }
    if let id = message.collectionID {
      if message.type == .createCollection {
        created[id, default: []].insert(message.vchannel)
      } else if created[id]?.contains(message.vchannel) != true {
        incomplete.insert(id)
      }
    } else if let name = message.databaseName {
      if message.type == .createDatabase {
        createdDatabases.insert(name)
      } else if !createdDatabases.contains(name), name != "default" {
        incompleteDatabases.insert(name)
      }
    }
  }

  /// What pchannels saw that were read beside each other.
  mutating func merge(_ other: NativeHistory) {
    messages &+= other.messages
    firstTicks.merge(other.firstTicks) { first, _ in first }
    created.merge(other.created) { $0.union($1) }
    incomplete.formUnion(other.incomplete)
    createdDatabases.formUnion(other.createdDatabases)
    incompleteDatabases.formUnion(other.incompleteDatabases)
  }

  /// Of what stands on the source: what the log does not tell whole.
  func missing(_ live: [CollectionDescription], databases: [String], controlChannel: String) -> [String] {
    var names = databases.filter { $0 != "default" && (!createdDatabases.contains($0) || incompleteDatabases.contains($0)) }
      .map { "database \($0)" }
    for collection in live {
      let wanted = Set(collection.virtualChannelNames + [controlChannel])
      if incomplete.contains(collection.id) || !wanted.isSubset(of: created[collection.id] ?? []) {
        names.append(collection.schema.name)
      }
    }
    return names.sorted()
  }

  /// Reads the whole readable log of one pchannel up to a tick. Ends with an error when the source is silent for `silence`.
  static func read(
    _ log: any MilvusLog, pchannel: String, kind: LogKind, upTo end: TimeTick, silence: Duration, time: RunnerTime
  ) async throws(BridgeError) -> NativeHistory {
    guard let start = LogIDFormat.earliestStart(kind) else {
      throw BridgeError(
        .logUnusable, side: .source, operation: "read the history of \(pchannel)", message: "a log of kind \(kind) has no known beginning")
    }
    let request = DumpRequest(pchannel: pchannel, start: start.id, isInclusive: start.isInclusive, endTick: end)
    let history = Locked(NativeHistory())
    let ended = await withTaskGroup(of: Result<Bool, CallError>.self) { group in
      let stream = Locked<(any DumpStream)?>(nil)
      group.addTask {
        do throws(CallError) {
          let opened = try await log.dump(request)
          stream.withLock { $0 = opened }
          while let message = try await opened.next() { history.withLock { $0.saw(message, pchannel: pchannel) } }
          return .success(true)
        } catch {
          return .failure(error)
        }
      }
      group.addTask {
        var seen = -1
        while await time.sleep(silence) {
          let now = history.withLock { $0.messages }
          if now == seen { break }
          seen = now
        }
        return .success(false)
      }
      let first = await group.next() ?? .success(false)
      group.cancelAll()
      await stream.withLock { $0 }?.cancel()
      return first
    }
    switch ended {
    case .success(true): return history.withLock { $0 }
    case .success(false):
      throw BridgeError(
        .sourceUnreadable, side: .source, operation: "read the history of \(pchannel)",
        message: "the log was silent for \(silence.spelled)")
    case .failure(let error):
      throw BridgeError(error, side: .source, operation: "read the history of \(pchannel)")
    }
  }
}
