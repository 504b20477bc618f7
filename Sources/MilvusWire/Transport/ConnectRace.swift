/// Connects to the first of several addresses that answers, in the manner of Happy Eyeballs (RFC 8305 §5): the next address
/// is tried when the one before failed, or has said nothing for a quarter of a second, and the earlier ones stay in the race.
///
/// `@unchecked Sendable`: made anywhere, everything after `start` happens on the loop's thread.
final class ConnectRace: @unchecked Sendable {
  typealias Outcome = Result<SocketStream, WireError>
  /// Finds the addresses of a host, later and on any thread.
  typealias Lookup =
    @Sendable (_ host: String, _ port: Int, _ completion: @escaping @Sendable (Result<[SocketAddress], WireError>) -> Void)
    -> Void

  /// RFC 8305 §5 "Connection Attempt Delay".
  static let attemptDelay = Duration.milliseconds(250)

  private let loop: ConnectionLoop
  private let endpoint: String
  private let host: String
  private let port: Int
  private let budget: Duration
  private let lookUp: Lookup
  private var completion: ((Outcome) -> Void)?
  private var addresses: [SocketAddress] = []
  private var nextAddress = 0
  private var attempts: [WatchedSocket] = []
  private var firstFailure: WireError?
  private var deadlineTimer: LoopTimer?
  private var attemptTimer: LoopTimer?

  init(
    host: String, port: Int, budget: Duration, on loop: ConnectionLoop,
    lookUp: @escaping Lookup = { host, port, completion in
      AddressResolver.shared.resolve(host: host, port: port, completion: completion)
    }
  ) {
    self.lookUp = lookUp
    self.host = host
    self.port = port
    self.endpoint = Endpoint(host: host, port: port).authority
    self.budget = budget
    self.loop = loop
  }

  /// Runs the race and returns its winner; cancelling the task ends it.
  func run() async -> Outcome {
    await withTaskCancellationHandler {
      await Handover.receive { handover in
        loop.execute { [self] in start { handover.give($0) } }
      }
    } onCancel: {
      // `execute` keeps the order: where the task was cancelled before it began, this still must find the race started.
      loop.execute { [self] in
        loop.execute { [self] in finish(.failure(.cancelled("connecting to \(endpoint)"))) }
      }
    }
  }

  private func start(_ completion: @escaping (Outcome) -> Void) {
    self.completion = completion
    deadlineTimer = loop.schedule(after: budget) { [self] in
      let reason = "timed out after \(budget.spelled)"
      let phase = addresses.isEmpty ? "\(reason) looking up the host" : reason
      finish(.failure(failure(.timedOut, phase)))
    }
    lookUp(host, port) { [self] result in
      loop.execute { [self] in resolved(result) }
    }
  }

  private func resolved(_ result: Result<[SocketAddress], WireError>) {
    guard completion != nil else { return }
    switch result {
    case .failure(let error): finish(.failure(failure(error.code, error.message)))
    case .success(let addresses):
      self.addresses = Self.ordered(addresses)
      tryNext()
    }
  }

  /// Families in turn, starting with the system's favourite (RFC 8305 §4), so that one dead family costs one delay only.
  static func ordered(_ addresses: [SocketAddress]) -> [SocketAddress] {
    guard let favourite = addresses.first?.family else { return [] }
    let first = addresses.filter { $0.family == favourite }
    let second = addresses.filter { $0.family != favourite }
    var ordered: [SocketAddress] = []
    for index in 0..<max(first.count, second.count) {
      if index < first.count { ordered.append(first[index]) }
      if index < second.count { ordered.append(second[index]) }
    }
    return ordered
  }

