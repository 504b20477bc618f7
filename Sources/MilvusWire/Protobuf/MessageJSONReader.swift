/// Wire → JSON for one message. Bounded in depth and in the number of values.
struct MessageJSONReader {
  private let bytes: [UInt8]
  private let form: MessageJSON
  private var limits: MessageJSON.Limits { form.limits }
  private var valueCount = 0
  private(set) var oddities = OddityList()

  init(bytes: [UInt8], form: MessageJSON) {
    self.bytes = bytes
    self.form = form
  }

  /// What has been seen of one field. Parts of a singular message are merged (protobuf "Last one wins").
  private enum Seen {
    case scalar(JSONValue, isDefault: Bool)
    case parts([Range<Int>])
    case list([JSONValue])
    case map(JSONObject)
  }

  /// The message whose fields stand in `parts`, one after the other.
  mutating func message(_ parts: [Range<Int>], _ type: MessageDescriptor, depth: Int) throws(ProtobufError)
    -> JSONValue
  {
    guard depth <= limits.depthMax else {
      throw ProtobufError(.tooDeep, "\(type.name): more than \(limits.depthMax) messages inside each other")
    }
    if let presentation = form.presentation,
      let summary = try presentation.summary(of: MessageParts(type: type, bytes: bytes, parts: parts))
    {
      try count(1, type)
      return summary
    }
    var seen: [UInt32: Seen] = [:]
    for part in parts {
      var reader = WireReader(bytes, in: part)
      while let wire = try reader.next() {
        guard let field = type.field(number: wire.number) else {
          oddities.add(.unknownField, wire, type)
          continue
        }
        if form.isLenient, !Self.fits(wire, field) {
          oddities.add(.wrongWireType, wire, type)
          continue
        }
        try add(wire, field, of: type, to: &seen, depth: depth)
      }
    }
    if MessageJSON.isFieldMask(type) { return fieldMask(seen[1]) }
    var object = JSONObject()
    for field in type.fields {
      let value: JSONValue?
      if let seen = seen[field.number] {
        value = try self.value(of: seen, field, depth: depth)
      } else {
        value = form.showsDefaults ? Self.absent(field) : nil
      }
      if let value { object[form.names == .proto ? field.name : MessageJSON.lowerCamel(field.name)] = value }
    }
    form.presentation?.finish(&object, of: type, names: form.names)
    return .object(object)
  }

  /// What a field without presence shows that does not stand in the message; nil for messages and members of oneofs.
  private static func absent(_ field: FieldDescriptor) -> JSONValue? {
    if field.isMap { return .object(JSONObject()) }
    if field.isRepeated { return .array([]) }
    return field.isOneofMember || field.kind == .message ? Optional.none : empty(field)
  }

  /// A repeated number may be packed.
  private static func fits(_ wire: WireField, _ field: FieldDescriptor) -> Bool {
    wire.wireType == field.kind.wireType || (field.isRepeated && wire.wireType == .lengthDelimited)
  }

  private mutating func value(of seen: Seen, _ field: FieldDescriptor, depth: Int) throws(ProtobufError)
    -> JSONValue?
  {
    switch seen {
    // Not `? nil :`, which would be JSON's null.
    case .scalar(let value, let isDefault):
      return isDefault && !field.isOneofMember && !form.showsDefaults ? Optional.none : value
    case .list(let values): return .array(values)
    case .map(let entries): return .object(entries)
    case .parts(let parts):
      guard let inner = field.message else { return nil }
      return try message(parts, inner, depth: depth + 1)
    }
  }

  private func fieldMask(_ paths: Seen?) -> JSONValue {
    guard case .list(let values) = paths else { return .string("") }
    return .string(values.compactMap(\.stringValue).map(MessageJSON.lowerCamel).joined(separator: ","))
  }

  // MARK: Fields

