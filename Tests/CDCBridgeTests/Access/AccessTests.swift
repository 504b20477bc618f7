import CDCBridge
import Foundation
import MilvusWire
import TestSupport
import Testing

/// Users, roles, grants and privilege groups: from the log's bytes to a target, mapped, repeated, refused.
@Suite struct AccessTests {
  private static func change(_ name: String) throws -> LogChange {
    let folder = TestPaths.projectRoot.appending(path: "Tests/MilvusWireTests/Fixtures/wal/v2.6.23")
    return try LogChange(LogMessage(immutableMessage: Array(Data(contentsOf: folder.appending(path: name)))))
  }
  static func grant(_ privilege: String, _ object: String, database: String, kind: String = "Collection", role: String = "reader")
    -> LogChange.GrantEntity
  {
    var grant = LogChange.GrantEntity()
    grant.role = LogChange.RoleEntity(name: role)
    grant.object = LogChange.NamedEntity(name: kind)
    grant.objectName = object
    grant.dbName = database
    grant.grantor = LogChange.GrantorEntity()
    grant.grantor?.user = LogChange.NamedEntity(name: "root")
    grant.grantor?.privilege = LogChange.NamedEntity(name: privilege)
    return grant
  }
  private static func group(_ privileges: String...) -> LogChange.PrivilegeGroupInfo {
    var group = LogChange.PrivilegeGroupInfo()
    group.groupName = "readers"
    group.privileges = privileges.map { LogChange.NamedEntity(name: $0) }
    return group
  }
  private static let hash = Secret("$2a$04$GoldenFixtureOnly0000eO6vW3Qm8mJ2p0b1Yk7rT5s9uV4wX3yZ")
  private static var reader: LogChange.RoleEntity {
    var role = LogChange.RoleEntity(name: "reader")
    role.description = "may read"
    return role
  }
  private static let golden: [(String, [AccessStep])] = [
    (
      "msg-021-restore-rbac.pb",
      [
        .group("readers"), .addPrivileges(group("Search")), .role(reader), .user("alice", password: hash),
        .bind(role: "reader", user: "alice"), .grant(grant("Search", "orders", database: "shop")),
      ]
    ),
    ("msg-022-alter-user.pb", [.user("alice", password: hash)]),
    ("msg-023-drop-user.pb", [.dropUser("alice")]),
    ("msg-024-alter-role.pb", [.role(reader)]),
    ("msg-025-drop-role.pb", [.dropRole("reader", isForced: true)]),
    ("msg-026-alter-user-role.pb", [.bind(role: "reader", user: "alice")]),
    ("msg-027-drop-user-role.pb", [.unbind(role: "reader", user: "alice")]),
    ("msg-028-alter-privilege.pb", [.grant(grant("Search", "orders", database: "shop"))]),
    ("msg-029-drop-privilege.pb", [.revoke(grant("Search", "orders", database: "shop"))]),
    ("msg-030-alter-privilege-group-create.pb", [.group("readers")]),
    ("msg-030-alter-privilege-group.pb", [.addPrivileges(group("Search", "Query"))]),
    ("msg-031-drop-privilege-group.pb", [.removePrivileges(group("Query"))]),
  ]

  @Test func `every message about users is read as what is to be done`() throws {
    for (name, steps) in Self.golden {
      let change = try Self.change(name)
      #expect(AccessStep.steps(of: change) == steps, "\(name)")
      var catalog = LogCatalog()
      #expect(try catalog.apply(change).access == steps, "\(name)")
      #expect(!"\(steps)".contains("$2a$"))
    }
    #expect(AccessStep.steps(of: try Self.change("msg-016-create-database.pb")).isEmpty)
  }

  @Test func `names in grants are those of the target, and what is not covered is left`() {
    var selection = ObjectSelection(patterns: [.init(database: "shop", collection: "*")])
    selection.mappings = [.init(sourceDatabase: "shop", targetDatabase: "store", collections: ["orders": "sales"])]
    func mapped(_ object: String, _ database: String, kind: String = "Collection") -> String? {
      guard case .grant(let found) = AccessStep.grant(Self.grant("Search", object, database: database, kind: kind)).mapped(by: selection)
      else { return nil }
      return "\(found.dbName).\(found.objectName)"
    }
    #expect(mapped("orders", "shop") == "store.sales")
    #expect(mapped("parts", "shop") == "shop.parts")
    #expect(mapped("*", "shop") == "shop.*")
    #expect(mapped("orders", "default") == nil)
    #expect(mapped("orders", "") == nil)
    #expect(mapped("*", "default", kind: "Global") == nil)
    #expect(mapped("*", "*", kind: "Global") == "*.*")
    #expect(mapped("root", "default", kind: "User") == "default.root")
    selection.mappings[0].collections = [:]
    #expect(mapped("parts", "shop") == "store.parts")
    #expect(mapped("*", "shop") == "store.*")
    #expect(AccessStep.dropUser("alice").mapped(by: selection) == .dropUser("alice"))
  }

