import MilvusWire
import TestSupport
import Testing

/// Struct arrays and flags in the places where newer servers put them. The struct arrays were written by the Python protobuf runtime
/// from the official descriptors (pymilvus 3.0.2); no server that can be installed here serves them.
@Suite struct NestedColumnTests {
  private static let answered =
    "08c8011205636c697073286b426b0a26081612056c6162656c1a1942170a0832060a01780a01790a0532030a017a0a0232001015286c0a41086a1203656d6222360802423208021216080212120a100000803f000000400000404000008040120e0802120a0a080000a0400000c0401204080212001865286d"
  private static let wanted =
    "08c8011205636c69707342670a24081612056c6162656c1a1942170a0832060a01780a01790a0532030a017a0a02320010150a3f086a1203656d6222360802423208021216080212120a100000803f000000400000404000008040120e0802120a0a080000a0400000c0401204080212001865"
  private static let wantedPart =
    "08c8011205636c69707342500a1d081612056c6162656c1a1242100a0232000a0832060a01780a017910150a2f086a1203656d6222260802422208021204080212001216080212120a100000803f0000004000004040000080401865"

  private static func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count, by: 2).map { at in
      UInt8(String(decoding: digits[at..<at + 2], as: UTF8.self), radix: 16) ?? 0
    }
  }

  private func page(_ column: [UInt8], _ count: Int, _ field: FieldSchema) throws -> Column {
    var key = FieldSchema(name: "id", dataType: .int64)
    key.isPrimaryKey = true
    let keys = FakeColumn.encode(key, (0..<count).map { .int(Int64($0)) })
    let page = RowPage(bytes: column + keys, columns: [0..<column.count, column.count..<column.count + keys.count])
    return try RowColumns.parse(page, fields: [field, key], key: "id").columns[0]
  }

  private var form: ColumnForm {
    var structs = StructArrayFieldSchema(name: "clips")
    var label = FieldSchema(name: "clips[label]", dataType: .array)
    label.elementType = .varChar
    var vectors = FieldSchema(name: "emb", dataType: .arrayOfVector)
    vectors.elementType = .floatVector
    vectors.typeParams = [KeyValuePair("dim", "2")]
    structs.fields = [label, vectors]
    return ColumnForm(structs, acceptsFlags: true)
  }
  private let field = FieldSchema(name: "clips", dataType: .arrayOfStruct)

  @Test func `a struct array is written as clients write it, whole and in part`() throws {
    let column = try page(Self.bytes(Self.answered), 3, field)
    #expect(column.rowCount == 3)
    #expect(try column.encoded(.all, as: form) == Self.bytes(Self.wanted))
    #expect(try column.encoded(.rows([2, 0]), as: form) == Self.bytes(Self.wantedPart))
  }

  @Test func `rows of a struct array are told apart`() throws {
    let a = try page(Self.bytes(Self.answered), 3, field), b = try page(Self.bytes(Self.wanted), 3, field)
    for row in 0..<3 {
      for other in 0..<3 { #expect(a.isEqual(row, b, other) == (row == other)) }
    }
  }

  @Test func `no prefix of a struct array traps`() {
    let whole = Self.bytes(Self.answered)
    for end in 0..<whole.count { _ = try? page(Array(whole[..<end]), 3, field).encoded(.all, as: form) }
  }

  /// `ScalarField.valid_data` = 17 and `VectorField.valid_data` = 9 came after 3.0 (`public-rpc.md` §4.2).
  @Test func `flags inside the data are read as flags beside it`() throws {
    let flags: [UInt8] = [1, 0, 1]
    var number = FieldSchema(name: "n", dataType: .int64)
    number.nullable = true
    var scalars = WireWriter()
    scalars.lengthDelimited(3, Array("\u{0A}\u{03}\u{07}\u{00}\u{09}".utf8))
    scalars.lengthDelimited(17, flags)
    var inner = WireWriter()
    inner.string(2, "n")
    inner.lengthDelimited(3, scalars.bytes)
    let column = try page(inner.bytes, 3, number)
    #expect((0..<3).map { column.isNull($0) } == [false, true, false])
    let written = try FakeColumn.decode(try column.encoded(.all, as: ColumnForm(number, acceptsFlags: true)))
    #expect(written.values == [.int(7), .null, .int(9)] && written.valueCount == 2)

    var vector = FieldSchema(name: "v", dataType: .int8Vector)
    vector.nullable = true
    vector.typeParams = [KeyValuePair("dim", "2")]
    var vectors = WireWriter()
    vectors.varint(1, 2)
    vectors.lengthDelimited(7, [1, 2, 3, 4])
    vectors.lengthDelimited(9, flags)
    var outer = WireWriter()
    outer.string(2, "v")
    outer.lengthDelimited(4, vectors.bytes)
    let rows = try page(outer.bytes, 3, vector)
    let again = try FakeColumn.decode(try rows.encoded(.all, as: ColumnForm(vector, acceptsFlags: true)))
    #expect(again.values == [.vector([1, 2]), .null, .vector([3, 4])])
  }

  @Test func `answers whose columns do not fit together are refused by name`() throws {
    var key = FieldSchema(name: "id", dataType: .int64)
    key.isPrimaryKey = true
    let value = FieldSchema(name: "v", dataType: .int32)
    let keys = FakeColumn.encode(key, [.int(1), .int(2)])
    func refusal(_ columns: [[UInt8]]) -> ColumnError? {
      var page = RowPage(bytes: [], columns: [])
      for column in columns {
        page.columns.append(page.bytes.count..<page.bytes.count + column.count)
        page.bytes += column
      }
      do {
        _ = try RowColumns.parse(page, fields: [key, value], key: "id")
        return nil
      } catch { return error }
    }
    #expect(refusal([keys, FakeColumn.encode(value, [.int(1), .int(2)])]) == nil)
    #expect(refusal([keys])?.field == "v")
    #expect(refusal([FakeColumn.encode(value, [.int(1)])])?.field == "id")
    #expect(refusal([keys, keys])?.what == "the column stands twice in the answer")
    #expect(refusal([keys, FakeColumn.encode(value, [.int(1)])])?.field == "v")
    #expect(refusal([keys, FakeColumn.encode(FieldSchema(name: "v", dataType: .varChar), [.text("a"), .text("b")])])?.field == "v")
    #expect(
      refusal([FakeColumn.encode(key, [.int(1), .null]), FakeColumn.encode(value, [.int(1), .int(2)])])?.what == "a primary key is null")
  }
}
