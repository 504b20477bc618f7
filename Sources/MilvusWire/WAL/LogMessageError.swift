/// Why a log message, a part of it or one of its ids cannot be read.
///
/// `description` is safe to log: it names properties, fields and reasons, never a value (headers can hold tokens,
/// bodies hold rows).
package struct LogMessageError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable, CaseIterable {
    /// The carrier itself, `ImmutableMessage` or `DumpMessagesResponse`, is not what its proto says.
    case carrier
    /// A property that every message has is absent.
    case missingProperty
    /// A property is there and cannot be read.
    case property
    /// A message id is not one of its log.
    case messageID
    /// No message of this type has this version (§1.3).
    case version
    /// The header does not match its proto.
    case header
    /// The payload does not match its proto.
    case body
    /// The payload is ciphertext; the key never crosses the wire (§2.5).
    case encrypted
    /// The server sent a Status in the place of a message.
    case status
  }
  package var code: Code
  /// The key of the property, where one is to blame.
  package var property: String?
  package var reason: String

  package init(_ code: Code, property: String? = nil, _ reason: String) {
    self.code = code
    self.property = property
    self.reason = reason
  }

  package var description: String {
    switch code {
    case .carrier: "log message: \(reason)"
    case .missingProperty:
      "log message without property \(property ?? "")\(reason.isEmpty ? "" : ": \(reason)")"
    case .property: "property \(property ?? "") of a log message: \(reason)"
    case .messageID: "message id\(property.map { " in \($0)" } ?? ""): \(reason)"
    case .version: "log message: \(reason)"
    case .header: "header of a log message: \(reason)"
    case .body: "body of a log message: \(reason)"
    case .encrypted: "the body of a log message is encrypted: \(reason)"
    case .status: "the server sent a status in the place of a log message: \(reason)"
    }
  }
}
