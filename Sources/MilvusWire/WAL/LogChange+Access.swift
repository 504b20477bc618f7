// Users, roles, privileges and resource groups (§3.2, §3.4).

extension LogChange {
  /// A backup of everything below, as one message.
  package struct RestoreRBAC: LogContent {
    package var meta: AccessMeta?
    package init() {}
    package static let bodyMembers: [LogMember<Self>] = [.record(1, \.meta)]
  }

  /// `milvus.RBACMeta`.
  package struct AccessMeta: LogRecord {
    package var users: [UserInfo] = []
    package var roles: [RoleEntity] = []
    package var grants: [GrantEntity] = []
    package var privilegeGroups: [PrivilegeGroupInfo] = []
    package init() {}
    package static let members: [LogMember<Self>] = [
      .records(1, \.users), .records(2, \.roles), .records(3, \.grants), .records(4, \.privilegeGroups),
    ]
  }

  /// `milvus.UserInfo`.
  package struct UserInfo: LogRecord {
    package var user = ""
    /// As the request had it.
    package var password = Secret("")
    package var roles: [RoleEntity] = []
    package init() {}
    package static let members: [LogMember<Self>] = [
      .text(1, \.user), .secret(2, \.password), .records(3, \.roles),
    ]
  }

  /// CreateCredential and UpdateCredential.
  package struct AlterUser: LogContent {
    package var user: NamedEntity?
    package var credential: CredentialInfo?
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.record(1, \.user)]
    package static let bodyMembers: [LogMember<Self>] = [.record(1, \.credential)]
  }

  /// `internal.CredentialInfo`. Only hashes: such a change cannot be replayed (§3.8).
  package struct CredentialInfo: LogRecord {
    package var username = ""
    package var encryptedPassword = Secret("")
    package var tenant = ""
    package var isSuper = false
    package var sha256Password = Secret("")
    package var timeTick = TimeTick(0)
    package var description: String?
    package init() {}
    package static let members: [LogMember<Self>] = [
      .text(1, \.username), .secret(2, \.encryptedPassword), .text(3, \.tenant), .number(4, \.isSuper),
      .secret(5, \.sha256Password), .number(6, \.timeTick), .optionalText(7, \.description),
    ]
  }

  package struct DropUser: LogContent {
    package var userName = ""
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.text(1, \.userName)]
  }

  /// CreateRole and AlterRole.
  package struct AlterRole: LogContent {
    package var role: RoleEntity?
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.record(1, \.role)]
  }

  package struct DropRole: LogContent {
    package var roleName = ""
    package var isForced = false
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.text(1, \.roleName), .number(2, \.isForced)]
  }

  /// AlterUserRole, which grants, and DropUserRole.
  package struct UserRole: LogContent {
    package var binding: RoleBinding?
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.record(1, \.binding)]
  }

  package struct RoleBinding: LogRecord {
    package var user: NamedEntity?
    package var role: RoleEntity?
    package init() {}
    package static let members: [LogMember<Self>] = [.record(1, \.user), .record(2, \.role)]
  }

  /// AlterPrivilege, which grants, and DropPrivilege, which revokes.
  package struct Privilege: LogContent {
    package var grant: GrantEntity?
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.record(1, \.grant)]
  }

  /// `milvus.GrantEntity`.
  package struct GrantEntity: LogRecord {
    package var role: RoleEntity?
    package var object: NamedEntity?
    package var objectName = ""
    package var grantor: GrantorEntity?
    package var dbName = ""
    package init() {}
    package static let members: [LogMember<Self>] = [
      .record(1, \.role), .record(2, \.object), .text(3, \.objectName), .record(4, \.grantor),
      .text(5, \.dbName),
    ]
  }

  package struct GrantorEntity: LogRecord {
    package var user: NamedEntity?
    package var privilege: NamedEntity?
    package init() {}
    package static let members: [LogMember<Self>] = [.record(1, \.user), .record(2, \.privilege)]
  }

  package struct RoleEntity: LogRecord {
    package var name = ""
    package var description = ""
    package init() {}
    package init(name: String) { self.name = name }
    package static let members: [LogMember<Self>] = [.text(1, \.name), .text(2, \.description)]
  }

  /// `UserEntity`, `ObjectEntity` and `PrivilegeEntity`: a name.
  package struct NamedEntity: LogRecord {
    package var name = ""
    package init() {}
    package init(name: String) { self.name = name }
    package static let members: [LogMember<Self>] = [.text(1, \.name)]
  }

  /// AlterPrivilegeGroup, where no privileges means that the group is created, and DropPrivilegeGroup, where it means
  /// that the group is dropped.
  package struct PrivilegeGroup: LogContent {
    package var group: PrivilegeGroupInfo?
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.record(1, \.group)]
  }

  /// `milvus.PrivilegeGroupInfo`.
  package struct PrivilegeGroupInfo: LogRecord {
    package var groupName = ""
    package var privileges: [NamedEntity] = []
    package init() {}
    package static let members: [LogMember<Self>] = [.text(1, \.groupName), .records(2, \.privileges)]
  }

  // MARK: Resource groups

  package struct AlterResourceGroup: LogContent {
    package var groups: [ResourceGroup] = []
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.records(3, \.groups)]
  }

  /// An entry of the map `resource_group_configs`.
  package struct ResourceGroup: LogRecord {
    package var name = ""
    package var config = ResourceGroupConfig()
    package init() {}
    package static let members: [LogMember<Self>] = [.key(1, \.name), .value(2, \.config)]
  }

  /// `rg.ResourceGroupConfig`.
  package struct ResourceGroupConfig: LogRecord {
    package var requests: NodeLimit?
    package var limits: NodeLimit?
    package var transferFrom: [ResourceGroupTransfer] = []
    package var transferTo: [ResourceGroupTransfer] = []
    package var nodeFilter: NodeFilter?
    package init() {}
    package static let members: [LogMember<Self>] = [
      .record(1, \.requests), .record(2, \.limits), .records(3, \.transferFrom), .records(4, \.transferTo),
      .record(5, \.nodeFilter),
    ]
  }

  package struct NodeLimit: LogRecord {
    package var nodeNumber: Int32 = 0
    package init() {}
    package static let members: [LogMember<Self>] = [.number(1, \.nodeNumber)]
  }

  package struct ResourceGroupTransfer: LogRecord {
    package var resourceGroup = ""
    package init() {}
    package static let members: [LogMember<Self>] = [.text(1, \.resourceGroup)]
  }

  package struct NodeFilter: LogRecord {
    package var nodeLabels: [KeyValuePair] = []
    package init() {}
    package static let members: [LogMember<Self>] = [.pairs(1, \.nodeLabels)]
  }

  package struct DropResourceGroup: LogContent {
    package var name = ""
    package init() {}
    package static let headerMembers: [LogMember<Self>] = [.text(1, \.name)]
  }
}