  // MARK: A target

  private func applier(_ target: FakeAccess) -> AccessApplier {
    var time = RunnerTime.system
    time.sleepUntil = { _ in true }
    return AccessApplier(target: target, policy: ErrorPolicy(sourceIsLite: false, targetIsLite: false), time: time) {
      ["default", "shop"]
    }
  }

  @Test(arguments: [1, 3]) func `the steps of the recorded messages stand, however often they come`(times: Int) async throws {
    let target = FakeAccess(.new)
    let applier = applier(target)
    for _ in 0..<times {
      for step in try Self.golden[...0].flatMap({ AccessStep.steps(of: try Self.change($0.0)) }) {
        let note = try await applier.perform(step)
        #expect(note == nil || step.subject == .users, "\(note ?? "")")
      }
    }
    let state = target.state.withLock { $0 }
    #expect(state.users == ["root": [], "alice": ["reader"]])
    #expect(state.passwords == ["alice": Self.hash.revealed])
    #expect(state.roles["reader"] == "may read")
    #expect(state.grants == [Self.grant("Search", "orders", database: "shop")])
    #expect(state.groups == ["readers": ["Search"]])
    for _ in 0..<times {
      for step: AccessStep in [
        .revoke(Self.grant("Search", "orders", database: "shop")), .removePrivileges(Self.group("Search")), .dropGroup("readers"),
        .unbind(role: "reader", user: "alice"), .dropRole("reader", isForced: false), .dropUser("alice"),
      ] {
        #expect(try await applier.perform(step) == nil)
      }
    }
    #expect(target.state.withLock { $0.users == ["root": []] && $0.roles.count == 2 && $0.grants.isEmpty && $0.groups.isEmpty })
  }

  @Test func `what an old target lacks is named, the rest is done`() async throws {
    let target = FakeAccess(.old)
    let applier = applier(target)
    #expect(try await applier.perform(.user("alice", password: Self.hash))?.contains("create the user on the target") == true)
    #expect(try await applier.perform(.role(Self.reader)) == nil)
    #expect(try await applier.perform(.role(Self.reader)) == nil)
    #expect(try await applier.perform(.bind(role: "reader", user: "alice"))?.contains("no such user") == true)
    target.state.withLock { $0.users["alice"] = [] }
    #expect(try await applier.perform(.user("alice", password: Self.hash))?.contains("keeps its own") == true)
    #expect(try await applier.perform(.bind(role: "reader", user: "alice")) == nil)
    #expect(try await applier.perform(.grant(Self.grant("Search", "orders", database: "shop"))) == nil)
    #expect(try await applier.perform(.group("readers"))?.contains("does not have") == true)
    #expect(try await applier.perform(.dropRole("reader", isForced: false))?.contains("privileges") == true)
    // It forces nothing: the grants are taken away one by one.
    #expect(try await applier.perform(.dropRole("reader", isForced: true)) == nil)
    #expect(target.state.withLock { $0.users["alice"] == [] && $0.grants.isEmpty && $0.roles["reader"] == nil })
    for step: AccessStep in [.role(Self.reader), .dropUser("alice"), .grant(Self.grant("Search", "orders", database: "shop"))] {
      #expect(try await self.applier(FakeAccess(.none)).perform(step)?.contains("does not have users") == true)
    }
  }

  @Test func `a privilege group is granted by the newer call`() async throws {
    let target = FakeAccess(.new)
    target.state.withLock {
      $0.roles["reader"] = ""
      $0.groups["pg1"] = []
    }
    let grant = Self.grant("pg1", "*", database: "*", kind: "Global")
    #expect(try await applier(target).perform(.grant(grant)) == nil)
    #expect(target.calls.withLock { $0 } == ["OperatePrivilege", "OperatePrivilegeV2"])
    #expect(target.state.withLock { $0.grants } == [grant])
  }

