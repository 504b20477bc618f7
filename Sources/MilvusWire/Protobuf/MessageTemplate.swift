/// The JSON of a message with every field in it, to be filled in by a person.
///
/// Values are defaults; a list has one element, a map one entry, a oneof its first member. A type inside itself is left out at its second
/// appearance. What comes out is always a valid message of the type.
package struct MessageTemplate: Sendable {
  /// nil: ProtoJSON and nothing else.
  package var presentation: (any MessagePresentation)?
  package init(presentation: (any MessagePresentation)? = nil) { self.presentation = presentation }

  package func json(of type: MessageDescriptor) -> JSONValue { message(type, inside: []) }

  private func message(_ type: MessageDescriptor, inside outer: [MessageDescriptor]) -> JSONValue {
    if MessageJSON.isFieldMask(type) { return "" }
    var object = JSONObject()
    var oneofs: Set<UInt32> = []
    for field in type.fields where !field.isDeprecated {
      if let value = value(field, of: type, inside: outer + [type]),
        field.oneofIdentity.map({ oneofs.insert($0).inserted }) ?? true
      {
        object[field.name] = value
      }
    }
    return .object(object)
  }

  private func value(_ field: FieldDescriptor, of type: MessageDescriptor, inside outer: [MessageDescriptor])
    -> JSONValue?
  {
    if field.isMap, let entry = field.message, let key = entry.field(number: 1), let value = entry.field(number: 2) {
      guard let element = single(value, of: entry, inside: outer) else { return nil }
      return .object([key.kind == .string ? "key" : key.kind == .bool ? "true" : "0": element])
    }
    guard let element = single(field, of: type, inside: outer) else { return nil }
    return field.isRepeated ? .array([element]) : element
  }

  /// nil for a message that is being written already.
  private func single(_ field: FieldDescriptor, of type: MessageDescriptor, inside outer: [MessageDescriptor])
    -> JSONValue?
  {
    if let inner = field.message ?? presentation?.content(of: field, in: type) {
      return outer.contains(inner) ? nil : message(inner, inside: outer)
    }
    switch field.kind {
    case .bool: return false
    case .string, .bytes, .message: return ""
    case .int64, .sint64, .sfixed64, .uint64, .fixed64: return "0"
    case .enum: return field.enumeration?.name(of: 0).map(JSONValue.string) ?? 0
    case .int32, .sint32, .sfixed32, .uint32, .fixed32, .float, .double: return 0
    }
  }
}
