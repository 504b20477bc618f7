/// The status code of a finished RPC, spelled as in gRPC's `doc/statuscodes.md`.
package enum RPCStatusCode: Int, Sendable, Equatable, CaseIterable {
  case ok = 0
  case cancelled = 1
  case unknown = 2
  case invalidArgument = 3
  case deadlineExceeded = 4
  case notFound = 5
  case alreadyExists = 6
  case permissionDenied = 7
  case resourceExhausted = 8
  case failedPrecondition = 9
  case aborted = 10
  case outOfRange = 11
  case unimplemented = 12
  case `internal` = 13
  case unavailable = 14
  case dataLoss = 15
  case unauthenticated = 16
}

/// How an RPC failed: the status of the peer, or the status that this side gave it (gRPC "Status codes and their use").
///
/// `message` is safe to log: it never holds a token, a payload or a row value.
package struct RPCError: Error, Sendable, Equatable {
  /// Who ended the call.
  package enum Initiator: Sendable, Equatable {
    /// This side: a deadline that ran out, a cancellation, a limit of ours.
    case local
    /// The peer sent this status.
    case remote
    /// The connection failed before the peer could answer.
    case connection
  }
  package var code: RPCStatusCode
  package var message: String
  package var initiator: Initiator
  /// The peer as `host:port`, empty where no connection was tried.
  package var peer: String
  /// True where not one byte of the request can have reached the peer's handler: the call may be sent again as it is.
  package var isUnsent: Bool
  /// What happened to the connection, where that ended the call.
  package var transportCode: WireError.Code?

  package init(
    _ code: RPCStatusCode, _ message: String, initiator: Initiator, peer: String = "",
    isUnsent: Bool = false, transportCode: WireError.Code? = nil
  ) {
    self.code = code
    self.message = message
    self.initiator = initiator
    self.peer = peer
    self.isUnsent = isUnsent
    self.transportCode = transportCode
  }
}

extension RPCError: CustomStringConvertible {
  package var description: String {
    let at = peer.isEmpty || message.contains(peer) ? "" : " (\(peer))"
    return "\(code): \(message)\(at)"
  }
}
