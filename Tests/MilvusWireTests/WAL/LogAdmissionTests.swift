internal import Testing

@testable internal import MilvusWire

/// What may be sent on a replicate stream, judged by `Fixtures/wal/*/invalid`: intact and damaged messages with what a target makes of each.
@Suite struct LogAdmissionTests {
  static let admission = LogAdmission(
    sourcePchannels: ["by-dev-rootcoord-dml_0", "by-dev-rootcoord-dml_1"], typeMax: 46, targetKind: .woodPecker)

  /// The README's list: they pass every step of a target and still must not be sent.
  static let mustNotBeSent: Set<String> = [
    "version-missing", "version-empty", "rollback-txn", "txn-synthetic", "tx-missing-begin", "tx-missing-commit", "tx-empty",
    "bh-missing", "bh-empty", "bh-without-own-channel", "ur-present", "ok-tt-zero",
  ]

  /// The part that the message about a case has to name, by the beginning of the file's name.
  static let parts: [(prefix: String, part: String)] = [
    ("id-", "id"), ("tt-", "_tt"), ("ok-tt-zero", "_tt"), ("lc-", "_lc"), ("lcs-", "_lc"), ("vc-", "_vc"), ("version-", "_v"),
    ("type-", "_t"), ("header-", "_h"), ("body-", "payload"), ("cipher-", "_ch"), ("tx-", "_tx"), ("bh-", "_bh"), ("rh-", "_rh"),
    ("rollback-txn", "_t"), ("timetick", "_t"), ("txn-synthetic", "_t"), ("properties-missing", "_tt"),
  ]

  private static func name(_ broken: LogInvalidTests.Case) -> String {
    String((broken.name.split(separator: "/").last ?? "").dropLast(3))
  }

  private static func mustBeHeld(_ broken: LogInvalidTests.Case) -> Bool {
    !broken.failures.isEmpty || mustNotBeSent.contains(name(broken))
  }

  @Test func `of the 104 messages 77 are not sent and 27 are`() {
    #expect(LogInvalidTests.cases.count == 104)
    #expect(LogInvalidTests.cases.count { Self.mustBeHeld($0) } == 77)
  }

  @Test(arguments: LogInvalidTests.cases)
  func `what a target refuses or dies of is held back, with the field that is wrong`(broken: LogInvalidTests.Case) throws {
    let name = Self.name(broken)
    do throws(LogAdmission.Held) {
      let verdict = try Self.admission.judge(immutableMessage: broken.bytes)
      if case .skip(let why) = verdict {
        #expect(name == "ur-present")
        #expect(!why.isEmpty)
      } else {
        #expect(!Self.mustBeHeld(broken), "it was let through")
      }
    } catch {
      #expect(Self.mustBeHeld(broken), "\(error)")
      let part = Self.parts.first { name.hasPrefix($0.prefix) }?.part
      #expect(error.part == part, "\(error)")
      #expect(!error.reason.isEmpty)
      #expect(error.description.contains(error.part))
    }
  }

  @Test func `types of 3_x are held back from a target of the 2_6 line`() throws {
    var admission = Self.admission
    admission.typeMax = 38
    var builder = LogMessageBuilder(
      .commitImport, id: LogMessageID("CAUQew==", .woodPecker), timeTick: TimeTick(7), vchannel: "by-dev-rootcoord-dml_0_1v0")
    builder.broadcast = BroadcastHeader(id: 1, vchannels: ["by-dev-rootcoord-dml_0_1v0"])
    let message = try builder.message()
    #expect(try Self.admission.judge(message) == .send)
    let held = #expect(throws: LogAdmission.Held.self) { _ = try admission.judge(message) }
    #expect(held?.part == "_t")
  }

  @Test func `resource groups are skipped by their type`() throws {
    for type in [LogMessageType.alterResourceGroup, .dropResourceGroup] {
      let message = try LogMessageBuilder(
        type, id: LogMessageID("CAUQew==", .woodPecker), timeTick: TimeTick(7), vchannel: "by-dev-rootcoord-dml_0_vcchan"
      ).message()
      guard case .skip = try Self.admission.judge(message) else {
        Issue.record("\(type) is sent")
        continue
      }
    }
  }

