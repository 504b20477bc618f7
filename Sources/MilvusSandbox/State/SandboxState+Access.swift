internal import MilvusWire

// Users, roles, grants, resource groups (`public-rpc.md` §3.9, §3.10). Kept and logged, never enforced: everybody may do everything.

extension SandboxState {
  mutating func createCredential(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("username")
    guard access.users[name] == nil else { throw Refusal(65535, "user already exists: \(name)", legacy: 29) }
    access.users[name] = AccessRules.User(password: request.text("password"))
    announceUser(name)
    return [:]
  }

  mutating func updateCredential(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("username")
    guard let user = access.users[name] else {
      throw Refusal(65535, "user \(name) does not exist", legacy: 30)
    }
    guard user.password == request.text("oldPassword") else {
      throw Refusal(1400, "old password not correct for \(name): not authenticated", legacy: 30)
    }
    access.users[name]?.password = request.text("newPassword")
    announceUser(name)
    return [:]
  }

  /// The log of a real server holds two hashes of the password; this one makes texts of their shape.
  private mutating func announceUser(_ name: String) {
    let digits = Array("0123456789abcdef")
    let sha256 = String((0..<64).map { _ in digits[Int(random.next() % 16)] })
    announce(
      .alterUser, header: ["user_entity": ["name": .string(name)]],
      body: [
        "credential_info": [
          "username": .string(name), "encrypted_password": .string("$2a$04$" + sha256.prefix(53)),
          "sha256_password": .string(sha256),
        ]
      ], keys: ResourceKey.privilege)
  }

  mutating func deleteCredential(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("username")
    guard access.users.removeValue(forKey: name) != nil else { return [:] }
    announce(.dropUser, header: ["user_name": .string(name)], keys: ResourceKey.privilege)
    return [:]
  }

  func listUsers(_ request: Request) throws(Refusal) -> JSONObject {
    ["usernames": .texts(access.users.keys.sorted())]
  }

  mutating func createRole(_ request: Request) throws(Refusal) -> JSONObject {
    let entity = request.fields.object("entity")
    let name = entity.text("name")
    guard access.roles.insert(name).inserted else {
      throw Refusal(65535, "role [name:\"\(name)\"] already exists", legacy: 35)
    }
    announce(.alterRole, header: ["role_entity": .object(entity)], keys: ResourceKey.privilege)
    return [:]
  }

  mutating func dropRole(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("role_name"), isForced = request.fields.flag("force_drop")
    guard access.roles.contains(name) else {
      throw Refusal(
        65535,
        "the role isn't existed: not found the role, maybe the role isn't existed or internal system error",
        legacy: 36)
    }
    let grants = access.grants.filter { $0.objectValue?.object("role").text("name") == name }
    guard grants.isEmpty || isForced else {
      throw Refusal(
        65535, "fail to drop the role that it has privileges. Use REVOKE API to revoke privileges", legacy: 36
      )
    }
    access.grants.removeAll { $0.objectValue?.object("role").text("name") == name }
    access.roles.remove(name)
    for user in access.users.keys { access.users[user]?.roles.removeAll { $0 == name } }
    var header: JSONObject = ["role_name": .string(name)]
    if isForced { header["force_drop"] = true }
    announce(.dropRole, header: .object(header), keys: ResourceKey.privilege)
    return [:]
  }

  mutating func operateUserRole(_ request: Request) throws(Refusal) -> JSONObject {
    let user = request.text("username"), role = request.text("role_name")
    guard access.users[user] != nil, access.roles.contains(role) else {
      throw Refusal(65535, "not found the user or the role", legacy: 37)
    }
    let isRemoval =
      ["RemoveUserFromRole"].contains(request.text("type")) || request.fields["type"]?.int64Value == 1
    access.users[user]?.roles.removeAll { $0 == role }
    if !isRemoval { access.users[user]?.roles.append(role) }
    announce(
      isRemoval ? .dropUserRole : .alterUserRole,
      header: [
        "role_binding": ["user_entity": ["name": .string(user)], "role_entity": ["name": .string(role)]]
      ],
      keys: ResourceKey.privilege)
    return [:]
  }

  func selectRole(_ request: Request) throws(Refusal) -> JSONObject {
    let asked = request.fields.object("role").text("name")
    guard asked.isEmpty || access.roles.contains(asked) else {
      throw .unexpected("not found the role: \(asked)")
    }
    let results: [JSONValue] = access.roles.sorted().filter { asked.isEmpty || $0 == asked }.map { role in
      let users = access.users.filter { $0.value.roles.contains(role) }.keys.sorted()
      return ["role": ["name": .string(role)], "users": .array(users.map { ["name": .string($0)] })]
    }
    return ["results": .array(results)]
  }

