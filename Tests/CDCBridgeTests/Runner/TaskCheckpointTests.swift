@testable import CDCBridge
import MilvusWire
import Synchronization
import TestSupport
import Testing

@Suite struct TaskCheckpointTests {
  private func sample() -> TaskCheckpoint {
    var checkpoint = TaskCheckpoint()
    checkpoint.isInitialised = true
    checkpoint.databases = ["films", "büc\"her"]
    var record = OwnedCollection(
      source: Sample.path("a"), target: Sample.path("b", database: "films"), stage: .renaming,
      sourceIdentity: CollectionIdentity(id: .max, createdAt: TimeTick(.max)), fingerprint: "f|\n")
    record.targetIdentity = CollectionIdentity(id: -5, createdAt: TimeTick(1))
    record.renamingTo = Sample.path("c", database: "films")
    record.isAdopted = true
    record.isSetUp = true
    record.hasAliases = true
    record.indexes = ["v": .init(source: "x", target: "y", note: "n"), "w": .init(source: "x", target: "y")]
    record.isCopied = true
    record.isUncertain = true
    record.watermarkUnixMs = 1_700_000_000_123
    (record.inserted, record.updated, record.deleted, record.bytesWritten) = (1, 2, 3, .max)
    checkpoint.set(record)
    checkpoint.set(
      OwnedCollection(
        source: Sample.path("z"), target: Sample.path("z"), stage: .creating, sourceIdentity: .unknown,
        fingerprint: ""))
    var half = OwnedCollection(
      source: Sample.path("half"), target: Sample.path("half"), stage: .owned, sourceIdentity: .unknown, fingerprint: "f")
    half.copy = .init(
      confirmed: ["": .int(.max), "p \"1": .text("s:é\n"), "q": .int(.min)], rowsRead: .max, readAtUnixMs: 1_700_000_000_123)
    checkpoint.set(half)
    return checkpoint
  }

  @Test func `a checkpoint comes back as it was, with numbers that no double holds`() throws {
    var checkpoint = sample()
    let back = try TaskCheckpoint(document: checkpoint.document())
    checkpoint.collections.sort { $0.target < $1.target }
    #expect(back == checkpoint)
    #expect(try back.document() == checkpoint.document())
  }

  @Test func `a checkpoint without the place of a copy starts it at the first row, a place that is no key is unreadable`() throws {
    let text = String(decoding: try sample().document(), as: UTF8.self)
    let place = try #require(text.firstMatch(of: /,\s*"copy":\s*\{[^{}]*\{[^{}]*\}[^{}]*\}/))
    let back = try TaskCheckpoint(document: Array(text.replacing(place.0, with: "").utf8))
    var expected = sample()
    expected.changeRecord(Sample.path("half")) { $0.copy = nil }
    expected.collections.sort { $0.target < $1.target }
    #expect(back == expected)
    #expect(throws: BridgeError.self) { try TaskCheckpoint(document: Array(text.replacing("i:\(Int64.max)", with: "i:").utf8)) }
  }

  @Test func `every prefix of a document is unreadable, none is empty`() throws {
    let document = try sample().document()
    for length in 0..<document.count {
      #expect(throws: BridgeError.self) { try TaskCheckpoint(document: Array(document[..<length])) }
    }
  }

  @Test(arguments: [
    "{}", "[]", "null", #"{"version": 2, "capture": "reconcile", "is_initialised": true, "databases": [], "collections": []}"#,
    #"{"version": 1, "capture": "wal", "is_initialised": true, "databases": [], "collections": []}"#,
    #"{"version": 1, "capture": "reconcile", "is_initialised": true, "databases": [1], "collections": []}"#,
    #"{"version": 1, "capture": "reconcile", "is_initialised": true, "databases": [], "collections": [{}]}"#,
  ]) func `what is not ours is an error with a hint`(_ text: String) {
    let error = #expect(throws: BridgeError.self) { try TaskCheckpoint(document: Array(text.utf8)) }
    #expect(error?.code == .storage)
    #expect(error?.hint != nil)
  }

  @Test func `the uncertain mark is on disk before a pass and gone after a clean end`() async throws {
    let store = MemoryCheckpoints()
    let keeper = try await CheckpointKeeper(taskID: "t", store: store)
    let record = OwnedCollection(
      source: Sample.path("a"), target: Sample.path("a"), stage: .owned, sourceIdentity: .unknown,
      fingerprint: "")
    await keeper.change { $0.set(record) }
    try await keeper.save()
    #expect(try store.checkpoint()[target: Sample.path("a")]?.isUncertain == false)
    try await keeper.beginPass(target: Sample.path("a"))
    #expect(try store.checkpoint()[target: Sample.path("a")]?.isUncertain == true)
    let saves = store.saves
    try await keeper.beginPass(target: Sample.path("a"))
    try await keeper.save()
    #expect(store.saves == saves)
    try await keeper.saveCleanEnd()
    #expect(try store.checkpoint()[target: Sample.path("a")]?.isUncertain == false)
  }

  @Test func `a mark that could not be stored is not taken for stored`() async throws {
    let store = MemoryCheckpoints()
    let keeper = try await CheckpointKeeper(taskID: "t", store: store)
    store.fail(with: BridgeError(.storage, side: .local, operation: "save", message: "full"))
    await #expect(throws: BridgeError.self) { try await keeper.beginPass(target: Sample.path("a")) }
    store.fail(with: nil)
    let saves = store.saves
    try await keeper.beginPass(target: Sample.path("a"))
    #expect(store.saves == saves + 1)
  }

  @Test func `many changes at once are all stored`() async throws {
    let store = MemoryCheckpoints()
    let keeper = try await CheckpointKeeper(taskID: "t", store: store)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<50 {
        group.addTask {
          await keeper.change { $0.databases.insert("d\(number)") }
          try? await keeper.save()
          let stored = try? store.checkpoint().databases.contains("d\(number)")
          #expect(stored == true)
        }
      }
    }
    #expect(try store.checkpoint().databases.count == 50)
  }
}
