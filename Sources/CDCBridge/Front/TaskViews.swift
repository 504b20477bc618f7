internal import MilvusWire

/// What the task API shows of a task (`task-api.md` §2.6, §2.8; `design.md` §4). Credentials are never part of it.
struct TaskViews: Sendable {
  let timekeeper: any Timekeeper

  /// A task in `get` and `list`: the original's keys in the documented order, then ours.
  func task(_ snapshot: TaskManager.Snapshot) -> JSONObject {
    let request = snapshot.record?.request ?? TaskRequest()
    var view: JSONObject = [
      "task_id": .string(snapshot.taskID),
      "milvus_connect_param": .object(request.target.json(revealingSecrets: false)),
      "kafka_connect_param": ["address": "", "topic": "", "enable_sasl": false, "sasl": [:]],
      "collection_infos": .array(request.collectionInfos.map(\.json)),
      "db_collections": .object(request.databasesJSON),
      "state": .string(snapshot.state.name),
    ]
    if let pause = snapshot.state.pause, !pause.reason.isEmpty {
      view["reason"] = .string(pause.reason)
      if let hint = pause.hint { view["hint"] = .string(hint) }
    }
    if let source = request.source {
      view["source_connect_param"] = .object(source.json(revealingSecrets: false))
    }
    if let record = snapshot.record {
      view["name_mapping"] = .array(request.mappings.map(\.json))
      view["excluded"] = .array(record.excluded.map { .string("\($0.database).\($0.collection)") })
      view["created_at"] = .string(CivilTime(unixMilliseconds: record.createdAtUnixMs).rfc3339)
    }
    view["source"] = .text(snapshot.sourceAuthority)
    view["target"] = .text(snapshot.targetAuthority)
    view["capture"] = .string(
      snapshot.progress.capture == .auto ? request.capture.rawValue : snapshot.progress.capture.rawValue)
    view["apply"] = .string(request.apply.rawValue)
    view["progress"] = .object(progress(snapshot))
    return view
  }

  /// The `progress` object of a view.
  func progress(_ snapshot: TaskManager.Snapshot) -> JSONObject {
    let progress = snapshot.progress
    let reading = reading(snapshot)
    let pause = snapshot.state.pause
    var left: Int64?
    if let next = progress.nextRetryAt, pause == nil {
      left = max(0, Self.milliseconds(ContinuousClock.now.duration(to: next)))
    }
    return [
      "phase": .string(phase(snapshot).rawValue),
      "percent": reading.percent.map { .int($0) } ?? .null,
      "rows_copied": .int(reading.rowsCopied),
      "rows_total": reading.rowsTotal.map { .int($0) } ?? .null,
      "rows_per_second": speed(snapshot, reading).map { .int(Int64($0)) } ?? .null,
      "eta_seconds": eta(snapshot, reading),
      "lag_ms": reading.lagMs.map { .int($0) } ?? .null,
      "watermark": watermark(progress).map { .string(CivilTime(unixMilliseconds: $0).rfc3339) } ?? .null,
      "retention_left_seconds": progress.retentionSecondsLeft.map { .int($0) } ?? .null,
      "inserted": .int(reading.inserted), "updated": .int(reading.updated), "deleted": .int(reading.deleted),
      "last_error": .text(progress.lastError ?? pause.flatMap { $0.cause == .stopped ? $0.reason : nil }),
      "retry_attempt": .int(progress.retryAttempt),
      "next_retry_in_ms": left.map { .int($0) } ?? .null,
      "hint": .text(pause?.hint ?? progress.hint),
      "capture_reason": .string(progress.captureReason),
      "not_replicated": .array(notReplicated(snapshot).map(JSONValue.string)),
    ]
  }

  /// The answer of the `progress` request: the object above, each collection, and booleans that a script can trust.
  ///
  /// - `copied`: every collection has been read and written completely at least once.
  /// - `caught_up`: copied, nothing is failing, and each collection was read again within the last two intervals and readings.
  /// - `can_cut_over`: caught up, and everything that stood on the source at `writes_stopped_at` is on the target. Without that time
  ///   nobody knows that writing has stopped: then it is false.
  func progressAnswer(_ snapshot: TaskManager.Snapshot, writesStoppedAt: Int64?) -> JSONObject {
    let progress = snapshot.progress
    let isRunning = snapshot.state == .running
    let isHealthy = isRunning && progress.lastError == nil && progress.phase == .following
    let collections = progress.collections.map { collection(snapshot, $0) }
    let allCaughtUp =
      isHealthy && isCopied(progress) && progress.collections.allSatisfy { isCaughtUp(snapshot, $0) }
    var canCutOver = false
    if let stoppedAt = writesStoppedAt, let watermark = watermark(progress) {
      canCutOver = allCaughtUp && watermark >= stoppedAt
    }
    var answer: JSONObject = [
      "task_id": .string(snapshot.taskID), "state": .string(snapshot.state.name),
      "copied": .bool(isCopied(progress)), "caught_up": .bool(allCaughtUp), "can_cut_over": .bool(canCutOver),
    ]
    if let pause = snapshot.state.pause { answer["reason"] = .string(pause.reason) }
    for member in self.progress(snapshot).members { answer[member.key] = member.value }
    answer["collections"] = .array(collections.map(JSONValue.object))
    // A comparison of clusters has no channels; the key is there for scripts that meet both.
    answer["pchannels"] = .array(
      progress.pchannels.map { pchannel in
        [
          "name": .string(pchannel.name),
          "watermark": .string(CivilTime(unixMilliseconds: pchannel.watermarkUnixMs).rfc3339),
          "waiting_bytes": .int(pchannel.waitingBytes),
        ]
      })
    return answer
  }

