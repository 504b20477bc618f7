internal import Testing

@testable internal import MilvusWire

/// Messages that running servers sent, against what the official protos read in them (`Fixtures/wal-live`).
@Suite struct LogLiveTests {
  @Test(arguments: LogFixtures.liveDumps)
  func `every message of a dump is read as it is`(dump: String) throws {
    let recordings = try LogFixtures.live(dump)
    #expect(!recordings.isEmpty)
    for recording in recordings {
      let json = recording.json
      let message = try recording.message()
      let name = Comment(rawValue: recording.name)
      #expect(recording.bytes.count == json["response_bytes"]?.integer, name)
      #expect(message.id.text == json["id"]?.stringValue ?? "", name)
      #expect(message.id.kind.description == json["wal"]?.stringValue, name)
      #expect(message.type.rawValue == json["type"]?.integer, name)
      #expect(message.type.name == json["type_name"]?.stringValue, name)
      #expect(message.vchannel == json["vchannel"]?.stringValue ?? "", name)
      #expect(message.timeTick.rawValue == json["time_tick"]?.unsigned, name)
      #expect(message.timeTick.unixMilliseconds == (json["time_ms"]?.integer).map { Int64($0) }, name)
      #expect(message.payload.count == json["payload_size"]?.integer ?? 0, name)
      let properties = try #require(json["properties"]?.objectValue)
      #expect(message.properties.count == properties.count, name)
      for (key, value) in message.properties { #expect(value == properties[key]?.stringValue, name) }
      #expect(message.term.map { Base36.write($0) } == properties["_wt"]?.stringValue, name)
      #expect(
        message.lastConfirmedID == LogMessageID(properties["_lc"]?.stringValue ?? "?", message.id.kind), name)
      try Self.expect(message.transaction, json["txn"], "TxnContext")
      try Self.expect(message.broadcast, json["broadcast_header"], "BroadcastHeader")
      try Self.expect(message.replicate, json["replicate_header"], "ReplicateHeader")
      try message.validateIDs()
      if let body = json["body_type"]?.stringValue { #expect(body == message.type.bodyProto, name) }
      try LogChangeChecks.expect(
        message, header: json["header"]?.objectValue ?? JSONObject(),
        body: json["body"]?.objectValue ?? JSONObject())
    }
  }

  @Test(arguments: LogFixtures.liveDumps)
  func `what is built again says the same`(dump: String) throws {
    for recording in try LogFixtures.live(dump) {
      let message = try recording.message()
      var builder = LogMessageBuilder(message)
      let again = try #require(try LogMessage(dumpResponse: builder.dumpResponse))
      // Servers write properties in any order, and their maps too.
      let inOrder = message.properties.sorted { $0.key < $1.key }
      #expect(again.properties.map(\.key) == inOrder.map(\.key))
      #expect(again.properties.map(\.value) == inOrder.map(\.value))
      #expect(again.byteCount == message.byteCount)
      #expect(again.payload == message.payload)
      #expect(again.id == message.id && again.timeTick == message.timeTick)
      let change = try LogChange(message)
      builder.header = change.encodedHeader
      builder.payload = change.encodedBody
      #expect(try LogChange(builder.message()) == change)
      #expect(try builder.message().payload == message.payload)
      #expect(try builder.message().header == message.header)
    }
  }

  @Test(arguments: 0..<4)
  func `what was sent to a target is what the source had`(channel: Int) throws {
    let parts = try LogFixtures.delimited(FixtureFiles.bytes("wal-live/replicate/stream-\(channel).pb"))
    let list = try #require(LogFixtures.json("wal-live/replicate/stream-\(channel).json")?.arrayValue)
    try #require(parts.count == list.count)
    var source = try LogFixtures.live("source/pchannel-\(channel)").map { try $0.message() }[...]
    for (bytes, json) in zip(parts, list) where json["direction"]?.stringValue == "request" {
      // ReplicateRequest {replicate_message 1 {source_cluster_id 1, message 2}}
      let request = try #require(try Self.part(1, of: bytes, 0..<bytes.count))
      let range = try #require(try Self.part(2, of: bytes, request))
      let message = try LogMessage(immutableMessage: bytes, in: range)
      #expect(message.byteCount == range.count && message.range == range)
      #expect(message.id.text == json["id"]?.stringValue ?? "")
      #expect(message.timeTick.rawValue == json["time_tick"]?.unsigned)
      #expect((message.transaction != nil) == json["txn"]?.boolValue)
      let original = try #require(source.first)
      source = source.dropFirst()
      // The sender's serializer wrote the properties in another order.
      #expect(message.byteCount == original.byteCount && message.payload == original.payload)
      #expect(LogMessageBuilder(message).immutableMessage == LogMessageBuilder(original).immutableMessage)
      #expect(try LogChange(message) == LogChange(original))
    }
    #expect(source.isEmpty)
  }

  @Test func `a target's log names the source's messages`() throws {
    let source = try LogFixtures.live("source/pchannel-0").map { try $0.message() }
    let copies = try LogFixtures.live("target/pchannel-0").map { try $0.message() }.filter {
      $0.replicate != nil
    }
    #expect(!copies.isEmpty)
    for copy in copies {
      let header = try #require(copy.replicate)
      #expect(header.clusterID == "cdc-src")
      let original = try #require(source.first { $0.id == header.messageID })
      #expect(header.vchannel == original.vchannel && header.timeTick == original.timeTick)
      #expect(copy.type == original.type)
    }
  }

  @Test func `the first messages of a fresh log have an empty last confirmed id`() throws {
    let first = try #require(try LogFixtures.live("source/pchannel-0").first).message()
    #expect(first.lastConfirmedID == LogMessageID("", .woodPecker))
    #expect(LogIDFormat.start(at: first.lastConfirmedID).id.text == "CAAQAQ==")
  }

  @Test func `ids change their kind when the log is switched`() throws {
    let kinds = try LogFixtures.live("wal-switch/pchannel-0").map { try $0.message().id.kind }
    #expect(kinds.first == .rocksMQ && kinds.last == .woodPecker)
    #expect(Set(kinds) == [.rocksMQ, .woodPecker])
  }

  @Test func `a token in the log is never printed`() throws {
    var count = 0
    for channel in 0..<4 {
      for recording in try LogFixtures.live("switchover/a/pchannel-\(channel)") {
        guard case .alterReplicateConfig(let change) = try LogChange(recording.message()) else { continue }
        count += 1
        #expect(change.configuration?.hasTokens == true)
        let message = try recording.message()
        for cluster in try #require(change.configuration).clusters {
          let token = try #require(cluster.connection).token.revealed
          #expect(!token.isEmpty)
          for text in ["\(change)", "\(message)", "\(try LogChange(message))", String(reflecting: change)] {
            #expect(!text.contains(token))
          }
        }
      }
    }
    #expect(count > 0)
  }

  // MARK: Helpers

  private static func expect(_ record: (some LogRecord)?, _ json: JSONValue?, _ name: String) throws {
    guard let object = json?.objectValue else {
      #expect(record == nil)
      return
    }
    let record = try #require(record)
    let type = try #require(MessageDescriptor(named: "milvus.proto.messages.\(name)"))
    let differences = LogReflection.differences(of: record, from: [(object, type)])
    #expect(differences.isEmpty, "\(differences)")
  }

  private static func part(_ number: UInt32, of bytes: [UInt8], _ range: Range<Int>) throws -> Range<Int>? {
    var reader = WireReader(bytes, in: range)
    while let field = try reader.next() {
      if field.number == number { return field.range }
    }
    return nil
  }
}
