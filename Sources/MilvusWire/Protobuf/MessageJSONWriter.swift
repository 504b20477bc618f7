/// JSON → wire for one message. Errors name the place, such as `fields[2].data_type`, never a value.
struct MessageJSONWriter {
  private let limits: MessageJSON.Limits
  private let presentation: (any MessagePresentation)?

  init(limits: MessageJSON.Limits, presentation: (any MessagePresentation)?) {
    self.limits = limits
    self.presentation = presentation
  }

  /// Where a value stands: the message around it and its place in the whole.
  private struct Place {
    var type: MessageDescriptor
    var object: JSONObject
    var depth: Int
  }

  func message(_ json: JSONValue, _ type: MessageDescriptor, path: String, depth: Int) throws(ProtobufError)
    -> [UInt8]
  {
    guard depth <= limits.depthMax else {
      throw ProtobufError(.tooDeep, "\(path): more than \(limits.depthMax) messages inside each other")
    }
    if MessageJSON.isFieldMask(type) { return try fieldMask(json, path) }
    guard case .object(let object) = json else { throw wrong(path, "an object (\(type.name))", json) }
    var given: [UInt32: (field: FieldDescriptor, value: JSONValue, path: String)] = [:]
    var oneofs: Set<UInt32> = []
    for (key, value) in object.members {
      let path = path.isEmpty ? key : "\(path).\(key)"
      guard let field = Self.field(key, type) else {
        let near = NearestName.hint(key, among: type.fields.map(\.name))
        throw ProtobufError(.invalidJSON, "\(path): \(type.name) has no such field\(Self.hint(near))")
      }
      if value.isNull { continue }
      guard given[field.number] == nil else {
        throw ProtobufError(.invalidJSON, "\(path): the field stands twice")
      }
      if let oneof = field.oneofIdentity, !oneofs.insert(oneof).inserted {
        throw ProtobufError(.invalidJSON, "\(path): another member of the same oneof is set")
      }
      given[field.number] = (field, value, path)
    }
    var writer = WireWriter()
    for (_, entry) in given.sorted(by: { $0.key < $1.key }) {
      let place = Place(type: type, object: object, depth: depth)
      try write(entry.value, entry.field, entry.path, place, into: &writer)
    }
    return writer.bytes
  }

  private static func hint(_ near: String) -> String { near.isEmpty ? "" : "." + near }

  /// By its name in the proto or its JSON name.
  private static func field(_ key: String, _ type: MessageDescriptor) -> FieldDescriptor? {
    type.field(named: key) ?? type.fields.first { MessageJSON.lowerCamel($0.name) == key }
  }

  private func fieldMask(_ json: JSONValue, _ path: String) throws(ProtobufError) -> [UInt8] {
    guard let text = json.stringValue else { throw wrong(path, "a text of paths", json) }
    var writer = WireWriter()
    for part in text.split(separator: ",") { writer.string(1, MessageJSON.snake(part)) }
    return writer.bytes
  }

  // MARK: Fields

  private func write(
    _ json: JSONValue, _ field: FieldDescriptor, _ path: String, _ place: Place, into writer: inout WireWriter
  ) throws(ProtobufError) {
    if field.isMap {
      try writeMap(json, field, path, place, into: &writer)
    } else if field.isRepeated {
      try writeList(json, field, path, place, into: &writer)
    } else if let inner = field.message {
      writer.lengthDelimited(field.number, try message(json, inner, path: path, depth: place.depth + 1))
    } else {
      let value = try scalar(json, field, path, place)
      if !value.isDefault || field.isOneofMember { writer.append(field.number, value) }
    }
  }

