internal import Synchronization
internal import Testing

@testable internal import MilvusWire

@Suite(.timeLimit(.minutes(5))) struct WireTracerTests {
  private final class Recorder: WireTracer {
    private let lines = Mutex<[String]>([])
    var transcript: [String] { lines.withLock { $0 } }
    func record(_ event: WireEvent) { lines.withLock { $0 += TranscriptFormatter.lines(event) } }
  }

  @Test func `a call leaves a transcript without its secrets`() async throws {
    let recorder = Recorder()
    var options = ChannelOptions()
    options.tracer = recorder
    let peers = try MemoryPeers(routes: .sample, channelOptions: options, token: "root:Milvus")
    _ = try await peers.channel.unary(path: "/test/echo", message: [1, 2, 3], timeout: .seconds(120))
    _ = try? await peers.channel.unary(path: "/test/fail", message: [], timeout: .seconds(120))
    await peers.close()
    let text = recorder.transcript.joined(separator: "\n")
    #expect(text.contains("* memory-server:1 connecting\n"))
    #expect(text.contains("* memory-server:1 connected\n"))
    #expect(text.contains("> memory-server:1 #1 :path: /test/echo\n"))
    #expect(text.contains("> memory-server:1 #1 authorization: <redacted>\n"))
    #expect(text.contains("> memory-server:1 #1 message of 3 bytes\n"))
    #expect(text.contains("< memory-server:1 #1 data of 8 bytes\n"))
    #expect(text.contains("* memory-server:1 #1 ok\n"))
    #expect(text.contains("* memory-server:1 #3 notFound: no such thing\\u{a}50 % ☃\n"))
    #expect(!text.contains(Base64.encode("root:Milvus".utf8)))
  }
}
