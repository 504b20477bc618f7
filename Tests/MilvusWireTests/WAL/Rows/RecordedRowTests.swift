import MilvusWire
import TestSupport
import Testing

/// Rows of real logs against the requests that wrote them: column by column, row by row.
@Suite struct RecordedRowTests {
  /// Converted rows of the log, under the name by which the request called the collection.
  private struct Logged {
    var name: String
    var schema: CollectionSchema
    var columns: RowColumns
  }

  private static func logged(_ folder: String) throws -> [Logged] {
    try RecordedRows(folder).inserts.map { insert in
      let converter = try LogRowConverter(schema: insert.collection.schema, keepsOutputs: false)
      let rows = try converter.rows(of: insert.message, insert.rows)
      #expect(rows.unknownColumns.isEmpty)
      return Logged(name: insert.rows.collectionName, schema: insert.collection.schema, columns: rows.columns)
    }
  }

  /// The calls that wrote rows, in order: Insert and Upsert that were answered with success.
  private static func writes(_ folder: String) throws -> [RecordedRows.Call] {
    try RecordedRows.calls("\(folder)/rpc-workload").filter { call in
      guard call.method == "Insert" || call.method == "Upsert", call.request != nil else { return false }
      let status = (call.json["response"] as? [String: Any])?["status"] as? [String: Any]
      return status?["code"] == nil && status?["error_code"] == nil
    }
  }

  @Test(arguments: RecordedRows.folders)
  func `every row of every request is in the log, with the same values, and nothing else is`(folder: String) throws {
    let logged = try Self.logged(folder)
    var taken: Set<[Int]> = []
    var compared = 0
    for call in try Self.writes(folder) {
      let bytes = try #require(call.request)
      let name = try Self.collectionName(bytes)
      let pieces = logged.indices.filter { logged[$0].name == name }
      let schema = try #require(pieces.first.map { logged[$0].schema }, "\(name)")
      let newest = try #require(pieces.map { logged[$0].schema }.max { $0.version < $1.version })
      var request = try RequestedRows(bytes, schema: newest)
      // An upsert names the row that it replaces by a key; the new row gets one from the server.
      if call.method == "Upsert", let key = newest.primaryKey, key.autoID { request.columns.removeAll { $0.name == key.name } }
      // A partial update adds its keys to those that the row had.
      if request.isPartialUpdate { request.columns.removeAll(where: \.isDynamic) }
      #expect(schema.name == newest.name && request.rowCount > 0)
      for row in 0..<request.rowCount {
        let place = pieces.lazy.flatMap { piece in (0..<logged[piece].columns.rowCount).lazy.map { [piece, $0] } }.first { place in
          !taken.contains(place) && Self.isSame(request, row, logged[place[0]].columns, place[1], newest)
        }
        let found = try #require(place, "\(call.step): row \(row) of \(name) is not in the log")
        taken.insert(found)
        compared += 1
      }
    }
    let left = logged.indices.filter { piece in !(0..<logged[piece].columns.rowCount).allSatisfy { taken.contains([piece, $0]) } }
    // The one request that was too large to be recorded.
    #expect(left.allSatisfy { logged[$0].name == "c_big" })
    #expect(left.reduce(0) { $0 + logged[$1].columns.rowCount } == 36)
    #expect(compared > 80)
  }

  /// Columns that the request had; a null for a field with a default is the default in the log.
  private static func isSame(_ request: RequestedRows, _ row: Int, _ columns: RowColumns, _ other: Int, _ schema: CollectionSchema) -> Bool
  {
    for column in request.columns {
      guard let logged = columns.columns.first(where: { $0.name == column.name }) else { return false }
      if logged.isEqual(other, column, row) { continue }
      guard column.isNull(row), let field = schema.fields.first(where: { $0.name == column.name }), let value = field.defaultValue else {
        return false
      }
      guard isDefault(logged, other, field, value) else { return false }
    }
    return true
  }

  private static func isDefault(_ column: Column, _ row: Int, _ field: FieldSchema, _ value: DefaultValue) -> Bool {
    guard let bytes = try? column.encoded(.rows([Int32(row)]), as: ColumnForm(field, acceptsFlags: true)),
      let decoded = try? FakeColumn.decode(bytes)
    else { return false }
    switch value {
    case .long(let number): return decoded.values == [.int(number)]
    case .string(let text): return decoded.values == [.text(text)]
    default: return false
    }
  }

  private static func collectionName(_ request: [UInt8]) throws -> String {
    var reader = WireReader(request)
    while let field = try reader.next() {
      if field.number == 3, let range = field.range { return String(decoding: request[range], as: UTF8.self) }
    }
    return ""
  }

