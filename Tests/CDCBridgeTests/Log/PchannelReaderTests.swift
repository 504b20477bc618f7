import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Transcripts of one pchannel's reader, and every recording with a cut at every message and a start at every position.
@Suite struct PchannelReaderTests {
  private static let pchannel = "src-rootcoord-dml_0"

  private func reader(_ position: LogPosition) -> PchannelReader {
    PchannelReader(pchannel: Self.pchannel, position: position, transactionBytesMax: 1 << 24)
  }

  private func lines(_ deliveries: [LogDelivery]) -> [String] {
    deliveries.map {
      switch $0 {
      case .message(let message, _): LogLedger.line([message])
      case .transaction(let bodies, let commit, _): LogLedger.line(bodies + [commit])
      case .proven(let tick): "proven \(tick)"
      case .gap(let gap): "gap \(gap.reason)"
      }
    }
  }

  private func play(_ messages: [LogMessage], on reader: inout PchannelReader) throws -> [String] {
    var all: [String] = []
    for message in messages { all += lines(try reader.received(message)) }
    return all
  }

  // MARK: The start proves itself

  @Test func `a stream starts at the last-confirmed id with the stored tick`() throws {
    var writer = LogWriter(Self.pchannel)
    let stored = try writer.plain()
    var reader = reader(LogPosition(after: stored))
    let request = reader.openStream()
    #expect(
      request
        == DumpRequest(
          pchannel: Self.pchannel, start: LogMessageID("CAAQAQ==", .woodPecker), isInclusive: true,
          startTick: stored.timeTick, endTick: TimeTick(0)))
    #expect(stored.lastConfirmedID.text == "", "an empty last-confirmed id is legal and no start")
    #expect(reader.phase == .proving)
  }

  @Test func `the stored message is dropped and shows that nothing is missing`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain(), next = try writer.plain()
    var reader = reader(LogPosition(after: stored))
    #expect(reader.openStream().start == stored.lastConfirmedID)
    #expect(try play([stored], on: &reader) == [])
    #expect(reader.isFollowing)
    #expect(try play([next], on: &reader) == [LogLedger.line([next])])
    #expect(reader.position == LogPosition(after: next))
    #expect(reader.position.probe == next.id)
  }

  @Test func `a stored transaction is dropped whole`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.transaction(), next = try writer.transaction()
    let position = LogPosition(afterCommit: stored[3], begin: stored[0])
    #expect(position.probe == stored[0].id)
    var reader = reader(position)
    _ = reader.openStream()
    #expect(try play(stored, on: &reader) == [])
    #expect(reader.isFollowing)
    #expect(try play(next, on: &reader) == [LogLedger.line(Array(next.dropFirst()))])
  }

  @Test func `a later tick first is a gap before it`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain(), lost = try writer.plain(), next = try writer.plain()
    var reader = reader(LogPosition(after: stored))
    _ = reader.openStream()
    let deliveries = try reader.received(next)
    #expect(lines(deliveries) == ["gap truncated", LogLedger.line([next])])
    guard case .gap(let gap)? = deliveries.first else { return }
    #expect(gap.after == LogPosition(after: stored))
    #expect(gap.provenUpTo == stored.timeTick)
    #expect(gap.firstSeen == next.timeTick)
    #expect(gap.description.contains("cut"))
    // The gap was said; what lies in it does not come any more.
    #expect(try play([lost], on: &reader) == ["gap disordered"])
  }

  @Test func `a position without an own id learns it from the stream`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain()
    var reader = reader(LogPosition(confirmed: stored.lastConfirmedID, timeTick: stored.timeTick))
    #expect(reader.probeRequest.start == stored.lastConfirmedID)
    _ = reader.openStream()
    #expect(try play([stored], on: &reader) == [])
    #expect(reader.position == LogPosition(after: stored))
  }

  @Test func `a reader that was reset repeats, and is believed only at the stored tick`() throws {
    var writer = LogWriter(Self.pchannel, .rocksMQ, entry: 1000)
    let messages = try (0..<6).map { _ in try writer.plain() }
    var found = reader(LogPosition(after: messages[2]))
    _ = found.openStream()
    #expect(try play(messages, on: &found) == messages[3...].map { LogLedger.line([$0]) })
    #expect(found.repeats == 3)

    var lost = reader(LogPosition(after: messages[2]))
    _ = lost.openStream()
    #expect(
      try play(Array(messages[..<2] + messages[3...]), on: &lost)
        == ["gap resetToEarliest"] + messages[3...].map { LogLedger.line([$0]) })
    #expect(lost.gapText.contains("earliest"))
  }

  // MARK: Kinds

  @Test func `another kind of log is a gap, at the start and in the middle`() throws {
    var old = LogWriter(Self.pchannel, .rocksMQ, entry: 1000)
    let stored = try old.plain(), last = try old.plain()
    var new = LogWriter(Self.pchannel, .woodPecker, tick: old.tick)
    let first = try new.plain(), second = try new.plain()
    let change = "gap kindChanged(from: RocksMQ, to: WoodPecker)"

    var start = reader(LogPosition(after: stored))
    _ = start.openStream()
    #expect(
      try play([first, second], on: &start) == [change, LogLedger.line([first]), LogLedger.line([second])])

    var middle = reader(LogPosition(after: stored))
    _ = middle.openStream()
    #expect(
      try play([stored, last, first, second], on: &middle)
        == [LogLedger.line([last]), change, LogLedger.line([first]), LogLedger.line([second])])
    #expect(middle.position.confirmed.kind == .woodPecker)
    #expect(middle.openStream().start == LogIDFormat.start(at: second.lastConfirmedID).id)
  }

  // MARK: Order and repeats

  @Test func `a repeat inside a stream is dropped, a late change is a gap`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain(), a = try writer.plain(), late = try writer.plain(),
      b = try writer.transaction()
    var reader = reader(LogPosition(after: stored))
    _ = reader.openStream()
    let told = try play([stored, a, a] + b + b + [a, late, late], on: &reader)
    #expect(told == [LogLedger.line([a]), LogLedger.line(Array(b.dropFirst())), "gap disordered"])
    #expect(reader.position.timeTick == b[0].timeTick)
  }

  @Test func `two messages with one tick are no repeat`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain(), a = try writer.plain()
    let twin = try writer.plain { $0.timeTick = a.timeTick }
    var reader = reader(LogPosition(after: stored))
    _ = reader.openStream()
    #expect(try play([stored, a, twin], on: &reader) == [LogLedger.line([a]), "gap disordered"])
  }

  @Test func `types that a server keeps to itself say nothing`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain()
    let hidden = try [LogMessageType.timeTick, .flush, .createSegment].map { try writer.plain($0) }
    let next = try writer.plain()
    var reader = reader(LogPosition(after: stored))
    _ = reader.openStream()
    #expect(try play(hidden + [stored, next], on: &reader) == [LogLedger.line([next])])
  }

  @Test func `an unexpanded transaction stops even below the stored tick`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let early = try writer.plain(.txn), stored = try writer.plain()
    var reader = reader(LogPosition(after: stored))
    _ = reader.openStream()
    let fault = #expect(throws: LogFault.self) { try reader.received(early) }
    #expect(fault?.code == .unexpandedTransaction)
    #expect(fault?.isFinal == true)
    #expect(fault?.hint?.contains("2.6.20") == true)
  }

  @Test func `ids that their log cannot read stop`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain()
    let bad = try writer.plain { $0.lastConfirmed = .id("not base64") }
    let strange = try writer.plain { $0.id = LogMessageID("7", LogKind(rawValue: 77)) }
    for message in [bad, strange] {
      var reader = reader(LogPosition(after: stored))
      _ = reader.openStream()
      _ = try reader.received(stored)
      #expect(throws: LogFault.self) { try reader.received(message) }
      #expect(!LogPosition(after: message).isReadable)
    }
    #expect(LogPosition(confirmed: LogMessageID("x", .unknown), timeTick: TimeTick(1)).isReadable)
  }

  // MARK: What the owner found out

  @Test func `a position that is gone is a gap once, and the stream goes on`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain(), next = try writer.plain()
    var reader = reader(LogPosition(after: stored))
    _ = reader.openStream()
    #expect(reader.probeRequest.start == stored.id)
    #expect(reader.probeRequest.startTick == stored.timeTick)
    #expect(reader.probeRequest.endTick == stored.timeTick)
    #expect(reader.positionIsGone().map { lines([$0]) } == ["gap truncated"])
    #expect(reader.positionIsGone().map { lines([$0]) } == nil)
    #expect(try play([stored, next], on: &reader) == [LogLedger.line([next])])
  }

  @Test func `a position that leads nowhere begins again at the earliest entry`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain(), next = try writer.plain(), last = try writer.plain()
    for isLost in [true, false] {
      var reader = reader(LogPosition(after: stored))
      _ = reader.openStream()
      let gap = reader.restartAtEarliest(isLost: isLost, firstSeen: nil)
      #expect(gap.map { lines([$0]) } == (isLost ? ["gap unproven"] : nil))
      let request = reader.openStream()
      #expect(request.start.text == "CAAQAQ==")
      #expect(request.startTick.rawValue == stored.timeTick.rawValue + 1)
      #expect(try play([next], on: &reader) == [LogLedger.line([next])])
      #expect(reader.openStream().start == next.lastConfirmedID)
      #expect(try play([next, last], on: &reader) == [LogLedger.line([last])])
    }
  }

  /// Stored long ago, proven complete up to an hour later, and asked `seconds` after that.
  private func idleReader(
    _ stored: LogMessage, provenMs: Int64 = 3_600_000, askedAfterSeconds seconds: Int64, kind: LogKind = .woodPecker
  ) throws -> (PchannelReader, proven: TimeTick) {
    let proven = TimeTick(stored.timeTick.rawValue + UInt64(provenMs) << 18)
    var position = LogPosition(after: stored)
    if kind != .woodPecker { position.confirmed = LogIDFormat.earliestStart(kind)?.id ?? position.confirmed }
    position.provenUpTo = proven
    var reader = reader(position)
    _ = reader.openStream(now: TimeTick(proven.rawValue + UInt64(seconds * 1000) << 18))
    return (reader, proven)
  }

  @Test func `an idle pchannel outlives its last message`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain()
    var (reader, proven) = try idleReader(stored, askedAfterSeconds: 5)
    #expect(reader.positionIsGone().map { lines([$0]) } == nil)
    #expect(reader.isFollowing)
    writer.tick = proven.rawValue
    let next = try writer.plain()
    #expect(try play([next], on: &reader) == [LogLedger.line([next])])

    (reader, _) = try idleReader(stored, askedAfterSeconds: 5)
    #expect(try play([next], on: &reader) == [LogLedger.line([next])], "nothing lies between proof and message but what came")
    (reader, _) = try idleReader(stored, askedAfterSeconds: 5)
    #expect(reader.restartAtEarliest(isLost: true, firstSeen: nil).map { lines([$0]) } == nil)
  }

  @Test func `an absence is a gap where a message may have come and gone`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain()
    func gap(_ made: (PchannelReader, proven: TimeTick)) -> [String]? {
      var reader = made.0
      return reader.positionIsGone().map { lines([$0]) }
    }
    #expect(try gap(idleReader(stored, askedAfterSeconds: 61)) == ["gap truncated"], "the proof is old")
    #expect(try gap(idleReader(stored, provenMs: 599_000, askedAfterSeconds: 1)) == ["gap truncated"], "it should still be there")
    #expect(try gap(idleReader(stored, askedAfterSeconds: 1, kind: .pulsar)) == ["gap truncated"], "it may keep nothing")
    var (reader, proven) = try idleReader(stored, askedAfterSeconds: 1)
    _ = reader.openStream()
    #expect(reader.positionIsGone().map { lines([$0]) } == ["gap truncated"], "nobody knows how late it is")
    (reader, proven) = try idleReader(stored, askedAfterSeconds: 1)
    let impossible = try writer.plain()
    #expect(impossible.timeTick < proven)
    #expect(try play([impossible], on: &reader) == ["gap truncated", LogLedger.line([impossible])], "a proof was wrong")
  }

  @Test func `proofs only rise`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain(), next = try writer.plain()
    var reader = reader(LogPosition(after: stored))
    _ = reader.openStream()
    _ = try reader.received(stored)
    #expect(reader.proofRequest(upTo: TimeTick(.max)).startTick.rawValue == stored.timeTick.rawValue + 1)
    #expect(reader.proved(stored.timeTick).map { lines([$0]) } == nil)
    let tick = TimeTick(stored.timeTick.rawValue + 5)
    #expect(reader.proved(tick).map { lines([$0]) } == ["proven \(tick)"])
    #expect(reader.proved(tick).map { lines([$0]) } == nil)
    #expect(reader.position.timeTick == stored.timeTick)
    _ = try reader.received(next)
    #expect(reader.provenUpTo == next.timeTick)
  }

  @Test func `repeats are remembered up to a limit`() throws {
    var writer = LogWriter(Self.pchannel, entry: 4)
    let stored = try writer.plain()
    let messages = try (0..<300).map { _ in try writer.plain() }
    var reader = reader(LogPosition(after: stored))
    _ = reader.openStream()
    #expect(try play([stored] + messages, on: &reader).count == 300)
    #expect(try play([messages[44]], on: &reader) == [])
    #expect(try play([messages[43]], on: &reader) == ["gap disordered"])
  }
}

extension PchannelReader {
  /// For a test of the words.
  fileprivate var gapText: String {
    LogGap(.resetToEarliest, pchannel: pchannel, after: position, provenUpTo: provenUpTo, firstSeen: nil)
      .description
  }
}
