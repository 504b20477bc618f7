internal import MilvusWire

/// What the users of a native task's tokens may not do, found out by calls that change nothing (`wal-protocol.md` §5.5).
///
/// | Call | Privilege (Global) | How it is tried |
/// |------|--------------------|-----------------|
/// | DumpMessages on the source | ManageOwnership, on builds that check streams | opened and closed |
/// | CreateReplicateStream on the target | UpdateReplicateConfiguration, on builds that check streams | opened and closed, empty |
/// | UpdateReplicateConfiguration on the target | UpdateReplicateConfiguration | not at all: a look never sends what could change a role |
/// | FlushAll on both | FlushAll | not at all: it seals segments |
///
/// Without one of the last two the task stops at its start, and says so; nothing is changed then either.
///
/// Only a refusal for want of rights counts. A call that fails otherwise, or hangs, is told by whoever needs it.
struct NativeRights: Sendable {
  let pair: NativePair
  let time: RunnerTime
  /// A server answers at once where it refuses; nothing comes where it does not.
  var patience: Duration = .milliseconds(500)

  func check(_ found: inout NativeObstacles) async {
    let log = pair.log, replica = pair.replica
    if await isDenied({ () async throws(CallError) in try await Self.open(log) }) {
      Self.add(&found, "source", "read the log (DumpMessages)", "PrivilegeManageOwnership, or the role admin")
    }
    if await isDenied({ () async throws(CallError) in try await Self.open(replica) }) {
      Self.add(&found, "target", "open replicate streams (CreateReplicateStream)", "PrivilegeUpdateReplicateConfiguration")
    }
  }

  static func add(_ found: inout NativeObstacles, _ side: String, _ what: String, _ privilege: String) {
    found.add(
      "the \(side)'s user may not \(what)",
      fix: "grant it \(privilege) on the \(side) (object Global), or give the token of an administrator")
  }

  private static func open(_ log: any MilvusLog) async throws(CallError) {
    // A channel that nobody has: a server that lets the call in says nothing, or that it has no such channel.
    let request = DumpRequest(
      pchannel: "cdc-bridge-asks-rootcoord-dml_0", start: LogMessageID("CAAQAQ==", .woodPecker), isInclusive: true, endTick: TimeTick(1))
    let stream = try await log.dump(request)
    do throws(CallError) {
      _ = try await stream.next()
    } catch {
      await stream.cancel()
      throw error
    }
    await stream.cancel()
  }

  private static func open(_ replica: any MilvusReplica) async throws(CallError) {
    let stream = try await replica.replicate(from: "cdc-bridge-asks", to: "cdc-bridge-asks")
    do throws(CallError) {
      _ = try await stream.confirmed()
    } catch {
      await stream.cancel()
      throw error
    }
    await stream.cancel()
  }

  private func isDenied(_ call: @escaping @Sendable () async throws(CallError) -> Void) async -> Bool {
    let time = time, patience = patience
    return await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        do throws(CallError) {
          try await call()
          return false
        } catch {
          return error.rpcCode == .permissionDenied
        }
      }
      group.addTask {
        _ = await time.sleep(patience)
        return false
      }
      let first = await group.next() ?? false
      group.cancelAll()
      return first
    }
  }
}
