internal import Testing

@testable internal import MilvusWire

@Suite struct MessageFramingTests {
  private func framed(_ messages: [[UInt8]]) throws -> [UInt8] {
    try messages.flatMap { try #require(MessageFramer.prefix(messageBytes: $0.count)) + $0 }
  }

  @Test func `a prefix is a zero flag and a big-endian length`() {
    #expect(MessageFramer.prefix(messageBytes: 0) == [0, 0, 0, 0, 0])
    #expect(MessageFramer.prefix(messageBytes: 0x0102_0304) == [0, 1, 2, 3, 4])
    #expect(MessageFramer.prefix(messageBytes: Int(UInt32.max)) == [0, 255, 255, 255, 255])
    #expect(MessageFramer.prefix(messageBytes: Int(UInt32.max) + 1) == nil)
  }

  @Test func `messages come out the same however the bytes are cut`() throws {
    let messages: [[UInt8]] = [[1, 2, 3], [], [UInt8](repeating: 9, count: 300), [7]]
    let bytes = try framed(messages)
    for step in [1, 2, 3, 5, 7, 64, bytes.count] {
      var deframer = MessageDeframer(messageBytesMax: 300)
      var found: [[UInt8]] = []
      for start in stride(from: 0, to: bytes.count, by: step) {
        found += try deframer.feed(bytes[start..<min(start + step, bytes.count)])
      }
      #expect(found == messages)
      #expect(deframer.isBetweenMessages)
    }
  }

  @Test func `every prefix of a message needs more`() throws {
    let bytes = try framed([[1, 2, 3]])
    for count in 1..<bytes.count {
      var deframer = MessageDeframer(messageBytesMax: 3)
      #expect(try deframer.feed(bytes[..<count]) == [])
      #expect(!deframer.isBetweenMessages)
    }
  }

  @Test(arguments: [(99, true), (100, true), (101, false)])
  func `the limit is judged by the prefix alone`(bytes: Int, isAccepted: Bool) throws {
    var deframer = MessageDeframer(messageBytesMax: 100)
    let prefix = try #require(MessageFramer.prefix(messageBytes: bytes))
    if isAccepted {
      #expect(try deframer.feed(prefix[...]) == [])
    } else {
      #expect(throws: MessageDeframer.Failure.tooLarge(bytes: bytes, bytesMax: 100)) { try deframer.feed(prefix[...]) }
    }
  }

  @Test func `a bad flag is an error that stays`() throws {
    for (flag, failure) in [(1, MessageDeframer.Failure.compressed), (2, .badFlag(2)), (255, .badFlag(255))] {
      var deframer = MessageDeframer(messageBytesMax: 100)
      #expect(throws: failure) { try deframer.feed([UInt8(flag), 0, 0, 0, 1, 5]) }
      #expect(throws: failure) { try deframer.feed([0, 0, 0, 0, 0]) }
    }
  }

  @Test func `a compressed message is refused with its encoding's name`() {
    let error = MessageDeframer.Failure.compressed.rpcError(encoding: "gzip")
    #expect(error.code == .internal)
    #expect(
      error.message
        == "the peer compressed a message (gzip); compressed messages such as gzip are not supported")
  }

  @Test func `a proxy gets messages as they are, compressed ones too`() throws {
    let bytes: [UInt8] = [0, 0, 0, 0, 2, 7, 8, 1, 0, 0, 0, 3, 4, 5, 6, 0, 0, 0, 0, 0]
    for step in [1, 3, bytes.count] {
      var deframer = MessageDeframer(messageBytesMax: 3, keepsPrefix: true)
      var found: [[UInt8]] = []
      for start in stride(from: 0, to: bytes.count, by: step) {
        found += try deframer.feed(bytes[start..<min(start + step, bytes.count)])
      }
      #expect(found == [[0, 0, 0, 0, 2, 7, 8], [1, 0, 0, 0, 3, 4, 5, 6], [0, 0, 0, 0, 0]])
      #expect(deframer.isBetweenMessages)
    }
    var deframer = MessageDeframer(messageBytesMax: 3, keepsPrefix: true)
    #expect(throws: MessageDeframer.Failure.badFlag(2)) { try deframer.feed([2, 0, 0, 0, 0]) }
    // The whole is what holds the window back.
    var inbox = MessageInbox(messageBytesMax: 3, keepsPrefix: true)
    try inbox.received(bytes[...])
    while inbox.take() != nil {}
    #expect(inbox.takeWindow() == bytes.count)
  }

  // MARK: MessageInbox

  @Test func `the window of a message comes back when it is taken`() throws {
    var inbox = MessageInbox(messageBytesMax: 100)
    try inbox.received(framed([[1, 2], [3]])[...])
    #expect(inbox.takeWindow() == 0)
    #expect(inbox.take() == [1, 2])
    #expect(inbox.takeWindow() == 7)
    #expect(inbox.takeWindow() == 0)
    #expect(inbox.take() == [3])
    #expect(inbox.takeWindow() == 6)
  }

