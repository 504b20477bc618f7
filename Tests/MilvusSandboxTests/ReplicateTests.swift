import Foundation
import MilvusWire
import TestSupport
import Testing

@testable import MilvusSandbox

/// The target side (`wal-protocol.md` §6, §7), held to what Milvus's own message code and real servers did.
@Suite(.timeLimit(.minutes(5))) struct ReplicateTests {
  private static let golden = TestPaths.projectRoot.appending(
    path: "Tests/MilvusWireTests/Fixtures/wal/v2.6.23")

  private static func json(_ path: String) throws -> JSONObject {
    let bytes = Array(try Data(contentsOf: golden.appending(path: path)))
    return try #require(try JSONParser.parse(bytes).objectValue)
  }

  static func configuration(_ source: String, _ target: String, count: Int) -> ReplicateConfiguration {
    var configuration = ReplicateConfiguration()
    for id in [source, target] {
      var cluster = ReplicateCluster()
      var connection = ReplicateConnection()
      connection.uri = "bridge:\(id)"
      (cluster.id, cluster.connection) = (id, connection)
      cluster.pchannels = (0..<count).map { "\(id)-rootcoord-dml_\($0)" }
      configuration.clusters.append(cluster)
    }
    var edge = ReplicateEdge()
    (edge.sourceClusterID, edge.targetClusterID) = (source, target)
    configuration.topology = [edge]
    return configuration
  }

  static func update(_ sandbox: Sandbox, _ configuration: ReplicateConfiguration?, force: Bool = false)
    async throws
    -> JSONObject
  {
    var writer = WireWriter()
    if let configuration { writer.lengthDelimited(1, configuration.encoded) }
    if force { writer.varint(2, 1) }
    let answer = try await sandbox.call("UpdateReplicateConfiguration", writer.bytes)
    let type = try #require(MessageDescriptor(named: "milvus.proto.common.Status"))
    return try MessageJSON().json(of: answer, as: type).objectValue ?? JSONObject()
  }

  /// `ReplicateRequest` with one message.
  static func request(_ message: [UInt8], from source: String) -> [UInt8] {
    var inner = WireWriter(), outer = WireWriter()
    inner.string(1, source)
    inner.lengthDelimited(2, message)
    outer.lengthDelimited(1, inner.bytes)
    return outer.bytes
  }

  private func secondary(_ source: String = "by-dev", _ own: String = "by-prod", count: Int = 2) async throws
    -> Sandbox
  {
    let sandbox = Sandbox(.test(clusterID: own, pchannels: count))
    let answer = try await Self.update(sandbox, Self.configuration(source, own, count: count))
    #expect(answer.integer("code") == 0, "\(answer.text("reason"))")
    return sandbox
  }

  // MARK: Configurations

  @Test func `configurations are taken and refused as Milvus's validator does`() throws {
    let file = try Self.json("replicate-configurations.json")
    let type = try #require(MessageDescriptor(named: "milvus.proto.common.ReplicateConfiguration"))
    func read(_ object: JSONObject, _ key: String) throws -> ReplicateConfiguration? {
      guard let value = object[key] else { return nil }
      return try ReplicateConfiguration(encoded: try MessageJSON().bytes(of: value, as: type))
    }
    let cases = file.objects("cases")
    #expect(cases.count > 40)
    for entry in cases {
      let rules = TopologyRules(
        ownID: file.text("receiving_cluster"), ownPchannels: file.texts("its_pchannels"),
        current: try read(entry, "existing"))
      let validator = entry.object("validator"), helper = entry.object("helper")
      let expected =
        validator.text("result") == "ok"
        ? helper.text("result") == "ok" ? nil : helper.text("text") : validator.text("text")
      #expect(rules.problem(try read(entry, "configuration")) == expected, "\(entry.text("name"))")
    }
  }

  @Test func `schema changes take effect in the order of the control channel, whichever copy comes first`() {
    var replication = Replication(ownID: "dst")
    let control = "dst-rootcoord-dml_0_vcchan", data = "dst-rootcoord-dml_1_7v0"
    let database = BroadcastHeader(id: 1, vchannels: [control]), collection = BroadcastHeader(id: 2, vchannels: [data, control])
    let drop = BroadcastHeader(id: 3, vchannels: [control, data])
    func copy(_ change: LogChange, _ header: BroadcastHeader, _ channel: String) -> [LogMessageType] {
      replication.noteCopy(change, of: header, on: channel).map(\.type)
    }
    // The collection's copy overtakes the database that it is in.
    #expect(copy(.createCollection(LogChange.CreateCollection()), collection, data).isEmpty)
    #expect(copy(.createDatabase(LogChange.CreateDatabase()), database, control) == [.createDatabase])
    #expect(copy(.createCollection(LogChange.CreateCollection()), collection, control) == [.createCollection])
    // One that lags holds back what comes behind it.
    #expect(copy(.dropCollection(LogChange.DropCollection()), drop, control).isEmpty)
    #expect(copy(.createDatabase(LogChange.CreateDatabase()), BroadcastHeader(id: 4, vchannels: [control]), control).isEmpty)
    #expect(copy(.dropCollection(LogChange.DropCollection()), drop, data) == [.dropCollection, .createDatabase])
  }

  // MARK: Single messages

  /// What a target does beyond the single steps of the index (`wal-protocol.md` §6.4, §6.5, witness).
  private static let beyond: [String: String] = [
    "rollback-txn.pb": "death", "txn-synthetic.pb": "death", "tx-missing-begin.pb": "death",
    "cipher-garbled.pb": "taken",
  ]

  @Test func `every intact and damaged message has the outcome of a real target`() async throws {
    let cases = try Self.json("invalid/index.json").objects("cases")
    #expect(cases.count > 100)
    for entry in cases {
      let file = entry.text("file")
      let steps = entry.object("expected")
      func result(_ step: String) -> String { steps.object(step).text("result") }
      let expected: String
      if let known = Self.beyond[file] {
        expected = known
      } else if ["convert", "route", "version", "txn", "specialize"].contains(where: { result($0) == "panic" }
      ) {
        expected = "death"
      } else if ["convert", "route"].contains(where: { result($0) == "error" }) {
        expected = "end"
      } else {
        expected = ["version", "header"].contains { result($0) == "error" } ? "death" : "taken"
      }
      let sandbox = try await secondary()
      // Rows need their collection.
      sandbox.withState { state in
        for channel in [
          "by-prod-rootcoord-dml_0_455000000000000101v0", "by-prod-rootcoord-dml_1_455000000000000101v1",
        ] {
          state.replication.known.insert(channel)
        }
      }
      let message = Array(try Data(contentsOf: Self.golden.appending(path: "invalid/\(file)")))
      let outcome = sandbox.replicate(Self.request(message, from: "by-dev"))
      let found =
        switch outcome {
        case .confirmed, .silent: "taken"
        case .end: "end"
        case .death: "death"
        }
      #expect(found == expected, "\(file): \(outcome)")
      #expect(sandbox.isDead == (found == "death"), "\(file)")
    }
  }

  @Test func `an unknown type is in the log, and kills at every start`() async throws {
    let sandbox = try await secondary()
    let message = Array(try Data(contentsOf: Self.golden.appending(path: "invalid/type-unknown.pb")))
    _ = sandbox.replicate(Self.request(message, from: "by-dev"))
    await #expect(throws: RPCError.self) { try await sandbox.call("GetVersion", []) }
    #expect(!sandbox.revive())
    let other = try await secondary()
    let damaged = Array(try Data(contentsOf: Self.golden.appending(path: "invalid/tt-missing.pb")))
    _ = other.replicate(Self.request(damaged, from: "by-dev"))
    #expect(other.isDead && other.revive())
    _ = try await other.call("GetVersion", [])
  }

  // MARK: Transactions

  @Test func `transactions are confirmed at their commit, once`() async throws {
    let source = Sandbox(.test(clusterID: "by-dev", pchannels: 2))
    try await source.createCollection("c")
    try await source.insert("c", keys: [1, 2])
    try await source.upsert("c", keys: [1])
    try await source.insert("c", keys: [3])
    let log = try source.logs()[0]
    let target = try await secondary()
    func send(_ message: LogMessage) -> ReplicateOutcome {
      target.replicate(Self.request(Array(message.bytes[message.range]), from: "by-dev"))
    }
    let begin = try #require(log.firstIndex { $0.type == .beginTxn })
    for message in log[..<begin] {
      #expect(send(message) == .confirmed(message.timeTick.rawValue, isApplied: true))
    }
    // Cut off before the commit, and sent again from the begin: taken once.
    for message in log[begin..<(begin + 3)] + log[begin..<(begin + 3)] { #expect(send(message) == .silent) }
    guard case .end = send(log[begin + 4]) else {
      Issue.record("a plain message while a transaction is open")
      return
    }
    let commit = log[begin + 3]
    #expect(send(commit) == .confirmed(commit.timeTick.rawValue, isApplied: true))
    #expect(send(commit) == .confirmed(commit.timeTick.rawValue, isApplied: false))
    for message in log[begin..<(begin + 3)] { #expect(send(message) == .silent) }
    #expect(send(log[0]) == .confirmed(log[0].timeTick.rawValue, isApplied: false))
    let last = log[begin + 4]
    #expect(send(last) == .confirmed(last.timeTick.rawValue, isApplied: true))
    let checkpoint = target.withState { $0.replication.checkpoints["by-prod-rootcoord-dml_0"] }
    #expect(checkpoint?.timeTick == last.timeTick && checkpoint?.messageID == last.lastConfirmedID)
    #expect(target.withState { $0.rows.values.map(\.rowCount) } == [3])
  }

  @Test func `rows of a collection that never came end the stream`() async throws {
    let source = Sandbox(.test(clusterID: "by-dev", pchannels: 2))
    try await source.createCollection("c")
    try await source.insert("c", keys: [1])
    let target = try await secondary()
    let insert = try #require(try source.logs()[0].last)
    guard case .end = target.replicate(Self.request(Array(insert.bytes[insert.range]), from: "by-dev")) else {
      Issue.record("the insert was taken")
      return
    }
    #expect(
      target.withState { $0.replication.checkpoints["by-prod-rootcoord-dml_0"]?.timeTick.rawValue } == 0)
  }

  // MARK: Roles

  @Test func `a secondary refuses its own clients, shows what came, and is promoted by force`() async throws {
    let target = try await secondary()
    let refused = try await target.json("CreateDatabase", ["db_name": "d"])
    #expect(
      refused.integer("code") == 65535
        && refused.text("reason").contains("STREAMING_CODE_REPLICATE_VIOLATION"))
    let shown = try await target.json("GetReplicateConfiguration", [:])
    #expect(shown.object("configuration").objects("clusters").count == 2)
    let info = try await target.json(
      "GetReplicateInfo", ["source_cluster_id": "by-dev", "target_pchannel": "by-prod-rootcoord-dml_1"])
    #expect(info.object("checkpoint").text("pchannel") == "by-dev-rootcoord-dml_1")
    var alone = Self.configuration("by-dev", "by-prod", count: 2)
    #expect(try await Self.update(target, ReplicateConfiguration(), force: true).integer("code") == 65535)
    #expect(try await Self.update(target, alone, force: true).integer("code") == 65535)
    alone.clusters.removeFirst()
    alone.topology = []
    #expect(try await Self.update(target, alone, force: true).integer("code") == 0)
    let after = try await target.json(
      "GetReplicateInfo", ["source_cluster_id": "by-dev", "target_pchannel": "by-prod-rootcoord-dml_1"])
    #expect(after["checkpoint"] == nil && after.object("salvage_checkpoint").text("cluster_id") == "by-dev")
    #expect(try await target.json("CreateDatabase", ["db_name": "d"]).integer("code") == 0)
    #expect(try await Self.update(target, alone, force: true).integer("code") == 65535)
    await #expect(throws: RPCError.self) { try await Self.update(target, nil, force: true) }
    #expect(target.isDead)
  }

  @Test func `a secondary waits with another configuration until its source has sent it`() async throws {
    let source = Sandbox(.test(clusterID: "by-dev", pchannels: 2))
    let before = Self.configuration("by-dev", "by-prod", count: 2)
    #expect(try await Self.update(source, before).integer("code") == 0)
    let target = try await secondary()
    var reversed = before
    reversed.topology[0] = ReplicateEdge()
    (reversed.topology[0].sourceClusterID, reversed.topology[0].targetClusterID) = ("by-prod", "by-dev")
    let waiting = Task { [reversed] in try await Self.update(target, reversed) }
    await target.untilWaiting()
    #expect(target.withState { $0.replication.isSecondary })
    #expect(try await Self.update(source, reversed).integer("code") == 0)
    for log in try source.logs() {
      for message in log where message.type == .alterReplicateConfig {
        guard
          case .confirmed = target.replicate(
            Self.request(Array(message.bytes[message.range]), from: "by-dev"))
        else {
          Issue.record("\(message) was not taken")
          return
        }
      }
    }
    #expect(try await waiting.value.integer("code") == 0)
    #expect(
      target.withState { !$0.replication.isSecondary } && source.withState { $0.replication.isSecondary })
    _ = try await target.createCollection("c")
  }

  @Test func `calls that real servers never answer are never answered`() async throws {
    let sandbox = Sandbox(.test(pchannels: 1))
    let calls: [(String, JSONObject)] = [
      ("GetReplicateConfiguration", [:]),
      ("GetReplicateInfo", ["source_cluster_id": "x", "target_pchannel": "by-dev-rootcoord-dml_0_vcchan"]),
    ]
    for (method, fields) in calls {
      let running = Task { try await sandbox.json(method, fields) }
      await Task.yield()
      running.cancel()
      await #expect(throws: CancellationError.self) { try await running.value }
    }
    let primary = try await sandbox.json(
      "GetReplicateInfo", ["source_cluster_id": "x", "target_pchannel": "by-dev-rootcoord-dml_0"])
    #expect(primary.isEmpty)
  }
}
