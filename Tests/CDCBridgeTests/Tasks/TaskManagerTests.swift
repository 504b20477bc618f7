import CDCBridge
import MilvusWire
import Testing

@Suite(.timeLimit(.minutes(5))) struct TaskManagerTests {
  private let storage = BridgeError(
    .storage, side: .local, operation: "store", message: "no space left on device")

  // MARK: The machine

  @Test func everyStateAnswersEveryInput() {
    let stop = TaskStop(reason: "r", hint: "h")
    let stopped = TaskState.paused(TaskPause(cause: .stopped, reason: "r", hint: "h"))
    let manual = TaskState.paused(.manual)
    #expect(TaskState.initial.pauseRequested() == .refuseAsNotRunning)
    #expect(TaskState.running.pauseRequested() == .pause(manual))
    #expect(manual.pauseRequested() == .refuseAsPaused)
    #expect(TaskState.initial.resumeRequested() == .refuseAsRunning)
    #expect(TaskState.running.resumeRequested() == .refuseAsRunning)
    #expect(manual.resumeRequested() == .start)
    #expect(TaskState.initial.processRestarted(disableAutoStart: false) == .start)
    #expect(TaskState.running.processRestarted(disableAutoStart: false) == .start)
    #expect(manual.processRestarted(disableAutoStart: false) == .stay)
    #expect(stopped.processRestarted(disableAutoStart: false) == .stay)
    #expect(TaskState.running.processRestarted(disableAutoStart: true) == .pause(.paused(.disabledAutoStart)))
    #expect(manual.processRestarted(disableAutoStart: true) == .stay)
    #expect(TaskState.running.runnerStopped(stop) == stopped)
    #expect(TaskState.initial.runnerStopped(stop) == stopped)
    #expect(manual.runnerStopped(stop) == manual)
  }

  // MARK: Requests

  @Test func pauseAndResumeAreRefusedWhenRepeated() async throws {
    let rig = try TaskRig()
    _ = await rig.create(id: "t")
    #expect(await rig.refusal("resume", #"{"task_id":"t"}"#) == "400 the task has running, task_id: t")
    #expect(await rig.refusal("pause", #"{"task_id":"t"}"#) == "200 success")
    #expect(rig.factory.runningCount == 0 && rig.factory.ended == ["t"])
    #expect(await rig.refusal("pause", #"{"task_id":"t"}"#) == "400 the task has paused, task_id: t")
    let view = await rig.call("get", #"{"task_id":"t"}"#)["data"]?.objectValue?["task"]?.objectValue
    #expect(view?["state"] == "Paused")
    #expect(view?["reason"] == "manually pause through http interface")
    #expect(await rig.refusal("resume", #"{"task_id":"t"}"#) == "200 success")
    #expect(await rig.state("t") == .running)
    #expect(rig.factory.started.count == 2 && rig.factory.mostAtOnce == 1)
    #expect(rig.store.records["t"]?.state == .running)
  }

  @Test func aResumeThatCannotConnectLeavesTheTaskPaused() async throws {
    let rig = try TaskRig()
    _ = await rig.create(id: "t")
    _ = await rig.call("pause", #"{"task_id":"t"}"#)
    rig.factory.failConnections(BridgeError(.call, side: .target, operation: "connect", message: "refused"))
    #expect(
      await rig.refusal("resume", #"{"task_id":"t"}"#) == "500 fail to start the task, task_id: t: refused")
    #expect(await rig.state("t") == .paused(.manual))
  }

  @Test func aRunnerThatStopsPausesItsTaskWithReasonAndHint() async throws {
    let store = MemoryTaskStore()
    let rig = try TaskRig(store: store)
    _ = await rig.create(id: "t")
    rig.factory.stop("t", TaskStop(reason: "the token is wrong", hint: "Give a new one."))
    let expected = TaskState.paused(
      TaskPause(cause: .stopped, reason: "the token is wrong", hint: "Give a new one."))
    await store.stored("t") { $0 != .running }
    #expect(await rig.state("t") == expected)
    #expect(store.records["t"]?.state == expected)
    let view = await rig.call("get", #"{"task_id":"t"}"#)["data"]?.objectValue?["task"]?.objectValue
    #expect(view?["reason"] == "the token is wrong" && view?["hint"] == "Give a new one.")
    #expect(view?["progress"]?.objectValue?["phase"] == "stopped")
    #expect(await rig.refusal("resume", #"{"task_id":"t"}"#) == "200 success")
    let resumed = await rig.call("get", #"{"task_id":"t"}"#)["data"]?.objectValue?["task"]?.objectValue
    #expect(resumed?["reason"] == nil)
  }

  @Test func aDeletedTaskLeavesNothing() async throws {
    let rig = try TaskRig()
    _ = await rig.create(id: "t")
    try await rig.store.save(taskID: "t", document: [1])
    #expect(await rig.refusal("delete", #"{"task_id":"t"}"#) == "200 success")
    #expect(rig.factory.runningCount == 0)
    #expect(rig.store.records.isEmpty)
    #expect(try await rig.store.load(taskID: "t") == nil)
    #expect(await rig.refusal("get", #"{"task_id":"t"}"#) == "400 not found: [t]")
    #expect(await rig.create(id: "t")["code"] == 200)
  }

  @Test func aCreateThatCannotBeStoredLeavesNothing() async throws {
    let rig = try TaskRig()
    rig.store.fail(storage)
    #expect(
      await rig.refusal(
        "create", #"{"milvus_connect_param":{"uri":"http://target:1"},"collection_infos":[{"name":"a"}]}"#)
        == "500 fail to put the task info to the store: no space left on device")
    #expect(rig.factory.started.isEmpty)
    #expect(await rig.answer(#"{"request_type":"list"}"#) == #"{"code":200,"data":{"tasks":[]}}"#)
    rig.store.fail(nil)
    #expect(await rig.create()["code"] == 200)
  }

  @Test func aPauseThatCannotBeStoredIsRefusedAndTheTaskGoesOn() async throws {
    let rig = try TaskRig()
    _ = await rig.create(id: "t")
    rig.store.fail(storage)
    #expect(
      await rig.refusal("pause", #"{"task_id":"t"}"#)
        == "500 fail to update the task state, task_id: t: no space left on device")
    #expect(await rig.state("t") == .running)
    #expect(rig.factory.runningCount == 1 || rig.factory.ended.isEmpty)
  }

  @Test func manyRequestsAtOnceNeverRunATaskTwice() async throws {
    let rig = try TaskRig()
    _ = await rig.create(id: "t")
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<60 {
        group.addTask {
          let type = ["pause", "resume", "get", "list", "resume", "pause"][number % 6]
          _ = await rig.call(type, #"{"task_id":"t"}"#)
        }
      }
    }
    #expect(rig.factory.mostAtOnce <= 1)
    let isRunning = await rig.state("t") == .running
    #expect(rig.store.records["t"]?.state.name == (isRunning ? "Running" : "Paused"))
    await rig.manager.shutdown()
    #expect(rig.factory.runningCount == 0)
  }

  @Test func twoCreatesOfOneIDMakeOneTask() async throws {
    let rig = try TaskRig()
    rig.factory.closeGate()
    async let first = rig.create(id: "t")
    await rig.factory.waitAtGate()
    // The second overtakes the first, which still waits for its connection.
    rig.factory.openGate()
    async let second = rig.create(id: "t")
    let answers = await [first, second]
    #expect(answers.allSatisfy { $0 == ["code": 200, "data": ["task_id": "t"]] })
    #expect(rig.factory.started.count == 1)
  }

  @Test func aTaskThatCannotBeReadIsShownAndKeptUntilItIsDeleted() async throws {
    let store = MemoryTaskStore(unreadable: ["t": "tasks/t.json cannot be read: line 1"])
    let rig = try TaskRig(store: store)
    try await rig.manager.open()
    let view = await rig.call("get", #"{"task_id":"t"}"#)["data"]?.objectValue?["task"]?.objectValue
    #expect(view?["state"] == "Paused")
    #expect(view?["reason"] == "tasks/t.json cannot be read: line 1")
    #expect(view?["hint"]?.stringValue?.contains("delete the task") == true)
    #expect(
      await rig.refusal("resume", #"{"task_id":"t"}"#)
        == "500 fail to start the task, task_id: t: tasks/t.json cannot be read: line 1")
    #expect(await rig.refusal("delete", #"{"task_id":"t"}"#) == "200 success")
    #expect(await rig.refusal("get", #"{"task_id":"t"}"#) == "400 not found: [t]")
  }

  // MARK: Restart

  @Test func aRestartStartsWhatRanAndKeepsWhatAPersonPaused() async throws {
    let store = MemoryTaskStore()
    let before = try TaskRig(store: store)
    for (id, name) in [("runs", "a"), ("paused", "b"), ("stopped", "c")] {
      _ = await before.create(#"[{"name":"\#(name)"}]"#, id: id)
    }
    _ = await before.create(#"[{"name":"d"}]"#, id: "manual", more: #","disable_auto_start":true"#)
    _ = await before.call("pause", #"{"task_id":"paused"}"#)
    before.factory.stop("stopped", TaskStop(reason: "r"))
    await store.stored("stopped") { $0.name != "Running" }
    await before.manager.shutdown()
    #expect(before.factory.runningCount == 0)
    #expect(store.records["runs"]?.state == .running)

    let after = try TaskRig(store: store)
    try await after.manager.open()
    #expect(after.factory.started.map(\.taskID) == ["runs"])
    #expect(await after.state("paused") == .paused(.manual))
    #expect(await after.state("stopped") == .paused(TaskPause(cause: .stopped, reason: "r")))
    #expect(await after.state("manual") == .paused(.disabledAutoStart))
    let ids = await after.manager.snapshots().map(\.taskID)
    #expect(ids == ["runs", "paused", "stopped", "manual"])
    // New tasks come after the old ones.
    _ = await after.create(#"[{"name":"e"}]"#, id: "new")
    #expect(await after.manager.snapshots().last?.taskID == "new")
    await after.manager.shutdown()
  }

  @Test func aRestartFinishesADeleteAndAnAcceptedCreate() async throws {
    let request = try #require(Self.request())
    var deleted = TaskRecord(
      taskID: "deleted", sequence: 1, createdAtUnixMs: 0, state: .running, request: request, excluded: [])
    deleted.isDeleted = true
    let initial = TaskRecord(
      taskID: "initial", sequence: 2, createdAtUnixMs: 0, state: .initial, request: request, excluded: [])
    let store = MemoryTaskStore(records: [deleted, initial])
    let rig = try TaskRig(store: store)
    try await rig.manager.open()
    #expect(store.records.keys.sorted() == ["initial"])
    #expect(await rig.state("initial") == .running)
    #expect(store.records["initial"]?.state == .running)
    await rig.manager.shutdown()
  }

  @Test func aTaskWithoutItsSourceIsPausedWithTheReason() async throws {
    let store = MemoryTaskStore()
    let before = try TaskRig(store: store)
    _ = await before.create(id: "t")
    await before.manager.shutdown()
    let after = try TaskRig(store: store, source: nil)
    try await after.manager.open()
    #expect(
      await after.state("t")?.pause?.reason.hasPrefix("fail to start task, err: there is no source") == true)
    #expect(after.factory.started.isEmpty)
  }

  static func request(
    _ text: String = #"{"milvus_connect_param":{"uri":"http://target:1"},"collection_infos":[{"name":"a"}]}"#
  )
    -> TaskRequest?
  {
    guard let object = try? JSONParser.parse(text).objectValue else { return nil }
    let decoder = RequestDecoder()
    let request = TaskRequest(decoding: decoder.fields(object))
    return decoder.problems.isEmpty ? request : nil
  }
}
