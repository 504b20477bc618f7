internal import Testing

@testable internal import MilvusWire

@Suite struct MemoryStreamTests {
  private let text = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }

  /// Writes the text into one end and reads it at the other.
  private func transfer(
    window: Int, faults: StreamFaults = StreamFaults()
  ) async throws -> (bytes: [UInt8], partSizes: [Int]) {
    let (client, server) = MemoryStream.pair(windowBytes: window, faults: faults)
    async let writing: Void = {
      try await client.write(text)
      try await client.endWriting()
    }()
    var bytes: [UInt8] = []
    var partSizes: [Int] = []
    while case let part = try await server.read(maxBytes: 1000), !part.isEmpty {
      bytes += part
      partSizes.append(part.count)
    }
    try await writing
    return (bytes, partSizes)
  }

  @Test(arguments: [1, 2, 999, 1000, 1001, 1 << 20])
  func carriesEverythingThroughAnyWindow(window: Int) async throws {
    let result = try await transfer(window: window)
    #expect(result.bytes == text)
    #expect(result.partSizes.allSatisfy { $0 <= min(window, 1000) })
  }

  @Test func splitsAsTheSeedSays() async throws {
    let faults = StreamFaults(seed: 11, readBytesMax: 7, readPauseCountMax: 2)
    let first = try await transfer(window: 1 << 20, faults: faults)
    let second = try await transfer(window: 1 << 20, faults: faults)
    #expect(first.bytes == text)
    #expect(first.partSizes.allSatisfy { (1...7).contains($0) })
    #expect(Set(first.partSizes).count == 7)
    // The first parts do not depend on how far the writer has come.
    #expect(first.partSizes.prefix(100) == second.partSizes.prefix(100))
  }

  @Test func aWriteWaitsForRoom() async throws {
    let (client, server) = MemoryStream.pair(windowBytes: 10)
    let progress = Recorder<String>()
    try await withThrowingTaskGroup { group in
      group.addTask {
        try await client.write(Array(0..<20))
        progress.note("written")
      }
      #expect(try await server.readExactly(9) == Array(0..<9))
      #expect(progress.events.isEmpty)
      #expect(try await server.readExactly(11) == Array(9..<20))
      try await group.waitForAll()
    }
  }

  @Test(arguments: [0, 1, 4999])
  func resetsAfterTheBytesItWasTold(limit: Int) async throws {
    let (client, server) = MemoryStream.pair(faults: StreamFaults(resetAfterBytes: limit))
    #expect(await wireError { () throws(WireError) in try await client.write(text) }?.code == .reset)
    #expect(
      await wireError { () throws(WireError) in _ = try await server.read(maxBytes: 1) }?.code == .reset)
    #expect(await wireError { () throws(WireError) in try await server.write([1]) }?.code == .reset)
  }

  @Test func closingEndsBothEnds() async throws {
    let (client, server) = MemoryStream.pair(windowBytes: 1)
    async let reading = wireError { () throws(WireError) in _ = try await client.read(maxBytes: 1) }
    async let writing = wireError { () throws(WireError) in try await client.write([1, 2, 3]) }
    #expect(try await server.read(maxBytes: 1) == [1])
    client.close()
    client.close()
    #expect(await reading?.code == .closed)
    #expect(await writing?.code == .closed)
    #expect(await wireError { () throws(WireError) in try await server.write([1]) }?.code == .reset)
  }

  @Test func thePeerOfAClosedEndReadsWhatWasWritten() async throws {
    let (client, server) = MemoryStream.pair()
    try await client.write([1, 2])
    client.close()
    #expect(try await server.readExactly(10) == [1, 2])
    #expect(try await server.read(maxBytes: 1) == [])
  }

  @Test func cancellingEndsWaitingCalls() async throws {
    let (client, server) = MemoryStream.pair(windowBytes: 1)
    let reading = Task {
      await wireError { () throws(WireError) in _ = try await client.read(maxBytes: 1) }
    }
    let writing = Task { await wireError { () throws(WireError) in try await client.write([1, 2]) } }
    reading.cancel()
    writing.cancel()
    #expect(await reading.value?.code == .cancelled)
    #expect(await writing.value?.code == .cancelled)
    _ = server
  }
}
