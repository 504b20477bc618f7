internal import Testing

@testable internal import MilvusWire

/// Ids, numbers and channel names as Milvus's own code reads and writes them (`Fixtures/wal/v2.6.23/ids.json`).
@Suite struct LogIDTests {
  private static let root = LogFixtures.json("wal/v2.6.23/ids.json")

  private func list(_ name: String) throws -> [JSONValue] {
    let list = try #require(Self.root?[name]?.arrayValue)
    try #require(!list.isEmpty)
    return list
  }

  @Test func `numbers are read as Milvus reads them`() throws {
    for entry in try list("base36_parsed") {
      let text = try #require(entry["text"]?.stringValue)
      #expect(Base36.unsigned(text) == entry["uint64"]?.unsigned, "\(text)")
      #expect(Base36.signed(text) == (entry["int64"]?.stringValue).flatMap { Int64($0) }, "\(text)")
    }
  }

  @Test func `numbers are written as Milvus writes them`() throws {
    for entry in try list("base36_signed") {
      let value = try #require((entry["int64"]?.stringValue).flatMap { Int64($0) })
      #expect(Base36.write(value) == entry["text"]?.stringValue)
      #expect(Base36.signed(Base36.write(value)) == value)
    }
    for entry in try list("base36_unsigned") {
      let value = try #require(entry["uint64"]?.unsigned)
      #expect(Base36.write(value) == entry["text"]?.stringValue)
      #expect(Base36.unsigned(Base36.write(value)) == value)
    }
  }

  @Test(arguments: ["", "+", "-", "+-1", "--1", "1 ", " 1", "1_0", "ä", "1\0", "3w5e11264sgsg", "1\n"])
  func `what is no number is none`(text: String) {
    #expect(Base36.unsigned(text) == nil)
    #expect(Base36.signed(text) == nil)
  }

  @Test func `signs and ends of the range`() {
    #expect(Base36.unsigned("+1") == nil)
    #expect(Base36.unsigned("-0") == nil)
    #expect(Base36.signed("-0") == 0)
    #expect(Base36.signed("+1y2p0ij32e8e7") == .max)
    #expect(Base36.signed("1y2p0ij32e8e8") == nil)
    #expect(Base36.signed("-1y2p0ij32e8e8") == .min)
    #expect(Base36.signed("-1y2p0ij32e8e9") == nil)
    #expect(Base36.unsigned("000003W5E11264SGSF") == .max)
  }

