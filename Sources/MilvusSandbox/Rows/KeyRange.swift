internal import MilvusWire

/// What a filter says about the key: lets a read look at few rows instead of all.
struct KeyRange {
  /// The only keys that can match; nil: any.
  var keys: [RowKey]?
  /// No key below matches.
  var lower: RowKey?
  /// No key above matches.
  var upper: RowKey?

  init(_ expression: Expression, key: FieldSchema) { narrow(expression, key.fieldID) }

  /// True where the filter is nothing but a list of keys: such a delete needs no query (`public-rpc.md` §5).
  static func isPlainList(_ expression: Expression, key: FieldSchema) -> Bool {
    switch expression {
    case .isIn(.field(let field), _): field.fieldID == key.fieldID
    case .compare(.field(let field), .equal, .literal): field.fieldID == key.fieldID
    default: false
    }
  }

  /// Only statements that all rows must meet narrow the range; everything else leaves it as it is.
  private mutating func narrow(_ expression: Expression, _ key: Int64) {
    switch expression {
    case .all(let a, let b):
      narrow(a, key)
      narrow(b, key)
    case .isIn(.field(let field), let values) where field.fieldID == key:
      only(values.compactMap(Self.key))
    case .compare(.field(let field), let comparison, .literal(let value)) where field.fieldID == key:
      narrow(comparison, value)
    case .compare(.literal(let value), let comparison, .field(let field)) where field.fieldID == key:
      narrow(comparison.mirrored, value)
    default: break
    }
  }

  private mutating func narrow(_ comparison: Expression.Comparison, _ value: ScalarValue) {
    guard let bound = Self.key(value) else { return }
    switch comparison {
    case .equal: only([bound])
    case .greater, .atLeast: lower = lower.map { max($0, bound) } ?? bound
    case .less, .atMost: upper = upper.map { min($0, bound) } ?? bound
    case .different: break
    }
  }

  private mutating func only(_ list: [RowKey]) {
    guard let known = keys else {
      var seen: Set<RowKey> = []
      keys = list.filter { seen.insert($0).inserted }
      return
    }
    let wanted = Set(list)
    keys = known.filter { wanted.contains($0) }
  }

  private static func key(_ value: ScalarValue) -> RowKey? {
    switch value {
    case .int(let value): .int(value)
    case .text(let bytes): .text(bytes)
    case .null, .bool, .double: nil
    }
  }
}
