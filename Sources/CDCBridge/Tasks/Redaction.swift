/// Takes credentials out of texts that a person or a file will see.
package enum Redaction {
  package static let mark = "<redacted>"

  /// `http://user:password@host` without what stands before the `@`. Everything else is unchanged.
  package static func address(_ text: String) -> String {
    guard let scheme = text.firstRange(of: "://") else {
      guard let at = text.lastIndex(of: "@") else { return text }
      return mark + text[at...]
    }
    let rest = text[scheme.upperBound...]
    let authority = rest.prefix { !"/?#".contains($0) }
    guard let at = authority.lastIndex(of: "@") else {
      // A password may itself hold a slash: then the @ stands behind what looks like a path.
      guard let late = rest.lastIndex(of: "@") else { return text }
      return text[..<scheme.upperBound] + mark + rest[late...]
    }
    return text[..<scheme.upperBound] + mark + rest[at...]
  }
}
