internal import Testing

@testable internal import MilvusWire

@Suite struct ConnectionStateMachineTests {
  private func ready(streamsMax: UInt32 = .max, open: [Int32] = []) -> ConnectionStateMachine {
    var machine = ConnectionStateMachine()
    machine.receivedSettings(concurrentStreamsMax: streamsMax)
    for id in open { machine.opened(id) }
    return machine
  }

  @Test func `calls wait for the first SETTINGS`() {
    var machine = ConnectionStateMachine()
    #expect(machine.mayOpen() == .wait)
    machine.receivedSettings(concurrentStreamsMax: .max)
    #expect(machine.mayOpen() == .open)
  }

  @Test func `SETTINGS may come again and change the limit`() {
    var machine = ready(streamsMax: 2, open: [1, 3])
    #expect(machine.mayOpen() == .wait)
    machine.receivedSettings(concurrentStreamsMax: 3)
    #expect(machine.mayOpen() == .open)
    machine.receivedSettings(concurrentStreamsMax: 1)
    #expect(machine.mayOpen() == .wait)
  }

  @Test(arguments: [(1, ConnectionStateMachine.OnOpen.open), (2, .wait), (3, .wait)])
  func `the limit of streams holds`(open: Int, expected: ConnectionStateMachine.OnOpen) {
    let machine = ready(streamsMax: 2, open: (0..<open).map { Int32($0 * 2 + 1) })
    #expect(machine.mayOpen() == expected)
  }

  @Test func `a closed stream makes room`() {
    var machine = ready(streamsMax: 1, open: [1])
    #expect(machine.closed(1) == .mayOpen)
    #expect(machine.mayOpen() == .open)
    #expect(machine.closed(1) == .none, "a second close is tolerated")
  }

  @Test func `GOAWAY names the streams that may be sent again and lets the others finish`() {
    var machine = ready(open: [1, 3, 5])
    let action = machine.receivedGoAway(lastStreamID: 1, code: .noError, debug: [])
    #expect(action == .init(unsent: [3, 5], isTooManyPings: false, closesConnection: false))
    #expect(machine.mayOpen() == .refuse)
    #expect(machine.closed(3) == .none)
    #expect(machine.closed(1) == .closeConnection)
  }

  @Test func `a graceful GOAWAY comes twice`() {
    var machine = ready(open: [1, 3])
    #expect(machine.receivedGoAway(lastStreamID: .max, code: .noError, debug: []).unsent == [])
    #expect(machine.receivedGoAway(lastStreamID: 1, code: .noError, debug: []).unsent == [3])
  }

  @Test func `GOAWAY on an idle connection closes it`() {
    var machine = ready()
    #expect(machine.receivedGoAway(lastStreamID: 0, code: .noError, debug: []).closesConnection)
    #expect(machine.mayOpen() == .refuse)
  }

  @Test func `too many pings is recognised`() {
    var machine = ready()
    let action = machine.receivedGoAway(
      lastStreamID: 0, code: .enhanceYourCalm, debug: Array("too_many_pings".utf8))
    #expect(action.isTooManyPings)
  }

  @Test func `the last stream id ends the connection's use`() {
    var machine = ready(open: [Int32.max - 2])
    #expect(machine.mayOpen() == .open)
    machine.opened(.max)
    #expect(machine.mayOpen() == .refuse)
    #expect(machine.closed(.max - 2) == .none)
    #expect(machine.closed(.max) == .closeConnection)
  }

  @Test func `a failure names the streams that were open, once`() {
    var machine = ready(open: [5, 1])
    #expect(machine.failed() == [1, 5])
    #expect(machine.failed() == [])
    #expect(machine.mayOpen() == .refuse)
    let isDrained = machine.drain()
    #expect(!isDrained)
  }
}

@Suite struct KeepaliveStateMachineTests {
  private func machine() -> KeepaliveStateMachine { KeepaliveStateMachine(period: .seconds(60), timeout: .seconds(20)) }

  @Test func `an idle connection is never pinged`() {
    var machine = machine()
    #expect(machine.nextTick == nil)
    #expect(machine.tick(at: .seconds(10_000)) == .none)
  }

