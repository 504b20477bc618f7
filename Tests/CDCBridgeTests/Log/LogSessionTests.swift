import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Whole tasks over a log: bootstrap, copy and follow, schema changes, stop and go on.
@Suite struct LogSessionTests {
  static let targets: [FakeCluster.Manners] = [.milvus235, .lite]

  @Test(arguments: targets) func `what exists is copied, what happens is followed`(_ target: FakeCluster.Manners) async throws {
    let harness = try LogHarness(target)
    try await harness.scene.create("a", shards: 2, isLogged: false)
    harness.scene.putSilently("a", 1...20)
    harness.start()
    await harness.waitUntilEqual()
    try harness.scene.insert("a", [30, 31, 32], value: 1)
    try harness.scene.delete("a", [2, 3])
    try harness.scene.upsert("a", [4, 30], value: 7)
    await harness.waitUntilEqual()
    let stop = await harness.stop()
    #expect(stop == nil)
    #expect(harness.board.capture == .wal)
  }

  @Test(arguments: targets) func `a collection that is created, filled, indexed and dropped`(
    _ target: FakeCluster.Manners
  ) async throws {
    let harness = try LogHarness(target, pchannels: 3)
    harness.start()
    await harness.wait("the first look is over") { harness.board.phase == .following }
    try await harness.scene.create("a", shards: 3)
    try harness.scene.insert("a", Array(1...50))
    try await harness.scene.create("b")
    try harness.scene.insert("b", [1, 2])
    try harness.scene.upsert("a", [5, 6], value: 9, insertFirst: true)
    await harness.waitUntilEqual()
    try await harness.scene.drop("b")
    try await harness.scene.rename("a", to: "c")
    try harness.scene.insert("c", [100])
    try await harness.scene.create("b")
    try harness.scene.insert("b", [3])
    try await harness.scene.alias("al", "c")
    await harness.waitUntilEqual()
    await harness.stop()
  }

  /// The copy of the collection that had it ends last, and began when it still had it.
  @Test func `an alias that moves while its collections are copied ends where it is on the source`() async throws {
    let harness = try LogHarness()
    for name in ["a", "b"] {
      try await harness.scene.create(name, isLogged: false)
      harness.scene.putSilently(name, 1...5)
    }
    try await harness.source.createAlias("al", for: Sample.path("b"))
    harness.target.setFaults { $0.method == "Insert" && $0.path == Sample.path("b") ? .rateLimited : nil }
    harness.start()
    await harness.wait("a is copied") { harness.collection("a")?.state == .following }
    #expect(harness.collection("b")?.isCopied == false)
    try await harness.scene.alias("al", "a")
    await harness.wait("the alias has moved") { LogHarness.picture(harness.target).contains("alias default.al → a") }
    harness.target.setFaults { _ in nil }
    await harness.waitUntilEqual()
    await harness.stop()
  }

  /// The source's catalogue, read again, is ahead of the rows that wait.
  @Test(arguments: [false, true]) func `rows that wait for a partition which is gone are left out with it`(isMadeAgain: Bool) async throws {
    let harness = try LogHarness(pchannels: 1)
    try await harness.scene.create("a", isLogged: false)
    harness.scene.putSilently("a", 1...3)
    harness.start()
    await harness.waitUntilEqual()
    try await harness.scene.partition("a", "p")
    await harness.waitUntilEqual()
    harness.target.setFaults { $0.method == "Insert" || $0.method == "Upsert" ? .rateLimited : nil }
    let tried = harness.target.calls.count
    try harness.scene.insert("a", [10, 11], partition: "p")
    try harness.scene.insert("a", [12])
    await harness.wait("the rows wait") { harness.target.calls[tried...].contains { $0.method == "Insert" || $0.method == "Upsert" } }
    try await harness.source.releasePartitions(Sample.path("a"), names: ["p"])
    try await harness.source.dropPartition(Sample.path("a"), name: "p")
    if isMadeAgain { try await harness.scene.partition("a", "p", isLogged: false) }
    // A collection that the catalogue does not know: it is read again.
    var content = LogChange.AlterCollection()
    content.collectionID = 424_242
    try harness.scene.broadcast(.alterCollection(content), on: [ChannelName.control(ofPchannel: harness.scene.pchannels[0])])
    await harness.wait("the target is looked at") { harness.target.calls[tried...].contains { $0.method == "ShowPartitions" } }
    harness.target.setFaults { _ in nil }
    await harness.waitUntilEqual()
    await harness.stop()
  }

  @Test func `a stopped task goes on where it was, and doubles nothing`() async throws {
    let harness = try LogHarness()
    try await harness.scene.create("a", isLogged: false)
    harness.scene.putSilently("a", 1...5)
    harness.start()
    await harness.waitUntilEqual()
    await harness.stop()
    try harness.scene.insert("a", [10, 11])
    try harness.scene.delete("a", [1])
    harness.start()
    await harness.waitUntilEqual()
    await harness.kill()
    try harness.scene.insert("a", [12])
    harness.start()
    await harness.waitUntilEqual()
    await harness.stop()
    #expect(harness.target.withState { $0[Sample.path("a")]?.repeatedKeys } == [])
  }
}
