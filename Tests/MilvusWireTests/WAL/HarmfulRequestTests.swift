import Testing

@testable internal import MilvusWire

/// Requests written by hand, judged before they are sent, by the same 104 messages as a native task's.
@Suite struct HarmfulRequestTests {
  private static func method(_ name: String) throws -> MilvusWire.Method { try #require(MilvusWire.Method.named(name)) }

  /// `ReplicateRequest {replicate_message 1 {source_cluster_id 1, message 2}}`.
  private static func request(_ message: [UInt8]) -> [UInt8] {
    var inner = WireWriter()
    inner.string(1, "by-dev")
    inner.lengthDelimited(2, message)
    var outer = WireWriter()
    outer.lengthDelimited(1, inner.bytes)
    return outer.bytes
  }

  /// Whether a channel is one of the source's is the only thing that is not known without a source.
  private static func judge(_ bytes: [UInt8]) -> String? {
    var channels: Set<String> = []
    if let message = try? LogMessage(immutableMessage: bytes) {
      channels = Set((message.broadcast?.vchannels ?? []).map { ChannelName.pchannel(of: $0) }).union([message.pchannel])
    }
    do throws(LogAdmission.Held) {
      _ = try LogAdmission(sourcePchannels: channels, typeMax: 38, targetKind: .woodPecker).judge(immutableMessage: bytes)
      return nil
    } catch {
      return error.description
    }
  }

  @Test func `what a native task holds back is not sent by hand either`() throws {
    let stream = try Self.method("CreateReplicateStream")
    var held = 0
    for broken in LogInvalidTests.cases {
      let reason = HarmfulRequest.reason(stream, Self.request(broken.bytes))
      #expect(reason == Self.judge(broken.bytes), "\(broken.name)")
      if reason != nil { held += 1 }
    }
    #expect(held >= 70)
    // A request without a message, and bytes that are none, are the server's to refuse.
    #expect(HarmfulRequest.reason(stream, []) == nil)
    #expect(HarmfulRequest.reason(stream, [0xFF, 0xFF]) == nil)
  }

  @Test func `a promotion by force needs a configuration`() throws {
    let update = try Self.method("UpdateReplicateConfiguration")
    var forced = WireWriter()
    forced.varint(2, 1)
    #expect(HarmfulRequest.reason(update, forced.bytes) != nil)
    var whole = WireWriter()
    var configuration = WireWriter()
    configuration.lengthDelimited(1, [10, 1, 97])
    whole.lengthDelimited(1, configuration.bytes)
    whole.varint(2, 1)
    #expect(HarmfulRequest.reason(update, whole.bytes) == nil)
    #expect(HarmfulRequest.reason(update, []) == nil)
    #expect(HarmfulRequest.reason(try Self.method("Query"), forced.bytes) == nil)
  }
}
