internal import Testing

@testable internal import MilvusWire

/// Bytes that real servers sent (Fixtures/public-rpc/README.md), played into our client: Milvus 2.3.5 acknowledges SETTINGS late,
/// sends them twice and codes values with Huffman; Milvus Lite announces settings that nobody knows.
@Suite(.timeLimit(.minutes(5))) struct RecordedServerTests {
  struct Recording: Sendable, CustomTestStringConvertible {
    var file: String
    /// The server's first SETTINGS, which it sent before it saw a request.
    var settingsBytes: Int
    var version: String
    var testDescription: String { file }
  }

  static let recordings = [
    Recording(file: "public-rpc/h2-getversion-m235.bin", settingsBytes: 9, version: "v2.3.5-lite"),
    Recording(file: "public-rpc/h2-getversion-lite322.bin", settingsBytes: 33, version: "milvus_lite-3.2.2"),
  ]

  /// What the client makes of the bytes when they arrive in these pieces.
  private func play(_ pieces: [ArraySlice<UInt8>]) throws -> (messages: [[UInt8]], status: RPCStatus?) {
    let session = try HTTP2Session(role: .client, limits: HTTP2Limits(), queueBytesMax: 1 << 20)
    let stream = try session.openStream([":method": "POST", ":scheme": "http", ":path": "/s/m", ":authority": "a"])
    try session.finish(stream: stream)
    var output = OutputChain()
    _ = try session.takeOutput(into: &output, bytesMax: 1 << 20)
    var machine = ClientStreamStateMachine()
    var inbox = MessageInbox(messageBytesMax: 1000)
    var status: RPCStatus?
    for piece in pieces {
      let bytes = Array(piece)
      for event in try session.receive(bytes) {
        switch event {
        case .headers(_, let headers, let isEnd):
          if case .finish(let end) = machine.received(headers: headers, isEnd: isEnd) { status = end }
        case .data(_, let range):
          #expect(machine.receivedData() == .none)
          try inbox.received(bytes[range])
        default: break
        }
      }
      output = OutputChain()
      _ = try session.takeOutput(into: &output, bytesMax: 1 << 20)
    }
    var messages: [[UInt8]] = []
    while let message = inbox.take() { messages.append(message) }
    return (messages, status)
  }

  private func expect(_ result: (messages: [[UInt8]], status: RPCStatus?), _ recording: Recording, _ how: String) throws {
    #expect(result.status == .ok, "\(how)")
    #expect(result.messages.count == 1, "\(how)")
    // GetVersionResponse {status = 1 {}, version = 2}.
    let version = Array(recording.version.utf8)
    #expect(result.messages.first == [10, 0, 18, UInt8(version.count)] + version, "\(how)")
  }

  @Test(arguments: recordings) func `in one piece, byte by byte and cut anywhere`(recording: Recording) throws {
    let bytes = try FixtureFiles.bytes(recording.file)
    try expect(play([bytes[...]]), recording, "in one piece")
    try expect(play(bytes.indices.map { bytes[$0...$0] }), recording, "byte by byte")
    for cut in 1..<bytes.count { try expect(play([bytes[..<cut], bytes[cut...]]), recording, "cut at \(cut)") }
  }

  @Test(arguments: recordings) func `every beginning of it is only unfinished`(recording: Recording) throws {
    let bytes = try FixtureFiles.bytes(recording.file)
    for count in 0..<bytes.count { #expect(try play([bytes[..<count]]).status == nil) }
  }

  @Test(arguments: recordings) func `no damaged byte traps`(recording: Recording) throws {
    let original = try FixtureFiles.bytes(recording.file)
    for index in original.indices {
      for flip: UInt8 in [0x01, 0x80, 0xFF] {
        var bytes = original
        bytes[index] ^= flip
        // Any outcome but a trap is right: damage may stay unseen, or end the session with an error.
        _ = try? play([bytes[...]])
      }
    }
  }

  @Test(arguments: recordings, [1, 1 << 20])
  func `a whole channel gets its answer`(recording: Recording, readBytesMax: Int) async throws {
    let bytes = try FixtureFiles.bytes(recording.file)
    let loops = try ConnectionLoopGroup(loopCountMax: 1)
    let (client, server) = MemoryStream.pair(faults: StreamFaults(readBytesMax: readBytesMax))
    let cluster = ClusterConnection(endpoint: Endpoint(host: "recorded", port: 1))
    let channel = RPCChannel(cluster, options: ChannelOptions(), loops: loops) { _, _, _ in client }
    async let answer = channel.unary(path: "/s/m", message: [], timeout: .seconds(120))
    try await server.write(Array(bytes[..<recording.settingsBytes]))
    try await waitForEndOfRequest(on: server)
    try await server.write(Array(bytes[recording.settingsBytes...]))
    #expect(try await answer.suffix(recording.version.utf8.count) == Array(recording.version.utf8)[...])
    await channel.shutdown()
    server.close()
  }

  /// Reads the client's preface and frames up to the DATA frame that ends stream 1.
  private func waitForEndOfRequest(on stream: MemoryStream) async throws {
    _ = try await stream.readExactly(24)
    while true {
      let header = try await stream.readExactly(9)
      try #require(header.count == 9)
      let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
      if length > 0 { _ = try await stream.readExactly(length) }
      if header[3] == 0 && header[4] & 1 == 1 { return }
    }
  }
}
