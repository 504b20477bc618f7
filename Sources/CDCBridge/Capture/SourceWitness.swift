internal import MilvusWire

/// Asks the source again before anything is deleted on the target: a key is deleted only when the source itself, looked at as it is now,
/// says that it has no such row. Nothing is concluded from an error, an empty page or a collection that is not loaded.
struct SourceWitness: Sendable {
  let cluster: any MilvusCluster
  let isLite: Bool
  let unit: RowUnit
  let key: FieldSchema
  let patience: Patience

  /// The keys that the source does not have.
  func absent(_ keys: [RowKey]) async throws(BridgeError) -> [RowKey] {
    do throws(CallError) {
      var present: Set<RowKey> = []
      var rest = keys[...]
      while let (expression, count) = KeyExpression.list(rest, field: key.name) {
        var query = RowQuery(path: unit.source, outputFields: [key.name])
        query.expression = expression
        query.partitions = partitions
        let asked = query
        let page = try await patience.call { () async throws(CallError) in try await cluster.queryLoaded(asked, isLite: isLite) }
        present.formUnion(try found(page))
        rest = rest.dropFirst(count)
      }
      if !isLite, keys.contains(.int(.max)), try await holdsMaximum() { present.insert(.int(.max)) }
      // Afterwards: whatever was made anew, dropped or released before or meanwhile shows now.
      try await checkIdentity()
      return keys.filter { !present.contains($0) }
    } catch {
      throw ReadFailure.call(error).bridgeError(side: .source, operation: operation)
    }
  }

  /// Whether the source has a row with the key that no query of Milvus returns; it is counted (`public-rpc.md` §8.3, 20).
  func holdsMaximum() async throws(CallError) -> Bool {
    try await patience.call { () async throws(CallError) in
      try await cluster.countLoaded(
        unit.source, expression: "\(key.name) == \(Int64.max)", partitions: partitions, isLite: isLite) > 0
    }
  }

  private var partitions: [String] { unit.sourcePartition.map { [$0] } ?? [] }
  private var operation: String { "look up rows of \(unit.source)" }

  /// The collection is the one that was scanned, and its partition exists. Lite has no ids: there the fields have to agree.
  private func checkIdentity() async throws(CallError) {
    let description = try await patience.call { () async throws(CallError) in
      try await cluster.describeCollection(unit.source)
    }
    let isSame = description.id == unit.sourceID && Self.shape(description.schema) == Self.shape(unit.sourceSchema)
    guard isSame else { throw Self.changed("the source collection was made anew") }
    if let partition = unit.sourcePartition {
      let names = try await patience.call { () async throws(CallError) in try await cluster.showPartitions(unit.source) }
      guard names.contains(where: { $0.name == partition }) else { throw Self.changed("the source partition is gone") }
    }
  }

  private static func shape(_ schema: CollectionSchema) -> [String] {
    schema.fields.map { "\($0.name) \($0.dataType.rawValue) \($0.elementType.rawValue) \($0.dimension ?? 0)" }
  }

  /// Said with the code for a missing collection, which every reader of errors takes as "look again".
  private static func changed(_ reason: String) -> CallError {
    .status(MilvusStatus(code: 100, reason: reason), method: "DescribeCollection")
  }

  private func found(_ page: RowPage) throws(CallError) -> [RowKey] {
    do {
      let columns = try RowColumns.parse(page, fields: [key], key: key.name)
      return (0..<columns.rowCount).map { columns.key.key($0) }
    } catch {
      throw .malformed(method: "Query", what: error.description)
    }
  }
}

/// Why a page could not be read.
enum ReadFailure: Error, Sendable {
  case call(CallError)
  case column(ColumnError)

  /// What it means to a pass.
  func bridgeError(side: BridgeError.Side, operation: String) -> BridgeError {
    switch self {
    case .column(let error):
      let cause = CallError.malformed(method: "Query", what: error.description)
      return BridgeError(cause, side: side, operation: operation)
    case .call(let cause):
      switch cause.milvusCode {
      case 100, 200:
        return BridgeError(.changedMeanwhile, side: side, operation: operation, message: cause.shown, cause: cause)
      case 101, 103, 201, 202:
        return BridgeError(
          side == .source ? .sourceUnreadable : .notReady, side: side, operation: operation,
          message: "the collection is not loaded", hint: side == .source ? "Load the collection on the source." : nil, cause: cause)
      case 65535 where cause.milvusReason.contains("partition name") && cause.milvusReason.contains("not found"):
        return BridgeError(.changedMeanwhile, side: side, operation: operation, message: cause.shown, cause: cause)
      default: return BridgeError(cause, side: side, operation: operation)
      }
    }
  }
}

/// Repeats a read for as long as the server says that it has too much to do: it did nothing, and saying it again costs nothing.
struct Patience: Sendable {
  let side: BridgeError.Side
  let isLite: Bool
  let clock: any Clock<Duration>
  let waits: @Sendable (RowPassReport.Waiting?) -> Void

  func call<T: Sendable>(_ body: @Sendable () async throws(CallError) -> T) async throws(CallError) -> T {
    var attempt = 0
    while true {
      do throws(CallError) {
        let result = try await body()
        if attempt > 0 { waits(nil) }
        return result
      } catch {
        // Codes below 100 mean other things on Lite, which is never rate limited (`public-rpc.md` §2.1).
        guard !isLite, error.milvusCode == 8 || error.milvusCode == 4 else { throw error }
        attempt += 1
        let delay = WriteQueue.delay(attempt: attempt)
        waits(
          RowPassReport.Waiting(side: side, reason: "the \(side.rawValue) limits the rate of reads", attempt: attempt, nextTryIn: delay))
        guard (try? await clock.sleep(for: delay)) != nil else { throw error }
      }
    }
  }
}
