package import MilvusWire

/// Makes a target's users, roles, grants and privilege groups what a step says (`public-rpc.md` §3.9).
///
/// | Step           | It stands already          | What it needs is missing            |
/// |----------------|----------------------------|-------------------------------------|
/// | user           | its password is left alone | a server that takes hashes (RestoreRBAC, 2.4.10) |
/// | role, group    | fine                       | –                                   |
/// | bind           | fine                       | named: the user or the role         |
/// | grant          | fine                       | named: the role, or the privilege   |
/// | drop and other removals | fine              | fine                                |
///
/// Every step may be repeated. What the target refuses is returned by name and not tried again: users never hold up rows.
package struct AccessApplier: Sendable {
  let target: any MilvusAccess
  /// Databases of the target, asked for only where a role's grants have to be found.
  let databases: @Sendable () async throws(CallError) -> [String]
  let policy: ErrorPolicy
  let time: RunnerTime

  package init(
    target: any MilvusAccess, policy: ErrorPolicy, time: RunnerTime,
    databases: @escaping @Sendable () async throws(CallError) -> [String]
  ) {
    self.target = target
    self.policy = policy
    self.time = time
    self.databases = databases
  }

  /// Returns what could not be done, by name; nil: it stands. Throws what may pass, or needs a person, before anything else can.
  package func perform(_ step: AccessStep) async throws(BridgeError) -> String? {
    var tries = 1
    while true {
      do throws(CallError) {
        return try await attempt(step)
      } catch {
        let failure = BridgeError(error, side: .target, operation: "apply the \(step)")
        switch policy.decideAccess(failure, tries: tries) {
        case .wait: throw failure
        case .again(let delay): _ = await time.sleep(delay)
        case .refused: return "\(step): the target refuses it: \(error.milvusReason)"
        case .unknown: return "\(step): the target does not have users and roles, or not this part of them"
        }
        tries += 1
      }
      if Task.isCancelled {
        throw BridgeError(
          .rpc(RPCError(.cancelled, "the task ends", initiator: .local), method: "OperatePrivilege"), side: .local,
          operation: "apply the \(step)")
      }
    }
  }

  private func attempt(_ step: AccessStep) async throws(CallError) -> String? {
    switch step {
    case .user(let name, let password): return try await user(name, password)
    case .dropUser(let name): try await target.deleteUser(name)
    case .role(let role): try await create(role)
    case .dropRole(let name, let isForced): return try await drop(name, isForced)
    case .bind(let role, let user): return try await bind(role, user)
    case .unbind(let role, let user): try await unlessMissing { () throws(CallError) in try await target.removeRole(role, from: user) }
    case .grant(let grant): try await set(grant, isRevoke: false)
    case .revoke(let grant): try await unlessMissing { () throws(CallError) in try await set(grant, isRevoke: true) }
    case .group(let name): try await unlessThere { () throws(CallError) in try await target.createPrivilegeGroup(name) }
    case .dropGroup(let name): try await unlessMissing { () throws(CallError) in try await target.dropPrivilegeGroup(name) }
    case .addPrivileges(let group): try await target.changePrivilegeGroup(group, isRemoval: false)
    case .removePrivileges(let group):
      try await unlessMissing { () throws(CallError) in try await target.changePrivilegeGroup(group, isRemoval: true) }
    }
    return nil
  }

  // MARK: Users

  private func user(_ name: String, _ password: Secret) async throws(CallError) -> String? {
    if try await target.listUsers().contains(name) {
      return "user \(name): its password cannot be replicated, the target keeps its own"
    }
    let advice = "its password is in the log as a hash only: create the user on the target, then give it its roles there"
    if password.isEmpty { return "user \(name): \(advice)" }
    var user = LogChange.UserInfo()
    user.user = name
    user.password = password
    var meta = LogChange.AccessMeta()
    meta.users = [user]
    do throws(CallError) {
      try await target.restoreAccess(meta)
    } catch {
      guard error.isUnimplemented else { throw error }
      return "user \(name): \(advice)"
    }
    return nil
  }

  // MARK: Roles

  private func create(_ role: LogChange.RoleEntity) async throws(CallError) {
    do throws(CallError) {
      try await target.createRole(role)
    } catch {
      guard error.saysThere else { throw error }
      if role.description.isEmpty { return }
      do throws(CallError) {
        try await target.describeRole(role)
      } catch {
        // A description that an older server does not have.
        if !error.isUnimplemented { throw error }
      }
    }
  }

  private func drop(_ name: String, _ isForced: Bool) async throws(CallError) -> String? {
    do throws(CallError) {
      try await target.dropRole(name, isForced: isForced)
    } catch {
      if error.saysMissing { return nil }
      guard error.milvusReason.contains("privilege") else { throw error }
      guard isForced else { return "drop of role \(name): on the target it has privileges that it had not on the source" }
      // Servers before 2.4.10 force nothing.
      for database in try await databases() {
        for grant in try await target.grants(of: name, database: database) { try await set(grant, isRevoke: true) }
      }
      try await unlessMissing { () throws(CallError) in try await target.dropRole(name, isForced: true) }
    }
    return nil
  }

  private func bind(_ role: String, _ user: String) async throws(CallError) -> String? {
    do throws(CallError) {
      try await target.addRole(role, to: user)
      return nil
    } catch {
      guard error.milvusCode != nil, try await !target.listUsers().contains(user) else { throw error }
      return "role \(role) of user \(user): the target has no such user"
    }
  }

  // MARK: Grants

  /// As the log has it; the newer call for what the older does not take, which is privilege groups.
  private func set(_ grant: LogChange.GrantEntity, isRevoke: Bool) async throws(CallError) {
    do throws(CallError) {
      try await target.setGrant(grant, isRevoke: isRevoke)
    } catch {
      guard error.milvusCode != nil, !error.isUnimplemented, !error.saysMissing else { throw error }
      let first = error
      do throws(CallError) {
        try await target.setGrantByLevel(grant, isRevoke: isRevoke)
      } catch {
        throw error.isUnimplemented ? first : error
      }
    }
  }

  // MARK: What stands already

  private func unlessMissing(_ body: () async throws(CallError) -> Void) async throws(CallError) {
    do throws(CallError) { try await body() } catch { if !error.saysMissing { throw error } }
  }

  private func unlessThere(_ body: () async throws(CallError) -> Void) async throws(CallError) {
    do throws(CallError) { try await body() } catch { if !error.saysThere { throw error } }
  }
}

extension CallError {
  /// All of these are told by 65535 and words alone (`public-rpc.md` §3.9).
  fileprivate var saysThere: Bool { milvusReason.contains("already exist") }
  fileprivate var saysMissing: Bool {
    let reason = milvusReason
    return reason.contains("not found the role") || reason.contains("isn't existed") || reason.contains("not exist")
      || reason.contains("not found the user") || reason.contains("no privilege group")
  }
}
