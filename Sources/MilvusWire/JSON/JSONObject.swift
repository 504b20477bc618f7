/// The members of a JSON object in the order of the text. A key stands once; setting it again keeps its place.
///
/// Few members are searched one by one; more get an index, so that an object with many keys costs no quadratic time.
package struct JSONObject: Sendable, Equatable {
  package typealias Member = (key: String, value: JSONValue)

  /// Above this many members the index is kept.
  private static let linearCountMax = 16

  private var keys: [String] = []
  private var values: [JSONValue] = []
  private var index: [ByteKey: Int] = [:]

  /// A key that is compared byte for byte.
  private struct ByteKey: Hashable {
    let text: String
    static func == (a: ByteKey, b: ByteKey) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }
    func hash(into hasher: inout Hasher) {
      for byte in text.utf8 { hasher.combine(byte) }
    }
  }

  package init() {}
  package init(_ members: [(String, JSONValue)]) {
    for (key, value) in members { self[key] = value }
  }

  package var count: Int { keys.count }
  package var isEmpty: Bool { keys.isEmpty }
  /// The members in order.
  package var members: some Sequence<Member> { zip(keys, values).lazy.map { (key: $0, value: $1) } }

  /// Setting nil removes the member.
  package subscript(key: String) -> JSONValue? {
    get { position(of: key).map { values[$0] } }
    set {
      switch (position(of: key), newValue) {
      case (let position?, let value?): values[position] = value
      case (let position?, nil): remove(at: position)
      case (nil, let value?): append(key, value)
      case (nil, nil): break
      }
    }
  }

  /// The member whose name differs at most in ASCII case: the exact name first, else the last one in the text
  /// (`task-api.md` §1.2).
  package func member(ignoringCase name: String) -> JSONValue? {
    if let exact = self[name] { return exact }
    for position in keys.indices.reversed() where Self.isSame(keys[position], name) {
      return values[position]
    }
    return nil
  }

  private static func isSame(_ a: String, _ b: String) -> Bool {
    a.utf8.count == b.utf8.count && zip(a.utf8, b.utf8).allSatisfy { lowercased($0) == lowercased($1) }
  }
  private static func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }

  private func position(of key: String) -> Int? {
    if keys.count > Self.linearCountMax { return index[ByteKey(text: key)] }
    return keys.firstIndex { $0.utf8.elementsEqual(key.utf8) }
  }

  private mutating func append(_ key: String, _ value: JSONValue) {
    keys.append(key)
    values.append(value)
    if keys.count == Self.linearCountMax + 1 {
      for (position, key) in keys.enumerated() { index[ByteKey(text: key)] = position }
    } else if keys.count > Self.linearCountMax {
      index[ByteKey(text: key)] = keys.count - 1
    }
  }

  private mutating func remove(at position: Int) {
    keys.remove(at: position)
    values.remove(at: position)
    index.removeAll()
    guard keys.count > Self.linearCountMax else { return }
    for (position, key) in keys.enumerated() { index[ByteKey(text: key)] = position }
  }

  package static func == (a: JSONObject, b: JSONObject) -> Bool {
    a.keys.count == b.keys.count
      && zip(a.keys, b.keys).allSatisfy { $0.utf8.elementsEqual($1.utf8) } && a.values == b.values
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}
