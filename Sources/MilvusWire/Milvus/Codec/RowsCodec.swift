internal import CProtobuf

/// Row requests and answers. Columns pass as bytes: they are neither decoded nor encoded here (D3).
///
/// Requests are written by hand: a key may hold a NUL, so an expression may, and protobuf-c would cut it
/// there.
enum RowsCodec {
  /// `public-rpc.md` §6.2. The numbers of query_params are texts, its flags Go booleans.
  static func query(_ query: RowQuery) throws(ProtobufError) -> [UInt8] {
    if let limit = query.limit, limit <= 0 {
      // Lite answers one row to a limit of 0.
      throw ProtobufError(.refused, "limit is \(limit)")
    }
    var writer = try begin(query.path)
    writer.text(4, query.expression)
    for field in query.outputFields { writer.string(5, field) }
    for partition in query.partitions { writer.string(6, partition) }
    if case .at(let tick) = query.consistency { writer.number(8, tick.rawValue) }
    for parameter in parameters(of: query) { writer.lengthDelimited(9, pair(parameter)) }
    switch query.consistency {
    case .strong: writer.number(11, strong)
    case .at: writer.number(11, customized)
    }
    return writer.bytes
  }

  /// `common.ConsistencyLevel`.
  private static let strong: UInt64 = 0
  private static let customized: UInt64 = 4

  private static func parameters(of query: RowQuery) -> [KeyValuePair] {
    var parameters: [KeyValuePair] = []
    if let limit = query.limit { parameters.append(KeyValuePair("limit", String(limit))) }
    if query.isScan {
      parameters.append(KeyValuePair("iterator", "True"))
      parameters.append(KeyValuePair("reduce_stop_for_best", "True"))
    }
    return parameters
  }

  /// Walks the top level of `QueryResults`: columns stay where they arrived.
  static func page(_ answer: [UInt8]) throws(ProtobufError) -> RowPage {
    var reader = WireReader(answer)
    var columns: [Range<Int>] = []
    var sessionTimestamp: UInt64 = 0
    while let field = try reader.next() {
      switch (field.number, field.content) {
      case (2, .lengthDelimited(let range)): columns.append(range)
      case (2, _): throw ProtobufError(.wrongType, "QueryResults.fields_data is not a message")
      case (5, .varint(let value)): sessionTimestamp = value
      default: break
      }
    }
    var page = RowPage(bytes: answer, columns: columns)
    page.sessionTimestamp = TimeTick(sessionTimestamp)
    return page
  }

  /// The one number of a `count(*)` answer: FieldData.scalars (3), ScalarField.long_data (3), LongArray.data
  /// (1).
  static func count(_ page: RowPage) throws(ProtobufError) -> Int64 {
    for column in page.columns {
      guard try name(of: column, in: page) == "count(*)" else { continue }
      guard let scalars = try last(3, of: column, in: page), let longs = try last(3, of: scalars, in: page)
      else { break }
      var reader = WireReader(page.bytes, in: longs)
      guard let field = try reader.next(), field.number == 1, try reader.next() == nil else { break }
      switch field.content {
      case .varint(let value): return Int64(bitPattern: value)
      case .lengthDelimited(let packed):
        var numbers = WireReader(page.bytes, in: packed)
        let value = try numbers.varint()
        if numbers.isAtEnd { return Int64(bitPattern: value) }
      case .fixed32, .fixed64: break
      }
    }
    throw ProtobufError(.malformed, "the answer has no single number in a column count(*)")
  }

  private static func name(of column: Range<Int>, in page: RowPage) throws(ProtobufError) -> String? {
    guard let range = try last(2, of: column, in: page) else { return nil }
    return WireReader(page.bytes).text(range)
  }

  private static func last(_ number: UInt32, of message: Range<Int>, in page: RowPage) throws(ProtobufError)
    -> Range<Int>?
  {
    var reader = WireReader(page.bytes, in: message)
    var found: Range<Int>?
    while let field = try reader.next() {
      if field.number == number, let range = field.range { found = range }
    }
    return found
  }

  /// `InsertRequest` or `UpsertRequest`: the fields that the bridge sends have the same numbers in both
  /// (`public-rpc.md` §4.8). The columns are copied once, into memory of the exact size.
  static func mutation(_ batch: RowBatch) throws(ProtobufError) -> [UInt8] {
    guard let rowCount = UInt32(exactly: batch.rowCount), rowCount > 0, !batch.columns.isEmpty else {
      throw ProtobufError(.refused, "\(batch.rowCount) rows in \(batch.columns.count) columns")
    }
    var size = WireWriter.lengthDelimitedBytes(2, count: batch.path.database.utf8.count)
    size += WireWriter.lengthDelimitedBytes(3, count: batch.path.name.utf8.count)
    size += WireWriter.lengthDelimitedBytes(4, count: batch.partition.utf8.count)
    for column in batch.columns { size += WireWriter.lengthDelimitedBytes(5, count: column.count) }
    size += 1 + WireWriter.varintBytes(UInt64(rowCount))
    var writer = try begin(batch.path, capacity: size)
    writer.text(4, batch.partition)
    for column in batch.columns { writer.lengthDelimited(5, column) }
    writer.varint(7, UInt64(rowCount))
    return writer.bytes
  }

  static func delete(_ path: CollectionPath, expression: String, partition: String) throws(ProtobufError)
    -> [UInt8]
  {
    guard !expression.allSatisfy(\.isWhitespace) else { throw ProtobufError(.refused, "expr is empty") }
    var writer = try begin(path)
    writer.text(4, partition)
    writer.string(5, expression)
    return writer.bytes
  }

  static func flush(_ path: CollectionPath) throws(ProtobufError) -> [UInt8] {
    try Requests.inDatabase(Milvus__FlushRequest.self, path.database) {
      (message, arena) throws(ProtobufError) in
      (message.n_collection_names, message.collection_names) = try arena.names(
        [path.name], "collection_names")
    }
  }

  /// The counts of `MutationResult`; its keys, as many as rows, are skipped.
  static func counts(_ answer: [UInt8]) throws(ProtobufError) -> MutationCounts {
    var reader = WireReader(answer)
    var counts = MutationCounts()
    while let field = try reader.next() {
      guard let value = field.varint else { continue }
      switch field.number {
      case 6: counts.inserted = Int64(bitPattern: value)
      case 7: counts.deleted = Int64(bitPattern: value)
      case 8: counts.upserted = Int64(bitPattern: value)
      default: break
      }
    }
    return counts
  }

  /// The fields that every row request begins with: db_name (2) and collection_name (3).
  private static func begin(_ path: CollectionPath, capacity: Int = 0) throws(ProtobufError) -> WireWriter {
    guard !path.name.isEmpty else { throw ProtobufError(.refused, "collection_name is empty") }
    var writer = WireWriter(capacity: capacity)
    writer.string(2, path.database)
    writer.string(3, path.name)
    return writer
  }

  private static func pair(_ pair: KeyValuePair) -> [UInt8] {
    var writer = WireWriter()
    writer.text(1, pair.key)
    writer.text(2, pair.value)
    return writer.bytes
  }
}

extension WireWriter {
  /// A singular string: the empty one is not sent (proto3).
  fileprivate mutating func text(_ number: UInt32, _ text: String) {
    if !text.isEmpty { string(number, text) }
  }
  /// A singular number: zero is not sent (proto3).
  fileprivate mutating func number(_ number: UInt32, _ value: UInt64) {
    if value != 0 { varint(number, value) }
  }
}
