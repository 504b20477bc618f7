/// Reads the members of an object that we wrote ourselves (state files, configuration): each reader names the path of what is wrong.
///
/// A missing member and `null` are the same. Keys are exact.
package struct JSONFields: Sendable {
  package let object: JSONObject
  package let path: String

  package init(_ object: JSONObject, path: String = "") {
    self.object = object
    self.path = path
  }
  /// Fails when the value is not an object.
  package init(_ value: JSONValue, path: String = "") throws(JSONFieldError) {
    guard let object = value.objectValue else {
      throw JSONFieldError(
        path: path.isEmpty ? "document" : path, message: "expected object, found \(value.kind)")
    }
    self.init(object, path: path)
  }

  package func string(_ key: String) throws(JSONFieldError) -> String {
    try required(key, try optionalString(key))
  }
  package func optionalString(_ key: String) throws(JSONFieldError) -> String? {
    try optional(key, "string") { $0.stringValue }
  }
  package func bool(_ key: String) throws(JSONFieldError) -> Bool { try required(key, try optionalBool(key)) }
  package func optionalBool(_ key: String) throws(JSONFieldError) -> Bool? {
    try optional(key, "bool") { $0.boolValue }
  }
  package func int64(_ key: String) throws(JSONFieldError) -> Int64 {
    try required(key, try optionalInt64(key))
  }
  package func optionalInt64(_ key: String) throws(JSONFieldError) -> Int64? {
    try optional(key, "integer") { $0.int64Value }
  }
  package func optionalUInt64(_ key: String) throws(JSONFieldError) -> UInt64? {
    try optional(key, "unsigned integer") { $0.uint64Value }
  }
  package func optionalDouble(_ key: String) throws(JSONFieldError) -> Double? {
    try optional(key, "number") { $0.doubleValue }
  }
  package func array(_ key: String) throws(JSONFieldError) -> [JSONValue] {
    try required(key, try optionalArray(key))
  }
  package func optionalArray(_ key: String) throws(JSONFieldError) -> [JSONValue]? {
    try optional(key, "array") { $0.arrayValue }
  }
  package func fields(_ key: String) throws(JSONFieldError) -> JSONFields {
    try required(key, try optionalFields(key))
  }
  package func optionalFields(_ key: String) throws(JSONFieldError) -> JSONFields? {
    try optional(key, "object") { $0.objectValue }.map { JSONFields($0, path: path(of: key)) }
  }
  /// The objects of an array, each with its own path.
  package func fieldsList(_ key: String) throws(JSONFieldError) -> [JSONFields] {
    var list: [JSONFields] = []
    for (position, element) in (try array(key)).enumerated() {
      list.append(try JSONFields(element, path: "\(path(of: key))[\(position)]"))
    }
    return list
  }

  package func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  private func required<T>(_ key: String, _ value: T?) throws(JSONFieldError) -> T {
    guard let value else { throw JSONFieldError(path: path(of: key), message: "is missing") }
    return value
  }
  private func optional<T>(
    _ key: String, _ expected: String, _ read: (JSONValue) -> T?
  ) throws(JSONFieldError) -> T? {
    guard let value = object[key], value != .null else { return nil }
    guard let result = read(value) else {
      throw JSONFieldError(path: path(of: key), message: "expected \(expected), found \(value.kind)")
    }
    return result
  }
}
