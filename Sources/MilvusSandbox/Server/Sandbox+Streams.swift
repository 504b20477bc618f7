package import MilvusWire

// DumpMessages (`wal-protocol.md` §5): a reader asks the log, sends, and waits for the log to change.

extension Sandbox {
  /// Serves one dump until it ends by itself, the client goes or a fault ends it. `send` suspends while the client does not read.
  package func dump(_ request: DumpRequest, send: @Sendable ([UInt8]) async throws -> Void) async throws {
    // Before anybody can see that this dump runs: a cut that comes from then on ends it.
    let cuts = faults.cutCount(.dump)
    let watch = watchers.register()
    defer { watchers.remove(watch.id) }
    let made: Result<DumpReader, RPCError> = withState { state in
      do throws(RPCError) {
        return .success(try DumpReader(request, state.journal, defaultKind: settings.log))
      } catch {
        return .failure(error)
      }
    }
    var reader = try made.get()
    if reader.isBounded { watchers.setBounded(watch.id) }
    var changes = watch.changes.makeAsyncIterator()
    while true {
      try Task.checkCancellation()
      if let cut = faults.cut(.dump, since: cuts) {
        if cut == .eof { return }
        throw RPCError(.unavailable, "the stream was cut", initiator: .remote)
      }
      let step = faults.isPaused(.dump, request.pchannel) ? DumpReader.Step.wait : next(&reader)
      switch step {
      case .deliver(let messages):
        for message in messages {
          var answer = WireWriter(capacity: message.count + 12)
          answer.lengthDelimited(2, message)
          try await send(answer.bytes)
        }
      case .wait: await changes.next()
      case .end: return
      }
    }
  }

  private func next(_ reader: inout DumpReader) -> DumpReader.Step {
    let (step, moved) = withState { state -> (DumpReader.Step, DumpReader) in
      var copy = reader
      let step = copy.step(state.journal)
      return (step, copy)
    }
    reader = moved
    return step
  }

  /// Ends running streams.
  func cut(_ streams: Set<SandboxFaults.Streams>, _ how: SandboxFaults.Cut) {
    if how == .tcp { return faults.resetConnections() }
    faults.cut(streams, how)
    watchers.changed()
  }

  /// What the nodes do all the time, as often as it is called: ticks go on, so that dumps of quiet channels can end.
  package func syncTimeTicks() {
    withState { state in state.journal.syncTimeTicks(oracle: &state.oracle, except: state.heldTicks) }
  }

  /// Keeps ticks going while a dump waits for them.
  package func runTimeTicks(every period: Duration = .milliseconds(50)) async {
    while !Task.isCancelled {
      if watchers.hasBounded { syncTimeTicks() }
      try? await Task.sleep(for: period)
    }
  }
}

/// Who waits for the log to change.
final class LogWatchers: Sendable {
  struct Watch {
    var id: Int
    var changes: AsyncStream<Void>
  }
  private struct Entry {
    var signal: AsyncStream<Void>.Continuation
    var isBounded = false
  }
  private let entries = Locked<(next: Int, all: [Int: Entry])>((0, [:]))

  /// Changes that come faster than they are looked at count as one.
  func register() -> Watch {
    let (changes, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let id = entries.withLock { entries in
      entries.next += 1
      entries.all[entries.next] = Entry(signal: signal)
      return entries.next
    }
    return Watch(id: id, changes: changes)
  }
  func setBounded(_ id: Int) { entries.withLock { $0.all[id]?.isBounded = true } }
  func remove(_ id: Int) {
    let entry = entries.withLock { $0.all.removeValue(forKey: id) }
    entry?.signal.finish()
  }
  var hasBounded: Bool { entries.withLock { $0.all.values.contains(where: \.isBounded) } }
  var count: Int { entries.withLock { $0.all.count } }

  func changed() {
    let signals = entries.withLock { $0.all.values.map(\.signal) }
    for signal in signals { signal.yield() }
  }
}