  @Test func `while a reader waits the window of a partial message comes back at once`() throws {
    var inbox = MessageInbox(messageBytesMax: 100)
    try inbox.received([0, 0, 0, 0, 4, 1])
    #expect(inbox.takeWindow() == 0)
    #expect(inbox.take() == nil)
    #expect(inbox.takeWindow() == 6)
    try inbox.received([2, 3])
    #expect(inbox.takeWindow() == 2)
    try inbox.received([4, 0, 0, 0])
    // Complete: the reader has it now, and what follows is nobody's wish yet.
    #expect(inbox.takeWindow() == 0)
    #expect(inbox.take() == [1, 2, 3, 4])
    #expect(inbox.takeWindow() == 1)
    #expect(inbox.take() == nil)
    #expect(inbox.takeWindow() == 3)
  }

  @Test func `discarded messages return all of their window once`() throws {
    var inbox = MessageInbox(messageBytesMax: 100)
    try inbox.received(framed([[1, 2], [3]])[...])
    #expect(inbox.discard() == 13)
    #expect(inbox.discard() == 0)
    #expect(inbox.messageCount == 0)
  }

  @Test func `messages taken together are those taken one by one, however they are cut and mixed`() throws {
    for seed in 0..<40 as Range<UInt64> {
      var random = SeededGenerator(seed: seed)
      // Around the sizes at which a message gets an array of its own, and at which gathering begins anew.
      let messages = (0..<60).map { number -> [UInt8] in
        let sizes = [0, 1, 900, 5_000, (32 << 10) - 1, 32 << 10, 70_000]
        return [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: sizes.randomElement(using: &random) ?? 0)
      }
      let bytes = try framed(messages)
      var deframer = MessageDeframer(messageBytesMax: 1 << 20)
      var found: [[UInt8]] = []
      var place = 0
      while place < bytes.count || deframer.messageCount > 0 {
        let end = min(bytes.count, place + Int.random(in: 1...40_000, using: &random))
        try deframer.receive(bytes[place..<end])
        place = end
        switch Int.random(in: 0..<4, using: &random) {
        case 0: found += deframer.take(bytesMax: Int.random(in: 0...50_000, using: &random)).map(\.whole)
        case 1: found += deframer.take(bytesMax: .max).map { Array($0.bytes[$0.range]) }
        case 2: if let next = deframer.takeNext() { found.append(next.whole) }
        default: break
        }
      }
      #expect(found == messages)
      #expect(deframer.isBetweenMessages && deframer.takeNext() == nil && deframer.take(bytesMax: 1).isEmpty)
    }
  }

  @Test func `a limit of bytes gives whole messages and at least one`() throws {
    var deframer = MessageDeframer(messageBytesMax: 100)
    try deframer.receive(framed([[1, 2, 3], [4, 5], [], [6]])[...])
    #expect(deframer.take(bytesMax: 0).map(\.whole) == [[1, 2, 3]])
    #expect(deframer.messageCount == 3)
    #expect(deframer.take(bytesMax: 3).map(\.whole) == [[4, 5], []])
    #expect(deframer.take(bytesMax: 3).map(\.whole) == [[6]])
    #expect(deframer.take(bytesMax: 3).isEmpty)
  }

  @Test(arguments: [20, 40_000])
  func `what was taken is let go of, although there is always a rest`(messageBytes: Int) throws {
    var deframer = MessageDeframer(messageBytesMax: 1 << 20)
    let one = try framed([[UInt8](repeating: 7, count: messageBytes)])
    var taken = 0
    for round in 0..<500 {
      // Two come for each one that is taken at first, then one for one.
      for _ in 0..<(round < 3 ? 2 : 1) { try deframer.receive(one[...]) }
      taken += deframer.take(bytesMax: 1).count
      #expect(deframer.messageCount == min(round + 1, 3))
      #expect(deframer.heldBytes <= 4 * messageBytes)
    }
    #expect(taken == 500)
  }

  @Test func `small messages that come together share an array`() throws {
    var deframer = MessageDeframer(messageBytesMax: 100)
    try deframer.receive(framed([[1], [2], [3]])[...] + [0, 0, 0, 0, 2, 9])
    let messages = deframer.take(bytesMax: .max)
    #expect(messages.map(\.range) == [0..<1, 1..<2, 2..<3])
    #expect(messages.allSatisfy { $0.bytes.starts(with: [1, 2, 3]) })
    try deframer.receive([10])
    #expect(deframer.takeNext()?.whole == [9, 10])
  }

  @Test func `the window of messages taken together comes back at once`() throws {
    var inbox = MessageInbox(messageBytesMax: 100)
    try inbox.received(framed([[1, 2], [3]])[...])
    #expect(inbox.take(bytesMax: 100).count == 2)
    #expect(inbox.takeWindow() == 13)
    #expect(inbox.take(bytesMax: 100).isEmpty)
    try inbox.received([0, 0, 0])
    // A reader waits.
    #expect(inbox.takeWindow() == 3)
  }
}
