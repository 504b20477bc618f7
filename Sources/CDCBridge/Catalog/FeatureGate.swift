package import MilvusWire

/// What a target of a certain kind and version can hold (`public-rpc.md` §3.2, §4.3, §7.2). Pure.
///
/// It is asked before CreateCollection: 2.3.5 accepts schemas that it cannot serve and cuts off what it does not know, both silently.
package struct FeatureGate: Sendable {
  package var profile: ServerProfile
  package init(_ profile: ServerProfile) { self.profile = profile }

  /// Why the target cannot hold this schema, one line per part, by name; empty: it can.
  package func refusals(of schema: CollectionSchema) -> [String] {
    var lines: [String] = []
    for field in schema.fields { lines += refusals(of: field) }
    for field in schema.structArrayFields where profile.isLite || !profile.isAtLeast(2, 6) {
      lines.append("field \(field.name): arrays of structs are not known to \(profile.title)")
    }
    for function in schema.functions {
      if let line = refusal(of: function) { lines.append(line) }
    }
    let vectors = schema.fields.filter(\.dataType.isVector)
    if !profile.isAtLeast(2, 4), vectors.count > 1 {
      lines.append(
        "fields \(names(vectors)): \(profile.title) holds one vector field per collection")
    }
    return lines
  }

  /// Why the target cannot hold this field, a line each.
  package func refusals(of field: FieldSchema) -> [String] {
    var lines: [String] = []
    if let reason = typeRefusal(field.dataType) {
      lines.append("field \(field.name): \(reason)")
    } else if field.dataType == .array, let reason = typeRefusal(field.elementType) {
      lines.append("field \(field.name): \(reason)")
    }
    if field.nullable, !profile.isAtLeast(2, 5) {
      lines.append(
        "field \(field.name): \(profile.title) knows no nullable fields, a null would become 0 or \"\"")
    }
    return lines
  }

  /// Values that destroy or panic a real server (`public-rpc.md` §8.1, §8.2); never sent to any.
  package func dangers(of schema: CollectionSchema) -> [String] {
    var lines: [String] = []
    for field in schema.fields where needsDimension(field.dataType) {
      guard let dimension = field.dimension, dimension > 0 else {
        lines.append("field \(field.name): the vector has no dimension")
        continue
      }
    }
    return lines
  }

  /// Why this name cannot be used on the target; nil: it can.
  package func nameRefusal(_ name: String) -> String? {
    if name.isEmpty { return "an empty name" }
    if profile.isLite {
      let bad: Set<UInt8> = [UInt8(ascii: "/"), UInt8(ascii: "\\"), 0]
      return name.utf8.contains(where: bad.contains) || name == "." || name == ".."
        ? "\(profile.title) makes the name a file name" : nil
    }
    if name.utf8.count > 255 { return "longer than 255 bytes" }
    for (offset, byte) in name.utf8.enumerated() {
      let isLetter = (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
      let isDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
      guard isLetter || byte == UInt8(ascii: "_") || (isDigit && offset > 0) else {
        return "\(profile.title) wants letters, digits and _ only, and no digit first"
      }
    }
    return nil
  }

  private func typeRefusal(_ type: DataType) -> String? {
    let known: Bool
    switch type {
    case .bool, .int8, .int16, .int32, .int64, .float, .double, .string, .varChar, .array, .json,
      .floatVector:
      known = true
    case .binaryVector: known = !profile.isLite
    case .float16Vector, .bfloat16Vector: known = !profile.isLite && profile.isAtLeast(2, 4)
    case .sparseFloatVector: known = profile.isAtLeast(2, 4)
    case .int8Vector: known = !profile.isLite && profile.isAtLeast(2, 6)
    case .geometry: known = profile.isAtLeast(2, 6)
    case .timestamptz: known = profile.isAtLeast(2, 6, 1)
    case .text: known = !profile.isLite && profile.isAtLeast(3, 0)
    case .arrayOfVector, .arrayOfStruct, .structType:
      known = !profile.isLite && profile.isAtLeast(2, 6)
    case .mol, .date, .time, .decimal:
      return "the public form of type \(type.title) is not known, it cannot be copied"
    default: return "type \(type.title) is not known to this version of cdc-bridge"
    }
    return known ? nil : "type \(type.title) is not known to \(profile.title)"
  }

  private func refusal(of function: FunctionSchema) -> String? {
    let known: Bool
    switch function.type {
    case 1: known = profile.isAtLeast(2, 5)
    // Lite would call the embedding model again and make vectors of its own.
    case 2, 3: known = !profile.isLite && profile.isAtLeast(2, 6)
    case 4: known = !profile.isLite && profile.isAtLeast(2, 6)
    default: known = !profile.isLite && profile.isAtLeast(3, 0)
    }
    return known
      ? nil
      : "function \(function.name) (\(functionTitle(function.type))): not known to \(profile.title)"
  }

  private func functionTitle(_ type: Int32) -> String {
    switch type {
    case 1: return "BM25"
    case 2: return "TextEmbedding"
    case 3: return "Rerank"
    case 4: return "MinHash"
    case 5: return "MolFingerprint"
    default: return "type \(type)"
    }
  }

  private func needsDimension(_ type: DataType) -> Bool {
    switch type {
    case .floatVector, .binaryVector, .float16Vector, .bfloat16Vector, .int8Vector: return true
    default: return false
    }
  }

  private func names(_ fields: [FieldSchema]) -> String {
    fields.map(\.name).joined(separator: ", ")
  }
}

extension DataType {
  /// The name that Milvus's clients show.
  package var title: String {
    switch self {
    case .none: return "None"
    case .bool: return "Bool"
    case .int8: return "Int8"
    case .int16: return "Int16"
    case .int32: return "Int32"
    case .int64: return "Int64"
    case .float: return "Float"
    case .double: return "Double"
    case .string: return "String"
    case .varChar: return "VarChar"
    case .array: return "Array"
    case .json: return "JSON"
    case .geometry: return "Geometry"
    case .text: return "Text"
    case .timestamptz: return "Timestamptz"
    case .mol: return "Mol"
    case .date: return "Date"
    case .time: return "Time"
    case .decimal: return "Decimal"
    case .binaryVector: return "BinaryVector"
    case .floatVector: return "FloatVector"
    case .float16Vector: return "Float16Vector"
    case .bfloat16Vector: return "BFloat16Vector"
    case .sparseFloatVector: return "SparseFloatVector"
    case .int8Vector: return "Int8Vector"
    case .arrayOfVector: return "ArrayOfVector"
    case .arrayOfStruct: return "ArrayOfStruct"
    case .structType: return "Struct"
    default: return "number \(rawValue)"
    }
  }
}