  func selectUser(_ request: Request) throws(Refusal) -> JSONObject {
    let asked = request.fields.object("user").text("name")
    guard asked.isEmpty || access.users[asked] != nil else {
      throw .unexpected("not found the user: \(asked)")
    }
    let results: [JSONValue] = access.users.sorted { $0.key < $1.key }.filter {
      asked.isEmpty || $0.key == asked
    }.map {
      ["user": ["name": .string($0.key)], "roles": .array($0.value.roles.map { ["name": .string($0)] })]
    }
    return ["results": .array(results)]
  }

  mutating func operatePrivilege(_ request: Request) throws(Refusal) -> JSONObject {
    var entity = request.fields.object("entity")
    if entity.text("db_name").isEmpty { entity["db_name"] = .string(request.database) }
    return try operate(on: entity, isRevoke: Self.isRevoke(request))
  }

  mutating func operatePrivilegeV2(_ request: Request) throws(Refusal) -> JSONObject {
    let grantor = request.fields.object("grantor")
    let privilege = grantor.object("privilege").text("name")
    let isGlobal = access.privilegeGroups[privilege] != nil || Self.globalPrivileges.contains(privilege)
    let collection = request.collection
    let entity: JSONObject = [
      "role": .object(request.fields.object("role")), "object": ["name": isGlobal ? "Global" : "Collection"],
      "object_name": .string(collection.isEmpty ? "*" : collection), "grantor": .object(grantor),
      "db_name": .string(
        request.fields.text("db_name").isEmpty ? request.database : request.fields.text("db_name")),
    ]
    return try operate(on: entity, isRevoke: Self.isRevoke(request))
  }

  private static func isRevoke(_ request: Request) -> Bool {
    request.text("type") == "Revoke" || request.fields["type"]?.int64Value == 1
  }

  private static let globalPrivileges: Set<String> = [
    "CreateCollection", "DropCollection", "DescribeCollection", "ShowCollections", "RenameCollection",
    "FlushAll", "CreateDatabase",
    "DropDatabase", "ListDatabases", "AlterDatabase", "DescribeDatabase", "CreateOwnership", "DropOwnership",
    "SelectOwnership",
    "ManageOwnership", "CreateResourceGroup", "DropResourceGroup", "All", "CreateAlias", "DropAlias",
    "DescribeAlias", "ListAliases",
  ]

  private mutating func operate(on given: JSONObject, isRevoke: Bool) throws(Refusal) -> JSONObject {
    var entity = given
    let role = entity.object("role").text("name")
    guard access.roles.contains(role) else { throw Refusal(65535, "not found the role: \(role)", legacy: 41) }
    entity["grantor"] = [
      "user": ["name": "root"], "privilege": .object(entity.object("grantor").object("privilege")),
    ]
    let grant = JSONValue.object(entity)
    access.grants.removeAll { $0 == grant }
    if !isRevoke { access.grants.append(grant) }
    announce(
      isRevoke ? .dropPrivilege : .alterPrivilege, header: ["entity": grant], keys: ResourceKey.privilege)
    return [:]
  }

  func selectGrant(_ request: Request) throws(Refusal) -> JSONObject {
    let entity = request.fields.object("entity")
    let role = entity.object("role").text("name")
    let database = entity.text("db_name").isEmpty ? DatabaseRecord.defaultName : entity.text("db_name")
    let shown = access.grants.filter {
      let grant = $0.objectValue ?? JSONObject()
      return grant.object("role").text("name") == role && [database, "*"].contains(grant.text("db_name"))
    }
    return ["entities": .array(shown)]
  }

  // MARK: Privilege groups

  mutating func createPrivilegeGroup(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("group_name")
    guard access.privilegeGroups[name] == nil else {
      throw .unexpected("privilege group name [\(name)] is defined by system or already exists")
    }
    access.privilegeGroups[name] = []
    announce(
      .alterPrivilegeGroup, header: ["privilege_group_info": ["group_name": .string(name)]],
      keys: ResourceKey.privilege)
    return [:]
  }

