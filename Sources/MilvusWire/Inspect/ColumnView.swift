/// Columns (`schema.FieldData`) as values that a person can read, of requests, of answers and of the log.
///
/// Numbers are JSON numbers of any size, texts texts, JSON columns JSON, arrays lists, geometry and instants texts, null null. Vectors are
/// summarised unless told otherwise: `{"type", "dim", "first", "norm"}`, sparse ones `{"type", "entries", "first", "norm"}`; whole they are a list of
/// numbers, `{"index": value}` for a sparse one, and hexadecimal text for a binary one.
package struct ColumnView: Sendable {
  package struct Options: Sendable {
    /// Whole vectors, and texts of any length.
    package var isFull = false
    /// Numbers of a vector that a summary shows.
    package var firstCount = 4
    /// Characters of a text, unless `isFull`.
    package var textMax = 200
    package init() {}
    package init(isFull: Bool) { self.isFull = isFull }
  }

  package let name: String
  package let dataType: DataType
  package let rowCount: Int
  private let column: Column
  private let options: Options
  /// Columns around this one: a row of an array is a column again, and bytes may claim to nest without end.
  private let depth: Int
  private static let depthMax = 2

  /// One `schema.FieldData`, in the form of a request, an answer or the log.
  package init(_ bytes: [UInt8], in range: Range<Int>? = nil, options: Options = Options()) throws(ColumnError) {
    try self.init(bytes, in: (range ?? 0..<bytes.count).clamped(to: 0..<bytes.count), options: options, depth: 0)
  }

  private init(_ bytes: [UInt8], in range: Range<Int>, options: Options, depth: Int) throws(ColumnError) {
    var column: Column
    if let parsed = try? ColumnParser.parse(bytes, range), parsed.values.count > 0 || parsed.hasNulls {
      column = parsed
    } else {
      let logged = try ColumnParser.parseLogged(bytes, range)
      column = logged.column
      switch logged.slot {
      case .geometryBinary: column = try column.withGeometryText()
      case .microseconds: column = (try? column.withInstantText()) ?? column
      case nil: break
      }
    }
    self.init(column, options, depth)
  }

  private init(_ column: Column, _ options: Options, _ depth: Int) {
    self.column = column
    self.options = options
    self.depth = depth
    (name, dataType, rowCount) = (column.name, column.dataType, column.rowCount)
  }

  /// The value of a row; null for a row that there is not.
  package func value(_ row: Int) -> JSONValue {
    guard row >= 0, row < rowCount else { return .null }
    if case .structs(let columns) = column.values { return structValue(row, columns) }
    let slot = column.slot(row)
    guard slot >= 0 else { return .null }
    switch column.values {
    case .bools(let values): return .bool(values[slot] != 0)
    case .ints(let values): return .int(values[slot])
    case .longs(let values): return .int(values[slot])
    case .fixed(let values): return fixed(values.bytes[values.range(slot)])
    case .variable(let values): return variable(values.bytes, values.range(slot))
    case .structs: return .null
    }
  }

  /// The key of a row, where the column can hold keys.
  package func key(_ row: Int) -> RowKey? {
    guard row >= 0, row < rowCount, !column.isNull(row) else { return nil }
    switch column.values {
    case .longs(let values): return .int(values[column.slot(row)])
    case .variable(let values): return .text(Array(values.bytes[values.range(column.slot(row))]))
    case .bools, .ints, .fixed, .structs: return nil
    }
  }

  // MARK: Values

  private func fixed(_ bytes: ArraySlice<UInt8>) -> JSONValue {
    guard column.dimension > 0 else {
      return bytes.count == 8
        ? VectorValue.number(Double(bitPattern: FloatEquality.little(bytes, 0, 8)))
        : VectorValue.number(Float(bitPattern: UInt32(truncatingIfNeeded: FloatEquality.little(bytes, 0, 4))))
    }
    return VectorValue(bytes, dimension: column.dimension, type: vectorType(bytes.count)).json(options)
  }

  /// Columns of answers may leave their type out; the width then tells what the vector can be.
  private func vectorType(_ byteCount: Int) -> DataType {
    if dataType.isVector { return dataType }
    if byteCount == column.dimension &* 4 { return .floatVector }
    return byteCount == column.dimension / 8 ? .binaryVector : .int8Vector
  }

  private func variable(_ bytes: [UInt8], _ range: Range<Int>) -> JSONValue {
    switch dataType {
    case .json: return (try? JSONParser.parse(Array(bytes[range]))) ?? text(bytes[range])
    case .array: return array(bytes, range)
    case .sparseFloatVector: return VectorValue.sparse(bytes[range], options)
    case .arrayOfVector: return vectors(bytes, range)
    default: return text(bytes[range])
    }
  }

  /// Bytes that are no text are shown in hexadecimal.
  private func text(_ bytes: ArraySlice<UInt8>) -> JSONValue {
    guard let text = String(validating: bytes, as: UTF8.self) else { return .string("0x" + HexText.encode(bytes)) }
    guard !options.isFull, text.count > options.textMax else { return .string(text) }
    return .string(text.prefix(options.textMax) + "… (\(text.count) characters)")
  }

  /// A row of an array column is a `ScalarField`: the elements are a column of their own.
  private func array(_ bytes: [UInt8], _ range: Range<Int>) -> JSONValue {
    var message = WireWriter()
    message.varint(1, UInt64(UInt32(bitPattern: column.elementType)))
    message.lengthDelimited(3, bytes[range])
    return elements(message.bytes) ?? text(bytes[range])
  }

  private func vectors(_ bytes: [UInt8], _ range: Range<Int>) -> JSONValue {
    var message = WireWriter()
    message.varint(1, UInt64(UInt32(bitPattern: column.elementType)))
    message.lengthDelimited(4, bytes[range])
    return elements(message.bytes) ?? text(bytes[range])
  }

  private func elements(_ bytes: [UInt8]) -> JSONValue? {
    guard depth < Self.depthMax,
      let inner = try? ColumnView(bytes, in: 0..<bytes.count, options: options, depth: depth + 1)
    else { return nil }
    return .array((0..<inner.rowCount).map { inner.value($0) })
  }

  private func structValue(_ row: Int, _ columns: [Column]) -> JSONValue {
    var object = JSONObject()
    for column in columns { object[column.name] = ColumnView(column, options, depth + 1).value(row) }
    return .object(object)
  }
}

