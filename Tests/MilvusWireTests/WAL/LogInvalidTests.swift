internal import Testing

@testable internal import MilvusWire

/// Broken messages (`Fixtures/wal/*/invalid`): nothing traps, and what cannot be read says which part and why.
@Suite struct LogInvalidTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var bytes: [UInt8]
    /// Steps of a target that do not go well, by name: "error" or "panic".
    var failures: [String: String]
    var testDescription: String { name }
  }

  /// Where the first error comes.
  enum Stage: String, Sendable { case message, ids, change, none }

  static let cases: [Case] = LogFixtures.versions.flatMap { version -> [Case] in
    guard let list = LogFixtures.json("wal/\(version)/invalid/index.json")?["cases"]?.arrayValue else {
      return []
    }
    return list.compactMap { entry in
      guard let file = entry["file"]?.stringValue,
        let bytes = try? FixtureFiles.bytes("wal/\(version)/invalid/\(file)")
      else { return nil }
      var failures: [String: String] = [:]
      for (step, outcome) in entry["expected"]?.objectValue?.members.map({ $0 }) ?? [] {
        if let result = outcome["result"]?.stringValue, result != "ok" { failures[step] = result }
      }
      return Case(name: "\(version)/\(file)", bytes: bytes, failures: failures)
    }
  }

  /// By file: the stage that refuses it, the code and the property to blame. Every other file is read whole.
  static let expected: [String: (stage: Stage, code: LogMessageError.Code, property: String?)] = [
    "id-missing": (.message, .carrier, nil), "id-missing-lcs": (.message, .carrier, nil),
    "id-rocksmq-empty": (.ids, .messageID, "the message"),
    "id-rocksmq-not-base36": (.ids, .messageID, "the message"),
    "id-rocksmq-too-large": (.ids, .messageID, "the message"),
    "id-kafka-empty": (.ids, .messageID, "the message"),
    "id-kafka-not-base36": (.ids, .messageID, "the message"),
    "id-pulsar-empty": (.ids, .messageID, "the message"),
    "id-pulsar-not-base64": (.ids, .messageID, "the message"),
    "id-pulsar-no-padding": (.ids, .messageID, "the message"),
    "id-pulsar-partial": (.ids, .messageID, "the message"),
    "id-woodpecker-not-base64": (.ids, .messageID, "the message"),
    "id-woodpecker-no-padding": (.ids, .messageID, "the message"),
    "id-woodpecker-not-proto": (.ids, .messageID, "the message"),
    "id-of-other-wal-rocksmq-as-woodpecker": (.ids, .messageID, "the message"),
    "id-wal-test": (.ids, .messageID, "the message"), "id-wal-undefined": (.ids, .messageID, "the message"),
    "id-wal-negative": (.ids, .messageID, "the message"),
    // Which log number 0 stands for only the server knows.
    "ok-wal-unknown-number-0": (.ids, .messageID, "the message"),
    "tt-missing": (.message, .missingProperty, "_tt"), "tt-empty": (.message, .property, "_tt"),
    "tt-garbled": (.message, .property, "_tt"), "tt-negative": (.message, .property, "_tt"),
    "tt-too-large": (.message, .property, "_tt"),
    "lc-missing": (.message, .missingProperty, "_lc"), "lcs-missing": (.message, .missingProperty, "_lc"),
    "lc-garbled": (.ids, .messageID, "_lc"), "lc-other-wal": (.ids, .messageID, "_lc"),
    "lc-empty-rocksmq": (.ids, .messageID, "_lc"),
    "version-garbled": (.message, .property, "_v"), "version-base36": (.message, .property, "_v"),
    "version-unknown": (.change, .version, nil), "version-wrong": (.change, .version, nil),
    "type-garbled": (.message, .property, "_t"),
    "header-missing": (.change, .missingProperty, "_h"),
    "header-missing-create": (.change, .missingProperty, "_h"),
    "header-missing-alter-load-config": (.change, .missingProperty, "_h"),
    "header-not-base64": (.message, .property, "_h"), "header-no-padding": (.message, .property, "_h"),
    "header-garbled-alter-replicate-config": (.message, .property, "_h"),
    "header-garbled-alter-load-config": (.message, .property, "_h"),
    "header-not-proto": (.change, .header, nil), "body-not-proto": (.change, .body, nil),
    "body-truncated": (.change, .body, nil), "body-not-proto-create": (.change, .body, nil),
    "properties-missing": (.message, .missingProperty, "_tt"),
    "cipher-garbled": (.message, .property, "_ch"), "ok-encrypted": (.change, .encrypted, nil),
    "tx-garbled": (.message, .property, "_tx"), "tx-not-proto": (.message, .property, "_tx"),
    "bh-garbled": (.message, .property, "_bh"), "bh-not-proto": (.message, .property, "_bh"),
    "rh-garbled": (.message, .property, "_rh"), "rh-not-proto": (.message, .property, "_rh"),
    "rh-bad-id": (.ids, .messageID, "_rh"),
  ]

  @Test func `all cases are there and all expectations have one`() {
    #expect(Self.cases.count { $0.name.hasPrefix("v2.6.23/") } == 103)
    #expect(Self.cases.count { $0.name.hasPrefix("v3.0.1/") } == 1)
    let names = Set(Self.cases.map { Self.file($0.name) })
    #expect(Set(Self.expected.keys).subtracting(names).isEmpty)
  }

  @Test(arguments: cases)
  func `a broken message says what is wrong with it`(broken: Case) throws {
    let (stage, error) = Self.outcome(of: broken.bytes)
    let expected = Self.expected[Self.file(broken.name)]
    #expect(stage == expected?.stage ?? .none, "\(error?.description ?? "read")")
    #expect(error?.code == expected?.code)
    #expect(error?.property == expected?.property)
    if let error {
      #expect(!error.description.isEmpty)
      if let property = error.property { #expect(error.description.contains(property)) }
    }
    // What a header or body cannot be read of in Milvus's code cannot be read of here either, unless its type does
    // not exist, which is not an error of the message.
    let cannotRead = ["header", "body", "version", "txn"].contains { broken.failures[$0] != nil }
    if cannotRead && stage == .none {
      guard case .unknown = try LogChange(LogMessage(immutableMessage: broken.bytes)) else {
        Issue.record("read although Milvus cannot")
        return
      }
    }
  }

  @Test func `a missing version or type is version 0 and type 0`() throws {
    for file in ["version-missing", "version-empty"] {
      let message = try Self.message(file)
      #expect(message.version == 0 && message.type == .insert)
      guard case .insert = try LogChange(message) else {
        Issue.record("version 0 is read like 1")
        return
      }
    }
    #expect(try Self.message("type-missing").type == .unknown)
    #expect(try LogChange(Self.message("type-missing")) == .unknown(.unknown))
    #expect(try LogChange(Self.message("type-newer")) == .unknown(LogMessageType(rawValue: 47)))
  }

  @Test func `the flag wins over the id, whatever its value`() throws {
    for file in ["ok-lc-and-lcs", "ok-lcs-text", "ok-insert-lcs"] {
      let message = try Self.message(file)
      #expect(message.lastConfirmedIsOwnID)
      #expect(message.lastConfirmedID == message.id)
    }
    let empty = try Self.message("ok-lc-empty-woodpecker")
    #expect(empty.lastConfirmedID == LogMessageID("", .woodPecker))
  }

  @Test func `a term that cannot be read is none`() throws {
    #expect(try Self.message("ok-garbled-wal-term").term == nil)
    #expect(try Self.message("ok-no-wal-term").term == nil)
  }

  // MARK: Single properties

  private static let base = LogMessageBuilder(
    .insert, id: LogMessageID("CAUQew==", .woodPecker), timeTick: TimeTick(7), vchannel: "p_1v0")

  @Test(arguments: [
    ("_btt", ""), ("_btt", "-1"), ("_btt", "!"), ("_tx", "C"), ("_tx", "CIMkEJB"), ("_bh", "CAE"),
    ("_ch", "=="),
    ("_rh", "//8="), ("_v", " 1"), ("_v", "1_0"), ("_v", "99999999999999999999"), ("_t", "0x2"),
    ("_h", "AAA"),
    ("_tx", "AAAA"), ("_bh", "EgH/"),
  ])
  func `a property that cannot be read is named`(key: String, value: String) {
    var builder = Self.base
    builder.others = [KeyValuePair(key, value)]
    let error = #expect(throws: LogMessageError.self) { _ = try builder.message() }
    #expect(error?.code == .property)
    #expect(error?.property == key)
    #expect(error?.reason.isEmpty == false)
  }

  @Test func `empty protos are protos without fields`() throws {
    var builder = Self.base
    builder.others = ["_tx", "_bh", "_rh", "_ch"].map { KeyValuePair($0, "") }
    let message = try builder.message()
    #expect(message.transaction == TransactionContext())
    #expect(message.broadcast == BroadcastHeader())
    #expect(message.replicate == ReplicateHeader())
    #expect(message.cipher == CipherHeader() && message.isEncrypted)
  }

  @Test func `a key that comes twice has its last value, and order and unknown keys stay`() throws {
    var writer = WireWriter()
    writer.lengthDelimited(1, LogMessageID("EAE=", .woodPecker).encoded)
    for (key, value) in [
      ("zz", "1"), ("_tt", "5"), ("_lcs", ""), ("", ""), ("_tt", "z"), ("_t", "37"), ("\u{E9}", "a"),
      ("e\u{301}", "b"), ("zz", "nul\0"),
    ] {
      writer.lengthDelimited(3, KeyValuePair(key, value).encoded(withDefaults: true))
    }
    writer.lengthDelimited(9, [1, 2, 3])
    let message = try LogMessage(immutableMessage: writer.bytes)
    #expect(message.timeTick == TimeTick(35))
    #expect(message.properties.map(\.key) == ["zz", "_tt", "_lcs", "", "_t", "\u{E9}", "e\u{301}"])
    #expect(message[property: "zz"]?.utf8.count == 4)
    #expect(message[property: "e\u{301}"] == "b")
    #expect(message[property: ""] == "")
    #expect(message.type == .flushAll)
  }

  @Test func `a carrier that is none`() throws {
    let good = Self.base.immutableMessage
    for bytes in [
      [0x0A], [0x08, 1], [0x1A, 2, 0x0A, 0xFF], [0x10, 1] + good, good + [0x0C], good + [0x1A, 0x7F],
    ] {
      let error = #expect(throws: LogMessageError.self) { _ = try LogMessage(immutableMessage: bytes) }
      #expect(error?.code == .carrier)
    }
    // A key that is not UTF-8.
    var writer = WireWriter()
    writer.raw(good)
    writer.lengthDelimited(3, [0x0A, 2, 0xC3, 0x28])
    #expect(throws: LogMessageError.self) { _ = try LogMessage(immutableMessage: writer.bytes) }
    #expect(throws: LogMessageError.self) { _ = try LogMessage(immutableMessage: []) }
  }

  @Test func `a dump response without a message`() throws {
    #expect(try LogMessage(dumpResponse: []) == nil)
    // A success in the status arm.
    #expect(try LogMessage(dumpResponse: [0x0A, 0]) == nil)
    var status = WireWriter()
    status.string(2, "channel is gone")
    status.varint(3, 65535)
    var response = WireWriter()
    response.lengthDelimited(1, status.bytes)
    let error = #expect(throws: LogMessageError.self) { _ = try LogMessage(dumpResponse: response.bytes) }
    #expect(error?.code == .status)
    #expect(
      error?.description.contains("65535") == true && error?.description.contains("channel is gone") == true)
    // The last arm counts.
    response.lengthDelimited(2, Self.base.immutableMessage)
    #expect(try LogMessage(dumpResponse: response.bytes)?.timeTick == TimeTick(7))
    #expect(throws: LogMessageError.self) { _ = try LogMessage(dumpResponse: [0x10, 1]) }
  }

  @Test func `keys of a kind that is not known are not no keys`() {
    // DeleteRequest.primary_keys with field 3 of IDs.
    let error = #expect(throws: ProtobufError.self) { _ = try DeleteRows([0x62, 4, 0x1A, 2, 0x0A, 0]) }
    #expect(error?.code == .malformed)
  }

  @Test func `texts keep a NUL`() throws {
    var partition = LogChange.Partition()
    partition.partitionName = "a\0b"
    let builder = LogMessageBuilder(
      change: .createPartition(partition), id: LogMessageID("1", .kafka), timeTick: TimeTick(3),
      vchannel: "p_1v0")
    guard case .createPartition(let again) = try LogChange(builder.message()) else {
      Issue.record("another type")
      return
    }
    #expect(again == partition && again.partitionName.utf8.count == 3)
    var rows = DeleteRows()
    rows.keys = .texts([[0x61, 0, 0x62], []])
    rows.collectionName = "x\0"
    #expect(try DeleteRows(rows.encoded) == rows)
  }

  @Test func `a schema version of 0 is not an absent one`() throws {
    let files = [
      "v3.0.1/msg-002-insert-schema-version-0.pb", "v3.0.1/msg-002-insert-all-types.pb",
      "v2.6.23/msg-002-insert-all-types.pb",
    ]
    let versions = try files.map { file -> Int32? in
      let message = try LogMessage(immutableMessage: FixtureFiles.bytes("wal/\(file)"))
      guard case .insert(let header, _) = try LogChange(message) else { return nil }
      return header.schemaVersion
    }
    #expect(versions == [0, 3, nil])
  }

  @Test func `a field of another wire type is refused and one that is not known is not`() throws {
    for (header, isRefused) in [([0x0A, 0], true), ([0x08, 1, 0xA2, 0x06, 1, 7], false)] as [([UInt8], Bool)] {
      var builder = LogMessageBuilder(.dropLoadConfig, id: LogMessageID("1", .kafka), timeTick: TimeTick(1))
      builder.header = header
      let message = try builder.message()
      if isRefused {
        let error = #expect(throws: LogMessageError.self) { _ = try LogChange(message) }
        #expect(error?.code == .header)
      } else {
        guard case .dropLoadConfig(let content) = try LogChange(message) else { continue }
        #expect(content.dbID == 1)
      }
    }
  }

  // MARK: Helpers

  private static func file(_ name: String) -> String {
    String((name.split(separator: "/").last ?? "").dropLast(3))
  }

  private static func message(_ file: String) throws -> LogMessage {
    try LogMessage(immutableMessage: FixtureFiles.bytes("wal/v2.6.23/invalid/\(file).pb"))
  }

  static func outcome(of bytes: [UInt8]) -> (Stage, LogMessageError?) {
    var stage = Stage.message
    do throws(LogMessageError) {
      let message = try LogMessage(immutableMessage: bytes)
      stage = .ids
      try message.validateIDs()
      stage = .change
      _ = try LogChange(message)
      return (.none, nil)
    } catch {
      return (stage, error)
    }
  }
}
