/// A cluster that can be made a standby and be written natively (`wal-protocol.md` §6, §7). `MilvusClient` is the real one.
///
/// Contract. Unary calls have a deadline each, and are never repeated inside. At most one stream for each of a source's pchannels may be
/// open at a time, over all processes; nothing here enforces it.
package protocol MilvusReplica: MilvusLog {
  /// Opens a replicate stream for one pchannel of the source. Waits for nothing of the server: a target that is no standby takes the call
  /// and ends it at the first message.
  func replicate(from sourceClusterID: String, to targetClusterID: String) async throws(CallError) -> any ReplicateStream
  /// `isForced`: the cluster becomes a primary now. Then the configuration has to be the one cluster and nothing else; servers die of none.
  func updateReplicateConfiguration(_ configuration: ReplicateConfiguration, isForced: Bool) async throws(CallError)
}

/// One replicate stream. One task sends, one task takes confirmations.
package protocol ReplicateStream: Sendable {
  /// Sends the messages' own bytes, in this order and without a pause between, then waits while the target does not read.
  func send(_ messages: [LogMessage]) async throws(CallError)
  /// The source's tick up to which the target confirms, in the order of sending; of several that are here the last one. nil: the target ended the stream with OK, which is how
  /// it says that something failed (§6.3).
  func confirmed() async throws(CallError) -> TimeTick?
  /// May be called more than once.
  func cancel() async
}

extension MilvusClient: MilvusReplica {
  package func replicate(from sourceClusterID: String, to targetClusterID: String) async throws(CallError)
    -> any ReplicateStream
  {
    let name = "CreateReplicateStream"
    guard let method = Method.named(name) else { preconditionFailure("no method \(name) in protos/") }
    var metadata = metadata
    metadata.append("cluster-id", targetClusterID)
    do throws(RPCError) {
      let call = try await caller.duplexStream(path: method.path, metadata: metadata, timeout: deadlines.dump)
      return MilvusReplicateStream(
        call: call, framing: ReplicateFraming(sourceClusterID: sourceClusterID), method: name, peer: peer)
    } catch {
      throw CallError.rpc(error, method: name)
    }
  }

  package func updateReplicateConfiguration(_ configuration: ReplicateConfiguration, isForced: Bool)
    async throws(CallError)
  {
    var request = WireWriter()
    request.lengthDelimited(1, configuration.encoded)
    if isForced { request.varint(2, 1) }
    let bytes = request.bytes
    try await perform("UpdateReplicateConfiguration") { bytes }
  }
}

private struct MilvusReplicateStream: ReplicateStream {
  let call: any DuplexStream
  let framing: ReplicateFraming
  let method: String
  let peer: String

  func send(_ messages: [LogMessage]) async throws(CallError) {
    var requests = OutgoingBatch()
    for message in messages {
      guard framing.add(message, to: &requests) else {
        throw CallError.rpc(
          RPCError(
            .resourceExhausted, "message of \(message.byteCount) bytes is larger than the send limit",
            initiator: .local, peer: peer), method: method)
      }
    }
    do throws(RPCError) {
      try await call.forward(requests)
    } catch {
      throw CallError.rpc(error, method: method)
    }
  }

  func confirmed() async throws(CallError) -> TimeTick? {
    while true {
      let answers: [ReceivedMessage]
      do throws(RPCError) {
        answers = try await call.receive(bytesMax: Self.confirmationBytesMax)
      } catch {
        throw CallError.rpc(error, method: method)
      }
      guard !answers.isEmpty else { return nil }
      // One that came later covers what came before it.
      var latest: TimeTick?
      do throws(ProtobufError) {
        for answer in answers {
          guard let tick = try ReplicateFraming.confirmedTick(answer.bytes, in: answer.range) else { continue }
          latest = max(latest ?? tick, tick)
        }
      } catch {
        throw CallError.malformed(method: method, what: error.message)
      }
      if let latest { return latest }
    }
  }

  /// Of confirmations taken at once.
  private static let confirmationBytesMax = 64 << 10

  func cancel() async { await call.cancel() }
}
