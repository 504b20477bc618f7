internal import Glibc
internal import Testing

@testable internal import MilvusWire

/// Two ends of one TCP connection on loopback.
struct SocketPair {
  let client: SocketStream
  let server: SocketStream

  init(on loops: ConnectionLoopGroup) async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    defer { listener.close() }
    async let accepted = listener.accept()
    client = try await SocketStream.connect(
      host: "127.0.0.1", port: listener.port, timeout: .seconds(60), on: loops.next())
    server = try await accepted
  }

  /// Lets the kernel hold only a few pages for each direction, so that little is too much.
  func shrinkBuffers() {
    for stream in [client, server] {
      var byteCount: CInt = 16 << 10
      for option in [SO_SNDBUF, SO_RCVBUF] {
        setsockopt(
          stream.socket.fd, SOL_SOCKET, option, &byteCount, socklen_t(MemoryLayout<CInt>.size))
      }
    }
  }
}

/// The error that a call throws, for calls that run in a task of their own.
func wireError(_ body: () async throws(WireError) -> Void) async -> WireError? {
  do throws(WireError) {
    try await body()
    return nil
  } catch { return error }
}

@Suite struct SocketStreamTests {
  private let loops: ConnectionLoopGroup

  init() throws { loops = try ConnectionLoopGroup(loopCountMax: 2) }

  /// Far more than the kernel holds for one connection with small buffers.
  private static let tooMuch = [UInt8](repeating: 0xA5, count: 4 << 20)

  @Test(arguments: ["127.0.0.1", "::1", "localhost"])
  func carriesBytesInBothDirections(host: String) async throws {
    let listener = try await Listener.bind(host: host, port: 0, on: loops)
    defer { listener.close() }
    async let accepted = listener.accept()
    let client = try await SocketStream.connect(
      host: host, port: listener.port, timeout: .seconds(60), on: loops.next())
    let server = try await accepted
    #expect(client.peer == Endpoint(host: host, port: listener.port).authority)
    #expect(server.peer == client.local)
    try await client.write(Array("question".utf8))
    #expect(try await server.readExactly(8) == Array("question".utf8))
    try await server.write(Array("answer".utf8))
    #expect(try await client.readExactly(6) == Array("answer".utf8))
    client.close()
    #expect(try await server.read(maxBytes: 1) == [])
    #expect(try await server.read(maxBytes: 1) == [])
  }

  @Test func readsAtMostWhatIsAskedFor() async throws {
    let pair = try await SocketPair(on: loops)
    try await pair.client.write(Array(0..<100))
    pair.client.close()
    var sizes: [Int] = []
    while case let bytes = try await pair.server.read(maxBytes: 30), !bytes.isEmpty {
      sizes.append(bytes.count)
    }
    #expect(sizes.allSatisfy { $0 <= 30 })
    #expect(sizes.reduce(0, +) == 100)
  }

  @Test func findsTheEndThatArrivedTogetherWithBytes() async throws {
    // The end is announced once; a short read must not make the stream wait for another announcement.
    for _ in 0..<50 {
      let pair = try await SocketPair(on: loops)
      async let received = pair.server.readExactly(Int.max)
      try await pair.client.write([1, 2, 3])
      pair.client.close()
      #expect(try await received == [1, 2, 3])
    }
  }

  @Test func writesWhileAReadWaits() async throws {
    let pair = try await SocketPair(on: loops)
    async let answer = pair.client.readExactly(3)
    for number in UInt8(0)..<100 {
      try await pair.client.write([number])
      #expect(try await pair.server.readExactly(1) == [number])
    }
    try await pair.server.write([7, 8, 9])
    #expect(try await answer == [7, 8, 9])
  }

  @Test func aWriteWaitsForASlowReader() async throws {
    let pair = try await SocketPair(on: loops)
    pair.shrinkBuffers()
    let progress = Recorder<String>()
    try await withThrowingTaskGroup { group in
      group.addTask {
        try await pair.client.write(Self.tooMuch)
        progress.note("written")
        try await pair.client.endWriting()
      }
      var byteCount = try await pair.server.readExactly(1 << 10).count
      // The kernel cannot hold the rest: whatever time has passed, the writer waits.
      #expect(progress.events.isEmpty)
      while case let bytes = try await pair.server.read(maxBytes: 1 << 20), !bytes.isEmpty {
        byteCount += bytes.count
      }
      #expect(byteCount == Self.tooMuch.count)
      try await group.waitForAll()
    }
  }

