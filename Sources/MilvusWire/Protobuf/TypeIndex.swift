/// All message and enum types of `protos/` by name.
package enum TypeIndex {
  package enum Entry: Sendable {
    case message(MessageDescriptor)
    case enumeration(EnumDescriptor)
  }

  /// Full names without map entries, in byte order.
  package static let names: [String] = index.keys.sorted()

  /// A type by its full name, or by what stands behind the last dots of exactly one name: `Status`, `schema.FieldData`.
  package static func find(_ name: String) -> [String: Entry] {
    if let entry = index[name] { return [name: entry] }
    return index.filter { $0.key.hasSuffix("." + name) }
  }

  private static let index: [String: Entry] = {
    var index: [String: Entry] = [:]
    var mapEntries: Set<String> = []
    for message in MessageDescriptor.all {
      index[message.name] = .message(message)
      for field in message.fields {
        if let type = field.enumeration { index[type.name] = .enumeration(type) }
        if field.isMap, let entry = field.message { mapEntries.insert(entry.name) }
      }
    }
    for name in mapEntries { index[name] = nil }
    return index
  }()
}
