package import MilvusWire

/// Follows the whole log of a source: one stream for each pchannel, over one `MilvusLog`.
///
/// Contract. `run` is called once; it reads until its task is cancelled and throws only what needs a person: an unexpanded transaction, refused
/// credentials, ids that the source cannot read, and what the consumer throws. Everything else is tried again for ever, with growing and
/// jittered pauses, and told by `report`. The deliveries of a pchannel are whole, in order and without repeats; whatever cannot be shown
/// to be whole comes as a gap. The follower holds one message of each pchannel, one transaction, or what a `LogBatchConsumer` is given at once, beside what the consumer has.
///
/// Messages that were themselves replicated into the source (`_rh`), and changes of its role (AlterReplicateConfig), are delivered like any
/// other: what they mean is the consumer's to decide.
///
/// `keepsBegins`: the first message of a delivered transaction is its begin, for those who send it on.
package final class LogFollower: Sendable {
  private let followers: Locked<[String: PchannelFollower]>
  private let make: @Sendable (String, LogPosition) -> PchannelFollower
  private let additions: AsyncStream<PchannelFollower>
  private let added: AsyncStream<PchannelFollower>.Continuation
  private let positions: [String: LogPosition]

  package init(
    log: any MilvusLog, positions: [String: LogPosition], limits: LogLimits = LogLimits(),
    time: RunnerTime = .system, keepsBegins: Bool = false,
    consumer: any LogConsumer, report: @escaping @Sendable (LogReport) -> Void = { _ in }
  ) {
    let calls = LogCalls(log: log, limits: limits, time: time)
    self.positions = positions
    make = {
      PchannelFollower(
        pchannel: $0, position: $1, calls: calls, keepsBegins: keepsBegins, consumer: consumer, report: report)
    }
    var followers: [String: PchannelFollower] = [:]
    for (pchannel, position) in positions { followers[pchannel] = make(pchannel, position) }
    self.followers = Locked(followers)
    (additions, added) = AsyncStream.makeStream()
  }

  /// A pchannel that the source did not have before; followed while `run` runs. One that is followed already stays as it is. The
  /// position has to be readable.
  package func add(_ pchannel: String, position: LogPosition) {
    let follower = make(pchannel, position)
    let isNew = followers.withLock { followers in
      guard followers[pchannel] == nil else { return false }
      followers[pchannel] = follower
      return true
    }
    if isNew { added.yield(follower) }
  }

  package func run() async throws(BridgeError) {
    for (pchannel, position) in positions where !position.isReadable {
      throw BridgeError(
        .logUnusable, side: .local, operation: "read the log of \(pchannel)",
        message:
          "the stored position (\(position.confirmed.kind)) is no position of a log that the bridge knows",
        hint: "Create the task again; it then copies and compares from the start.")
    }
    enum Event: Sendable {
      case ended(BridgeError?)
      case added(PchannelFollower?)
    }
    let additions = self.additions
    let first = followers.withLock { $0 }
    let failure = await withTaskGroup(of: Event.self) { group in
      func addNext() {
        group.addTask {
          for await follower in additions { return .added(follower) }
          return .added(nil)
        }
      }
      for follower in first.values { group.addTask { .ended(await follower.run()) } }
      addNext()
      var failure: BridgeError?
      for await event in group {
        switch event {
        case .ended(let error):
          guard failure == nil, let error else { continue }
          failure = error
          group.cancelAll()
        case .added(let follower?):
          // One that was there at the start is running.
          if first[follower.pchannel] !== follower { group.addTask { .ended(await follower.run()) } }
          addNext()
        case .added(nil): break
        }
      }
      return failure
    }
    if let failure { throw failure }
  }

  /// Asks the source for everything up to `tick` (an AllocTimestamp) and returns when the consumer has it: a delivery of each pchannel has
  /// reached the tick. Any number may ask at the same time; one question serves them. False where the follower ended or the asking
  /// task was cancelled first. Pchannels that are not followed do not count. nil: all.
  package func prove(upTo tick: TimeTick, on pchannels: Set<String>? = nil) async -> Bool {
    let followers = self.followers.withLock { $0 }
    return await withTaskGroup(of: Bool.self) { group in
      for (pchannel, follower) in followers where pchannels?.contains(pchannel) ?? true {
        group.addTask { await follower.reach(tick) }
      }
      var isReached = true
      for await answer in group { isReached = isReached && answer }
      return isReached
    }
  }
}
