internal import MilvusWire

// The log of a secondary: what comes from the source is checked, written and applied (`wal-protocol.md` §6.5).

extension SandboxState {
  /// Takes one message of a replicate stream.
  mutating func replicate(_ bytes: [UInt8], from clusterID: String) -> ReplicateOutcome {
    do throws(ReplicatedMessage.Failure) {
      let message = try ReplicatedMessage(bytes, defaultKind: settings.log)
      let admission = try ReplicateAdmission(
        message, from: clusterID, replication, controlChannel: journal.controlChannel,
        knowsUnreplicable: settings.knowsUnreplicable)
      return intercept(admission)
    } catch {
      if case .death(_, poisons: true) = error.outcome { isPoisoned = true }
      return error.outcome
    }
  }

  private mutating func intercept(_ admission: ReplicateAdmission) -> ReplicateOutcome {
    let tick = admission.source.tick
    let reached = replication.checkpoints[admission.pchannel]?.timeTick.rawValue ?? 0
    let ignored = ReplicateOutcome.confirmed(tick, isApplied: false)
    switch admission.draft.type {
    case .beginTxn: return begin(admission, isOld: tick <= reached)
    case .commitTxn:
      if tick < reached { return ignored }
      return commit(admission)
    default: break
    }
    if let transaction = admission.transaction {
      return tick < reached ? .silent : body(admission, transaction)
    }
    if tick <= reached { return ignored }
    if replication.open[admission.pchannel] != nil {
      return .end("a transaction is open on \(admission.pchannel)")
    }
    if let text = unknownCollection(admission) { return .end(text) }
    write([admission.draft], admission)
    note(admission)
    advance(admission)
    return .confirmed(tick, isApplied: true)
  }

  // MARK: Transactions

  private mutating func begin(_ admission: ReplicateAdmission, isOld: Bool) -> ReplicateOutcome {
    guard !isOld, let transaction = admission.transaction else { return .silent }
    if let open = replication.open[admission.pchannel] {
      return open.id == transaction.id
        ? .silent : .end("another transaction is open on \(admission.pchannel)")
    }
    var draft = admission.draft
    // It never expires here.
    draft.transaction?.keepaliveMilliseconds = -1000
    replication.open[admission.pchannel] = Replication.OpenTransaction(
      id: transaction.id, drafts: [draft], sources: [admission.source.id])
    return .silent
  }

  private mutating func body(_ admission: ReplicateAdmission, _ transaction: TransactionContext)
    -> ReplicateOutcome
  {
    guard let open = replication.open[admission.pchannel] else { return .silent }
    guard open.id == transaction.id else {
      return .end("another transaction is open on \(admission.pchannel)")
    }
    if open.sources.contains(admission.source.id) { return .silent }
    if let text = unknownCollection(admission) { return .end(text) }
    replication.open[admission.pchannel]?.drafts.append(admission.draft)
    replication.open[admission.pchannel]?.sources.append(admission.source.id)
    return .silent
  }

  private mutating func commit(_ admission: ReplicateAdmission) -> ReplicateOutcome {
    let tick = admission.source.tick
    guard let open = replication.open[admission.pchannel], let transaction = admission.transaction else {
      return .confirmed(tick, isApplied: false)
    }
    guard open.id == transaction.id else {
      return .end("another transaction is open on \(admission.pchannel)")
    }
    replication.open[admission.pchannel] = nil
    write(open.drafts + [admission.draft], admission)
    applyRows(open.drafts)
    advance(admission)
    return .confirmed(tick, isApplied: true)
  }

  // MARK: Writing

  private mutating func write(_ drafts: [LogDraft], _ admission: ReplicateAdmission) {
    journal.append(replicated: drafts, to: admission.pchannel, oracle: &oracle)
  }

  private mutating func advance(_ admission: ReplicateAdmission) {
    replication.checkpoints[admission.pchannel]?.messageID = admission.source.confirmed
    replication.checkpoints[admission.pchannel]?.timeTick = TimeTick(admission.source.tick)
  }

  /// Rows of a collection that this cluster was never told of end the stream.
  private func unknownCollection(_ admission: ReplicateAdmission) -> String? {
    guard admission.draft.type == .insert || admission.draft.type == .delete else { return nil }
    let vchannel = admission.draft.channel
    let isKnown =
      replication.known.contains(vchannel) || collections.values.contains { $0.vchannels.contains(vchannel) }
    return isKnown ? nil : "code: STREAMING_CODE_UNRECOVERABLE, cause: collection not found: \(vchannel)"
  }

