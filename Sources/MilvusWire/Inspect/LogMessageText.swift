/// A message of the log for a person: one line that says what, where and when, and indented lines with what is in it.
///
/// ```
/// 2026-11-21T02:33:40.123Z Insert by-dev-rootcoord-dml_0_4712v0 default.films 2 rows, 512 bytes
///     id CAUQew== (WoodPecker), tick 458752000000000007, confirmed CAUQdg==
///     header {"collection_id": "4712", …}
///     id=1 title="Solaris" vector=FloatVector(8) [0.1, 0.2, 0.3, 0.4, …] norm 1.0
/// ```
package struct LogMessageText: Sendable {
  package struct Options: Sendable {
    /// Ids, headers, bodies and rows below the first line.
    package var showsContent = true
    package init() {}
  }
  private let view: LogMessageView
  private let options: Options

  package init(_ view: LogMessageView, _ options: Options = Options()) {
    self.view = view
    self.options = options
  }

  /// `collection`: what the collection is called, where the message itself says only its id.
  package func lines(_ message: LogMessage, pchannel: String? = nil, collection: String? = nil) -> [String] {
    guard case .object(let object) = view.json(of: message, pchannel: pchannel) else { return [] }
    var lines = [head(message, object, pchannel, collection)]
    guard options.showsContent else { return lines }
    lines.append("    " + place(message))
    for (name, value) in Self.extras(object) { lines.append("    \(name) \(Self.compact(value))") }
    if let header = object["header"], header != .object([:]) { lines.append("    header \(Self.compact(header))") }
    if let body = object["body"] { lines += Self.body(body) }
    for problem in object["problems"]?.arrayValue ?? [] { lines.append("    ! \(problem.stringValue ?? "")") }
    return lines
  }

  // MARK: Lines

  private func head(_ message: LogMessage, _ object: JSONObject, _ pchannel: String?, _ collection: String?) -> String {
    var words = [TickText.time(message.timeTick), message.type.name]
    words.append(message.vchannel.isEmpty ? pchannel ?? message.pchannel : message.vchannel)
    let body = object["body"]?.objectValue
    let own = body?["collection_name"]?.stringValue ?? body?["collectionName"]?.stringValue
    if let name = collection ?? own.map({ Self.path(body?["db_name"]?.stringValue, $0) }) { words.append(name) }
    if message.type == .insert, let rows = body?["num_rows"] { words.append("\(rows.stringValue ?? "0") rows,") }
    if message.type == .delete, let rows = body?["num_rows"] { words.append("\(rows.stringValue ?? "0") keys,") }
    words.append("\(message.byteCount) bytes")
    if let transaction = message.transaction { words.append("txn \(transaction.id)") }
    if let replicate = message.replicate { words.append("from \(replicate.clusterID)") }
    for flag in object["flags"]?.arrayValue ?? [] { words.append("[\(flag.stringValue ?? "")]") }
    return words.map(SafeText.line).joined(separator: " ")
  }

  private static func path(_ database: String?, _ collection: String) -> String {
    "\(database.map { $0.isEmpty ? "default" : $0 } ?? "default").\(collection)"
  }

  private func place(_ message: LogMessage) -> String {
    let confirmed = message.lastConfirmedID.text
    return SafeText.line(
      "id \(message.id.text) (\(message.id.kind)), tick \(message.timeTick), confirmed \(confirmed.isEmpty ? "\"\"" : confirmed)")
  }

  private static func extras(_ object: JSONObject) -> [(String, JSONValue)] {
    ["broadcast", "replicated_from", "properties"].compactMap { name in object[name].map { (name, $0) } }
  }

  private static func body(_ body: JSONValue) -> [String] {
    guard case .object(var object) = body else { return ["    body \(compact(body))"] }
    let rows = object["rows"]?.arrayValue
    let leftOut = object["rows_left_out"]?.int64Value
    for name in ["rows", "rows_left_out", "base"] { object[name] = nil }
    var lines = object.isEmpty ? [] : ["    body \(compact(.object(object)))"]
    for row in rows ?? [] { lines.append("    " + RowText.line(row)) }
    if let leftOut { lines.append("    … \(leftOut) rows more") }
    return lines
  }

  private static func compact(_ value: JSONValue) -> String { SafeText.line(JSONWriter().text(of: value)) }
}

/// A row as `name=value` words, vectors short.
package enum RowText {
  package static func line(_ row: JSONValue) -> String {
    guard case .object(let object) = row else { return JSONWriter().text(of: row) }
    return SafeText.line(object.members.map { "\($0.key)=\(word($0.value))" }.joined(separator: " "))
  }

  private static func word(_ value: JSONValue) -> String {
    guard case .object(let object) = value, let type = object["type"]?.stringValue, type.contains("Vector"), let first = object["first"]
    else {
      return JSONWriter().text(of: value)
    }
    let size = object["dim"] ?? object["entries"] ?? .null
    let norm = object["norm"].map { " norm \(JSONWriter().text(of: $0))" } ?? ""
    return "\(type)(\(JSONWriter().text(of: size))) \(JSONWriter().text(of: first))…\(norm)"
  }
}

/// Texts of a peer or a file on their way to a terminal.
package enum SafeText {
  /// Control characters spelled out: they could forge lines or move the cursor.
  package static func line(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    var line = ""
    for scalar in text.unicodeScalars {
      line += isControl(scalar) ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }
    return line
  }

  /// The same for text of several lines, whose line breaks stay.
  package static func lines(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line(String($0)) }.joined(separator: "\n")
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    // Also the characters that turn the direction of what follows.
    scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || (0x202A...0x202E).contains(scalar.value)
      || (0x2066...0x2069).contains(scalar.value)
  }
}
