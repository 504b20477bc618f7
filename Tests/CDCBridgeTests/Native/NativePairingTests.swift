import MilvusWire
import TestSupport
import Testing

@testable import CDCBridge

@Suite struct NativePairingTests {
  private static func start(_ id: String = "src", count: Int = 4, control: Int = 1) -> LogStart {
    let names = (0..<count).map { "\(id)-rootcoord-dml_\($0)" }
    return LogStart(
      replicationID: id, controlChannel: ChannelName.control(ofPchannel: names[control]), pchannels: names, positions: [:])
  }
  private static func answer(_ id: String = "dst", count: Int = 4, control: Int = 3) -> FlushAllAnswer {
    var answer = FlushAllAnswer()
    answer.pchannels = (0..<count).map { "\(id)-rootcoord-dml_\($0)" }
    answer.controlChannel = ChannelName.control(ofPchannel: answer.pchannels[control])
    return answer
  }

  @Test func `the control channels get the same place`() throws {
    let pairing = try NativePairing.make(source: Self.start(), target: Self.answer())
    #expect(pairing.sourcePchannels == (0..<4).map { "src-rootcoord-dml_\($0)" })
    #expect(pairing.targetPchannels == [0, 3, 1, 2].map { "dst-rootcoord-dml_\($0)" })
    #expect(pairing.target(of: "src-rootcoord-dml_1") == "dst-rootcoord-dml_3")
    #expect(pairing.target(of: "src-rootcoord-dml_9") == nil)
  }

  @Test(arguments: 0..<4, 0..<4)
  func `wherever they are`(source: Int, target: Int) throws {
    let pairing = try NativePairing.make(source: Self.start(control: source), target: Self.answer(control: target))
    #expect(pairing.targetPchannels[source] == "dst-rootcoord-dml_\(target)")
    #expect(Set(pairing.targetPchannels).count == 4)
  }

