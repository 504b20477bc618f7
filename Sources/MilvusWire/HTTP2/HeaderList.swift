/// One HTTP/2 header or trailer block: fields in wire order, names in lower case.
package struct HeaderList: Equatable, Sendable, ExpressibleByDictionaryLiteral {
  package struct Field: Equatable, Sendable {
    package var name: String
    package var value: String
  }

  package private(set) var fields: [Field] = []

  package init() {}

  package init(dictionaryLiteral elements: (String, String)...) {
    fields = elements.map { Field(name: $0.0, value: $0.1) }
  }

  package mutating func append(_ name: String, _ value: String) {
    fields.append(Field(name: name, value: value))
  }

  /// Removes all fields of a name.
  package mutating func remove(_ name: String) { fields.removeAll { $0.name == name } }

  /// The first value of a name: where gRPC allows one value, the first one counts.
  package subscript(name: String) -> String? {
    fields.first { $0.name == name }?.value
  }

  /// Size as RFC 9113 §6.5.2 counts it: name, value and 32 bytes for every field.
  package var byteCount: Int {
    fields.reduce(0) { $0 + HeaderList.byteCount(name: $1.name.utf8.count, value: $1.value.utf8.count) }
  }

  /// What one field adds to a header list's size (RFC 9113 §6.5.2).
  static func byteCount(name: Int, value: Int) -> Int { name + value + 32 }
}