  private func writeList(
    _ json: JSONValue, _ field: FieldDescriptor, _ path: String, _ place: Place, into writer: inout WireWriter
  ) throws(ProtobufError) {
    guard case .array(let elements) = json else { throw wrong(path, "an array of \(field.typeName)", json) }
    var packed = WireWriter()
    for (index, element) in elements.enumerated() {
      let path = "\(path)[\(index)]"
      if let inner = field.message {
        writer.lengthDelimited(field.number, try message(element, inner, path: path, depth: place.depth + 1))
      } else if field.isPacked {
        packed.append(try scalar(element, field, path, place))
      } else {
        writer.append(field.number, try scalar(element, field, path, place))
      }
    }
    if !packed.bytes.isEmpty { writer.lengthDelimited(field.number, packed.bytes) }
  }

  private func writeMap(
    _ json: JSONValue, _ field: FieldDescriptor, _ path: String, _ place: Place, into writer: inout WireWriter
  ) throws(ProtobufError) {
    guard case .object(let entries) = json else { throw wrong(path, "an object (\(field.typeName))", json) }
    guard let keyField = field.message?.field(number: 1), let valueField = field.message?.field(number: 2)
    else { return }
    for (key, value) in entries.members {
      let path = "\(path)[\(key)]"
      var entry = WireWriter()
      let keyJSON: JSONValue = keyField.kind == .bool ? .bool(key == "true") : .string(key)
      guard keyField.kind != .bool || key == "true" || key == "false" else {
        throw wrong(path, "bool as the key, true or false", .string(key))
      }
      entry.append(1, try scalar(keyJSON, keyField, path, place))
      if let inner = valueField.message {
        entry.lengthDelimited(2, try message(value, inner, path: path, depth: place.depth + 1))
      } else {
        entry.append(2, try scalar(value, valueField, path, place))
      }
      writer.lengthDelimited(field.number, entry.bytes)
    }
  }

  // MARK: Scalars

  /// One encoded value.
  enum Scalar {
    case varint(UInt64)
    case fixed32(UInt32)
    case fixed64(UInt64)
    case bytes([UInt8])

    var isDefault: Bool {
      switch self {
      case .varint(let bits), .fixed64(let bits): bits == 0
      case .fixed32(let bits): bits == 0
      case .bytes(let bytes): bytes.isEmpty
      }
    }
  }

  private func scalar(_ json: JSONValue, _ field: FieldDescriptor, _ path: String, _ place: Place)
    throws(ProtobufError) -> Scalar
  {
    switch field.kind {
    case .int32: return .varint(UInt64(bitPattern: Int64(try integer(json, path) as Int32)))
    case .int64: return .varint(UInt64(bitPattern: try integer(json, path)))
    case .uint32: return .varint(UInt64(try integer(json, path) as UInt32))
    case .uint64: return .varint(try integer(json, path))
    case .sint32: return .varint(Self.zigzag(Int64(try integer(json, path) as Int32)))
    case .sint64: return .varint(Self.zigzag(try integer(json, path)))
    case .fixed32: return .fixed32(try integer(json, path))
    case .sfixed32: return .fixed32(UInt32(bitPattern: try integer(json, path)))
    case .fixed64: return .fixed64(try integer(json, path))
    case .sfixed64: return .fixed64(UInt64(bitPattern: try integer(json, path)))
    case .float: return .fixed32(try float(json, path).bitPattern)
    case .double: return .fixed64(try double(json, path).bitPattern)
    case .bool:
      guard let value = json.boolValue else { throw wrong(path, "bool, true or false", json) }
      return .varint(value ? 1 : 0)
    case .enum: return .varint(UInt64(bitPattern: Int64(try enumeration(json, field, path))))
    case .string:
      guard let text = json.stringValue else { throw wrong(path, "string", json) }
      return .bytes(Array(text.utf8))
    case .bytes:
      if let text = json.stringValue {
        guard let bytes = Self.base64(text) else {
          throw ProtobufError(.invalidJSON, "\(path): expected bytes in base64, found another text")
        }
        return .bytes(bytes)
      }
      if json.objectValue != nil, let inner = presentation?.content(of: field, in: place.type) {
        return .bytes(try message(json, inner, path: path, depth: place.depth + 1))
      }
      if let bytes = presentation?.bytes(of: json, in: field, of: place.type, beside: place.object) {
        return .bytes(bytes)
      }
      throw wrong(path, "bytes in base64", json)
    case .message: throw wrong(path, "a single value", json)
    }
  }

