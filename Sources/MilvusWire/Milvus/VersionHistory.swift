/// In which releases of Milvus's protocol a method, type, field or enum value first appears (`VersionTable.swift`).
///
/// A release of the protocol is not one of the server, but both count alike: a server knows what the protocol of its own number has. Log
/// messages are not part of that protocol and have no entry.
package enum VersionHistory {
  /// `2.6.14`, or `2.4.22, 2.5.5` where it came to an older line too; nil where it has always been there, or nothing is known.
  ///
  /// `element`: full name of a type, `Type.field`, `EnumType.VALUE` or `service/Method`. A member that came with its type has no entry.
  package static func releases(of element: String) -> String? {
    guard element.hasPrefix(prefix) else { return nil }
    return index[element.dropFirst(prefix.count)]
  }

  /// `since 2.6.14`, `after 3.0.0`, as people read it.
  package static func note(on element: String) -> String? {
    releases(of: element).map { $0.hasPrefix("after") ? $0 : "since \($0)" }
  }

  /// Releases before it were not looked at.
  package static var oldestRelease: String { oldest }

  private static let prefix = "milvus.proto."
  private static let index: [Substring: String] = {
    var index: [Substring: String] = [:]
    for (releases, names) in table {
      for name in names.split(separator: " ") { index[name] = releases }
    }
    return index
  }()
}
