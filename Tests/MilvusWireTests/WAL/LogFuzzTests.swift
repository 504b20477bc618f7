internal import Testing

@testable internal import MilvusWire

/// Bytes of a log never trap: prefixes and seeded mutations of recorded messages go through everything that reads them.
@Suite struct LogFuzzTests {
  /// One message of each type and form; the large ones of servers are left out, their kind is there.
  private static let samples: [LogRecording] = {
    var list = LogFixtures.golden
    for dump in LogFixtures.liveDumps { list += (try? LogFixtures.live(dump)) ?? [] }
    return list.filter { $0.bytes.count < 4096 }
  }()

  @Test func everyPrefixIsReadOrRefused() throws {
    for recording in LogFixtures.golden where recording.bytes.count < 500 {
      for count in 0..<recording.bytes.count {
        read(Array(recording.bytes.prefix(count)), recording.isDumpResponse)
      }
    }
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64]) func mutationsNeverTrap(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    #expect(Self.samples.count > 1000)
    for recording in Self.samples {
      for _ in 0..<5 { read(mutated(recording.bytes, &random), recording.isDumpResponse) }
    }
  }

  /// Mutations of header and body alone, in an intact carrier: deeper than most of the above get.
  @Test(arguments: [11, 12] as [UInt64]) func mutatedHeadersAndBodiesNeverTrap(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    for recording in Self.samples {
      guard let message = try? recording.message(), !message.isEncrypted else { continue }
      var builder = LogMessageBuilder(message)
      builder.header = mutated(Array(message.header), &random)
      builder.payload = mutated(Array(message.payload), &random)
      read(builder.immutableMessage, false)
      for _ in 0..<2 {
        let key = ["_tx", "_bh", "_rh", "_tt", "_lc", "_v", "_t"][Int(random.next() % 7)]
        let text = mutated(Array((message[property: key] ?? "").utf8), &random)
        builder.others = [KeyValuePair(key, String(decoding: text, as: UTF8.self))]
        read(builder.immutableMessage, false)
      }
    }
  }

  @Test func randomIDsNeverTrap() {
    var random = SplitMix(state: 77)
    for _ in 0..<20_000 {
      let bytes = (0..<Int(random.next() % 24)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      let texts = [Base64.encode(bytes), String(decoding: bytes, as: UTF8.self), Base36.write(random.next())]
      for text in texts {
        for kind in LogKind.real + [.unknown, .test] {
          let id = LogMessageID(text, kind)
          guard let value = try? LogIDFormat.parse(id) else { continue }
          let written = LogIDFormat.write(value, kind: kind)
          #expect(written.flatMap { try? LogIDFormat.parse($0) } == value)
        }
      }
    }
  }

  /// Everything that reads a message. Errors are fine; slices must lie inside the message.
  private func read(_ bytes: [UInt8], _ isDumpResponse: Bool) {
    do throws(LogMessageError) {
      let message: LogMessage
      if isDumpResponse {
        guard let found = try LogMessage(dumpResponse: bytes) else { return }
        message = found
      } else {
        message = try LogMessage(immutableMessage: bytes)
      }
      #expect(message.range.upperBound <= bytes.count && message.payload.endIndex <= bytes.count)
      _ = message.properties
      _ = message.pchannel
      try? message.validateIDs()
      let again = try LogMessageBuilder(message).message()
      #expect(again.timeTick == message.timeTick && again.id == message.id)
      let change = try LogChange(message)
      switch change {
      case .insert(_, let rows):
        #expect(rows.columns.allSatisfy { $0.startIndex >= 0 && $0.endIndex <= bytes.count })
      case .delete(_, let rows): #expect(rows.keys.rowKeys.count == rows.keys.count)
      case .createCollection(let content): _ = try? content.schema()
      default: break
      }
      // What was read and is written again is read as the same.
      var builder = LogMessageBuilder(message)
      builder.header = change.encodedHeader
      builder.payload = change.encodedBody
      let second = try LogChange(builder.message())
      #expect(second.type == change.type)
      #expect(second.encodedBody == change.encodedBody && second.encodedHeader == change.encodedHeader)
    } catch {
      #expect(!error.description.isEmpty)
    }
  }

  /// One to three changes: a bit, a byte, a cut, a repeated or inserted piece.
  private func mutated(_ bytes: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    var bytes = bytes
    for _ in 0...(random.next() % 3) where !bytes.isEmpty {
      let place = Int(random.next() % UInt64(bytes.count))
      switch random.next() % 6 {
      case 0: bytes[place] ^= 1 << UInt8(random.next() % 8)
      case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
      case 2: bytes[place] = [0x00, 0x7F, 0x80, 0xFF][Int(random.next() % 4)]
      case 3: bytes.removeSubrange(place..<min(bytes.count, place + Int(random.next() % 9)))
      case 4: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 9)], at: place)
      default: bytes.insert(contentsOf: [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], at: place)
      }
    }
    return bytes
  }
}
