internal import MilvusWire

/// Sends one write at a time as it is told to: encodes rows in the target's form and chooses the call (`public-rpc.md` §4.4, §4.8). What a
/// failure means is `WriteQueue`'s matter.
///
/// Rows that the target has, or may have, are written so that no key stands twice afterwards:
///
/// | Target                                           | Call                                                                      |
/// |--------------------------------------------------|---------------------------------------------------------------------------|
/// | Milvus                                           | Upsert                                                                    |
/// | Milvus before 2.5, collection with partition key | Delete, and when it is confirmed Insert: Upsert misplaces the rows there  |
/// | Lite                                             | Insert, which replaces the whole row; Upsert would merge into the old one |
///
/// Between Delete and Insert a row is missing on the target. Whatever ends the process there, the next pass finds it missing and writes it.
struct PublicRowSink: Sendable {
  /// Encoded bytes of one request; a single larger row goes out alone and the target decides.
  static let requestBytesMax = 8 << 20

  enum Replacing: Sendable, Equatable {
    case upsert, deleteThenInsert, insert
    init(_ schema: CollectionSchema, on target: ServerProfile) {
      if target.isLite {
        self = .insert
      } else {
        self = target.misplacesUpserts && schema.partitionKey != nil ? .deleteThenInsert : .upsert
      }
    }
  }

  let cluster: any MilvusCluster
  let isLite: Bool
  let replacing: Replacing
  let unit: RowUnit
  let plan: RowPlan
  /// Nothing of the target need be asked about.
  let isTargetEmpty: Bool
  /// Looks at what is about to leave, whatever made it: some columns destroy a server (`public-rpc.md` §8.1).
  let columnGuard: ColumnGuard

  func write(_ columns: RowColumns, _ selection: RowSelection, isUpdate: Bool, isUncertain: Bool) async -> WriteOutcome {
    let count = selection.count(of: columns.rowCount)
    guard count > 0 else { return .done(rows: 0, bytes: 0) }
    if let reason = unsendable(columns, selection) { return .unsendable(reason: reason) }
    var encoded: [[UInt8]] = []
    encoded.reserveCapacity(columns.columns.count)
    do throws(ColumnError) {
      for (column, form) in zip(columns.columns, plan.forms) { encoded.append(try column.encoded(selection, as: form)) }
    } catch {
      return outcome(of: error)
    }
    let bytes = encoded.reduce(0) { $0 + $1.count }
    if bytes > Self.requestBytesMax, count > 1 {
      return .failed(.rpc(RPCError(.resourceExhausted, "the batch is larger than one request", initiator: .local), method: "Insert"))
    }
    var batch = RowBatch(path: unit.target, columns: encoded, rowCount: count)
    batch.partition = unit.targetPartition ?? ""
    do throws(ColumnFault) { try columnGuard.check(batch) } catch { return dangerous(error.description) }
    do throws(CallError) {
      if !isLite, !isUpdate, !isTargetEmpty, containsMaximum(columns, selection), try await holdsMaximum() {
        return .unsendable(reason: "the target holds a row with the largest key, which it counts but never returns")
      }
      guard isUpdate || isUncertain, replacing != .insert else {
        _ = try await cluster.insert(batch)
        return .done(rows: count, bytes: bytes)
      }
      if replacing == .deleteThenInsert {
        let keys = columns.keys(selection)
        // Nothing is deleted that cannot be deleted whole: halving finds the row.
        guard keys.allSatisfy(KeyExpression.canBeNamed) else {
          return .unsendable(reason: "the smallest key cannot be named in the delete that has to come first")
        }
        try await remove(keys)
        _ = try await cluster.insert(batch)
      } else {
        _ = try await cluster.upsert(batch)
      }
      return .done(rows: count, bytes: bytes)
    } catch {
      return .failed(error)
    }
  }

  /// Keys that cannot be named in a list are the caller's to take out.
  func delete(_ keys: [RowKey]) async -> WriteOutcome {
    do throws(CallError) {
      try await remove(keys)
      return .done(rows: keys.count, bytes: 0)
    } catch {
      return .failed(error)
    }
  }

  private func remove(_ keys: [RowKey]) async throws(CallError) {
    var rest = keys[...]
    while let (expression, count) = KeyExpression.list(rest, field: plan.key.name) {
      _ = try await cluster.delete(unit.target, expression: expression, partition: unit.targetPartition ?? "")
      rest = rest.dropFirst(count)
    }
  }

  private func outcome(of error: ColumnError) -> WriteOutcome {
    switch error.code {
    case .nullRefused: .unsendable(reason: error.description)
    case .unsupported:
      .stopped(BridgeError(.targetUnsupported, side: .target, operation: "copy \(unit.source)", message: error.description))
    case .malformed: dangerous(error.description)
    }
  }

  private func dangerous(_ what: String) -> WriteOutcome {
    .stopped(
      BridgeError(
        .dangerousValue, side: .source, operation: "copy \(unit.source)", message: "\(what); the rows were not sent"))
  }

  // MARK: Values that a target would take and lose

  /// Lite puts the keys of `$meta` beside the static fields, where a key with the name of a field overwrites it, and forgets what is
  /// no object (`public-rpc.md` §4.5).
  private func unsendable(_ columns: RowColumns, _ selection: RowSelection) -> String? {
    guard isLite, let dynamic = columns.columns.last, dynamic.isDynamic else { return nil }
    switch selection {
    case .all: return (0..<columns.rowCount).lazy.compactMap { dynamicDanger(dynamic, $0) }.first
    case .rows(let rows): return rows.lazy.compactMap { dynamicDanger(dynamic, Int($0)) }.first
    }
  }

  private func dynamicDanger(_ column: Column, _ row: Int) -> String? {
    guard let text = column.bytes(row), !text.elementsEqual("{}".utf8) else { return nil }
    guard let members = (try? JSONParser.parse(Array(text)))?.objectValue else {
      return "the dynamic fields are no JSON object, which the target would forget"
    }
    for member in members.members where plan.staticNames.contains(member.key) {
      return "a dynamic field has the name of field \(member.key), which the target would overwrite"
    }
    return nil
  }

  /// A key that Milvus's Query never returns: an Insert could double it unseen (`public-rpc.md` §6.3).
  private func containsMaximum(_ columns: RowColumns, _ selection: RowSelection) -> Bool {
    guard plan.key.dataType == .int64 else { return false }
    switch selection {
    case .all: return (0..<columns.rowCount).contains { columns.key.compare($0, .int(.max)) == 0 }
    case .rows(let rows): return rows.contains { columns.key.compare(Int($0), .int(.max)) == 0 }
    }
  }

  private func holdsMaximum() async throws(CallError) -> Bool {
    try await cluster.countLoaded(
      unit.target, expression: "\(plan.key.name) == \(Int64.max)", partitions: unit.targetPartition.map { [$0] } ?? [], isLite: isLite) > 0
  }
}