  @Test func `what may pass is tried again, what is refused is named`() async throws {
    let target = FakeAccess(.old)
    let trouble = FakeAccess.refusal("the meta store does not answer", "CreateRole")
    target.faults.withLock { $0["CreateRole"] = [trouble, trouble] }
    #expect(try await applier(target).perform(.role(Self.reader)) == nil)
    target.faults.withLock { $0["OperateUserRole"] = Array(repeating: trouble, count: 9) }
    target.state.withLock { $0.users["alice"] = [] }
    #expect(try await applier(target).perform(.bind(role: "reader", user: "alice"))?.contains("refuses") == true)
    let away = CallError.rpc(RPCError(.unavailable, "connection refused", initiator: .connection), method: "CreateRole")
    let denied = CallError.rpc(RPCError(.permissionDenied, "permission deny", initiator: .remote), method: "CreateRole")
    for error in [away, denied] {
      target.faults.withLock { $0["CreateRole"] = [error] }
      await #expect(throws: BridgeError.self) { try await applier(target).perform(.role(Self.reader)) }
    }
  }

  // MARK: A task

  private static func changes() -> [LogChange] {
    var role = LogChange.AlterRole()
    role.role = LogChange.RoleEntity(name: "reader")
    var user = LogChange.AlterUser()
    user.user = LogChange.NamedEntity(name: "alice")
    user.credential = LogChange.CredentialInfo()
    user.credential?.encryptedPassword = hash
    var binding = LogChange.UserRole()
    binding.binding = LogChange.RoleBinding()
    binding.binding?.role = role.role
    binding.binding?.user = user.user
    var privilege = LogChange.Privilege()
    privilege.grant = grant("Search", "a", database: "default")
    return [.alterRole(role), .alterUser(user), .alterUserRole(binding), .alterPrivilege(privilege)]
  }

  /// What is about no collection has one copy, on the control channel.
  private static func broadcast(_ change: LogChange, _ harness: LogHarness) throws {
    try harness.scene.broadcast(change, on: [ChannelName.control(ofPchannel: harness.scene.pchannels[0])])
  }

  @Test func `a task applies them once, in their order, after what stood before`() async throws {
    let (source, target) = (FakeAccess(.new), FakeAccess(.new))
    source.backup.withLock { $0.roles = [LogChange.RoleEntity(name: "elder")] }
    let harness = try LogHarness()
    harness.access.withLock { $0 = (source, target) }
    harness.spec.withLock { $0.replicatesAccess = true }
    try await harness.scene.create("a", isLogged: false)
    harness.start()
    await harness.wait("the first look is over") { harness.board.phase == .following }
    for change in Self.changes() { try Self.broadcast(change, harness) }
    await harness.wait("the grant is there") { !target.state.withLock { $0.grants }.isEmpty }
    var state = target.state.withLock { $0 }
    #expect(state.users == ["root": [], "alice": ["reader"]] && state.roles.keys.sorted() == ["admin", "elder", "public", "reader"])
    #expect(harness.board.notReplicated == [])
    await harness.kill()
    var drop = LogChange.DropRole()
    drop.roleName = "reader"
    drop.isForced = true
    try Self.broadcast(.dropRole(drop), harness)
    harness.start()
    await harness.wait("the role is gone") { target.state.withLock { $0.roles["reader"] } == nil }
    await harness.waitUntilEqual()
    state = target.state.withLock { $0 }
    #expect(state.users == ["root": [], "alice": []] && state.grants.isEmpty)
    #expect(target.calls.withLock { $0.filter { $0 == "CreateRole" }.count } == 2)
    #expect(source.calls.withLock { $0 } == ["BackupRBAC"])
    await harness.stop()
  }

  @Test func `without the option each kind is named once`() async throws {
    let target = FakeAccess(.new)
    let harness = try LogHarness()
    harness.access.withLock { $0 = (FakeAccess(.new), target) }
    harness.start()
    await harness.wait("the first look is over") { harness.board.phase == .following }
    for change in Self.changes() + Self.changes() { try Self.broadcast(change, harness) }
    await harness.wait("all kinds are named") { harness.board.notReplicated.count >= 4 }
    await harness.waitUntilEqual()
    #expect(
      harness.board.notReplicated.map { $0.prefix { $0 != "," } }.sorted()
        == ["privileges of roles", "roles", "roles of users", "users and their passwords"])
    #expect(target.calls.withLock { $0 } == [])
    await harness.stop()
  }
}
