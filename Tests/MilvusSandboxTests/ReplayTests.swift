import MilvusWire
import Testing

@testable import MilvusSandbox

/// The calls of a recorded session, made again to the sandbox: its log must say what the real server's log said.
@Suite(.timeLimit(.minutes(5))) struct ReplayTests {
  static let session = RecordedSession("source")

  /// Steps that cannot be repeated: the recording lacks the request, or holds the canned answer of a stub.
  static let leftOut: Set<String> = [
    "insert c_big 36x60000 B (one shard, transaction by size)", "delete by expression (loaded)",
    "partial upsert (loaded)",
  ]

  @Test func `the log of a recorded session comes out the same`() async throws {
    let sandbox = Sandbox(.test(clusterID: "cdc-src"))
    var refused: [String] = []
    for call in try Self.session.calls("rpc-workload") where !Self.leftOut.contains(call.step) {
      guard let request = call.request, let response = call.response else { continue }
      if call.step.hasPrefix("after restart") { sandbox.restartOnce() }
      // Steps in the database `shop` had its name in their metadata, which the recording has not.
      let database = call.step.hasPrefix("shop:") ? "shop" : ""
      // A write that came with a stale schema was made again at once.
      guard try Self.code(response, call.method) != 109 else { continue }
      let answer = try await sandbox.call(
        call.method, Self.withoutSchemaTick(request, call.method), database: database)
      let (ours, theirs) = (try Self.code(answer, call.method), try Self.code(response, call.method))
      if ours != theirs {
        refused.append(
          "\(call.step) \(call.method): \(try Self.reason(answer, call.method)), recorded \(theirs)")
      }
    }
    #expect(refused.isEmpty, "\(refused.joined(separator: "\n"))")
    try await compareDescriptions(sandbox)
    _ = try await sandbox.call("FlushAll", [])
    let recorded = try (0..<4).map { try Self.session.log($0) }
    let written = try sandbox.logs()
    let (ourShape, theirShape) = (try LogShape(written), try LogShape(recorded))
    for pchannel in 0..<4 {
      let ours = try ourShape.lines(written[pchannel]).filter { !Self.isLeftOut($0) }
      let theirs = try theirShape.lines(recorded[pchannel]).filter { !Self.isLeftOut($0) }
      let difference = theirs.difference(from: ours)
      let report = difference.map { change -> String in
        switch change {
        case .insert(let offset, let line, _): "missing at \(offset): \(line)"
        case .remove(let offset, let line, _): "too much at \(offset): \(line)"
        }
      }.sorted()
      #expect(report.isEmpty, "pchannel \(pchannel):\n\(report.joined(separator: "\n"))")
    }
  }

  /// What describes the state afterwards, asked again with names instead of ids.
  private func compareDescriptions(_ sandbox: Sandbox) async throws {
    let recorded = try (0..<4).map { try Self.session.log($0) }
    let (ourShape, theirShape) = (try LogShape(try sandbox.logs()), try LogShape(recorded))
    let methods: Set = [
      "ListDatabases", "DescribeCollection", "ShowPartitions", "DescribeIndex", "GetLoadState",
    ]
    let writer = JSONWriter(layout: .compact)
    var ours: [String] = [], theirs: [String] = []
    for call in try Self.session.calls("rpc-describe") where methods.contains(call.method) {
      guard let request = call.request, let response = call.response,
        let type = Method.named(call.method).flatMap({ MessageDescriptor(named: $0.responseType) })
      else { continue }
      let answer = try await sandbox.call(call.method, request)
      ours.append(writer.text(of: ourShape.normal(try MessageJSON().json(of: answer, as: type))))
      theirs.append(writer.text(of: theirShape.normal(try MessageJSON().json(of: response, as: type))))
    }
    let report = zip(ours, theirs).filter { $0 != $1 }.map {
      "  missing at 0: D \($1)\n  too much at 0: D \($0)"
    }
    #expect(report.isEmpty, "describe\n\(report.joined(separator: "\n"))")
    #expect(ours.count > 20)
  }

  /// What the steps that are left out wrote: an import, the deletes of a canned query, one large insert.
  private static func isLeftOut(_ line: String) -> Bool {
    line.hasPrefix("Import |") || line.contains(#"["20","20"#)
      || line.contains("<c_big>v0 |") && (line.contains("Txn |") || line.contains(#""rows":"34""#))
      || line.contains("<c_big>v0 |") && line.contains(#""rows":"2""#)
  }

  /// The ticks of the recording say nothing here.
  static func withoutSchemaTick(_ request: [UInt8], _ method: String) throws -> [UInt8] {
    guard method == "Insert" || method == "Upsert" else { return request }
    var reader = WireReader(request), writer = WireWriter()
    while let field = try reader.next() {
      switch field.content {
      case .varint(let value): if field.number != 8 { writer.varint(field.number, value) }
      case .lengthDelimited(let range): writer.lengthDelimited(field.number, request[range])
      case .fixed32(let value): writer.fixed32(field.number, value)
      case .fixed64(let value): writer.fixed64(field.number, value)
      }
    }
    return writer.bytes
  }

  private static func code(_ answer: [UInt8], _ method: String) throws -> Int64 {
    try status(answer, method)["code"]?.int64Value ?? 0
  }
  private static func reason(_ answer: [UInt8], _ method: String) throws -> String {
    try status(answer, method)["reason"]?.stringValue ?? ""
  }
  private static func status(_ answer: [UInt8], _ method: String) throws -> JSONObject {
    let type = try #require(Method.named(method)?.responseType)
    let descriptor = try #require(MessageDescriptor(named: type))
    let json = try #require(try MessageJSON().json(of: answer, as: descriptor).objectValue)
    return type.hasSuffix("common.Status") ? json : json["status"]?.objectValue ?? JSONObject()
  }
}
