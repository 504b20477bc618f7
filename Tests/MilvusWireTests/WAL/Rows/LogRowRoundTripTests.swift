import MilvusWire
import TestSupport
import Testing

/// Requests that become rows of a log and requests again: everything that a client may send survives.
@Suite struct LogRowRoundTripTests {
  private struct Sample {
    var schema: CollectionSchema
    var columns: [[UInt8]]
    var values: [String: [FakeValue]]
    var rowCount: Int
  }

  /// A collection with every type, plain, nullable and with a default, and rows for it.
  private static func sample(_ random: inout SeededGenerator) -> Sample {
    var schema = CollectionSchema(name: "all")
    schema.enableDynamicField = Bool.random(using: &random)
    var key = FieldSchema(name: "id", dataType: .int64)
    key.isPrimaryKey = true
    schema.fields = [key]
    for (index, (type, element)) in ColumnPropertyTests.types.enumerated() {
      var field = ColumnPropertyTests.field(type, element)
      field.name = "f\(index)"
      field.nullable = Bool.random(using: &random)
      if type == .int32, Bool.random(using: &random) { field.defaultValue = .int(42) }
      if type == .varChar, Bool.random(using: &random) { field.defaultValue = .string("none") }
      schema.fields.append(field)
    }
    schema = LogSchema.withIDs(schema)
    let rowCount = [0, 1, 2, 5, 17].randomElement(using: &random) ?? 1
    var sample = Sample(schema: schema, columns: [], values: [:], rowCount: rowCount)
    var fields = schema.fields
    if schema.enableDynamicField { fields.append(LogSchema.dynamicField) }
    for field in fields {
      let takesNull = field.nullable || field.defaultValue != nil
      // A column that may be left out sometimes is.
      if takesNull, rowCount > 0, Int.random(in: 0..<8, using: &random) == 0 {
        sample.values[field.name] = Array(repeating: .null, count: rowCount)
        continue
      }
      let values: [FakeValue] = (0..<rowCount).map { row in
        if field.isPrimaryKey { return .int(Int64(row)) }
        if takesNull, Bool.random(using: &random) { return .null }
        if field.isDynamic { return .text("{\"k\":\(row)}") }
        return ColumnPropertyTests.value(field.dataType, field.elementType, &random)
      }
      sample.values[field.name] = values
      var plain = field
      plain.fieldID = 0
      sample.columns.append(
        FakeColumn.encode(
          plain, values, spelling: FakeColumn.Spelling(isFull: false, isUnpacked: Bool.random(using: &random)), alwaysFlags: takesNull))
    }
    sample.columns.shuffle(using: &random)
    return sample
  }

  @Test(arguments: 0..<40)
  func `rows of every type come back from the log`(seed: Int) throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let sample = Self.sample(&random)
    let dynamicID = LogSchema.freeID(in: sample.schema)
    let logged = try LogRowWriter(schema: sample.schema, dynamicFieldID: dynamicID).columns(of: sample.columns, rowCount: sample.rowCount)
    try checkDensity(logged, sample)
    // The schema goes the same way.
    let schema = LogSchema(LogSchema.logged(sample.schema, consistencyLevel: 1)).schema
    #expect(schema == sample.schema)
    let converter = try LogRowConverter(schema: schema, keepsOutputs: false)
    let result = try converter.rows(logged.map { $0[...] }, rowCount: sample.rowCount)
    #expect(result.unknownColumns.isEmpty && result.columns.rowCount == sample.rowCount)
    for (column, field) in zip(result.columns.columns, converter.fields) {
      let again = try FakeColumn.decode(try column.encoded(.all, as: ColumnForm(field, acceptsFlags: true)))
      let wanted = try #require(sample.values[field.name])
      #expect(Self.expected(wanted, field) == again.values, "\(field.name) of type \(field.dataType.rawValue), seed \(seed)")
    }
    // Any choice of rows, joined, is those rows.
    guard sample.rowCount > 1 else { return }
    let some = (0..<sample.rowCount).filter { _ in Bool.random(using: &random) }.map { Int32($0) }
    let joined = try RowColumns.joined([RowPart(result.columns, .rows(some)), RowPart(result.columns), RowPart(result.columns, .rows([0]))])
    let order = some.map { Int($0) } + Array(0..<sample.rowCount) + [0]
    #expect(joined.rowCount == order.count)
    for ((a, b), field) in zip(zip(joined.columns, result.columns.columns), converter.fields) {
      for (row, other) in order.enumerated() { #expect(a.isEqual(row, b, other)) }
      let form = ColumnForm(field, acceptsFlags: true)
      let once = try FakeColumn.decode(try a.encoded(.all, as: form)), all = try FakeColumn.decode(try b.encoded(.all, as: form))
      #expect(once.values == order.map { all.values[$0] })
    }
    #expect((0..<joined.rowCount).map { joined.key.key($0) } == order.map { .int(Int64($0)) })
  }

