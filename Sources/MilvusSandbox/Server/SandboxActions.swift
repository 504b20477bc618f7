internal import MilvusWire

/// What each unary call does, for calls whose messages are small.
enum SandboxActions {
  typealias Action = @Sendable (inout SandboxState, Request) throws(Refusal) -> JSONObject

  static let table: [String: Action] = reads.merging(changes) { $1 }

  /// They change nothing, and answer on a secondary too.
  private static let reads: [String: Action] = [
    "ListDatabases": { (s, r) throws(Refusal) in try s.listDatabases(r) },
    "DescribeDatabase": { (s, r) throws(Refusal) in try s.describeDatabase(r) },
    "HasCollection": { (s, r) throws(Refusal) in try s.hasCollection(r) },
    "ShowCollections": { (s, r) throws(Refusal) in try s.showCollections(r) },
    "DescribeCollection": { (s, r) throws(Refusal) in try s.describeCollection(r) },
    "GetCollectionStatistics": { (s, r) throws(Refusal) in try s.collectionStatistics(r) },
    "GetPartitionStatistics": { (s, r) throws(Refusal) in try s.partitionStatistics(r) },
    "HasPartition": { (s, r) throws(Refusal) in try s.hasPartition(r) },
    "ShowPartitions": { (s, r) throws(Refusal) in try s.showPartitions(r) },
    "DescribeIndex": { (s, r) throws(Refusal) in try s.describeIndex(r) },
    "GetIndexState": { (s, r) throws(Refusal) in try s.indexState(r) },
    "GetIndexBuildProgress": { (s, r) throws(Refusal) in try s.indexProgress(r) },
    "GetLoadState": { (s, r) throws(Refusal) in try s.loadState(r) },
    "GetLoadingProgress": { (s, r) throws(Refusal) in try s.loadingProgress(r) },
    "DescribeAlias": { (s, r) throws(Refusal) in try s.describeAlias(r) },
    "ListAliases": { (s, r) throws(Refusal) in try s.listAliases(r) },
    "GetFlushState": { (_, _) throws(Refusal) in ["flushed": true] },
    "GetFlushAllState": { (_, _) throws(Refusal) in ["flushed": true] },
    "ListCredUsers": { (s, r) throws(Refusal) in try s.listUsers(r) },
    "SelectRole": { (s, r) throws(Refusal) in try s.selectRole(r) },
    "SelectUser": { (s, r) throws(Refusal) in try s.selectUser(r) },
    "SelectGrant": { (s, r) throws(Refusal) in try s.selectGrant(r) },
    "ListPrivilegeGroups": { (s, r) throws(Refusal) in try s.listPrivilegeGroups(r) },
    "BackupRBAC": { (s, r) throws(Refusal) in try s.backupRBAC(r) },
    "ListResourceGroups": { (s, r) throws(Refusal) in try s.listResourceGroups(r) },
    "AllocTimestamp": { (s, _) throws(Refusal) in ["timestamp": .int(s.oracle.next())] },
    "GetVersion": { (s, _) throws(Refusal) in ["version": .string(s.settings.version)] },
    "CheckHealth": { (s, _) throws(Refusal) in s.health() },
    "Connect": { (s, r) throws(Refusal) in try s.connect(r) },
    "GetComponentStates": { (_, _) throws(Refusal) in ["state": ["role": "proxy", "state_code": 1]] },
    "ManualCompaction": { (_, _) throws(Refusal) in ["compactionID": 1] },
    "GetCompactionState": { (_, _) throws(Refusal) in ["state": 2] },
  ]

