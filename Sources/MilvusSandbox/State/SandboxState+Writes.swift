internal import MilvusWire

// Insert, Upsert and Delete (`public-rpc.md` §4.8, §5): rows are stored and logged in one step, all or nothing.

extension SandboxState {
  mutating func insert(_ bytes: [UInt8], database: String) throws(Refusal) -> WriteResult {
    var write = try PreparedWrite(bytes, database: database, state: self, isUpsert: false)
    let keys = try takeKeys(&write)
    let staged = write.staged(keys: keys, firstRowID: write.firstRowID, olds: [:])
    var result = WriteResult(keys: keys, inserted: keys.count)
    result.tick = log(staged, deletes: [:], write)
    store(staged, in: write.collection.id)
    return result
  }

  mutating func upsert(_ bytes: [UInt8], database: String) throws(Refusal) -> WriteResult {
    var write = try PreparedWrite(bytes, database: database, state: self, isUpsert: true)
    guard write.reader.hasKeys else { throw .invalid("must assign pk when upsert") }
    let oldKeys = try write.givenKeys()
    guard Set(oldKeys).count == oldKeys.count else {
      throw .invalid("duplicate primary keys are not allowed in the same batch")
    }
    var olds: [RowKey: [UInt8]] = [:]
    if write.request.isPartial {
      guard write.collection.load != nil else { throw .notLoaded(write.collection.id) }
      for key in oldKeys { olds[key] = rows[write.collection.id]?.rows(of: key).last?.bytes }
      guard olds.count == oldKeys.count || write.isComplete else {
        throw .invalid("a partial update of a row that does not exist needs all columns")
      }
    }
    let keys = try takeKeys(&write)
    let staged = write.staged(keys: keys, firstRowID: write.firstRowID, olds: olds)
    let deletes = Dictionary(grouping: oldKeys) { KeyHash.place($0, among: write.collection.vchannels.count) }
    for key in oldKeys { rows[write.collection.id]?.delete(key, partition: write.deletePartition?.id) }
    var result = WriteResult(keys: keys, inserted: keys.count, deleted: keys.count, upserted: keys.count)
    result.tick = log(staged, deletes: deletes, write)
    store(staged, in: write.collection.id)
    return result
  }

  /// The keys that the new rows have: those of the request, or new numbers where the server makes them.
  private mutating func takeKeys(_ write: inout PreparedWrite) throws(Refusal) -> [RowKey] {
    write.firstRowID = takeIDs(write.request.rowCount)
    guard let key = write.collection.key else { throw .unexpected("the collection has no primary key") }
    let mayBeGiven = ["true", "True", "1"].contains(write.collection.properties["allow_insert_auto_id"] ?? "")
    guard key.autoID, !(write.reader.hasKeys && mayBeGiven) else { return try write.givenKeys() }
    guard write.isUpsert || !write.reader.hasKeys else {
      throw .invalid(
        "can not assign primary field data when auto id enabled and allow_insert_auto_id is false \(key.name)"
      )
    }
    let first = write.firstRowID
    return (0..<write.request.rowCount).map { row in
      let number = first + Int64(row)
      return key.dataType == .int64 ? .int(number) : .text(String(number))
    }
  }

  private mutating func store(_ staged: [StagedRow], in id: Int64) {
    for row in staged {
      rows[id]?.insert(RowStore.Row(partition: row.partition.id, bytes: row.bytes), key: row.key)
    }
  }

  // MARK: Delete

