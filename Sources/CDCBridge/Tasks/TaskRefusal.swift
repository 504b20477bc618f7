/// Why a request about tasks was not done: the `code` of the envelope and the reason behind its constant prefix.
package struct TaskRefusal: Error, Sendable, Equatable {
  /// The blame: the request, or this service and what it talks to.
  package enum Code: Int, Sendable, Equatable {
    case client = 400
    case server = 500
  }
  package var code: Code
  /// Complete text for a person, without credentials.
  package var reason: String

  package init(_ code: Code, _ reason: String) {
    self.code = code
    self.reason = reason
  }
  package static func client(_ reason: String) -> TaskRefusal { TaskRefusal(.client, reason) }
  package static func server(_ reason: String) -> TaskRefusal { TaskRefusal(.server, reason) }
}