  /// Applies what a message says: rows at once, the rest when the log has all copies of its broadcast.
  private mutating func note(_ admission: ReplicateAdmission) {
    guard let change = admission.change else { return }
    if change.type == .insert || change.type == .delete { return applyRows([admission.draft]) }
    noteCopy(change, on: admission.draft.channel)
    guard let broadcast = admission.draft.broadcast else { return }
    for ready in replication.noteCopy(change, of: broadcast, on: admission.draft.channel) { apply(ready) }
  }

  /// What counts from the copy of one channel on, for the rows that follow there.
  private mutating func noteCopy(_ change: LogChange, on channel: String) {
    switch change {
    case .createCollection(let creation):
      if !ChannelName.isControl(channel) { replication.known.insert(channel) }
      replication.schemas[creation.collectionID] = creation.collectionSchema
      replication.vchannels[creation.collectionID] = creation.virtualChannelNames
      if rows[creation.collectionID] == nil { rows[creation.collectionID] = RowStore() }
    case .truncateCollection(let truncation):
      // Of one shard, before the rows that follow on its channel.
      let all =
        replication.vchannels[truncation.collectionID] ?? collections[truncation.collectionID]?.vchannels
        ?? []
      guard let shard = all.firstIndex(of: channel) else { return }
      rows[truncation.collectionID]?.deleteAll { KeyHash.place($0, among: all.count) == shard }
    case .dropCollection: replication.known.remove(channel)
    case .alterCollection(let alteration):
      guard let schema = alteration.updates?.schema, alteration.maskPaths.contains("schema") else { return }
      let known = replication.schemas[alteration.collectionID]?.version ?? -1
      if schema.version > known { replication.schemas[alteration.collectionID] = schema }
    default: break
    }
  }

  /// Rows of one message or of a whole transaction: all deletes, then all inserts.
  private mutating func applyRows(_ drafts: [LogDraft]) {
    let changes = drafts.compactMap { draft -> LogChange? in
      guard draft.type == .insert || draft.type == .delete else { return nil }
      let bytes = draft.message(
        id: LogMessageID("", .woodPecker), confirmed: LogMessageID("", .woodPecker), tick: 1, term: nil)
      return (try? LogMessage(immutableMessage: bytes)).flatMap { try? LogChange($0) }
    }
    for case .delete(_, let delete) in changes {
      let partition = delete.isForEveryPartition ? nil : delete.partitionID
      for key in delete.keys.rowKeys { rows[delete.collectionID]?.delete(key, partition: partition) }
    }
    for case .insert(_, let insert) in changes { applyInsert(insert) }
  }

  private mutating func applyInsert(_ insert: InsertRows) {
    guard let logged = replication.schemas[insert.collectionID] ?? collections[insert.collectionID]?.schema
    else { return }
    let schema = LogSchema(logged).schema
    guard let converter = try? LogRowConverter(schema: schema, keepsOutputs: true),
      let converted = try? converter.rows(insert.columns, rowCount: insert.rowCount)
    else { return }
    let meta = logged.fields.first(where: \.isDynamic)?.fieldID ?? 0
    var scratch: [UInt8] = []
    for row in 0..<insert.rowCount {
      var writer = WireWriter()
      func add(_ column: Column, _ id: Int64) {
        scratch.removeAll(keepingCapacity: true)
        if id > 0, column.appendValue(row, to: &scratch) {
          writer.lengthDelimited(UInt32(clamping: id), scratch)
        }
      }
      for column in converted.columns.columns {
        if let structure = schema.structArrayFields.first(where: { $0.name == column.name }) {
          for (inner, field) in zip(column.structFields ?? [], structure.fields) { add(inner, field.fieldID) }
        } else {
          add(column, column.isDynamic ? meta : schema.fields.first { $0.name == column.name }?.fieldID ?? 0)
        }
      }
      let key = converted.columns.key.key(row)
      rows[insert.collectionID]?.insert(
        RowStore.Row(partition: insert.partitionID, bytes: writer.bytes), key: key)
    }
  }
}
