import MilvusWire

/// What a log says, in a form that two clusters can share: ids replaced by the names that they stand for, ticks and other numbers of
/// that size by `#`, and everything that servers order by chance put in order.
struct LogShape {
  private var names: [String: String] = [:]

  /// Learns names from the messages that give them out.
  init(_ logs: [[LogMessage]]) throws {
    for message in logs.joined() {
      guard
        message.type == .createCollection || message.type == .createPartition || message.type == .createIndex
          || message.type == .createDatabase
      else { continue }
      let (header, body) = (try Self.header(message), try Self.body(message))
      let collection = body["collectionName"]?.stringValue ?? ""
      if let id = body["collectionID"]?.stringValue, !collection.isEmpty { names[id] = "<\(collection)>" }
      let partitions = zip(body["partitionIDs"]?.arrayValue ?? [], body["partitionNames"]?.arrayValue ?? [])
      for (id, name) in partitions {
        names[id.stringValue ?? ""] = "<\(collection)/\(name.stringValue ?? "")>"
      }
      if let id = body["partitionID"]?.stringValue, let name = body["partition_name"]?.stringValue {
        names[id] = "<\(body["collection_name"]?.stringValue ?? "")/\(name)>"
      }
      if let id = header["index_id"]?.stringValue {
        names[id] = "<index \(header["index_name"]?.stringValue ?? "")>"
      }
      if message.type == .createDatabase, let id = header["db_id"]?.stringValue {
        names[id] = "<database \(header["db_name"]?.stringValue ?? "")>"
      }
    }
  }

  private static func header(_ message: LogMessage) throws -> JSONObject {
    try json(Array(message.header), message.type.headerProto)
  }
  private static func body(_ message: LogMessage) throws -> JSONObject {
    try json(Array(message.payload), message.type.bodyProto)
  }
  private static func json(_ bytes: [UInt8], _ type: String?) throws -> JSONObject {
    guard let descriptor = type.flatMap({ MessageDescriptor(named: $0) }) else { return JSONObject() }
    return try MessageJSON().json(of: bytes, as: descriptor).objectValue ?? JSONObject()
  }

  /// One line per message; copies of a broadcast that follow each other on one pchannel stand in the order of their channels, an upsert's
  /// delete before its insert.
  func lines(_ log: [LogMessage]) throws -> [String] {
    var lines: [(group: String, line: String)] = []
    for message in log {
      let group = message.broadcast.map { "b\($0.id)" } ?? message.transaction.map { "t\($0.id)" } ?? ""
      lines.append((group, try line(message)))
    }
    var ordered: [String] = []
    var start = 0
    while start < lines.count {
      var end = start + 1
      while end < lines.count, !lines[start].group.isEmpty, lines[end].group == lines[start].group {
        end += 1
      }
      ordered += lines[start..<end].map(\.line).sorted()
      start = end
    }
    return ordered
  }

  private func line(_ message: LogMessage) throws -> String {
    var parts = ["\(message.type)", "on \(symbolic(message.vchannel))", "v\(message.version)"]
    let keys = message.properties.map(\.key).filter { $0 != "_wt" }.sorted().joined(separator: " ")
    parts.append(keys)
    if let broadcast = message.broadcast {
      parts.append("to \(broadcast.vchannels.map(symbolic).sorted())")
      parts.append(
        "\(broadcast.resourceKeys.map { "\($0.domain):\($0.key):\($0.isShared)" }.sorted()) \(broadcast.ackSyncUp)"
      )
    }
    if let transaction = message.transaction {
      parts.append("keepalive \(transaction.keepaliveMilliseconds)")
    }
    let writer = JSONWriter(layout: .compact)
    parts.append(writer.text(of: normal(.object(try Self.header(message)))))
    parts.append(writer.text(of: normal(.object(try Self.body(message)))))
    return parts.joined(separator: " | ")
  }

  // MARK: Values

  /// Sizes, hashes and the node's number are the server's own.
  private static let ownKeys: Set<String> = [
    "sourceID", "binary_size", "encrypted_password", "sha256_password", "created_utc_timestamps",
    "created_utc_timestamp",
    "indexed_rows", "total_rows",
  ]

  func normal(_ value: JSONValue) -> JSONValue {
    switch value {
    case .string(let text): return .string(symbolic(text))
    case .array(let list):
      let values = list.map(normal)
      let isPairs = values.allSatisfy {
        $0.objectValue?["key"] != nil || $0.objectValue?["index_name"] != nil
      }
      let writer = JSONWriter(layout: .compact)
      return .array(isPairs ? values.sorted { writer.text(of: $0) < writer.text(of: $1) } : values)
    case .object(let object):
      return .object(
        JSONObject(
          object.members.map { ($0.key, Self.ownKeys.contains($0.key) ? .string("*") : normal($0.value)) }))
    case .number, .bool, .null: return value
    }
  }

  /// Runs of fifteen digits and more are ids or ticks.
  func symbolic(_ text: String) -> String {
    var result = "", digits = ""
    func flush() {
      result += digits.utf8.count < 15 ? digits : names[digits] ?? "#"
      digits = ""
    }
    for character in text {
      if ("0"..."9").contains(character) {
        digits.append(character)
      } else {
        flush()
        result.append(character)
      }
    }
    flush()
    return result
  }
}
