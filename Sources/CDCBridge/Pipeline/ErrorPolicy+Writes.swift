package import MilvusWire

/// What a failed Insert, Upsert or Delete means for its batch (`public-rpc.md` §2.2, §2.3, §8.1). `decide` says what a failure means for
/// a task; this says what the row engine does before it comes to that.
extension ErrorPolicy {
  package enum WriteDecision: Sendable, Equatable {
    /// The target takes nothing at the moment, or nobody listens: nothing was done. Every write waits, for ever, in sight.
    case wait(reason: String)
    /// Outcome unknown or a passing failure: again, as a write that a repeat cannot double, a few times.
    case repeatIdempotently
    /// The connection broke while the request was out: it may have killed the server. Again, alone; three times are enough.
    case suspect
    /// Larger than the target takes.
    case split
    /// The target refuses what is in the request for good: find the rows.
    case refused(reason: String)
    /// The collection or partition is gone, or has another schema.
    case changedMeanwhile
    /// Nothing the row engine can do.
    case fail
  }

  package func decideWrite(_ cause: CallError) -> WriteDecision {
    switch cause {
    case .malformed: return .fail
    case .rpc(let error, _): return decideWrite(error)
    case .status(let status, _): return targetIsLite ? decideLiteWrite(status) : decideMilvusWrite(status)
    }
  }

  private func decideWrite(_ error: RPCError) -> WriteDecision {
    switch error.code {
    case .unavailable:
      if error.saysCertificateProblem { return .fail }
      return error.isUnsent ? .wait(reason: "the target cannot be reached: \(error.message)") : .suspect
    case .deadlineExceeded, .aborted: return .repeatIdempotently
    case .cancelled: return error.initiator == .local ? .fail : .repeatIdempotently
    case .unknown: return .repeatIdempotently
    case .resourceExhausted: return .split
    case .internal: return error.initiator == .connection ? .suspect : .fail
    case .ok, .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition, .outOfRange,
      .unimplemented, .dataLoss, .unauthenticated:
      return .fail
    }
  }

  private func decideMilvusWrite(_ status: MilvusStatus) -> WriteDecision {
    let code = status.decidingCode
    switch code {
    case 8: return .wait(reason: "the target limits the rate of writes")
    case 9: return .wait(reason: "writing is denied on the target (quota, or an administrator)")
    case 7: return .wait(reason: "the target's disk quota is used up")
    case 11: return .wait(reason: "the target's clock lags")
    case 100, 109, 200: return .changedMeanwhile
    case 1, 2, 3, 4, 5, 12, 106, 110, 400...499, 500...599, 600...699, 901...999, 10000, 10001:
      return .repeatIdempotently
    case 1000...1012:
      return status.reason.lowercased().contains("json") ? refused(status) : .repeatIdempotently
    case 1100...1199: return refused(status)
    case 65535:
      let isForeign = status.reason.contains("STREAMING_CODE_REPLICATE_VIOLATION")
      return isForeign ? .fail : refused(status)
    default: return .fail
    }
  }

  /// Lite: 6 is a bad argument, 1 anything unexpected; both may be about one row.
  private func decideLiteWrite(_ status: MilvusStatus) -> WriteDecision {
    switch status.decidingCode {
    case 100, 200: .changedMeanwhile
    case 1, 6: refused(status)
    default: .fail
    }
  }

  private func refused(_ status: MilvusStatus) -> WriteDecision {
    .refused(reason: "code \(status.decidingCode): \(RedactedText.of(status.reason))")
  }
}
