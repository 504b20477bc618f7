internal import Testing

@testable internal import MilvusWire

@Suite struct ConnectTests {
  private let loops: ConnectionLoopGroup

  init() throws { loops = try ConnectionLoopGroup(loopCountMax: 2) }

  /// A loopback address where nobody answers: a listener that accepts nothing and whose backlog is full, so that the
  /// kernel drops every further request.
  private final class Blackhole {
    let address: SocketAddress
    private var descriptors: [Int32] = []

    init() throws {
      let anyPort = try #require(
        try SocketAddress.lookUp(host: "127.0.0.1", port: 0, isNumeric: true).first)
      let listener = try Self.open(anyPort)
      descriptors.append(listener)
      try #require(SocketCalls.listen(listener, at: anyPort, backlog: 0) == .done(0))
      address = try #require(SocketCalls.localAddress(listener))
      // A backlog of 0 takes one connection; the others stay unanswered.
      for _ in 0..<4 {
        let client = try Self.open(address)
        descriptors.append(client)
        _ = SocketCalls.connect(client, to: address)
      }
    }

    deinit { for descriptor in descriptors { SocketCalls.close(descriptor) } }

    private static func open(_ address: SocketAddress) throws -> Int32 {
      guard case .done(let fd) = SocketCalls.open(address) else {
        throw WireError(.system, "no socket")
      }
      return Int32(fd)
    }
  }

  /// A port where connecting is refused.
  private func closedPort() async throws -> Int {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    listener.close()
    // Closing happens on the listener's loop: a call that finds it closed proves that it did.
    await #expect(throws: WireError.self) { try await listener.accept() }
    return listener.port
  }

  private func failure(
    _ host: String, _ port: Int, within timeout: Duration = .seconds(60)
  ) async -> WireError? {
    await wireError { () throws(WireError) in
      _ = try await SocketStream.connect(host: host, port: port, timeout: timeout, on: loops.next())
    }
  }

  private func race(
    _ addresses: [SocketAddress], budget: Duration = .seconds(60)
  ) async -> Result<SocketStream, WireError> {
    await ConnectRace(host: "milvus.test", port: 19530, budget: budget, on: loops.next()) {
      _, _, completion in completion(.success(addresses))
    }.run()
  }

  @Test func namesThePortThatRefuses() async throws {
    let port = try await closedPort()
    #expect(
      await failure("127.0.0.1", port)
        == WireError(.refused, "cannot connect to 127.0.0.1:\(port): connection refused"))
  }

  @Test func namesTheHostThatDoesNotExist() async throws {
    // `.invalid` never exists (RFC 6761 §6.4). Where no name server answers at all, that is what it says.
    let error = await failure("no-such-host.invalid", 19530)
    #expect(error?.code == .nameNotFound)
    let message = try #require(error?.message)
    #expect(
      message == "cannot connect to no-such-host.invalid:19530: no such host: no-such-host.invalid"
        || message.hasPrefix("cannot connect to no-such-host.invalid:19530: cannot look up"))
  }

  @Test(arguments: [0, -1, 65536])
  func refusesPortsThatCannotExist(port: Int) async {
    #expect(await failure("127.0.0.1", port)?.message == "cannot connect to 127.0.0.1:\(port): no such port")
  }

  @Test func aHostNameWithANULIsNotCut() async {
    #expect(await failure("localhost\0.example.org", 1)?.code == .nameNotFound)
  }

  @Test func givesUpOnASilentAddressWhenTheBudgetIsSpent() async throws {
    let hole = try Blackhole()
    let start = ContinuousClock.now
    let error = await failure("127.0.0.1", hole.address.port, within: .milliseconds(300))
    #expect(
      error
        == WireError(
          .timedOut, "cannot connect to 127.0.0.1:\(hole.address.port): timed out after 300 ms"))
    #expect(ContinuousClock.now - start >= .milliseconds(300))
  }

  @Test func givesUpOnASilentNameServerWhenTheBudgetIsSpent() async throws {
    let result = await ConnectRace(
      host: "milvus.test", port: 19530, budget: .milliseconds(50), on: loops.next(),
      lookUp: { _, _, _ in }
    ).run()
    #expect(throws: WireError(.timedOut, "cannot connect to milvus.test:19530: timed out after 50 ms looking up the host")) {
      try result.get()
    }
  }

  @Test func cancellingEndsAConnect() async throws {
    let hole = try Blackhole()
    let port = hole.address.port
    let begun = AsyncStream<Void>.makeStream()
    let task = Task { [loops] in
      await ConnectRace(host: "milvus.test", port: port, budget: .seconds(600), on: loops.next()) {
        _, _, completion in
        completion(SocketAddress.lookUpNumeric("127.0.0.1", port))
        begun.continuation.yield()
      }.run()
    }
    for await _ in begun.stream { break }
    task.cancel()
    let result = await task.value
    #expect(throws: WireError(.cancelled, "cancelled while connecting to milvus.test:\(port)")) {
      try result.get()
    }
  }

  @Test func aCancelledTaskConnectsToNothing() async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    let task = Task {
      _ = await wireError { () throws(WireError) in try await loops.loops[0].pause(for: .seconds(60)) }
      return await failure("127.0.0.1", listener.port)
    }
    task.cancel()
    #expect(await task.value?.code == .cancelled)
  }

  @Test func takesTheNextAddressWhenOneRefuses() async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    let refusing = try await closedPort()
    let addresses =
      try SocketAddress.lookUp(host: "::1", port: refusing, isNumeric: true)
      + SocketAddress.lookUp(host: "127.0.0.1", port: listener.port, isNumeric: true)
    let stream = try await race(addresses).get()
    #expect(stream.peer == "milvus.test:19530")
    let server = try await listener.accept()
    #expect(server.peer == stream.local)
  }

  @Test func doesNotWaitForASilentAddressWhenAnotherAnswers() async throws {
    let hole = try Blackhole()
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    let addresses =
      try [hole.address] + SocketAddress.lookUp(host: "127.0.0.1", port: listener.port, isNumeric: true)
    let start = ContinuousClock.now
    _ = try await race(addresses, budget: .seconds(60)).get()
    // One attempt's delay, not the whole budget.
    #expect(ContinuousClock.now - start < .seconds(20))
  }

  @Test func reportsTheFirstAddressesFailureWhenAllFail() async throws {
    let port = try await closedPort()
    let addresses =
      try SocketAddress.lookUp(host: "127.0.0.1", port: port, isNumeric: true)
      + SocketAddress.lookUp(host: "::1", port: port, isNumeric: true)
    let result = await race(addresses)
    #expect(throws: WireError(.refused, "cannot connect to milvus.test:19530: connection refused (127.0.0.1)")) {
      try result.get()
    }
    let nothing = await race([])
    #expect(throws: WireError(.nameNotFound, "cannot connect to milvus.test:19530: the host has no address")) {
      try nothing.get()
    }
  }

  @Test func triesFamiliesInTurn() throws {
    let sixes = try (1...3).map { try #require(SocketAddress.lookUp(host: "::\($0)", port: 1, isNumeric: true).first) }
    let fours = try (1...2).map { try #require(SocketAddress.lookUp(host: "10.0.0.\($0)", port: 1, isNumeric: true).first) }
    #expect(
      ConnectRace.ordered(sixes + fours).map(\.host) == ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"])
    #expect(ConnectRace.ordered(fours).map(\.host) == ["10.0.0.1", "10.0.0.2"])
    #expect(ConnectRace.ordered([]).isEmpty)
  }

  @Test func aSlowLookupDoesNotHoldUpALoop() async throws {
    let loop = loops.next()
    let threads = BlockingThreads(threadCountMax: 1)
    let order = Recorder<String>()
    try await withThrowingTaskGroup { group in
      group.addTask {
        try await threads.run("a test") { () throws(WireError) in
          // Blocks its own thread until the loop has done its work.
          var isReleased = false
          while !isReleased { isReleased = order.events == ["loop"] }
          order.note("lookup")
        }
      }
      await loop.yield()
      order.note("loop")
      try await group.waitForAll()
    }
    #expect(order.events == ["loop", "lookup"])
  }
}

extension SocketAddress {
  /// The address of a numeric host, in the shape in which lookups answer.
  static func lookUpNumeric(_ host: String, _ port: Int) -> Result<[SocketAddress], WireError> {
    do throws(LookupFailure) {
      return .success(try lookUp(host: host, port: port, isNumeric: true))
    } catch {
      return .failure(WireError(.nameNotFound, "not numeric: \(host)"))
    }
  }
}
