import Foundation
import MilvusWire
import TestSupport
import Testing

@testable import CDCBridge

/// Whole native tasks: recordings of real servers forwarded into a standby in memory.
@Suite struct NativeSessionTests {
  private final class Rig: Sendable {
    let log: RecordedLog
    let source: FakeCluster
    let target: FakeCluster
    let replica: FakeReplica
    let checkpoints = MemoryCheckpoints()
    private struct Running: Sendable {
      var task: Task<TaskStop?, Never>?
      var board = ProgressBoard()
    }
    private let running = Locked(Running())
    let spec: TaskSpec

    init(
      _ log: RecordedLog, sourceVersion: String = "v2.6.20", targetVersion: String = "v2.6.23", change: (inout TaskSpec) -> Void = { _ in }
    ) {
      self.log = log
      var manners = LogScene.manners
      manners.versionText = sourceVersion
      source = FakeCluster(manners, peer: "source:1", seed: 1)
      manners.versionText = targetVersion
      target = FakeCluster(manners, peer: "target:1", seed: 2)
      let control = log.pchannels.firstIndex { pchannel in
        log.units(pchannel).contains { $0.contains { ChannelName.isControl($0.vchannel) } }
      }
      // Another place than the source's, so that the order matters.
      let names = log.pchannels.indices.map { "dst-rootcoord-dml_\($0)" }
      replica = FakeReplica(pchannels: names, control: names.count - 1 - (control ?? 0))
      var spec = TaskSpec(
        source: ClusterConnection(endpoint: Endpoint(host: "source", port: 1)),
        target: ClusterConnection(endpoint: Endpoint(host: "target", port: 1)),
        selection: ObjectSelection(patterns: [ObjectSelection.Pattern(database: "*", collection: "*")]))
      spec.apply = .native
      change(&spec)
      self.spec = spec
    }

    var environment: ReconcileRunner.Environment {
      let (source, target, log, replica) = (source, self.target, log, self.replica)
      var environment = ReconcileRunner.Environment(
        connect: { $0.endpoint.host == "source" ? source : target }, makePass: { RowPass(pair: $0, unit: $1, options: $2, report: $3) })
      environment.log = { _ in log }
      environment.replica = { _ in replica }
      return environment
    }

    func start() {
      let board = ProgressBoard()
      let runner = CaptureRunner(taskID: "t", spec: spec, checkpoints: checkpoints, board: board, environment: environment)
      let task = Task { () -> TaskStop? in
        do throws(TaskStop) {
          try await runner.run()
          return nil
        } catch {
          return error
        }
      }
      running.withLock { $0 = Running(task: task, board: board) }
    }
    func stop() async {
      let task = running.withLock { $0.task }
      task?.cancel()
      _ = await task?.value
    }
    func ended() async -> TaskStop? { await running.withLock { $0.task }?.value }
    var board: TaskProgress { running.withLock { $0.board }.read() }

    /// The time is a limit for a test that fails.
    func until(_ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ isTrue: () -> Bool) async {
      let end = ContinuousClock.now + .seconds(600)
      while !isTrue() {
        if ContinuousClock.now > end {
          Issue.record(
            "waited in vain until \(what): \(board.lastError ?? "no error"), \(board.notReplicated)", sourceLocation: sourceLocation)
          return
        }
        try? await Task.sleep(for: .milliseconds(2))
      }
    }
    /// The messages that a target is to get.
    func wanted(_ pchannel: String) -> [LogMessage] {
      log.units(pchannel).dropFirst().flatMap(\.self).filter {
        $0.type != .alterResourceGroup && $0.type != .dropResourceGroup && !$0.isUnreplicable
      }
    }
    func isComplete() -> Bool { log.pchannels.allSatisfy { replica.applied($0).count >= wanted($0).count } }
  }

