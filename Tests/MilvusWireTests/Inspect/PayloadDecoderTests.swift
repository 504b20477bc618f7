internal import Testing

@testable internal import MilvusWire

@Suite struct PayloadDecoderTests {
  private func items(_ bytes: [UInt8], _ decoder: PayloadDecoder = PayloadDecoder(), as form: PayloadDecoder.Form? = nil)
    -> [PayloadDecoder.Found]
  {
    var list: [PayloadDecoder.Found] = []
    decoder.decode(bytes, as: form) { list.append($0) }
    return list
  }

  private func problems(_ list: [PayloadDecoder.Found]) -> [(Int, String)] {
    list.compactMap { if case .problem(let what) = $0.item { ($0.offset, what) } else { nil } }
  }

  // MARK: Unknown bytes

  @Test func `wire text shows fields, numbers and nesting`() throws {
    var inner = WireWriter()
    inner.varint(1, 1)
    inner.string(2, "hi \"there\"")
    var outer = WireWriter()
    outer.lengthDelimited(1, inner.bytes)
    outer.varint(2, UInt64(bitPattern: -1))
    outer.fixed32(3, Float(1.5).bitPattern)
    outer.fixed64(4, Double(-2).bitPattern)
    outer.lengthDelimited(5, [0xFF, 0x00])
    outer.string(7, "")
    #expect(
      try WireTree(outer.bytes).lines() == [
        "1: {", "  1: 1", "  2: \"hi \\\"there\\\"\"", "}", "2: 18446744073709551615 (-1)", "3: 1069547520i32 (1.5)",
        "4: 13835058055282163712i64 (-2.0)", "5: `ff00`", "7: \"\"",
      ])
    #expect(throws: ProtobufError.self) { try WireTree([0x0A, 0x05, 0x01]) }
  }

  @Test func `nesting without end is shown as bytes`() throws {
    var bytes: [UInt8] = []
    for _ in 0..<5000 {
      var writer = WireWriter(capacity: bytes.count + 8)
      writer.lengthDelimited(1, bytes)
      bytes = writer.bytes
    }
    #expect(try WireTree(bytes).lines().count < 100)
  }

  // MARK: Forms

  @Test func `a file of dumped messages is recognised and read to its end`() throws {
    let bytes = try FixtureFiles.bytes("wal-live/source/pchannel-0.pb")
    let wanted = try LogFixtures.live("source/pchannel-0")
    let found = items(bytes)
    #expect(found.count == wanted.count)
    for (item, recording) in zip(found, wanted) {
      guard case .log(let message) = item.item else {
        Issue.record("\(recording) is not a message of the log")
        continue
      }
      #expect(try message == recording.message())
    }
  }

  @Test func `a file that ends inside a message says where`() throws {
    let bytes = try FixtureFiles.bytes("wal-live/source/pchannel-0.pb")
    let whole = items(bytes)
    let found = items(Array(bytes.prefix(whole[3].offset + 10)), as: .delimited)
    #expect(found.count == 4)
    #expect(problems(found).first?.0 == whole[3].offset)
  }

  @Test func `messages behind gRPC's prefix are recognised, compressed ones named`() throws {
    let body = try FixtureFiles.bytes("public-rpc/m235-describecollection-resp.bin")
    let framed = try #require(MessageFramer.prefix(messageBytes: body.count)) + body
    let type = try #require(MessageDescriptor(named: "milvus.proto.milvus.DescribeCollectionResponse"))
    let found = items(framed + framed, PayloadDecoder(type: type))
    #expect(found.map(\.offset) == [0, framed.count])
    guard case .message(let name, let json) = found[1].item else { throw FixtureFiles.Missing(path: "message") }
    #expect(name == type.name)
    #expect(json["schema"]?["name"] == "fx_mixed")
    var compressed = framed
    compressed[0] = 1
    #expect(problems(items(framed + compressed, as: .grpc)).first?.1.contains("compressed") == true)
  }

  @Test(arguments: ["h2-getversion-m235", "h2-getversion-lite322"])
  func `a server's side of a connection shows its frames, headers and answer`(name: String) throws {
    let type = try #require(MessageDescriptor(named: "milvus.proto.milvus.GetVersionResponse"))
    let bytes = try FixtureFiles.bytes("public-rpc/\(name).bin")
    let found = items(bytes, PayloadDecoder(type: type))
    #expect(problems(found).isEmpty)
    var headers: [HeaderList.Field] = []
    var answers: [JSONValue] = []
    for item in found {
      if case .frame(let frame) = item.item, case .headers(let list?) = frame.content { headers += list.fields }
      if case .message(_, let json) = item.item { answers.append(json) }
    }
    #expect(headers.contains { $0.name == ":status" && $0.value == "200" })
    #expect(headers.contains { $0.name == "grpc-status" && $0.value == "0" })
    #expect(answers.count == 1)
    #expect(answers.first?["version"]?.stringValue?.isEmpty == false)
    // Every cut of the file is read as far as it goes.
    for count in stride(from: 0, to: bytes.count, by: 3) { _ = items(Array(bytes.prefix(count)), as: .http2) }
  }

  @Test func `frames are the same whatever pieces they come in`() throws {
    let bytes = try FixtureFiles.bytes("public-rpc/h2-getversion-m235.bin")
    var whole = FrameInspector()
    let wanted = whole.feed(bytes).filter { if case .frame = $0 { true } else { false } }
    var single = FrameInspector()
    let found = bytes.flatMap { single.feed([$0]) }.filter { if case .frame = $0 { true } else { false } }
    #expect(found == wanted)
    #expect(wanted.count == 8)
  }

  @Test func `a login in a header is not shown`() throws {
    let session = try HTTP2Session(role: .client, limits: HTTP2Limits(), queueBytesMax: 1 << 16)
    _ = try session.openStream([":method": "POST", ":scheme": "http", ":path": "/a/b", ":authority": "x", "authorization": "c2VzYW1l"])
    var output = OutputChain()
    _ = try session.takeOutput(into: &output, bytesMax: 1 << 16)
    let text = items(output.flat).flatMap { FoundText(view: ReadableMessage.Options()).lines($0) }.joined(separator: "\n")
    #expect(text.contains(":path: /a/b"))
    #expect(text.contains("authorization: <redacted>"))
    #expect(!text.contains("c2VzYW1l"))
  }

  // MARK: Notations

  @Test func `hexadecimal and base64 are recognised`() {
    #expect(ByteNotation.guess(Array("0a 06 08\n01".utf8)) == .hex)
    #expect(ByteNotation.hex.bytes(of: Array("0x0A 0x06:08,01".utf8)) == [0x0A, 6, 8, 1])
    #expect(ByteNotation.guess(Array("CgYIARIC\naGk=\n".utf8)) == .base64)
    #expect(ByteNotation.base64.bytes(of: Array("CgYIARIC\naGk=\n".utf8)) == [0x0A, 6, 8, 1, 0x12, 2, 0x68, 0x69])
    #expect(ByteNotation.guess([0x0A, 6, 8, 1]) == .raw)
    #expect(ByteNotation.guess(Array("not bytes!".utf8)) == .raw)
    #expect(HexText.decode(Array("0".utf8)) == nil)
  }

  // MARK: Damage

  /// Damaged files and connections, decoded in every form and shown in every way.
  @Test(arguments: [1, 2, 3, 4] as [UInt64]) func `damaged bytes never trap`(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    let files = try [
      FixtureFiles.bytes("public-rpc/h2-getversion-m235.bin"), FixtureFiles.bytes("public-rpc/h2-getversion-lite322.bin"),
      FixtureFiles.bytes("wal/v2.6.23/msg-002-insert-all-types.pb"), FixtureFiles.bytes("wal/v2.6.23/msg-003-delete-varchar.pb"),
      FixtureFiles.bytes("wal/v3.0.1/msg-002-insert-all-types.pb"), FixtureFiles.bytes("public-rpc/lite322-insert-null-req.bin"),
      Array(FixtureFiles.bytes("wal-live/source/pchannel-0.pb").prefix(3000)),
    ]
    let insert = MessageDescriptor(named: "milvus.proto.milvus.InsertRequest")
    var options = ReadableMessage.Options()
    options.isFull = seed % 2 == 0
    options.showsSecrets = true
    let text = FoundText(view: options)
    for round in 0..<60 {
      var bytes = files[round % files.count]
      for _ in 0...(random.next() % 4) where !bytes.isEmpty {
        let place = Int(random.next() % UInt64(bytes.count))
        switch random.next() % 4 {
        case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes[place] ^= 1 << UInt8(random.next() % 8)
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int(random.next() % 9)))
        default: bytes.insert(contentsOf: [0xFF, 0xFF, 0xFF, 0x7F], at: place)
        }
      }
      for form in [nil] + PayloadDecoder.Form.allCases.map({ $0 }) {
        let type = random.next() % 2 == 0 ? nil : insert
        PayloadDecoder(type: type, options: options).decode(bytes, as: form) { found in
          if found.offset < 0 || found.offset > bytes.count { Issue.record("offset \(found.offset) of \(bytes.count)") }
          _ = text.lines(found)
          _ = text.json(found)
        }
      }
    }
  }
}
