/// RPCs and types explained: as text for people, as JSON for programs.
package enum TypeDescription {
  package enum Subject: Sendable {
    case method(Method)
    case type(TypeIndex.Entry)
  }

  /// One line for each method under its service.
  package static func list(_ methods: [Method], isLong: Bool) -> String {
    var lines: [String] = []
    var service = ""
    let nameWidth = methods.map(\.name.count).max() ?? 0
    let kindWidth = methods.map { kind($0).count }.max() ?? 0
    for method in methods {
      if method.service != service {
        if !lines.isEmpty { lines.append("") }
        service = method.service
        lines.append(service)
      }
      var line = "  " + padded(method.name, nameWidth)
      if kindWidth > 0 { line += "  " + padded(kind(method), kindWidth) }
      if let note = VersionHistory.note(on: "\(method.service)/\(method.name)") { line += "  \(note)" }
      lines.append(trimmed(line))
      if isLong { lines.append("      \(declaration(method))") }
    }
    return lines.joined(separator: "\n")
  }

  package static func text(_ subject: Subject, isRecursive: Bool) -> String {
    var parts: [String] = []
    if case .method(let method) = subject { parts.append(signature(method)) }
    let text = TypeText(presentation: MilvusPresentation()) { VersionHistory.note(on: $0) }
    for entry in entries(subject, isRecursive: isRecursive) {
      switch entry {
      case .message(let type): parts.append(text.text(of: type))
      case .enumeration(let type): parts.append(text.text(of: type))
      }
    }
    return parts.joined(separator: "\n\n")
  }

  private static func signature(_ method: Method) -> String {
    let releases = VersionHistory.note(on: "\(method.service)/\(method.name)").map { "  // \($0)" } ?? ""
    return "// \(method.path), \(method.kind.text)\n\(declaration(method))\(releases)"
  }

  /// As a `.proto` file has it, wherever a method is shown.
  private static func declaration(_ method: Method) -> String {
    func stream(_ isStream: Bool, _ type: String) -> String { "(" + (isStream ? "stream " : "") + type + ")" }
    let request = stream(method.clientStreaming, method.requestType)
    let answer = stream(method.serverStreaming, method.responseType)
    return "rpc \(method.name)\(request) returns \(answer);"
  }

  /// The types of the subject; with `isRecursive` everything they are made of too, each once, in the order of first use.
  private static func entries(_ subject: Subject, isRecursive: Bool) -> [TypeIndex.Entry] {
    var waiting: [TypeIndex.Entry] = []
    switch subject {
    case .type(let entry): waiting = [entry]
    case .method(let method):
      waiting = [method.requestType, method.responseType].compactMap { MessageDescriptor(named: $0) }.map { .message($0) }
    }
    var entries: [TypeIndex.Entry] = []
    var seen: Set<String> = []
    while !waiting.isEmpty {
      let entry = waiting.removeFirst()
      guard seen.insert(name(entry)).inserted else { continue }
      entries.append(entry)
      if isRecursive, case .message(let type) = entry { waiting += parts(of: type) }
    }
    return entries
  }

  private static func parts(of type: MessageDescriptor) -> [TypeIndex.Entry] {
    let presentation = MilvusPresentation()
    return type.fields.flatMap { field -> [TypeIndex.Entry] in
      if field.isMap, let value = field.message?.field(number: 2) {
        return value.message.map { [.message($0)] } ?? value.enumeration.map { [.enumeration($0)] } ?? []
      }
      if let inner = field.message ?? presentation.content(of: field, in: type) { return [.message(inner)] }
      return field.enumeration.map { [.enumeration($0)] } ?? []
    }
  }

  private static func name(_ entry: TypeIndex.Entry) -> String {
    switch entry {
    case .message(let type): type.name
    case .enumeration(let type): type.name
    }
  }

  // MARK: JSON

  /// {name, service, path, kind, request, answer, since}.
  package static func json(_ method: Method) -> JSONValue {
    [
      "name": .string(method.name), "service": .string(method.service), "path": .string(method.path),
      "kind": .string(method.kind.text), "request": .string(method.requestType),
      "answer": .string(method.responseType), "since": .text(method.releases),
    ]
  }

  /// `types`, each {name, fields: [{name, json_name, number, type, repeated, oneof, oneof_name, presence, holds, deprecated, since}]} or {name, values: [{name,
  /// number, since}]}; an RPC has `method` beside them.
  package static func json(_ subject: Subject, isRecursive: Bool) -> JSONValue {
    var object = JSONObject()
    if case .method(let method) = subject { object["method"] = json(method) }
    object["types"] = .array(entries(subject, isRecursive: isRecursive).map(json))
    return .object(object)
  }

  private static func json(_ entry: TypeIndex.Entry) -> JSONValue {
    switch entry {
    case .message(let type):
      return [
        "name": .string(type.name), "since": .text(VersionHistory.releases(of: type.name)),
        "fields": .array(type.fields.map { json($0, of: type) }),
      ]
    case .enumeration(let type):
      let values = type.values.sorted { $0.number < $1.number }
      return [
        "name": .string(type.name), "since": .text(VersionHistory.releases(of: type.name)),
        "values": .array(
          values.map {
            [
              "name": .string($0.name), "number": .int($0.number),
              "since": .text(VersionHistory.releases(of: "\(type.name).\($0.name)")),
            ]
          }),
      ]
    }
  }

  private static func json(_ field: FieldDescriptor, of type: MessageDescriptor) -> JSONValue {
    let group = type.fields.filter { $0.oneofIdentity != nil && $0.oneofIdentity == field.oneofIdentity }
    return [
      "name": .string(field.name), "json_name": .string(MessageJSON.lowerCamel(field.name)),
      "number": .int(field.number), "type": .string(field.typeName), "repeated": .bool(field.isRepeated && !field.isMap),
      "oneof": .array(group.count > 1 ? group.map { .string($0.name) } : []),
      "oneof_name": .text(group.count > 1 ? OneofTable.names[type.name]?[field.name] : nil),
      "presence": .bool(field.isOneofMember || (field.kind == .message && !field.isRepeated)),
      "holds": .text(MilvusPresentation().content(of: field, in: type)?.name), "deprecated": .bool(field.isDeprecated),
      "since": .text(VersionHistory.releases(of: "\(type.name).\(field.name)")),
    ]
  }

  private static func kind(_ method: Method) -> String { method.isUnary ? "" : method.kind.text }
  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
  private static func trimmed(_ line: String) -> String {
    String(line.reversed().drop { $0 == " " }.reversed())
  }
}

/// Part of a name, whatever its case; `*` stands for anything, and then the whole name has to fit.
package struct NamePattern: Sendable {
  private let text: [Character]
  private let isGlob: Bool

  package init(_ text: String) {
    self.text = Array(text.lowercased())
    isGlob = text.contains("*")
  }

  package func filter<Element>(_ elements: [Element], name: (Element) -> String) -> [Element] {
    elements.filter { matches(name($0)) }
  }

  package func matches(_ name: String) -> Bool {
    let name = Array(name.lowercased())
    guard isGlob else { return text.isEmpty || String(name).contains(String(text)) }
    // Greedy with one step back to the last star: linear in practice, never exponential.
    var (n, p, star, mark) = (0, 0, -1, 0)
    while n < name.count {
      if p < text.count, text[p] == "*" {
        (star, mark) = (p, n)
        p += 1
      } else if p < text.count, text[p] == name[n] {
        (n, p) = (n + 1, p + 1)
      } else if star >= 0 {
        mark += 1
        (n, p) = (mark, star + 1)
      } else {
        return false
      }
    }
    return text[p...].allSatisfy { $0 == "*" }
  }
}