  @Test func `silence with an open RPC is probed, then ended`() {
    var machine = machine()
    machine.openedFirstStream(at: .seconds(0))
    #expect(machine.nextTick == .seconds(60))
    #expect(machine.tick(at: .seconds(59)) == .none)
    #expect(machine.tick(at: .seconds(60)) == .sendPing)
    #expect(machine.nextTick == .seconds(80))
    #expect(machine.tick(at: .seconds(79)) == .none)
    #expect(machine.tick(at: .seconds(80)) == .close)
    #expect(machine.nextTick == nil)
  }

  @Test func `any byte is a sign of life`() {
    var machine = machine()
    machine.openedFirstStream(at: .seconds(0))
    _ = machine.tick(at: .seconds(60))
    machine.receivedBytes(at: .seconds(70))
    #expect(machine.tick(at: .seconds(80)) == .none)
    #expect(machine.tick(at: .seconds(130)) == .sendPing)
  }

  @Test func `calls that come and go never cause two pings within a period`() {
    var machine = machine()
    machine.openedFirstStream(at: .seconds(0))
    #expect(machine.tick(at: .seconds(60)) == .sendPing)
    machine.receivedBytes(at: .seconds(61))
    machine.closedLastStream()
    machine.openedFirstStream(at: .seconds(62))
    #expect(machine.nextTick == .seconds(122))
  }
}

@Suite struct ServerPrefaceCheckTests {
  static let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]

  @Test(arguments: [
    (settings, ServerPrefaceCheck.Verdict.isHTTP2),
    (Array("HTTP/1.1 400 Bad Request".utf8), .isOther("the server speaks HTTP/1.1, not gRPC")),
    ([0x15, 3, 1, 0, 2, 2, 70], .isOther("the server speaks TLS; use https://")),
    (Array("SSH-2.0-xx".utf8), .isOther("the server does not speak HTTP/2")),
    ([0, 0, 0, 4, 1, 0, 0, 0, 0], .isOther("the server does not speak HTTP/2")),
    ([0, 0, 0, 4, 0, 0, 0, 0, 1], .isOther("the server does not speak HTTP/2")),
  ])
  func `the first bytes tell what a server speaks, however they are cut`(
    bytes: [UInt8], expected: ServerPrefaceCheck.Verdict
  ) {
    var whole = ServerPrefaceCheck()
    #expect(whole.received(bytes) == expected)
    var cut = ServerPrefaceCheck()
    var verdict = ServerPrefaceCheck.Verdict.needsMore
    for byte in bytes where verdict == .needsMore { verdict = cut.received([byte]) }
    #expect(verdict == expected)
  }
}

@Suite struct ServerConnectionStateMachineTests {
  @Test func `handlers that outlive their streams are bounded`() {
    var machine = ServerConnectionStateMachine(concurrentStreamsMax: 2)
    for _ in 0..<4 { #expect(machine.openedStream() == .accept) }
    #expect(machine.openedStream() == .refuse)
    #expect(machine.handlerEnded() == .none)
    #expect(machine.openedStream() == .accept)
  }

  @Test func `resets in a burst end the connection, resets at a sane rate never do`() {
    var sane = ServerConnectionStateMachine(concurrentStreamsMax: 100)
    for index in 0..<5000 { #expect(sane.receivedReset(at: .milliseconds(index * 20)) == .accept) }
    var rapid = ServerConnectionStateMachine(concurrentStreamsMax: 100)
    for _ in 0..<500 { #expect(rapid.receivedReset(at: .zero) == .accept) }
    #expect(rapid.receivedReset(at: .zero) == .closeForAbuse)
    #expect(rapid.openedStream() == .refuse)
  }

  @Test func `shutting down announces, drains, then closes`() {
    var machine = ServerConnectionStateMachine(concurrentStreamsMax: 100)
    #expect(machine.openedStream() == .accept)
    let (first, second) = (machine.announceShutdown(), machine.announceShutdown())
    #expect(first)
    #expect(!second)
    #expect(machine.openedStream() == .accept, "a request that crossed the announcement is served")
    #expect(machine.drain() == .none)
    #expect(machine.openedStream() == .refuse)
    #expect(machine.handlerEnded() == .none)
    #expect(machine.handlerEnded() == .closeConnection)
  }
}