  private static let changes: [String: Action] = [
    "CreateDatabase": { (s, r) throws(Refusal) in try s.createDatabase(r) },
    "DropDatabase": { (s, r) throws(Refusal) in try s.dropDatabase(r) },
    "AlterDatabase": { (s, r) throws(Refusal) in try s.alterDatabase(r) },
    "CreateCollection": { (s, r) throws(Refusal) in try s.createCollection(r) },
    "DropCollection": { (s, r) throws(Refusal) in try s.dropCollection(r) },
    "RenameCollection": { (s, r) throws(Refusal) in try s.renameCollection(r) },
    "AlterCollection": { (s, r) throws(Refusal) in try s.alterCollection(r) },
    "AlterCollectionField": { (s, r) throws(Refusal) in try s.alterCollectionField(r) },
    "AddCollectionField": { (s, r) throws(Refusal) in try s.addCollectionField(r) },
    "TruncateCollection": { (s, r) throws(Refusal) in try s.truncateCollection(r) },
    "CreatePartition": { (s, r) throws(Refusal) in try s.createPartition(r) },
    "DropPartition": { (s, r) throws(Refusal) in try s.dropPartition(r) },
    "CreateIndex": { (s, r) throws(Refusal) in try s.createIndex(r) },
    "AlterIndex": { (s, r) throws(Refusal) in try s.alterIndex(r) },
    "DropIndex": { (s, r) throws(Refusal) in try s.dropIndex(r) },
    "LoadCollection": { (s, r) throws(Refusal) in try s.loadCollection(r) },
    "ReleaseCollection": { (s, r) throws(Refusal) in try s.releaseCollection(r) },
    "LoadPartitions": { (s, r) throws(Refusal) in try s.loadPartitions(r) },
    "ReleasePartitions": { (s, r) throws(Refusal) in try s.releasePartitions(r) },
    "CreateAlias": { (s, r) throws(Refusal) in try s.createAlias(r) },
    "AlterAlias": { (s, r) throws(Refusal) in try s.alterAlias(r) },
    "DropAlias": { (s, r) throws(Refusal) in try s.dropAlias(r) },
    "Flush": { (s, r) throws(Refusal) in try s.flush(r) },
    "FlushAll": { (s, r) throws(Refusal) in try s.flushAll(r) },
    "CreateCredential": { (s, r) throws(Refusal) in try s.createCredential(r) },
    "UpdateCredential": { (s, r) throws(Refusal) in try s.updateCredential(r) },
    "DeleteCredential": { (s, r) throws(Refusal) in try s.deleteCredential(r) },
    "CreateRole": { (s, r) throws(Refusal) in try s.createRole(r) },
    "DropRole": { (s, r) throws(Refusal) in try s.dropRole(r) },
    "OperateUserRole": { (s, r) throws(Refusal) in try s.operateUserRole(r) },
    "OperatePrivilege": { (s, r) throws(Refusal) in try s.operatePrivilege(r) },
    "OperatePrivilegeV2": { (s, r) throws(Refusal) in try s.operatePrivilegeV2(r) },
    "CreatePrivilegeGroup": { (s, r) throws(Refusal) in try s.createPrivilegeGroup(r) },
    "DropPrivilegeGroup": { (s, r) throws(Refusal) in try s.dropPrivilegeGroup(r) },
    "OperatePrivilegeGroup": { (s, r) throws(Refusal) in try s.operatePrivilegeGroup(r) },
    "RestoreRBAC": { (s, r) throws(Refusal) in try s.restoreRBAC(r) },
    "CreateResourceGroup": { (s, r) throws(Refusal) in try s.createResourceGroup(r) },
    "UpdateResourceGroups": { (s, r) throws(Refusal) in try s.updateResourceGroups(r) },
    "DropResourceGroup": { (s, r) throws(Refusal) in try s.dropResourceGroup(r) },
  ]

  static func isChange(_ method: String) -> Bool { changes[method] != nil || rowWrites.contains(method) }
  static let rowWrites: Set<String> = ["Insert", "Upsert", "Delete"]
}

extension SandboxState {
  /// Denied writes show in the quota states while the server calls itself healthy (`public-rpc.md` §1.4).
  func health() -> JSONObject {
    guard let writesDenied else { return ["isHealthy": true] }
    return ["isHealthy": true, "quota_states": [5], "reasons": [.string(writesDenied.reason)]]
  }

  func connect(_ request: Request) throws(Refusal) -> JSONObject {
    _ = try database(request.database)
    return [
      "server_info": [
        "build_tags": .string(settings.version), "deploy_mode": "STANDALONE", "git_commit": "sandbox",
        "build_time": "",
        "go_version": "",
      ], "identifier": .int(oracle.clockMilliseconds),
    ]
  }
}
