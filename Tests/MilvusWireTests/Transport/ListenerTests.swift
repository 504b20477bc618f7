internal import Testing

@testable internal import MilvusWire

@Suite struct ListenerTests {
  private let loops: ConnectionLoopGroup

  init() throws { loops = try ConnectionLoopGroup(loopCountMax: 2) }

  private func failure(_ host: String, _ port: Int) async -> WireError? {
    await wireError { () throws(WireError) in
      _ = try await Listener.bind(host: host, port: port, on: loops)
    }
  }

  @Test func saysThatThePortIsTaken() async throws {
    let first = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    #expect(first.port > 0)
    #expect(first.address == "127.0.0.1:\(first.port)")
    let error = await failure("127.0.0.1", first.port)
    #expect(error?.message == "cannot listen on 127.0.0.1:\(first.port): address already in use")
    first.close()
  }

  @Test func saysThatTheAddressIsNotOurs() async {
    // TEST-NET-1 (RFC 5737) is nobody's.
    #expect(
      await failure("192.0.2.1", 0)?.message
        == "cannot listen on 192.0.2.1:0: Cannot assign requested address")
  }

  @Test func saysThatTheHostOrPortCannotBe() async {
    #expect(await failure("no-such-host.invalid", 0)?.code == .nameNotFound)
    #expect(await failure("127.0.0.1", 65536)?.message == "cannot listen on 127.0.0.1:65536: no such port")
  }

  @Test func everyAddressMeansIPv4AndIPv6() async throws {
    let listener = try await Listener.bind(host: "", port: 0, on: loops)
    defer { listener.close() }
    for host in ["127.0.0.1", "::1"] {
      async let accepted = listener.accept()
      let client = try await SocketStream.connect(
        host: host, port: listener.port, timeout: .seconds(60), on: loops.next())
      #expect(try await accepted.local.hasSuffix(":\(listener.port)"))
      client.close()
    }
  }

  @Test func dealsConnectionsOutToTheLoops() async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    var seen: Set<ObjectIdentifier> = []
    for _ in 0..<8 {
      async let accepted = listener.accept()
      let client = try await SocketStream.connect(
        host: "127.0.0.1", port: listener.port, timeout: .seconds(60), on: loops.loops[0])
      seen.insert(ObjectIdentifier(try await accepted.loop))
      client.close()
    }
    #expect(seen.count == loops.loops.count)
    async let accepted = listener.accept(on: loops.loops[0])
    let client = try await SocketStream.connect(
      host: "127.0.0.1", port: listener.port, timeout: .seconds(60), on: loops.next())
    #expect(try await accepted.loop === loops.loops[0])
    client.close()
  }

  @Test func closingEndsAWaitingAccept() async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    async let accepting = wireError { () throws(WireError) in _ = try await listener.accept() }
    listener.close()
    listener.close()
    #expect(await accepting == WireError(.closed, "the listener on \(listener.address) is closed"))
  }

  @Test func cancellingEndsAWaitingAcceptAndLosesNothing() async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    let task = Task { await wireError { () throws(WireError) in _ = try await listener.accept() } }
    task.cancel()
    #expect(await task.value?.code == .cancelled)
    async let accepted = listener.accept()
    let client = try await SocketStream.connect(
      host: "127.0.0.1", port: listener.port, timeout: .seconds(60), on: loops.next())
    #expect(try await accepted.peer == client.local)
    listener.close()
  }

  @Test func aPortIsFreeAgainAfterClosing() async throws {
    // Another program may take the port in between; that it does so every time is not to be believed.
    var failures: [WireError] = []
    while failures.count < 10 {
      let first = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
      // A connection that the server closes first stays in TIME_WAIT and must not keep the port.
      async let accepted = first.accept()
      let client = try await SocketStream.connect(
        host: "127.0.0.1", port: first.port, timeout: .seconds(60), on: loops.next())
      try await accepted.close()
      #expect(try await client.read(maxBytes: 1) == [])
      client.close()
      first.close()
      await #expect(throws: WireError.self) { try await first.accept() }
      do throws(WireError) {
        let second = try await Listener.bind(host: "127.0.0.1", port: first.port, on: loops)
        #expect(second.port == first.port)
        return second.close()
      } catch {
        failures.append(error)
      }
    }
    Issue.record("the port was never free: \(failures)")
  }
}