  mutating func delete(_ request: Request) throws(Refusal) -> WriteResult {
    if let writesDenied { throw writesDenied }
    let collection = try collection(request)
    guard let key = collection.key else { throw .unexpected("the collection has no primary key") }
    let name = request.text("partition_name")
    guard name.isEmpty || !collection.hasPartitionKey else {
      throw .unexpected("not support manually specifying the partition names if partition key mode is used")
    }
    let partition = collection.partition(named: name)
    guard name.isEmpty || partition != nil else { throw .noPartition(name) }
    let text = request.text("expr")
    guard !text.allSatisfy(\.isWhitespace) else {
      throw .invalid("delete plan can't be empty or always true")
    }
    let filter = try ExpressionParser.parse(
      text, collection, templates: request.fields.object("expr_template_values"))
    var keys: [RowKey] = []
    if KeyRange.isPlainList(filter, key: key) {
      keys = Self.listedKeys(filter)
    } else {
      guard let load = collection.load else { throw .notLoaded(collection.id) }
      let partitions = Set(partition.map { [$0.id] } ?? load.partitions)
      keys = matching(filter, collection, partitions: partitions, allRows: true, limit: nil).map(\.0)
    }
    guard !keys.isEmpty else { return WriteResult() }
    let tick = oracle.next()
    let places = Dictionary(grouping: keys) { KeyHash.place($0, among: collection.vchannels.count) }
    var result = WriteResult(deleted: keys.count)
    for place in places.keys.sorted() {
      let draft = deleteDraft(places[place] ?? [], place, collection, partition: partition, tick: tick)
      result.tick = max(result.tick, journal.append(draft, oracle: &oracle)?.tick ?? 0)
    }
    for key in keys { rows[collection.id]?.delete(key, partition: partition?.id) }
    return result
  }

  /// A key may stand more than once, and counts as often.
  private static func listedKeys(_ filter: Expression) -> [RowKey] {
    let values: [ScalarValue] =
      switch filter {
      case .isIn(_, let values): values
      case .compare(_, _, .literal(let value)): [value]
      default: []
      }
    return values.compactMap { value -> RowKey? in
      switch value {
      case .int(let value): .int(value)
      case .text(let bytes): .text(bytes)
      case .null, .bool, .double: nil
      }
    }
  }

  // MARK: Log

  /// Appends the messages of one write, a transaction for every vchannel that has several; the largest tick.
  private mutating func log(_ staged: [StagedRow], deletes: [Int: [RowKey]], _ write: PreparedWrite) -> UInt64 {
    let collection = write.collection
    let tick = oracle.next()
    let inserts = Dictionary(grouping: staged, by: \.shard)
    let insertComesFirst = !deletes.isEmpty && journal.chance(oneIn: settings.insertFirstOneIn)
    var last: UInt64 = 0
    for shard in Set(inserts.keys).union(deletes.keys).sorted() {
      var drafts: [LogDraft] = []
      if let keys = deletes[shard] {
        drafts.append(deleteDraft(keys, shard, collection, partition: write.deletePartition, tick: tick))
      }
      let bodies = insertDrafts(inserts[shard] ?? [], shard, write, tick: tick)
      drafts = insertComesFirst ? bodies + drafts : drafts + bodies
      let delivery = journal.appendWrite(drafts, transaction: takeID(), oracle: &oracle)
      last = max(last, delivery?.tick ?? 0)
    }
    return last
  }

  /// `msg.DeleteRequest`. Without a partition all of them are meant (`wal-protocol.md` §3.3).
  private mutating func deleteDraft(
    _ keys: [RowKey], _ shard: Int, _ collection: CollectionRecord, partition: CollectionRecord.Partition?,
    tick: UInt64
  ) -> LogDraft {
    var header = WireWriter()
    header.varint(1, UInt64(bitPattern: collection.id))
    header.varint(2, UInt64(keys.count))
    var base = WireWriter()
    base.varint(1, 401)
    base.varint(2, UInt64(bitPattern: takeID()))
    base.varint(3, tick)
    base.varint(4, 1)
    var ticks = WireWriter()
    for _ in keys { ticks.rawVarint(tick) }
    var body = WireWriter()
    body.lengthDelimited(1, base.bytes)
    body.string(2, collection.vchannels[shard])
    body.string(3, collection.database)
    body.string(4, collection.name)
    if let partition { body.string(5, partition.name) }
    body.varint(7, UInt64(bitPattern: collection.id))
    body.varint(8, UInt64(bitPattern: partition?.id ?? -1))
    body.lengthDelimited(10, ticks.bytes)
    body.varint(11, UInt64(keys.count))
    body.lengthDelimited(12, WriteResult.ids(keys))
    return LogDraft(
      type: .delete, channel: collection.vchannels[shard], header: header.bytes, body: body.bytes)
  }

