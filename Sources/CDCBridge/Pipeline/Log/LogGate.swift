internal import MilvusWire

/// Lets the pass of one collection take turns with its log (`RowPassGate`).
struct LogGate: RowPassGate {
  let session: LogSession
  let id: Int64
  let keys: KeyWatch
  /// The pchannels of the collection.
  let pchannels: Set<String>
  let log: any MilvusLog
  let follower: LogFollower

  func mark() -> UInt64 { keys.mark() }

  func enter(since mark: UInt64) async throws(BridgeError) -> TouchedKeys {
    let tick: TimeTick
    do {
      tick = try await log.allocTimestamp()
    } catch {
      throw BridgeError(error, side: .source, operation: "weave rows into the log")
    }
    // Everything that was acknowledged before is in the log up to here, and has been delivered when this returns.
    guard await follower.prove(upTo: tick, on: pchannels), await session.holdRows(of: id) else {
      throw BridgeError(
        .rpc(RPCError(.cancelled, "the pass was cancelled", initiator: .local), method: "DumpMessages"), side: .local,
        operation: "weave rows into the log")
    }
    return keys.touched(since: mark)
  }

  func leave() async { await session.letRowsGo(of: id) }
}

extension LogSession {
  /// Returns when nothing of the log is being written to the collection; nothing will be until `letRowsGo`. False: cancelled.
  ///
  /// Where a schema change of the collection has come, pages may have been read of another one that has its name now: none is written, and
  /// the pass begins anew when the change has taken effect.
  func holdRows(of id: Int64) async -> Bool {
    guard let pass = follows[id]?.pass else { return false }
    if catalog.collections[id]?.vchannels.contains(where: board.isHeld) ?? true {
      pass.cancel()
      return false
    }
    let latch = LogLatch()
    follows[id]?.gate = latch
    wake()
    let isOpen = await latch.wait()
    if !isOpen, follows[id]?.gate === latch { follows[id]?.gate = nil }
    return isOpen
  }

  func letRowsGo(of id: Int64) {
    follows[id]?.isGateHeld = false
    follows[id]?.gate?.open(false)
    follows[id]?.gate = nil
    wake()
  }

  func openGate(_ follow: inout LogFollow) {
    guard let gate = follow.gate, !follow.flow.isFlying, follow.calls == 0 else { return }
    follow.gate = nil
    follow.isGateHeld = true
    gate.open()
  }

  // MARK: Passes

  func startPasses(_ group: inout TaskGroup<Event>) {
    guard let follower else { return }
    var running = follows.values.count { $0.pass != nil }
    for id in follows.keys.sorted() where running < Self.passesAtOnce {
      guard let follow = follows[id], let job = follow.job, follow.pass == nil, follow.mode == .writing,
        let known = catalog.collections[id], !known.vchannels.contains(where: board.isHeld)
      else { continue }
      guard let keys = follow.watch else { continue }
      follows[id]?.job = nil
      running += 1
      let pchannels = Set(known.vchannels.map { ChannelName.pchannel(of: $0) }).intersection(ledgers.keys)
      var woven = job
      woven.gate = LogGate(
        session: self, id: id, keys: keys, pchannels: pchannels.isEmpty ? Set(ledgers.keys) : pchannels,
        log: log, follower: follower)
      let result = Locked<BridgeError?>(nil)
      let row = woven
      let pass = Task {
        do throws(BridgeError) { try await row.run() } catch { result.withLock { $0 = error } }
      }
      follows[id]?.pass = pass
      group.addTask {
        await withTaskCancellationHandler {
          await pass.value
        } onCancel: {
          pass.cancel()
        }
        let error = result.withLock { $0 }
        return .passEnded(id, error)
      }
    }
  }

  func passEnded(_ id: Int64, _ error: BridgeError?) async {
    guard let follow = follows[id] else { return }
    let wasCancelled = follow.pass?.isCancelled ?? false
    follows[id]?.pass = nil
    follows[id]?.watch = nil
    letRowsGo(of: id)
    // A schema change, or a stop, took its place; the alignment makes a new one.
    if wasCancelled {
      if follow.mode != .stopped { request(.align(id)) }
      return
    }
    if let error {
      requireComparison(id)
      if follow.mode != .stopped { failed(id, error) }
      return
    }
    uncompared.remove(id)
    await record(id) { $0.needsComparison = false }
    changedSinceSave = true
    follows[id]?.backoff.succeeded()
    // Its last steps worked from what the source was when the pass began.
    request(.align(id))
  }

  func record(_ id: Int64, _ body: @escaping @Sendable (inout OwnedCollection) -> Void) async {
    guard let target = follows[id]?.target else { return }
    await keeper.change { $0.changeRecord(target, body) }
  }

  /// Rows were lost or left out: the next alignment is followed by a pass. Durable with the next positions. A pass that runs begins anew: it
  /// may have read by a name that is another's by now, and what it read before counts no more.
  func requireComparison(_ id: Int64) {
    uncompared.insert(id)
    follows[id]?.pass?.cancel()
    changedSinceSave = true
  }
}