  @Test func `every id parses and is written as its log writes it`() throws {
    for entry in try list("marshalled") {
      let kind = LogKind(rawValue: Int32(try #require(entry["wal_number"]?.integer)))
      let id = LogMessageID(try #require(entry["id"]?.stringValue), kind)
      #expect(LogGoldenTests.readable(id) == entry["readable"]?.stringValue)
      #expect(LogIDFormat.write(try LogIDFormat.parse(id), kind: kind) == id)
      let hex = id.encoded.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      #expect(hex == entry["proto_hex"]?.stringValue)
      #expect(try LogMessageID(WireReader(id.encoded)) == id)
    }
  }

  @Test func `parsers accept and refuse what Milvus's do`() throws {
    for entry in try list("parsed") {
      // Under number 0 the module reads with the log that it runs on, which here is not known.
      let number = Int32(try #require(entry["wal_number"]?.integer))
      let id = LogMessageID(try #require(entry["id"]?.stringValue), LogKind(rawValue: number))
      if entry["error"] != nil || number == 0 {
        let error = #expect(throws: LogMessageError.self) { _ = try LogIDFormat.parse(id) }
        #expect(error?.code == .messageID)
        #expect(error?.reason.isEmpty == false)
      } else {
        let value = try LogIDFormat.parse(id)
        #expect(LogGoldenTests.readable(id) == entry["readable"]?.stringValue)
        #expect(LogIDFormat.write(value, kind: id.kind)?.text == entry["marshals_as"]?.stringValue)
      }
    }
  }

  @Test func `earliest and latest are the module's`() throws {
    let named = Dictionary(
      uniqueKeysWithValues: try list("marshalled").map { ($0["name"]?.stringValue, $0["id"]?.stringValue) })
    #expect(LogIDFormat.earliest(.rocksMQ)?.text == "-1")
    #expect(LogIDFormat.earliest(.kafka)?.text == "-2")
    #expect(LogIDFormat.earliest(.pulsar)?.text == named["pulsar-earliest"])
    #expect(LogIDFormat.earliest(.woodPecker)?.text == "")
    #expect(LogIDFormat.latest(.rocksMQ) == nil)
    #expect(LogIDFormat.latest(.kafka)?.text == "-1")
    #expect(LogIDFormat.latest(.pulsar)?.text == named["pulsar-latest"])
    #expect(LogIDFormat.latest(.woodPecker)?.text == "CP//////////fxD//////////38=")
    for kind in [LogKind.unknown, .test, LogKind(rawValue: 5), LogKind(rawValue: -1)] {
      #expect(LogIDFormat.earliest(kind) == nil)
      #expect(LogIDFormat.earliestStart(kind) == nil)
      #expect(LogIDFormat.latest(kind) == nil)
    }
  }

  @Test func `a start is never an empty id nor the truncation point of WoodPecker`() throws {
    for kind in LogKind.real {
      let start = try #require(LogIDFormat.earliestStart(kind))
      #expect(start.isInclusive && !start.id.text.isEmpty && start.id.kind == kind)
      try LogIDFormat.validate(start.id, of: "start")
    }
    #expect(LogIDFormat.earliestStart(.woodPecker)?.id.text == "CAAQAQ==")
    for text in ["", "CAAQAA==", "GgEx"] {
      let start = LogIDFormat.start(at: LogMessageID(text, .woodPecker))
      #expect(start.id == LogMessageID("CAAQAQ==", .woodPecker) && start.isInclusive)
    }
    for id in [
      LogMessageID("CAE=", .woodPecker), LogMessageID("EAI=", .woodPecker), LogMessageID("0", .rocksMQ),
      LogMessageID("CAAQAA==", .pulsar), LogMessageID("***", .woodPecker),
    ] {
      let start = LogIDFormat.start(at: id)
      #expect(start.id == id && start.isInclusive)
    }
  }

  @Test func `a value of another log is not written`() {
    #expect(LogIDFormat.write(.number(1), kind: .woodPecker) == nil)
    #expect(LogIDFormat.write(.woodPecker(segment: 1, entry: 1), kind: .pulsar) == nil)
    #expect(LogIDFormat.write(.number(1), kind: .test) == nil)
  }

  @Test func `ids of the same text in two logs are two ids, and bytes decide`() {
    #expect(LogMessageID("0", .rocksMQ) != LogMessageID("0", .kafka))
    // The same character in two spellings.
    #expect(LogMessageID("\u{E9}", .kafka) != LogMessageID("e\u{301}", .kafka))
    #expect(Set([LogMessageID("1", .kafka), LogMessageID("1", .kafka)]).count == 1)
  }

  @Test func `channels are what their names say`() throws {
    for entry in try list("channels") {
      let name = try #require(entry["name"]?.stringValue)
      #expect(ChannelName.pchannel(of: name) == entry["pchannel"]?.stringValue)
      #expect(ChannelName.isControl(name) == entry["is_control"]?.boolValue)
      #expect(ChannelName.isPchannel(name) == entry["is_pchannel"]?.boolValue)
    }
    let names = try #require(Self.root?["names"])
    #expect(
      ChannelName.control(ofPchannel: "by-dev-rootcoord-dml_0")
        == names["control_channel_of_dml_0"]?.stringValue)
    #expect(
      ChannelName.vchannel(ofPchannel: "by-dev-rootcoord-dml_0", collectionID: 455, shard: 3)
        == names["vchannel_of_dml_0_collection_455_shard_3"]?.stringValue)
  }

  @Test func `the replication id stands before the pattern`() {
    #expect(ChannelName.replicationID(ofPchannel: "by-dev-rootcoord-dml_0") == "by-dev")
    #expect(ChannelName.replicationID(ofPchannel: "my_vector-rootcoord-dml_15") == "my_vector")
    #expect(ChannelName.replicationID(ofPchannel: "-rootcoord-dml_0") == nil)
    #expect(ChannelName.replicationID(ofPchannel: "by-dev") == nil)
    #expect(ChannelName.replicationID(ofPchannel: "") == nil)
  }
}