  /// A recording behind a FlushAll of its own, so that a task that starts there gets all of it.
  private static func recording(_ name: String) throws -> RecordedLog {
    var channels = try RecordedLog.read(folder: TestPaths.projectRoot.appending(path: "Tests/MilvusWireTests/Fixtures/wal-live/\(name)"))
    var answer = FlushAllAnswer()
    for (pchannel, messages) in channels {
      let first = try #require(messages.first)
      var builder = LogMessageBuilder(
        .flushAll, id: first.id.kind == .woodPecker ? LogMessageID("CAAQAQ==", .woodPecker) : LogMessageID("1", first.id.kind),
        timeTick: TimeTick(first.timeTick.rawValue - 1), vchannel: pchannel)
      builder.isPchannelLevel = true
      let flush = try builder.message()
      answer.messages[pchannel] = flush
      answer.pchannels.append(pchannel)
      channels[pchannel] = [flush] + messages
      if let control = messages.first(where: { ChannelName.isControl($0.vchannel) }) { answer.controlChannel = control.vchannel }
    }
    answer.pchannels.sort()
    if answer.controlChannel.isEmpty, let first = answer.pchannels.first { answer.controlChannel = ChannelName.control(ofPchannel: first) }
    let log = RecordedLog(channels)
    log.answerFlushAll(.success(answer))
    return log
  }

