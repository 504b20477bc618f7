import Foundation
import MilvusWire
import TestSupport

/// A recording of a real server (`fixtures/wal-live`, copied to `Tests/MilvusWireTests/Fixtures`): its calls and its log.
struct RecordedSession {
  struct Call {
    var step: String
    var method: String
    /// nil: too large to be kept.
    var request: [UInt8]?
    var response: [UInt8]?
    var hasFailed: Bool
  }
  let folder: URL

  init(_ name: String) {
    folder = TestPaths.projectRoot.appending(path: "Tests/MilvusWireTests/Fixtures/wal-live/\(name)")
  }

  func calls(_ name: String) throws -> [Call] {
    let messages = try delimited("\(name).pb")
    let entries = try #require(try JSONParser.parse(bytes("\(name).json")).arrayValue)
    func message(_ entry: JSONObject, _ key: String) -> [UInt8]? {
      guard let index = entry[key]?.int64Value, messages.indices.contains(Int(index)) else { return nil }
      return messages[Int(index)]
    }
    return entries.compactMap(\.objectValue).map { entry in
      Call(
        step: entry["step"]?.stringValue ?? "", method: entry["method"]?.stringValue ?? "",
        request: message(entry, "request_index"), response: message(entry, "response_index"),
        hasFailed: entry["grpc_error"].map { $0 != .null } ?? false)
    }
  }

  /// The log of one pchannel, in the order of delivery.
  func log(_ pchannel: Int) throws -> [LogMessage] {
    try delimited("pchannel-\(pchannel).pb").compactMap { try LogMessage(dumpResponse: $0) }
  }

  enum StreamMessage {
    case request([UInt8])
    /// The source's tick.
    case confirmation(UInt64)
  }

  /// One replicate stream, requests and answers as they came.
  func stream(_ pchannel: Int) throws -> [StreamMessage] {
    let messages = try delimited("stream-\(pchannel).pb")
    let entries = try #require(try JSONParser.parse(bytes("stream-\(pchannel).json")).arrayValue)
    return zip(messages, entries).map { message, entry in
      if entry.objectValue?["direction"]?.stringValue == "request" { return .request(message) }
      let tick = entry.objectValue?["confirmed_time_tick"]
      return .confirmation(tick?.stringValue.flatMap { UInt64($0) } ?? tick?.uint64Value ?? 0)
    }
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: folder.appending(path: name)))
  }

  private func delimited(_ name: String) throws -> [[UInt8]] {
    let all = try bytes(name)
    var messages: [[UInt8]] = []
    var reader = WireReader(all)
    while !reader.isAtEnd {
      guard case .lengthDelimited(let range) = try reader.content(.lengthDelimited) else { break }
      messages.append(Array(all[range]))
    }
    return messages
  }
}
import Testing
