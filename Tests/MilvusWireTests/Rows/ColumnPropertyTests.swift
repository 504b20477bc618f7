import MilvusWire
import TestSupport
import Testing

/// Random columns of every type, held against a codec that builds an object per value.
@Suite struct ColumnPropertyTests {
  static let types: [(DataType, DataType)] = [
    (.bool, .none), (.int8, .none), (.int16, .none), (.int32, .none), (.int64, .none), (.float, .none),
    (.double, .none), (.varChar, .none), (.text, .none), (.json, .none), (.geometry, .none), (.timestamptz, .none),
    (.array, .bool), (.array, .int8), (.array, .int32), (.array, .int64), (.array, .float), (.array, .double), (.array, .varChar),
    (.floatVector, .none), (.binaryVector, .none), (.float16Vector, .none), (.bfloat16Vector, .none),
    (.int8Vector, .none), (.sparseFloatVector, .none),
  ]

  static func field(_ type: DataType, _ element: DataType) -> FieldSchema {
    var field = FieldSchema(name: "field", dataType: type)
    field.elementType = element
    if type.isVector, type != .sparseFloatVector { field.typeParams = [KeyValuePair("dim", "16")] }
    return field
  }

  static func value(_ type: DataType, _ element: DataType, _ random: inout SeededGenerator) -> FakeValue {
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }
    func text() -> FakeValue {
      .text(String((0..<Int.random(in: 0...9, using: &random)).compactMap { _ in "aé日😀\u{0}\"\\".randomElement(using: &random) }))
    }
    switch type {
    case .bool: return .bool(.random(using: &random))
    case .int8: return .int(.random(in: -128...127, using: &random))
    case .int16: return .int(.random(in: -32768...32767, using: &random))
    case .int32: return .int(Int64(Int32.random(in: .min ... .max, using: &random)))
    case .int64: return .int(.random(in: .min ... .max, using: &random))
    case .float: return .float(.random(in: -1e30...1e30, using: &random))
    case .double: return .double(.random(in: -1e300...1e300, using: &random))
    case .array: return .array((0..<Int.random(in: 0...4, using: &random)).map { _ in value(element, .none, &random) })
    case .json: return .text("{\"n\":\(Int.random(in: 0...99, using: &random))}")
    case .geometry: return .text("POINT (\(Int.random(in: 0...99, using: &random)) 2)")
    case .timestamptz: return .text("2025-01-01T00:00:\(Int.random(in: 10...59, using: &random))Z")
    case .floatVector:
      return .floats((0..<16).map { _ in Float.random(in: -1...1, using: &random) })
    case .binaryVector: return .vector(bytes(2))
    case .float16Vector, .bfloat16Vector: return .vector(bytes(32).enumerated().map { $0.offset % 2 == 0 ? $0.element : $0.element & 0x3F })
    case .int8Vector: return .vector(bytes(16))
    case .sparseFloatVector:
      let indices = Set((0..<Int.random(in: 0...5, using: &random)).map { _ in UInt32.random(in: 0...5000, using: &random) }).sorted()
      var pairs = WireWriter()
      for index in indices {
        pairs.rawFixed(index)
        pairs.rawFixed(Float.random(in: 0...1, using: &random).bitPattern)
      }
      return .vector(pairs.bytes)
    default: return text()
    }
  }

  @Test(arguments: types.indices, [false, true])
  func `a column of any type survives, whole and in parts`(index: Int, isUnpacked: Bool) throws {
    let (type, element) = Self.types[index]
    var random = SeededGenerator(seed: UInt64(1000 + index))
    let field = Self.field(type, element)
    for count in [0, 1, 2, 7, 40] {
      let values = (0..<count).map { _ in Self.value(type, element, &random) }
      let spelling = FakeColumn.Spelling(emptyArrayHasNoSlot: count % 2 == 0, isUnpacked: isUnpacked)
      let encoded = FakeColumn.encode(field, values, spelling: spelling, fieldID: 107)
      let column = try parse(encoded, field)
      #expect(column.rowCount == count)
      let form = ColumnForm(field, acceptsFlags: true)
      let whole = try FakeColumn.decode(try column.encoded(.all, as: form))
      #expect(whole.values == values)
      #expect(!whole.hasRowWithoutSlot && !whole.hasFlags)
      let chosen = (0..<Int32(count)).filter { _ in Bool.random(using: &random) }.shuffled(using: &random)
      let part = try FakeColumn.decode(try column.encoded(.rows(chosen), as: form))
      #expect(part.values == chosen.map { values[Int($0)] })
      // A second reading of what was written is equal row by row, and different rows are told apart.
      let again = try parse(try column.encoded(.all, as: form), field)
      for row in 0..<count {
        #expect(column.isEqual(row, again, row))
        for other in 0..<count where values[row] != values[other] { #expect(!column.isEqual(row, again, other)) }
      }
    }
  }

  @Test(arguments: types.indices, [false, true])
  func `nulls in either form become the compact form`(index: Int, isFull: Bool) throws {
    let (type, element) = Self.types[index]
    var random = SeededGenerator(seed: UInt64(2000 + index))
    var field = Self.field(type, element)
    field.nullable = true
    for pattern in [[true, false, true], [false], [false, false], [true], [true, true, false, false, true]] {
      let values = pattern.map { $0 ? Self.value(type, element, &random) : .null }
      let column = try parse(FakeColumn.encode(field, values, spelling: FakeColumn.Spelling(isFull: isFull)), field)
      #expect(column.rowCount == pattern.count)
      #expect((0..<pattern.count).map { !column.isNull($0) } == pattern)
      let written = try FakeColumn.decode(try column.encoded(.all, as: ColumnForm(field, acceptsFlags: true)))
      #expect(written.values == values)
      #expect(written.valueCount == pattern.count { $0 })
      #expect(written.hasFlags)
      let last = Int32(pattern.count - 1)
      let part = try FakeColumn.decode(try column.encoded(.rows([last, 0]), as: ColumnForm(field, acceptsFlags: true)))
      #expect(part.values == [values[Int(last)], values[0]])
      for row in pattern.indices { #expect(column.isEqual(row, column, row)) }
      if pattern.contains(false) {
        #expect(throws: ColumnError.self) { try column.encoded(.all, as: ColumnForm(field, acceptsFlags: false)) }
      }
    }
  }

  @Test func `a field with a default gets flags although nothing is null`() throws {
    var field = FieldSchema(name: "field", dataType: .double)
    field.defaultValue = .double(1)
    let column = try parse(FakeColumn.encode(field, [.double(2), .double(3)]), field)
    let written = try FakeColumn.decode(try column.encoded(.all, as: ColumnForm(field, acceptsFlags: true)))
    #expect(written.hasFlags && written.values == [.double(2), .double(3)])
    let old = try FakeColumn.decode(try column.encoded(.all, as: ColumnForm(field, acceptsFlags: false)))
    #expect(!old.hasFlags && old.values == [.double(2), .double(3)])
  }

  private func parse(_ bytes: [UInt8], _ field: FieldSchema) throws -> Column {
    // A key column beside it, so that the page is one that a server could answer.
    var key = FieldSchema(name: "key", dataType: .int64)
    key.isPrimaryKey = true
    let count = try FakeColumn.decode(bytes).values.count
    let keys = FakeColumn.encode(key, (0..<count).map { .int(Int64($0)) })
    let page = RowPage(bytes: bytes + keys, columns: [0..<bytes.count, bytes.count..<bytes.count + keys.count])
    return try RowColumns.parse(page, fields: [field, key], key: "key").columns[0]
  }
}
