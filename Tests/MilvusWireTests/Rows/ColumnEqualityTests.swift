import MilvusWire
import TestSupport
import Testing

/// When two values count as one, for each type whose bytes may differ.
@Suite struct ColumnEqualityTests {
  private func isEqual(_ type: DataType, _ a: FakeValue, _ b: FakeValue, element: DataType = .none) throws -> Bool {
    var field = FieldSchema(name: "field", dataType: type)
    field.elementType = element
    if type.isVector, type != .sparseFloatVector { field.typeParams = [KeyValuePair("dim", "2")] }
    var key = FieldSchema(name: "key", dataType: .int64)
    key.isPrimaryKey = true
    let columns = [FakeColumn.encode(field, [a, b]), FakeColumn.encode(key, [.int(1), .int(2)])]
    let page = RowPage(
      bytes: columns[0] + columns[1], columns: [0..<columns[0].count, columns[0].count..<columns[0].count + columns[1].count])
    let column = try RowColumns.parse(page, fields: [field, key], key: "key").columns[0]
    return column.isEqual(0, column, 1)
  }

  @Test(arguments: [
    (#"{"a":1,"b":[1,2]}"#, #"{"a": 1, "b": [1, 2]}"#), (#"{"a":1,"b":2}"#, #"{"b":2,"a":1}"#),
    (#"{"é":"😀"}"#, #"{"\u00e9":"\ud83d\ude00"}"#), (#"{"a":1e2}"#, #"{"a":100.0}"#), (#"{"a":0.10}"#, #"{"a":0.1}"#),
    (#"{"a":-0}"#, #"{"a":0}"#), (#"{"a":1,"a":2}"#, #"{"a":2}"#), ("{ }", "{}"),
    (#"{"a":"x\/y"}"#, #"{"a":"x/y"}"#), (#"{"n":123456789012345678901234567890}"#, #"{"n": 123456789012345678901234567890}"#),
  ])
  func `JSON that says the same is equal`(a: String, b: String) throws {
    #expect(try isEqual(.json, .text(a), .text(b)))
    #expect(try isEqual(.json, .text(b), .text(a)))
  }

  @Test(arguments: [
    (#"{"a":1}"#, #"{"a":1.0}"#), (#"{"a":9007199254740993}"#, #"{"a":9007199254740992}"#), (#"{"a":"1"}"#, #"{"a":1}"#),
    (#"{"a":"x y"}"#, #"{"a":"xy"}"#), (#"{"a":[1,2]}"#, #"{"a":[2,1]}"#), (#"{"a":null}"#, "{}"), ("1 2", "12"),
    (#"{"a":true}"#, #"{"a":1}"#), (#"{"a":"e\u0301"}"#, #"{"a":"é"}"#), ("nonsense", "nonsens"), (#"{"a":12}"#, #"{"a":1 2}"#),
    (#"{"a":1}"#, #"{"a":1"#),
  ])
  func `JSON that says something else is different`(a: String, b: String) throws {
    #expect(try !isEqual(.json, .text(a), .text(b)))
    #expect(try !isEqual(.json, .text(b), .text(a)))
  }

  @Test func `floats are equal by IEEE, and NaN equals NaN`() throws {
    let other = Float(bitPattern: 0x7FC0_1234)
    #expect(try isEqual(.float, .float(0), .float(-0)))
    #expect(try isEqual(.float, .float(.nan), .float(other)))
    #expect(try !isEqual(.float, .float(.nan), .float(1)))
    #expect(try isEqual(.double, .double(-0.0), .double(0)))
    #expect(try !isEqual(.double, .double(1), .double(1.0000000000000002)))
    #expect(try isEqual(.floatVector, .floats([0, .nan]), .floats([-0, other])))
    #expect(try !isEqual(.floatVector, .floats([0, 1]), .floats([-0, 2])))
    #expect(try isEqual(.float16Vector, .vector([0, 0, 1, 0x7E]), .vector([0, 0x80, 2, 0x7F])))
    #expect(try !isEqual(.float16Vector, .vector([0, 0, 0, 0x7C]), .vector([0, 0, 0, 0xFC])))
    #expect(try isEqual(.bfloat16Vector, .vector([0, 0x80, 0xC0, 0x7F]), .vector([0, 0, 0xC1, 0x7F])))
  }

  @Test func `texts and integers are equal by bytes alone`() throws {
    #expect(try !isEqual(.varChar, .text("é"), .text("e\u{301}")))
    #expect(try !isEqual(.varChar, .text("a"), .text("a ")))
    #expect(try !isEqual(.int64, .int(0), .int(1)))
  }

  @Test func `sparse vectors are sets of pairs`() throws {
    let one: [UInt8] = [1, 0, 0, 0, 0, 0, 0x80, 0x3F], two: [UInt8] = [7, 0, 0, 0, 0, 0, 0, 0x40]
    #expect(try isEqual(.sparseFloatVector, .vector(one + two), .vector(two + one)))
    #expect(try !isEqual(.sparseFloatVector, .vector(one), .vector(one + two)))
    #expect(try !isEqual(.sparseFloatVector, .vector(one), .vector([])))
  }

  @Test(arguments: [
    ("2025-01-01T00:00:00Z", "2025-01-01T08:00:00+08:00"), ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00.000000+00:00"),
    ("2024-02-29 23:30:00-00:30", "2024-03-01T00:00:00Z"), ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z"),
  ])
  func `instants are equal in any spelling`(a: String, b: String) throws {
    #expect(try isEqual(.timestamptz, .text(a), .text(b)))
  }

  @Test(arguments: [
    ("2025-01-01T00:00:00Z", "2025-01-01T00:00:01Z"), ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00.000001Z"), ("x", "y"),
    ("2025-01-01T00:00:00+08:00", "2025-01-01T00:00:00Z"), ("", "2025-01-01T00:00:00Z"),
  ])
  func `other instants are different`(a: String, b: String) throws {
    #expect(try !isEqual(.timestamptz, .text(a), .text(b)))
  }

  @Test func `geometries are equal by their tokens`() throws {
    #expect(try isEqual(.geometry, .text("POINT (1 2)"), .text("Point(1.0 2)")))
    #expect(try isEqual(.geometry, .text("LINESTRING (0 0, 1e1 -1)"), .text("LINESTRING(0 0,10 -1)")))
    #expect(try !isEqual(.geometry, .text("POINT (1 2)"), .text("POINT (2 1)")))
    #expect(try !isEqual(.geometry, .text("POINT (1 2)"), .text("POINT (12)")))
  }

  @Test func `arrays are equal by elements`() throws {
    #expect(try isEqual(.array, .array([.double(-0.0)]), .array([.double(0)]), element: .double))
    #expect(try !isEqual(.array, .array([.int(1)]), .array([.int(1), .int(1)]), element: .int32))
    #expect(try !isEqual(.array, .array([]), .array([.int(0)]), element: .int32))
  }
}
