internal import Foundation
internal import TestSupport
internal import Testing

@testable internal import MilvusWire

@Suite struct TLSStreamTests {
  private let files: TestCertificates
  private let loops: ConnectionLoopGroup

  init() throws {
    files = try TestCertificates.shared.get()
    loops = try ConnectionLoopGroup(loopCountMax: 2)
  }

  /// Shakes hands over two connected streams.
  private func secure(
    _ pair: (client: any ByteStream, server: any ByteStream), clientContext: TLSContext? = nil,
    serverContext: TLSContext? = nil
  ) async throws -> (client: TLSStream, server: TLSStream) {
    let clientFiles = try await files.client(), serverFiles = try await files.server()
    let (one, two) = (loops.next(), loops.next())
    async let server = TLSStream.server(
      over: pair.server, serverContext ?? serverFiles, timeout: .seconds(60), on: one)
    let client = try await TLSStream.client(
      over: pair.client, clientContext ?? clientFiles, host: "localhost", timeout: .seconds(60), on: two)
    return (client, try await server)
  }

  @Test(arguments: [1, 3, 1000])
  func carriesTextBothWaysAtOnceThroughNarrowStreams(readBytesMax: Int) async throws {
    let lower = MemoryStream.pair(
      windowBytes: 700, faults: StreamFaults(seed: 5, readBytesMax: readBytesMax, readPauseCountMax: 1))
    let pair = try await secure(lower)
    #expect(await pair.client.applicationProtocol == "h2")
    let text = (0..<4000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    try await withThrowingTaskGroup { group in
      for stream in [pair.client, pair.server] {
        group.addTask {
          try await stream.write(text)
          try await stream.endWriting()
        }
        group.addTask { () async throws in
          #expect(try await stream.readExactly(text.count) == text)
          #expect(try await stream.read(maxBytes: 1) == [])
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func carriesMuchOverSockets() async throws {
    let sockets = try await SocketPair(on: loops)
    let pair = try await secure((sockets.client, sockets.server))
    let text = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    async let received = pair.server.readExactly(text.count)
    try await pair.client.write(text)
    #expect(try await received == text)
    pair.client.close()
    #expect(try await pair.server.read(maxBytes: 1) == [])
    #expect(
      await wireError { () throws(WireError) in try await pair.client.write([1]) }?.code == .closed)
  }

  @Test func aSilentPeerDoesNotOutliveTheDeadline() async throws {
    let (client, server) = MemoryStream.pair()
    let context = try await files.client()
    let error = await wireError { () throws(WireError) in
      _ = try await TLSStream.client(
        over: client, context, host: "localhost", timeout: .milliseconds(50), on: loops.next())
    }
    #expect(
      error == WireError(.timedOut, "the TLS handshake with memory-server:1 timed out after 50 ms"))
    // The stream below was closed: whatever was said before, the end follows.
    _ = try await server.readExactly(Int.max)
  }

  @Test func aPeerThatHangsUpIsToldFromAWrongCertificate() async throws {
    let (client, server) = MemoryStream.pair()
    server.close()
    let context = try await files.client()
    let error = await wireError { () throws(WireError) in
      _ = try await TLSStream.client(
        over: client, context, host: "localhost", timeout: .seconds(60), on: loops.next())
    }
    // Whether the greeting or the answer fails first is the machine's choice with a real network, and fixed here.
    #expect(error == WireError(.reset, "connection closed by peer"))
    let quiet = MemoryStream.pair()
    try await quiet.server.endWriting()
    let second = await wireError { () throws(WireError) in
      _ = try await TLSStream.client(
        over: quiet.client, context, host: "localhost", timeout: .seconds(60), on: loops.next())
    }
    #expect(
      second
        == WireError(
          .tls, "memory-server:1 closed the connection during the TLS handshake (is it a TLS port?)"))
  }

  @Test func theRefusedPeerLearnsWhy() async throws {
    let lower = MemoryStream.pair()
    let clientContext = try await files.client(ca: "other-ca.pem")
    let serverContext = try await files.server()
    let (one, two) = (loops.next(), loops.next())
    async let serverError = wireError { () throws(WireError) in
      _ = try await TLSStream.server(
        over: lower.server, serverContext, timeout: .seconds(60), on: one)
    }
    let clientError = await wireError { () throws(WireError) in
      _ = try await TLSStream.client(
        over: lower.client, clientContext, host: "localhost", timeout: .seconds(60), on: two)
    }
    #expect(clientError?.code == .certificate)
    #expect(
      await serverError?.message
        == "the TLS handshake with memory-client:2 failed: the client does not trust our certificate (unknown CA)"
    )
  }

  @Test func aMissingClientCertificateIsReportedByTheFirstRead() async throws {
    let lower = MemoryStream.pair()
    let serverContext = try await files.server(clientCA: "ca.pem")
    let (one, two) = (loops.next(), loops.next())
    async let serverError = wireError { () throws(WireError) in
      _ = try await TLSStream.server(
        over: lower.server, serverContext, timeout: .seconds(60), on: one)
    }
    let client = try await TLSStream.client(
      over: lower.client, try await files.client(), host: "localhost", timeout: .seconds(60), on: two)
    let error = await wireError { () throws(WireError) in _ = try await client.read(maxBytes: 1) }
    #expect(
      error?.message
        == "the TLS connection to memory-server:1 failed: the server wants a client certificate")
    // First error wins: what follows says the same.
    #expect(await wireError { () throws(WireError) in try await client.write([1]) } == error)
    #expect(
      await serverError?.message
        == "the TLS handshake with memory-client:2 failed: the client sent no certificate")
  }

  @Test func cancellingEndsAWaitingRead() async throws {
    let pair = try await secure(MemoryStream.pair())
    let task = Task {
      await wireError { () throws(WireError) in _ = try await pair.client.read(maxBytes: 1) }
    }
    task.cancel()
    #expect(await task.value?.code == .cancelled)
  }

  @Test func closingSaysGoodbye() async throws {
    let lower = MemoryStream.pair()
    let pair = try await secure(lower)
    pair.client.close()
    await pair.client.loop.yield()
    // A goodbye record stands before the end: type 23 hides an alert in TLS 1.3.
    #expect(try await lower.server.read(maxBytes: 5).first == 23)
  }

  @Test func anEndpointConnectsAsItSays() async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    let serverContext = try await files.server()
    let endpoint = Endpoint(
      host: "127.0.0.1", port: listener.port, tls: TLSSettings(caPath: files.path("ca.pem")))
    async let served: Void = {
      let socket = try await listener.accept()
      let stream = try await TLSStream.server(
        over: socket, serverContext, timeout: .seconds(60), on: socket.loop)
      try await stream.write(try await stream.readExactly(4))
    }()
    let stream = try await endpoint.connect(timeout: .seconds(60), on: loops.next())
    try await stream.write([1, 2, 3, 4])
    #expect(try await stream.readExactly(4) == [1, 2, 3, 4])
    try await served
  }

  @Test func theWholeBudgetIsNamedWhenTheHandshakeIsTheSlowPart() async throws {
    // The kernel accepts the connection; nobody ever answers the greeting.
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    let endpoint = Endpoint(
      host: "127.0.0.1", port: listener.port, tls: TLSSettings(caPath: files.path("ca.pem")))
    let error = await wireError { () throws(WireError) in
      _ = try await endpoint.connect(timeout: .milliseconds(300), on: loops.next())
    }
    // Where the machine is busy, the budget may end before the handshake begins.
    let expected = "cannot connect to \(listener.address): timed out after 300 ms"
    #expect(error?.code == .timedOut)
    #expect([expected, "\(expected) in the TLS handshake"].contains(error?.message))
    listener.close()
  }

  /// An independent client: what our server agrees to with `openssl s_client`.
  @Test(arguments: [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
  func speaksWithTheOpenSSLCommand(option: String, version: String) async throws {
    let listener = try await Listener.bind(host: "127.0.0.1", port: 0, on: loops)
    let context = try await files.server(clientCA: "ca.pem")
    async let served: String = {
      let socket = try await listener.accept()
      let stream = try await TLSStream.server(
        over: socket, context, timeout: .seconds(60), on: socket.loop)
      let version = await stream.version
      // The command ends when its input does: it says goodbye and we read the end.
      #expect(try await stream.read(maxBytes: 1) == [])
      stream.close()
      return version
    }()
    let arguments = [
      "s_client", "-connect", listener.address, option, "-alpn", "h2", "-CAfile", files.path("ca.pem"),
      "-verify_return_error", "-verify_hostname", "localhost", "-cert", files.path("client.pem"), "-key",
      files.path("client.key"),
    ]
    // The command blocks: it waits on a thread of its own.
    let run = try await BlockingThreads(threadCountMax: 1).run("openssl") { () throws(WireError) in
      do {
        return try ProgramRun(URL(filePath: "/usr/bin/openssl"), arguments)
      } catch {
        throw WireError(.system, "cannot run openssl: \(error)")
      }
    }
    #expect(run.exitCode == 0, "\(run.error)")
    #expect(run.output.contains("ALPN protocol: h2"))
    #expect(try await served == version)
  }
}
