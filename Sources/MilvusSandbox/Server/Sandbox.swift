package import MilvusWire

/// An in-memory Milvus endpoint with a log, for tests, demos and debugging. It forgets everything when it ends and finds nothing by
/// similarity: it is no database.
package final class Sandbox: Sendable {
  private let state: Locked<SandboxState>
  let watchers = LogWatchers()
  let faults = SandboxFaults()
  /// What replicate streams brought, byte for byte, since `record` was called; nil: it is not kept.
  let received = Locked<[[UInt8]]?>(nil)
  package let settings: SandboxSettings

  package init(_ settings: SandboxSettings) {
    self.settings = settings
    state = Locked(SandboxState(settings))
  }

  /// The state for itself alone. Readers of the log hear of every change.
  func withState<T>(_ body: (inout SandboxState) -> sending T) -> sending T {
    let (result, isChanged) = state.withLock { state -> sending (T, Bool) in
      let before = state.journal.version
      let result = body(&state)
      return (result, state.journal.version != before)
    }
    if isChanged { watchers.changed() }
    return result
  }

  // MARK: Unary calls

  /// Answers one call of MilvusService: request and answer in their wire form. `database`: the metadata `dbname`.
  package func call(_ name: String, _ request: [UInt8], database: String = "") async throws -> [UInt8] {
    try await callWithFaults(name, request, database: database)
  }

  /// One call, and nothing goes wrong.
  func perform(_ name: String, _ request: [UInt8], database: String) async throws -> [UInt8] {
    guard let method = Method.named("milvus.proto.milvus.MilvusService/\(name)"), method.isUnary else {
      throw Self.unknown(name)
    }
    if isDead { throw RPCError(.unavailable, "connection refused", initiator: .remote) }
    switch name {
    case "Insert":
      return write(name) { (state) throws(Refusal) in try state.insert(request, database: database) }
    case "Upsert":
      return write(name) { (state) throws(Refusal) in try state.upsert(request, database: database) }
    case "UpdateReplicateConfiguration": return try await updateConfiguration(request)
    case "GetReplicateConfiguration": return try await replicateConfiguration()
    case "GetReplicateInfo": return try await replicateInfo(request)
    default: break
    }
    let asked = Request(try Self.decode(request, as: method.requestType), database: database)
    switch name {
    case "Delete": return write(name) { (state) throws(Refusal) in try state.delete(asked) }
    case "Query": return try answer(asked, method)
    default: break
    }
    guard let action = SandboxActions.table[name] else { throw Self.unknown(name) }
    let isStatus = method.responseType == "milvus.proto.common.Status"
    let fields: JSONObject = withState { state in
      do throws(Refusal) {
        if let refusal = state.secondaryRefusal(name, asked.fields) { throw refusal }
        var fields = try action(&state, asked)
        if !isStatus { fields["status"] = [:] }
        return fields
      } catch {
        return isStatus ? error.status.objectValue ?? JSONObject() : ["status": error.status]
      }
    }
    return try Self.encode(fields, as: method.responseType)
  }

  private func write(_ name: String, _ body: (inout SandboxState) throws(Refusal) -> WriteResult) -> [UInt8] {
    withState { state in
      if let refusal = state.secondaryRefusal(name, JSONObject()) { return Self.statusOnly(refusal) }
      do throws(Refusal) { return try body(&state).bytes } catch { return Self.statusOnly(error) }
    }
  }

  private func answer(_ request: Request, _ method: Method) throws -> [UInt8] {
    let bytes: [UInt8] = withState { state in
      do throws(Refusal) { return try state.query(request) } catch { return Self.statusOnly(error) }
    }
    guard bytes.count <= Self.sendBytesMax else {
      throw RPCError(
        .resourceExhausted,
        "grpc: trying to send message larger than max (\(bytes.count) vs. \(Self.sendBytesMax))",
        initiator: .remote)
    }
    return bytes
  }
  /// `proxy.grpc.serverMaxSendSize` (`wal-protocol.md` §5.4).
  private static let sendBytesMax = 256 << 20

  /// An answer that is nothing but its Status, which stands first in all answers about rows.
  private static func statusOnly(_ refusal: Refusal) -> [UInt8] {
    var writer = WireWriter()
    writer.lengthDelimited(1, SandboxState.encode(refusal.status, as: "milvus.proto.common.Status"))
    return writer.bytes
  }

  /// The answer of a method that was refused.
  static func answer(_ refusal: Refusal, to name: String) throws -> [UInt8] {
    guard let method = Method.named("milvus.proto.milvus.MilvusService/\(name)") else { throw unknown(name) }
    let isStatus = method.responseType == "milvus.proto.common.Status"
    let fields = isStatus ? refusal.status.objectValue ?? JSONObject() : ["status": refusal.status]
    return try encode(fields, as: method.responseType)
  }

  static func decode(_ bytes: [UInt8], as type: String) throws -> JSONObject {
    guard let descriptor = MessageDescriptor(named: type) else { throw unknown(type) }
    do {
      return try MessageJSON().json(of: bytes, as: descriptor).objectValue ?? JSONObject()
    } catch {
      throw RPCError(.internal, "grpc: error unmarshalling request: \(error)", initiator: .remote)
    }
  }

  private static func encode(_ fields: JSONObject, as type: String) throws -> [UInt8] {
    guard let descriptor = MessageDescriptor(named: type) else { throw unknown(type) }
    return try MessageJSON().bytes(of: .object(fields), as: descriptor)
  }

  static func unknown(_ method: String) -> RPCError {
    RPCError(
      .unimplemented, "unknown method \(method) for service milvus.proto.milvus.MilvusService",
      initiator: .remote)
  }

  // MARK: Serving

  /// Every method of MilvusService; what the sandbox has not is UNIMPLEMENTED, as on a server of another version.
  package var routes: RPCRoutes {
    var routes = RPCRoutes()
    for method in Method.all where method.isUnary && method.service == "milvus.proto.milvus.MilvusService" {
      routes.unary(method.path) { request, call in
        try await self.call(method.name, request, database: call.metadata["dbname"] ?? "")
      }
    }
    if let dump = Method.named("DumpMessages") {
      routes.stream(dump.path) { call in
        guard let bytes = try await call.receive() else { return }
        var request = DumpRequest(pchannel: "", start: LogMessageID("", .unknown), isInclusive: false)
        do { request = try DumpRequest(encoded: bytes) } catch {
          throw RPCError(.internal, "grpc: error unmarshalling request", initiator: .remote)
        }
        try await self.dump(request) { try await call.send($0) }
      }
    }
    if let replicate = Method.named("CreateReplicateStream") {
      routes.stream(replicate.path) { call in try await self.replicateStream(call) }
    }
    return routes
  }

  /// Serves a listener until `signals` says to stop: new calls are refused then, running ones end with their connections.
  package func serve(_ listener: Listener, until stop: @Sendable () async -> Void) async {
    let server = RPCServer(listener: listener, routes: routes)
    await withDiscardingTaskGroup { group in
      group.addTask { await self.runTimeTicks() }
      group.addTask { await self.accept(listener, server) }
      await stop()
      listener.close()
      group.cancelAll()
    }
  }

  /// Accepts by itself, so that a fault can reset every connection.
  private func accept(_ listener: Listener, _ server: RPCServer) async {
    await withDiscardingTaskGroup { group in
      while let stream = try? await listener.accept() {
        if isDead {
          stream.close()
          continue
        }
        let id = faults.addConnection { stream.close() }
        group.addTask {
          await server.serve(stream, on: stream.loop)
          self.faults.removeConnection(id)
        }
      }
      group.cancelAll()
    }
  }
}