  private func tryNext() {
    attemptTimer?.cancel()
    attemptTimer = nil
    guard completion != nil else { return }
    guard nextAddress < addresses.count else {
      if attempts.isEmpty {
        finish(.failure(firstFailure ?? failure(.nameNotFound, "the host has no address")))
      }
      return
    }
    let address = addresses[nextAddress]
    nextAddress += 1
    if nextAddress < addresses.count {
      attemptTimer = loop.schedule(after: Self.attemptDelay) { [self] in tryNext() }
    }
    attempt(address)
  }

  private func attempt(_ address: SocketAddress) {
    let fd: Int32
    switch SocketCalls.open(address) {
    case .done(let number): fd = Int32(number)
    case .failed(let reason): return failed(.system(reason), address)
    case .wouldBlock: return failed(WireError(.system, "no socket"), address)
    }
    if case .failed(let reason) = SocketCalls.connect(fd, to: address) {
      SocketCalls.close(fd)
      return failed(.system(reason), address)
    }
    // Watched only now: a socket that has not begun to connect reports a hang-up.
    do throws(WireError) {
      let socket = try WatchedSocket(owning: fd, on: loop)
      attempts.append(socket)
      awaitAnswer(socket, address)
    } catch {
      failed(error, address)
    }
  }

  private func awaitAnswer(_ socket: WatchedSocket, _ address: SocketAddress) {
    socket.expectWritability()
    socket.notify(.write) { [self] wake in
      // Closed by `finish`, which has told the caller.
      guard wake == .ready else { return }
      attempts.removeAll { $0 === socket }
      let reason = SocketCalls.takeError(socket.fd)
      guard reason == 0 else {
        socket.close()
        return failed(.system(reason), address)
      }
      finish(.success(SocketStream(socket, peer: endpoint)))
    }
  }

  /// One address has failed; the first failure is the one to report, being that of the system's favourite address.
  private func failed(_ error: WireError, _ address: SocketAddress) {
    if firstFailure == nil {
      let which = address.host == host ? "" : " (\(address.host))"
      firstFailure = failure(error.code, error.message + which)
    }
    tryNext()
  }

  private func failure(_ code: WireError.Code, _ reason: String) -> WireError {
    WireError(code, "cannot connect to \(endpoint): \(reason)")
  }

  private func finish(_ outcome: Outcome) {
    guard let completion else { return }
    self.completion = nil
    deadlineTimer?.cancel()
    attemptTimer?.cancel()
    (deadlineTimer, attemptTimer) = (nil, nil)
    for socket in attempts { socket.close() }
    attempts = []
    completion(outcome)
  }
}

extension SocketStream {
  /// Connects to a host and port within `timeout`, which includes looking the name up.
  ///
  /// Fails with the reason and `host:port`: `refused`, `nameNotFound`, `timedOut`, `unreachable`, `cancelled`.
  package static func connect(
    host: String, port: Int, timeout: Duration, on loop: ConnectionLoop
  ) async throws(WireError) -> SocketStream {
    let authority = Endpoint(host: host, port: port).authority
    guard (1...65535).contains(port) else {
      throw WireError(.nameNotFound, "cannot connect to \(authority): no such port")
    }
    if Task.isCancelled { throw WireError.cancelled("connecting to \(authority)") }
    return try await ConnectRace(host: host, port: port, budget: timeout, on: loop).run().get()
  }

  /// The same for an endpoint; its TLS settings are for the layer above.
  package static func connect(
    _ endpoint: Endpoint, timeout: Duration, on loop: ConnectionLoop
  ) async throws(WireError) -> SocketStream {
    try await connect(host: endpoint.host, port: endpoint.port, timeout: timeout, on: loop)
  }
}

extension Duration {
  /// `5 s` or `250 ms`, for messages.
  package var spelled: String {
    let (seconds, attoseconds) = components
    let milliseconds = attoseconds / 1_000_000_000_000_000
    if seconds == 0 { return "\(milliseconds) ms" }
    guard milliseconds > 0 else { return "\(seconds) s" }
    // One decimal is enough for a person: tenths, cut.
    return "\(seconds).\(milliseconds / 100) s"
  }
}