  private static func expected(_ values: [FakeValue], _ field: FieldSchema) -> [FakeValue] {
    values.map { value in
      if value == .null {
        if field.isDynamic { return .text("{}") }
        switch field.defaultValue {
        case .int(let number)?: return .int(Int64(number))
        case .string(let text)?: return .text(text)
        default: return .null
        }
      }
      guard field.dataType == .timestamptz, case .text(let bytes) = value else { return value }
      // The same instant in the log's spelling.
      return .text(String(decoding: bytes, as: UTF8.self).replacing("Z", with: "+00:00"))
    }
  }

  /// What the fact sheet says of the form of the log: a value for every row of a scalar, and only for valid rows of a vector.
  private func checkDensity(_ logged: [[UInt8]], _ sample: Sample) throws {
    for bytes in logged {
      let name = try Self.identity(bytes[...]).name
      guard let field = sample.schema.fields.first(where: { $0.name == name }) else { continue }
      // The generic codec knows neither well-known binary nor microseconds.
      if field.dataType == .geometry || field.dataType == .timestamptz { continue }
      let column = try FakeColumn.decode(bytes)
      let values = try #require(sample.values[field.name])
      #expect(column.hasFlags == (field.nullable && sample.rowCount > 0))
      let filled = field.defaultValue != nil ? sample.rowCount : values.count { $0 != .null }
      #expect(column.valueCount == (field.dataType.isVector ? filled : sample.rowCount), "\(field.name)")
    }
  }

  @Test(arguments: RecordedRows.folders)
  func `a recorded request becomes the columns that the server logged`(folder: String) throws {
    let inserts = try RecordedRows(folder).inserts
    var compared = 0
    for call in try RecordedRows.calls("\(folder)/rpc-workload") where call.method == "Insert" {
      guard let request = call.request else { continue }
      let (name, columns, count) = try Self.parts(request)
      // Those whose rows went into the log in one piece.
      guard let insert = inserts.first(where: { $0.rows.collectionName == name && $0.rows.rowCount == count }),
        let schema = Optional(insert.collection.schema), schema.primaryKey?.autoID == false, insert.rows.columns.count >= columns.count,
        inserts.count(where: { $0.rows.collectionName == name }) == 1 || ["c_vec1", "c_rich"].contains(name)
      else { continue }
      let dynamic = try insert.rows.columns.lazy.map { try Self.identity($0) }.first { $0.name == "$meta" }
      let writer = LogRowWriter(schema: schema, dynamicFieldID: dynamic?.id ?? 0)
      var wanted: [String: [UInt8]] = [:]
      for column in insert.rows.columns { wanted[try Self.identity(column).name] = Array(column) }
      for column in try writer.columns(of: columns, rowCount: count) {
        let name = try Self.identity(column[...]).name
        // An all-empty list and no list at all are one.
        #expect(try Self.canonical(column) == wanted[name].map { try Self.canonical($0) }, "\(call.step): \(name)")
        compared += 1
      }
    }
    #expect(compared >= 20)
  }

  private static func parts(_ request: [UInt8]) throws -> (name: String, columns: [[UInt8]], count: Int) {
    var reader = WireReader(request)
    var name = "", columns: [[UInt8]] = [], count = 0
    while let field = try reader.next() {
      switch (field.number, field.content) {
      case (3, .lengthDelimited(let range)): name = String(decoding: request[range], as: UTF8.self)
      case (5, .lengthDelimited(let range)): columns.append(Array(request[range]))
      case (7, .varint(let value)): count = Int(value)
      default: break
      }
    }
    return (name, columns, count)
  }

  private static func identity(_ column: ArraySlice<UInt8>) throws -> (name: String, id: Int64) {
    let bytes = Array(column)
    var reader = WireReader(bytes)
    var name = "", id: Int64 = 0
    while let field = try reader.next() {
      if field.number == 2, let range = field.range { name = String(decoding: bytes[range], as: UTF8.self) }
      if field.number == 5 { id = Int64(bitPattern: field.varint ?? 0) }
    }
    return (name, id)
  }

