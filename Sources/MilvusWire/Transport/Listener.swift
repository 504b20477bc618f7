/// Accepts TCP connections on one address. Runs on one loop of a group and deals connections out to all of them.
package actor Listener {
  /// Connections that the kernel holds for us until we accept them. The system caps it at `net.core.somaxconn`.
  private static let backlog: Int32 = 1024
  /// The pause after the process or the system has run out of descriptors: the backlog waits, and the loop does not spin.
  private static let exhaustedPause = Duration.milliseconds(100)

  /// Where this listens, with the port that the system chose when port 0 was asked for.
  package nonisolated let host: String
  package nonisolated let port: Int
  /// `host:port`.
  package nonisolated var address: String { Endpoint(host: host, port: port).authority }

  private nonisolated let loop: ConnectionLoop
  private nonisolated let loops: ConnectionLoopGroup
  private nonisolated let socket: WatchedSocket
  private var isAccepting = false

  package nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

  private init(_ socket: WatchedSocket, _ loops: ConnectionLoopGroup) {
    self.socket = socket
    self.loops = loops
    loop = socket.loop
    let local = SocketCalls.localAddress(socket.fd)
    host = local?.host ?? "?"
    port = local?.port ?? 0
  }

  /// Listens on a host and port. Port 0: any free port. An empty host or `::`: every address, IPv4 and IPv6.
  /// A name: its first address that works, IPv4 first.
  package static func bind(
    host: String, port: Int, on loops: ConnectionLoopGroup
  ) async throws(WireError) -> Listener {
    let authority = Endpoint(host: host, port: port).authority
    guard (0...65535).contains(port) else {
      throw WireError(.nameNotFound, "cannot listen on \(authority): no such port")
    }
    let loop = loops.next()
    let result = await Handover.receive { handover in
      AddressResolver.shared.resolve(
        host: host.isEmpty ? "::" : host, port: port, isPassive: true
      ) { result in
        loop.execute { handover.give(Self.listen(result, host: host, loops, loop)) }
      }
    }
    do throws(WireError) {
      return try result.get()
    } catch {
      throw WireError(error.code, "cannot listen on \(authority): \(error.message)")
    }
  }

  /// Opens the first address that can be listened on. Runs on the loop.
  private static func listen(
    _ result: Result<[SocketAddress], WireError>, host: String, _ loops: ConnectionLoopGroup,
    _ loop: ConnectionLoop
  ) -> Result<Listener, WireError> {
    let found: [SocketAddress]
    switch result {
    case .success(let addresses): found = addresses
    case .failure(let error): return .failure(error)
    }
    var addresses = found.filter { $0.family == .ipv4 } + found.filter { $0.family == .ipv6 }
    // "Every address" also works where the kernel has no IPv6.
    if host.isEmpty, let port = addresses.first?.port,
      let all = try? SocketAddress.lookUp(host: "0.0.0.0", port: port, isNumeric: true)
    {
      addresses += all
    }
    var failure = WireError(.nameNotFound, "the host has no address")
    for address in addresses {
      switch open(address, loops, loop) {
      case .success(let listener): return .success(listener)
      case .failure(let error): failure = error
      }
      // Another address of the name would only hide that something else has the port.
      if failure.message == SystemErrorText.addressInUse { break }
    }
    return .failure(failure)
  }

  private static func open(
    _ address: SocketAddress, _ loops: ConnectionLoopGroup, _ loop: ConnectionLoop
  ) -> Result<Listener, WireError> {
    guard case .done(let number) = SocketCalls.open(address) else {
      return .failure(WireError(.resourceLimit, "no socket for \(address.host)"))
    }
    let fd = Int32(number)
    if case .failed(let reason) = SocketCalls.listen(fd, at: address, backlog: backlog) {
      SocketCalls.close(fd)
      return .failure(.system(reason))
    }
    do throws(WireError) {
      return .success(Listener(try WatchedSocket(owning: fd, on: loop), loops))
    } catch {
      return .failure(error)
    }
  }

  /// The next connection, on the group's next loop or on `loop`. One call at a time.
  ///
  /// Fails only with `closed` and `cancelled`: what is wrong with one connection concerns that connection, and when
  /// descriptors run out it waits until some are free.
  package func accept(on loop: ConnectionLoop? = nil) async throws(WireError) -> SocketStream {
    precondition(!isAccepting, "two accepts at once on one listener")
    isAccepting = true
    defer { isAccepting = false }
    while true {
      if socket.isClosed { throw closedError }
      if Task.isCancelled { throw WireError.cancelled("accepting on \(address)") }
      switch socket.accept() {
      case .done(let fd):
        if let stream = await adopt(Int32(fd), on: loop ?? loops.next()) { return stream }
      case .wouldBlock:
        switch await socket.wait(.read, for: self) {
        case .ready: break
        case .closed: throw closedError
        case .cancelled: throw WireError.cancelled("accepting on \(address)")
        }
      case .failed(let reason):
        // Descriptors or memory have run out: no edge will tell when there are some again.
        if WireError.system(reason).code == .resourceLimit {
          try await self.loop.pause(for: Self.exhaustedPause)
        }
      // Everything else is the failure of the connection that was about to be accepted (accept(2), "Error handling").
      }
    }
  }

  package nonisolated func close() { socket.close() }

  private var closedError: WireError { WireError(.closed, "the listener on \(address) is closed") }

  /// Makes a stream of an accepted descriptor on the loop it is meant for; nil when it cannot be watched.
  private func adopt(_ fd: Int32, on loop: ConnectionLoop) async -> SocketStream? {
    if loop === self.loop { return Self.stream(fd, loop) }
    return await Handover.receive { handover in
      loop.execute { handover.give(Self.stream(fd, loop)) }
    }
  }

  private static func stream(_ fd: Int32, _ loop: ConnectionLoop) -> SocketStream? {
    guard let socket = try? WatchedSocket(owning: fd, on: loop) else { return nil }
    return SocketStream(socket)
  }
}
