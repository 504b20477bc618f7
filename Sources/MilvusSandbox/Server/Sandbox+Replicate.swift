internal import MilvusWire

// CreateReplicateStream and the calls around it (`wal-protocol.md` §6, §7).

extension Sandbox {
  /// Serves one replicate stream. Every failure but a missing `cluster-id` and the death of the process looks like a clean end.
  func replicateStream(_ call: ServerCall) async throws {
    guard let clusterID = call.metadata["cluster-id"] else {
      throw Self.streamingError("cluster id not found in context")
    }
    guard !clusterID.isEmpty else { throw Self.streamingError("cluster id is empty") }
    let cuts = faults.cutCount(.replicate)
    while let request = try await call.receive() {
      while faults.isPaused(.replicate, "") { try await Task.sleep(for: .milliseconds(5)) }
      if let cut = faults.cut(.replicate, since: cuts) {
        if cut == .eof { return }
        throw RPCError(.unavailable, "the stream was cut", initiator: .remote)
      }
      switch replicate(request) {
      case .silent: continue
      case .confirmed(let tick, _): try await call.send(Self.confirmation(tick))
      case .end: return
      case .death(let why, _): throw RPCError(.unavailable, "the server died: \(why)", initiator: .remote)
      }
    }
  }

  /// One `ReplicateRequest`; an empty one is nothing.
  func replicate(_ request: [UInt8]) -> ReplicateOutcome {
    var source = ""
    var message: [UInt8]?
    do throws(ProtobufError) {
      var reader = WireReader(request)
      while let field = try reader.next() {
        guard field.number == 1, let range = field.range else { continue }
        var inner = WireReader(request, in: range)
        while let field = try inner.next() {
          guard let range = field.range else { continue }
          if field.number == 1 { source = String(decoding: request[range], as: UTF8.self) }
          if field.number == 2 { message = Array(request[range]) }
        }
      }
    } catch {
      return .end("the request cannot be read")
    }
    guard let message else { return .silent }
    received.withLock { $0?.append(message) }
    if isDead { return .death("it is dead", poisons: false) }
    let outcome = withState { $0.replicate(message, from: source) }
    if case .death = outcome { die() }
    return outcome
  }

  private static func confirmation(_ tick: UInt64) -> [UInt8] {
    var info = WireWriter(), answer = WireWriter()
    if tick != 0 { info.varint(1, tick) }
    answer.lengthDelimited(1, info.bytes)
    return answer.bytes
  }

  private static func streamingError(_ cause: String) -> RPCError {
    RPCError(.unknown, "code: STREAMING_CODE_INVAILD_ARGUMENT, cause: \(cause)", initiator: .remote)
  }

  // MARK: Death

  /// True from a death until `revive`: every call fails, every connection is closed.
  var isDead: Bool { withState { $0.isDead } }

  /// What a panic does. Open transactions and ticks are gone, what is in the log stays.
  func die() {
    withState { state in
      state.isDead = true
      state.replication.open.removeAll()
    }
    faults.resetConnections()
  }

  /// Starts the process again; false where something in its log kills it at once.
  func revive() -> Bool {
    withState { state in
      state.isDead = state.isPoisoned
      if !state.isPoisoned { state.journal.restart() }
      return !state.isPoisoned
    }
  }

  // MARK: Calls

  func updateConfiguration(_ request: [UInt8]) async throws -> [UInt8] {
    var configuration: ReplicateConfiguration?
    var isForced = false
    do throws(ProtobufError) {
      var reader = WireReader(request)
      while let field = try reader.next() {
        if field.number == 1, let range = field.range {
          configuration = try ReplicateConfiguration(encoded: Array(request[range]))
        }
        if field.number == 2, let value = field.varint { isForced = value != 0 }
      }
    } catch {
      throw RPCError(.internal, "grpc: error unmarshalling request", initiator: .remote)
    }
    let (wanted, forced) = (configuration, isForced)
    if forced {
      guard let wanted else {
        die()
        throw RPCError(.unavailable, "connection reset", initiator: .remote)
      }
      return try status { (state) throws(Refusal) in try state.forcePromote(wanted) }
    }
    let watch = watchers.register()
    defer { watchers.remove(watch.id) }
    var changes = watch.changes.makeAsyncIterator()
    while true {
      let isDone = Locked(true)
      let answer = try status { (state) throws(Refusal) in
        let done = try state.updateConfiguration(wanted)
        isDone.withLock { $0 = done }
      }
      if isDone.withLock({ $0 }) { return answer }
      // A secondary waits until its source has sent the same.
      try Task.checkCancellation()
      await changes.next()
    }
  }

  private func status(_ body: (inout SandboxState) throws(Refusal) -> Void) throws -> [UInt8] {
    let refusal: Refusal? = withState { state in
      do throws(Refusal) {
        try body(&state)
        return nil
      } catch {
        return error
      }
    }
    return refusal.map { SandboxState.encode($0.status, as: "milvus.proto.common.Status") } ?? []
  }

  func replicateConfiguration() async throws -> [UInt8] {
    guard let shown = withState({ $0.shownConfiguration }) else { return try await Self.never() }
    var writer = WireWriter()
    writer.lengthDelimited(1, [])
    writer.lengthDelimited(2, shown.encoded)
    return writer.bytes
  }

  func replicateInfo(_ request: [UInt8]) async throws -> [UInt8] {
    let fields = try Self.decode(request, as: "milvus.proto.milvus.GetReplicateInfoRequest")
    let (source, pchannel) = (fields.text("source_cluster_id"), fields.text("target_pchannel"))
    guard let info = withState({ $0.replicateInfo(source: source, pchannel: pchannel) }) else {
      return try await Self.never()
    }
    return info.encoded
  }
}
