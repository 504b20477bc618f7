import MilvusWire

/// Users, roles and grants in memory, with the answers of Milvus 2.3.5 (`public-rpc.md` §3.9), or of a newer one.
final class FakeAccess: MilvusAccess {
  struct State: Sendable, Equatable {
    var users: [String: [String]] = ["root": []]
    var passwords: [String: String] = [:]
    var roles: [String: String] = ["admin": "", "public": ""]
    var grants: [LogChange.GrantEntity] = []
    var groups: [String: [String]] = [:]
  }
  enum Version: Sendable { case old, new, none }
  let version: Version
  let state = Locked(State())
  /// Errors for the next calls of a method, in order.
  let faults = Locked<[String: [CallError]]>([:])
  let calls = Locked<[String]>([])
  let backup = Locked(LogChange.AccessMeta())

  init(_ version: Version) { self.version = version }

  static func refusal(_ reason: String, _ method: String) -> CallError {
    .status(MilvusStatus(code: 65535, reason: reason), method: method)
  }
  private func unknown(_ method: String) -> CallError {
    .rpc(RPCError(.unimplemented, "unknown method \(method)", initiator: .remote), method: method)
  }
  private func begin(_ method: String, isNew: Bool = false) throws(CallError) {
    calls.withLock { $0.append(method) }
    if version == .none || (isNew && version == .old) { throw unknown(method) }
    let fault = faults.withLock { faults -> CallError? in
      guard faults[method]?.isEmpty == false else { return nil }
      return faults[method]?.removeFirst()
    }
    if let fault { throw fault }
  }

  func listUsers() async throws(CallError) -> [String] {
    try begin("ListCredUsers")
    return state.withLock { $0.users.keys.sorted() }
  }
  func deleteUser(_ name: String) async throws(CallError) {
    try begin("DeleteCredential")
    state.withLock { $0.users[name] = nil }
  }
  func createRole(_ role: LogChange.RoleEntity) async throws(CallError) {
    try begin("CreateRole")
    let isThere = state.withLock { state in
      if state.roles[role.name] != nil { return true }
      state.roles[role.name] = role.description
      return false
    }
    if isThere { throw Self.refusal("role [name:\"\(role.name)\"] already exists", "CreateRole") }
  }
  func describeRole(_ role: LogChange.RoleEntity) async throws(CallError) {
    try begin("AlterRole", isNew: true)
    state.withLock { $0.roles[role.name] = role.description }
  }
  func dropRole(_ name: String, isForced: Bool) async throws(CallError) {
    try begin("DropRole")
    let refusal = state.withLock { state -> String? in
      guard state.roles[name] != nil else { return "the role isn't existed: not found the role" }
      if state.grants.contains(where: { $0.role?.name == name }) {
        guard isForced, version == .new else { return "fail to drop the role that it has privileges. Use REVOKE API to revoke privileges" }
        state.grants.removeAll { $0.role?.name == name }
      }
      state.roles[name] = nil
      for user in state.users.keys { state.users[user]?.removeAll { $0 == name } }
      return nil
    }
    if let refusal { throw Self.refusal(refusal, "DropRole") }
  }
  func addRole(_ role: String, to user: String) async throws(CallError) { try bind(role, user, isRemoval: false) }
  func removeRole(_ role: String, from user: String) async throws(CallError) { try bind(role, user, isRemoval: true) }
  private func bind(_ role: String, _ user: String, isRemoval: Bool) throws(CallError) {
    try begin("OperateUserRole")
    let isFine = state.withLock { state in
      guard state.users[user] != nil, state.roles[role] != nil else { return false }
      state.users[user]?.removeAll { $0 == role }
      if !isRemoval { state.users[user]?.append(role) }
      return true
    }
    if !isFine { throw Self.refusal("not found the role or the user, maybe the role isn't existed", "OperateUserRole") }
  }
  func setGrant(_ grant: LogChange.GrantEntity, isRevoke: Bool) async throws(CallError) {
    try begin("OperatePrivilege")
    let group = grant.grantor?.privilege?.name ?? ""
    if state.withLock({ $0.groups[group] != nil }) { throw Self.refusal("not found the privilege name[\(group)]", "OperatePrivilege") }
    try set(grant, isRevoke)
  }
  func setGrantByLevel(_ grant: LogChange.GrantEntity, isRevoke: Bool) async throws(CallError) {
    try begin("OperatePrivilegeV2", isNew: true)
    try set(grant, isRevoke)
  }
  private func set(_ grant: LogChange.GrantEntity, _ isRevoke: Bool) throws(CallError) {
    let isFine = state.withLock { state in
      guard let role = grant.role?.name, state.roles[role] != nil else { return false }
      state.grants.removeAll { $0 == grant }
      if !isRevoke { state.grants.append(grant) }
      return true
    }
    if !isFine { throw Self.refusal("not found the role, maybe the role isn't existed", "OperatePrivilege") }
  }
  func grants(of role: String, database: String) async throws(CallError) -> [LogChange.GrantEntity] {
    try begin("SelectGrant")
    return state.withLock { $0.grants.filter { $0.role?.name == role && $0.dbName == database } }
  }
  func createPrivilegeGroup(_ name: String) async throws(CallError) {
    try begin("CreatePrivilegeGroup", isNew: true)
    let isThere = state.withLock { state in
      if state.groups[name] != nil { return true }
      state.groups[name] = []
      return false
    }
    if isThere { throw Self.refusal("privilege group name [\(name)] is defined by system or already exists", "CreatePrivilegeGroup") }
  }
  func dropPrivilegeGroup(_ name: String) async throws(CallError) {
    try begin("DropPrivilegeGroup", isNew: true)
    state.withLock { $0.groups[name] = nil }
  }
  func changePrivilegeGroup(_ group: LogChange.PrivilegeGroupInfo, isRemoval: Bool) async throws(CallError) {
    try begin("OperatePrivilegeGroup", isNew: true)
    let names = group.privileges.map(\.name)
    let isFine = state.withLock { state in
      guard let old = state.groups[group.groupName] else { return false }
      state.groups[group.groupName] = old.filter { !names.contains($0) } + (isRemoval ? [] : names)
      return true
    }
    if !isFine { throw Self.refusal("there is no privilege group name [\(group.groupName)] to operate", "OperatePrivilegeGroup") }
  }
  func backupAccess() async throws(CallError) -> LogChange.AccessMeta {
    try begin("BackupRBAC", isNew: true)
    return backup.withLock { $0 }
  }
  func restoreAccess(_ meta: LogChange.AccessMeta) async throws(CallError) {
    try begin("RestoreRBAC", isNew: true)
    state.withLock { state in
      for user in meta.users {
        state.users[user.user] = user.roles.map(\.name)
        state.passwords[user.user] = user.password.revealed
      }
    }
  }
}
