internal import MilvusWire

/// A filter of Query or Delete: the part of Milvus's language that a bridge and simple programs use. Comparisons, ranges, `in`, `like`,
/// `is null`, `and`/`or`/`not`, keys of JSON fields, names of dynamic fields and `{templates}`; no arithmetic and no functions.
indirect enum Expression {
  enum Comparison { case equal, different, less, atMost, greater, atLeast }

  case always
  case never
  case all(Expression, Expression)
  case any(Expression, Expression)
  case not(Expression)
  case compare(Operand, Comparison, Operand)
  case isIn(Operand, [ScalarValue])
  case isNull(Operand)
  case like(Operand, [UInt8])

  enum Operand {
    case literal(ScalarValue)
    case field(FieldSchema)
    /// Keys inside a JSON field.
    case path(FieldSchema, [PathStep])
  }
  enum PathStep { case key(String), index(Int) }
}

/// What a comparison sees. Texts are bytes: that is how servers order them.
enum ScalarValue {
  case null
  case bool(Bool)
  case int(Int64)
  case double(Double)
  case text([UInt8])

  /// -1, 0 or 1; nil where the two cannot be compared, which makes every comparison false.
  func order(_ other: ScalarValue) -> Int? {
    switch (self, other) {
    case (.int(let a), .int(let b)): a < b ? -1 : a > b ? 1 : 0
    case (.bool(let a), .bool(let b)): a == b ? 0 : a ? 1 : -1
    case (.text(let a), .text(let b)): a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
    case (.int(let a), .double(let b)): Self.order(Double(a), b)
    case (.double(let a), .int(let b)): Self.order(a, Double(b))
    case (.double(let a), .double(let b)): Self.order(a, b)
    case (.null, _), (.bool, _), (.int, _), (.double, _), (.text, _): nil
    }
  }
  private static func order(_ a: Double, _ b: Double) -> Int? { a < b ? -1 : a > b ? 1 : a == b ? 0 : nil }
}

extension Expression.Comparison {
  func holds(_ order: Int) -> Bool {
    switch self {
    case .equal: order == 0
    case .different: order != 0
    case .less: order < 0
    case .atMost: order <= 0
    case .greater: order > 0
    case .atLeast: order >= 0
    }
  }
  /// The same statement with its sides exchanged.
  var mirrored: Expression.Comparison {
    switch self {
    case .equal: .equal
    case .different: .different
    case .less: .greater
    case .atMost: .atLeast
    case .greater: .less
    case .atLeast: .atMost
    }
  }
}

extension Expression {
  func matches(_ row: [UInt8]) -> Bool {
    switch self {
    case .always: return true
    case .never: return false
    case .all(let a, let b): return a.matches(row) && b.matches(row)
    case .any(let a, let b): return a.matches(row) || b.matches(row)
    case .not(let inner): return !inner.matches(row)
    case .compare(let left, let comparison, let right):
      guard let order = left.value(in: row).order(right.value(in: row)) else { return false }
      return comparison.holds(order)
    case .isIn(let operand, let values):
      let value = operand.value(in: row)
      return values.contains { value.order($0) == 0 }
    case .isNull(let operand):
      if case .null = operand.value(in: row) { return true }
      return false
    case .like(let operand, let pattern):
      guard case .text(let text) = operand.value(in: row) else { return false }
      return Self.isLike(text[...], pattern[...])
    }
  }

  /// `%` stands for any text, `_` for one character; a backslash makes the next one plain.
  private static func isLike(_ text: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return text.isEmpty }
    let rest = pattern.dropFirst()
    switch first {
    case UInt8(ascii: "%"):
      return (text.startIndex...text.endIndex).contains { isLike(text[$0...], rest) }
    case UInt8(ascii: "_"):
      guard let lead = text.first else { return false }
      let width = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
      return isLike(text.dropFirst(width), rest)
    case UInt8(ascii: "\\") where !rest.isEmpty:
      return text.first == rest.first && isLike(text.dropFirst(), rest.dropFirst())
    default: return text.first == first && isLike(text.dropFirst(), rest)
    }
  }
}

extension Expression.Operand {
  func value(in row: [UInt8]) -> ScalarValue {
    switch self {
    case .literal(let value): return value
    case .field(let field): return Self.stored(field, row).map { Self.value(of: $0, as: field) } ?? .null
    case .path(let field, let steps):
      guard let bytes = Self.stored(field, row), var value = try? JSONParser.parse(Array(bytes)) else {
        return .null
      }
      for step in steps {
        switch step {
        case .key(let key): value = value.objectValue?[key] ?? .null
        case .index(let index):
          let list = value.arrayValue ?? []
          value = list.indices.contains(index) ? list[index] : .null
        }
      }
      return Self.scalar(value)
    }
  }

  private static func stored(_ field: FieldSchema, _ row: [UInt8]) -> ArraySlice<UInt8>? {
    var reader = WireReader(row)
    while let entry = try? reader.next() {
      if Int64(entry.number) == field.fieldID, let range = entry.range { return row[range] }
    }
    return field.storedDefault.map { $0[...] }
  }

  private static func value(of bytes: ArraySlice<UInt8>, as field: FieldSchema) -> ScalarValue {
    switch field.dataType {
    case .bool: .bool(bytes.first == 1)
    case .int8, .int16, .int32: .int(Int64(ColumnWriter.int32(bytes)))
    case .int64: .int(Int64(bitPattern: ColumnWriter.word(bytes)))
    case .float: .double(Double(Float(bitPattern: UInt32(truncatingIfNeeded: ColumnWriter.word(bytes)))))
    case .double: .double(Double(bitPattern: ColumnWriter.word(bytes)))
    case .json: (try? JSONParser.parse(Array(bytes))).map(scalar) ?? .null
    default: .text(Array(bytes))
    }
  }

  private static func scalar(_ json: JSONValue) -> ScalarValue {
    switch json {
    case .null: .null
    case .bool(let value): .bool(value)
    case .number(let number): number.int64.map { .int($0) } ?? .double(number.double)
    case .string(let text): .text(Array(text.utf8))
    // Not null, and equal to nothing.
    case .array, .object: .double(.nan)
    }
  }
}
