internal import MilvusWire

/// The only place that decides what a failure means: try again, stop one collection, or stop the task (`design.md` D10, D11;
/// `public-rpc.md` §2.2, §2.3).
///
/// Whatever may pass by itself is tried again for ever, in sight. A collection stops where its own data or schema needs a person; it is
/// looked at again now and then, in case the person has acted. A task stops only where nothing of it can go on.
package struct ErrorPolicy: Sendable {
  /// Numbers below 1000 mean other things on Lite (`public-rpc.md` §2.1).
  package var sourceIsLite: Bool
  package var targetIsLite: Bool

  package init(sourceIsLite: Bool, targetIsLite: Bool) {
    self.sourceIsLite = sourceIsLite
    self.targetIsLite = targetIsLite
  }

  package enum Pace: Sendable, Equatable {
    /// Half a second, doubling.
    case quick
    /// Five seconds, doubling: the server has to recover, or a person to make room.
    case slow
  }
  package enum Decision: Sendable, Equatable {
    case retry(Pace, hint: String?)
    case stopCollection(hint: String)
    case stopTask(hint: String)
  }

  package func decide(_ error: BridgeError) -> Decision {
    let decision = decideByCode(error)
    guard let hint = error.hint else { return decision }
    // The place that failed knows best what to do about it.
    switch decision {
    case .retry(let pace, _): return .retry(pace, hint: hint)
    case .stopCollection: return .stopCollection(hint: hint)
    case .stopTask: return .stopTask(hint: hint)
    }
  }

  /// True where the failure says that a whole cluster cannot be used now, so that no other collection need try.
  package func concernsWholeCluster(_ error: BridgeError) -> Bool {
    if let cause = error.cause, cause.isConnectionLoss { return true }
    if case .stopTask = decide(error) { return true }
    return error.code == .storage
  }

  /// True where the same call succeeds later by itself: a server that is busy, short of something or away, not one that refuses an object.
  package func isPassing(_ error: BridgeError) -> Bool {
    guard case .retry = decide(error), let cause = error.cause else { return false }
    switch cause {
    case .rpc: return true
    case .status(let status, _): return [2, 3, 4, 5, 7, 8, 9, 11, 12].contains(status.decidingCode)
    case .malformed: return false
    }
  }

  private func decideByCode(_ error: BridgeError) -> Decision {
    switch error.code {
    case .call:
      guard let cause = error.cause else { return .retry(.slow, hint: nil) }
      return decide(cause, side: error.side)
    case .schemaConflict, .notOwned, .targetUnsupported, .dangerousValue, .invalidInput:
      return .stopCollection(hint: "Mend the difference that the message names; the collection then goes on by itself.")
    case .schemaChange:
      return .stopTask(hint: "Make the same change on the target, then resume the task.")
    case .logUnusable:
      return .stopTask(hint: "Upgrade the source, or create the task with capture=reconcile.")
    case .sourceUnreadable, .notReady: return .retry(.slow, hint: nil)
    case .changedMeanwhile: return .retry(.quick, hint: nil)
    case .storage:
      return .retry(.slow, hint: "See that the data directory can be written and has room.")
    }
  }

  private func decide(_ cause: CallError, side: BridgeError.Side) -> Decision {
    switch cause {
    case .rpc(let error, _): return decide(error, side: side)
    case .status(let status, _):
      let isLite = side == .source ? sourceIsLite : targetIsLite
      return isLite ? decideLite(status) : decideMilvus(status)
    case .malformed:
      return .retry(.slow, hint: "The \(side.rawValue) answers what no Milvus answers: check its address.")
    }
  }

  private func decide(_ error: RPCError, side: BridgeError.Side) -> Decision {
    switch error.code {
    case .ok, .cancelled, .deadlineExceeded, .aborted: return .retry(.quick, hint: nil)
    case .unknown: return .retry(.slow, hint: nil)
    case .unavailable:
      if error.saysCertificateProblem {
        return .stopTask(
          hint: "Check the certificate files of dial_config and the server name, then resume the task.")
      }
      return .retry(.quick, hint: nil)
    case .unauthenticated:
      return .stopTask(
        hint: "The \(side.rawValue) refuses the credentials: create the task again with a right token, or mend the user there and resume.")
    case .permissionDenied:
      return .stopTask(
        hint: "Grant the user of the token the privilege that the message names on the \(side.rawValue), then resume the task.")
    case .resourceExhausted:
      return .retry(.slow, hint: "A message was larger than the \(side.rawValue) takes or sends.")
    case .internal:
      if error.initiator == .remote, !error.message.contains("Marshal called with nil") {
        return .stopCollection(hint: "The \(side.rawValue) could not read the request; this should be reported.")
      }
      return error.initiator == .remote
        ? .stopCollection(hint: "The \(side.rawValue) does not have this method.")
        : .retry(.quick, hint: nil)
    case .unimplemented:
      return .stopCollection(
        hint: "The \(side.rawValue) does not have this method: it is too old, or it is not a Milvus.")
    case .invalidArgument, .notFound, .alreadyExists, .failedPrecondition, .outOfRange, .dataLoss:
      // Milvus never answers with these; something in front of it does.
      return .retry(.slow, hint: "No Milvus answers like this: check what stands between the bridge and the \(side.rawValue).")
    }
  }

  private func decideMilvus(_ status: MilvusStatus) -> Decision {
    switch status.decidingCode {
    case 3: return .retry(.slow, hint: "The server has too little memory to load the collection.")
    case 7: return .retry(.slow, hint: "The server's disk quota is used up.")
    case 9: return .retry(.slow, hint: "Writing is denied on the server (quota, or an administrator): see its CheckHealth.")
    case 6, 108: return .stopTask(hint: "The server routes to another cluster or stands by: give the task another address.")
    case 1, 2, 4, 5, 8, 11, 12: return .retry(.quick, hint: nil)
    case 10: return .stopCollection(hint: "The server does not support this call.")
    case 100, 200, 700, 800, 1600, 1601, 1602:
      // Objects come and go; the next look at both catalogues tells what is true.
      return .retry(.quick, hint: nil)
    case 101, 103, 201, 202: return .retry(.quick, hint: "The collection is not loaded: load it.")
    case 102, 801: return .stopCollection(hint: "The server has as many of these as it takes: drop some or raise its limit.")
    case 802: return .stopCollection(hint: "The server refuses the name: give another with name_mapping.")
    case 105, 300...399, 702, 1900:
      return .stopCollection(hint: "The server refuses this for good; the message says why.")
    case 106, 109, 110, 400...499, 500...599, 600...699, 901...999, 10000, 10001: return .retry(.quick, hint: nil)
    case 1000...1012:
      return status.reason.lowercased().contains("json")
        ? .stopCollection(hint: "The server refuses a JSON value of this collection.")
        : .retry(.slow, hint: nil)
    case 1100...1199: return .stopCollection(hint: "The server refuses the request for good; the message says why.")
    case 1400, 1401: return .stopTask(hint: "The server refuses the user of the token.")
    default: return decideByText(status)
    }
  }

  /// 65535 hides definite errors and passing ones alike; the words tell the few that matter.
  private func decideByText(_ status: MilvusStatus) -> Decision {
    if status.reason.contains("STREAMING_CODE_REPLICATE_VIOLATION") {
      return .stopTask(
        hint:
          "The target is a standby in Milvus's own replication and takes no writes of clients: end that replication, or give another target."
      )
    }
    return .retry(.slow, hint: nil)
  }

  /// Lite answers with numbers of its own (6 bad argument, 1 anything unexpected), and it is never rate limited.
  private func decideLite(_ status: MilvusStatus) -> Decision {
    switch status.decidingCode {
    case 6, 35: return .stopCollection(hint: "Milvus Lite refuses the request for good; the message says why.")
    case 100, 101, 200, 700: return .retry(.quick, hint: nil)
    default: return .retry(.slow, hint: nil)
    }
  }
}

extension RPCError {
  /// TLS failed over who the peer is, who we are, or the files that say so: no later try can end otherwise. A handshake that was only cut
  /// off, as by a server that restarts, is none of these.
  var saysCertificateProblem: Bool {
    switch transportCode {
    case .certificate: return true
    case .tls: return message.contains("PEM") || message.contains("certificate") || message.contains(" key")
    case .closed, .cancelled, .timedOut, .refused, .unreachable, .nameNotFound, .reset, .protocolViolation,
      .resourceLimit, .system, nil:
      return false
    }
  }
}
