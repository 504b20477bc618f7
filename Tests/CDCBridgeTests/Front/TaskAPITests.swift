import CDCBridge
import MilvusWire
import Testing

/// The error matrix and the replies of `task-api.md` §1 and §2, without a socket.
@Suite struct TaskAPITests {
  private static let names = "[create delete get list maintenance pause position progress resume]"

  @Test(
    arguments: [
      (
        "", 500,
        "fail to unmarshal the request, error: line 1, column 1: expected a value, found the end of the text"
      ),
      (
        "{", 500,
        "fail to unmarshal the request, error: line 1, column 2: expected a key in quotes, found the end of the text"
      ),
      ("[]", 500, "fail to unmarshal the request, error: expected an object, found array"),
      ("\"x\"", 500, "fail to unmarshal the request, error: expected an object, found string"),
      (
        "{} x", 500,
        "fail to unmarshal the request, error: line 1, column 4: only space may follow the value, found 'x'"
      ),
      (
        #"{"request_type":1}"#, 500,
        "fail to unmarshal the request, error: 'request_type' expected type 'string', found number"
      ),
      (
        #"{"request_type":"list","request_data":[]}"#, 500,
        "fail to unmarshal the request, error: 'request_data' expected an object, found array"
      ),
      (
        #"{"request_type":"list","request_data":"x"}"#, 500,
        "fail to unmarshal the request, error: 'request_data' expected an object, found string"
      ),
      ("null", 400, "invalid 'request_type' param, can be set \(names)"),
      ("{}", 400, "invalid 'request_type' param, can be set \(names)"),
      (#"{"request_type":""}"#, 400, "invalid 'request_type' param, can be set \(names)"),
      (#"{"request_type":"List"}"#, 400, "invalid 'request_type' param, can be set \(names)"),
      (
        #"{"request_type":"get","request_data":{}}"#, 400,
        "fail to handle the get request, error: task_id is empty"
      ),
      (
        #"{"request_type":"get","request_data":{"task_id":"x"}}"#, 400,
        "fail to handle the get request, error: not found: [x]"
      ),
      (
        #"{"request_type":"progress","request_data":{"task_id":"x"}}"#, 400,
        "fail to handle the progress request, error: not found: [x]"
      ),
      (
        #"{"request_type":"pause","request_data":{"task_id":"x"}}"#, 400,
        "fail to handle the pause request, error: not found the task, task_id: x"
      ),
      (
        #"{"request_type":"resume"}"#, 400,
        "fail to handle the resume request, error: not found the task, task_id: "
      ),
      (
        #"{"request_type":"delete","request_data":{"task_id":"x"}}"#, 400,
        "fail to handle the delete request, error: not found the task, task_id: x"
      ),
      (
        #"{"request_type":"get","request_data":{"task_id":1}}"#, 500,
        "fail to decode the get request, error: 1 error(s) decoding:\n\n* 'task_id' expected type 'string', got unconvertible type 'float64', value: '1'"
      ),
    ] as [(String, Int, String)])
  func refusesWithTheDocumentedCodeAndText(body: String, code: Int, message: String) async throws {
    let answer = await (try TaskRig()).api.answer(body: Array(body.utf8))
    #expect(answer.envelope == Envelope.failure(code, message))
    #expect(answer.envelope.objectValue?["data"] == nil)
  }

  @Test func nullMissingAndEmptyDataAreTheSame() async throws {
    let rig = try TaskRig()
    let expected = #"{"code":200,"data":{"tasks":[]}}"#
    #expect(await rig.answer(#"{"request_type":"list"}"#) == expected)
    #expect(await rig.answer(#"{"request_type":"list","request_data":null}"#) == expected)
    #expect(await rig.answer(#"{"request_type":"list","request_data":{}}"#) == expected)
    #expect(
      await rig.answer(#" {"Request_Type":"list","REQUEST_DATA":{"unknown":[1]},"more":1} "#) == expected)
    #expect(await rig.answer(#"{"request_type":"get","request_type":"list"}"#) == expected)
  }

  @Test func keysMatchInAnyCaseAtEveryLevel() async throws {
    let rig = try TaskRig()
    let envelope = await rig.call(
      "create",
      #"{"Milvus_Connect_Param":{"URI":"http://target:19530"},"Collection_Infos":[{"NAME":"a"}],"TASK_ID":"t"}"#
    )
    #expect(envelope["code"] == 200)
    #expect(await rig.state("t") == .running)
  }

  @Test(
    arguments: [
      (#"{"task_id":1}"#, ["'task_id' expected type 'string', got unconvertible type 'float64', value: '1'"]),
      (
        #"{"task_id":1.5}"#,
        ["'task_id' expected type 'string', got unconvertible type 'float64', value: '1.5'"]
      ),
      (
        #"{"task_id":true}"#,
        ["'task_id' expected type 'string', got unconvertible type 'bool', value: 'true'"]
      ),
      (
        #"{"milvus_connect_param":{"port":"19530"}}"#,
        ["'milvus_connect_param.port' expected type 'int', got unconvertible type 'string', value: '19530'"]
      ),
      (
        #"{"milvus_connect_param":{"port":19530.9}}"#,
        [
          "'milvus_connect_param.port' expected type 'int', got unconvertible type 'float64', value: '19530.9'"
        ]
      ),
      (
        #"{"milvus_connect_param":{"port":1e300}}"#,
        ["'milvus_connect_param.port' expected type 'int', got unconvertible type 'float64', value: '1e+300'"]
      ),
      (
        #"{"milvus_connect_param":{"enable_tls":1}}"#,
        [
          "'milvus_connect_param.enable_tls' expected type 'bool', got unconvertible type 'float64', value: '1'"
        ]
      ),
      (#"{"milvus_connect_param":"x"}"#, ["'milvus_connect_param' expected a map, got 'string'"]),
      (
        #"{"collection_infos":{"a":1}}"#,
        ["'collection_infos': source data must be an array or slice, got map"]
      ),
      (#"{"collection_infos":[1]}"#, ["'collection_infos[0]' expected a map, got 'float64'"]),
      (#"{"db_collections":[1]}"#, ["'db_collections' expected a map, got 'slice'"]),
      (
        #"{"db_collections":{"a":{"b":1}}}"#,
        ["'db_collections[a]': source data must be an array or slice, got map"]
      ),
      (
        #"{"collection_infos":[{"name":"a","positions":{"c":1}}]}"#,
        [
          "'collection_infos[0].positions[c]' expected type 'string', got unconvertible type 'float64', value: '1'"
        ]
      ),
      (
        #"{"name_mapping":[{"collection_mapping":{"a":[]}}]}"#,
        [
          "'name_mapping[0].collection_mapping[a]' expected type 'string', got unconvertible type '[]interface {}', value: '[…]'"
        ]
      ),
      (
        #"{"milvus_connect_param":{"token":["secret"],"password":{"p":"secret"},"port":"http://u:secret@h"}}"#,
        [
          "'milvus_connect_param.password' expected type 'string', got unconvertible type 'map[string]interface {}', value: '<redacted>'",
          "'milvus_connect_param.port' expected type 'int', got unconvertible type 'string', value: 'http://<redacted>@h'",
          "'milvus_connect_param.token' expected type 'string', got unconvertible type '[]interface {}', value: '<redacted>'",
        ]
      ),
      (
        #"{"kafka_connect_param":{"sasl":{"password":1}}}"#,
        [
          "'kafka_connect_param.sasl.password' expected type 'string', got unconvertible type 'float64', value: '<redacted>'"
        ]
      ),
      (#"{"capture":"x"}"#, ["'capture' expected one of 'auto', 'wal', 'reconcile', got 'x'"]),
      (#"{"capture":1}"#, ["'capture' expected type 'string', got unconvertible type 'float64', value: '1'"]),
      (#"{"apply":"x"}"#, ["'apply' expected one of 'public', 'native', got 'x'"]),
      (#"{"ddl":"x"}"#, ["'ddl' expected one of 'apply', 'ignore', 'stop', got 'x'"]),
      (#"{"on_gap":"x"}"#, ["'on_gap' expected one of 'heal', 'stop', got 'x'"]),
      (
        #"{"initial_copy":"yes"}"#,
        ["'initial_copy' expected type 'bool', got unconvertible type 'string', value: 'yes'"]
      ),
      (
        #"{"reconcile_interval":"1s"}"#,
        ["'reconcile_interval' expected type 'float64', got unconvertible type 'string', value: '1s'"]
      ),
      (#"{"reconcile_interval":0}"#, ["'reconcile_interval' expected seconds from 0.1 to 86400, got '0'"]),
      (
        #"{"end_at":"tomorrow"}"#,
        ["'end_at' expected an RFC 3339 time or a hybrid timestamp, got 'tomorrow'"]
      ),
      (
        #"{"dry_run":1,"adopt":"x"}"#,
        [
          "'adopt' expected type 'bool', got unconvertible type 'string', value: 'x'",
          "'dry_run' expected type 'bool', got unconvertible type 'float64', value: '1'",
        ]
      ),
      (#"{"source_connect_param":[]}"#, ["'source_connect_param' expected a map, got 'slice'"]),
    ] as [(String, [String])])
  func namesEveryFieldOfTheWrongType(data: String, problems: [String]) async throws {
    let envelope = await (try TaskRig()).call("create", data)
    let lines = problems.map { "* \($0)" }.joined(separator: "\n")
    #expect(envelope["code"] == 500)
    #expect(
      envelope["message"]
        == .string(
          "fail to decode the create request, error: \(problems.count) error(s) decoding:\n\n\(lines)"))
  }

  @Test func nullIsAbsentForEveryField() async throws {
    let rig = try TaskRig()
    let envelope = await rig.call(
      "create",
      #"{"milvus_connect_param":{"uri":"http://target:19530","token":null,"port":null,"dial_config":null},"collection_infos":[{"name":"a","positions":null}],"db_collections":null,"task_id":null,"capture":null,"end_at":null}"#
    )
    #expect(envelope["code"] == 200)
    let empty = await rig.refusal(
      "create", #"{"milvus_connect_param":{"uri":"http://target:19530"},"collection_infos":[null]}"#)
    #expect(empty == "400 there is a collection name that is empty. ")
  }

  @Test func repliesOfSuccessHaveTheDocumentedKeys() async throws {
    let rig = try TaskRig()
    #expect(await rig.create(id: "t") == ["code": 200, "data": ["task_id": "t"]])
    #expect(
      await rig.answer(#"{"request_type":"pause","request_data":{"task_id":"t"}}"#)
        == #"{"code":200,"data":{}}"#)
    #expect(
      await rig.answer(#"{"request_type":"resume","request_data":{"task_id":"t"}}"#)
        == #"{"code":200,"data":{}}"#)
    let get = await rig.call("get", #"{"task_id":"t"}"#)["data"]?.objectValue
    #expect(get?["Task"] != nil && get?["Task"] == get?["task"])
    #expect(
      await rig.answer(#"{"request_type":"delete","request_data":{"task_id":"t"}}"#)
        == #"{"code":200,"data":{}}"#)
    let again = #"{"request_type":"delete","request_data":{"task_id":"t","ignore_not_found":true}}"#
    #expect(await rig.answer(again) == #"{"code":200,"data":{}}"#)
    #expect(
      await rig.answer(#"{"request_type":"position"}"#)
        == #"{"code":200,"data":{"positions":[],"op_positions":[],"target_positions":[]}}"#)
  }

  @Test func aViewShowsWhatWasSubmittedAndNoSecret() async throws {
    let rig = try TaskRig()
    let created = await rig.call(
      "create",
      #"""
      {"milvus_connect_param":{"host":"target","port":19530,"username":"root","password":"s3cret-pw","connect_timeout":7,"enable_tls":true,
        "dial_config":{"server_name":"t.example","server_pem_path":"/ca.pem"}},
       "source_connect_param":{"uri":"http://other:19530","token":"s3cret-token"},
       "db_collections":{"db1":[{"name":"a"},{"name":"b"}],"*":[{"name":"c"}]},
       "name_mapping":[{"source_db":"db1","target_db":"db2","collection_mapping":{"a":"x"}}],"task_id":"t"}
      """#)
    #expect(created["code"] == 200)
    let view = try #require(
      await rig.call("get", #"{"task_id":"t"}"#)["data"]?.objectValue?["task"]?.objectValue)
    #expect(
      view["milvus_connect_param"] == [
        "host": "target", "port": 19530, "enable_tls": true, "uri": "",
        "dial_config": ["server_name": "t.example", "server_pem_path": "/ca.pem"], "channel_num": 0,
        "ignore_partition": false, "connect_timeout": 7,
      ])
    #expect(
      view["kafka_connect_param"] == ["address": "", "topic": "", "enable_sasl": false, "sasl": [:]])
    #expect(view["collection_infos"] == [])
    #expect(view["db_collections"]?.objectValue?.members.map(\.key) == ["db1", "*"])
    #expect(view["state"] == "Running")
    #expect(view["reason"] == nil)
    #expect(view["target"] == "target:19530" && view["source"] == "other:19530")
    let list = await rig.call("list")
    for text in [JSONWriter().text(of: .object(view)), JSONWriter().text(of: .object(list))] {
      for secret in ["s3cret", "root", "password", "token"] { #expect(!text.contains(secret)) }
    }
  }

  @Test func listKeepsTheOrderOfCreation() async throws {
    let rig = try TaskRig()
    for (id, name) in [("z", "a"), ("m", "b"), ("a", "c")] {
      #expect(await rig.create(#"[{"name":"\#(name)"}]"#, id: id)["code"] == 200)
    }
    let tasks = await rig.call("list")["data"]?.objectValue?["tasks"]?.arrayValue ?? []
    #expect(tasks.map { $0.objectValue?["task_id"] } == ["z", "m", "a"])
  }

  @Test func progressIsTrueOnlyWhereAScriptMayTrustIt() async throws {
    let clock = ManualTimekeeper()
    let rig = try TaskRig(timekeeper: clock)
    _ = await rig.create(id: "t", more: #","reconcile_interval":1"#)
    func flags(_ more: String = "") async -> [JSONValue?] {
      let data = await rig.call("progress", #"{"task_id":"t"\#(more)}"#)["data"]?.objectValue
      return ["copied", "caught_up", "can_cut_over"].map { data?[$0] }
    }
    #expect(await flags() == [false, false, false])
    let board = try #require(rig.factory.board("t"))
    let now = clock.unixMilliseconds
    board.update { progress in
      progress.phase = .following
      var collection = TaskProgress.Collection(
        source: CollectionPath(database: "default", name: "a"),
        target: CollectionPath(database: "default", name: "a"))
      collection.isCopied = true
      collection.state = .following
      collection.watermarkUnixMs = now - 1000
      progress.collections = [collection]
    }
    #expect(await flags() == [true, true, false])
    #expect(await flags(#","writes_stopped_at":\#(now - 1000)"#) == [true, true, true])
    #expect(await flags(#","writes_stopped_at":\#(now)"#) == [true, true, false])
    let text = CivilTime(unixMilliseconds: now - 2000).rfc3339
    #expect(await flags(#","writes_stopped_at":"\#(text)""#) == [true, true, true])
    // Nothing moves any more: the same watermark grows old.
    clock.advance(by: .seconds(60))
    #expect(await flags(#","writes_stopped_at":\#(now - 1000)"#) == [true, false, false])
    let lag = await rig.call("get", #"{"task_id":"t"}"#)["data"]?.objectValue?["task"]?.objectValue?[
      "progress"]
    #expect(lag?.objectValue?["lag_ms"] == 61_000)
    // Unless to read it takes so long.
    board.update { $0.collections[0].readEndedUnixMs = now + 30_000 }
    #expect(await flags(#","writes_stopped_at":\#(now - 1000)"#) == [true, true, true])
    board.update {
      $0.collections[0].state = .stopped; $0.collections[0].isCopied = false
    }
    #expect(await flags() == [false, false, false])
    #expect(
      await rig.refusal("progress", #"{"task_id":"t","writes_stopped_at":"now"}"#)
        == "500 fail to decode the progress request, error: 1 error(s) decoding:\n\n* 'writes_stopped_at' expected an RFC 3339 time or Unix milliseconds, got 'now'"
    )
  }

  @Test func positionsAreTheWatermarks() async throws {
    let rig = try TaskRig()
    _ = await rig.create(id: "t")
    rig.factory.board("t")?.update { progress in
      var collection = TaskProgress.Collection(
        source: CollectionPath(database: "default", name: "a"),
        target: CollectionPath(database: "default", name: "a"))
      collection.watermarkUnixMs = 1000
      progress.collections = [collection]
    }
    let item: JSONValue = [
      "task_id": "t", "collection_id": 0, "collection_name": "default.a", "channel_name": "", "time": 1000,
      "tt": 262_406_144, "msg_id": "",
    ]
    let expected: JSONValue = ["positions": [item], "op_positions": [item], "target_positions": [item]]
    #expect(await rig.call("position", #"{"task_id":"t"}"#)["data"] == expected)
    #expect(await rig.call("position")["data"] == expected)
    #expect(await rig.call("position", #"{"task_id":"u"}"#)["data"]?.objectValue?["positions"] == [])
  }

  @Test(arguments: [
    (#"{"operation":"set_log_level","params":{"log_level":"debug"}}"#, "set log level to debug"),
    (#"{"operation":"set_log_level","params":{"log_level":"fatal"}}"#, "set log level to fatal"),
    (#"{"operation":"set_log_level"}"#, "log_level is required"),
    (
      #"{"operation":"set_log_level","params":{"log_level":"loud"}}"#,
      "parse log level failed: unrecognized level: loud"
    ),
    (#"{"operation":"reset_log_msg"}"#, "unsupported operation: reset_log_msg"),
    ("{}", "unsupported operation: "),
  ])
  func maintenanceAlwaysAnswers200(data: String, state: String) async throws {
    #expect(
      await (try TaskRig()).call("maintenance", data) == ["code": 200, "data": ["State": .string(state)]])
  }

  @Test func maintenanceSetsTheLogLevel() async throws {
    let log = Log(sink: { _ in })
    let rig = try TaskRig(log: log)
    _ = await rig.call("maintenance", #"{"operation":"set_log_level","params":{"log_level":"error"}}"#)
    #expect(log.level == .error)
  }
}
