package import MilvusWire

/// A Milvus cluster in memory with the manners of 2.3.5 or of Lite 3.2.2, as `public-rpc.md` tells them; for tests of the engines.
///
/// It holds honest rows: Milvus keeps repeated keys, pages have any length, an answer's columns come in any order, and requests that
/// kill a real server kill this one. Faults are decided per call.
package final class FakeCluster: MilvusCluster, Sendable {
  package struct Manners: Sendable {
    package var isLite: Bool
    package var versionText: String
    /// Pages of a scan hold between 1 row and this many times the limit (1: exact pages).
    package var pageFactorMax = 1
    /// Rows of a scan page come in no order.
    package var shufflesPages = false
    package var shufflesColumns = false
    /// A scan page may hold a key twice.
    package var repeatsKeysInPages = false
    /// A row with the largest int64 key is counted, but no query returns it.
    package var hidesMaximumKey = false
    /// Upsert puts rows of a collection with a partition key where a filter on it does not look (seen on 2.3.5).
    package var misplacesUpserts = false
    /// Servers since 2.5 know `valid_data`.
    package var knowsNulls = false
    /// Answers above this size are refused with RESOURCE_EXHAUSTED.
    package var answerBytesMax = 64 << 20
    package var requestBytesMax = 64 << 20

    package static let milvus235: Manners = {
      var manners = Manners(isLite: false, versionText: "v2.3.5-lite")
      manners.pageFactorMax = 3
      manners.shufflesPages = true
      manners.shufflesColumns = true
      manners.hidesMaximumKey = true
      manners.misplacesUpserts = true
      return manners
    }()
    package static let lite: Manners = {
      var manners = Manners(isLite: true, versionText: "milvus_lite-3.2.2")
      manners.knowsNulls = true
      manners.answerBytesMax = 256 << 20
      manners.requestBytesMax = 256 << 20
      return manners
    }()
  }
  package let manners: Manners
  package let peer: String
  private let state: Locked<FakeState>
  /// In a struct: a bare closure in a lock would be wrapped once more at every reading.
  private struct FaultRule: Sendable { var decide: @Sendable (FakeCall) -> FakeFault? }
  private let faultRule: Locked<FaultRule>
  private struct Patience: Sendable { var wait: @Sendable (String) async -> Void }
  private let patience = Locked(Patience { _ in })

  package init(_ manners: Manners, peer: String = "fake:19530", seed: UInt64 = 1) {
    self.manners = manners
    self.peer = peer
    state = Locked(FakeState(seed: seed))
    faultRule = Locked(FaultRule { _ in nil })
  }

  /// For looking at and preparing what the cluster holds.
  package func withState<T: Sendable>(_ body: (inout sending FakeState) -> sending T) -> T { state.withLock { body(&$0) } }
  package func setFaults(_ decide: @escaping @Sendable (FakeCall) -> FakeFault?) { faultRule.withLock { $0 = FaultRule(decide: decide) } }
  /// What a call of a method waits for before it is served.
  package func setPatience(_ wait: @escaping @Sendable (String) async -> Void) { patience.withLock { $0 = Patience(wait: wait) } }
  package var calls: [FakeCall] { state.withLock { $0.calls } }
  package var violations: [String] { state.withLock { $0.violations } }
  package var isDead: Bool { state.withLock { $0.isDead } }

  /// What a process restart does: Lite releases collections that have an index (`public-rpc.md` §3.6).
  package func restart() {
    state.withLock { state in
      state.isDead = false
      guard manners.isLite else { return }
      for database in state.databases.keys {
        for (name, collection) in state.databases[database]?.collections ?? [:] where !collection.indexes.isEmpty {
          state.databases[database]?.collections[name]?.isLoaded = false
        }
      }
    }
  }

  package func close() async {}

  // MARK: The frame of every call

  /// Counts the call, applies writes that arrive late, asks for a fault, and runs `body` under the lock.
  func call<T: Sendable>(
    _ method: String, _ path: CollectionPath? = nil, rows: Int = 0, expression: String = "",
    _ body: @escaping @Sendable (inout FakeState) throws(CallError) -> T
  ) async throws(CallError) -> T {
    await patience.withLock { $0 }.wait(method)
    await Task.yield()
    let rule = faultRule.withLock { $0 }
    let result: Result<T, CallError> = state.withLock { state in
      let call = FakeCall(index: state.callCount, method: method, path: path, rowCount: rows, expression: expression)
      state.callCount += 1
      state.calls.append(call)
      for late in state.late where late.at <= call.index { late.apply(&state) }
      state.late.removeAll { $0.at <= call.index }
      if state.isDead {
        return .failure(.rpc(rpc(.unavailable, "connection refused", .connection, isUnsent: true), method: method))
      }
      do throws(CallError) {
        switch rule.decide(call) {
        case nil:
          let result = try body(&state)
          if state.isDead { throw .rpc(rpc(.unavailable, "connection reset", .connection), method: method) }
          return .success(result)
        case .released:
          if let path, let real = state.resolve(path) { state[real]?.isLoaded = false }
          state.hasLetGo = true
          defer { state.hasLetGo = false }
          return .success(try body(&state))
        case .timeoutBefore: throw .rpc(rpc(.deadlineExceeded, "deadline", .local), method: method)
        case .timeoutAfter:
          _ = try body(&state)
          throw .rpc(rpc(.deadlineExceeded, "deadline", .local), method: method)
        case .timeoutLate(let calls):
          state.late.append((at: call.index + calls, apply: { state in _ = try? body(&state) }))
          throw .rpc(rpc(.deadlineExceeded, "deadline", .local), method: method)
        case .dropBefore: throw .rpc(rpc(.unavailable, "connection reset", .connection), method: method)
        case .dropAfter:
          _ = try body(&state)
          throw .rpc(rpc(.unavailable, "connection reset", .connection), method: method)
        case .notListening:
          throw .rpc(rpc(.unavailable, "connection refused", .connection, isUnsent: true), method: method)
        case .rateLimited:
          throw .status(MilvusStatus(code: 8, legacyErrorCode: 49, reason: "rate limit exceeded[rate=1]"), method: method)
        case .writesDenied:
          throw .status(
            MilvusStatus(code: 9, legacyErrorCode: 48, reason: "the writing has been deactivated by the administrator"),
            method: method)
        case .tooLarge:
          throw .rpc(rpc(.resourceExhausted, "received message larger than max", .remote), method: method)
        case .status(let status): throw .status(status, method: method)
        case .rpc(let code): throw .rpc(rpc(code, "fault", .remote), method: method)
        }
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private func rpc(_ code: RPCStatusCode, _ message: String, _ initiator: RPCError.Initiator, isUnsent: Bool = false)
    -> RPCError
  {
    RPCError(code, message, initiator: initiator, peer: peer, isUnsent: isUnsent)
  }

  func unimplemented(_ method: String) -> CallError {
    .rpc(rpc(.unimplemented, manners.isLite ? "Method not implemented!" : "unknown method \(method)", .remote), method: method)
  }
  /// A refusal with each server's own codes.
  func refusal(_ method: String, milvus: (Int32, String), lite: (Int32, String)) -> CallError {
    let (code, reason) = manners.isLite ? lite : milvus
    return .status(MilvusStatus(code: code, legacyErrorCode: code == 1 ? 0 : code, reason: reason), method: method)
  }
  func noCollection(_ method: String, _ path: CollectionPath) -> CallError {
    refusal(
      method, milvus: (100, "collection not found[collection=\(path.name)]"),
      lite: (100, "collection '\(path.name)' not found"))
  }

  // MARK: Server

  package func connect() async throws(CallError) -> ServerInfo {
    try await call("Connect") { [manners] _ throws(CallError) in
      var info = ServerInfo()
      info.buildTags = manners.isLite ? "milvus_lite" : manners.versionText
      info.deployMode = manners.isLite ? "embedded" : "STANDALONE"
      info.identifier = manners.isLite ? 0 : 1
      return info
    }
  }
  package func getVersion() async throws(CallError) -> String {
    try await call("GetVersion") { [manners] _ throws(CallError) in manners.versionText }
  }
  package func checkHealth() async throws(CallError) -> HealthReport {
    try await call("CheckHealth") { _ throws(CallError) in HealthReport() }
  }
  package func allocTimestamp() async throws(CallError) -> TimeTick {
    let isLite = manners.isLite
    let missing = unimplemented("AllocTimestamp")
    return try await call("AllocTimestamp") { state throws(CallError) in
      if isLite { throw missing }
      return TimeTick(state.now())
    }
  }
}
