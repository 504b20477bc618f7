internal import MilvusWire

/// What the follower delivers: into the ledger, past the barriers, to the collection it is about.
extension LogSession: LogConsumer {
  func take(_ delivery: LogDelivery, pchannel: String) async throws(BridgeError) {
    switch delivery {
    case .proven(let tick):
      ledgers[pchannel]?.prove(endTick(tick))
      board.reached(pchannel: pchannel, tick: tick)
      if let end = spec.endAt, tick >= end { finished.insert(pchannel) }
    case .gap(let gap): await lost(gap)
    case .message(let message, let position):
      guard await isBeforeEnd(message.timeTick, pchannel) else { return }
      accept([message], tick: message.timeTick, position: position, pchannel: pchannel)
    case .transaction(let messages, let commit, let position):
      guard await isBeforeEnd(commit.timeTick, pchannel) else { return }
      accept(messages, tick: commit.timeTick, position: position, pchannel: pchannel)
    }
    wake()
    await waitForRoom(pchannel)
  }

  private func endTick(_ tick: TimeTick) -> TimeTick { spec.endAt.map { min($0, tick) } ?? tick }

  /// False, when the session ends, for what lies behind `end_at`.
  private func isBeforeEnd(_ tick: TimeTick, _ pchannel: String) async -> Bool {
    guard let end = spec.endAt, tick > end else { return true }
    ledgers[pchannel]?.prove(end)
    finished.insert(pchannel)
    wake()
    let latch = LogLatch()
    takers[pchannel] = latch
    _ = await latch.wait()
    return false
  }

  private func accept(_ messages: [LogMessage], tick: TimeTick, position: LogPosition, pchannel: String) {
    let bytes = messages.reduce(0) { $0 + $1.byteCount }
    guard let number = ledgers[pchannel]?.add(position, tick: tick, bytes: bytes) else { return }
    let receipt = LogReceipt(pchannel: pchannel, number: number)
    guard let first = messages.first else { return done(receipt) }
    let item = Waiting(
      receipt: receipt, messages: messages, tick: tick, isRows: messages.contains { $0.type == .insert || $0.type == .delete })
    if item.isRows {
      if cameFromTarget(first) { return done(receipt) }
      watch(item)
      if board.receive(item, on: first.vchannel) { route(item) }
      return
    }
    switch first.type {
    case .flushAll, .manualFlush: done(receipt)
    case .alterReplicateConfig:
      roleChanged(first)
      done(receipt)
    default:
      guard let broadcast = first.broadcast else {
        note("a message of type \(first.type) without a broadcast is not replicated")
        return done(receipt)
      }
      noticeChannels(broadcast.vchannels)
      let copies = BarrierBoard<Waiting>.Broadcast(id: broadcast.id, lanes: broadcast.vchannels)
      if board.receive(item, copyOf: copies, on: first.vchannel, tick: tick) { done(receipt) }
    }
  }

  /// Rows that the target wrote itself and the source received: they would go round for ever. Schema changes are aligned, which has no
  /// effect where they stand already. Asked again when what waited is routed: the target's own id is known from its first collection on.
  private func cameFromTarget(_ message: LogMessage) -> Bool {
    guard let origin = message.replicate?.clusterID, origin == targetReplicationID, origin != start.replicationID else { return false }
    note("changes that came to the source from the target itself (\(origin)) are not sent back")
    return true
  }

  func done(_ receipt: LogReceipt) {
    ledgers[receipt.pchannel]?.done(receipt.number)
    for follow in follows.values { follow.watch?.settled(receipt) }
    changedSinceSave = true
  }

  /// No tokens: the header has them in clear text.
  private func roleChanged(_ message: LogMessage) {
    guard case .alterReplicateConfig(let content)? = try? LogChange(message), let configuration = content.configuration else { return }
    let edges = configuration.topology.map { "\($0.sourceClusterID) → \($0.targetClusterID)" }.sorted()
    let own = start.replicationID ?? "the source"
    let isStandby = configuration.topology.contains { $0.targetClusterID == start.replicationID }
    note(
      "the source's replication was changed (\(edges.isEmpty ? "it stands alone" : edges.joined(separator: ", ")))"
        + (content.isForcePromote ? ", by force" : "")
        + (isStandby ? ": \(own) is a standby now, what it receives is followed" : ""))
  }

  // MARK: Room

  private func waitForRoom(_ pchannel: String) async {
    guard stop == nil, !hasRoom(pchannel) else { return }
    let latch = LogLatch()
    takers[pchannel] = latch
    _ = await latch.wait()
    if takers[pchannel] === latch { takers[pchannel] = nil }
  }

  /// Where everything waits for a schema change whose copy is still to come here, reading on is the only way.
  private func hasRoom(_ pchannel: String) -> Bool {
    let share = max(Self.shareBytesMin, Self.openBytesMax / max(1, ledgers.count))
    guard let ledger = ledgers[pchannel], ledger.openBytes > share else { return true }
    guard !isWorking, works.isEmpty, follows.values.allSatisfy({ $0.calls == 0 && $0.flow.isEmpty }) else { return false }
    return board.awaitedLanes.contains { ChannelName.pchannel(of: $0) == pchannel }
  }

  func letIn() {
    for (pchannel, latch) in takers where !finished.contains(pchannel) && hasRoom(pchannel) {
      latch.open()
      takers[pchannel] = nil
    }
    if let end = spec.endAt, stop == nil, !ledgers.isEmpty,
      ledgers.allSatisfy({ $0.value.isEmpty && $0.value.appliedTick >= end })
    {
      stop = TaskStop(reason: "reached end_at", hint: "Everything up to \(end) is on the target.")
    }
  }

  // MARK: Rows

