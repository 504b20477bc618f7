internal import MilvusWire

/// An InsertRequest or UpsertRequest, walked in place: the fields that this server looks at have the same numbers in both
/// (`public-rpc.md` §4.8).
struct WriteRequest {
  let bytes: [UInt8]
  private(set) var database = ""
  private(set) var collection = ""
  private(set) var partition = ""
  private(set) var columns: [Range<Int>] = []
  private(set) var rowCount = 0
  private(set) var schemaTick: UInt64 = 0
  /// Upsert only.
  private(set) var isPartial = false

  init(_ bytes: [UInt8]) throws(ProtobufError) {
    self.bytes = bytes
    var reader = WireReader(bytes)
    while let field = try reader.next() {
      switch (field.number, field.content) {
      case (2, .lengthDelimited(let range)): database = Self.text(bytes, range)
      case (3, .lengthDelimited(let range)): collection = Self.text(bytes, range)
      case (4, .lengthDelimited(let range)): partition = Self.text(bytes, range)
      case (5, .lengthDelimited(let range)): columns.append(range)
      case (7, .varint(let count)): rowCount = Int(UInt32(truncatingIfNeeded: count))
      case (8, .varint(let tick)): schemaTick = tick
      case (9, .varint(let flag)): isPartial = flag != 0
      default: break
      }
    }
  }

  private static func text(_ bytes: [UInt8], _ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
  }
}

/// What a write did (`milvus.MutationResult`).
struct WriteResult {
  var keys: [RowKey] = []
  var inserted = 0
  var deleted = 0
  var upserted = 0
  var tick: UInt64 = 0

  var bytes: [UInt8] {
    var writer = WireWriter()
    writer.lengthDelimited(1, [])
    writer.lengthDelimited(2, Self.ids(keys))
    if !keys.isEmpty {
      var indexes = WireWriter()
      for index in keys.indices { indexes.rawVarint(UInt64(index)) }
      writer.lengthDelimited(3, indexes.bytes)
    }
    for (number, count) in [(UInt32(6), inserted), (7, deleted), (8, upserted)] where count > 0 {
      writer.varint(number, UInt64(count))
    }
    if tick > 0 { writer.varint(9, tick) }
    return writer.bytes
  }

  /// `schema.IDs`.
  static func ids(_ keys: [RowKey]) -> [UInt8] {
    var numbers = WireWriter(), texts = WireWriter()
    for key in keys {
      switch key {
      case .int(let value): numbers.rawVarint(UInt64(bitPattern: value))
      case .text(let bytes): texts.lengthDelimited(1, bytes)
      }
    }
    var writer = WireWriter()
    if !numbers.bytes.isEmpty {
      var list = WireWriter()
      list.lengthDelimited(1, numbers.bytes)
      writer.lengthDelimited(1, list.bytes)
    } else if !texts.bytes.isEmpty {
      writer.lengthDelimited(2, texts.bytes)
    }
    return writer.bytes
  }
}