  @Test func `every obstacle is named with its fix`() throws {
    let obstacles = #expect(throws: NativeObstacles.self) {
      _ = try NativePairing.make(source: Self.start("a", count: 4), target: Self.answer("a", count: 2, control: 0))
    }
    #expect(obstacles?.list.count == 2)
    #expect(obstacles?.lines.allSatisfy { $0.contains("fix:") } == true)
    var strange = Self.answer()
    strange.pchannels = ["x", "y"]
    strange.controlChannel = "x_vcchan"
    let names = #expect(throws: NativeObstacles.self) { _ = try NativePairing.make(source: Self.start(), target: strange) }
    #expect(names?.lines.contains { $0.contains("replication id") } == true)
  }

  @Test func `the configuration has no tokens and is found again`() throws {
    let pairing = try NativePairing.make(source: Self.start(), target: Self.answer())
    let configuration = pairing.configuration(sourceURI: "http://a:1", targetURI: "http://b:1")
    #expect(!configuration.hasTokens)
    #expect(NativePairing.existing(configuration, sourceID: "src") == pairing)
    #expect(NativePairing.existing(configuration, sourceID: "dst") == nil)
    let alone = NativePairing.alone("dst", uri: "http://b:1", pchannels: pairing.targetPchannels)
    #expect(alone.clusters.count == 1 && alone.topology.isEmpty && !alone.hasTokens)
  }

  @Test func `a source that is newer than the target is refused by name`() {
    func profile(_ text: String) -> ServerProfile { ServerProfile.identify(info: ServerInfo(), versionText: text) }
    for (source, target, isRefused) in [
      ("v2.6.20", "v2.6.23", false), ("v2.6.23", "v2.6.20", false), ("v2.6.23", "v3.0.1", false), ("v3.0.0", "v2.6.23", true),
      ("v3.0.1", "v3.0.0", true), ("v3.0.0", "v3.0.0-beta", false), ("v2.5.4", "v3.0.1", true), ("v2.6.23", "v2.5.4", true),
    ] {
      var obstacles = NativeObstacles()
      obstacles.check(source: profile(source), target: profile(target))
      #expect(obstacles.list.isEmpty != isRefused, "\(source) → \(target): \(obstacles.lines)")
    }
    var lite = NativeObstacles()
    lite.check(
      source: ServerProfile(kind: .milvus, version: nil, versionText: ""), target: ServerProfile(kind: .lite, version: nil, versionText: "")
    )
    #expect(lite.list.count == 1)
  }

  @Test func `what a standby cannot do is refused before anything is asked`() {
    var spec = TaskSpec(
      source: ClusterConnection(endpoint: Endpoint(host: "a", port: 1)), target: ClusterConnection(endpoint: Endpoint(host: "b", port: 1)),
      selection: ObjectSelection(patterns: [ObjectSelection.Pattern(database: "*", collection: "*")]))
    var obstacles = NativeObstacles()
    obstacles.check(spec)
    #expect(obstacles.list.isEmpty)
    spec.selection.patterns = [ObjectSelection.Pattern(database: "default", collection: "a")]
    spec.selection.mappings = [ObjectSelection.Mapping(sourceDatabase: "a", targetDatabase: "b", collections: [:])]
    (spec.ignorePartition, spec.ddl, spec.adopt, spec.capture) = (true, .stop, true, .reconcile)
    obstacles.check(spec)
    #expect(obstacles.list.count == 6)
    #expect(obstacles.list.allSatisfy { !$0.fix.isEmpty })
  }

  @Test func `a checkpoint is read as it was written`() throws {
    let pairing = try NativePairing.make(source: Self.start(), target: Self.answer())
    var native = NativeCheckpoint(pairing: pairing, lanes: [:], targetKind: .kafka)
    for (number, name) in pairing.sourcePchannels.enumerated() {
      var lane = NativeCheckpoint.Lane(
        start: LogPosition(confirmed: LogMessageID("", .woodPecker), timeTick: TimeTick(UInt64(number))), barrier: TimeTick(UInt64.max))
      lane.position = LogPosition(
        confirmed: LogMessageID("CAE=", .woodPecker), timeTick: TimeTick(77), probe: LogMessageID("CAEQAg==", .woodPecker))
      lane.sentTick = TimeTick(76)
      lane.firstTick = TimeTick(3)
      native.lanes[name] = lane
    }
    native.leftOut = [Int64.max, 4]
    native.leftOutDatabases = ["shop"]
    native.isSetUp = true
    var checkpoint = TaskCheckpoint()
    checkpoint.native = native
    let read = try TaskCheckpoint(document: checkpoint.document())
    #expect(read == checkpoint)
    #expect(throws: BridgeError.self) {
      _ = try TaskCheckpoint(
        document: Array(#"{"version": 3, "capture": "wal", "is_initialised": false, "databases": [], "collections": []}"#.utf8))
    }
  }

  @Test func `the target's checkpoint decides, except behind what was passed over`() throws {
    let pairing = try NativePairing.make(source: Self.start(count: 1, control: 0), target: Self.answer(count: 1, control: 0))
    let name = pairing.sourcePchannels[0]
    let start = LogPosition(confirmed: LogMessageID("CAE=", .woodPecker), timeTick: TimeTick(10))
    let later = LogPosition(confirmed: LogMessageID("CAI=", .woodPecker), timeTick: TimeTick(90))
    var native = NativeCheckpoint(
      pairing: pairing, lanes: [name: NativeCheckpoint.Lane(start: start, barrier: TimeTick(10))], targetKind: .woodPecker)
    let id = LogMessageID("CAM=", .woodPecker)
    #expect(native.position(name, targetHas: TimeTick(0), confirmed: nil) == start)
    native.lanes[name]?.position = later
    #expect(native.position(name, targetHas: TimeTick(0), confirmed: nil) == later, "only skipped ones came so far")
    native.lanes[name]?.sentTick = TimeTick(50)
    #expect(native.position(name, targetHas: TimeTick(50), confirmed: id) == later)
    #expect(native.position(name, targetHas: TimeTick(60), confirmed: id) == LogPosition(confirmed: id, timeTick: TimeTick(60)))
    #expect(native.position(name, targetHas: TimeTick(40), confirmed: id) == LogPosition(confirmed: id, timeTick: TimeTick(40)))
    #expect(native.position(name, targetHas: TimeTick(0), confirmed: nil) == start, "it was emptied")
  }

  // MARK: History

  @Test func `a log that lost its beginning does not tell what was made there`() throws {
    let vchannel = "src-rootcoord-dml_0_5v0", control = "src-rootcoord-dml_0_vcchan"
    var writer = LogWriter("src-rootcoord-dml_0")
    writer.collectionID = 5
    func creation(_ id: Int64, on channel: String) throws -> LogMessage {
      var content = LogChange.CreateCollection()
      content.collectionID = id
      return try writer.plain(.createCollection) {
        $0.vchannel = channel
        $0.header = LogChange.createCollection(content).encodedHeader
      }
    }
    func insert(_ id: Int64) throws -> LogMessage {
      try writer.plain(.insert) { builder in
        var header = InsertHeader()
        header.collectionID = id
        builder.header = header.encoded
      }
    }
    var live = CollectionDescription(schema: CollectionSchema(name: "default.a"))
    live.id = 5
    live.virtualChannelNames = [vchannel]
    var whole = NativeHistory()
    for message in [try creation(5, on: vchannel), try creation(5, on: control), try insert(5)] {
      whole.saw(message, pchannel: writer.pchannel)
    }
    #expect(whole.missing([live], databases: ["default"], controlChannel: control).isEmpty)
    #expect(whole.missing([live], databases: ["default", "shop"], controlChannel: control) == ["database shop"])
    #expect(whole.incomplete.isEmpty)

    // Dropped before the readable log begins, with changes still in it: left out, and no obstacle.
    whole.saw(try insert(4), pchannel: writer.pchannel)
    #expect(whole.incomplete == [4])
    #expect(whole.missing([live], databases: ["default"], controlChannel: control).isEmpty)

    // One copy is gone.
    var cut = NativeHistory()
    for message in [try creation(5, on: control), try insert(5)] { cut.saw(message, pchannel: writer.pchannel) }
    #expect(cut.missing([live], databases: ["default"], controlChannel: control) == ["default.a"])
    cut.merge(whole)
    #expect(cut.incomplete == [4, 5])
  }

  @Test func `what a target says of itself`() {
    var info = ReplicateInfo()
    #expect(ReplicaState(info, sourceClusterID: "src") == .primary(promotedAt: nil))
    var checkpoint = ReplicateCheckpoint()
    (checkpoint.clusterID, checkpoint.timeTick) = ("src", TimeTick(7))
    info.salvageCheckpoint = checkpoint
    #expect(ReplicaState(info, sourceClusterID: "src") == .primary(promotedAt: TimeTick(7)))
    info.checkpoint = checkpoint
    #expect(ReplicaState(info, sourceClusterID: "src") == .standby(TimeTick(7), confirmed: nil))
    #expect(ReplicaState(info, sourceClusterID: "other") == .standbyOf("src"))
  }

  @Test func `a target that is too slow is told, with its rate`() {
    var rate = NativeRate()
    let start = ContinuousClock.now
    rate.looked(at: start, waited: .zero, confirmed: 0)
    rate.looked(at: start + .seconds(20), waited: .seconds(20), confirmed: 1900)
    #expect(rate.warning == nil, "not before the window is over")
    rate.looked(at: start + .seconds(30), waited: .seconds(29), confirmed: 2850)
    #expect(rate.warning?.contains("95 messages/s") == true)
    rate.looked(at: start + .seconds(60), waited: .seconds(30), confirmed: 5700)
    #expect(rate.warning == nil)
  }
}
