package import MilvusWire

/// Reads the members of a request and keeps every problem, so that the answer can name all of them (`task-api.md` §1.4).
///
/// Keys match in any case, unknown keys are ignored, `null` is the same as absent. Problems are worded as the original's
/// struct-mapping library words them; values that may be secret or are not scalars are left out.
package final class RequestDecoder {
  package private(set) var problems: [String] = []

  package init() {}

  /// The text of all problems: their number, an empty line, one sorted line each; nil where there is none.
  package var problemText: String? {
    guard !problems.isEmpty else { return nil }
    return "\(problems.count) error(s) decoding:\n\n"
      + problems.map { "* " + $0 }.sorted().joined(separator: "\n")
  }

  package func report(_ problem: String) { problems.append(problem) }

  /// The fields of `object`, whose own path is `path` (empty for the request itself).
  package func fields(_ object: JSONObject, path: String = "", hidesValues: Bool = false) -> Fields {
    Fields(decoder: self, object: object, path: path, hidesValues: hidesValues)
  }

  /// One object of the request.
  package struct Fields {
    fileprivate let decoder: RequestDecoder
    package let object: JSONObject
    package let path: String
    /// True inside an object that is secret as a whole.
    fileprivate let hidesValues: Bool

    package func string(_ key: String, isSecret: Bool = false) -> String {
      optionalString(key, isSecret: isSecret) ?? ""
    }
    package func optionalString(_ key: String, isSecret: Bool = false) -> String? {
      guard let value = value(key) else { return nil }
      if let text = value.stringValue { return text }
      mismatch(key, "string", value, isSecret: isSecret)
      return nil
    }
    package func bool(_ key: String, default standard: Bool = false) -> Bool {
      guard let value = value(key) else { return standard }
      if let flag = value.boolValue { return flag }
      mismatch(key, "bool", value)
      return standard
    }
    /// Fractions and numbers beyond 64 bits are refused (the original truncates them to garbage).
    package func int(_ key: String) -> Int {
      guard let value = value(key) else { return 0 }
      if let number = value.int64Value { return Int(number) }
      mismatch(key, "int", value)
      return 0
    }
    /// A number of seconds, fractions allowed.
    package func seconds(_ key: String, default standard: Double, in range: ClosedRange<Double>) -> Double {
      guard let value = value(key) else { return standard }
      guard let number = value.doubleValue else {
        mismatch(key, "float64", value)
        return standard
      }
      guard range.contains(number) else {
        report(
          key, "expected seconds from \(Self.plain(range.lowerBound)) to \(Self.plain(range.upperBound))",
          value)
        return standard
      }
      return number
    }
    /// One of the names of an enumeration.
    package func choice<Choice: RawRepresentable & CaseIterable>(
      _ key: String, default standard: Choice
    ) -> Choice where Choice.RawValue == String {
      guard let value = value(key) else { return standard }
      guard let text = value.stringValue else {
        mismatch(key, "string", value)
        return standard
      }
      if let choice = Choice(rawValue: text) { return choice }
      let names = Choice.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
      report(key, "expected one of \(names)", value)
      return standard
    }
    package func object(_ key: String, hidesValues: Bool = false) -> Fields? {
      guard let value = value(key) else { return nil }
      guard let object = value.objectValue else {
        decoder.report("'\(path(of: key))' expected a map, got '\(Self.goKind(value))'")
        return nil
      }
      return decoder.fields(object, path: path(of: key), hidesValues: hidesValues || self.hidesValues)
    }
    /// The objects of an array; `null` inside it is an empty object, as in the original.
    package func objects(_ key: String) -> [Fields] {
      value(key).map { objects(of: $0, path: path(of: key)) } ?? []
    }
    package func objects(of value: JSONValue, path: String) -> [Fields] {
      guard let elements = value.arrayValue else {
        decoder.report("'\(path)': source data must be an array or slice, got \(Self.goKind(value))")
        return []
      }
      var list: [Fields] = []
      for (position, element) in elements.enumerated() {
        let elementPath = "\(path)[\(position)]"
        if element.isNull {
          list.append(decoder.fields(JSONObject(), path: elementPath))
        } else if let object = element.objectValue {
          list.append(decoder.fields(object, path: elementPath))
        } else {
          decoder.report("'\(elementPath)' expected a map, got '\(Self.goKind(element))'")
        }
      }
      return list
    }
    /// A map of texts, in the order of the request.
    package func strings(_ key: String) -> [(key: String, value: String)] {
      guard let map = object(key) else { return [] }
      var list: [(String, String)] = []
      for member in map.object.members where !member.value.isNull {
        if let text = member.value.stringValue {
          list.append((member.key, text))
        } else {
          decoder.report(
            "'\(map.path)[\(member.key)]' expected type 'string', got unconvertible type "
              + "'\(Self.goType(member.value))', value: '\(Self.shown(member.value))'")
        }
      }
      return list
    }

    package func value(_ key: String) -> JSONValue? {
      guard let value = object.member(ignoringCase: key), !value.isNull else { return nil }
      return value
    }
    package func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    package func mismatch(_ key: String, _ expected: String, _ value: JSONValue, isSecret: Bool = false) {
      let shown = isSecret || hidesValues ? "<redacted>" : Self.shown(value)
      decoder.report(
        "'\(path(of: key))' expected type '\(expected)', got unconvertible type '\(Self.goType(value))', "
          + "value: '\(shown)'")
    }
    package func report(_ key: String, _ expectation: String, _ value: JSONValue) {
      decoder.report("'\(path(of: key))' \(expectation), got '\(Self.shown(value))'")
    }

    /// The type names of Go's `interface{}` values, which the documented texts show.
    private static func goType(_ value: JSONValue) -> String {
      switch value {
      case .null: "nil"
      case .bool: "bool"
      case .number: "float64"
      case .string: "string"
      case .array: "[]interface {}"
      case .object: "map[string]interface {}"
      }
    }
    private static func goKind(_ value: JSONValue) -> String {
      switch value {
      case .array: "slice"
      case .object: "map"
      case .null, .bool, .number, .string: goType(value)
      }
    }
    private static func shown(_ value: JSONValue) -> String {
      switch value {
      case .null: "<nil>"
      case .bool(let flag): flag ? "true" : "false"
      case .number(let number): number.int64.map { String($0) } ?? plain(number.double)
      case .string(let text): Redaction.address(text.count > 200 ? text.prefix(200) + "…" : text)
      case .array: "[…]"
      case .object: "map[…]"
      }
    }
    private static func plain(_ value: Double) -> String {
      Int64(exactly: value).map { String($0) } ?? "\(value)"
    }
  }
}
