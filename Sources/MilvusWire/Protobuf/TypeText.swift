/// A message or enum type as a `.proto` file would spell it.
package struct TypeText: Sendable {
  /// What stands behind a member as a comment; the element is `Type.field` or `EnumType.VALUE`.
  package var note: @Sendable (_ element: String) -> String?
  /// What a bytes field holds.
  package var presentation: (any MessagePresentation)?

  package init(
    presentation: (any MessagePresentation)? = nil, note: @escaping @Sendable (String) -> String? = { _ in nil }
  ) {
    self.presentation = presentation
    self.note = note
  }

  package func text(of type: MessageDescriptor) -> String {
    var members: [Member] = []
    var seen: Set<UInt32> = []
    for field in type.fields {
      guard let oneof = field.oneofIdentity else {
        members.append(member(field, of: type, prefix: field.isRepeated && !field.isMap ? "repeated " : ""))
        continue
      }
      guard seen.insert(oneof).inserted else { continue }
      let group = type.fields.filter { $0.oneofIdentity == oneof }
      // A oneof of one member is how a field with presence is written down; its own name is not kept.
      if group.count == 1 {
        members.append(member(field, of: type, prefix: "optional "))
      } else {
        let name = OneofTable.names[type.name]?[field.name]
        members.append(Member(code: "oneof \(name.map { "\($0) " } ?? ""){", comment: nil))
        members += group.map { member($0, of: type, prefix: "  ") }
        members.append(Member(code: "}", comment: nil))
      }
    }
    return block("message \(type.name)", type.name, members)
  }

  package func text(of type: EnumDescriptor) -> String {
    let values = type.values.enumerated().sorted { ($0.element.number, $0.offset) < ($1.element.number, $1.offset) }
    return block(
      "enum \(type.name)", type.name,
      values.map { _, value in
        Member(code: "\(value.name) = \(value.number);", comment: note("\(type.name).\(value.name)"))
      })
  }

  private struct Member {
    var code: String
    var comment: String?
  }

  private func member(_ field: FieldDescriptor, of type: MessageDescriptor, prefix: String) -> Member {
    var comments: [String] = []
    if let inner = presentation?.content(of: field, in: type) { comments.append("holds \(inner.name)") }
    if let note = note("\(type.name).\(field.name)") { comments.append(note) }
    let options = field.isDeprecated ? " [deprecated = true]" : ""
    return Member(
      code: "\(prefix)\(field.typeName) \(field.name) = \(field.number)\(options);",
      comment: comments.isEmpty ? nil : comments.joined(separator: "; "))
  }

  /// Comments stand in one column.
  private func block(_ head: String, _ name: String, _ members: [Member]) -> String {
    let column = members.compactMap { $0.comment == nil ? nil : $0.code.count }.max() ?? 0
    let lines = members.map { member in
      guard let comment = member.comment else { return "  " + member.code }
      let gap = String(repeating: " ", count: column - member.code.count)
      return "  \(member.code)\(gap)  // \(comment)"
    }
    let note = note(name).map { "  // \($0)" } ?? ""
    return ([head + " {" + note] + lines + ["}"]).joined(separator: "\n")
  }
}
