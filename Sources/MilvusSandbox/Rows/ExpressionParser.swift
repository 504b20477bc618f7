internal import MilvusWire

/// Reads a filter against the schema of a collection.
///
///     any  := all (("or" | "||") all)*          all := not (("and" | "&&") not)*          not := ("not" | "!") not | test
///     test := "(" any ")" | operand (comparison operand){0,2} | operand ["not"] "in" list | operand "like" text
///           | operand "is" ["not"] "null"
struct ExpressionParser {
  static let depthMax = 100

  private let tokens: [ExpressionLexer.Token]
  private let collection: CollectionRecord
  private let templates: JSONObject
  private var position = 0
  private var depth = 0

  private init(_ tokens: [ExpressionLexer.Token], _ collection: CollectionRecord, _ templates: JSONObject) {
    (self.tokens, self.collection, self.templates) = (tokens, collection, templates)
  }

  /// `templates`: `expr_template_values` in proto3 JSON. An empty text matches every row.
  static func parse(_ text: String, _ collection: CollectionRecord, templates: JSONObject = JSONObject())
    throws(Refusal) -> Expression
  {
    if text.allSatisfy(\.isWhitespace) { return .always }
    var parser = ExpressionParser(try ExpressionLexer.tokens(of: text), collection, templates)
    let expression = try parser.any()
    guard parser.peek == .end else { throw ExpressionLexer.refusal("unexpected \(parser.peek)") }
    return expression
  }

  private var peek: ExpressionLexer.Token { position < tokens.count ? tokens[position] : .end }

  private mutating func takes(_ words: String...) -> Bool {
    switch peek {
    case .word(let word): guard words.contains(word.lowercased()) else { return false }
    case .symbol(let symbol): guard words.contains(symbol) else { return false }
    case .int, .double, .text, .template, .end: return false
    }
    position += 1
    return true
  }

