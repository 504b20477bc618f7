import Foundation
import MilvusWire
import TestSupport
import Testing

/// Rows of the log by rule: golden bytes written to the fact sheet, random rows there and back, and what is refused.
@Suite struct LogRowTests {
  private static func golden(_ name: String) throws -> LogMessage {
    let folder = TestPaths.projectRoot.appending(path: "Tests/MilvusWireTests/Fixtures/wal/v2.6.23")
    return try LogMessage(immutableMessage: Array(try Data(contentsOf: folder.appending(path: name))))
  }

  private static func orders() throws -> CollectionSchema {
    guard case .createCollection(let change) = try LogChange(try golden("msg-005-create-collection.pb")) else {
      return CollectionSchema(name: "")
    }
    return try CollectionDescription(created: change, database: "", at: TimeTick(1)).schema
  }

  private static func insert(_ name: String) throws -> (LogMessage, InsertRows) {
    let message = try golden(name)
    guard case .insert(_, let rows) = try LogChange(message) else { return (message, InsertRows()) }
    return (message, rows)
  }

  private static func values(_ rows: RowColumns, _ converter: LogRowConverter, _ name: String) throws -> [FakeValue] {
    let index = try #require(converter.fields.firstIndex { $0.name == name })
    return try FakeColumn.decode(try rows.columns[index].encoded(.all, as: ColumnForm(converter.fields[index], acceptsFlags: true))).values
  }

  @Test func `three golden rows of every type are the rows that the fact sheet says`() throws {
    let converter = try LogRowConverter(schema: try Self.orders(), keepsOutputs: false)
    let (message, insert) = try Self.insert("msg-002-insert-all-types.pb")
    let result = try converter.rows(of: message, insert)
    #expect(result.unknownColumns.isEmpty)
    func values(_ name: String) throws -> [FakeValue] { try Self.values(result.columns, converter, name) }
    #expect(try values("id") == [.int(1), .int(2), .int(3)])
    #expect(try values("b") == [.bool(true), .bool(false), .bool(true)])
    #expect(try values("i8") == [.int(-128), .int(0), .int(127)])
    #expect(try values("i16") == [.int(-32768), .int(0), .int(32767)])
    #expect(try values("i32") == [.int(-2_147_483_648), .int(0), .int(2_147_483_647)])
    #expect(try values("i64") == [.int(.min), .null, .int(.max)])
    #expect(try values("f32") == [.float(-1.5), .float(0), .float(3.25)])
    #expect(try values("f64") == [.double(-2.5), .double(0), .double(1e300)])
    #expect(try values("txt") == [.text("plain"), .text(""), .text("Grüße 中文 \u{1}")])
    #expect(try values("js") == [.text("{\"k\":1}"), .null, .text("[1,\"x\",null]")])
    #expect(try values("geo") == [.text("POINT (1 2)"), .null, .text("POINT (0 -3)")])
    #expect(try values("at") == [.text("2026-10-01T00:00:00+00:00"), .null, .text("1969-12-31T23:59:59.999999+00:00")])
    #expect(try values("a_bool") == [.array([.bool(true), .bool(false)]), .array([]), .array([.bool(true)])])
    #expect(try values("a_i64") == [.array([.int(4)]), .null, .array([.int(5), .int(6)])])
    #expect(try values("a_txt") == [.array([.text("x"), .text("")]), .array([]), .array([.text("y")])])
    #expect(try values("v_f32")[1] == .floats([2, 2, 2, 2]))
    #expect(try values("v_bin") == [.vector([1, 2]), .vector([3, 4]), .vector([255, 0])])
    #expect(try values("v_i8")[0] == .vector([0x80, 0xFF, 0, 0x7F]))
    #expect(try values("v_sparse")[1] == .vector([]))
    #expect(try values("v_null") == [.floats([1, 2]), .null, .floats([5, 6])])
    #expect(try values("with_default") == [.int(1), .int(42), .int(42)])
    #expect(try values("$meta") == [.text("{\"extra\":1}"), .text("{}"), .text("{\"nested\":{\"a\":[1,2]}}")])
    #expect(!converter.fields.contains { ["v_bm25", "RowID", "Timestamp"].contains($0.name) })
    let parts = try #require(result.columns.columns.first { $0.name == "parts" })
    let whole = try #require(try Self.orders().structArrayFields.first)
    let inner = try FakeStruct.decode(try parts.encoded(.all, as: ColumnForm(whole, acceptsFlags: true)))
    #expect(inner.map(\.name) == ["sku", "emb"])
    #expect(inner[0].values == [.array([.text("s1"), .text("s2")]), .array([]), .array([.text("s3")])])
    #expect((0..<3).map { result.columns.key.key($0) } == [.int(1), .int(2), .int(3)])
    #expect(LogPartition.name(insert.partitionName, in: try Self.orders()) == "", "a partition key chooses the partition")
  }

