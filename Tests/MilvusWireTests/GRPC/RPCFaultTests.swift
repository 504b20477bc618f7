internal import Testing

@testable internal import MilvusWire

/// Whole RPCs over streams that split, pause and break, from seeds.
@Suite(.timeLimit(.minutes(5))) struct RPCFaultTests {
  @Test(arguments: 1...12) func `many calls at once survive tiny windows and any split`(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    var options = ChannelOptions()
    options.limits.streamWindowBytes = Int32.random(in: 1...3000, using: &generator)
    options.limits.connectionWindowBytes = 70_000
    options.sendQueueBytesMax = Int.random(in: 1...2000, using: &generator)
    var serverOptions = RPCServerOptions()
    serverOptions.limits.streamWindowBytes = Int32.random(in: 1...3000, using: &generator)
    serverOptions.limits.concurrentStreamsMax = 3
    serverOptions.sendQueueBytesMax = Int.random(in: 1...2000, using: &generator)
    let faults = StreamFaults(
      seed: seed, readBytesMax: Int.random(in: 1...700, using: &generator), readPauseCountMax: 1)
    let peers = try MemoryPeers(
      routes: .sample, windowBytes: Int.random(in: 1...500, using: &generator), faults: faults,
      serverOptions: serverOptions, channelOptions: options)
    let messages = (0..<8).map { index in
      (0..<Int.random(in: 0...6000, using: &generator)).map { UInt8(truncatingIfNeeded: $0 &+ index) }
    }
    let channel = peers.channel
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for message in messages {
        group.addTask {
          try await channel.unary(path: "/test/echo", message: message, timeout: .seconds(120)) == message
        }
      }
      for try await isSame in group { #expect(isSame, "seed \(seed)") }
    }
    await peers.close()
  }

  @Test(arguments: [1, 24, 33, 60, 100, 150, 200, 400, 1000, 5000])
  func `a connection that breaks fails its calls and nothing else`(resetAfterBytes: Int) async throws {
    let peers = try MemoryPeers(
      routes: .sample, windowBytes: 200, faults: StreamFaults(seed: 3, resetAfterBytes: resetAfterBytes))
    let message = [UInt8](repeating: 1, count: 6000)
    let error = await #expect(throws: RPCError.self) {
      _ = try await peers.channel.unary(path: "/test/echo", message: message, timeout: .seconds(120))
    }
    #expect(error?.code == .unavailable)
    #expect(error?.message.contains("memory-server:1") == true)
    await peers.close()
  }

  @Test func `a graceful shutdown finishes the call and the next one gets a new connection`() async throws {
    let (begun, begin) = AsyncStream<Void>.makeStream()
    let (released, release) = AsyncStream<Void>.makeStream()
    var routes = RPCRoutes.sample
    routes.unary("/test/wait") { request, _ in
      begin.yield()
      for await _ in released { break }
      return request
    }
    let peers = try MemoryPeers(routes: routes)
    async let answer = peers.channel.unary(path: "/test/wait", message: [7], timeout: .seconds(120))
    for await _ in begun { break }
    for connection in peers.connections { await connection.shutDownGracefully() }
    release.yield()
    #expect(try await answer == [7])
    #expect(try await peers.channel.unary(path: "/test/echo", message: [8], timeout: .seconds(120)) == [8])
    #expect(peers.connections.count == 2)
    await peers.close()
  }

  @Test func `a call in flight fails when the channel is shut down, and later calls too`() async throws {
    let (begun, begin) = AsyncStream<Void>.makeStream()
    var routes = RPCRoutes()
    routes.stream("/test/wait") { _ in
      begin.yield()
      await never()
    }
    let peers = try MemoryPeers(routes: routes)
    let channel = peers.channel
    let call = Task { try await channel.unary(path: "/test/wait", message: [], timeout: .seconds(120)) }
    for await _ in begun { break }
    await peers.close()
    await peers.close()
    let result = await call.result
    #expect(throws: RPCError.self) { try result.get() }
    let error = await #expect(throws: RPCError.self) {
      _ = try await channel.unary(path: "/test/wait", message: [], timeout: .seconds(120))
    }
    #expect(error?.code == .unavailable)
    #expect(error?.message == "the channel is closed")
  }
}
