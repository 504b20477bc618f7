package import MilvusWire

/// One thing to be done to users, roles, grants or privilege groups of the target; each may be repeated (`wal-protocol.md` §3.2, §3.8).
/// The description holds names only, never a password.
package enum AccessStep: Sendable, Equatable {
  /// `password`: as the log or a backup has it, a hash; the plain text is nowhere.
  case user(String, password: Secret)
  case dropUser(String)
  case role(LogChange.RoleEntity)
  case dropRole(String, isForced: Bool)
  case bind(role: String, user: String)
  case unbind(role: String, user: String)
  case grant(LogChange.GrantEntity)
  case revoke(LogChange.GrantEntity)
  case group(String)
  case dropGroup(String)
  case addPrivileges(LogChange.PrivilegeGroupInfo)
  case removePrivileges(LogChange.PrivilegeGroupInfo)

  /// What it is about, in the words of a report.
  package enum Subject: String, Sendable, Hashable, CaseIterable {
    case users = "users and their passwords"
    case roles
    case bindings = "roles of users"
    case grants = "privileges of roles"
    case groups = "privilege groups"
  }

  package var subject: Subject {
    switch self {
    case .user, .dropUser: .users
    case .role, .dropRole: .roles
    case .bind, .unbind: .bindings
    case .grant, .revoke: .grants
    case .group, .dropGroup, .addPrivileges, .removePrivileges: .groups
    }
  }

  // MARK: From the log

  /// What a change of the log asks for; empty where it is about something else.
  package static func steps(of change: LogChange) -> [AccessStep] {
    switch change {
    case .restoreRBAC(let content): content.meta.map(steps) ?? []
    case .alterUser(let content):
      [.user(content.user?.name ?? "", password: content.credential?.encryptedPassword ?? Secret(""))]
    case .dropUser(let content): [.dropUser(content.userName)]
    case .alterRole(let content): [.role(content.role ?? LogChange.RoleEntity())]
    case .dropRole(let content): [.dropRole(content.roleName, isForced: content.isForced)]
    case .alterUserRole(let content):
      [.bind(role: content.binding?.role?.name ?? "", user: content.binding?.user?.name ?? "")]
    case .dropUserRole(let content):
      [.unbind(role: content.binding?.role?.name ?? "", user: content.binding?.user?.name ?? "")]
    case .alterPrivilege(let content): [.grant(content.grant ?? LogChange.GrantEntity())]
    case .dropPrivilege(let content): [.revoke(content.grant ?? LogChange.GrantEntity())]
    case .alterPrivilegeGroup(let content):
      content.group.map { [$0.privileges.isEmpty ? .group($0.groupName) : .addPrivileges($0)] } ?? []
    case .dropPrivilegeGroup(let content):
      content.group.map { [$0.privileges.isEmpty ? .dropGroup($0.groupName) : .removePrivileges($0)] } ?? []
    default: []
    }
  }

  /// What makes a target have all that a backup holds: what others refer to comes first.
  package static func steps(of meta: LogChange.AccessMeta) -> [AccessStep] {
    var steps: [AccessStep] = []
    for group in meta.privilegeGroups {
      steps.append(.group(group.groupName))
      if !group.privileges.isEmpty { steps.append(.addPrivileges(group)) }
    }
    steps += meta.roles.map { .role($0) }
    for user in meta.users {
      steps.append(.user(user.user, password: user.password))
      steps += user.roles.map { .bind(role: $0.name, user: user.user) }
    }
    return steps + meta.grants.map { .grant($0) }
  }

  // MARK: Names

  /// The step with the target's names; nil: it is about a database or a collection that the task does not cover, where the target may have
  /// something else under the same name.
  package func mapped(by selection: ObjectSelection) -> AccessStep? {
    switch self {
    case .grant(let grant): Self.mapped(grant, by: selection).map { .grant($0) }
    case .revoke(let grant): Self.mapped(grant, by: selection).map { .revoke($0) }
    case .user, .dropUser, .role, .dropRole, .bind, .unbind, .group, .dropGroup, .addPrivileges, .removePrivileges: self
    }
  }

  private static let all = "*"

  private static func mapped(_ grant: LogChange.GrantEntity, by selection: ObjectSelection) -> LogChange.GrantEntity? {
    // The name of a user, in no database.
    if grant.object?.name == "User" || grant.dbName == all { return grant }
    let database = grant.dbName.isEmpty ? "default" : grant.dbName
    var found = grant
    if grant.objectName == all || grant.objectName.isEmpty {
      guard selection.patterns.contains(where: { [all, database].contains($0.database) }) else { return nil }
      found.dbName = selection.target(of: CollectionPath(database: database, name: "")).database
    } else {
      let path = CollectionPath(database: database, name: grant.objectName)
      guard selection.covers(path) else { return nil }
      let target = selection.target(of: path)
      found.dbName = target.database
      found.objectName = target.name
    }
    return found
  }
}

extension AccessStep: CustomStringConvertible {
  package var description: String {
    switch self {
    case .user(let name, _): "user \(name)"
    case .dropUser(let name): "drop of user \(name)"
    case .role(let role): "role \(role.name)"
    case .dropRole(let name, _): "drop of role \(name)"
    case .bind(let role, let user): "role \(role) of user \(user)"
    case .unbind(let role, let user): "removal of role \(role) from user \(user)"
    case .grant(let grant): "privilege \(Self.text(grant))"
    case .revoke(let grant): "removal of privilege \(Self.text(grant))"
    case .group(let name): "privilege group \(name)"
    case .dropGroup(let name): "drop of privilege group \(name)"
    case .addPrivileges(let group): "privileges of privilege group \(group.groupName)"
    case .removePrivileges(let group): "removal of privileges from privilege group \(group.groupName)"
    }
  }

  private static func text(_ grant: LogChange.GrantEntity) -> String {
    let name = [grant.dbName, grant.objectName].filter { !$0.isEmpty }.joined(separator: ".")
    return "\(grant.grantor?.privilege?.name ?? "") on \(grant.object?.name ?? "") \(name) of role \(grant.role?.name ?? "")"
  }
}