  /// The look at a header of rows is quick where it is right, and must not let through what decoding refuses.
  @Test func `headers of rows are judged as their decoders judge them`() throws {
    var random = SeededGenerator(seed: 11)
    var insert = InsertHeader()
    (insert.collectionID, insert.schemaVersion) = (470, 3)
    var partition = InsertPartition()
    (partition.partitionID, partition.rows, partition.segment) = (471, 12, SegmentAssignment())
    insert.partitions = [partition, partition]
    var delete = DeleteHeader()
    (delete.collectionID, delete.rows) = (470, 5)
    var (passed, held) = (0, 0)
    for number in 0..<4_000 {
      let type = number % 2 == 0 ? LogMessageType.insert : .delete
      var header = type == .insert ? insert.encoded : delete.encoded
      for _ in 0..<Int.random(in: 0...2, using: &random) {
        guard let place = header.indices.randomElement(using: &random) else { break }
        switch Int.random(in: 0..<3, using: &random) {
        case 0: header[place] = UInt8.random(in: 0...255, using: &random)
        case 1: header.remove(at: place)
        default: header.insert(UInt8.random(in: 0...40, using: &random), at: place)
        }
      }
      var builder = LogMessageBuilder(
        type, id: LogMessageID("CAUQew==", .woodPecker), timeTick: TimeTick(7), vchannel: "by-dev-rootcoord-dml_0_1v0")
      builder.header = header
      let message = try builder.message()
      let isRight = type == .insert ? (try? InsertHeader(encoded: header)) != nil : (try? DeleteHeader(encoded: header)) != nil
      let isSent = (try? Self.admission.judge(message)) == .send
      #expect(isSent == isRight, "\(type) \(header)")
      if isSent { passed += 1 } else { held += 1 }
    }
    #expect(passed > 500 && held > 500)
  }

  @Test func `a message is forwarded byte for byte`() throws {
    let request = try FixtureFiles.bytes("wal/v2.6.23/rpc-replicate-request.pb")
    // Taken apart and written again it is the same.
    var reader = WireReader(request)
    let outer = try #require(try reader.next()?.range)
    var inner = WireReader(request, in: outer)
    let source = try #require(try inner.next()?.range)
    let body = try #require(try inner.next()?.range)
    let framing = ReplicateFraming(sourceClusterID: String(decoding: request[source], as: UTF8.self))
    let message = try LogMessage(immutableMessage: request, in: body)
    var batch = OutgoingBatch()
    #expect(framing.add(message, to: &batch))
    #expect(framing.add(message, to: &batch))
    let framed = try #require(MessageFramer.prefix(messageBytes: request.count)) + request
    #expect(Array(batch.chunks.joined()) == framed + framed)
    #expect(batch.messageBytes == [request.count, request.count])
    #expect(framing.requestBytes(messageBytes: message.byteCount) == request.count)
  }

  @Test func `small and large messages leave in their order, whatever is copied`() throws {
    var expected: [UInt8] = []
    var batch = OutgoingBatch()
    var source = SeededGenerator(seed: 3)
    for number in 0..<400 {
      let tail = (0..<Int.random(in: 0...(number % 7 == 0 ? 9_000 : 900), using: &source)).map { UInt8(truncatingIfNeeded: $0 &+ number) }
      expected += try #require(MessageFramer.prefix(messageBytes: tail.count + 2)) + [7, UInt8(truncatingIfNeeded: number)] + tail
      #expect(batch.append(headBytes: 2, tail: tail[...]) { $0 += [7, UInt8(truncatingIfNeeded: number)] })
    }
    #expect(Array(batch.chunks.joined()) == expected)
    #expect(batch.messageBytes.count == 400)
    #expect(batch.chunks.count < 200)
  }

  @Test func `a confirmation has the source's tick`() throws {
    let answer = try FixtureFiles.bytes("wal/v2.6.23/rpc-replicate-response.pb")
    #expect(try ReplicateFraming.confirmedTick(answer)?.rawValue ?? 0 > 458_752_000_000_000_000)
    #expect(try ReplicateFraming.confirmedTick([]) == nil)
    #expect(try ReplicateFraming.confirmedTick([0x0A, 0x00]) == TimeTick(0))
    #expect(throws: ProtobufError.self) { _ = try ReplicateFraming.confirmedTick([0x0A, 0x05, 0x08]) }
  }
}