  /// One draft per partition and piece of at most the message size.
  private mutating func insertDrafts(
    _ staged: [StagedRow], _ shard: Int, _ write: PreparedWrite, tick: UInt64
  ) -> [LogDraft] {
    var drafts: [LogDraft] = []
    for partition in write.collection.partitions {
      var piece: [StagedRow] = []
      var size = 0
      for row in staged where row.partition.id == partition.id {
        if !piece.isEmpty, size + row.bytes.count > settings.messageBytesMax {
          drafts.append(insertDraft(piece, partition, shard, write, tick: tick))
          (piece, size) = ([], 0)
        }
        piece.append(row)
        size += row.bytes.count
      }
      if !piece.isEmpty { drafts.append(insertDraft(piece, partition, shard, write, tick: tick)) }
    }
    return drafts
  }

  /// `msg.InsertRequest` (`wal-protocol.md` §3.3, §3.6).
  private mutating func insertDraft(
    _ rows: [StagedRow], _ partition: CollectionRecord.Partition, _ shard: Int, _ write: PreparedWrite,
    tick: UInt64
  ) -> LogDraft {
    let collection = write.collection
    let vchannel = collection.vchannels[shard]
    var base = WireWriter()
    base.varint(1, 400)
    // An upsert's inserts have it in their rows only.
    if !write.isUpsert { base.varint(3, tick) }
    base.varint(4, 1)
    var ticks = WireWriter(), rowIDs = WireWriter()
    for row in rows {
      ticks.rawVarint(tick)
      rowIDs.rawVarint(UInt64(bitPattern: row.rowID))
    }
    var body = WireWriter(capacity: rows.reduce(1024) { $0 + $1.bytes.count + 16 })
    body.lengthDelimited(1, base.bytes)
    body.string(2, vchannel)
    body.string(3, collection.database)
    // As the client called it, even by an alias.
    body.string(4, write.request.collection)
    body.string(5, partition.name)
    body.varint(7, UInt64(bitPattern: collection.id))
    body.varint(8, UInt64(bitPattern: partition.id))
    body.lengthDelimited(10, ticks.bytes)
    body.lengthDelimited(11, rowIDs.bytes)
    for column in write.logColumns(rows.map(\.bytes)) { body.lengthDelimited(13, column) }
    body.varint(14, UInt64(rows.count))
    body.varint(15, 1)
    var assignment = WireWriter()
    assignment.varint(1, UInt64(bitPattern: segment(vchannel, partition.id)))
    var assigned = WireWriter()
    assigned.varint(1, UInt64(bitPattern: partition.id))
    assigned.varint(2, UInt64(rows.count))
    // The message's own size with its properties.
    assigned.varint(3, UInt64(body.bytes.count + 113))
    assigned.lengthDelimited(4, assignment.bytes)
    var header = WireWriter()
    header.varint(1, UInt64(bitPattern: collection.id))
    header.lengthDelimited(2, assigned.bytes)
    return LogDraft(type: .insert, channel: vchannel, header: header.bytes, body: body.bytes)
  }

  /// The growing segment of a partition; a new one takes an entry of the log that no dump shows (CreateSegment).
  private mutating func segment(_ vchannel: String, _ partition: Int64) -> Int64 {
    let place = SegmentPlace(vchannel: vchannel, partition: partition)
    if let id = segments[place] { return id }
    let id = takeID()
    segments[place] = id
    if let index = journal.index(of: vchannel) {
      _ = journal.withLog(journal.pchannels[index]) { $0.appendHidden() }
    }
    return id
  }
}
