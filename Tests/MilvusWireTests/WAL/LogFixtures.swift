internal import Testing

@testable internal import MilvusWire

/// One message of `Fixtures/wal` or `Fixtures/wal-live` with what Milvus's own code says of it.
struct LogRecording: Sendable, CustomTestStringConvertible {
  /// `v2.6.23/txn-upsert-3-expanded.pbs#1`
  var name: String
  /// An `ImmutableMessage` or a `DumpMessagesResponse`.
  var bytes: [UInt8]
  var isDumpResponse: Bool
  var json: JSONObject
  var testDescription: String { name }

  func message() throws -> LogMessage {
    if isDumpResponse { return try #require(try LogMessage(dumpResponse: bytes)) }
    return try LogMessage(immutableMessage: bytes)
  }
}

enum LogFixtures {
  static let versions = ["v2.6.23", "v3.0.1"]

  /// Every log message that `decoded.json` of either version describes, in the order of the files.
  static let golden: [LogRecording] = versions.flatMap { version -> [LogRecording] in
    guard let root = json("wal/\(version)/decoded.json")?.objectValue else { return [] }
    return root.members.flatMap { file, entry -> [LogRecording] in
      guard !file.hasPrefix("rpc-"), let bytes = try? FixtureFiles.bytes("wal/\(version)/\(file)") else {
        return []
      }
      guard let list = entry.arrayValue else {
        return [recording("\(version)/\(file)", bytes, entry, isDumpResponse: false)].compactMap(\.self)
      }
      let parts = (try? delimited(bytes)) ?? []
      guard parts.count == list.count else { return [] }
      return zip(parts, list).enumerated().compactMap { index, pair in
        recording(
          "\(version)/\(file)#\(index)", pair.0, pair.1, isDumpResponse: file.hasPrefix("sequence-"))
      }
    }
  }

  /// The folders of `Fixtures/wal-live` that hold dumps, with the channels dumped.
  static let liveDumps: [String] =
    ["source", "source-rocksmq", "source-v3", "target", "promote", "switchover/a", "switchover/b"].flatMap {
      folder in
      (0..<4).map { "\(folder)/pchannel-\($0)" }
    } + ["wal-switch/pchannel-0", "wal-switch/pchannel-1"]

  /// The messages of one dump, in order.
  static func live(_ dump: String) throws -> [LogRecording] {
    let list = try #require(json("wal-live/\(dump).json")?.arrayValue)
    let parts = try delimited(FixtureFiles.bytes("wal-live/\(dump).pb"))
    try #require(parts.count == list.count)
    return try zip(parts, list).enumerated().map { index, pair in
      try #require(recording("\(dump)#\(index)", pair.0, pair.1, isDumpResponse: true))
    }
  }

  /// Messages each preceded by its length as a varint.
  static func delimited(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var reader = WireReader(bytes)
    var parts: [[UInt8]] = []
    while !reader.isAtEnd {
      guard case .lengthDelimited(let range) = try reader.content(.lengthDelimited) else { break }
      parts.append(Array(bytes[range]))
    }
    return parts
  }

  static func json(_ name: String) -> JSONValue? {
    guard let bytes = try? FixtureFiles.bytes(name) else { return nil }
    return try? JSONParser.parse(bytes)
  }

  private static func recording(
    _ name: String, _ bytes: [UInt8], _ json: JSONValue, isDumpResponse: Bool
  ) -> LogRecording? {
    json.objectValue.map { LogRecording(name: name, bytes: bytes, isDumpResponse: isDumpResponse, json: $0) }
  }
}

extension JSONValue {
  subscript(key: String) -> JSONValue? { objectValue?[key] }

  /// A number, also one that proto3 JSON writes as text.
  var integer: Int? {
    switch self {
    case .string(let text): Int(text)
    case .number(let number): Int(number.text)
    default: nil
    }
  }
  var unsigned: UInt64? { stringValue.flatMap { UInt64($0) } }
}
