/// Why a column cannot be read or written. `what` names no row value, so the description is safe for logs.
package struct ColumnError: Error, Sendable, Equatable, CustomStringConvertible {
  package enum Code: Sendable, Equatable {
    /// The bytes are not what the proto says.
    case malformed
    /// A form or type that this codec does not carry.
    case unsupported
    /// A null for a column of the target that takes none.
    case nullRefused
  }
  package var code: Code
  /// The field's name; empty where it is not known yet.
  package var field: String
  package var what: String
  package init(_ code: Code, field: String, what: String) {
    self.code = code
    self.field = field
    self.what = what
  }
  package var description: String { field.isEmpty ? what : "field \(field): \(what)" }
}
