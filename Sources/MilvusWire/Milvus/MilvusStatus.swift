/// `common.Status` (`public-rpc.md` §2.1). An absent or empty Status is success.
package struct MilvusStatus: Sendable, Equatable {
  /// Field 3, flags of early 2.3 builds masked off; 0 is success.
  package var code: Int32
  /// Field 1, all that servers before 2.3 set.
  package var legacyErrorCode: Int32
  package var reason: String
  package var isRetriable: Bool
  package var detail: String
  package var extraInfo: [String: String]
  package init(
    code: Int32 = 0, legacyErrorCode: Int32 = 0, reason: String = "", isRetriable: Bool = false,
    detail: String = "", extraInfo: [String: String] = [:]
  ) {
    // Early 2.3 builds put component and retriable flags into bits 16–20.
    self.code = code > 65535 ? code & 0xFFFF : code
    self.legacyErrorCode = legacyErrorCode
    self.reason = reason
    self.isRetriable = isRetriable
    self.detail = detail
    self.extraInfo = extraInfo
  }
  /// Both codes count: Lite reports some failures with error_code 0, servers before 2.3 with code 0.
  package var isSuccess: Bool { code == 0 && legacyErrorCode == 0 }
  /// The code that decides: `code`, or the legacy one where `code` is 0.
  package var decidingCode: Int32 { code != 0 ? code : legacyErrorCode }
}

/// How a call of MilvusService failed. `description` is safe to log.
package enum CallError: Error, Sendable, Equatable {
  /// gRPC ended the call: no Milvus Status was seen.
  case rpc(RPCError, method: String)
  /// gRPC said OK, Milvus did not.
  case status(MilvusStatus, method: String)
  /// The answer is not what the proto says, or the request cannot be encoded; `what` names field and reason.
  case malformed(method: String, what: String)
}

extension CallError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .rpc(let error, let method): return "\(method): \(error)"
    case .status(let status, let method):
      return "\(method): Milvus code \(status.decidingCode): \(status.reason)"
    case .malformed(let method, let what): return "\(method): \(what)"
    }
  }
}
