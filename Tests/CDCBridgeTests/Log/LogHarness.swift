import CDCBridge
import Foundation
import MilvusWire
import TestSupport
import Testing

/// A source with a log, a target, and a task between them that follows the log with the real row engine.
final class LogHarness: Sendable {
  let scene: LogScene
  let target: FakeCluster
  let checkpoints = MemoryCheckpoints()
  let spec: Locked<TaskSpec>
  /// Users and roles of the source and of the target.
  let access = Locked<(source: any MilvusAccess, target: any MilvusAccess)?>(nil)
  private struct Running: Sendable {
    var task: Task<TaskStop?, Never>?
    var board = ProgressBoard()
    /// Times that everything delivered had taken effect.
    var idle = 0
  }
  private let running = Locked(Running())

  init(_ manners: FakeCluster.Manners = .milvus235, pchannels: Int = 2, patterns: [(String, String)] = [("*", "*")]) throws {
    scene = try LogScene(pchannels: pchannels)
    target = FakeCluster(manners, peer: "target:1", seed: 2)
    target.withState { $0.nextID = 1_000_000 }
    var spec = TaskSpec(
      source: ClusterConnection(endpoint: Endpoint(host: "source", port: 1)),
      target: ClusterConnection(endpoint: Endpoint(host: "target", port: 1)),
      selection: ObjectSelection(
        patterns: patterns.map { ObjectSelection.Pattern(database: $0.0, collection: $0.1) }))
    spec.capture = .wal
    self.spec = Locked(spec)
  }

  var source: FakeCluster { scene.cluster }
  var board: TaskProgress { running.withLock { $0.board }.read() }
  func collection(_ name: String) -> TaskProgress.Collection? { board.collections.first { $0.source == Sample.path(name) } }

  func start() {
    let board = ProgressBoard()
    let (source, target, log) = (scene.cluster, self.target, scene.log)
    var environment = ReconcileRunner.Environment(
      connect: { $0.endpoint.host == "source" ? source : target },
      makePass: { RowPass(pair: $0, unit: $1, options: $2, report: $3) })
    environment.log = { _ in log }
    let access = self.access.withLock { $0 }
    environment.access = { $0.peer == source.peer ? access?.source : access?.target }
    environment.whenIdle = { [weak self] in self?.running.withLock { $0.idle += 1 } }
    let runner = CaptureRunner(
      taskID: "t", spec: spec.withLock { $0 }, checkpoints: checkpoints, board: board, environment: environment)
    let task = Task { () -> TaskStop? in
      do throws(TaskStop) {
        try await runner.run()
        return nil
      } catch {
        return error
      }
    }
    running.withLock { $0 = Running(task: task, board: board) }
  }

  @discardableResult
  func stop() async -> TaskStop? {
    let task = running.withLock { $0.task }
    task?.cancel()
    return await task?.value
  }

  /// What the runner ended with by itself.
  func ended() async -> TaskStop? { await running.withLock { $0.task }?.value }

  /// Nothing of a killed process reaches the target or the disk any more.
  func kill() async {
    checkpoints.freeze(true)
    target.setFaults { _ in .notListening }
    await stop()
    target.setFaults { _ in nil }
    checkpoints.freeze(false)
  }

  /// Waits until the condition holds. The time is a limit for a test that fails, not something that passes.
  func wait(
    _ what: String, seconds: Double = 600, sourceLocation: SourceLocation = #_sourceLocation, until isTrue: () -> Bool
  ) async {
    let end = ContinuousClock.now + .seconds(seconds)
    while !isTrue() {
      if ContinuousClock.now > end {
        let found =
          "last error \(board.lastError ?? "none"), notes \(board.notReplicated), differences \(differences), collections \(board.collections)"
        Issue.record("waited in vain until \(what): \(found)", sourceLocation: sourceLocation)
        return
      }
      try? await Task.sleep(for: .milliseconds(2))
    }
  }

  /// What differs between source and target; empty: they are equal.
  var differences: [String] {
    let wanted = Set(Self.picture(source))
    let found = Set(Self.picture(target))
    return wanted.subtracting(found).map { "missing \($0)" }.sorted() + found.subtracting(wanted).map { "too much \($0)" }.sorted()
  }

  func waitUntilEqual(sourceLocation: SourceLocation = #_sourceLocation) async {
    // Equal by chance between two steps does not count.
    await wait("the clusters are equal", sourceLocation: sourceLocation) { differences.isEmpty }
    let seen = running.withLock { $0.idle }
    await wait("the clusters stay equal", sourceLocation: sourceLocation) {
      differences.isEmpty && running.withLock { $0.idle } > seen
    }
    #expect(target.violations == [], sourceLocation: sourceLocation)
  }

  /// Rows as a multiset, so that a repeated key is seen.
  static func picture(_ cluster: FakeCluster) -> [String] {
    cluster.withState { state in
      var lines: [String] = []
      for (database, content) in state.databases {
        lines.append("database \(database)")
        for (name, collection) in content.collections {
          let path = "\(database).\(name)"
          lines.append("\(path) fields \(collection.description.schema.fields.map { "\($0.name):\($0.dataType.rawValue)" })")
          lines.append("\(path) partitions \(collection.partitions.map(\.name).sorted())")
          lines.append("\(path) indexes \(collection.indexes.map { "\($0.fieldName) \(IndexShape($0))" }.sorted())")
          lines.append("\(path) loaded \(collection.isLoaded)")
          for (partition, rows) in collection.rows {
            var repeats: [String: Int] = [:]
            for row in rows {
              let text = "\(path) \(partition) \(row.key) \(row.values["x"] ?? .null)"
              repeats[text, default: 0] += 1
              lines.append("\(text) no. \(repeats[text, default: 0])")
            }
          }
        }
        for (alias, name) in content.aliases { lines.append("alias \(database).\(alias) → \(name)") }
      }
      return lines
    }
  }
}