  private mutating func any() throws(Refusal) -> Expression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthMax else { throw ExpressionLexer.refusal("too deep") }
    var expression = try all()
    while takes("or", "||") { expression = .any(expression, try all()) }
    return expression
  }

  private mutating func all() throws(Refusal) -> Expression {
    var expression = try negation()
    while takes("and", "&&") { expression = .all(expression, try negation()) }
    return expression
  }

  private mutating func negation() throws(Refusal) -> Expression {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.depthMax else { throw ExpressionLexer.refusal("too deep") }
    if takes("not", "!") { return .not(try negation()) }
    return try test()
  }

  private mutating func test() throws(Refusal) -> Expression {
    if takes("(") {
      let inner = try any()
      guard takes(")") else { throw ExpressionLexer.refusal("')' expected") }
      return inner
    }
    let left = try operand()
    if takes("in") { return .isIn(left, try list(for: left)) }
    if takes("not") {
      guard takes("in") else { throw ExpressionLexer.refusal("'in' expected") }
      let values = try list(for: left)
      return .all(.not(.isIn(left, values)), .not(.isNull(left)))
    }
    if takes("like") {
      guard case .text(let pattern) = peek else { throw ExpressionLexer.refusal("a text expected") }
      position += 1
      return .like(left, pattern)
    }
    if takes("is") {
      let negated = takes("not")
      guard takes("null") else { throw ExpressionLexer.refusal("'null' expected") }
      return negated ? .not(.isNull(left)) : .isNull(left)
    }
    guard let first = comparison() else {
      if case .literal(.bool(let value)) = left { return value ? .always : .never }
      throw ExpressionLexer.refusal("predicate is not a boolean expression")
    }
    let middle = try operand()
    try check(left, middle)
    guard let second = comparison() else { return .compare(left, first, middle) }
    // `1 < a < 5`
    let right = try operand()
    try check(middle, right)
    return .all(.compare(left, first, middle), .compare(middle, second, right))
  }

  private mutating func comparison() -> Expression.Comparison? {
    let known: [(String, Expression.Comparison)] = [
      ("==", .equal), ("!=", .different), ("<", .less), ("<=", .atMost), (">", .greater), (">=", .atLeast),
    ]
    for (symbol, comparison) in known where takes(symbol) { return comparison }
    return nil
  }

  private mutating func operand() throws(Refusal) -> Expression.Operand {
    let token = peek
    position += 1
    switch token {
    case .int(let value): return .literal(.int(value))
    case .double(let value): return .literal(.double(value))
    case .text(let bytes): return .literal(.text(bytes))
    case .template(let name):
      guard let value = try template(name).first else {
        throw ExpressionLexer.refusal("template \(name) is a list")
      }
      return .literal(value)
    case .word(let word):
      if word.lowercased() == "true" { return .literal(.bool(true)) }
      if word.lowercased() == "false" { return .literal(.bool(false)) }
      return try path(from: word)
    case .symbol, .end: throw ExpressionLexer.refusal("a field or a value expected")
    }
  }

  private mutating func path(from word: String) throws(Refusal) -> Expression.Operand {
    var steps: [Expression.PathStep] = []
    while takes("[") {
      switch peek {
      case .text(let bytes): steps.append(.key(String(decoding: bytes, as: UTF8.self)))
      case .int(let index): steps.append(.index(Int(clamping: index)))
      case .word, .double, .template, .symbol, .end: throw ExpressionLexer.refusal("a key expected")
      }
      position += 1
      guard takes("]") else { throw ExpressionLexer.refusal("']' expected") }
    }
    if let field = collection.storedFields.first(where: { $0.name == word }) {
      guard !steps.isEmpty else { return .field(field) }
      guard field.dataType == .json else { throw ExpressionLexer.refusal("\(word) has no keys") }
      return .path(field, steps)
    }
    guard let meta = collection.dynamicField else { throw ExpressionLexer.refusal("field \(word) not exist") }
    return .path(meta, word == CollectionRecord.metaField ? steps : [.key(word)] + steps)
  }

  private mutating func list(for operand: Expression.Operand) throws(Refusal) -> [ScalarValue] {
    if case .template(let name) = peek {
      position += 1
      return try template(name)
    }
    guard takes("[") else { throw ExpressionLexer.refusal("'[' expected") }
    var values: [ScalarValue] = []
    while !takes("]") {
      let element = try self.operand()
      guard case .literal(let value) = element else { throw ExpressionLexer.refusal("a value expected") }
      try check(operand, element)
      values.append(value)
      if !takes(",") {
        guard takes("]") else { throw ExpressionLexer.refusal("']' expected") }
        break
      }
    }
    return values
  }

  /// `schema.TemplateValue`: one value, or the elements of an array.
  private func template(_ name: String) throws(Refusal) -> [ScalarValue] {
    guard let value = templates[name]?.objectValue else {
      throw ExpressionLexer.refusal("the value of expression template variable name {\(name)} is not found")
    }
    if let text = value["string_val"]?.stringValue { return [.text(Array(text.utf8))] }
    if let flag = value["bool_val"]?.boolValue { return [.bool(flag)] }
    if let number = value["float_val"]?.doubleValue { return [.double(number)] }
    if value["int64_val"] != nil { return [.int(value.integer("int64_val"))] }
    let list = value.object("array_val")
    if list["long_data"] != nil { return list.object("long_data").integers("data").map { .int($0) } }
    if list["string_data"] != nil {
      return list.object("string_data").texts("data").map { .text(Array($0.utf8)) }
    }
    if list["double_data"] != nil {
      return (list.object("double_data")["data"]?.arrayValue ?? []).compactMap {
        $0.doubleValue.map { .double($0) }
      }
    }
    return []
  }

  /// A key of integers compared with a text, or the other way round, is a mistake that servers refuse.
  private func check(_ a: Expression.Operand, _ b: Expression.Operand) throws(Refusal) {
    guard case .field(let field) = a else {
      if case .field = b { try check(b, a) }
      return
    }
    guard case .literal(let value) = b else { return }
    let isFitting: Bool
    switch (field.dataType, value) {
    case (.varChar, .text), (.text, .text), (.string, .text), (.timestamptz, .text), (.geometry, .text),
      (.bool, .bool), (.json, _):
      isFitting = true
    case (.int8, .int), (.int16, .int), (.int32, .int), (.int64, .int): isFitting = true
    case (.int8, .double), (.int16, .double), (.int32, .double): isFitting = true
    case (.int64, .double): isFitting = !field.isPrimaryKey
    case (.float, .int), (.float, .double), (.double, .int), (.double, .double): isFitting = true
    default: isFitting = false
    }
    guard isFitting else {
      throw ExpressionLexer.refusal("comparisons between \(field.name) and the value are not supported")
    }
  }
}
