/// What a failed step on users and roles means: rows wait behind it, so what the target refuses is named and left.
extension ErrorPolicy {
  package enum AccessDecision: Sendable, Equatable {
    /// The server is away or busy, or a person has to act: as any other call.
    case wait
    /// The code hides passing and definite errors alike.
    case again(Duration)
    case refused
    /// The target does not have this call.
    case unknown
  }
  static let accessTriesMax = 3

  /// `tries`: how often it was tried, this time included.
  package func decideAccess(_ error: BridgeError, tries: Int) -> AccessDecision {
    guard let cause = error.cause else { return .wait }
    if cause.isUnimplemented { return .unknown }
    guard cause.milvusCode != nil else { return .wait }
    switch decide(error) {
    case .stopTask, .retry(.quick, _): return .wait
    case .stopCollection: return .refused
    case .retry(.slow, _): return tries < Self.accessTriesMax ? .again(.milliseconds(300 * tries)) : .refused
    }
  }
}
