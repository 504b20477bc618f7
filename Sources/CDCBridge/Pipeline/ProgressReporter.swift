package import MilvusWire

/// Writes the board of a task: what each collection does, what went wrong, when the next try is. Safe from any thread.
package final class ProgressReporter: Sendable {
  /// A failure that passes by itself.
  package struct Trouble: Sendable, Equatable {
    package var message: String
    package var hint: String?
    package var attempt: Int
    package var nextTryAt: ContinuousClock.Instant
    package init(message: String, hint: String?, attempt: Int, nextTryAt: ContinuousClock.Instant) {
      self.message = message
      self.hint = hint
      self.attempt = attempt
      self.nextTryAt = nextTryAt
    }
  }
  private struct Troubles: Sendable {
    var ofTask: Trouble?
    var ofCollections: [CollectionPath: Trouble] = [:]
    /// Objects not replicated, by what they belong to (nil: the task).
    var notes: [CollectionPath?: [String]] = [:]
  }

  private let board: ProgressBoard
  private let troubles = Locked(Troubles())

  package init(board: ProgressBoard) { self.board = board }

  package func began(capture: TaskSpec.Capture, reason: String, apply: TaskSpec.Apply = .public) {
    board.update {
      $0.capture = capture
      $0.captureReason = reason
      $0.apply = apply
    }
  }

  package func showLog(_ pchannels: [TaskProgress.Pchannel], retentionSecondsLeft: Int64?) {
    board.update {
      $0.pchannels = pchannels
      $0.retentionSecondsLeft = retentionSecondsLeft
    }
  }

  package func setClockOffset(_ offsetMs: Int64?) { board.update { $0.sourceClockOffsetMs = offsetMs } }

  /// Changes the view of one collection, adding it where it is new.
  package func update(
    _ source: CollectionPath, target: CollectionPath,
    _ change: (inout TaskProgress.Collection) -> Void
  ) {
    board.update { progress in
      let at =
        progress.collections.firstIndex { $0.source == source }
        ?? {
          progress.collections.append(TaskProgress.Collection(source: source, target: target))
          progress.collections.sort { $0.source < $1.source }
          return progress.collections.firstIndex { $0.source == source } ?? 0
        }()
      progress.collections[at].target = target
      change(&progress.collections[at])
    }
    refresh()
  }

  /// Puts a collection on the board that is not there yet, as its record tells: from now on the task has not caught up without it.
  package func introduce(_ source: CollectionPath, target: CollectionPath, _ record: OwnedCollection?) {
    guard !board.read().collections.contains(where: { $0.source == source }) else { return }
    update(source, target: target) { collection in
      collection.isCopied = record?.isCopied ?? false
      // A task that has never copied it is copying, not following.
      collection.state = collection.isCopied ? .waiting : .copying
      collection.watermarkUnixMs = record?.watermarkUnixMs
    }
  }

  /// Keeps only these collections on the board.
  package func retain(_ sources: Set<CollectionPath>) {
    troubles.withLock { state in
      state.ofCollections = state.ofCollections.filter { sources.contains($0.key) }
      state.notes = state.notes.filter { entry in entry.key.map(sources.contains) ?? true }
    }
    board.update { progress in progress.collections.removeAll { !sources.contains($0.source) } }
    refresh()
  }

  /// Objects of a collection (nil: of the task) that are not replicated.
  package func setNotes(_ notes: [String], of source: CollectionPath?) {
    troubles.withLock { $0.notes[source] = notes }
    refresh()
  }

  package func addNotes(_ notes: [String], of source: CollectionPath) {
    guard !notes.isEmpty else { return }
    troubles.withLock { state in
      let known = state.notes[source] ?? []
      state.notes[source] = known + notes.filter { !known.contains($0) }
    }
    refresh()
  }

  package func setTaskTrouble(_ trouble: Trouble?) {
    troubles.withLock { $0.ofTask = trouble }
    refresh()
  }

  /// nil: it moves again.
  package func setTrouble(_ trouble: Trouble?, of source: CollectionPath) {
    troubles.withLock { $0.ofCollections[source] = trouble }
    refresh()
  }

  package func ended(with stop: TaskStop?) {
    troubles.withLock {
      $0.ofTask = nil
      $0.ofCollections = [:]
    }
    board.update {
      $0.phase = .stopped
      $0.nextRetryAt = nil
      if let stop {
        $0.lastError = stop.reason
        $0.hint = stop.hint
      }
    }
  }

  /// The task's line follows from its collections: the task's own trouble first, then the trouble of the collection that is tried next.
  private func refresh() {
    let state = troubles.withLock { $0 }
    board.update { progress in
      let first = state.ofCollections.values.min { $0.nextTryAt < $1.nextTryAt }
      let shown = state.ofTask ?? first
      progress.lastError = shown?.message
      progress.hint = shown?.hint
      progress.retryAttempt = shown?.attempt ?? 0
      progress.nextRetryAt = shown?.nextTryAt
      let active = progress.collections.filter { $0.state != .stopped && $0.state != .waiting }
      if state.ofTask != nil || (!active.isEmpty && active.allSatisfy { $0.state == .retrying }) {
        progress.phase = .retrying
      } else if active.contains(where: { !$0.isCopied }) {
        progress.phase = .copying
      } else if !progress.collections.isEmpty || progress.phase != .probing {
        progress.phase = .following
      }
      progress.notReplicated = state.notes.sorted { a, b in
        (a.key?.description ?? "") < (b.key?.description ?? "")
      }.flatMap { entry in
        entry.value.map { note in entry.key.map { "\($0): \(note)" } ?? note }
      }
    }
  }

  /// After the first look, a task that covers nothing yet follows too.
  package func looked() {
    board.update {
      $0.hasLooked = true
      if $0.phase == .probing { $0.phase = .following }
    }
    refresh()
  }
}