  @Test func `columns that are null in every row, or in none, and columns that are missing`() throws {
    var schema = try Self.orders()
    let (message, insert) = try Self.insert("msg-002-insert-nested-null.pb")
    let names: Set<String> = ["id", "i64", "js", "v_null", "at", "with_default"]
    schema.fields = schema.fields.filter { names.contains($0.name) }
    schema.structArrayFields = []
    schema.functions = []
    let converter = try LogRowConverter(schema: schema, keepsOutputs: false)
    let rows = try converter.rows(of: message, insert).columns
    #expect(rows.rowCount == 2)
    for name in ["i64", "v_null", "at", "with_default"] {
      #expect(try Self.values(rows, converter, name) == [.null, .null], "\(name)")
    }
    #expect(try Self.values(rows, converter, "js") == [.text("{}"), .text("[]")])
    #expect(try Self.values(rows, converter, "$meta") == [.text("{}"), .text("{}")], "older than the dynamic field")
    schema.fields.append(FieldSchema(name: "must", dataType: .int64))
    let strict = try LogRowConverter(schema: schema, keepsOutputs: false)
    let error = #expect(throws: ColumnError.self) { try strict.rows(of: message, insert) }
    #expect(error?.field == "must")
  }

  @Test func `columns are known by their ids, whatever their names are now`() throws {
    var schema = try Self.orders()
    let (message, insert) = try Self.insert("msg-002-insert-all-types.pb")
    let before = try LogRowConverter(schema: schema, fields: schema.fields.filter { ["id", "txt"].contains($0.name) })
    let old = try before.rows(of: message, insert)
    #expect(old.columns.columns.map(\.name) == ["id", "txt"])
    let index = try #require(schema.fields.firstIndex { $0.name == "txt" })
    schema.fields[index].name = "renamed"
    let after = try LogRowConverter(schema: schema, fields: schema.fields.filter { ["id", "renamed"].contains($0.name) })
    let new = try after.rows(of: message, insert)
    #expect(new.columns.columns.map(\.name) == ["id", "renamed"] && new.unknownColumns.isEmpty)
    for row in 0..<new.columns.rowCount { #expect(new.columns.columns[1].isEqual(row, old.columns.columns[1], row)) }
    // Dropped, and added again under the old name: another field, for which these rows have nothing.
    schema.fields[index].name = "txt"
    schema.fields[index].fieldID = 900
    schema.fields[index].nullable = true
    let again = try LogRowConverter(schema: schema, fields: schema.fields.filter { ["id", "txt"].contains($0.name) })
    let gone = try again.rows(of: message, insert)
    #expect(gone.unknownColumns == ["txt"])
    #expect((0..<gone.columns.rowCount).allSatisfy { gone.columns.columns[1].isNull($0) })
    // Names decide where the schema has no ids.
    for place in schema.fields.indices { schema.fields[place].fieldID = 0 }
    for place in schema.structArrayFields.indices {
      for inner in schema.structArrayFields[place].fields.indices { schema.structArrayFields[place].fields[inner].fieldID = 0 }
    }
    let named = try LogRowConverter(schema: schema, fields: schema.fields.filter { ["id", "txt"].contains($0.name) })
    #expect(try named.rows(of: message, insert).columns.columns[1].bytes(0) == old.columns.columns[1].bytes(0))
  }

  @Test func `outputs of models stay or go as told, outputs of BM25 go`() throws {
    var schema = try Self.orders()
    var embedding = FunctionSchema(name: "embed", type: 2)
    (embedding.inputFieldNames, embedding.outputFieldNames) = (["txt"], ["v_f32"])
    schema.functions.append(embedding)
    let index = try #require(schema.fields.firstIndex { $0.name == "v_f32" })
    schema.fields[index].isFunctionOutput = true
    #expect(try LogRowConverter(schema: schema, keepsOutputs: true).fields.contains { $0.name == "v_f32" })
    let without = try LogRowConverter(schema: schema, keepsOutputs: false)
    #expect(!without.fields.contains { $0.name == "v_f32" || $0.name == "v_bm25" })
    let (message, insert) = try Self.insert("msg-002-insert-all-types.pb")
    #expect(try without.rows(of: message, insert).unknownColumns.isEmpty)
  }

  @Test(arguments: [(DataType.mol, "Mol"), (.date, "Date"), (.time, "Time"), (.decimal, "Decimal"), (DataType(rawValue: 99), "type 99")])
  func `types without a known public form are refused by name`(type: DataType, title: String) throws {
    var schema = try Self.orders()
    schema.fields.append(FieldSchema(name: "new", dataType: type))
    let error = #expect(throws: ColumnError.self) { try LogRowConverter(schema: schema, keepsOutputs: false) }
    #expect(try #require(error).field == "new" && #require(error).what.contains(title))
  }

  @Test func `encrypted rows are refused, and columns that do not fit the insert`() throws {
    let converter = try LogRowConverter(schema: try Self.orders(), keepsOutputs: false)
    let encrypted = try Self.golden("prop-cipher-insert.pb")
    let refusal = #expect(throws: ColumnError.self) { try converter.rows(of: encrypted, InsertRows()) }
    #expect(try #require(refusal).what.contains("encrypted"))
    var (message, insert) = try Self.insert("msg-002-insert-all-types.pb")
    for count in [0, 2, 4, Int.max] {
      insert.rowCount = count
      #expect(throws: ColumnError.self) { try converter.rows(of: message, insert) }
    }
    insert.rowCount = 3
    let columns = insert.columns
    insert.columns.append(columns[0])
    #expect(throws: ColumnError.self) { try converter.rows(of: message, insert) }
    insert.columns = columns
    insert.version = 0
    #expect(throws: ColumnError.self) { try converter.rows(of: message, insert) }
  }

  @Test func `flags in the data count before flags beside it, and must not differ`() throws {
    var schema = CollectionSchema(name: "c")
    var key = FieldSchema(name: "id", dataType: .int64)
    (key.isPrimaryKey, key.fieldID) = (true, 100)
    var number = FieldSchema(name: "n", dataType: .int64)
    (number.nullable, number.fieldID) = (true, 101)
    schema.fields = [key, number]
    let converter = try LogRowConverter(schema: schema, keepsOutputs: false)
    let keys = FakeColumn.encode(key, [.int(1), .int(2)], fieldID: 100)
    func column(inner: [UInt8], outer: [UInt8]) -> [UInt8] {
      var scalars = WireWriter()
      scalars.lengthDelimited(3, [0x0A, 0x02, 0x07, 0x00])
      scalars.lengthDelimited(17, inner)
      var data = WireWriter()
      data.lengthDelimited(3, scalars.bytes)
      data.varint(5, 101)
      if !outer.isEmpty { data.lengthDelimited(7, outer) }
      return data.bytes
    }
    for outer in [[], [1, 0]] as [[UInt8]] {
      let rows = try converter.rows([keys[...], column(inner: [1, 0], outer: outer)[...]], rowCount: 2).columns
      #expect(try Self.values(rows, converter, "n") == [.int(7), .null])
    }
    #expect(throws: ColumnError.self) { try converter.rows([keys[...], column(inner: [1, 0], outer: [1, 1])[...]], rowCount: 2) }
  }

  @Test func `null elements of an array are refused, and flags without any are left out`() throws {
    var schema = CollectionSchema(name: "c")
    var key = FieldSchema(name: "id", dataType: .int64)
    (key.isPrimaryKey, key.fieldID) = (true, 100)
    var list = FieldSchema(name: "a", dataType: .array)
    (list.elementType, list.fieldID) = (.int64, 101)
    schema.fields = [key, list]
    let converter = try LogRowConverter(schema: schema, keepsOutputs: false)
    let keys = FakeColumn.encode(key, [.int(1)], fieldID: 100)
    func column(_ flags: [UInt8]) -> [UInt8] {
      var row = WireWriter()
      row.lengthDelimited(3, [0x0A, 0x02, 0x07, 0x08])
      row.lengthDelimited(17, flags)
      var rows = WireWriter()
      rows.lengthDelimited(1, row.bytes)
      rows.varint(2, 5)
      var scalars = WireWriter()
      scalars.lengthDelimited(8, rows.bytes)
      var data = WireWriter()
      data.lengthDelimited(3, scalars.bytes)
      data.varint(5, 101)
      return data.bytes
    }
    let rows = try converter.rows([keys[...], column([1, 1])[...]], rowCount: 1).columns
    let written = try rows.columns[1].encoded(.all, as: ColumnForm(list, acceptsFlags: true))
    #expect(written == FakeColumn.encode(list, [.array([.int(7), .int(8)])]))
    let error = #expect(throws: ColumnError.self) { try converter.rows([keys[...], column([1, 0])[...]], rowCount: 1) }
    #expect(error?.code == .unsupported && error?.field == "a")
  }

  @Test func `deletes have their keys, or a reason why not`() throws {
    func rows(_ name: String) throws -> DeleteRows {
      guard case .delete(_, let rows) = try LogChange(try Self.golden(name)) else { return DeleteRows() }
      return rows
    }
    let number = FieldSchema(name: "id", dataType: .int64), text = FieldSchema(name: "key", dataType: .varChar)
    #expect(try LogDeletes.keys(of: try rows("msg-003-delete-int64.pb"), key: number) == [.int(1), .int(-7), .int(.max)])
    #expect(try LogDeletes.keys(of: try rows("msg-003-delete-legacy-keys.pb"), key: number).count == 2)
    #expect(try LogDeletes.keys(of: try rows("msg-003-delete-varchar.pb"), key: text).count == 2)
    #expect(throws: ColumnError.self) { try LogDeletes.keys(of: try rows("msg-003-delete-varchar.pb"), key: number) }
    var empty = DeleteRows()
    #expect(#expect(throws: ColumnError.self) { try LogDeletes.keys(of: empty, key: number) }?.what == "a delete without keys")
    empty.plan = [1, 2]
    #expect(#expect(throws: ColumnError.self) { try LogDeletes.keys(of: empty, key: number) }?.what.contains("predicate") == true)
  }
}
