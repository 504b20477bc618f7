internal import Testing

@testable internal import MilvusWire

/// The calls of a cluster's log side: requests and answers as recorded, streams over a server in memory.
@Suite(.timeLimit(.minutes(5))) struct MilvusLogTests {
  private static let service = "/milvus.proto.milvus.MilvusService/"
  private static let dumpPath = service + "DumpMessages"

  private let request = DumpRequest(
    pchannel: "by-dev-rootcoord-dml_0", start: LogMessageID("CAUQew==", .woodPecker), startTick: TimeTick(5))

  // MARK: Answers

  @Test func `FlushAll tells the cluster and the position of each pchannel`() async throws {
    let answer = try FixtureFiles.bytes("wal/v2.6.23/rpc-flush-all-response.pb")
    let caller = RecordedCaller(answer)
    let flushed = try await MilvusClient(caller: caller).flushAll()
    #expect(flushed.clusterID == "by-dev")
    #expect(flushed.controlChannel == "by-dev-rootcoord-dml_0_vcchan")
    #expect(flushed.pchannels == ["by-dev-rootcoord-dml_0", "by-dev-rootcoord-dml_1"])
    #expect(Set(flushed.messages.keys) == Set(flushed.pchannels))
    let message = try #require(flushed.messages["by-dev-rootcoord-dml_1"])
    #expect(message.type == .flushAll && message.isPchannelLevel)
    #expect(message.lastConfirmedID == LogMessageID("CAkQAw==", .woodPecker))
    #expect(message.timeTick == TimeTick(try #require(Base36.unsigned("3keefif8ye4h"))))
    #expect(message.vchannel == "by-dev-rootcoord-dml_1")
    #expect(caller.requests.map(\.method) == ["FlushAll"])
    #expect(caller.requests[0].message.isEmpty)
    #expect(caller.requests[0].timeout == .seconds(60))
  }

  @Test(arguments: [
    "source-rocksmq/rpc-flushall", "source/rpc-describe", "source-v3/rpc-describe", "replicate/rpc-target",
  ])
  func `FlushAll of real servers`(file: String) async throws {
    let answers = try Self.answers(file, "FlushAll")
    #expect(!answers.isEmpty)
    for (bytes, json) in answers {
      let flushed = try await MilvusClient(caller: RecordedCaller(bytes)).flushAll()
      #expect(flushed.clusterID == json["cluster_info"]?["cluster_id"]?.stringValue ?? "")
      #expect(flushed.controlChannel == json["cluster_info"]?["cchannel"]?.stringValue)
      #expect(flushed.pchannels == json["cluster_info"]?["pchannels"]?.arrayValue?.compactMap(\.stringValue))
      let messages = try #require(json["flush_all_msgs"]?.objectValue)
      #expect(messages.count == flushed.messages.count)
      for (pchannel, json) in messages.members {
        let message = try #require(flushed.messages[pchannel])
        #expect(message.id.text == json["id"]?["id"]?.stringValue ?? "")
        #expect(message.term == nil && message.pchannel == pchannel)
        #expect(
          message.timeTick.rawValue
            == (json["properties"]?["_tt"]?.stringValue).flatMap { Base36.unsigned($0) })
        try message.validateIDs()
      }
    }
  }

  @Test func `a FlushAll answer that is broken is malformed`() async throws {
    let answer = try FixtureFiles.bytes("wal/v2.6.23/rpc-flush-all-response.pb")
    // An entry of the map whose message has no properties.
    let broken: [[UInt8]] = [
      Array(answer.dropLast(1)), answer + [0x22, 5, 0x0A, 1, 0x61, 0x12, 0],
      answer + [0x22, 3, 0x0A, 1, 0x61],
      [0x20, 1],
    ]
    for bytes in broken {
      let client = MilvusClient(caller: RecordedCaller(bytes))
      let error = await #expect(throws: CallError.self) { _ = try await client.flushAll() }
      guard case .malformed(method: "FlushAll", _)? = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }

  @Test func `what a target has received`() async throws {
    let caller = RecordedCaller(try FixtureFiles.bytes("wal/v2.6.23/rpc-replicate-info-response.pb"))
    let client = MilvusClient(caller: caller)
    let info = try await client.replicateInfo(
      sourceClusterID: "by-dev", targetPchannel: "by-prod-rootcoord-dml_0")
    let checkpoint = try #require(info.checkpoint)
    #expect(checkpoint.clusterID == "by-dev" && checkpoint.pchannel == "by-dev-rootcoord-dml_0")
    #expect(checkpoint.messageID?.kind == .woodPecker && !checkpoint.hasReceivedNothing)
    #expect(info.salvageCheckpoint != nil)
    #expect(
      caller.requests[0].message == (try FixtureFiles.bytes("wal/v3.0.1/rpc-replicate-info-request.pb")))
    #expect(caller.requests[0].timeout == .seconds(10))
    let new = try ReplicateInfo(encoded: FixtureFiles.bytes("wal/v2.6.23/rpc-replicate-info-response-new.pb"))
    #expect(new.checkpoint?.hasReceivedNothing == true && new.checkpoint?.messageID == nil)
    #expect(try ReplicateInfo(encoded: []) == ReplicateInfo())
  }

  @Test(arguments: ["replicate/rpc-target", "promote/rpc-target", "switchover/rpc-a", "switchover/rpc-b"])
  func `replicate state of real servers`(file: String) async throws {
    let infoType = try #require(MessageDescriptor(named: "milvus.proto.milvus.GetReplicateInfoResponse"))
    for (bytes, json) in try Self.answers(file, "GetReplicateInfo") {
      let client = MilvusClient(caller: RecordedCaller(bytes))
      let info = try await client.replicateInfo(sourceClusterID: "cdc-src", targetPchannel: "p")
      let differences = LogReflection.differences(of: info, from: [(json, infoType)])
      #expect(differences.isEmpty, "\(differences)")
    }
    let type = try #require(MessageDescriptor(named: "milvus.proto.common.ReplicateConfiguration"))
    let answers = try Self.answers(file, "GetReplicateConfiguration")
    for (bytes, json) in answers {
      let configuration = try await MilvusClient(caller: RecordedCaller(bytes)).replicateConfiguration()
      guard let object = json["configuration"]?.objectValue else { continue }
      let differences = LogReflection.differences(of: try #require(configuration), from: [(object, type)])
      #expect(differences.isEmpty, "\(differences)")
      // The servers leave tokens out.
      #expect(configuration?.hasTokens == false)
    }
  }

  @Test func `a cluster that does not answer is not configured`() async throws {
    var routes = RPCRoutes()
    routes.stream(Self.service + "GetReplicateConfiguration") { _ in await never() }
    let peers = try MemoryPeers(routes: routes)
    var deadlines = MilvusClient.Deadlines()
    #expect(deadlines.configuration == .seconds(3))
    deadlines.configuration = .milliseconds(50)
    let client = MilvusClient(caller: peers.channel, deadlines: deadlines)
    #expect(try await client.replicateConfiguration() == nil)
    await peers.close()
  }

  @Test func `only an answered silence means not configured`() async throws {
    // Status {code 10000, reason "context canceled"}.
    var status = WireWriter()
    status.string(2, "context canceled")
    status.varint(3, 10000)
    var answer = WireWriter()
    answer.lengthDelimited(1, status.bytes)
    #expect(try await MilvusClient(caller: RecordedCaller(answer.bytes)).replicateConfiguration() == nil)
    for error in [
      RPCError(.deadlineExceeded, "no connection", initiator: .local, isUnsent: true),
      RPCError(.unavailable, "refused", initiator: .connection),
      RPCError(.unimplemented, "no", initiator: .remote),
    ] {
      let thrown = await #expect(throws: CallError.self) {
        _ = try await MilvusClient(caller: RecordedCaller(error)).replicateConfiguration()
      }
      #expect(thrown == .rpc(error, method: "GetReplicateConfiguration"))
    }
  }

  // MARK: Dumps

  @Test func `a request has the bytes that Milvus's own code writes`() throws {
    for file in ["rpc-dump-request.pb", "rpc-dump-request-earliest.pb"] {
      let bytes = try FixtureFiles.bytes("wal/v2.6.23/\(file)")
      let request = try DumpRequest(encoded: bytes)
      #expect(request.encoded == bytes)
      #expect(request.pchannel == "by-dev-rootcoord-dml_0" && request.start.kind == .woodPecker)
      let type = try #require(MessageDescriptor(named: "milvus.proto.milvus.DumpMessagesRequest"))
      let json = try MessageJSON().json(of: bytes, as: type)
      #expect(json["start_message_id"]?["id"]?.stringValue == request.start.text)
      #expect(json["include_start_message"]?.boolValue ?? false == request.isInclusive)
      #expect((json["start_timetick"]?.unsigned ?? 0) == request.startTick.rawValue)
      #expect((json["end_timetick"]?.unsigned ?? 0) == request.endTick.rawValue)
    }
  }

  @Test func `a dump delivers what the server sends and ends when it does`() async throws {
    let recordings = try LogFixtures.live("source-v3/pchannel-1")
    let request = request
    var routes = RPCRoutes()
    routes.stream(Self.dumpPath) { call in
      let asked = try await call.receive()
      #expect(try asked.map { try DumpRequest(encoded: $0) } == request)
      #expect(try await call.receive() == nil)
      for recording in recordings { try await call.send(recording.bytes) }
    }
    let peers = try MemoryPeers(routes: routes, windowBytes: 700)
    let stream = try await MilvusClient(caller: peers.channel).dump(request)
    for recording in recordings {
      let message = try #require(try await stream.next())
      #expect(message == (try recording.message()))
    }
    #expect(try await stream.next() == nil)
    await stream.cancel()
    await peers.close()
  }

  @Test func `a dump opens without a first message, and cancelling ends it`() async throws {
    let (ended, end) = AsyncStream<Void>.makeStream()
    var routes = RPCRoutes()
    routes.stream(Self.dumpPath) { _ in
      await never()
      end.yield()
    }
    let peers = try MemoryPeers(routes: routes)
    let stream = try await MilvusClient(caller: peers.channel).dump(request)
    async let taken = Self.outcome(of: stream)
    await stream.cancel()
    for await _ in ended { break }
    guard case .rpc(let error, method: "DumpMessages")? = await taken else {
      Issue.record("the wait did not end with an error")
      return
    }
    #expect(error.code == .cancelled)
    await peers.close()
  }

  @Test func `an error comes after the messages before it`() async throws {
    let message = try #require(try LogFixtures.live("source/pchannel-2").first)
    var routes = RPCRoutes()
    routes.stream(Self.dumpPath) { call in
      try await call.send(message.bytes)
      throw RPCError(.unknown, "missing parameter[missing_param=pchannel]", initiator: .local)
    }
    let peers = try MemoryPeers(routes: routes)
    let stream = try await MilvusClient(caller: peers.channel).dump(request)
    #expect(try await stream.next() == (try message.message()))
    guard case .rpc(let error, method: "DumpMessages")? = await Self.outcome(of: stream) else {
      Issue.record("no error")
      return
    }
    #expect(error.code == .unknown && error.message.contains("missing_param=pchannel"))
    await peers.close()
  }

  @Test func `answers without a message are passed over, and a status and broken bytes are errors`()
    async throws
  {
    let message = try #require(try LogFixtures.live("source/pchannel-2").first)
    var status = WireWriter()
    status.lengthDelimited(1, [0x12, 1, 0x78, 0x18, 7])
    for (last, isStatus) in [(status.bytes, true), ([0x12, 2, 0x0A, 9], false)] {
      var routes = RPCRoutes()
      routes.stream(Self.dumpPath) { call in
        for answer in [[], [0x0A, 0], message.bytes, last] { try await call.send(answer) }
        await never()
      }
      let peers = try MemoryPeers(routes: routes)
      let stream = try await MilvusClient(caller: peers.channel).dump(request)
      #expect(try await stream.next() == (try message.message()))
      switch await Self.outcome(of: stream) {
      case .status(let status, method: "DumpMessages"):
        #expect(isStatus && status.code == 7 && status.reason == "x")
      case .malformed(method: "DumpMessages", _): #expect(!isStatus)
      case let other: Issue.record("\(String(describing: other))")
      }
      await stream.cancel()
      await peers.close()
    }
  }

  @Test func `a server is held back by messages that nobody takes`() async throws {
    let message = LogMessageBuilder(.flushAll, id: LogMessageID("EAE=", .woodPecker), timeTick: TimeTick(1))
    var large = message
    large.payload = [UInt8](repeating: 0, count: 40_000)
    let bytes = large.dumpResponse
    let taken = Locked(0)
    let ahead = Locked(0)
    let (started, start) = AsyncStream<Void>.makeStream()
    var routes = RPCRoutes()
    routes.stream(Self.dumpPath) { call in
      for sent in 1...200 {
        try await call.send(bytes)
        start.yield()
        let now = taken.withLock { $0 }
        ahead.withLock { $0 = max($0, sent - now) }
      }
    }
    var options = ChannelOptions()
    options.limits.streamWindowBytes = 100_000
    options.limits.connectionWindowBytes = 200_000
    let peers = try MemoryPeers(routes: routes, channelOptions: options)
    let stream = try await MilvusClient(caller: peers.channel).dump(request)
    for await _ in started { break }
    for _ in 0..<500 { await Task.yield() }
    var count = 0
    while try await stream.next() != nil {
      count += 1
      taken.withLock { $0 += 1 }
    }
    #expect(count == 200)
    // The window, what the server queues for it, and one message each way.
    let allowed = (100_000 + RPCServerOptions().sendQueueBytesMax) / bytes.count + 4
    #expect(ahead.withLock { $0 } <= allowed)
    await peers.close()
  }

  @Test func `opening a dump has a deadline, following one has not`() async throws {
    let caller = StuckCaller()
    var deadlines = MilvusClient.Deadlines()
    deadlines.metadata = .milliseconds(50)
    let error = await #expect(throws: CallError.self) {
      _ = try await MilvusClient(caller: caller, deadlines: deadlines).dump(request)
    }
    guard case .rpc(let reason, method: "DumpMessages")? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.code == .deadlineExceeded)
    // The attempt was ended, not left behind.
    #expect(caller.wasCancelled)
    #expect(caller.timeout == .seconds(7 * 24 * 3600))
  }

  @Test func `cancelling the task cancels the opening`() async throws {
    let caller = StuckCaller()
    let client = MilvusClient(caller: caller)
    let task = Task { [request] in try await client.dump(request) }
    await caller.begun()
    task.cancel()
    let result = await task.result
    #expect(throws: CallError.self) { _ = try result.get() }
    #expect(caller.wasCancelled)
  }

  @Test func `a caller without streams says so`() async throws {
    let error = await #expect(throws: CallError.self) {
      _ = try await MilvusClient(caller: RecordedCaller([])).dump(request)
    }
    guard case .rpc(let reason, _)? = error else { return }
    #expect(reason.code == .unimplemented)
  }

  // MARK: Helpers

  /// How the next message is refused; nil where there is one or the end.
  private static func outcome(of stream: any DumpStream) async -> CallError? {
    do throws(CallError) {
      _ = try await stream.next()
      return nil
    } catch {
      return error
    }
  }

  /// Recorded answers of one method with their JSON.
  private static func answers(_ file: String, _ method: String) throws -> [([UInt8], JSONObject)] {
    let parts = try LogFixtures.delimited(FixtureFiles.bytes("wal-live/\(file).pb"))
    let list = try #require(LogFixtures.json("wal-live/\(file).json")?.arrayValue)
    return try list.compactMap { entry in
      guard entry["method"]?.stringValue == method, let index = entry["response_index"]?.integer else {
        return nil
      }
      return (parts[index], try #require(entry["response"]?.objectValue))
    }
  }
}

/// A caller whose streams never open.
private final class StuckCaller: UnaryCaller {
  let peer = "stuck:1"
  private let state = Locked<(timeout: Duration?, wasCancelled: Bool)>((nil, false))
  private let beginning = AsyncStream<Void>.makeStream()

  var wasCancelled: Bool { state.withLock { $0.wasCancelled } }
  var timeout: Duration? { state.withLock { $0.timeout } }

  func begun() async {
    for await _ in beginning.stream { break }
  }

  func unary(path: String, message: [UInt8], metadata: Metadata, timeout: Duration) async throws(RPCError)
    -> [UInt8]
  {
    throw RPCError(.unimplemented, "no", initiator: .local)
  }

  func serverStream(path: String, message: [UInt8], metadata: Metadata, timeout: Duration)
    async throws(RPCError)
    -> any AnswerStream
  {
    state.withLock { $0.timeout = timeout }
    beginning.continuation.yield()
    await never()
    state.withLock { $0.wasCancelled = Task.isCancelled }
    throw RPCError(.cancelled, "the call was cancelled", initiator: .local)
  }

  func shutdown() async {}
}
