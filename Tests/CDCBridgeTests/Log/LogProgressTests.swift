import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// What a task on a log may say of how far the target is: never more than the log that has taken effect.
@Suite(.timeLimit(.minutes(10))) struct LogProgressTests {
  @Test func `a pass that read later than the log that has taken effect says nothing of how far the target is`() async throws {
    let harness = try LogHarness()
    try await harness.scene.create("a", isLogged: false)
    harness.scene.putSilently("a", 1...5)
    // A read tells the source's time, here an hour past every tick of the log.
    harness.source.withState { $0.tick = LogProgressTests.tick(of: harness) + 3_600_000 << 18 }
    harness.start()
    await harness.wait("a is copied and the log has moved") {
      harness.collection("a")?.isCopied == true && harness.collection("a")?.watermarkUnixMs != nil
    }
    await harness.waitUntilEqual()
    let board = harness.board
    let slowest = try #require(board.pchannels.map(\.watermarkUnixMs).min())
    #expect(try #require(board.collections.first?.watermarkUnixMs) <= slowest)
    await harness.stop()
  }

  @Test func `a schema change that waits on the control channel holds the watermark of every collection`() async throws {
    let harness = try LogHarness(pchannels: 2)
    for name in ["a", "b", "c"] { try await harness.scene.create(name, isLogged: false) }
    // The control channel is the first one's.
    let elsewhere = ["a", "b", "c"].filter { name in
      harness.scene.vchannels(name).allSatisfy { ChannelName.pchannel(of: $0) == harness.scene.pchannels[1] }
    }
    let name = try #require(elsewhere.first)
    harness.start()
    await harness.waitUntilEqual()
    harness.target.setFaults { $0.method == "CreateDatabase" ? .rateLimited : nil }
    let before = try await harness.scene.log.allocTimestamp().unixMilliseconds
    try await harness.source.createDatabase("d", properties: [])
    var content = LogChange.CreateDatabase()
    content.dbName = "d"
    content.dbID = 77
    try harness.scene.broadcast(.createDatabase(content), on: [ChannelName.control(ofPchannel: harness.scene.pchannels[0])])
    func mark(_ number: Int) -> Int64 {
      harness.board.pchannels.first { $0.name == harness.scene.pchannels[number] }?.watermarkUnixMs ?? 0
    }
    await harness.wait("the other channel has gone on") { mark(1) > before + 100 }
    await harness.wait("the change is tried") { harness.target.calls.contains { $0.method == "CreateDatabase" } }
    let seen = mark(0)
    #expect(seen <= before + 100)
    #expect(try #require(harness.collection(name)?.watermarkUnixMs) <= seen)
    harness.target.setFaults { _ in nil }
    await harness.waitUntilEqual()
    await harness.wait("the collection has gone on") { (harness.collection(name)?.watermarkUnixMs ?? 0) > before + 100 }
    await harness.stop()
  }

  private static func tick(of harness: LogHarness) -> UInt64 {
    harness.scene.pchannels.compactMap { harness.scene.log.units($0).last?.last?.timeTick.rawValue }.max() ?? 0
  }
}