  @Test(arguments: ["source", "source-rocksmq", "source-v3"])
  func `a recorded session arrives byte for byte, whatever breaks`(name: String) async throws {
    let rig = Rig(try Self.recording(name), sourceVersion: name == "source-v3" ? "v3.0.0" : "v2.6.20", targetVersion: "v3.0.1")
    rig.replica.state.withLock { $0.breaksAfter = [3, 9, 1, 17] }
    rig.replica.state.withLock { $0.endsAfter = [5, 2, 23] }
    for pchannel in rig.log.pchannels { rig.log.script([.cut(after: 4, RecordedLog.error(.unavailable)), .end(after: 6)], on: pchannel) }
    rig.start()
    await rig.until("everything is there") { rig.isComplete() }
    for pchannel in rig.log.pchannels {
      let (found, wanted) = (rig.replica.applied(pchannel), rig.wanted(pchannel))
      #expect(found.map { Array($0.bytes[$0.range]) } == wanted.map { Array($0.bytes[$0.range]) })
    }
    await rig.until("it is copied") { rig.board.collections.first?.isCopied == true && rig.board.phase == .following }
    #expect(rig.board.apply == .native && rig.board.capture == .wal)
    #expect(rig.board.pchannels.count == rig.log.pchannels.count)
    #expect(rig.board.notReplicated.contains { $0.contains("resource groups") })
    if name == "source" { #expect(rig.board.notReplicated.contains { $0.contains("default.c_vec1 may lack") }) }
    // The target alone was told, and the control channels share a place.
    let update = try #require(rig.replica.state.withLock { $0.updates.first })
    #expect(!update.1 && !update.0.hasTokens)
    let control = ChannelName.pchannel(of: rig.replica.state.withLock { $0.controlChannel })
    let place = update.0.clusters[1].pchannels.firstIndex(of: control)
    let sourcePlace = update.0.clusters[0].pchannels.firstIndex { pchannel in
      rig.log.units(pchannel).contains { unit in unit.contains { ChannelName.isControl($0.vchannel) } }
    }
    #expect(place == sourcePlace)

    // Another run begins where the target is, and sends nothing twice.
    await rig.stop()
    let sent = rig.log.pchannels.map { rig.replica.sent($0).count }
    rig.start()
    await rig.until("it follows again") { rig.board.phase == .following && rig.board.pchannels.count == sent.count }
    await rig.until("it has looked") { rig.board.collections.first?.watermarkUnixMs != nil }
    #expect(rig.log.pchannels.map { rig.replica.sent($0).count } == sent)
    #expect(rig.replica.state.withLock { $0.updates.count } == 1)
    await rig.stop()
  }

  @Test func `what must not be sent stops its pchannel by name, and the others go on`() async throws {
    let rig = Rig(try Self.recording("source"))
    let bad = rig.log.pchannels[1], good = rig.log.pchannels[2]
    rig.start()
    await rig.until("everything is there") { rig.isComplete() }
    let before = rig.replica.sent(bad).count
    func append(_ pchannel: String, _ change: (inout LogMessageBuilder) -> Void) throws {
      let last = try #require(rig.log.units(pchannel).last?.first)
      try rig.log.append(to: pchannel) { now in
        var builder = LogMessageBuilder(last)
        builder.timeTick = TimeTick(now.rawValue + 5)
        builder.id = LogMessageID("CAkQ\(pchannel.hasSuffix("1") ? "A" : "B")Q==", .woodPecker)
        change(&builder)
        return [try builder.message()]
      }
    }
    try append(bad) { $0.version = 7 }
    try append(bad) { _ in }
    try append(good) { _ in }
    await rig.until("the good one goes on") { rig.isComplete() || rig.replica.applied(good).count == rig.wanted(good).count }
    await rig.until("the bad one is named") { rig.board.lastError?.contains(bad) == true }
    #expect(rig.board.lastError?.contains("_v") == true)
    #expect(rig.board.hint != nil)
    #expect(rig.board.notReplicated.contains { $0.contains(bad) && $0.contains("_v") })
    #expect(rig.replica.sent(bad).count == before, "nothing passes it")
    await rig.stop()
  }

  @Test func `a promotion is noticed and explained`() async throws {
    let rig = Rig(try Self.recording("source"))
    rig.start()
    await rig.until("everything is there") { rig.isComplete() }
    rig.replica.promote()
    let stop = try #require(await rig.ended())
    #expect(stop.reason.contains("promoted by force"))
    // It is not made a standby again.
    rig.start()
    let again = try #require(await rig.ended())
    #expect(again.reason.contains("promoted by force"))
    #expect(rig.replica.state.withLock { $0.updates.count } == 1)
  }

  @Test func `a source whose role changes is left alone`() async throws {
    for name in ["switchover/a", "target"] {
      let rig = Rig(try Self.recording(name))
      rig.start()
      let stop = try #require(await rig.ended())
      #expect(stop.reason.contains("replication was changed") || stop.reason.contains("is a standby of"), "\(stop)")
      #expect(stop.hint?.contains("delete this task") == true)
    }
  }

  @Test func `a switch of the log is a gap that nothing can heal`() async throws {
    let rig = Rig(try Self.recording("wal-switch"))
    rig.start()
    let stop = try #require(await rig.ended())
    #expect(stop.reason.contains("changed its log") || stop.reason.contains("log"), "\(stop)")
    #expect(stop.hint?.contains("create the task again") == true, "\(stop)")
  }

  @Test func `a target that holds something is refused, and a dry run says so`() async throws {
    let rig = Rig(try Self.recording("source"))
    try await rig.target.createCollection(CollectionCreation(path: Sample.path("mine"), schema: Sample.schema("mine", [])))
    rig.start()
    let stop = try #require(await rig.ended())
    #expect(stop.reason.contains("default.mine"))
    #expect(rig.replica.state.withLock { $0.updates.isEmpty && $0.flushes == 0 })
    let lines = try await MilvusRunnerFactory(environment: rig.environment).plan(rig.spec)
    #expect(lines.contains { $0.hasPrefix("obstacle: ") && $0.contains("default.mine") && $0.contains("fix:") })
  }

  @Test func `a dry run says what would be done and changes nothing`() async throws {
    let rig = Rig(try Self.recording("source"))
    let lines = try await MilvusRunnerFactory(environment: rig.environment).plan(rig.spec)
    #expect(lines.contains { $0.contains("becomes a standby") })
    #expect(!lines.contains { $0.hasPrefix("obstacle") })
    #expect(rig.replica.state.withLock { $0.updates.isEmpty && $0.flushes == 0 })
  }
}
