/// RPCs to one cluster over one or a few connections that are made when they are needed and used again.
///
/// A call that finds no connection makes one and waits for it; when that fails, it and the calls that come before the next
/// attempt is due fail at once with the reason and `host:port`. After GOAWAY new calls get a new connection while the
/// old one finishes its calls. A call is repeated in here only where the server provably has not looked at it, and once.
package final class RPCChannel: Sendable {
  typealias Dialer = @Sendable (Endpoint, Duration, ConnectionLoop) async throws(WireError) -> any ByteStream

  /// `host:port`.
  package var peer: String { cluster.endpoint.authority }

  private let cluster: ClusterConnection
  private let options: ChannelOptions
  /// nil: the process's own loops.
  private let loops: ConnectionLoopGroup?
  private let dial: Dialer
  private let state: Locked<ChannelState>

  package convenience init(
    _ connection: ClusterConnection, options: ChannelOptions = ChannelOptions(),
    loops: ConnectionLoopGroup? = nil
  ) {
    self.init(connection, options: options, loops: loops) { (endpoint, timeout, loop) throws(WireError) in
      try await endpoint.connect(timeout: timeout, on: loop)
    }
  }

  init(
    _ connection: ClusterConnection, options: ChannelOptions, loops: ConnectionLoopGroup?, dial: @escaping Dialer
  ) {
    cluster = connection
    self.options = options
    self.loops = loops
    self.dial = dial
    state = Locked(
      ChannelState(
        slotCount: max(1, options.connectionCount), keepalivePeriod: options.keepalivePeriod,
        backoff: Backoff(base: options.backoffFirst, ceiling: options.backoffMax)))
  }

  /// One request message, one response message. Throws every status but OK.
  ///
  /// `path` is `/package.Service/Method`. `timeout` covers everything, making a connection included.
  package func unary(
    path: String, message: [UInt8], metadata: Metadata = [:], timeout: Duration
  ) async throws(RPCError) -> [UInt8] {
    let request = request(path, metadata, timeout)
    let connection = try await connection(for: request)
    do throws(RPCError) {
      return try await connection.unary(request, message: message)
    } catch {
      guard isRepeatable(error) else { throw error }
    }
    return try await self.connection(for: request).unary(request, message: message)
  }

  /// Starts a call of any kind. `userAgent`: who asks, where that is somebody else.
  package func open(
    path: String, metadata: Metadata = [:], timeout: Duration, userAgent: String? = nil, encodings: MessageEncodings? = nil
  ) async throws(RPCError) -> RPCCall {
    var request = request(path, metadata, timeout)
    request.encodings = encodings
    // A value that no header may have would end the connection.
    if let userAgent, userAgent.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { request.userAgent = userAgent }
    let connection = try await connection(for: request)
    do throws(RPCError) {
      return RPCCall(connection: connection, id: try await connection.openCall(request))
    } catch {
      guard isRepeatable(error) else { throw error }
    }
    let other = try await self.connection(for: request)
    return RPCCall(connection: other, id: try await other.openCall(request))
  }

  /// Ends all connections; calls in flight fail with UNAVAILABLE, later ones too. May be called more than once.
  package func shutdown() async {
    let (connections, tasks, waiters) = state.withLock { $0.shutDown(shutDownError) }
    resume(waiters)
    for connection in connections { await connection.close(shutDownError) }
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
  }

  private var shutDownError: RPCError {
    RPCError(.unavailable, "the channel is closed", initiator: .local, peer: peer, isUnsent: true)
  }

  private func request(_ path: String, _ metadata: Metadata, _ timeout: Duration) -> ClientRequest {
    ClientRequest(path: path, metadata: metadata, deadline: .now + timeout, timeout: timeout)
  }

  /// The connection that carried the call is ending, and the server has not looked at the call (RFC 9113 §8.7).
  private func isRepeatable(_ error: RPCError) -> Bool {
    error.isUnsent && error.code == .unavailable && !state.withLock { $0.isShutDown }
  }

  // MARK: Connections

  private func connection(for request: ClientRequest) async throws(RPCError) -> Connection {
    while true {
      switch state.withLock({ $0.choose(at: ContinuousClock.now) }) {
      case .use(let connection): return connection
      case .fail(let reason): throw reason
      case .connect(let slot):
        startConnecting(slot)
        try await wait(for: slot, request)
      case .wait(let slot):
        try await wait(for: slot, request)
      }
    }
  }

  /// Waits until the slot is not connecting any more.
  private func wait(for slot: Int, _ request: ClientRequest) async throws(RPCError) {
    let id = state.withLock { $0.newID() }
    let timer = try loop().schedule(after: request.deadline - .now) { [self] in
      state.withLock { $0.takeWaiter(id) }?.resume()
    }
    defer { timer.cancel() }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isParked = state.withLock { $0.park(id, slot: slot, continuation) }
        guard isParked else { return continuation.resume() }
        // The timer or the cancellation may have come before there was anyone to resume.
        if Task.isCancelled || request.deadline <= .now { state.withLock { $0.takeWaiter(id) }?.resume() }
      }
    } onCancel: {
      state.withLock { $0.takeWaiter(id) }?.resume()
    }
    if Task.isCancelled {
      throw RPCError(.cancelled, "the call was cancelled", initiator: .local, peer: peer, isUnsent: true)
    }
    if request.deadline <= .now {
      throw RPCError(
        .deadlineExceeded, "no connection to \(peer) within \(request.timeout.spelled)", initiator: .local, peer: peer,
        isUnsent: true)
    }
  }

  /// The task is owned by the channel's state and ends with the connection.
  private func startConnecting(_ slot: Int) {
    state.withLock { state in
      let id = state.newID()
      // It cannot end before it is kept: its end needs the lock.
      state.tasks[id] = Task {
        await self.live(slot)
        self.state.withLock { $0.tasks[id] = nil }
      }
    }
  }

  /// Makes a connection for a slot and carries it until it ends.
  private func live(_ slot: Int) async {
    let deadline = ContinuousClock.now + cluster.connectTimeout
    do throws(RPCError) {
      let loop = try loop()
      // On the loop for good: a wait for the socket that ended elsewhere would have to come back to it.
      try await withTaskExecutorPreference(loop.tasks) { () async throws(RPCError) in
        let connection = try await dialConnection(slot, on: loop)
        await withDiscardingTaskGroup { group in
          group.addTask { await connection.run() }
          await self.announce(connection, slot, deadline)
        }
      }
    } catch {
      connectFailed(slot, error)
    }
  }

  /// Gives the connection to the waiting calls once the server's first SETTINGS are here.
  private func announce(_ connection: Connection, _ slot: Int, _ deadline: ContinuousClock.Instant) async {
    do throws(RPCError) {
      try await connection.whenReady(
        deadline: deadline,
        late: RPCError(
          .unavailable, "cannot connect to \(peer): no HTTP/2 settings within \(cluster.connectTimeout.spelled)",
          initiator: .connection, peer: peer, transportCode: .timedOut)
      ) { connection in
        resume(state.withLock { $0.connected(slot, connection) })
      }
    } catch {
      connectFailed(slot, error)
      await connection.close(error)
    }
  }

  private func loop() throws(RPCError) -> ConnectionLoop {
    do throws(WireError) {
      if let loops { return loops.next() }
      return try ConnectionLoopGroup.shared().next()
    } catch {
      throw connectionError(error)
    }
  }

  private func connectionError(_ error: WireError) -> RPCError {
    RPCError(
      .unavailable, error.message, initiator: .connection, peer: peer, isUnsent: true, transportCode: error.code)
  }

  private func dialConnection(_ slot: Int, on loop: ConnectionLoop) async throws(RPCError) -> Connection {
    options.tracer?.record(WireEvent(peer: peer, stream: 0, kind: .connecting))
    do throws(WireError) {
      let stream = try await dial(cluster.endpoint, cluster.connectTimeout, loop)
      return try Connection(
        stream: stream, loop: loop, profile: profile,
        callbacks: Connection.Callbacks(
          becameUnusable: { [weak self] connection in
            guard let self else { return }
            self.resume(self.state.withLock { $0.lost(slot, connection) })
          },
          pingedTooOften: { [weak self] in self?.state.withLock { $0.keepalivePeriod *= 2 } }))
    } catch {
      throw connectionError(error)
    }
  }

  private func connectFailed(_ slot: Int, _ error: RPCError) {
    options.tracer?.record(WireEvent(peer: peer, stream: 0, kind: .ended(error.message)))
    resume(state.withLock { $0.connectFailed(slot, error, at: ContinuousClock.now) })
  }

  private func resume(_ waiters: [CheckedContinuation<Void, Never>]) {
    for waiter in waiters { waiter.resume() }
  }

  private var profile: ConnectionProfile {
    let endpoint = cluster.endpoint
    return ConnectionProfile(
      peer: endpoint.authority, scheme: endpoint.tls == nil ? "http" : "https",
      authority: endpoint.tls?.serverName ?? endpoint.authority,
      // Milvus wants the bare base64 of the secret, without a scheme word (`public-rpc.md` §1.2).
      authorization: cluster.token.isEmpty ? nil : Secret(Base64.encode(cluster.token.revealed.utf8)),
      receiveMessageBytesMax: cluster.receiveMessageBytesMax, options: options,
      keepalivePeriod: state.withLock { $0.keepalivePeriod })
  }
}
