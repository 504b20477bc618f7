package import MilvusWire

/// What an answer of a server means to a catalogue: the facts of `public-rpc.md` §2.2, §2.3 and §7.2 in one place.
///
/// These are readings of an answer, not decisions: what is done about a failure is decided by `ErrorPolicy` alone.
extension CallError {
  /// The code that Milvus put into its Status; nil where gRPC itself failed.
  package var milvusCode: Int32? {
    guard case .status(let status, _) = self else { return nil }
    return status.decidingCode
  }

  /// The reason text of a Status, empty otherwise.
  package var milvusReason: String {
    guard case .status(let status, _) = self else { return "" }
    return status.reason
  }

  /// The gRPC status; nil where Milvus answered with a Status of its own or the answer was malformed.
  package var rpcCode: RPCStatusCode? {
    guard case .rpc(let error, _) = self else { return nil }
    return error.code
  }

  /// The server does not have this method. Every other answer, also an error, means that it has it (`public-rpc.md` §7.2).
  package var isUnimplemented: Bool {
    switch self {
    case .rpc(let error, _):
      return error.code == .unimplemented
        || (error.code == .internal && error.message.contains("Marshal called with nil"))
    case .status(let status, _): return status.code == 10
    case .malformed: return false
    }
  }

  /// A definite "this collection does not exist". A missing database is answered with the same code by some servers.
  package var saysCollectionMissing: Bool { milvusCode == 100 }

  /// A definite "this database does not exist": 800 on Milvus, the words on Lite and in the 65535 of some calls.
  package var saysDatabaseMissing: Bool {
    guard case .status(let status, _) = self else { return false }
    if status.decidingCode == 800 { return true }
    let reason = status.reason.lowercased()
    return reason.contains("database")
      && (reason.contains("not found") || reason.contains("does not exist"))
  }

  /// The peer could not be reached or went away: nothing is known about any object.
  package var isConnectionLoss: Bool {
    guard case .rpc(let error, _) = self else { return false }
    return error.code == .unavailable || error.initiator == .connection
  }
}
