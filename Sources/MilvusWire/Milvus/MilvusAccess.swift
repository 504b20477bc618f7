/// Users, roles, grants and privilege groups of a cluster (`public-rpc.md` §3.9). `MilvusClient` is the real one; Milvus Lite answers that it
/// does not have these calls.
///
/// Contract. As `MilvusCluster`: every call has a deadline, none is repeated inside, a non-zero Status is an error. A password is never part
/// of an error.
package protocol MilvusAccess: Sendable {
  func listUsers() async throws(CallError) -> [String]
  /// A user that is missing is no error.
  func deleteUser(_ name: String) async throws(CallError)

  func createRole(_ role: LogChange.RoleEntity) async throws(CallError)
  /// AlterRole: sets the description of a role that exists.
  func describeRole(_ role: LogChange.RoleEntity) async throws(CallError)
  /// Servers before 2.4.10 do not know `isForced`.
  func dropRole(_ name: String, isForced: Bool) async throws(CallError)
  func addRole(_ role: String, to user: String) async throws(CallError)
  func removeRole(_ role: String, from user: String) async throws(CallError)

  /// OperatePrivilege: takes a grant as the log writes it. The grantor is the user of the connection.
  func setGrant(_ grant: LogChange.GrantEntity, isRevoke: Bool) async throws(CallError)
  /// OperatePrivilegeV2 (2.4.18): privilege groups too; it works out the kind of object itself.
  func setGrantByLevel(_ grant: LogChange.GrantEntity, isRevoke: Bool) async throws(CallError)
  /// Those of one database.
  func grants(of role: String, database: String) async throws(CallError) -> [LogChange.GrantEntity]

  func createPrivilegeGroup(_ name: String) async throws(CallError)
  /// A group that is missing is no error.
  func dropPrivilegeGroup(_ name: String) async throws(CallError)
  func changePrivilegeGroup(_ group: LogChange.PrivilegeGroupInfo, isRemoval: Bool) async throws(CallError)

  /// BackupRBAC (2.4.10): everything above, with hashes for passwords.
  func backupAccess() async throws(CallError) -> LogChange.AccessMeta
  /// RestoreRBAC (2.4.10): refused where anything it names exists already. Takes the hashes of a backup.
  func restoreAccess(_ meta: LogChange.AccessMeta) async throws(CallError)
}

extension MilvusClient: MilvusAccess {
  package func listUsers() async throws(CallError) -> [String] {
    try await call("ListCredUsers", { [] }) { (answer) throws(ProtobufError) in try UserNames(encoded: answer).names }
  }

  package func deleteUser(_ name: String) async throws(CallError) {
    try await perform("DeleteCredential") { () throws(ProtobufError) in try AccessRequests.named(name, "username") }
  }

  // MARK: Roles

  package func createRole(_ role: LogChange.RoleEntity) async throws(CallError) {
    try await perform("CreateRole") { () throws(ProtobufError) in
      try AccessRequests.check(role.name, "entity.name")
      var request = WireWriter()
      request.lengthDelimited(2, role.encoded)
      return request.bytes
    }
  }

  package func describeRole(_ role: LogChange.RoleEntity) async throws(CallError) {
    try await perform("AlterRole") { () throws(ProtobufError) in
      var request = WireWriter()
      request.string(2, try AccessRequests.check(role.name, "role_name"))
      request.string(3, role.description)
      return request.bytes
    }
  }

  package func dropRole(_ name: String, isForced: Bool) async throws(CallError) {
    try await perform("DropRole") { () throws(ProtobufError) in
      var request = WireWriter()
      request.string(2, try AccessRequests.check(name, "role_name"))
      if isForced { request.varint(3, 1) }
      return request.bytes
    }
  }

  package func addRole(_ role: String, to user: String) async throws(CallError) {
    try await perform("OperateUserRole") { () throws(ProtobufError) in
      try AccessRequests.binding(role, user, isRemoval: false)
    }
  }

  package func removeRole(_ role: String, from user: String) async throws(CallError) {
    try await perform("OperateUserRole") { () throws(ProtobufError) in
      try AccessRequests.binding(role, user, isRemoval: true)
    }
  }

  // MARK: Grants

  package func setGrant(_ grant: LogChange.GrantEntity, isRevoke: Bool) async throws(CallError) {
    // A server without authorization wants to know a grantor all the same, and looks at the name alone (`public-rpc.md` §3.9).
    let identity: Metadata? = metadata["authorization"] == nil ? ["authorization": Base64.encode(Array("root:".utf8))] : nil
    try await call(
      "OperatePrivilege", timeout: deadlines.change, identity: identity,
      { () throws(ProtobufError) in
        try AccessRequests.check(grant.role?.name ?? "", "entity.role.name")
        var request = WireWriter()
        request.lengthDelimited(2, grant.encoded)
        if isRevoke { request.varint(3, 1) }
        return request.bytes
      }
    ) { _ in }
  }

