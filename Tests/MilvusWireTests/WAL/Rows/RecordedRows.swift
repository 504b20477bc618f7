import Foundation
import MilvusWire
import TestSupport

/// Rows and schemas that live servers wrote to their logs, and the calls that made them (`Fixtures/wal-live/README.md`).
struct RecordedRows {
  static let folders = ["source", "source-v3"]

  /// One insert of the log, with the collection as the log had described it at that place of its channel.
  struct Insert {
    var message: LogMessage
    var rows: InsertRows
    var collection: CollectionDescription
  }
  /// A call that was made; `request` and `response` are the bytes on the wire.
  struct Call {
    var method: String
    var step: String
    var request: [UInt8]?
    var response: [UInt8]?
    var json: [String: Any]
  }

  var inserts: [Insert] = []
  /// What the control channel leads to.
  var collections: [Int64: CollectionDescription] = [:]
  var deletes: [DeleteRows] = []
  var unknownPaths: [String] = []

  init(_ folder: String) throws {
    for number in 0..<4 {
      // Rows are ordered against their own channel's copies of a schema change only.
      var seen: [Int64: CollectionDescription] = [:]
      for bytes in try Self.delimited("\(folder)/pchannel-\(number).pb") {
        guard let message = try LogMessage(dumpResponse: bytes) else { continue }
        if ChannelName.isControl(message.vchannel) {
          unknownPaths += try Self.advance(&collections, message)
        } else {
          _ = try Self.advance(&seen, message)
          switch try LogChange(message) {
          case .insert(_, let rows):
            guard let collection = seen[rows.collectionID] else { continue }
            inserts.append(Insert(message: message, rows: rows, collection: collection))
          case .delete(_, let rows): deletes.append(rows)
          default: break
          }
        }
      }
    }
  }

  private static func advance(_ collections: inout [Int64: CollectionDescription], _ message: LogMessage) throws -> [String] {
    switch try LogChange(message) {
    case .createCollection(let change):
      collections[change.collectionID] = try CollectionDescription(created: change, database: "default", at: message.timeTick)
    case .alterCollection(let change):
      return collections[change.collectionID]?.apply(change, at: message.timeTick) ?? []
    case .dropCollection(let change): collections[change.collectionID] = nil
    case .createPartition(let change): collections[change.collectionID]?.numPartitions += 1
    case .dropPartition(let change): collections[change.collectionID]?.numPartitions -= 1
    default: break
    }
    return []
  }

  // MARK: Files

  static func file(_ name: String) throws -> Data {
    try Data(contentsOf: TestPaths.projectRoot.appending(path: "Tests/MilvusWireTests/Fixtures/wal-live").appending(path: name))
  }

  /// Messages, each behind its length.
  static func delimited(_ name: String) throws -> [[UInt8]] {
    let bytes = Array(try file(name))
    var reader = WireReader(bytes)
    var messages: [[UInt8]] = []
    while !reader.isAtEnd {
      guard case .lengthDelimited(let range) = try reader.content(.lengthDelimited) else { break }
      messages.append(Array(bytes[range]))
    }
    return messages
  }

  static func calls(_ name: String) throws -> [Call] {
    let messages = try delimited("\(name).pb")
    let entries = try JSONSerialization.jsonObject(with: try file("\(name).json")) as? [[String: Any]] ?? []
    return entries.map { entry in
      func message(_ key: String) -> [UInt8]? {
        (entry[key] as? Int).flatMap { messages.indices.contains($0) ? messages[$0] : nil }
      }
      let method = (entry["method"] as? String ?? "").split(separator: "/").last.map(String.init) ?? ""
      return Call(
        method: method, step: entry["step"] as? String ?? "", request: message("request_index"), response: message("response_index"),
        json: entry)
    }
  }
}

/// The rows of a public Insert or Upsert as columns, read by the codec for answers.
struct RequestedRows {
  var collectionName = ""
  var rowCount = 0
  var isPartialUpdate = false
  var columns: [Column] = []

  /// `schema` says the types; a synthetic key makes a page of the request, since an auto-ID request has none.
  init(_ request: [UInt8], schema: CollectionSchema) throws {
    var reader = WireReader(request)
    var page = RowPage(bytes: request, columns: [])
    var names: [String] = []
    while let field = try reader.next() {
      switch (field.number, field.content) {
      case (3, .lengthDelimited(let range)): collectionName = String(decoding: request[range], as: UTF8.self)
      case (5, .lengthDelimited(let range)):
        page.columns.append(range)
        names.append(try Self.name(request, range))
      case (7, .varint(let value)): rowCount = Int(value)
      case (9, .varint(let value)): isPartialUpdate = value != 0
      default: break
      }
    }
    var key = FieldSchema(name: "synthetic key", dataType: .int64)
    key.isPrimaryKey = true
    let keys = FakeColumn.encode(key, (0..<rowCount).map { .int(Int64($0)) })
    page.columns.append(page.bytes.count..<page.bytes.count + keys.count)
    page.bytes += keys
    var fields = schema.fields + schema.structArrayFields.map { FieldSchema(name: $0.name, dataType: .arrayOfStruct) }
    fields.append(LogSchema.dynamicField)
    columns = try RowColumns.parse(page, fields: fields.filter { names.contains($0.name) } + [key], key: key.name).columns.dropLast()
  }

  static func name(_ bytes: [UInt8], _ range: Range<Int>) throws -> String {
    var reader = WireReader(bytes, in: range)
    var name = ""
    while let field = try reader.next() {
      if field.number == 2, let text = field.range { name = String(decoding: bytes[text], as: UTF8.self) }
    }
    return name
  }
}
