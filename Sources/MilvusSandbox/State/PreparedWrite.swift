internal import MilvusWire

/// A row on its way into the store and the log.
struct StagedRow {
  var key: RowKey
  var bytes: [UInt8]
  var shard: Int
  var partition: CollectionRecord.Partition
  var rowID: Int64
}

/// An Insert or Upsert that was checked against its collection; nothing has changed yet.
struct PreparedWrite {
  let request: WriteRequest
  let collection: CollectionRecord
  let reader: RowReader
  let isUpsert: Bool
  /// Of every row, where the collection has no partition key.
  private let partition: CollectionRecord.Partition?
  var firstRowID: Int64 = 0

  init(_ bytes: [UInt8], database: String, state: SandboxState, isUpsert: Bool) throws(Refusal) {
    if let denied = state.writesDenied { throw denied }
    do throws(ProtobufError) { request = try WriteRequest(bytes) } catch { throw .invalid(error.message) }
    self.isUpsert = isUpsert
    let named =
      [request.database, database, DatabaseRecord.defaultName].first { !$0.isEmpty }
      ?? DatabaseRecord.defaultName
    collection = try state.collection(request.collection, in: named)
    guard request.schemaTick == 0 || request.schemaTick >= collection.updatedTick else {
      throw Refusal(109, "collection schema mismatch[collection=\(collection.name)]", legacy: 62)
    }
    guard request.rowCount > 0 else { throw .invalid("num_rows should be greater than 0") }
    if collection.hasPartitionKey {
      guard request.partition.isEmpty else {
        throw .unexpected("not support manually specifying the partition names if partition key mode is used")
      }
      partition = nil
    } else {
      let name = request.partition.isEmpty ? CollectionRecord.defaultPartition : request.partition
      guard let found = collection.partition(named: name) else { throw .noPartition(name) }
      partition = found
    }
    reader = try RowReader(
      request.columns, of: bytes, rowCount: request.rowCount, collection: collection,
      isPartial: isUpsert && request.isPartial)
  }

  /// Where an upsert's delete looks for the old row; nil: everywhere.
  var deletePartition: CollectionRecord.Partition? { partition }

  /// Every column that a new row needs is there.
  var isComplete: Bool { reader.isComplete }

  func givenKeys() throws(Refusal) -> [RowKey] {
    var keys: [RowKey] = []
    keys.reserveCapacity(request.rowCount)
    for row in 0..<request.rowCount {
      guard let key = reader.key(row) else { throw .invalid("the primary key of row \(row) is missing") }
      keys.append(key)
    }
    return keys
  }

  func staged(keys: [RowKey], firstRowID: Int64, olds: [RowKey: [UInt8]]) -> [StagedRow] {
    var rows: [StagedRow] = []
    rows.reserveCapacity(keys.count)
    for (row, key) in keys.enumerated() {
      rows.append(
        StagedRow(
          key: key, bytes: reader.row(row, key: key, old: olds[key]),
          shard: KeyHash.place(key, among: collection.vchannels.count), partition: partition(ofRow: row),
          rowID: firstRowID + Int64(row)))
    }
    return rows
  }

  private func partition(ofRow row: Int) -> CollectionRecord.Partition {
    if let partition { return partition }
    let value = collection.schema.partitionKey.flatMap { reader.value(row, of: $0.name) }
    return collection.partitions[value.map { KeyHash.place($0, among: collection.partitions.count) } ?? 0]
  }

  /// `fields_data` of the log.
  func logColumns(_ rows: [[UInt8]]) -> [[UInt8]] {
    var fields = collection.storedFields
    if let place = fields.firstIndex(where: \.isDynamic) { fields.append(fields.remove(at: place)) }
    // Where the server may make the keys, they stand last.
    if let place = fields.firstIndex(where: { $0.isPrimaryKey && $0.autoID }) {
      fields.append(fields.remove(at: place))
    }
    let values = RowValues(rows, fields: fields)
    return zip(fields, values.columns).map { ColumnWriter($0, .log).fieldData($1) }
  }
}
