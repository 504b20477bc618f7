import CDCBridge
import MilvusWire
import Testing

/// Every rule of `create` in its order (`task-api.md` §2.2), and the overlap rules (§2.5).
@Suite struct CreateRulesTests {
  private static let uri = #""milvus_connect_param":{"uri":"http://target:19530"}"#
  private static let one = #""collection_infos":[{"name":"a"}]"#
  private static let long = String(repeating: "n", count: 257)

  @Test(
    arguments: [
      (#"{}"#, "400 the downstream address is empty"),
      (#"{"milvus_connect_param":{"username":"u"}}"#, "400 the downstream address is empty"),
      (
        #"{\#(uri),"kafka_connect_param":{"address":"k:9092"}}"#,
        "400 don't support milvus and kafka at the same time now"
      ),
      (#"{"milvus_connect_param":{"port":1}}"#, "400 the milvus host is empty"),
      (#"{"milvus_connect_param":{"host":"h"}}"#, "400 the milvus port is less or equal zero"),
      (#"{"milvus_connect_param":{"host":"h","port":-1}}"#, "400 the milvus port is less or equal zero"),
      (
        #"{"milvus_connect_param":{"host":"http://h:1","port":0}}"#,
        "400 the milvus port is less or equal zero"
      ),
      (
        #"{"milvus_connect_param":{"uri":"http://h:1","username":"u"}}"#,
        "400 cannot set only one of the milvus username and password"
      ),
      (
        #"{"milvus_connect_param":{"uri":"http://h:1","password":"u","connect_timeout":-1}}"#,
        "400 cannot set only one of the milvus username and password"
      ),
      (
        #"{"milvus_connect_param":{"uri":"http://h:1","connect_timeout":-1},"buffer_config":{"period":-1}}"#,
        "400 the milvus connect timeout is less zero"
      ),
      (#"{"kafka_connect_param":{"address":"k:9092"}}"#, "400 the kafka topic is empty"),
      (#"{\#(uri),"buffer_config":{"period":-1,"size":-1}}"#, "400 the cache period is less zero"),
      (#"{\#(uri),"buffer_config":{"size":-1}}"#, "400 the cache size is less zero"),
      (#"{\#(uri)}"#, "400 the collection info is empty"),
      (#"{\#(uri),"collection_infos":[],"db_collections":{}}"#, "400 the collection info is empty"),
      (
        #"{\#(uri),\#(one),"db_collections":{"d":[{"name":"a"}]}}"#,
        "400 the collection info and db collection info should be only one"
      ),
      (
        #"{\#(uri),"db_collections":{"\#(long)":[]}}"#,
        "400 the db name length exceeds 256 characters, \(long)"
      ),
      (#"{\#(uri),"db_collections":{"d":[]}}"#, "400 empty collection info"),
      (
        #"{\#(uri),"collection_infos":[{"name":"*","positions":{"c":"x"}}]}"#,
        "400 the collection name is `*`, the positions should be empty"
      ),
      (
        #"{\#(uri),"collection_infos":[{"name":"a","positions":{"by-dev-rootcoord-dml_0":"x"}}]}"#,
        "400 the position channel name is not virtual channel, by-dev-rootcoord-dml_0"
      ),
      (#"{\#(uri),"collection_infos":[{"name":""}]}"#, "400 there is a collection name that is empty. "),
      (
        #"{\#(uri),"collection_infos":[{"name":"\#(long)"}]}"#,
        "400 there are some collection names whose length exceeds 256 characters, [\(long)]"
      ),
      (
        #"{\#(uri),"collection_infos":[{"name":""},{"name":"\#(long)"}]}"#,
        "400 there is a collection name that is empty. there are some collection names whose length exceeds 256 characters, [\(long)]"
      ),
      (
        #"{\#(uri),"collection_infos":[{"name":"a.b"}]}"#,
        "400 the collection name should not contain a dot, a.b"
      ),
      (
        #"{\#(uri),"db_collections":{"d.e":[{"name":"a"}]}}"#, "400 the db name should not contain a dot, d.e"
      ),
      (
        #"{\#(uri),"collection_infos":[{"name":"a"},{"name":"a"}]}"#,
        "400 the collection info should be only one for default.a"
      ),
      (
        #"{\#(uri),\#(one),"rpc_channel_info":{"name":"other"}}"#,
        "400 the rpc channel is invalid, the channel name should be the same as the source config"
      ),
      (
        #"{"kafka_connect_param":{"address":"k:9092","topic":"t"},\#(one)}"#,
        "400 a kafka destination is not supported: this bridge writes to Milvus, give milvus_connect_param"
      ),
      (
        #"{\#(uri),\#(one),"task_id":"../x"}"#,
        "400 the task id is invalid: 1 to 128 of A-Z a-z 0-9 . _ -, not beginning with a dot"
      ),
      (
        #"{\#(uri),\#(one),"task_id":".x"}"#,
        "400 the task id is invalid: 1 to 128 of A-Z a-z 0-9 . _ -, not beginning with a dot"
      ),
      (
        #"{\#(uri),\#(one),"source_connect_param":{"host":"h"}}"#,
        "400 source_connect_param: the milvus port is less or equal zero"
      ),
      (
        #"{"milvus_connect_param":{"uri":"http://u:secret@h:1"},\#(one)}"#,
        "400 the milvus address is invalid: the address holds a user or a password before the @: give them as token or username and password"
      ),
      (
        #"{"milvus_connect_param":{"host":"h","port":70000},\#(one)}"#,
        "400 the milvus address is invalid: port 70000 is not a number from 1 to 65535"
      ),
      (
        #"{"milvus_connect_param":{"uri":"http://h:1","dial_config":{"server_pem_path":"x"}},\#(one)}"#,
        "400 the dial_config is for TLS, but the milvus address is not an https address"
      ),
      (
        #"{"milvus_connect_param":{"uri":"https://h:1","dial_config":{"client_pem_path":"x"}},\#(one)}"#,
        "400 the dial_config needs client_pem_path and client_key_path together"
      ),
      (
        #"{\#(uri),\#(one),"source_connect_param":{"uri":"http://target:19530"}}"#,
        "400 the source and the target are the same cluster, a collection would be copied onto itself"
      ),
      (
        #"{\#(uri),\#(one),"capture":"reconcile","initial_copy":false}"#,
        "400 initial_copy false: capture reconcile makes the clusters equal, so it always copies what exists. Create the task with initial_copy true."
      ),
      (
        #"{\#(uri),\#(one),"name_mapping":[{"source_db":"default","target_db":"d","collection_mapping":{"b":"c"}}]}"#,
        "400 the collection name in the name mapping is not in the collection info, checkout it"
      ),
      (
        #"{\#(uri),\#(one),"name_mapping":[{"source_db":"default","target_db":"d"}]}"#,
        "400 the collection name in the name mapping is not in the collection info, checkout it"
      ),
      (
        #"{\#(uri),\#(one),"name_mapping":[{"source_db":"default","target_db":"d.e","collection_mapping":{"a":"c"}}]}"#,
        "400 the name mapping needs names without dot and wildcard, not empty, at most 256 characters"
      ),
      (
        #"{\#(uri),"collection_infos":[{"name":"a","positions":{"c_12v0":"%%%"}}]}"#,
        "500 fail to decode the position data: c_12v0 is not base64"
      ),
      (
        #"{\#(uri),\#(one),"rpc_channel_info":{"position":"%%%"}}"#,
        "500 fail to decode the rpc position data: it is not base64"
      ),
      (
        #"{\#(uri),\#(one),"capture":"reconcile","end_at":"2030-01-01T00:00:00Z"}"#,
        "400 end_at: capture reconcile follows no log, so it reaches no point of one. Create the task without end_at."
      ),
    ] as [(String, String)])
  func refusesInTheDocumentedOrder(data: String, expected: String) async throws {
    let rig = try TaskRig()
    #expect(await rig.refusal("create", data) == expected)
    #expect(rig.store.saved.isEmpty && rig.factory.started.isEmpty)
  }

  @Test func aNameMayHaveTheLimitAndNotOneByteMore() async throws {
    let rig = try TaskRig()
    let euro = String(repeating: "€", count: 85) + "x"
    #expect(euro.utf8.count == 256)
    #expect(await rig.create(#"[{"name":"\#(euro)"}]"#)["code"] == 200)
    #expect(await rig.create(#"[{"name":"\#(euro)y"}]"#)["code"] == 400)
  }

  @Test func anUnreachableTargetIsRefusedBeforeTheOverlapAndTheMapping() async throws {
    let rig = try TaskRig()
    rig.factory.failConnections(
      BridgeError(.call, side: .target, operation: "connect", message: "connection refused"))
    let data = #"{\#(Self.uri),\#(Self.one),"name_mapping":[{"source_db":"x","target_db":"y"}]}"#
    #expect(await rig.refusal("create", data) == "500 fail to connect the milvus: connection refused")
  }

  @Test func withoutASourceACreateSaysHowToGiveOne() async throws {
    let rig = try TaskRig(source: nil)
    #expect(
      await rig.refusal("create", #"{\#(Self.uri),\#(Self.one)}"#)
        == "400 there is no source: give source_connect_param, or start the bridge with --source-uri")
  }

  @Test func aKnownIDIsReturnedUnchangedWhateverElseIsAsked() async throws {
    let rig = try TaskRig()
    _ = await rig.create(id: "t")
    #expect(await rig.create(#"[{"name":"other"}]"#, id: "t") == ["code": 200, "data": ["task_id": "t"]])
    #expect(rig.factory.started.count == 1)
  }

  @Test func anIDIsMadeWhereNoneIsGiven() async throws {
    let envelope = await (try TaskRig()).create()
    let id = envelope["data"]?.objectValue?["task_id"]?.stringValue ?? ""
    #expect(id.wholeMatch(of: /[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}/) != nil, "\(id)")
  }

  @Test func theLimitCountsPausedTasksToo() async throws {
    var limits = TaskLimits()
    limits.taskCountMax = 2
    let rig = try TaskRig(limits: limits)
    _ = await rig.create(#"[{"name":"a"}]"#, id: "1")
    _ = await rig.create(#"[{"name":"b"}]"#, id: "2")
    _ = await rig.call("pause", #"{"task_id":"1"}"#)
    let third = #"{\#(Self.uri),"collection_infos":[{"name":"c"}]}"#
    #expect(await rig.refusal("create", third) == "500 the task num has reach the limit, 2")
    _ = await rig.call("delete", #"{"task_id":"1"}"#)
    #expect(await rig.refusal("create", third) == "200 success")
  }

  @Test func onlyOneTaskPerTargetTakesUsersAndRolesAndGivesThemBack() async throws {
    let rig = try TaskRig()
    let role = #","extra_info":{"enable_user_role":true}"#
    #expect(await rig.create(#"[{"name":"a"}]"#, id: "1", more: role)["code"] == 200)
    let second = #"{\#(Self.uri),"collection_infos":[{"name":"b"}]\#(role)}"#
    #expect(await rig.refusal("create", second) == "400 the enable user role param is duplicate")
    _ = await rig.call("delete", #"{"task_id":"1"}"#)
    #expect(await rig.refusal("create", second) == "200 success")
  }

  @Test func aDryRunStoresNothing() async throws {
    let rig = try TaskRig()
    let envelope = await rig.create(more: #","dry_run":true"#)
    #expect(envelope == ["code": 200, "data": ["dry_run": true, "plan": ["copy default.a"]]])
    #expect(rig.store.saved.isEmpty && rig.factory.started.isEmpty)
  }

  // MARK: Overlap

  /// `db.collection` patterns of an existing task and of a new one, and what comes of it.
  @Test(arguments: [
    ("default.a", "default.a", "duplicate default.a"), ("default.*", "default.*", "duplicate default.*"),
    ("*.*", "*.*", "duplicate *.*"), ("default.*", "default.a", "duplicate default.a"),
    ("*.a", "d.a", "duplicate d.a"), ("*.*", "d.a", "duplicate d.a"), ("*.*", "d.*", "duplicate d.*"),
    ("*.*", "*.a", "duplicate *.a"), ("d.a", "d.*", "excludes d.a"), ("d.a", "*.a", "excludes d.a"),
    ("d.a", "*.*", "excludes d.a"), ("d.*", "*.*", "excludes d.*"), ("*.a", "*.*", "excludes *.a"),
    ("*.c", "d.*", "excludes d.c"), ("d.*", "*.c", "excludes d.c"), ("d.a", "d.b", "excludes"),
    ("d.a", "e.a", "excludes"), ("d.a", "e.*", "excludes"),
  ])
  func overlapsFollowTheTable(existing: String, new: String, expected: String) async throws {
    #expect(try Self.verdict(existing, new) == expected)
  }

  @Test func aNameThatTheWildcardLeavesOutIsAccepted() async throws {
    let rig = try TaskRig()
    let d = { (name: String, id: String) in
      #"{\#(Self.uri),"db_collections":{"d":[{"name":"\#(name)"}]},"task_id":"\#(id)"}"#
    }
    #expect(await rig.refusal("create", d("a", "1")) == "200 success")
    #expect(await rig.refusal("create", d("*", "2")) == "200 success")
    #expect(rig.factory.started.last?.selection.excluded == [.init(database: "d", collection: "a")])
    _ = await rig.call("delete", #"{"task_id":"1"}"#)
    #expect(await rig.refusal("create", d("a", "3")) == "200 success")
    #expect(
      await rig.refusal("create", d("b", "4"))
        == "400 the collection name is duplicate with existing task, [d.b]")
  }

  @Test func oneHostByAnotherNameIsTheSameTarget() throws {
    let verdict = try Self.verdict(
      "d.a", "d.a", existingTarget: "http://localhost:19530", newTarget: "127.0.0.1:19530")
    #expect(verdict == "duplicate d.a")
    #expect(
      try Self.verdict("d.a", "d.a", existingTarget: "http://h:1", newTarget: "http://h:2") == "excludes")
  }

  @Test func tasksOfDifferentSourcesMayNotMeetOnTheTarget() throws {
    #expect(try Self.verdict("d.a", "d.a", newSource: "http://other:1") == "duplicate d.a")
    #expect(try Self.verdict("d.*", "d.a", newSource: "http://other:1") == "duplicate d.a")
    #expect(try Self.verdict("d.a", "d.*", newSource: "http://other:1") == "duplicate d.*")
    #expect(try Self.verdict("d.a", "e.*", newSource: "http://other:1") == "excludes")
  }

  @Test func twoRenamesToOneNameAreRefused() async throws {
    let rig = try TaskRig()
    let renamed = { (name: String) in
      #"{\#(Self.uri),"collection_infos":[{"name":"\#(name)"}],"name_mapping":[{"source_db":"default","target_db":"default","collection_mapping":{"\#(name)":"x"}}]}"#
    }
    #expect(await rig.refusal("create", renamed("a")) == "200 success")
    #expect(
      await rig.refusal("create", renamed("b"))
        == "400 the collection name is duplicate with existing task, [default.b]")
  }

  private static func verdict(
    _ existing: String, _ new: String, existingTarget: String = "http://target:19530",
    newTarget: String = "http://target:19530", newSource: String = "http://source:19530"
  ) throws -> String {
    func spec(_ pattern: String, source: String, target: String) throws -> TaskSpec {
      let parts = pattern.split(separator: ".").map(String.init)
      return TaskSpec(
        source: ClusterConnection(endpoint: try Endpoint(parsing: source)),
        target: ClusterConnection(endpoint: try Endpoint(parsing: target)),
        selection: ObjectSelection(patterns: [.init(database: parts[0], collection: parts[1])]))
    }
    let old = try spec(existing, source: "http://source:19530", target: existingTarget)
    switch TaskOverlap.judge(try spec(new, source: newSource, target: newTarget), against: [old]) {
    case .duplicate(let names): return "duplicate \(names.joined(separator: " "))"
    case .accepted(let excluded):
      return (["excludes"] + excluded.map { "\($0.database).\($0.collection)" }).joined(separator: " ")
    }
  }
}