  mutating func dropPrivilegeGroup(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("group_name")
    guard access.privilegeGroups.removeValue(forKey: name) != nil else { return [:] }
    announce(
      .dropPrivilegeGroup, header: ["privilege_group_info": ["group_name": .string(name)]],
      keys: ResourceKey.privilege)
    return [:]
  }

  mutating func operatePrivilegeGroup(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("group_name")
    let privileges = request.fields.objects("privileges")
    guard let old = access.privilegeGroups[name] else {
      throw .unexpected("there is no privilege group name [\(name)] to operate")
    }
    let changed = privileges.map { $0.text("name") }
    let isRemoval =
      request.text("type") == "RemovePrivilegesFromGroup" || request.fields["type"]?.int64Value == 1
    let kept = old.filter { !changed.contains($0) }
    access.privilegeGroups[name] = isRemoval ? kept : kept + changed
    announce(
      isRemoval ? .dropPrivilegeGroup : .alterPrivilegeGroup,
      header: [
        "privilege_group_info": [
          "group_name": .string(name), "privileges": .array(privileges.map { .object($0) }),
        ]
      ], keys: ResourceKey.privilege)
    return [:]
  }

  func listPrivilegeGroups(_ request: Request) throws(Refusal) -> JSONObject {
    [
      "privilege_groups": .array(
        access.privilegeGroups.sorted { $0.key < $1.key }.map { group in
          ["group_name": .string(group.key), "privileges": .array(group.value.map { ["name": .string($0)] })]
        })
    ]
  }

  // MARK: Backup

  func backupRBAC(_ request: Request) throws(Refusal) -> JSONObject {
    let users: [JSONValue] = access.users.sorted { $0.key < $1.key }.filter { $0.key != "root" }.map { user in
      [
        "user": .string(user.key), "password": .string(user.value.password),
        "roles": .array(user.value.roles.map { ["name": .string($0)] }),
      ]
    }
    let roles = access.roles.subtracting(["admin", "public"]).sorted()
    return [
      "RBAC_meta": [
        "users": .array(users), "roles": .array(roles.map { ["name": .string($0)] }),
        "grants": .array(access.grants),
      ]
    ]
  }

  mutating func restoreRBAC(_ request: Request) throws(Refusal) -> JSONObject {
    let meta = request.fields.object("RBAC_meta")
    for role in meta.objects("roles") {
      guard access.roles.insert(role.text("name")).inserted else {
        throw .unexpected("role [\(role.text("name"))] already exists")
      }
    }
    for user in meta.objects("users") {
      guard access.users[user.text("user")] == nil else {
        throw .unexpected("user [\(user.text("user"))] already exists")
      }
      access.users[user.text("user")] = AccessRules.User(
        password: user.text("password"), roles: user.objects("roles").map { $0.text("name") })
    }
    access.grants += meta["grants"]?.arrayValue ?? []
    announce(.restoreRBAC, header: [:], body: ["rbac_meta": .object(meta)], keys: ResourceKey.privilege)
    return [:]
  }

  // MARK: Resource groups

  mutating func createResourceGroup(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("resource_group")
    guard access.resourceGroups[name] == nil else { throw .unexpected("resource group already exist") }
    setResourceGroups([name: request.fields.object("config")])
    return [:]
  }

  mutating func updateResourceGroups(_ request: Request) throws(Refusal) -> JSONObject {
    var changed: [String: JSONObject] = [:]
    for (name, config) in request.fields.object("resource_groups").members {
      changed[name] = config.objectValue ?? JSONObject()
    }
    for name in changed.keys where access.resourceGroups[name] == nil {
      throw Refusal(300, "resource group not found[rg=\(name)]")
    }
    setResourceGroups(changed)
    return [:]
  }

  private mutating func setResourceGroups(_ changed: [String: JSONObject]) {
    access.resourceGroups.merge(changed) { $1 }
    let configs = JSONObject(changed.map { ($0.key, JSONValue.object($0.value)) })
    announce(
      .alterResourceGroup, header: ["resource_group_configs": .object(configs)], keys: [.cluster])
  }

  mutating func dropResourceGroup(_ request: Request) throws(Refusal) -> JSONObject {
    let name = request.text("resource_group")
    guard access.resourceGroups.removeValue(forKey: name) != nil else { return [:] }
    announce(.dropResourceGroup, header: ["resource_group_name": .string(name)], keys: [.cluster])
    return [:]
  }

  func listResourceGroups(_ request: Request) throws(Refusal) -> JSONObject {
    ["resource_groups": .texts(access.resourceGroups.keys.sorted())]
  }
}
