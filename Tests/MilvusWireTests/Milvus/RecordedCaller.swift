import MilvusWire

/// A channel that answers with prepared bytes and remembers what it was asked.
final class RecordedCaller: UnaryCaller {
  struct Request: Sendable, Equatable {
    var path: String
    var message: [UInt8]
    var authorization: String?
    var timeout: Duration
    /// The last part of the path.
    var method: String { String(path.split(separator: "/").last ?? "") }
  }
  let peer = "recorded:1"
  /// By method; the empty name answers all others.
  private let answers: [String: Result<[UInt8], RPCError>]
  private let asked = Locked<[Request]>([])

  convenience init(_ answer: [UInt8]) { self.init(["": .success(answer)]) }
  convenience init(_ error: RPCError) { self.init(["": .failure(error)]) }
  init(_ answers: [String: Result<[UInt8], RPCError>]) { self.answers = answers }

  var requests: [Request] { asked.withLock { $0 } }

  func unary(path: String, message: [UInt8], metadata: Metadata, timeout: Duration) async throws(RPCError)
    -> [UInt8]
  {
    let request = Request(
      path: path, message: message, authorization: metadata["authorization"], timeout: timeout)
    asked.withLock { $0.append(request) }
    guard let answer = answers[request.method] ?? answers[""] else {
      throw RPCError(.unimplemented, "no answer was prepared", initiator: .remote)
    }
    return try answer.get()
  }

  func shutdown() async {}
}