  @Test func bytesInSeveralPlacesArriveInTheirOrder() async throws {
    let pair = try await SocketPair(on: loops)
    pair.shrinkBuffers()
    var random = SeededGenerator(seed: 5)
    var expected: [UInt8] = []
    var output = OutputChain()
    for number in 0..<1_500 {
      let sizes = [0, 9, 700, (2 << 10) - 1, 2 << 10, 16 << 10]
      let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: sizes.randomElement(using: &random) ?? 0)
      expected += bytes
      if number % 2 == 0 { output.append(bytes[...]) } else { bytes.withUnsafeBufferPointer { output.append($0) } }
    }
    #expect(output.count == expected.count && output.flat == expected)
    let sent = output
    let found = try await withThrowingTaskGroup { group in
      group.addTask {
        try await pair.client.write(sent)
        try await pair.client.endWriting()
      }
      var found: [UInt8] = []
      while case let bytes = try await pair.server.read(maxBytes: 1 << 20), !bytes.isEmpty { found += bytes }
      try await group.waitForAll()
      return found
    }
    #expect(found == expected)
  }

  @Test func cancellingEndsAWaitingRead() async throws {
    let pair = try await SocketPair(on: loops)
    let task = Task { await wireError { () throws(WireError) in _ = try await pair.client.read(maxBytes: 1) } }
    await pair.client.loop.yield()
    task.cancel()
    let error = await task.value
    #expect(error?.code == .cancelled)
    #expect(error?.message == "cancelled while reading from \(pair.client.peer)")
    // The other direction goes on.
    try await pair.client.write([1])
    #expect(try await pair.server.read(maxBytes: 1) == [1])
  }

  @Test func cancellingEndsAWaitingWrite() async throws {
    let pair = try await SocketPair(on: loops)
    pair.shrinkBuffers()
    let task = Task { await wireError { () throws(WireError) in try await pair.client.write(Self.tooMuch) } }
    // The write has begun when its first byte is there.
    #expect(try await pair.server.read(maxBytes: 1).count == 1)
    task.cancel()
    #expect(await task.value?.code == .cancelled)
  }

  @Test func aCancelledTaskStartsNothing() async throws {
    let pair = try await SocketPair(on: loops)
    let task = Task {
      await wireError { () throws(WireError) in
        // Waits until this task is cancelled, then reads what is already there.
        _ = await wireError { () throws(WireError) in try await pair.client.loop.pause(for: .seconds(60)) }
        _ = try await pair.client.read(maxBytes: 1)
      }
    }
    try await pair.server.write([1])
    task.cancel()
    #expect(await task.value?.code == .cancelled)
  }

  @Test func closingEndsWhatWaitsAndEverythingAfter() async throws {
    let pair = try await SocketPair(on: loops)
    pair.shrinkBuffers()
    async let reading = wireError { () throws(WireError) in _ = try await pair.client.read(maxBytes: 1) }
    async let writing = wireError { () throws(WireError) in try await pair.client.write(Self.tooMuch) }
    #expect(try await pair.server.read(maxBytes: 1).count == 1)
    pair.client.close()
    pair.client.close()
    #expect(await reading?.code == .closed)
    #expect(await writing?.code == .closed)
    #expect(await wireError { () throws(WireError) in try await pair.client.write([1]) }?.code == .closed)
    #expect(await wireError { () throws(WireError) in try await pair.client.endWriting() }?.code == .closed)
    pair.client.close()
  }

  @Test func tellsAResetFromAnEnd() async throws {
    let pair = try await SocketPair(on: loops)
    try await pair.client.write([1, 2, 3])
    #expect(try await pair.server.read(maxBytes: 1) == [1])
    // Closing with unread bytes resets the connection (RFC 2525 §2.17).
    pair.server.close()
    let error = await wireError { () throws(WireError) in _ = try await pair.client.read(maxBytes: 1) }
    #expect(error == WireError(.reset, "\(pair.client.peer): connection reset by peer"))
  }

  @Test func writingToAPeerThatIsGoneFailsAndRaisesNoSignal() async throws {
    let pair = try await SocketPair(on: loops)
    pair.server.close()
    #expect(try await pair.client.read(maxBytes: 1) == [])
    var error: WireError?
    // The first write may still be taken; the peer answers it with a reset.
    for _ in 0..<1000 where error == nil {
      error = await wireError { () throws(WireError) in try await pair.client.write([1]) }
    }
    #expect(error?.code == .reset)
  }

  @Test func endingOneDirectionLeavesTheOther() async throws {
    let pair = try await SocketPair(on: loops)
    try await pair.client.write([1, 2])
    try await pair.client.endWriting()
    #expect(try await pair.server.readExactly(100) == [1, 2])
    try await pair.server.write([3])
    #expect(try await pair.client.read(maxBytes: 10) == [3])
  }

  @Test func aGreedyConnectionLeavesOthersTheirTurn() async throws {
    let one = try ConnectionLoopGroup(loopCountMax: 1)
    let pair = try await SocketPair(on: one)
    pair.shrinkBuffers()
    let progress = Recorder<String>()
    try await withThrowingTaskGroup { group in
      group.addTask {
        try await pair.client.write(Self.tooMuch)
        try await pair.client.endWriting()
      }
      group.addTask {
        while case let bytes = try await pair.server.read(maxBytes: 1 << 20), !bytes.isEmpty {}
        progress.note("ended")
      }
      // Reader and writer of the same loop keep each other ready all the time; a timer still comes through.
      try await one.loops[0].pause(for: .milliseconds(1))
      #expect(progress.events.isEmpty)
      try await group.waitForAll()
    }
  }

  @Test func carriesFiveHundredConnectionsAtOnce() async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    defer { listener.close() }
    let count = 500
    try await withThrowingTaskGroup { group in
      group.addTask {
        try await withThrowingTaskGroup { servers in
          for _ in 0..<count {
            let stream = try await listener.accept()
            servers.addTask {
              let bytes = try await stream.readExactly(8)
              try await stream.write(bytes.reversed())
              #expect(try await stream.read(maxBytes: 1) == [])
            }
          }
          try await servers.waitForAll()
        }
      }
      for number in 0..<count {
        group.addTask { [loops] in
          let stream = try await SocketStream.connect(
            host: "127.0.0.1", port: listener.port, timeout: .seconds(60), on: loops.next())
          let bytes = withUnsafeBytes(of: UInt64(number).bigEndian) { Array($0) }
          try await stream.write(bytes)
          #expect(try await stream.readExactly(8) == bytes.reversed())
          stream.close()
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func aDroppedStreamClosesItsSocket() async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    async let accepted = listener.accept()
    var client: SocketStream? = try await SocketStream.connect(
      host: "127.0.0.1", port: listener.port, timeout: .seconds(60), on: loops.next())
    let server = try await accepted
    #expect(client?.peer == listener.address)
    client = nil
    #expect(try await server.read(maxBytes: 1) == [])
  }
}
