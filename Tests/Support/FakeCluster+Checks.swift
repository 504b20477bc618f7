internal import MilvusWire

/// What servers check, and what kills them, before a row is stored (`public-rpc.md` §4, §8.1).
extension FakeCluster {
  /// Fails for what the server refuses, and ends the server for what ends a real 2.3.5.
  func check(
    _ method: String, _ columns: [FakeColumn.Decoded], _ rowCount: Int, _ schema: CollectionSchema,
    _ state: inout FakeState
  ) throws(CallError) {
    if rowCount == 0, !manners.isLite { throw refusal(method, milvus: (1100, "num_rows should be greater than 0"), lite: (0, "")) }
    var names: Set<String> = []
    for column in columns {
      if !names.insert(column.name).inserted {
        throw refusal(method, milvus: (1100, "duplicated field \(column.name) found"), lite: (6, column.name))
      }
      if column.values.count != rowCount {
        throw refusal(
          method, milvus: (1100, "the num_rows (\(column.values.count)) of field \(column.name) is not equal"), lite: (6, column.name))
      }
      if column.name == "$meta" {
        try checkDynamic(method, column, schema)
        continue
      }
      guard let field = schema.fields.first(where: { $0.name == column.name }) else {
        throw refusal(method, milvus: (1100, "field \(column.name) does not exist"), lite: (6, column.name))
      }
      try check(method, column, field, &state)
    }
    for field in schema.fields where !names.contains(field.name) {
      if field.isPrimaryKey, field.autoID { continue }
      if manners.isLite, field.nullable || field.defaultValue != nil { continue }
      if !manners.isLite, field.defaultValue != nil {
        state.kill("\(method) without the column \(field.name), which has a default")
        return
      }
      throw refusal(method, milvus: (1100, "array type mismatch: expected \(field.name), got nil"), lite: (6, field.name))
    }
  }

  private func checkDynamic(_ method: String, _ column: FakeColumn.Decoded, _ schema: CollectionSchema) throws(CallError) {
    guard schema.enableDynamicField else { throw refusal(method, milvus: (1100, "field $meta does not exist"), lite: (6, "$meta")) }
    if !manners.isLite, !column.isDynamic { throw refusal(method, milvus: (1100, "duplicated field $meta found"), lite: (6, "")) }
    for case .text(let json) in column.values where json.first != UInt8(ascii: "{") {
      throw refusal(method, milvus: (65535, "the dynamic field is no object"), lite: (6, "$meta"))
    }
  }

  private func check(_ method: String, _ column: FakeColumn.Decoded, _ field: FieldSchema, _ state: inout FakeState) throws(CallError) {
    if let dim = field.dimension, field.dataType.isVector, column.dimension != dim, column.valueCount > 0,
      field.dataType != .sparseFloatVector
    {
      if !manners.isLite { state.kill("\(method) with dimension \(column.dimension) for \(field.name), which has \(dim)"); return }
      throw refusal(method, milvus: (0, ""), lite: (6, "dimension"))
    }
    if column.hasRowWithoutSlot, !manners.isLite { state.kill("\(method) with an array row without a slot in \(field.name)"); return }
    if column.hasFlags, !manners.knowsNulls {
      state.violations.append("\(method) with null flags for \(field.name), which this server ignores")
    }
    if field.isPrimaryKey, field.autoID, !manners.isLite {
      throw refusal(method, milvus: (1100, "the number of fields is less than needed"), lite: (0, ""))
    }
    if column.values.contains(.null), !field.nullable, field.defaultValue == nil {
      throw refusal(method, milvus: (1100, "the length of field \(field.name) is wrong"), lite: (6, field.name))
    }
    for value in column.values {
      switch value {
      case .text(let bytes) where field.dataType == .varChar:
        let length = manners.isLite ? String(decoding: bytes, as: UTF8.self).unicodeScalars.count : bytes.count
        if let max = field.typeParams["max_length"].flatMap({ Int($0) }), length > max {
          throw refusal(method, milvus: (1100, "the length (\(length)) exceeds max length (\(max))"), lite: (6, "max_length"))
        }
      case .text(let bytes) where field.dataType == .json && !manners.isLite && bytes.first != UInt8(ascii: "{"):
        throw refusal(method, milvus: (1001, "json: cannot unmarshal into object"), lite: (0, ""))
      case .float(let float) where !float.isFinite && !manners.isLite:
        throw refusal(method, milvus: (65535, "value is not a number or infinity"), lite: (0, ""))
      default: break
      }
    }
  }

  /// Rows as the server keeps them.
  func rows(
    _ method: String, _ columns: [FakeColumn.Decoded], _ count: Int, _ schema: CollectionSchema, version: UInt64
  ) throws(CallError) -> [FakeRow] {
    var result: [FakeRow] = []
    for index in 0..<count {
      var values: [String: FakeValue] = [:]
      for column in columns {
        let field = schema.fields.first { $0.name == column.name }
        var value = column.values[index]
        if value == .null, let standard = field?.defaultValue { value = Self.value(of: standard) }
        if value == .null, !manners.knowsNulls { value = .text([]) }
        values[column.name] = value
      }
      if schema.enableDynamicField, values["$meta"] == nil { values["$meta"] = .text("{}") }
      for field in schema.fields where values[field.name] == nil {
        values[field.name] = field.defaultValue.map(Self.value) ?? .null
      }
      guard let key = schema.primaryKey, let value = values[key.name] else {
        throw refusal(method, milvus: (1100, "no key"), lite: (6, "no key"))
      }
      switch value {
      case .int(let number): result.append(FakeRow(key: .int(number), values: values, version: version))
      case .text(let bytes): result.append(FakeRow(key: .text(bytes), values: values, version: version))
      default: throw refusal(method, milvus: (1100, "no key"), lite: (6, "no key"))
      }
    }
    return result
  }

  static func value(of standard: DefaultValue) -> FakeValue {
    switch standard {
    case .bool(let value): .bool(value)
    case .int(let value): .int(Int64(value))
    case .long(let value), .timestamptz(let value), .time(let value): .int(value)
    case .date(let value): .int(Int64(value))
    case .float(let value): .float(value)
    case .double(let value): .double(value)
    case .string(let value): .text(value)
    case .bytes(let value): .text(value)
    }
  }
}

extension FakeState {
  /// A request that ends a real 2.3.5 (`public-rpc.md` §8.1).
  mutating func kill(_ what: String) {
    isDead = true
    violations.append(what)
  }
}