  private func collection(
    _ snapshot: TaskManager.Snapshot, _ collection: TaskProgress.Collection
  ) -> JSONObject {
    [
      "source": .string(collection.source.description), "target": .string(collection.target.description),
      "state": .string(
        snapshot.state == .running ? collection.state.rawValue : TaskProgress.Phase.stopped.rawValue),
      "rows_copied": .int(collection.rowsCopied),
      "rows_total": collection.rowsTotal.map { .int($0) } ?? .null,
      "inserted": .int(collection.inserted), "updated": .int(collection.updated),
      "deleted": .int(collection.deleted), "bytes_written": .int(collection.bytesWritten),
      "copied": .bool(collection.isCopied), "caught_up": .bool(isCaughtUp(snapshot, collection)),
      "watermark": collection.watermarkUnixMs.map { .string(CivilTime(unixMilliseconds: $0).rfc3339) }
        ?? .null,
      "last_error": .text(collection.lastError), "hint": .text(collection.hint),
    ]
  }

  /// Our own terms for `position`: the watermark of each collection, on the source's clock. Channels and message ids belong to logs.
  func positions(_ snapshots: [TaskManager.Snapshot]) -> JSONObject {
    let items = snapshots.flatMap { snapshot in
      snapshot.progress.collections.compactMap { collection -> JSONValue? in
        guard let watermark = collection.watermarkUnixMs else { return nil }
        let tick = UInt64(max(0, watermark)) &+ 1
        return [
          "task_id": .string(snapshot.taskID), "collection_id": 0,
          "collection_name": .string(collection.source.description), "channel_name": "",
          "time": .int(watermark), "tt": .int(tick << 18), "msg_id": "",
        ]
      }
    }
    return ["positions": .array(items), "op_positions": .array(items), "target_positions": .array(items)]
  }

  /// An RFC 3339 time or Unix milliseconds.
  func instant(_ fields: RequestDecoder.Fields, _ key: String) -> Int64? {
    guard let value = fields.value(key) else { return nil }
    if let ms = value.int64Value ?? value.stringValue.flatMap({ CivilTime.unixMilliseconds(rfc3339: $0) }) {
      return ms
    }
    fields.report(key, "expected an RFC 3339 time or Unix milliseconds", value)
    return nil
  }

  func phase(_ snapshot: TaskManager.Snapshot) -> TaskProgress.Phase {
    snapshot.state.pause == nil ? snapshot.progress.phase : .stopped
  }

  /// Lag on the source's clock, growing while nothing moves (D12).
  func reading(_ snapshot: TaskManager.Snapshot) -> ProgressMeter.Reading {
    var meter = ProgressMeter()
    return meter.read(snapshot.progress, now: timekeeper.now, unixMs: timekeeper.unixMilliseconds)
  }

  /// Rows per second since the runner was started; nil where it has not copied any.
  private func speed(_ snapshot: TaskManager.Snapshot, _ reading: ProgressMeter.Reading) -> Double? {
    guard let runningFor = snapshot.runningFor, !reading.isCopied, reading.rowsCopied > 0 else { return nil }
    let seconds = runningFor / .seconds(1)
    return seconds > 0 ? Double(reading.rowsCopied) / seconds : nil
  }

  private func eta(_ snapshot: TaskManager.Snapshot, _ reading: ProgressMeter.Reading) -> JSONValue {
    if isCopied(snapshot.progress) { return 0 }
    guard let total = reading.rowsTotal, let speed = speed(snapshot, reading) else { return .null }
    return .int(Int64((Double(max(0, total - reading.rowsCopied)) / speed).rounded(.up)))
  }

  /// Unlike a meter's reading, a collection that stopped does not count: a script must be able to trust this.
  private func isCopied(_ progress: TaskProgress) -> Bool {
    progress.collections.isEmpty
      ? progress.phase == .following : progress.collections.allSatisfy(\.isCopied)
  }

  private func isCaughtUp(_ snapshot: TaskManager.Snapshot, _ collection: TaskProgress.Collection) -> Bool {
    guard snapshot.state == .running, collection.isCopied, collection.state == .following,
      collection.lastError == nil, let watermark = collection.watermarkUnixMs
    else { return false }
    let interval = snapshot.record?.request.reconcileIntervalSeconds ?? 30
    let offset = snapshot.progress.sourceClockOffsetMs ?? 0
    // A large collection on a slow server takes longer to read than any interval, and is read again and again all the same.
    let reading = max(0, (collection.readEndedUnixMs ?? watermark) &+ offset &- watermark)
    return Double(timekeeper.unixMilliseconds &+ offset &- watermark) <= interval * 2000 + 10_000 + Double(reading) * 2
  }

  /// The oldest of all collections; nil until each has one.
  private func watermark(_ progress: TaskProgress) -> Int64? {
    let marks = progress.collections.filter { $0.state != .stopped }.map(\.watermarkUnixMs)
    guard !marks.isEmpty, !marks.contains(nil) else { return nil }
    return marks.compactMap(\.self).min()
  }

  private func notReplicated(_ snapshot: TaskManager.Snapshot) -> [String] {
    var list = snapshot.progress.notReplicated
    guard let record = snapshot.record else { return list }
    if record.request.enableUserRole, snapshot.progress.capture == .reconcile {
      list.append("users, roles and privileges (enable_user_role): comparing clusters does not tell them, following a log does")
    }
    for pattern in record.excluded {
      list.append("\(pattern.database).\(pattern.collection): another task had it when this one was created")
    }
    return list
  }

  private static func milliseconds(_ duration: Duration) -> Int64 {
    let (seconds, attoseconds) = duration.components
    return seconds * 1000 + attoseconds / 1_000_000_000_000_000
  }
}
