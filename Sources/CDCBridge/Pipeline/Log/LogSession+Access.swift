internal import MilvusWire

/// Users, roles, grants and privilege groups, where the task replicates them (`extra_info.enable_user_role`, `task-api.md` §2.2).
///
/// They come on the control channel and take effect in its order, once, like any change there; with `initial_copy` what stood before is
/// copied from a backup of the source. Steps may be repeated, so a change that is both in the backup and in the log does no harm.
extension LogSession {
  private var applier: AccessApplier? {
    guard let target = environment.access(pair.target) else { return nil }
    let cluster = pair.target
    return AccessApplier(target: target, policy: policy, time: time) { () async throws(CallError) in try await cluster.listDatabases() }
  }

  /// What stood before the log that is followed. Durable with the checkpoint: done once for a task.
  func copyAccess() async throws(BridgeError) {
    guard spec.replicatesAccess, spec.initialCopy, !isAccessCopied else { return }
    if let source = environment.access(pair.source) {
      do throws(BridgeError) {
        try await apply(AccessStep.steps(of: try await Self.backup(source)))
      } catch {
        guard error.side == .source else { throw error }
        switch policy.decideAccess(error, tries: ErrorPolicy.accessTriesMax) {
        case .wait, .again: throw error
        case .refused, .unknown: note("users and roles that stood before: the source gives no backup of them: \(error.message)")
        }
      }
    }
    isAccessCopied = true
    await storePositions()
  }

  private static func backup(_ source: any MilvusAccess) async throws(BridgeError) -> LogChange.AccessMeta {
    do throws(CallError) {
      return try await source.backupAccess()
    } catch {
      throw BridgeError(error, side: .source, operation: "read users and roles")
    }
  }

  /// Carries out steps in their order, or names them where the task does not replicate them.
  func apply(_ steps: [AccessStep]) async throws(BridgeError) {
    for step in steps {
      guard spec.replicatesAccess else {
        nameAccess(step)
        continue
      }
      guard let mapped = step.mapped(by: spec.selection) else {
        note("\(step): the task does not cover it")
        continue
      }
      guard let applier else { return note("users and roles: the target has none") }
      if let refusal = try await applier.perform(mapped) { note(refusal) }
    }
  }

  /// Each kind once, by its first.
  private func nameAccess(_ step: AccessStep) {
    guard namedAccess.insert(step.subject).inserted else { return }
    note("\(step.subject.rawValue), first \(step): they are replicated only with extra_info.enable_user_role")
  }
}
