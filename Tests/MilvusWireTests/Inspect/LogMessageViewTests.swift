internal import Testing

@testable internal import MilvusWire

/// Messages of the log as JSON and as text, against what Milvus's own message code says of the same bytes.
@Suite struct LogMessageViewTests {
  private static let secretText: Set<String> = ["<redacted>"]

  @Test func `header and body say what Milvus's own code says`() throws {
    var options = ReadableMessage.Options()
    options.showsSecrets = true
    options.isFull = true
    let view = LogMessageView(options)
    var compared = 0
    for recording in LogFixtures.golden {
      let message = try recording.message()
      let json = try #require(view.json(of: message).objectValue)
      #expect(json["id"] == recording.json["id"]?["id"], "\(recording)")
      #expect(json["type"]?.stringValue == message.type.name)
      for part in ["header", "body"] {
        guard let wanted = recording.json[part]?["value"]?.objectValue, let shown = json[part]?.objectValue else { continue }
        for (key, value) in wanted.members {
          // Columns are shown as rows, a schema inside bytes as a schema.
          if key == "fields_data" || (key == "schema" && value.stringValue != nil) { continue }
          #expect(Self.isSame(shown[key], value), "\(recording) \(part).\(key)")
          compared += 1
        }
      }
    }
    #expect(compared > 500)
  }

  /// Maps and lists of pairs come in another order.
  private static func isSame(_ a: JSONValue?, _ b: JSONValue) -> Bool {
    switch (a, b) {
    case (.object(let x)?, .object(let y)): x.count == y.count && y.members.allSatisfy { isSame(x[$0.key], $0.value) }
    case (.array(let x)?, .array(let y)): x.count == y.count && zip(x, y).allSatisfy { isSame($0, $1) }
    case (.number(let x)?, .number(let y)): x.double == y.double
    default: a == b
    }
  }

  @Test func `rows of every type are readable`() throws {
    let bytes = try FixtureFiles.bytes("wal/v2.6.23/msg-002-insert-all-types.pb")
    let json = LogMessageView().json(of: try LogMessage(immutableMessage: bytes))
    let rows = try #require(json["body"]?["rows"]?.arrayValue)
    #expect(rows.count == 3)
    #expect(rows[0]["id"] == 1)
    #expect(rows[0]["geo"] == "POINT (1 2)")
    #expect(rows[0]["at"] == "2026-10-01T00:00:00+00:00")
    #expect(rows[0]["a_bool"] == [true, false])
    #expect(rows[1]["js"] == .null)
    #expect(rows[2]["i64"]?.numberValue?.text == "9223372036854775807")
    #expect(rows[1]["v_f32"] == .object(["type": "FloatVector", "dim": 4, "first": [2.0, 2.0, 2.0, 2.0], "norm": 4.0]))
    #expect(rows[1]["v_f16"]?["norm"] == 4.0)
  }

  @Test func `no secret is shown unless it is asked for`() throws {
    let names = ["msg-800-alter-replicate-config.pb", "msg-021-restore-rbac.pb", "msg-022-alter-user.pb"]
    for name in names {
      let message = try LogMessage(immutableMessage: try FixtureFiles.bytes("wal/v2.6.23/\(name)"))
      var open = ReadableMessage.Options()
      open.showsSecrets = true
      let all = LogMessageView(open).json(of: message)
      let secrets = Self.secrets(of: all)
      #expect(!secrets.isEmpty, "\(name)")
      let json = LogMessageView().json(of: message)
      let text = JSONWriter().text(of: json) + LogMessageText(LogMessageView()).lines(message).joined()
      for secret in secrets { #expect(!text.contains(secret), "\(name)") }
      #expect(json["secrets_redacted"]?.integer == secrets.count)
    }
  }

  private static func secrets(of value: JSONValue) -> [String] {
    switch value {
    case .array(let list): list.flatMap { secrets(of: $0) }
    case .object(let object):
      object.members.flatMap { key, value -> [String] in
        if ["token", "password", "encrypted_password", "sha256_password"].contains(key), let text = value.stringValue, !text.isEmpty {
          return [text]
        }
        return secrets(of: value)
      }
    default: []
    }
  }

  @Test func `keys that are called like secrets hide their values`() throws {
    let type = try #require(MessageDescriptor(named: "milvus.proto.milvus.AlterCollectionRequest"))
    let json: JSONValue = .object([
      "properties": [.object(["key": "external.secret_access_key", "value": "abc"]), .object(["key": "collection.ttl", "value": "7"])]
    ])
    let redacted = SecretFields.redact(json, as: type)
    #expect(redacted.count == 1)
    #expect(redacted.value["properties"]?.arrayValue?[0]["value"] == "<redacted>")
    #expect(redacted.value["properties"]?.arrayValue?[1]["value"] == "7")
    // The token of an analyser is a word of a text.
    let analyser = try #require(MessageDescriptor(named: "milvus.proto.milvus.AnalyzerToken"))
    #expect(SecretFields.redact(.object(["token": "word"]), as: analyser).count == 0)
  }

  @Test func `text says what, where and when in its first line`() throws {
    let message = try LogMessage(immutableMessage: try FixtureFiles.bytes("wal/v2.6.23/msg-002-insert-small.pb"))
    let lines = LogMessageText(LogMessageView()).lines(message)
    #expect(lines[0].contains(" Insert by-dev-rootcoord-dml_0_455000000000000101v0 shop.orders "))
    #expect(lines[0].hasPrefix(TickText.time(message.timeTick)))
    #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("    ") })
    // A peer cannot write lines of its own or move the cursor.
    #expect(SafeText.line("a\n\u{1B}[2Jb\u{202E}") == "a\\u{a}\\u{1b}[2Jb\\u{202e}")
  }

  @Test func `half precision numbers are IEEE 754`() {
    for (bits, value) in [(0x3C00, 1), (0xC000, -2), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0x7BFF, 65504)] as [(UInt16, Float)]
    {
      #expect(VectorValue.half(bits) == value)
    }
    #expect(VectorValue.half(0x7C00) == .infinity)
    #expect(VectorValue.half(0x7E00).isNaN)
  }
}