  private mutating func add(
    _ wire: WireField, _ field: FieldDescriptor, of type: MessageDescriptor, to seen: inout [UInt32: Seen],
    depth: Int
  ) throws(ProtobufError) {
    if let oneof = field.oneofIdentity {
      for other in type.fields where other.oneofIdentity == oneof && other.number != field.number {
        seen[other.number] = nil
      }
    }
    if field.isRepeated {
      return try addRepeated(wire, field, of: type, to: &seen, depth: depth)
    }
    guard wire.wireType == field.kind.wireType else { throw wrongType(wire, field, type) }
    if let range = wire.range, field.kind == .message {
      try count(1, type)
      var parts: [Range<Int>] = []
      if case .parts(let earlier) = seen[field.number] { parts = earlier }
      seen[field.number] = .parts(parts + [range])
    } else {
      let (value, isDefault) = try scalar(wire, field, of: type, depth: depth)
      seen[field.number] = .scalar(value, isDefault: isDefault)
    }
  }

  private mutating func addRepeated(
    _ wire: WireField, _ field: FieldDescriptor, of type: MessageDescriptor, to seen: inout [UInt32: Seen],
    depth: Int
  ) throws(ProtobufError) {
    if field.isMap, let entry = field.message, let range = wire.range {
      var entries = JSONObject()
      if case .map(let earlier) = seen.removeValue(forKey: field.number) { entries = earlier }
      let (key, value) = try mapEntry(range, entry, depth: depth)
      entries[key] = value
      seen[field.number] = .map(entries)
      return
    }
    // An empty packed list is no value. The list is taken out of the dictionary while it grows, so that
    // appending never copies it.
    var list: [JSONValue] = []
    if case .list(let earlier) = seen.removeValue(forKey: field.number) { list = earlier }
    switch (wire.content, field.kind) {
    case (.lengthDelimited(let range), .message):
      if let inner = field.message { list.append(try message([range], inner, depth: depth + 1)) }
      try count(1, type)
    case _ where wire.wireType == field.kind.wireType:
      list.append(try scalar(wire, field, of: type, depth: depth).value)
    case (.lengthDelimited(let range), _):
      var packed = WireReader(bytes, in: range)
      while !packed.isAtEnd {
        let element = WireField(number: wire.number, content: try packed.content(field.kind.wireType))
        list.append(try scalar(element, field, of: type, depth: depth).value)
      }
    default: throw wrongType(wire, field, type)
    }
    if !list.isEmpty { seen[field.number] = .list(list) }
  }

  private mutating func mapEntry(_ range: Range<Int>, _ entry: MessageDescriptor, depth: Int)
    throws(ProtobufError)
    -> (String, JSONValue)
  {
    guard let keyField = entry.field(number: 1), let valueField = entry.field(number: 2) else {
      return ("", .null)
    }
    var (key, value) = (Self.empty(keyField), Self.empty(valueField))
    var reader = WireReader(bytes, in: range)
    while let wire = try reader.next() {
      guard let field = entry.field(number: wire.number) else {
        oddities.add(.unknownField, wire, entry)
        continue
      }
      guard wire.wireType == field.kind.wireType else {
        guard form.isLenient else { throw wrongType(wire, field, entry) }
        oddities.add(.wrongWireType, wire, entry)
        continue
      }
      if wire.number == 1 {
        key = try scalar(wire, field, of: entry, depth: depth).value
      } else if let inner = field.message, let range = wire.range {
        value = try message([range], inner, depth: depth + 1)
      } else {
        value = try scalar(wire, field, of: entry, depth: depth).value
      }
    }
    try count(1, entry)
    return (key.stringValue ?? key.numberValue?.text ?? (key.boolValue == true ? "true" : "false"), value)
  }

  /// What an entry without key or value stands for.
  private static func empty(_ field: FieldDescriptor) -> JSONValue {
    switch field.kind {
    case .message: .object(JSONObject())
    case .bool: false
    case .string, .bytes: ""
    case .int64, .sint64, .sfixed64, .uint64, .fixed64: "0"
    case .enum: field.enumeration?.name(of: 0).map(JSONValue.string) ?? 0
    case .int32, .sint32, .sfixed32, .uint32, .fixed32, .float, .double: 0
    }
  }

  // MARK: Scalars

