internal import Testing

@testable internal import MilvusWire

/// Messages that Milvus's own code wrote, against what that code reads in them (`Fixtures/wal`).
@Suite struct LogGoldenTests {
  @Test func `all messages are there`() {
    #expect(LogFixtures.golden.count { $0.name.hasPrefix("v2.6.23/") } == 175)
    #expect(LogFixtures.golden.count { $0.name.hasPrefix("v3.0.1/") } == 76)
  }

  @Test(arguments: LogFixtures.golden)
  func `a message has the id, the ticks and the channels that Milvus reads`(recording: LogRecording) throws {
    let json = recording.json
    let message = try recording.message()
    #expect(message.id.text == json["id"]?["id"]?.stringValue ?? "")
    #expect(Int(message.id.kind.rawValue) == json["id"]?["wal_number"]?.integer)
    #expect(Self.readable(message.id) == json["id"]?["readable"]?.stringValue)
    #expect(message.type.rawValue == json["type"]?.integer)
    #expect(message.type.name == json["type_name"]?.stringValue)
    #expect(message.version == json["message_version"]?.integer)
    #expect(message.timeTick.rawValue == json["time_tick"]?.unsigned)
    #expect(message.barrierTimeTick?.rawValue == json["barrier_time_tick"]?.unsigned)
    #expect(message.term == (json["wal_term"]?.stringValue).flatMap { Int64($0) })
    #expect(message.lastConfirmedIsOwnID == (json["last_confirmed"]?["same_as_id"]?.boolValue ?? false))
    #expect(message.lastConfirmedID.text == json["last_confirmed"]?["id"]?.stringValue ?? "")
    #expect(Self.readable(message.lastConfirmedID) == json["last_confirmed"]?["readable"]?.stringValue)
    #expect(message.lastConfirmedID.kind == message.id.kind)
    #expect(message.vchannel == json["vchannel"]?.stringValue ?? "")
    #expect(message.pchannel == json["pchannel"]?.stringValue ?? "")
    #expect(message.isPchannelLevel == json["pchannel_level"]?.boolValue)
    #expect(message.isUnreplicable == json["unreplicable"]?.boolValue)
    #expect(message.isPersisted == json["persisted"]?.boolValue)
    #expect(message.payload.count == json["payload_bytes"]?.integer)
    #expect(message.isEncrypted == (json["cipher"] != nil))
    try message.validateIDs()
  }

