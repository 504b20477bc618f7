import MilvusWire
import Testing

/// Columns as the official runtime and real servers wrote them, and the ones that are known to destroy a
/// server.
@Suite struct ColumnGuardTests {
  @Test func aRealInsertPasses() throws {
    let schema = try CollectionSchema(
      encoded: FixtureFiles.bytes("public-rpc/m235-createcollection-schema.bin"))
    let batch = try recorded("m235-insert-req", field: 5, rows: 4)
    #expect(batch.columns.count == 12)
    #expect(fault(schema, batch, acceptsNullFlags: false) == nil)
    #expect(fault(schema, batch, acceptsNullFlags: true) == nil)
  }

  @Test func aRealInsertWithNullsPassesOnlyWhereNullsAreKnown() throws {
    let schema = try nullableSchema()
    let batch = try recorded("lite322-insert-null-req", field: 5, rows: 3)
    #expect(fault(schema, batch, acceptsNullFlags: true) == nil)
    #expect(fault(schema, batch, acceptsNullFlags: false)?.code == .nullFlags)
    // Full form, as a query answers it.
    let page = try recorded("lite322-query-null-resp", field: 2, rows: 3)
    #expect(fault(schema, page, acceptsNullFlags: true) == nil)
  }

  /// Rows come in the order of keys, so the first row of the insert is the second here.
  @Test func anEmptyArrayAsMilvusAnswersItIsCaught() throws {
    let schema = try CollectionSchema(
      encoded: FixtureFiles.bytes("public-rpc/m235-createcollection-schema.bin"))
    let page = try recorded("m235-query-resp", field: 2, rows: 4)
    #expect(
      fault(schema, page, acceptsNullFlags: false)
        == ColumnFault(.rowWithoutSlot, field: "a_i32", "array row 1 has no element slot"))
    // Lite answers the slot.
    let lite = try recorded("lite322-query-resp", field: 2, rows: 4)
    #expect(fault(schema, lite, acceptsNullFlags: false) == nil)
  }

  @Test(
    arguments: [
      (4, 8, nil), (0, 8, .wrongDimension), (8, 8, .wrongDimension), (3, 8, .wrongDimension),
      (-1, 8, .wrongDimension),
      (4, 7, .wrongDimension), (4, 4, .wrongRowCount), (4, 12, .wrongRowCount), (4, 0, .wrongRowCount),
    ] as [(Int, Int, ColumnFault.Code?)])
  func aFloatVectorMustHaveTheDimensionOfTheSchema(dim: Int, floats: Int, code: ColumnFault.Code?) {
    let column = vectors(dim: dim, slot: 2) { writer in
      var list = WireWriter()
      list.lengthDelimited(1, [UInt8](repeating: 0, count: floats * 4))
      writer.lengthDelimited(2, list.bytes)
    }
    #expect(fault(vectorSchema(.floatVector, dim: "4"), [column], rows: 2)?.code == code)
  }

  @Test(
    arguments: [
      (.binaryVector, 3, 16, 4, nil), (.binaryVector, 3, 16, 3, .wrongDimension),
      (.float16Vector, 4, 4, 16, nil),
      (.bfloat16Vector, 5, 4, 16, nil), (.bfloat16Vector, 5, 4, 8, .wrongRowCount),
      (.int8Vector, 7, 4, 8, nil),
      (.int8Vector, 7, 4, 9, .wrongDimension), (.int8Vector, 4, 4, 8, .wrongSlot),
    ] as [(DataType, UInt32, Int, Int, ColumnFault.Code?)])
  func vectorsOfBytesMustHaveTheirWidth(
    type: DataType, slot: UInt32, dim: Int, bytes: Int, code: ColumnFault.Code?
  ) {
    let column = vectors(dim: dim, slot: slot) { writer in
      writer.lengthDelimited(slot, [UInt8](repeating: 1, count: bytes))
    }
    #expect(fault(vectorSchema(type, dim: String(dim)), [column], rows: 2)?.code == code)
  }

  @Test(arguments: ["", "0", "-4", "x"])
  func aSchemaWithoutDimensionTakesNoVectors(dim: String) {
    let column = vectors(dim: 4, slot: 2) { writer in writer.lengthDelimited(2, []) }
    #expect(fault(vectorSchema(.floatVector, dim: dim), [column], rows: 1)?.code == .wrongDimension)
  }

  @Test func unpackedFloatsCount() {
    let column = vectors(dim: 2, slot: 2) { writer in
      var list = WireWriter()
      for _ in 0..<4 { list.fixed32(1, 0) }
      writer.lengthDelimited(2, list.bytes)
    }
    #expect(fault(vectorSchema(.floatVector, dim: "2"), [column], rows: 2) == nil)
  }

  @Test func everyFieldMustHaveItsColumnOnce() {
    var schema = CollectionSchema(name: "c")
    schema.fields = [FieldSchema(name: "a", dataType: .int64), FieldSchema(name: "b", dataType: .int64)]
    let a = longs("a", [1, 2]), b = longs("b", [3, 4])
    #expect(fault(schema, [b, a], rows: 2) == nil)
    #expect(fault(schema, [a], rows: 2) == ColumnFault(.missingColumn, field: "b", "has no column"))
    #expect(
      fault(schema, [a, b, a], rows: 2)
        == ColumnFault(.unexpectedColumn, field: "a", "the column stands twice"))
    #expect(fault(schema, [a, b, longs("c", [1, 1])], rows: 2)?.code == .unexpectedColumn)
    #expect(fault(schema, [a, longs("b", [1])], rows: 2)?.code == .wrongRowCount)
    #expect(fault(schema, [a, longs("b", [1, 2, 3])], rows: 2)?.code == .wrongRowCount)
    #expect(fault(schema, [a, [0xFF]], rows: 2)?.code == .malformed)
  }

  @Test func fieldsTheServerFillsInMayBeLeftOutWhereItCan() {
    var schema = CollectionSchema(name: "c")
    var key = FieldSchema(name: "id", dataType: .int64)
    key.autoID = true
    var filled = FieldSchema(name: "d", dataType: .int64)
    filled.defaultValue = .long(7)
    var output = FieldSchema(name: "bm25", dataType: .sparseFloatVector)
    output.isFunctionOutput = true
    var minHash = FunctionSchema(name: "f", type: 4)
    minHash.outputFieldNames = ["hashes"]
    schema.functions = [minHash]
    let hashes = FieldSchema(name: "hashes", dataType: .binaryVector)
    schema.fields = [key, filled, output, hashes, FieldSchema(name: "a", dataType: .int64)]
    #expect(fault(schema, [longs("a", [1])], rows: 1) == nil)
    // 2.3.5 panics on a missing column with a default.
    let old = RowBatch(path: path, columns: [longs("a", [1])], rowCount: 1)
    #expect(
      fault(schema, old, acceptsNullFlags: false) == ColumnFault(.missingColumn, field: "d", "has no column"))
  }

  @Test func aDynamicColumnNeedsADynamicCollection() {
    var schema = CollectionSchema(name: "c")
    schema.fields = [FieldSchema(name: "a", dataType: .int64)]
    var list = WireWriter()
    list.string(1, "{}")
    let meta = column("$meta", scalar: 9, list.bytes, isDynamic: true)
    #expect(fault(schema, [longs("a", [1]), meta], rows: 1)?.code == .unexpectedColumn)
    schema.enableDynamicField = true
    #expect(fault(schema, [longs("a", [1]), meta], rows: 1) == nil)
    #expect(fault(schema, [longs("a", [1, 2]), meta], rows: 2)?.code == .wrongRowCount)
    let text = column("$meta", scalar: 6, list.bytes, isDynamic: true)
    #expect(fault(schema, [longs("a", [1]), text], rows: 1)?.code == .wrongSlot)
  }

  @Test func aColumnMustHaveTheSlotOfItsType() {
    var schema = CollectionSchema(name: "c")
    schema.fields = [FieldSchema(name: "a", dataType: .varChar)]
    #expect(fault(schema, [longs("a", [1])], rows: 1)?.code == .wrongSlot)
    schema.fields = [FieldSchema(name: "a", dataType: DataType(rawValue: 4711))]
    #expect(fault(schema, [longs("a", [1])], rows: 1)?.code == .wrongSlot)
    var array = FieldSchema(name: "a", dataType: .array)
    array.elementType = .varChar
    schema.fields = [array]
    var row = WireWriter()
    row.lengthDelimited(2, [])
    var rows = WireWriter()
    rows.lengthDelimited(1, row.bytes)
    let ints = column("a", scalar: 8, rows.bytes)
    #expect(
      fault(schema, [ints], rows: 1) == ColumnFault(.wrongSlot, field: "a", "array row 0 has scalar slot 2"))
    array.elementType = .int8
    schema.fields = [array]
    #expect(fault(schema, [ints], rows: 1) == nil)
  }

  @Test func flagsMustBeAsManyAsRows() throws {
    var schema = CollectionSchema(name: "c")
    var field = FieldSchema(name: "a", dataType: .int64)
    field.nullable = true
    schema.fields = [field]
    func flagged(_ values: [UInt8], _ flags: [UInt8]) -> [UInt8] {
      var writer = WireWriter()
      writer.raw(longs("a", values))
      writer.lengthDelimited(7, flags)
      return writer.bytes
    }
    #expect(fault(schema, [flagged([5], [1, 0])], rows: 2) == nil)
    #expect(fault(schema, [flagged([5, 0], [1, 0])], rows: 2) == nil)
    #expect(fault(schema, [flagged([], [0, 0])], rows: 2) == nil)
    #expect(fault(schema, [flagged([5], [1, 0, 0])], rows: 2)?.code == .wrongRowCount)
    #expect(fault(schema, [flagged([5], [0, 0])], rows: 2)?.code == .wrongRowCount)
    #expect(fault(schema, [flagged([5], [1, 1])], rows: 2)?.code == .wrongRowCount)
    #expect(fault(schema, [flagged([5], [1, 0x80])], rows: 2)?.code == .malformed)
  }

  // MARK: Helpers

  private let path = CollectionPath(database: "", name: "c")

  private func fault(_ schema: CollectionSchema, _ batch: RowBatch, acceptsNullFlags: Bool) -> ColumnFault? {
    do throws(ColumnFault) {
      try ColumnGuard(schema: schema, acceptsNullFlags: acceptsNullFlags).check(batch)
      return nil
    } catch { return error }
  }

  private func fault(_ schema: CollectionSchema, _ columns: [[UInt8]], rows: Int) -> ColumnFault? {
    fault(schema, RowBatch(path: path, columns: columns, rowCount: rows), acceptsNullFlags: true)
  }

  private func recorded(_ name: String, field number: UInt32, rows: Int) throws -> RowBatch {
    let bytes = try FixtureFiles.bytes("public-rpc/\(name).bin")
    var columns: [[UInt8]] = []
    var reader = WireReader(bytes)
    while let field = try reader.next() {
      if field.number == number, let range = field.range { columns.append(Array(bytes[range])) }
    }
    return RowBatch(path: path, columns: columns, rowCount: rows)
  }

  /// The schema inside `lite322-createcollection-null-req.bin` (field 4).
  private func nullableSchema() throws -> CollectionSchema {
    try CollectionSchema(encoded: recorded("lite322-createcollection-null-req", field: 4, rows: 0).columns[0])
  }

  private func vectorSchema(_ type: DataType, dim: String) -> CollectionSchema {
    var field = FieldSchema(name: "v", dataType: type)
    field.typeParams = dim.isEmpty ? [] : [KeyValuePair("dim", dim)]
    var schema = CollectionSchema(name: "c")
    schema.fields = [field]
    return schema
  }

  private func vectors(dim: Int, slot: UInt32, _ fill: (inout WireWriter) -> Void) -> [UInt8] {
    var inner = WireWriter()
    inner.varint(1, UInt64(bitPattern: Int64(dim)))
    fill(&inner)
    var writer = WireWriter()
    writer.string(2, "v")
    writer.lengthDelimited(4, inner.bytes)
    return writer.bytes
  }

  private func column(_ name: String, scalar slot: UInt32, _ list: [UInt8], isDynamic: Bool = false)
    -> [UInt8]
  {
    var inner = WireWriter()
    inner.lengthDelimited(slot, list)
    var writer = WireWriter()
    writer.string(2, name)
    writer.lengthDelimited(3, inner.bytes)
    if isDynamic { writer.varint(6, 1) }
    return writer.bytes
  }

  private func longs(_ name: String, _ values: [UInt8]) -> [UInt8] {
    var list = WireWriter()
    list.lengthDelimited(1, values)
    return column(name, scalar: 3, list.bytes)
  }
}