  /// Keys count as touched from the moment they arrive, whatever they wait for.
  private func watch(_ item: Waiting) {
    guard let id = item.messages.first.flatMap(Self.collection), let watch = follows[id]?.watch,
      let change = try? change(of: item, follow: id)
    else { return }
    watch.arrived(Self.keys(of: change), receipt: item.receipt)
  }

  static func keys(of change: LogRowChange<RowColumns>) -> [RowKey] {
    change.deletes.flatMap(\.keys) + change.inserts.flatMap(\.keys)
  }

  static func collection(_ message: LogMessage) -> Int64? {
    switch message.type {
    case .insert: (try? InsertHeader(encoded: Array(message.header)))?.collectionID
    case .delete: (try? DeleteHeader(encoded: Array(message.header)))?.collectionID
    default: nil
    }
  }

  /// To the collection it is about. What is about none of the task's is done.
  func route(_ item: Waiting) {
    guard let first = item.messages.first, let id = Self.collection(first) else {
      note("a message with rows does not tell its collection")
      return done(item.receipt)
    }
    if cameFromTarget(first) { return done(item.receipt) }
    guard let known = catalog.collections[id] else {
      // Older ones are of collections that were dropped before the catalogue was read, or before this start.
      if item.tick > max(seededAt, startedAt) { request(.seed) }
      return done(item.receipt)
    }
    guard let follow = follows[id], follow.mode != .stopped else { return done(item.receipt) }
    if let until = known.truncatedAt[first.vchannel], item.tick < until { return done(item.receipt) }
    do throws(BridgeError) {
      let change = try change(of: item, follow: id)
      if change.deletes.isEmpty, change.inserts.isEmpty { return done(item.receipt) }
      // What waited for a schema change arrived before the pass that it comes to.
      follow.watch?.arrived(Self.keys(of: change), receipt: item.receipt)
      follows[id]?.flow.add(change)
    } catch {
      // What it holds is found by comparing, when the collection goes on.
      done(item.receipt)
      if follow.failure == nil { follows[id]?.failure = error }
    }
  }

  private func change(of item: Waiting, follow id: Int64) throws(BridgeError) -> LogRowChange<RowColumns> {
    guard let form = follows[id]?.form, let known = catalog.collections[id] else {
      throw BridgeError(
        .changedMeanwhile, side: .local, operation: "read rows of collection \(id)", message: "it is not aligned yet")
    }
    var change = LogRowChange<RowColumns>(
      receipt: item.receipt, tick: item.tick, bytes: item.messages.reduce(0) { $0 + $1.byteCount },
      isUncertain: handOver.isUncertain(item.tick, on: item.receipt.pchannel), deletes: [], inserts: [],
      kept: repeatable?.kept[known.path] ?? [])
    for message in item.messages {
      switch try Self.read(message, known.path) {
      case .insert(_, let rows):
        guard let partition = partition(rows.partitionID, rows.partitionName, known) else { continue }
        let columns = try columns(rows, message, form, known.path)
        change.inserts.append(
          LogRowChange.Insert(
            rows: columns, keys: (0..<columns.rowCount).map { columns.key.key($0) }, partition: partition.name))
      case .delete(_, let rows):
        let keys = try Self.deletedKeys(rows, known)
        if rows.isForEveryPartition {
          change.deletes.append(LogRowChange.Delete(keys: keys, partition: nil))
        } else if let partition = partition(rows.partitionID, rows.partitionName, known) {
          change.deletes.append(LogRowChange.Delete(keys: keys, partition: partition.name))
        }
      default: continue
      }
    }
    return change
  }

  private static func read(_ message: LogMessage, _ path: CollectionPath) throws(BridgeError) -> LogChange {
    do {
      return try LogChange(message)
    } catch {
      throw BridgeError(
        .sourceUnreadable, side: .source, operation: "read rows of \(path)", message: "\(error)",
        hint: message.isEncrypted
          ? "The source encrypts this collection, and its log cannot be read without the key: the rows are compared instead." : nil)
    }
  }

  private static func deletedKeys(_ rows: DeleteRows, _ known: LogCatalog.Collection) throws(BridgeError) -> [RowKey] {
    guard let key = known.schema.primaryKey else { return [] }
    do {
      return try LogDeletes.keys(of: rows, key: key)
    } catch {
      throw BridgeError(
        .changedMeanwhile, side: .source, operation: "read rows of \(known.path)",
        message: "\(error): the rows are compared with the source instead")
    }
  }

  /// nil: the partition was dropped since, and its rows with it.
  private func partition(_ id: Int64, _ name: String, _ known: LogCatalog.Collection) -> (name: String?, Void)? {
    if spec.ignorePartition || known.schema.partitionKey != nil { return (nil, ()) }
    if let found = known.partitions.first(where: { $0.id == id }) { return (found.name, ()) }
    // Catalogues of servers that tell no ids are matched by name.
    if known.partitions.contains(where: { $0.id == 0 && $0.name == name }) { return (name, ()) }
    return nil
  }

  private func columns(
    _ rows: InsertRows, _ message: LogMessage, _ form: LogFollow.Form, _ path: CollectionPath
  ) throws(BridgeError) -> RowColumns {
    do {
      let found = try form.converter.rows(
        bytes: message.bytes, columns: rows.columns.map { $0.startIndex..<$0.endIndex }, rowCount: rows.rowCount)
      if !found.unknownColumns.isEmpty {
        note("\(path): columns \(found.unknownColumns.sorted().joined(separator: ", ")) of fields that are gone are left out")
      }
      return found.columns
    } catch {
      throw BridgeError(
        error.code == .unsupported ? .targetUnsupported : .dangerousValue, side: .source, operation: "read rows of \(path)",
        message: error.description)
    }
  }
}
