package import MilvusWire

/// What an index is, however a server spells it: some answer `params` as JSON, some as flat keys, some with spaces (`public-rpc.md` §3.5).
package struct IndexShape: Sendable, Hashable, CustomStringConvertible {
  /// Upper case, empty: the server's choice.
  package var type: String
  /// Upper case; empty for scalar fields, also where Lite says `NONE`.
  package var metric: String
  /// Build parameters by key, numbers and texts alike as text.
  package var parameters: [String: String]

  package init(_ index: IndexDescription) {
    var parameters: [String: String] = [:]
    for pair in index.params where !Self.notBuildKeys.contains(pair.key) {
      parameters[pair.key] = pair.value
    }
    if let json = index.params["params"], let object = Self.object(json) {
      for (key, value) in object.members where !Self.notBuildKeys.contains(key) {
        parameters[key] = Self.text(of: value)
      }
    }
    self.parameters = parameters
    type = (index.params["index_type"] ?? "").uppercasedASCII
    let metric = (index.params["metric_type"] ?? "").uppercasedASCII
    self.metric = metric == "NONE" ? "" : metric
  }

  /// The pairs of CreateIndex in the form that every server understands: build parameters as one JSON object and nothing flat.
  package var pairs: [KeyValuePair] {
    var pairs: [KeyValuePair] = []
    if !type.isEmpty { pairs.append(KeyValuePair("index_type", type)) }
    if !metric.isEmpty { pairs.append(KeyValuePair("metric_type", metric)) }
    if !parameters.isEmpty {
      var object = JSONObject()
      for (key, value) in parameters.sorted(by: { $0.key < $1.key }) {
        object[key] = Self.value(of: value)
      }
      pairs.append(KeyValuePair("params", JSONWriter().text(of: .object(object))))
    }
    return pairs
  }

  /// A stable text, also kept in checkpoints.
  package var description: String {
    let build = parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return ([type.isEmpty ? "default" : type, metric].filter { !$0.isEmpty } + build).joined(
      separator: " ")
  }

  /// JSON-path indexes of one field are told apart by their path.
  package var path: String { parameters["json_path"] ?? "" }

  /// Keys that say where or how a server keeps an index, not what it is.
  private static let notBuildKeys: Set<String> = [
    "index_type", "metric_type", "params", "search_params", "mmap.enabled", "warmup", "dim",
  ]

  private static func object(_ text: String) -> JSONObject? {
    guard case .object(let object) = try? JSONParser.parse(text) else { return nil }
    return object
  }

  private static func text(of value: JSONValue) -> String {
    if case .string(let text) = value { return text }
    return JSONWriter().text(of: value)
  }

  /// Flat values are texts; what reads as a number or a truth value is sent as one.
  private static func value(of text: String) -> JSONValue {
    if text == "true" { return .bool(true) }
    if text == "false" { return .bool(false) }
    if let whole = Int64(text) { return .number(JSONNumber(integer: whole)) }
    if let number = Double(text), let json = JSONNumber(number) { return .number(json) }
    return .string(text)
  }
}

extension String {
  /// ASCII letters in upper case; everything else as it is.
  package var uppercasedASCII: String {
    var text = ""
    for scalar in unicodeScalars {
      if let upper = Unicode.Scalar(scalar.value & ~0x20), ("a"..."z").contains(scalar) {
        text.unicodeScalars.append(upper)
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
