/// Why bytes are not the protobuf message they should be, or why a message cannot be written.
///
/// `message` is safe to log: it names types, fields and offsets, never a value.
package struct ProtobufError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable, CaseIterable {
    /// The message ends inside a field.
    case truncated
    /// A tag, varint or length that no encoder writes; groups, which proto3 does not have.
    case malformed
    /// A known field with another wire type than its own.
    case wrongType
    /// A string with a NUL, which protobuf-c would cut, or with bytes that are not UTF-8.
    case invalidString
    /// Nested deeper than the limit.
    case tooDeep
    /// More bytes, in the message or in memory once decoded, than the limit.
    case tooLarge
    /// JSON that is not the JSON form of the message.
    case invalidJSON
    /// A request that would do something else than it says, such as a delete without an expression.
    case refused
  }
  package var code: Code
  package var message: String

  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
  package var description: String { message }
}