  private mutating func scalar(
    _ wire: WireField, _ field: FieldDescriptor, of type: MessageDescriptor, depth: Int
  ) throws(ProtobufError) -> (value: JSONValue, isDefault: Bool) {
    try count(1, type)
    switch wire.content {
    case .varint(let bits): return (Self.number(bits, field), bits == 0)
    case .fixed32(let bits):
      switch field.kind {
      case .float: return (Self.float(Float(bitPattern: bits)), bits == 0)
      case .sfixed32: return (.int(Int32(bitPattern: bits)), bits == 0)
      default: return (.int(bits), bits == 0)
      }
    case .fixed64(let bits):
      switch field.kind {
      case .double: return (Self.double(Double(bitPattern: bits)), bits == 0)
      case .sfixed64: return (.string(String(Int64(bitPattern: bits))), bits == 0)
      default: return (.string(String(bits)), bits == 0)
      }
    case .lengthDelimited(let range):
      if field.kind == .bytes {
        let content = content(of: range, field, in: type, depth: depth)
        return (content ?? .string(Base64.encode(bytes[range])), range.isEmpty)
      }
      if let text = String(validating: bytes[range], as: UTF8.self) { return (.string(text), range.isEmpty) }
      guard form.isLenient else {
        throw ProtobufError(.invalidString, "\(type.name).\(field.name) is not UTF-8")
      }
      oddities.add(.notText, wire, type)
      return (.string(String(decoding: bytes[range], as: UTF8.self)), range.isEmpty)
    }
  }

  /// The message that a bytes field holds, where the presentation knows its type and the bytes are one.
  private mutating func content(
    of range: Range<Int>, _ field: FieldDescriptor, in type: MessageDescriptor, depth: Int
  ) -> JSONValue? {
    guard !range.isEmpty, let inner = form.presentation?.content(of: field, in: type) else { return nil }
    var reader = self
    guard let json = try? reader.message([range], inner, depth: depth + 1) else { return nil }
    self = reader
    return json
  }

  private static func number(_ bits: UInt64, _ field: FieldDescriptor) -> JSONValue {
    switch field.kind {
    case .bool: return .bool(bits != 0)
    case .int32: return .int(Int32(truncatingIfNeeded: bits))
    case .uint32: return .int(UInt32(truncatingIfNeeded: bits))
    case .sint32: return .int(Int32(truncatingIfNeeded: zigzag(bits)))
    case .sint64: return .string(String(zigzag(bits)))
    case .int64: return .string(String(Int64(bitPattern: bits)))
    case .enum:
      let number = Int32(truncatingIfNeeded: bits)
      return field.enumeration?.name(of: number).map(JSONValue.string) ?? .int(number)
    default: return .string(String(bits))
    }
  }

  private static func zigzag(_ bits: UInt64) -> Int64 {
    Int64(bitPattern: bits >> 1) ^ -Int64(bitPattern: bits & 1)
  }

  /// The shortest text that reads back as the same Float: through Double it would get digits that were never
  /// there. Only for the largest one that text lies beyond the range, where the official library refuses it.
  private static func float(_ value: Float) -> JSONValue {
    let isLargest = value.magnitude == .greatestFiniteMagnitude
    let text = isLargest ? Double(value).description : value.description
    guard value.isFinite, let number = JSONNumber(text: text) else { return nonFinite(Double(value)) }
    return .number(number)
  }

  private static func double(_ value: Double) -> JSONValue {
    JSONNumber(value).map(JSONValue.number) ?? nonFinite(value)
  }

  private static func nonFinite(_ value: Double) -> JSONValue {
    .string(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
  }

  // MARK: Errors

  private mutating func count(_ values: Int, _ type: MessageDescriptor) throws(ProtobufError) {
    valueCount += values
    guard valueCount <= limits.valueCountMax else {
      throw ProtobufError(.tooLarge, "\(type.name): more than \(limits.valueCountMax) values")
    }
  }

  private func wrongType(_ wire: WireField, _ field: FieldDescriptor, _ type: MessageDescriptor)
    -> ProtobufError
  {
    ProtobufError(.wrongType, "\(type.name).\(field.name) has wire type \(wire.wireType.rawValue)")
  }
}
