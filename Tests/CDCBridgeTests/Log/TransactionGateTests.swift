import CDCBridge
import MilvusWire
import TestSupport
import Testing

@Suite struct TransactionGateTests {
  private static let pchannel = "src-rootcoord-dml_0"

  /// Every message in turn; what passed, as lines, or the code of the fault.
  private func play(_ messages: [LogMessage], bytesMax: Int = 1 << 20) -> [String] {
    var gate = TransactionGate(pchannel: Self.pchannel, bytesMax: bytesMax)
    var lines: [String] = []
    for message in messages {
      do throws(LogFault) {
        guard let unit = try gate.received(message) else { continue }
        switch unit {
        case .message(let message): lines.append("\(message.type)")
        case .transaction(_, let bodies, _):
          lines.append("txn " + bodies.map { "\($0.type)" }.joined(separator: ","))
        }
      } catch {
        lines.append("\(error.code)")
        return lines
      }
    }
    return lines
  }

  private func changed(_ message: LogMessage, _ change: (inout LogMessageBuilder) -> Void) throws
    -> LogMessage
  {
    var builder = LogMessageBuilder(message)
    change(&builder)
    return try builder.message()
  }

  @Test func `plain messages pass, transactions pass whole`() throws {
    var writer = LogWriter(Self.pchannel)
    let messages =
      try [writer.plain()] + writer.transaction([.insert, .delete, .insert]) + [writer.plain(.delete)]
    #expect(play(messages) == ["Insert", "txn Insert,Delete,Insert", "Delete"])
  }

  @Test func `an empty transaction passes, and one whose bodies are encrypted`() throws {
    var writer = LogWriter(Self.pchannel)
    let messages =
      try writer.transaction([])
      + writer.transaction([.insert]) { _, builder in
        builder.cipher = CipherHeader()
      }
    #expect(play(messages) == ["txn ", "txn Insert"])
  }

  @Test func `what belongs to no begin is dropped at the start of a stream only`() throws {
    var writer = LogWriter(Self.pchannel)
    let first = try writer.transaction(), second = try writer.transaction(), plain = try writer.plain()
    #expect(play(Array(first.dropFirst()) + second + [plain]) == ["txn Delete,Insert", "Insert"])
    #expect(play([first[3], plain]) == ["Insert"])
    #expect(play([plain, second[1]]) == ["Insert", "bodyWithoutBegin"])
    #expect(play([plain, second[3]]) == ["Insert", "commitWithoutBegin"])
    #expect(play(first + [second[2]]) == ["txn Delete,Insert", "bodyWithoutBegin"])
  }

  @Test func `nothing else comes inside a transaction`() throws {
    var writer = LogWriter(Self.pchannel)
    let first = try writer.transaction(), second = try writer.transaction(), plain = try writer.plain()
    #expect(play([first[0], second[0]]) == ["beginInsideTransaction"])
    #expect(play([first[0], plain]) == ["interleaved"])
    #expect(play([first[0], second[1]]) == ["foreignMember"])
    #expect(play([first[0], first[1], second[3]]) == ["foreignMember"])
  }

  @Test func `members show one tick and name their transaction`() throws {
    var writer = LogWriter(Self.pchannel)
    let members = try writer.transaction()
    let early = try changed(members[1]) { $0.timeTick = TimeTick($0.timeTick.rawValue - 1) }
    #expect(play([members[0], early]) == ["memberTickDiffers"])
    let late = try changed(members[3]) { $0.timeTick = TimeTick($0.timeTick.rawValue + 1) }
    #expect(play([members[0], members[1], late]) == ["memberTickDiffers"])
    for place in [0, 3] {
      let nameless = try changed(members[place]) { $0.transaction = nil }
      #expect(play(place == 0 ? [nameless] : [members[0], nameless]) == ["memberWithoutContext"])
    }
  }

  @Test func `a member that comes twice counts once`() throws {
    var writer = LogWriter(Self.pchannel)
    let members = try writer.transaction([.insert, .delete])
    #expect(play(members.flatMap { $0.type == .commitTxn ? [$0] : [$0, $0] }) == ["txn Insert,Delete"])
  }

  @Test func `a rollback drops what was held`() throws {
    var writer = LogWriter(Self.pchannel)
    let members = try writer.transaction(), plain = try writer.plain()
    let rollback = try changed(members[3]) { $0.type = .rollbackTxn }
    #expect(play([members[0], members[1], rollback, plain]) == ["Insert"])
    #expect(play([rollback, plain, rollback]) == ["Insert"])
  }

  @Test func `an unexpanded transaction is a fault wherever it comes`() throws {
    var writer = LogWriter(Self.pchannel)
    let members = try writer.transaction()
    let txn = try changed(members[3]) { $0.type = .txn }
    #expect(play([txn]) == ["unexpandedTransaction"])
    #expect(play([members[0], txn]) == ["unexpandedTransaction"])
    #expect(LogFault.Code.allCases.count == 10)
  }

  @Test func `a transaction may be as large as the limit`() throws {
    var writer = LogWriter(Self.pchannel)
    let members = try writer.transaction([.insert, .insert, .insert])
    let size = members.dropLast().reduce(0) { $0 + $1.byteCount }
    #expect(play(members, bytesMax: size) == ["txn Insert,Insert,Insert"])
    #expect(play(members, bytesMax: size + 1) == ["txn Insert,Insert,Insert"])
    #expect(play(members, bytesMax: size - 1) == ["transactionTooLarge"])
  }

  @Test func `a new stream begins anew`() throws {
    var writer = LogWriter(Self.pchannel)
    let members = try writer.transaction()
    var gate = TransactionGate(pchannel: Self.pchannel, bytesMax: 1 << 20)
    #expect(try gate.received(members[0])?.position == nil)
    #expect(try gate.received(members[1])?.position == nil)
    #expect(gate.heldBytes == members[0].byteCount + members[1].byteCount)
    gate.streamBegan()
    #expect(gate.heldBytes == 0)
    #expect(try gate.received(members[2])?.position == nil)
    #expect(try gate.received(members[3])?.position == nil)
    for message in members.dropLast() { #expect(try gate.received(message)?.position == nil) }
    #expect(try gate.received(members[3])?.position.probe == members[0].id)
  }
}
