/// The header of an insert (§3.2 no. 2).
package struct InsertHeader: LogRecord {
  package var collectionID: Int64 = 0
  package var partitions: [InsertPartition] = []
  /// 3.x; absent and 0 differ.
  package var schemaVersion: Int32?
  package init() {}
  package static let members: [LogMember<Self>] = [
    .number(1, \.collectionID), .records(2, \.partitions), .optionalNumber(3, \.schemaVersion),
  ]
}

package struct InsertPartition: LogRecord {
  package var partitionID: Int64 = 0
  package var rows: UInt64 = 0
  package var binarySize: UInt64 = 0
  /// Means something only inside the source.
  package var segment: SegmentAssignment?
  package init() {}
  package static let members: [LogMember<Self>] = [
    .number(1, \.partitionID), .number(2, \.rows), .number(3, \.binarySize), .record(4, \.segment),
  ]
}

package struct SegmentAssignment: LogRecord {
  package var segmentID: Int64 = 0
  package init() {}
  package static let members: [LogMember<Self>] = [.number(1, \.segmentID)]
}

/// The body of an insert, `msg.InsertRequest` (§3.3), walked in place: columns are slices of the message's bytes and
/// nothing of a row is decoded here.
package struct InsertRows: Sendable, Equatable {
  package var shardName = ""
  package var dbName = ""
  package var collectionName = ""
  package var partitionName = ""
  package var dbID: Int64 = 0
  package var collectionID: Int64 = 0
  package var partitionID: Int64 = 0
  package var segmentID: Int64 = 0
  package var rowCount = 0
  /// 1, column based, is the only one in use.
  package var version: Int32 = 0
  package var namespace: String?
  /// Each is one encoded `schema.FieldData`, in the form of the log (§3.6). RowID and Timestamp are not among them.
  package var columns: [ArraySlice<UInt8>] = []
  /// `base` as it came; a partial update has its proof there.
  package var base: MessageBase?
  /// One per row. Provisional, like `timestamps`: the message's own tick counts.
  package var rowIDs: [Int64] = []
  package var timestamps: [TimeTick] = []
  /// Legacy rows (`row_data`), which no version in use writes.
  package var hasRowData = false

  package init() {}

  /// The body that fills `range` of `bytes` (nil: all of them).
  package init(_ bytes: [UInt8], in range: Range<Int>? = nil) throws(ProtobufError) {
    var reader = WireReader(bytes, in: range)
    while let field = try reader.next() {
      guard try read(field, reader) else {
        throw ProtobufError(.wrongType, "field \(field.number) of InsertRequest is a \(field.wireType)")
      }
    }
  }

  private mutating func read(_ field: WireField, _ reader: WireReader) throws(ProtobufError) -> Bool {
    switch (field.number, field.content) {
    case (1, .lengthDelimited(let range)):
      var base = base ?? MessageBase()
      try base.read(WireReader(reader.bytes, in: range), MessageBase.members)
      self.base = base
    case (2, .lengthDelimited(let range)): shardName = try reader.validText(range, "shardName")
    case (3, .lengthDelimited(let range)): dbName = try reader.validText(range, "db_name")
    case (4, .lengthDelimited(let range)): collectionName = try reader.validText(range, "collection_name")
    case (5, .lengthDelimited(let range)): partitionName = try reader.validText(range, "partition_name")
    case (6, .varint(let value)): dbID = Int64(wire: value)
    case (7, .varint(let value)): collectionID = Int64(wire: value)
    case (8, .varint(let value)): partitionID = Int64(wire: value)
    case (9, .varint(let value)): segmentID = Int64(wire: value)
    case (10, _): return try reader.appendNumbers(field, to: &timestamps)
    case (11, _): return try reader.appendNumbers(field, to: &rowIDs)
    case (12, .lengthDelimited): hasRowData = true
    case (13, .lengthDelimited(let range)): columns.append(reader.bytes[range])
    case (14, .varint(let value)):
      guard let count = Int(exactly: value) else { throw ProtobufError(.malformed, "num_rows is \(value)") }
      rowCount = count
    case (15, .varint(let value)): version = Int32(wire: value)
    case (16, .lengthDelimited(let range)): namespace = try reader.validText(range, "namespace")
    default: return field.number > 16
    }
    return true
  }

  /// The body's bytes, as Milvus writes them.
  package var encoded: [UInt8] {
    var writer = WireWriter(capacity: columns.reduce(512 + 20 * rowIDs.count) { $0 + $1.count })
    if let base { writer.lengthDelimited(1, base.encoded) }
    writer.textUnlessEmpty(2, shardName)
    writer.textUnlessEmpty(3, dbName)
    writer.textUnlessEmpty(4, collectionName)
    writer.textUnlessEmpty(5, partitionName)
    writer.numberUnlessZero(6, dbID)
    writer.numberUnlessZero(7, collectionID)
    writer.numberUnlessZero(8, partitionID)
    writer.numberUnlessZero(9, segmentID)
    writer.numbersUnlessEmpty(10, timestamps)
    writer.numbersUnlessEmpty(11, rowIDs)
    for column in columns { writer.lengthDelimited(13, column) }
    writer.numberUnlessZero(14, Int64(rowCount))
    writer.numberUnlessZero(15, version)
    if let namespace { writer.string(16, namespace) }
    return writer.bytes
  }
}

extension InsertRows: CustomStringConvertible {
  package var description: String { "\(rowCount) rows of collection \(collectionID)" }
}

extension WireReader {
  /// Appends a list, packed or not; false where the field is neither.
  func appendNumbers<Value: WireNumber>(_ field: WireField, to list: inout [Value]) throws(ProtobufError)
    -> Bool
  {
    switch field.content {
    case .varint(let value): list.append(Value(wire: value))
    case .lengthDelimited(let range):
      // Most numbers of a log are ids and ticks of eight or nine bytes.
      list.reserveCapacity(list.count + range.count / 8)
      var reader = WireReader(bytes, in: range)
      while !reader.isAtEnd { list.append(Value(wire: try reader.varint())) }
    case .fixed32, .fixed64: return false
    }
    return true
  }
}

extension WireWriter {
  mutating func textUnlessEmpty(_ number: UInt32, _ text: String) {
    if !text.isEmpty { string(number, text) }
  }

  mutating func numberUnlessZero(_ number: UInt32, _ value: some WireNumber) {
    if value.wire != 0 { varint(number, value.wire) }
  }

  /// A packed list.
  mutating func numbersUnlessEmpty(_ number: UInt32, _ values: [some WireNumber]) {
    guard !values.isEmpty else { return }
    var list = WireWriter(capacity: values.count * 10)
    for value in values { list.rawVarint(value.wire) }
    lengthDelimited(number, list.bytes)
  }
}