  private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: value << 1 ^ value >> 63) }

  /// Standard or URL-safe alphabet, padded or not.
  private static func base64(_ text: String) -> [UInt8]? {
    Base64.decode(text.replacing("-", with: "+").replacing("_", with: "/"))
  }

  private func integer<Integer: FixedWidthInteger>(_ json: JSONValue, _ path: String) throws(ProtobufError)
    -> Integer
  {
    let number = json.numberValue ?? json.stringValue.flatMap { JSONNumber(text: $0) }
    if let signed = number?.int64, let value = Integer(exactly: signed) { return value }
    if let unsigned = number?.uint64, let value = Integer(exactly: unsigned) { return value }
    let type = (Integer.isSigned ? "int" : "uint") + "\(Integer.bitWidth)"
    throw wrong(path, "\(type), a whole number from \(Integer.min) to \(Integer.max)", json)
  }

  private func float(_ json: JSONValue, _ path: String) throws(ProtobufError) -> Float {
    // From the text, not through Double: rounding twice can miss the nearest Float.
    let text = json.numberValue?.text ?? json.stringValue ?? ""
    if let special = Self.nonFinite(json) { return Float(special) }
    guard let value = Float(text), value.isFinite else {
      throw wrong(path, "float, a number of single precision", json)
    }
    return value
  }

  private func double(_ json: JSONValue, _ path: String) throws(ProtobufError) -> Double {
    let number = json.numberValue ?? json.stringValue.flatMap { JSONNumber(text: $0) }
    guard let value = Self.nonFinite(json) ?? number?.double, number == nil || value.isFinite else {
      throw wrong(path, "double, a number of double precision", json)
    }
    return value
  }

  private static func nonFinite(_ json: JSONValue) -> Double? {
    switch json.stringValue {
    case "NaN": .nan
    case "Infinity": .infinity
    case "-Infinity": -.infinity
    default: nil
    }
  }

  private func enumeration(_ json: JSONValue, _ field: FieldDescriptor, _ path: String) throws(ProtobufError)
    -> Int32
  {
    if let name = json.stringValue {
      guard let type = field.enumeration else { throw wrong(path, "an enum value", json) }
      if let number = type.number(of: name) { return number }
      let near = Self.hint(NearestName.hint(name, among: type.values.map(\.name)))
      throw ProtobufError(.invalidJSON, "\(path): \(type.name) has no such value\(near)")
    }
    guard json.numberValue != nil else { throw wrong(path, "a name or number of \(field.typeName)", json) }
    return try integer(json, path)
  }

  private func found(_ json: JSONValue) -> String {
    switch json {
    case .array, .object: "an \(json.kind)"
    case .bool, .number, .string: "a \(json.kind)"
    case .null: "null"
    }
  }

  private func wrong(_ path: String, _ wanted: String, _ json: JSONValue) -> ProtobufError {
    ProtobufError(
      .invalidJSON, "\(path.isEmpty ? "the message" : path): expected \(wanted), found \(found(json))")
  }
}

extension WireWriter {
  /// A value with its tag.
  fileprivate mutating func append(_ number: UInt32, _ value: MessageJSONWriter.Scalar) {
    switch value {
    case .varint(let bits): varint(number, bits)
    case .fixed32(let bits): fixed32(number, bits)
    case .fixed64(let bits): fixed64(number, bits)
    case .bytes(let bytes): lengthDelimited(number, bytes)
    }
  }

  /// A value of a packed list.
  fileprivate mutating func append(_ value: MessageJSONWriter.Scalar) {
    switch value {
    case .varint(let bits): rawVarint(bits)
    case .fixed32(let bits): rawFixed(bits)
    case .fixed64(let bits): rawFixed(bits)
    case .bytes(let bytes): raw(bytes)
    }
  }
}
