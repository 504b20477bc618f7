package import MilvusWire

/// Holds a task's checkpoint while it runs and makes it durable, one write at a time and never an older one over a newer one.
///
/// Contract. A change is in memory at once and on disk when `save` returns. The uncertain mark of a collection is true on disk from before
/// its first pass until the runner ends cleanly: so an idle pass writes nothing but a watermark that moved, and a kill at any instant
/// leaves the mark (D16).
package actor CheckpointKeeper {
  private let taskID: String
  private let store: any CheckpointStore
  private var checkpoint: TaskCheckpoint
  /// Target collections whose rows this run may have written.
  private var touched: Set<CollectionPath> = []
  private var generation = 0
  private var savedGeneration = 0
  /// What is on disk; nil: not known.
  private var saved: TaskCheckpoint?
  private var isSaving = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  package init(taskID: String, store: any CheckpointStore) async throws(BridgeError) {
    self.taskID = taskID
    self.store = store
    if let document = try await store.load(taskID: taskID) {
      checkpoint = try TaskCheckpoint(document: document)
      saved = checkpoint
    } else {
      checkpoint = TaskCheckpoint()
    }
  }

  package var current: TaskCheckpoint { checkpoint }

  package func change(_ body: @Sendable (inout TaskCheckpoint) -> Void) {
    let before = checkpoint
    body(&checkpoint)
    if checkpoint != before { generation += 1 }
  }

  /// Marks a collection whose rows are about to be written; durable when this returns.
  package func beginPass(target: CollectionPath) async throws(BridgeError) {
    guard touched.insert(target).inserted else { return }
    generation += 1
    do {
      try await save()
    } catch {
      touched.remove(target)
      throw error
    }
  }

  /// Returns when every change made before the call is durable; at once where nothing has changed.
  package func save() async throws(BridgeError) {
    let wanted = generation
    while isSaving {
      await withCheckedContinuation { waiting.append($0) }
    }
    guard savedGeneration < wanted else { return }
    isSaving = true
    defer {
      isSaving = false
      let woken = waiting
      waiting = []
      for continuation in woken { continuation.resume() }
    }
    let writing = generation
    var document = checkpoint
    for at in document.collections.indices
    where touched.contains(document.collections[at].target) {
      document.collections[at].isUncertain = true
    }
    // A pass that found nothing set the mark and took it away again.
    if document != saved {
      saved = nil
      try await store.save(taskID: taskID, document: try document.document())
      saved = document
    }
    savedGeneration = max(savedGeneration, writing)
  }

  /// The last write of a run: passes that ended cleanly lose their mark.
  package func saveCleanEnd() async throws(BridgeError) {
    guard !touched.isEmpty || generation != savedGeneration else { return }
    touched = []
    generation += 1
    try await save()
  }
}
