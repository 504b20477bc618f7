internal import Testing

@testable internal import MilvusWire

/// Channel and server against each other in memory: whole RPCs with small windows and split bytes.
@Suite(.timeLimit(.minutes(5))) struct RPCInMemoryTests {
  @Test func `a unary call returns the message`() async throws {
    let peers = try MemoryPeers(routes: .sample)
    let reply = try await peers.channel.unary(path: "/test/echo", message: [1, 2, 3], timeout: .seconds(120))
    #expect(reply == [1, 2, 3])
    await peers.close()
  }

  @Test func `an empty message is a message`() async throws {
    let peers = try MemoryPeers(routes: .sample)
    #expect(try await peers.channel.unary(path: "/test/echo", message: [], timeout: .seconds(120)) == [])
    await peers.close()
  }

  @Test(arguments: [1, 7, 1000])
  func `messages larger than every window arrive whole`(window: Int) async throws {
    var options = ChannelOptions()
    options.limits.streamWindowBytes = 70_000
    options.limits.connectionWindowBytes = 90_000
    let faults = StreamFaults(seed: UInt64(window), readBytesMax: 9000, readPauseCountMax: 1)
    let peers = try MemoryPeers(
      routes: .sample, windowBytes: window * 64, faults: faults, channelOptions: options)
    let message = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    // The smallest window takes thousands of turns of both loops: what is asked is whether it ends, not when.
    let reply = try await peers.channel.unary(path: "/test/echo", message: message, timeout: .seconds(240))
    #expect(reply == message)
    await peers.close()
  }

  @Test func `a status keeps its code and its message in any script`() async throws {
    let peers = try MemoryPeers(routes: .sample)
    let error = await #expect(throws: RPCError.self) {
      _ = try await peers.channel.unary(path: "/test/fail", message: [], timeout: .seconds(120))
    }
    #expect(error?.code == .notFound)
    #expect(error?.message == "no such thing\n50 % ☃")
    #expect(error?.initiator == .remote)
    #expect(error?.peer == "memory-server:1")
    await peers.close()
  }

  @Test func `an unknown method is UNIMPLEMENTED`() async throws {
    let peers = try MemoryPeers(routes: .sample)
    let error = await #expect(throws: RPCError.self) {
      _ = try await peers.channel.unary(path: "/test/none", message: [], timeout: .seconds(120))
    }
    #expect(error?.code == .unimplemented)
    await peers.close()
  }

  @Test func `a deadline ends a call that is never answered`() async throws {
    let peers = try MemoryPeers(routes: .sample)
    let error = await #expect(throws: RPCError.self) {
      _ = try await peers.channel.unary(path: "/test/never", message: [], timeout: .milliseconds(50))
    }
    #expect(error?.code == .deadlineExceeded)
    await peers.close()
  }

  @Test func `messages flow both ways in order`() async throws {
    let peers = try MemoryPeers(
      routes: .sample, windowBytes: 300, faults: StreamFaults(seed: 5, readBytesMax: 40, readPauseCountMax: 2))
    let call = try await peers.channel.open(path: "/test/echoStream", timeout: .seconds(120))
    for round in 0..<50 {
      let message = [UInt8](repeating: UInt8(round), count: round * 7)
      try await call.send(message)
      #expect(try await call.receive() == message)
    }
    try await call.closeSend()
    #expect(try await call.receive() == nil)
    #expect(try await call.status() == .ok)
    await peers.close()
  }

  @Test func `cancelling the task cancels the call and the handler`() async throws {
    let (handlerEnded, end) = AsyncStream<Bool>.makeStream()
    let (handlerBegan, begin) = AsyncStream<Void>.makeStream()
    var routes = RPCRoutes()
    routes.stream("/test/wait") { _ in
      begin.yield()
      await never()
      end.yield(Task.isCancelled)
    }
    let peers = try MemoryPeers(routes: routes)
    let task = Task {
      try await peers.channel.unary(path: "/test/wait", message: [], timeout: .seconds(120))
    }
    for await _ in handlerBegan { break }
    task.cancel()
    let result = await task.result
    #expect(throws: RPCError.self) { try result.get() }
    for await isCancelled in handlerEnded {
      #expect(isCancelled)
      break
    }
    await peers.close()
  }

  @Test func `metadata travels both ways, text and binary`() async throws {
    var routes = RPCRoutes()
    routes.stream("/test/metadata") { call in
      var initial: Metadata = ["x-echo": call.metadata["x-ask"] ?? "", "x-authorization": call.metadata["authorization"] ?? ""]
      initial.append("x-data-bin", bytes: call.metadata.bytes("x-data-bin") ?? [])
      try await call.sendInitialMetadata(initial)
      await call.setTrailers(["x-end": "done"])
    }
    let peers = try MemoryPeers(routes: routes, token: "root:Milvus")
    var metadata: Metadata = ["x-ask": "a value"]
    metadata.append("x-data-bin", bytes: [0, 255, 10])
    let call = try await peers.channel.open(path: "/test/metadata", metadata: metadata, timeout: .seconds(120))
    try await call.closeSend()
    let initial = try await call.initialMetadata()
    #expect(initial["x-echo"] == "a value")
    #expect(initial.bytes("x-data-bin") == [0, 255, 10])
    #expect(initial["x-authorization"] == "cm9vdDpNaWx2dXM=")
    #expect(try await call.status().trailers["x-end"] == "done")
    await peers.close()
  }

  @Test func `a reader that stops makes the sender stop`() async throws {
    let (sent, count) = AsyncStream<Int>.makeStream()
    var routes = RPCRoutes()
    routes.stream("/test/flood") { call in
      for number in 1... {
        try await call.send([UInt8](repeating: 0, count: 10_000))
        count.yield(number)
      }
    }
    var serverOptions = RPCServerOptions()
    serverOptions.sendQueueBytesMax = 50_000
    var channelOptions = ChannelOptions()
    channelOptions.limits.streamWindowBytes = 100_000
    let peers = try MemoryPeers(routes: routes, serverOptions: serverOptions, channelOptions: channelOptions)
    let call = try await peers.channel.open(path: "/test/flood", timeout: .seconds(120))
    // The first message is taken, no other. The window and the queue then hold about 15 messages.
    #expect(try await call.receive()?.count == 10_000)
    var last = 0
    for await number in sent where number >= 14 {
      last = number
      break
    }
    #expect(last == 14)
    // Other calls go on beside it.
    for _ in 0..<20 {
      let error = await #expect(throws: RPCError.self) {
        _ = try await peers.channel.unary(path: "/test/none", message: [], timeout: .seconds(120))
      }
      #expect(error?.code == .unimplemented)
    }
    await call.cancel()
    await peers.close()
    count.finish()
    var total = last
    for await number in sent { total = number }
    #expect(total <= 18, "the server went on sending to a reader that had stopped")
  }
}