/// One vector, as numbers or as a summary.
struct VectorValue {
  private let bytes: ArraySlice<UInt8>
  private let dimension: Int
  private let type: DataType

  init(_ bytes: ArraySlice<UInt8>, dimension: Int, type: DataType) {
    (self.bytes, self.dimension, self.type) = (bytes, dimension, type)
  }

  func json(_ options: ColumnView.Options) -> JSONValue {
    if type == .binaryVector {
      if options.isFull { return .string("0x" + HexText.encode(bytes)) }
      let ones = bytes.reduce(0) { $0 + $1.nonzeroBitCount }
      return .object([
        "type": .string(Self.name(type)), "dim": .int(dimension), "first": .string("0x" + HexText.encode(bytes.prefix(options.firstCount))),
        "ones": .int(ones),
      ])
    }
    let count = type == .floatVector ? bytes.count / 4 : type == .int8Vector ? bytes.count : bytes.count / 2
    if options.isFull { return .array((0..<count).map { Self.number(element($0)) }) }
    var squares = 0.0
    for index in 0..<count {
      let value = Double(element(index))
      squares += value * value
    }
    return .object([
      "type": .string(Self.name(type)), "dim": .int(dimension),
      "first": .array((0..<min(count, options.firstCount)).map { Self.number(element($0)) }),
      "norm": Self.number(Float(squares.squareRoot())),
    ])
  }

  private func element(_ index: Int) -> Float {
    switch type {
    case .floatVector: Float(bitPattern: UInt32(truncatingIfNeeded: FloatEquality.little(bytes, index * 4, 4)))
    case .float16Vector: Self.half(UInt16(truncatingIfNeeded: FloatEquality.little(bytes, index * 2, 2)))
    case .bfloat16Vector: Float(bitPattern: UInt32(truncatingIfNeeded: FloatEquality.little(bytes, index * 2, 2)) << 16)
    default: Float(Int8(bitPattern: bytes[bytes.startIndex + index]))
    }
  }

  /// IEEE 754 binary16.
  static func half(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Float(bits & 0x3FF))
    switch exponent {
    case 0: return sign * fraction * Float(sign: .plus, exponent: -24, significand: 1)
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
    }
  }

  /// Pairs of index and value (`SparseRow`).
  static func sparse(_ row: ArraySlice<UInt8>, _ options: ColumnView.Options) -> JSONValue {
    guard row.count % 8 == 0 else { return .string("0x" + HexText.encode(row)) }
    let count = row.count / 8
    func pair(_ index: Int) -> (key: String, value: Float) {
      (
        String(FloatEquality.little(row, index * 8, 4)),
        Float(bitPattern: UInt32(truncatingIfNeeded: FloatEquality.little(row, index * 8 + 4, 4)))
      )
    }
    let shown = options.isFull ? count : min(count, options.firstCount)
    let pairs = JSONObject((0..<shown).map { (pair($0).key, number(pair($0).value)) })
    if options.isFull { return .object(pairs) }
    let squares = (0..<count).reduce(0.0) { $0 + Double(pair($1).value) * Double(pair($1).value) }
    return .object([
      "type": .string(name(.sparseFloatVector)), "entries": .int(count), "first": .object(pairs),
      "norm": number(Float(squares.squareRoot())),
    ])
  }

  /// The shortest text that reads back as the same number; NaN and the infinities as texts.
  static func number(_ value: Float) -> JSONValue {
    guard value.isFinite, let number = JSONNumber(text: value.description) else { return .string("\(value)") }
    return .number(number)
  }
  static func number(_ value: Double) -> JSONValue {
    JSONNumber(value).map(JSONValue.number) ?? .string("\(value)")
  }

  static func name(_ type: DataType) -> String {
    MessageDescriptor(named: "milvus.proto.schema.FieldData")?.field(number: 1)?.enumeration?.name(of: type.rawValue)
      ?? String(type.rawValue)
  }
}