  @Test(arguments: RecordedRows.folders)
  func `what is made of the log passes the guard, whole and joined with its neighbours`(folder: String) throws {
    let logged = try Self.logged(folder)
    #expect(Set(logged.map(\.name)).count > 10)
    var parts: [String: [RowPart]] = [:]
    for piece in logged {
      try check(piece.columns, piece.schema)
      // Both orders: parts with and without a column of a newer field stand beside each other.
      parts["\(piece.schema.name) \(piece.columns.columns.count)", default: []].append(RowPart(piece.columns))
    }
    for (name, parts) in parts {
      let schema = try #require(
        logged.last { name.hasPrefix("\($0.schema.name) ") && $0.columns.columns.count == parts[0].columns.columns.count }?.schema)
      let joined = try RowColumns.joined(parts)
      #expect(joined.rowCount == parts.reduce(0) { $0 + $1.count })
      try check(joined, schema)
      var row = 0
      for part in parts {
        for other in 0..<part.columns.rowCount {
          #expect(joined.key.key(row) == part.columns.key.key(other))
          for (a, b) in zip(joined.columns, part.columns.columns) { #expect(a.isEqual(row, b, other), "\(name) \(a.name)") }
          row += 1
        }
      }
    }
  }

  private func check(_ columns: RowColumns, _ schema: CollectionSchema) throws {
    let converter = try LogRowConverter(schema: schema, keepsOutputs: false)
    var encoded: [[UInt8]] = []
    for (column, field) in zip(columns.columns, converter.fields) { encoded.append(try column.encoded(.all, as: Self.form(field, schema))) }
    var target = schema
    target.fields = target.fields.filter { !$0.isFunctionOutput }
    try ColumnGuard(schema: target, acceptsNullFlags: true).check(
      RowBatch(path: CollectionPath(database: "", name: schema.name), columns: encoded, rowCount: columns.rowCount))
  }

  static func form(_ field: FieldSchema, _ schema: CollectionSchema) -> ColumnForm {
    if let whole = schema.structArrayFields.first(where: { $0.name == field.name }) { return ColumnForm(whole, acceptsFlags: true) }
    return ColumnForm(field, acceptsFlags: true)
  }

  @Test(arguments: RecordedRows.folders)
  func `a nullable struct is written as the client wrote it`(folder: String) throws {
    for call in try Self.writes(folder) where call.step == "insert x3 with struct" {
      let bytes = try #require(call.request)
      let piece = try #require(
        try Self.logged(folder).first { $0.name == "x3" && $0.columns.columns.contains { $0.name == "st" && $0.rowCount == 2 } })
      let column = try #require(piece.columns.columns.first { $0.name == "st" })
      let whole = try #require(piece.schema.structArrayFields.first)
      let written = try column.encoded(.all, as: ColumnForm(whole, acceptsFlags: true))
      var reader = WireReader(bytes)
      var sent: [UInt8] = []
      while let field = try reader.next() {
        guard field.number == 5, let range = field.range else { continue }
        if try RequestedRows.name(bytes, range) == "st" { sent = Array(bytes[range]) }
      }
      #expect(!sent.isEmpty)
      let again = try FakeStruct.decode(written), client = try FakeStruct.decode(sent)
      #expect(again.map(\.name) == client.map(\.name))
      #expect(again.map(\.values) == client.map(\.values))
      #expect(again.map(\.hasFlags) == client.map(\.hasFlags))
      #expect(again.map(\.valueCount) == client.map(\.valueCount))
    }
  }

  @Test(arguments: RecordedRows.folders)
  func `every column cut short or damaged is refused or read, and never traps`(folder: String) throws {
    var generator = SeededGenerator(seed: 7)
    var refused = 0
    for insert in try RecordedRows(folder).inserts where insert.rows.rowCount < 8 && insert.rows.collectionName != "c_big" {
      let converter = try LogRowConverter(schema: insert.collection.schema, keepsOutputs: false)
      let columns = insert.rows.columns.map { Array($0) }
      for index in columns.indices {
        for _ in 0..<30 {
          var damaged = columns
          let at = Int.random(in: 0..<damaged[index].count, using: &generator)
          if Bool.random(using: &generator) {
            damaged[index].removeLast(damaged[index].count - at)
          } else {
            damaged[index][at] ^= UInt8.random(in: 1...255, using: &generator)
          }
          guard let rows = try? converter.rows(damaged.map { $0[...] }, rowCount: insert.rows.rowCount) else {
            refused += 1
            continue
          }
          for (column, field) in zip(rows.columns.columns, converter.fields) {
            _ = try? column.encoded(.all, as: Self.form(field, insert.collection.schema))
            for row in 0..<rows.columns.rowCount { _ = column.isEqual(row, column, 0) }
          }
        }
      }
    }
    #expect(refused > 500)
  }
}

/// The columns inside a struct's FieldData.
enum FakeStruct {
  static func decode(_ bytes: [UInt8]) throws -> [FakeColumn.Decoded] {
    var reader = WireReader(bytes)
    var result: [FakeColumn.Decoded] = []
    while let field = try reader.next() {
      guard field.number == 8, let range = field.range else { continue }
      var inner = WireReader(bytes, in: range)
      while let member = try inner.next() {
        if let range = member.range { result.append(try FakeColumn.decode(Array(bytes[range]))) }
      }
    }
    return result
  }
}
