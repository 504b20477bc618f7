import MilvusWire
import Testing

/// Requests about users and roles, read back by the descriptors of the official protos.
@Suite struct AccessRequestTests {
  private func sent(_ type: String, _ call: (MilvusClient) async throws -> Void) async throws -> JSONValue {
    let caller = RecordedCaller([])
    try await call(MilvusClient(caller: caller))
    let descriptor = try #require(MessageDescriptor(named: "milvus.proto.milvus.\(type)"))
    return try MessageJSON().json(of: caller.requests[0].message, as: descriptor)
  }

  private static func grant(_ privilege: String) -> LogChange.GrantEntity {
    var grant = LogChange.GrantEntity()
    grant.role = LogChange.RoleEntity(name: "r")
    grant.object = LogChange.NamedEntity(name: "Collection")
    grant.objectName = "c"
    grant.dbName = "d"
    grant.grantor = LogChange.GrantorEntity()
    grant.grantor?.user = LogChange.NamedEntity(name: "root")
    grant.grantor?.privilege = LogChange.NamedEntity(name: privilege)
    return grant
  }

  @Test func rolesAndUsers() async throws {
    var role = LogChange.RoleEntity(name: "r")
    role.description = "text"
    let named = role
    #expect(
      try await sent("CreateRoleRequest") { try await $0.createRole(named) } == ["entity": ["name": "r", "description": "text"]])
    #expect(
      try await sent("AlterRoleRequest") { try await $0.describeRole(named) } == ["role_name": "r", "description": "text"])
    #expect(
      try await sent("DropRoleRequest") { try await $0.dropRole("r", isForced: true) } == ["role_name": "r", "force_drop": true])
    #expect(try await sent("OperateUserRoleRequest") { try await $0.addRole("r", to: "u") } == ["username": "u", "role_name": "r"])
    #expect(
      try await sent("OperateUserRoleRequest") { try await $0.removeRole("r", from: "u") }
        == ["username": "u", "role_name": "r", "type": "RemoveUserFromRole"])
    #expect(try await sent("DeleteCredentialRequest") { try await $0.deleteUser("u") } == ["username": "u"])
  }

  @Test func grants() async throws {
    let entity: JSONValue = [
      "role": ["name": "r"], "object": ["name": "Collection"], "object_name": "c",
      "grantor": ["user": ["name": "root"], "privilege": ["name": "Search"]], "db_name": "d",
    ]
    #expect(
      try await sent("OperatePrivilegeRequest") { try await $0.setGrant(Self.grant("Search"), isRevoke: false) } == ["entity": entity])
    #expect(
      try await sent("OperatePrivilegeRequest") { try await $0.setGrant(Self.grant("Search"), isRevoke: true) }
        == ["entity": entity, "type": "Revoke"])
    #expect(
      try await sent("OperatePrivilegeV2Request") { try await $0.setGrantByLevel(Self.grant("pg"), isRevoke: true) }
        == [
          "role": ["name": "r"], "grantor": ["privilege": ["name": "pg"]], "type": "Revoke", "db_name": "d", "collection_name": "c",
        ])
    #expect(
      try await sent("SelectGrantRequest") { _ = try await $0.grants(of: "r", database: "d") }
        == ["entity": ["role": ["name": "r"], "db_name": "d"]])
  }

  @Test func groupsAndBackups() async throws {
    #expect(try await sent("CreatePrivilegeGroupRequest") { try await $0.createPrivilegeGroup("g") } == ["group_name": "g"])
    #expect(try await sent("DropPrivilegeGroupRequest") { try await $0.dropPrivilegeGroup("g") } == ["group_name": "g"])
    var group = LogChange.PrivilegeGroupInfo()
    group.groupName = "g"
    group.privileges = [LogChange.NamedEntity(name: "Search")]
    let whole = group
    #expect(
      try await sent("OperatePrivilegeGroupRequest") { try await $0.changePrivilegeGroup(whole, isRemoval: true) }
        == ["group_name": "g", "privileges": [["name": "Search"]], "type": "RemovePrivilegesFromGroup"])
    var user = LogChange.UserInfo()
    user.user = "u"
    user.password = Secret("hash")
    var meta = LogChange.AccessMeta()
    meta.users = [user]
    meta.grants = [Self.grant("Search")]
    let backup = meta
    let json = try await sent("RestoreRBACMetaRequest") { try await $0.restoreAccess(backup) }
    #expect(json.objectValue?["RBAC_meta"]?.objectValue?["users"] == [["user": "u", "password": "hash"]])
    var answer = WireWriter()
    answer.lengthDelimited(2, backup.encoded)
    #expect(try await MilvusClient(caller: RecordedCaller(answer.bytes)).backupAccess() == backup)
  }

  @Test func anEmptyNameIsNotSent() async {
    let caller = RecordedCaller([])
    let client = MilvusClient(caller: caller)
    await #expect(throws: CallError.self) { try await client.deleteUser("") }
    await #expect(throws: CallError.self) { try await client.dropRole("", isForced: true) }
    await #expect(throws: CallError.self) { try await client.addRole("", to: "u") }
    #expect(caller.requests.isEmpty)
  }

  /// `public-rpc.md` §3.9: a server without authorization wants a grantor all the same.
  @Test func aGrantHasAGrantorOnAServerThatAsksForNone() async throws {
    let caller = RecordedCaller([])
    try await MilvusClient(caller: caller).setGrant(Self.grant("Search"), isRevoke: false)
    try await MilvusClient(caller: caller, token: Secret("u:p")).setGrant(Self.grant("Search"), isRevoke: false)
    try await MilvusClient(caller: caller).deleteUser("u")
    #expect(caller.requests.map(\.authorization) == [Base64.encode(Array("root:".utf8)), Base64.encode(Array("u:p".utf8)), nil])
  }
}
