@testable import CDCBridge
import Foundation
import MilvusWire
import Testing

/// The store on a real disk. A kill between two file operations is an operation that is never made: what lies on the disk then must read
/// as the old state or the new one.
@Suite struct DataDirectoryTests {
  /// A directory that is gone with the test.
  private final class Scratch {
    let path: String
    init() throws {
      path = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-\(UUID().uuidString)").path
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    func names(_ folder: String) throws -> [String] {
      try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)").sorted()
    }
    func mode(_ name: String) throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")[.posixPermissions] as? Int
    }
  }

  private func record(_ id: String, sequence: Int64 = 1, state: TaskState = .running) throws -> TaskRecord {
    let request = try #require(
      TaskManagerTests.request(
        #"""
        {"milvus_connect_param":{"uri":"https://target:1","token":"s3cret","connect_timeout":3,"ignore_partition":true,
          "dial_config":{"server_name":"n","ca_pem_path":"c","client_pem_path":"p","client_key_path":"k"}},
         "source_connect_param":{"host":"s","port":1,"username":"u","password":"p"},
         "db_collections":{"d":[{"name":"a","use_start_position":true},{"name":"b"}],"*":[{"name":"c"}]},
         "name_mapping":[{"source_db":"d","target_db":"e","collection_mapping":{"a":"x"}}],
         "rpc_channel_info":{"name":"by-dev-replicate-msg"},"extra_info":{"enable_user_role":true},
         "buffer_config":{"period":1,"size":2},"disable_auto_start":true,"task_id":"\#(id)","capture":"reconcile","apply":"public",
         "initial_copy":false,"reconcile_interval":1.5,"ddl":"stop","end_at":"470609446993133568","on_gap":"stop","adopt":true}
        """#))
    return TaskRecord(
      taskID: id, sequence: sequence, createdAtUnixMs: 1_795_228_420_123, state: state, request: request,
      excluded: [.init(database: "d", collection: "z")])
  }

  @Test func aRecordReadsBackAsItWasWithEveryField() async throws {
    for state in [
      TaskState.initial, .running, .paused(.manual), .paused(.disabledAutoStart),
      .paused(TaskPause(cause: .stopped, reason: "é \"x\"\n", hint: nil)),
    ] {
      let record = try record("t", state: state)
      #expect(try TaskRecord(document: record.document) == record)
    }
    #expect(try record("t").request != TaskRequest())
  }

  @Test func whatIsSavedIsThereAfterAReopenAndOnlyForItsOwner() async throws {
    let scratch = try Scratch()
    let record = try record("t")
    do {
      let directory = try await DataDirectory.open(path: scratch.path)
      try await directory.save(record)
      try await directory.save(taskID: "t", document: [1, 2, 3])
      directory.close()
    }
    #expect(try scratch.mode("") == 0o700)
    #expect(try scratch.mode("tasks") == 0o700)
    #expect(try scratch.mode("tasks/t.json") == 0o600)
    #expect(try scratch.mode("checkpoints/t.json") == 0o600)
    let again = try await DataDirectory.open(path: scratch.path)
    #expect(try await again.loadAll() == [.record(record)])
    #expect(try await again.load(taskID: "t") == [1, 2, 3])
    #expect(try await again.load(taskID: "u") == nil)
    try await again.removeTask(taskID: "t")
    #expect(try await again.loadAll() == [])
    #expect(try await again.load(taskID: "t") == nil)
    try await again.removeTask(taskID: "t")
  }

  @Test func aSecondProcessIsKeptOut() async throws {
    let scratch = try Scratch()
    let first = try await DataDirectory.open(path: scratch.path)
    await #expect(throws: BridgeError.self) { try await DataDirectory.open(path: scratch.path) }
    do { _ = try await DataDirectory.open(path: scratch.path) } catch {
      #expect(error.message == "\(scratch.path) is used by another process")
      #expect(error.hint?.contains("--data-dir") == true)
    }
    #expect(await DataDirectory.check(path: scratch.path) == ("ok: in use by a running cdc-bridge", true))
    #expect(try await first.loadAll() == [])
  }

  /// A child of this process has all its descriptors for the moment between its birth and its own program.
  @Test func aDirectoryThatWasClosedIsFreeWhoeverElseHasItsDescriptor() async throws {
    let scratch = try Scratch()
    let first = try await DataDirectory.open(path: scratch.path)
    let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
    let held = descriptors.compactMap(Int32.init).filter {
      let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
      return target?.hasPrefix("\(scratch.path)/") == true
    }
    let copies = held.map { dup($0) }
    defer { for copy in copies { close(copy) } }
    #expect(copies.count == 1)
    first.close()
    _ = try await DataDirectory.open(path: scratch.path)
  }

  @Test(arguments: [
    "", "{", "[]", "{}", #"{"version":2}"#,
    #"{"version":1,"task_id":"t","sequence":1,"created_at_ms":0,"state":"Lost","is_deleted":false,"excluded":[],"request":{}}"#,
    #"{"version":1,"task_id":"other","sequence":1,"created_at_ms":0,"state":"Running","is_deleted":false,"excluded":[],"request":{}}"#,
    #"{"version":1,"task_id":"t","sequence":1,"created_at_ms":0,"state":"Running","is_deleted":false,"excluded":[],"request":{"task_id":1}}"#,
  ])
  func aDamagedRecordIsReportedAndKept(text: String) async throws {
    let scratch = try Scratch()
    let directory = try await DataDirectory.open(path: scratch.path)
    try await directory.save(try record("good"))
    let path = "\(scratch.path)/tasks/t.json"
    try Data(text.utf8).write(to: URL(filePath: path))
    let stored = try await directory.loadAll()
    #expect(stored.count == 2)
    guard case .unreadable("t", let problem)? = stored.last else {
      Issue.record("\(stored)")
      return
    }
    #expect(problem.contains("tasks/t.json"))
    // Not by Foundation, which leaks 4 KiB for an empty file.
    #expect(try StateDirectory.read(path: path, bytesMax: 1000) == Array(text.utf8))
  }

  @Test func truncatingARecordAnywhereNeverTrapsAndNeverReadsAsAnother() throws {
    let document = try record("t").document
    for count in 0..<(document.count - 1) {
      #expect(throws: JSONFieldError.self) { try TaskRecord(document: Array(document[..<count])) }
    }
  }

  @Test func aKillBetweenAnyTwoFileOperationsLeavesTheOldOrTheNewState() async throws {
    let old = try record("t", state: .running)
    let new = try record("t", state: .paused(.manual))
    let kill = FileError(.other, "killed")
    var survived = 0
    for point in 0..<40 {
      let scratch = try Scratch()
      do {
        let directory = try await DataDirectory.open(path: scratch.path)
        try await directory.save(old)
        try await directory.save(taskID: "t", document: [1])
        directory.close()
      }
      let left = Locked(point)
      var isComplete = false
      do {
        let directory = try await DataDirectory.open(path: scratch.path) { _ throws(FileError) in
          let isDead = left.withLock { left in
            left -= 1
            return left < 0
          }
          if isDead { throw kill }
        }
        defer { directory.close() }
        try await directory.save(taskID: "t", document: [2])
        try await directory.save(new)
        try await directory.removeTask(taskID: "t")
        isComplete = true
      } catch {}
      let after = try await DataDirectory.open(path: scratch.path)
      let stored = try await after.loadAll()
      let checkpoint = try await after.load(taskID: "t")
      #expect([[.record(old)], [.record(new)], []].contains(stored), "after operation \(point)")
      #expect(checkpoint == [1] || checkpoint == [2] || checkpoint == nil, "after operation \(point)")
      // A checkpoint never outlives its record: the next task with this id would take it for its own.
      if stored.isEmpty { #expect(checkpoint == nil) }
      if stored == [.record(new)], checkpoint != nil { #expect(checkpoint == [2]) }
      #expect(try scratch.names("tasks").allSatisfy { !$0.hasSuffix(".tmp") })
      #expect(try scratch.names("checkpoints").allSatisfy { !$0.hasSuffix(".tmp") })
      if isComplete {
        survived += 1
        #expect(stored.isEmpty && checkpoint == nil)
      }
    }
    #expect((1..<40).contains(survived), "the points did not cover the whole sequence: \(survived)")
  }

  @Test func aDirectoryThatCannotBeMadeIsAClearError() async throws {
    let scratch = try Scratch()
    try Data().write(to: URL(filePath: scratch.path))
    do {
      _ = try await DataDirectory.open(path: "\(scratch.path)/data")
      Issue.record("opened")
    } catch {
      #expect(error.code == .storage)
      #expect(error.message.contains(scratch.path))
      #expect(error.hint != nil)
    }
    #expect(await DataDirectory.check(path: "\(scratch.path)/data").isGood == false)
  }
}
