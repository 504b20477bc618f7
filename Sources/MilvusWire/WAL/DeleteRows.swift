/// The header of a delete (§3.2 no. 3).
package struct DeleteHeader: LogRecord {
  package var collectionID: Int64 = 0
  package var rows: UInt64 = 0
  package init() {}
  package static let members: [LogMember<Self>] = [.number(1, \.collectionID), .number(2, \.rows)]
}

/// The keys of a delete. A key may come more than once.
package enum DeletedKeys: Sendable, Equatable {
  case none
  case ints([Int64])
  /// Texts as their bytes, slices of the message.
  case texts([ArraySlice<UInt8>])
  /// Field 9, which only counts where field 12 has no keys.
  case legacyInts([Int64])

  package var count: Int {
    switch self {
    case .none: 0
    case .ints(let keys), .legacyInts(let keys): keys.count
    case .texts(let keys): keys.count
    }
  }

  package var rowKeys: [RowKey] {
    switch self {
    case .none: []
    case .ints(let keys), .legacyInts(let keys): keys.map { .int($0) }
    case .texts(let keys): keys.map { .text(Array($0)) }
    }
  }
}

/// The body of a delete, `msg.DeleteRequest` (§3.3), walked in place.
package struct DeleteRows: Sendable, Equatable {
  package var base: MessageBase?
  package var shardName = ""
  package var dbName = ""
  package var collectionName = ""
  /// Empty with a `partitionID` of −1 or 0: every partition.
  package var partitionName = ""
  package var dbID: Int64 = 0
  package var collectionID: Int64 = 0
  package var partitionID: Int64 = 0
  package var keys: DeletedKeys = .none
  package var timestamps: [TimeTick] = []
  package var rowCount: Int64 = 0
  package var segmentID: Int64 = 0
  /// A delete by predicate (3.x): an expression of the server's own, which no public call takes. `keys` may be empty.
  package var plan: ArraySlice<UInt8> = []

  package var hasPlan: Bool { !plan.isEmpty }
  /// Rows of any partition of the collection.
  package var isForEveryPartition: Bool { partitionName.isEmpty && partitionID <= 0 }

  package init() {}

  /// The body that fills `range` of `bytes` (nil: all of them).
  package init(_ bytes: [UInt8], in range: Range<Int>? = nil) throws(ProtobufError) {
    var reader = WireReader(bytes, in: range)
    var legacy: [Int64] = []
    while let field = try reader.next() {
      guard try read(field, reader, legacy: &legacy) else {
        throw ProtobufError(.wrongType, "field \(field.number) of DeleteRequest is a \(field.wireType)")
      }
    }
    if keys.count == 0, !legacy.isEmpty { keys = .legacyInts(legacy) }
  }

  private mutating func read(_ field: WireField, _ reader: WireReader, legacy: inout [Int64])
    throws(ProtobufError)
    -> Bool
  {
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
    case (9, _): return try reader.appendNumbers(field, to: &legacy)
    case (10, _): return try reader.appendNumbers(field, to: &timestamps)
    case (11, .varint(let value)): rowCount = Int64(wire: value)
    case (12, .lengthDelimited(let range)): try readKeys(WireReader(reader.bytes, in: range))
    case (13, .varint(let value)): segmentID = Int64(wire: value)
    case (14, .lengthDelimited(let range)): plan = reader.bytes[range]
    default: return field.number > 14
    }
    return true
  }

  /// `schema.IDs`: a oneof of `{data 1}` lists. Keys of a kind that is not known must not look like no keys.
  private mutating func readKeys(_ message: WireReader) throws(ProtobufError) {
    var reader = message
    while let field = try reader.next() {
      guard let range = field.range, field.number <= 2 else {
        throw ProtobufError(.malformed, "field \(field.number) of IDs: keys of a kind that is not known")
      }
      var list = WireReader(reader.bytes, in: range)
      if field.number == 1 {
        var ints: [Int64] = []
        if case .ints(let earlier) = keys { ints = earlier }
        while let element = try list.next() {
          guard element.number == 1, try list.appendNumbers(element, to: &ints) else { continue }
        }
        keys = .ints(ints)
      } else {
        var texts: [ArraySlice<UInt8>] = []
        if case .texts(let earlier) = keys { texts = earlier }
        while let element = try list.next() {
          guard element.number == 1, let range = element.range else { continue }
          texts.append(list.bytes[range])
        }
        keys = .texts(texts)
      }
    }
  }

  /// The body's bytes, as Milvus writes them.
  package var encoded: [UInt8] {
    var writer = WireWriter()
    if let base { writer.lengthDelimited(1, base.encoded) }
    writer.textUnlessEmpty(2, shardName)
    writer.textUnlessEmpty(3, dbName)
    writer.textUnlessEmpty(4, collectionName)
    writer.textUnlessEmpty(5, partitionName)
    writer.numberUnlessZero(6, dbID)
    writer.numberUnlessZero(7, collectionID)
    writer.numberUnlessZero(8, partitionID)
    if case .legacyInts(let keys) = keys { writer.numbersUnlessEmpty(9, keys) }
    writer.numbersUnlessEmpty(10, timestamps)
    writer.numberUnlessZero(11, rowCount)
    writeKeys(&writer)
    writer.numberUnlessZero(13, segmentID)
    if hasPlan { writer.lengthDelimited(14, plan) }
    return writer.bytes
  }

  private func writeKeys(_ writer: inout WireWriter) {
    var list = WireWriter()
    var ids = WireWriter()
    switch keys {
    case .none, .legacyInts: return
    case .ints(let keys):
      list.numbersUnlessEmpty(1, keys)
      ids.lengthDelimited(1, list.bytes)
    case .texts(let keys):
      for key in keys { list.lengthDelimited(1, key) }
      ids.lengthDelimited(2, list.bytes)
    }
    writer.lengthDelimited(12, ids.bytes)
  }
}

extension DeleteRows: CustomStringConvertible {
  package var description: String { "\(rowCount) deletes from collection \(collectionID)" }
}

extension DeletedKeys: CustomStringConvertible {
  package var description: String { "\(count) keys" }
}