  /// The fields of a message in order of their numbers, `dim` inside vectors left out: clients and servers put it in one place or two.
  private static func canonical(_ bytes: [UInt8], isVector: Bool = false) throws -> [String] {
    var reader = WireReader(bytes)
    var lines: [String] = []
    while let field = try reader.next() {
      if field.number == 4, !isVector, let range = field.range {
        lines.append("4 \(try canonical(Array(bytes[range]), isVector: true).filter { !$0.hasPrefix("1 ") })")
      } else if let range = field.range {
        lines.append("\(field.number) \(Array(bytes[range]))")
      } else {
        lines.append("\(field.number) \(field.varint ?? 0)")
      }
    }
    return lines.sorted()
  }

  @Test func `damaged requests are refused or logged, and never trap`() throws {
    var random = SeededGenerator(seed: 99)
    var refused = 0
    for _ in 0..<20 {
      let sample = Self.sample(&random)
      let writer = LogRowWriter(schema: sample.schema, dynamicFieldID: LogSchema.freeID(in: sample.schema))
      let converter = try LogRowConverter(schema: sample.schema, keepsOutputs: false)
      for index in sample.columns.indices {
        var damaged = sample.columns
        let at = Int.random(in: 0..<damaged[index].count, using: &random)
        if Bool.random(using: &random) {
          damaged[index].removeLast(damaged[index].count - at)
        } else {
          damaged[index][at] ^= UInt8.random(in: 1...255, using: &random)
        }
        guard let logged = try? writer.columns(of: damaged, rowCount: sample.rowCount) else {
          refused += 1
          continue
        }
        _ = try? converter.rows(logged.map { $0[...] }, rowCount: sample.rowCount)
      }
    }
    #expect(refused > 100)
  }

  @Test func `what a server refuses is refused`() throws {
    var schema = CollectionSchema(name: "c")
    var key = FieldSchema(name: "id", dataType: .int64)
    key.isPrimaryKey = true
    var number = FieldSchema(name: "n", dataType: .int64)
    number.nullable = true
    let plain = FieldSchema(name: "p", dataType: .varChar)
    schema.fields = [key, number, plain]
    schema = LogSchema.withIDs(schema)
    let writer = LogRowWriter(schema: schema, dynamicFieldID: 0)
    let keys = FakeColumn.encode(key, [.int(1), .int(2)]), texts = FakeColumn.encode(plain, [.text("a"), .text("b")])
    func refusal(_ columns: [[UInt8]], rows: Int = 2) -> String? {
      do {
        _ = try writer.columns(of: columns, rowCount: rows)
        return nil
      } catch { return error.field }
    }
    let compact = FakeColumn.encode(number, [.int(7), .null], spelling: FakeColumn.Spelling(isFull: false))
    #expect(refusal([keys, texts, compact]) == nil)
    #expect(refusal([keys, texts]) == nil, "a nullable column may be left out")
    #expect(refusal([keys, texts, FakeColumn.encode(number, [.int(7), .null])]) == "n", "the dense form is refused")
    #expect(refusal([keys, texts, FakeColumn.encode(number, [.int(7), .int(8)])]) == "n", "no flags")
    #expect(
      refusal([keys, FakeColumn.encode(plain, [.text("a"), .text("b")], alwaysFlags: true), compact]) == "p", "flags where none belong")
    #expect(refusal([keys, compact]) == "p")
    #expect(refusal([keys, texts, compact], rows: 3) == "id")
    #expect(refusal([keys, texts, compact, texts]) == "p")
    #expect(
      refusal([keys, texts, compact, FakeColumn.encode(FieldSchema(name: "x", dataType: .bool), [.bool(true), .bool(true)])]) == "x")
  }

  @Test func `generated keys become the last column`() throws {
    var schema = CollectionSchema(name: "c")
    var key = FieldSchema(name: "id", dataType: .varChar)
    (key.isPrimaryKey, key.autoID) = (true, true)
    let value = FieldSchema(name: "v", dataType: .bool)
    schema.fields = [key, value]
    schema = LogSchema.withIDs(schema)
    let writer = LogRowWriter(schema: schema, dynamicFieldID: 0)
    let values = FakeColumn.encode(value, [.bool(true), .bool(false)])
    let logged = try writer.columns(of: [values], rowCount: 2, generatedKeys: [.text("7"), .text("8")])
    #expect(try logged.map { try FakeColumn.decode($0).name } == ["v", "id"])
    let rows = try LogRowConverter(schema: schema, keepsOutputs: false).rows(logged.map { $0[...] }, rowCount: 2).columns
    #expect(rows.key.key(1) == .text("8"))
    #expect(throws: ColumnError.self) { try writer.columns(of: [values], rowCount: 2, generatedKeys: [.text("7")]) }
    for keys: [RowKey] in [[.int(1), .int(2)], [.int(1), .text("2")]] {
      #expect(throws: ColumnError.self) { try writer.columns(of: [values], rowCount: 2, generatedKeys: keys) }
    }
  }
}
