// Rows (`public-rpc.md` §4.8, §5, §6.2).

extension MilvusClient {
  package func query(_ query: RowQuery) async throws(CallError) -> RowPage {
    try await call(
      "Query", timeout: deadlines.pages, hiding: query.expression,
      { () throws(ProtobufError) in try RowsCodec.query(query) }, RowsCodec.page)
  }

  package func count(_ path: CollectionPath, expression: String, partitions: [String]) async throws(CallError)
    -> Int64
  {
    // With a limit servers refuse count(*).
    var query = RowQuery(path: path, outputFields: ["count(*)"])
    query.expression = expression
    query.partitions = partitions
    return try await call(
      "Query", timeout: deadlines.pages, hiding: expression,
      { () throws(ProtobufError) in try RowsCodec.query(query) },
      { (answer) throws(ProtobufError) in try RowsCodec.count(RowsCodec.page(answer)) })
  }

  package func insert(_ batch: RowBatch) async throws(CallError) -> MutationCounts {
    try await call(
      "Insert", timeout: deadlines.rows, { () throws(ProtobufError) in try RowsCodec.mutation(batch) },
      RowsCodec.counts)
  }

  package func upsert(_ batch: RowBatch) async throws(CallError) -> MutationCounts {
    try await call(
      "Upsert", timeout: deadlines.rows, { () throws(ProtobufError) in try RowsCodec.mutation(batch) },
      RowsCodec.counts)
  }

  package func delete(_ path: CollectionPath, expression: String, partition: String) async throws(CallError)
    -> MutationCounts
  {
    try await call(
      "Delete", timeout: deadlines.rows, hiding: expression,
      { () throws(ProtobufError) in
        try RowsCodec.delete(path, expression: expression, partition: partition)
      }, RowsCodec.counts)
  }

  package func flush(_ path: CollectionPath) async throws(CallError) {
    try await perform("Flush") { () throws(ProtobufError) in try RowsCodec.flush(path) }
  }
}