  package func setGrantByLevel(_ grant: LogChange.GrantEntity, isRevoke: Bool) async throws(CallError) {
    try await perform("OperatePrivilegeV2") { () throws(ProtobufError) in
      try AccessRequests.check(grant.role?.name ?? "", "role.name")
      var grantor = LogChange.GrantorEntity()
      grantor.privilege = grant.grantor?.privilege
      var request = WireWriter()
      if let role = grant.role { request.lengthDelimited(2, role.encoded) }
      request.lengthDelimited(3, grantor.encoded)
      if isRevoke { request.varint(4, 1) }
      request.string(5, grant.dbName)
      request.string(6, grant.objectName)
      return request.bytes
    }
  }

  package func grants(of role: String, database: String) async throws(CallError) -> [LogChange.GrantEntity] {
    try await call(
      "SelectGrant",
      { () throws(ProtobufError) in
        try AccessRequests.check(role, "entity.role.name")
        var entity = LogChange.GrantEntity()
        entity.role = LogChange.RoleEntity(name: role)
        entity.dbName = database
        var request = WireWriter()
        request.lengthDelimited(2, entity.encoded)
        return request.bytes
      }
    ) { (answer) throws(ProtobufError) in try Grants(encoded: answer).entities }
  }

  // MARK: Privilege groups

  package func createPrivilegeGroup(_ name: String) async throws(CallError) {
    try await perform("CreatePrivilegeGroup") { () throws(ProtobufError) in try AccessRequests.named(name, "group_name") }
  }

  package func dropPrivilegeGroup(_ name: String) async throws(CallError) {
    try await perform("DropPrivilegeGroup") { () throws(ProtobufError) in try AccessRequests.named(name, "group_name") }
  }

  package func changePrivilegeGroup(_ group: LogChange.PrivilegeGroupInfo, isRemoval: Bool) async throws(CallError) {
    try await perform("OperatePrivilegeGroup") { () throws(ProtobufError) in
      var request = WireWriter()
      request.string(2, try AccessRequests.check(group.groupName, "group_name"))
      for privilege in group.privileges { request.lengthDelimited(3, privilege.encoded) }
      if isRemoval { request.varint(4, 1) }
      return request.bytes
    }
  }

  // MARK: Backup

  package func backupAccess() async throws(CallError) -> LogChange.AccessMeta {
    try await call("BackupRBAC", timeout: deadlines.change, { [] }) { (answer) throws(ProtobufError) in
      try Backup(encoded: answer).meta ?? LogChange.AccessMeta()
    }
  }

  package func restoreAccess(_ meta: LogChange.AccessMeta) async throws(CallError) {
    try await call(
      "RestoreRBAC", timeout: deadlines.change, hiding: meta.users.first?.password.revealed ?? "",
      { () throws(ProtobufError) in
        var request = WireWriter()
        request.lengthDelimited(2, meta.encoded)
        return request.bytes
      }
    ) { _ in }
  }
}

private enum AccessRequests {
  /// An empty name means something else than it says on some server.
  @discardableResult static func check(_ name: String, _ field: String) throws(ProtobufError) -> String {
    if name.isEmpty { throw ProtobufError(.invalidString, "\(field) is empty") }
    return name
  }

  static func named(_ name: String, _ field: String) throws(ProtobufError) -> [UInt8] {
    var request = WireWriter()
    request.string(2, try check(name, field))
    return request.bytes
  }

  static func binding(_ role: String, _ user: String, isRemoval: Bool) throws(ProtobufError) -> [UInt8] {
    var request = WireWriter()
    request.string(2, try check(user, "username"))
    request.string(3, try check(role, "role_name"))
    if isRemoval { request.varint(4, 1) }
    return request.bytes
  }
}

/// `ListCredUsersResponse`; its Status is read before.
private struct UserNames: LogRecord {
  var names: [String] = []
  static let members: [LogMember<Self>] = [.texts(2, \.names)]
}

/// `SelectGrantResponse`.
private struct Grants: LogRecord {
  var entities: [LogChange.GrantEntity] = []
  static let members: [LogMember<Self>] = [.records(2, \.entities)]
}

/// `BackupRBACMetaResponse`.
private struct Backup: LogRecord {
  var meta: LogChange.AccessMeta?
  static let members: [LogMember<Self>] = [.record(2, \.meta)]
}
