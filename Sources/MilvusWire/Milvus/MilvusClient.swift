/// One Milvus cluster through its public service. The contract is `MilvusCluster`'s.
package final class MilvusClient: MilvusCluster {
  /// Deadlines of the calls (`public-rpc.md` §2.4).
  package struct Deadlines: Sendable, Equatable {
    /// Calls that only look something up.
    package var metadata: Duration = .seconds(10)
    /// Calls that change objects, load or flush; on Milvus most return before the work is done.
    package var change: Duration = .seconds(60)
    /// Pages of a query. Milvus Lite walks the whole collection for each, seconds per 100,000 rows on a busy machine.
    package var pages: Duration = .seconds(180)
    /// Batches of rows.
    package var rows: Duration = .seconds(60)
    /// Looking for a replicate configuration: a cluster without one does not answer at all (`wal-protocol.md` §7.3).
    package var configuration: Duration = .seconds(3)
    /// A dump from its first to its last message. An idle one is as good as a busy one, so it is long; a dump that has
    /// run this long ends with DEADLINE_EXCEEDED and is opened again.
    package var dump: Duration = .seconds(7 * 24 * 3600)
    package init() {}
  }

  package var peer: String { caller.peer }

  let caller: any UnaryCaller
  let deadlines: Deadlines
  private let token: Secret

  package convenience init(
    _ connection: ClusterConnection, deadlines: Deadlines = Deadlines(), options: ChannelOptions = ChannelOptions(),
    loops: ConnectionLoopGroup? = nil
  ) {
    self.init(caller: RPCChannel(connection, options: options, loops: loops), token: connection.token, deadlines: deadlines)
  }

  package init(caller: any UnaryCaller, token: Secret = Secret(""), deadlines: Deadlines = Deadlines()) {
    self.caller = caller
    self.token = token
    self.deadlines = deadlines
  }

  package func close() async { await caller.shutdown() }

  // MARK: Server

  package func connect() async throws(CallError) -> ServerInfo {
    do throws(CallError) {
      return try await call(
        "Connect", { () throws(ProtobufError) in try Requests.connect(user: userName) }, Responses.serverInfo)
    } catch {
      // Servers before 2.2.9 do not know the call and nothing depends on it. But every Milvus knows GetVersion:
      // what does not is something else on that port.
      guard case .rpc(let failure, _) = error, failure.code == .unimplemented else { throw error }
      _ = try await getVersion()
      return ServerInfo()
    }
  }

  package func getVersion() async throws(CallError) -> String {
    try await call("GetVersion", { [] }, Responses.version)
  }

  package func checkHealth() async throws(CallError) -> HealthReport {
    try await call("CheckHealth", { [] }, Responses.health)
  }

  package func allocTimestamp() async throws(CallError) -> TimeTick {
    try await call("AllocTimestamp", { [] }, Responses.timestamp)
  }

  /// What stands before the colon of `user:password`; nothing of an API key.
  private var userName: String {
    let text = token.revealed
    guard let colon = text.firstIndex(of: ":") else { return "" }
    return String(text[..<colon])
  }

  // MARK: The call

  /// Makes one call: encodes the request, sends it, reads the Status, decodes the rest.
  ///
  /// `secret`: a text of the request that holds row values; an answer that quotes it is shown without
  /// (`design.md` §7 no. 6). `identity`: stands in for the metadata of the connection.
  func call<Answer>(
    _ name: StaticString, timeout: Duration? = nil, hiding secret: String = "", identity: Metadata? = nil,
    _ request: () throws(ProtobufError) -> [UInt8], _ decode: ([UInt8]) throws(ProtobufError) -> Answer
  ) async throws(CallError) -> Answer {
    let method = "\(name)"
    guard let entry = Self.methods[method] else {
      preconditionFailure("no method \(method) in protos/")
    }
    let message = try Self.local(method, request)
    let answer: [UInt8]
    do throws(RPCError) {
      answer = try await caller.unary(
        path: entry.path, message: message, metadata: identity ?? metadata, timeout: timeout ?? deadlines.metadata)
    } catch {
      throw CallError.rpc(error, method: method)
    }
    var status = try Self.local(method) { () throws(ProtobufError) in
      try MilvusStatus.read(from: answer, of: entry.answer)
    }
    guard status.isSuccess else {
      status.hide(secret)
      throw CallError.status(status, method: method)
    }
    return try Self.local(method) { () throws(ProtobufError) in try decode(answer) }
  }

  /// A call whose answer is nothing but a Status.
  func perform(_ name: StaticString, _ request: () throws(ProtobufError) -> [UInt8]) async throws(CallError) {
    try await call(name, timeout: deadlines.change, request) { _ in }
  }

  private static func local<Value>(_ method: String, _ body: () throws(ProtobufError) -> Value)
    throws(CallError) -> Value
  {
    do throws(ProtobufError) {
      return try body()
    } catch {
      throw CallError.malformed(method: method, what: error.message)
    }
  }

  /// Standard base64 with padding and no scheme word (`public-rpc.md` §1.2).
  var metadata: Metadata {
    token.isEmpty ? [:] : ["authorization": Base64.encode(Array(token.revealed.utf8))]
  }

  private struct Entry {
    let path: String
    let answer: MessageDescriptor
  }

  /// The unary methods of MilvusService by name.
  private static let methods: [String: Entry] = {
    var entries: [String: Entry] = [:]
    for method in Method.all where method.service == "milvus.proto.milvus.MilvusService" && method.isUnary {
      guard let answer = MessageDescriptor(named: method.responseType) else { continue }
      entries[method.name] = Entry(path: method.path, answer: answer)
    }
    return entries
  }()
}

extension MilvusStatus {
  /// Servers quote the expression that they could not read, and with it the keys in it.
  mutating func hide(_ secret: String) {
    guard !secret.isEmpty else { return }
    reason = reason.replacing(secret, with: "…")
    detail = detail.replacing(secret, with: "…")
  }
}