  @Test(arguments: LogFixtures.golden)
  func `a message has every property and its auxiliary headers`(recording: LogRecording) throws {
    let message = try recording.message()
    let expected = try #require(recording.json["properties"]?.objectValue)
    #expect(message.properties.count == expected.count)
    for (key, value) in message.properties { #expect(value == expected[key]?.stringValue, "\(key)") }
    for (key, value) in expected.members { #expect(message[property: key] == value.stringValue) }
    #expect(message[property: "_none"] == nil)
    try Self.expect(message.transaction, recording.json["txn"])
    try Self.expect(message.broadcast, recording.json["broadcast"])
    try Self.expect(message.replicate, recording.json["replicate"])
    try Self.expect(message.cipher, recording.json["cipher"])
  }

  @Test(arguments: LogFixtures.golden)
  func `header and body have the values that Milvus reads`(recording: LogRecording) throws {
    let message = try recording.message()
    if message.isEncrypted {
      let error = #expect(throws: LogMessageError.self) { _ = try LogChange(message) }
      #expect(error?.code == .encrypted)
      return
    }
    let header = try #require(recording.json["header"])
    let body = try #require(recording.json["body"])
    #expect(header["proto"]?.stringValue == message.type.headerProto)
    #expect(body["proto"]?.stringValue == message.type.bodyProto)
    try LogChangeChecks.expect(
      message, header: header["value"]?.objectValue ?? JSONObject(),
      body: body["value"]?.objectValue ?? JSONObject())
  }

  @Test(arguments: LogFixtures.golden)
  func `the builder writes the same bytes`(recording: LogRecording) throws {
    let message = try recording.message()
    var builder = LogMessageBuilder(message)
    #expect(builder.immutableMessage == Array(message.bytes[message.range]))
    if recording.isDumpResponse { #expect(builder.dumpResponse == recording.bytes) }
    guard !message.isEncrypted else { return }
    // Header and body written from their values, not from their bytes.
    let change = try LogChange(message)
    builder.header = change.encodedHeader
    builder.payload = change.encodedBody
    #expect(try builder.message() == message)
  }

  @Test(arguments: LogFixtures.versions)
  func `types are those of the server's table`(version: String) throws {
    let root = try #require(LogFixtures.json("wal/\(version)/types.json"))
    let types = try #require(root["types"]?.arrayValue)
    for entry in types {
      let type = LogMessageType(rawValue: try #require(entry["number"]?.integer))
      #expect(type.name == entry["name"]?.stringValue)
      #expect(type.version == entry["message_version"]?.integer)
      #expect(type.headerProto == entry["header"]?.stringValue)
      #expect(type.bodyProto == entry["body"]?.stringValue)
      #expect(type.isSystem == entry["system"]?.boolValue)
      #expect(type.isSelfControlled == entry["self_controlled"]?.boolValue)
      #expect(type.isCipherEnabled == entry["cipher"]?.boolValue)
      // TruncateCollection became exclusive with 3.x.
      if type != .truncateCollection || version != "v2.6.23" {
        #expect(type.isExclusive == entry["exclusive"]?.boolValue, "\(type)")
      }
      for proto in [type.headerProto, type.bodyProto].compactMap(\.self) {
        #expect(MessageDescriptor(named: proto) != nil, "\(proto)")
      }
    }
    if version == "v3.0.1" { #expect(LogMessageType.all.count == types.count - 1) }
    for (name, number) in try #require(root["wal_numbers"]?.objectValue).members {
      #expect(LogKind(rawValue: Int32(try #require(number.integer))).description == name)
    }
  }

  @Test func `a type that no release has is kept`() throws {
    for number in [47, 48, 701, 555, -1] {
      let type = LogMessageType(rawValue: number)
      #expect(!type.isKnown)
      #expect(type.name == String(number))
      var builder = LogMessageBuilder(type, id: LogMessageID("EAE=", .woodPecker), timeTick: TimeTick(7))
      builder.version = 2
      #expect(try LogChange(builder.message()) == .unknown(type))
    }
  }

  @Test(arguments: LogFixtures.versions)
  func `two channels merged by tick are the history of a collection`(version: String) throws {
    // The merged list was written once; the other version's sequence differs in its row bytes only.
    let list = try #require(LogFixtures.json("wal/v2.6.23/sequence.json")?.arrayValue)
    let messages = try LogFixtures.golden.filter { $0.name.hasPrefix("\(version)/sequence-") }
      .map { try $0.message() }.sorted { $0.timeTick < $1.timeTick }
    try #require(messages.count == list.count)
    #expect(Set(messages.map(\.pchannel)).count == 2)
    for json in list {
      // Members of one transaction share a tick, so messages are found by channel and id.
      let message = try #require(
        messages.first {
          $0.pchannel == json["pchannel"]?.stringValue && Self.readable($0.id) == json["id"]?.stringValue
        })
      #expect(message.timeTick.rawValue == json["time_tick"]?.integer.map { UInt64($0) })
      #expect(message.type.name == json["type"]?.stringValue)
      #expect(message.vchannel == json["vchannel"]?.stringValue ?? "")
      #expect(Self.readable(message.lastConfirmedID) == json["last_confirmed"]?.stringValue)
    }
  }

  @Test func `a replicate configuration is read and written as Milvus does`() throws {
    let bytes = try FixtureFiles.bytes("wal/v2.6.23/rpc-update-configuration-request.pb")
    let root = try #require(
      LogFixtures.json("wal/v2.6.23/decoded.json")?["rpc-update-configuration-request.pb"])
    let json = try #require(root["message"]?["value"]?["replicate_configuration"]?.objectValue)
    var reader = WireReader(bytes)
    let range = try #require(try reader.next()?.range)
    let configuration = try ReplicateConfiguration(encoded: Array(bytes[range]))
    let type = try #require(MessageDescriptor(named: "milvus.proto.common.ReplicateConfiguration"))
    let differences = LogReflection.differences(of: configuration, from: [(json: json, type: type)])
    #expect(differences.isEmpty, "\(differences)")
    #expect(configuration.encoded == Array(bytes[range]))
  }

  // MARK: Helpers

  private static func expect(_ record: (some LogRecord)?, _ json: JSONValue?) throws {
    guard let json else {
      #expect(record == nil)
      return
    }
    let record = try #require(record)
    let type = try #require(MessageDescriptor(named: json["proto"]?.stringValue ?? ""))
    let value = json["value"]?.objectValue ?? JSONObject()
    let differences = LogReflection.differences(of: record, from: [(value, type)])
    #expect(differences.isEmpty, "\(differences)")
  }

  /// As Milvus prints an id.
  static func readable(_ id: LogMessageID) -> String? {
    switch try? LogIDFormat.parse(id) {
    case .number(let number): String(number)
    case .pulsar(let id): "\(id.ledger)/\(id.entry)/\(id.batchIndex)"
    case .woodPecker(let segment, let entry): "\(segment)/\(entry)"
    case nil: nil
    }
  }
}
