internal import MilvusWire

/// The rows of one delivery of a log for one collection: all deletes take effect before all inserts (`wal-protocol.md` §4.2).
struct LogRowChange<Rows: Sendable>: Sendable {
  struct Delete: Sendable {
    var keys: [RowKey]
    /// nil: every partition of the collection.
    var partition: String?
  }
  struct Insert: Sendable {
    var rows: Rows
    /// Of each row, in the order of the rows.
    var keys: [RowKey]
    var partition: String?
  }
  /// What is confirmed when this has taken effect.
  var receipt: LogReceipt
  var tick: TimeTick
  var bytes: Int
  /// It may have been applied before (D16): only writes that a repeat cannot double may follow.
  var isUncertain: Bool
  var deletes: [Delete]
  var inserts: [Insert]
  /// Keys that stay on the target as they are, whatever the log says of them.
  var kept: Set<RowKey> = []

  var rowCount: Int { inserts.reduce(0) { $0 + $1.keys.count } + deletes.reduce(0) { $0 + $1.keys.count } }

  mutating func leaveOut(_ partitions: Set<String>) {
    deletes.removeAll { $0.partition.map(partitions.contains) ?? false }
    inserts.removeAll { $0.partition.map(partitions.contains) ?? false }
  }

  func forEachKey(_ body: (RowKey) -> Void) {
    for insert in inserts { for key in insert.keys { body(key) } }
    for delete in deletes { for key in delete.keys { body(key) } }
  }
}

/// The keys of a batch, as little of them as it takes to tell that another batch has none of them: mostly their range is enough, because
/// applications write keys in some order.
struct BatchKeys: Sendable {
  private let range: ClosedRange<RowKey>?
  private var set: Set<RowKey>?

  init<Rows>(_ changes: [LogRowChange<Rows>]) {
    var lowest: RowKey?
    var highest: RowKey?
    for change in changes {
      change.forEachKey { key in
        guard let low = lowest, let high = highest else {
          (lowest, highest) = (key, key)
          return
        }
        if key < low { lowest = key } else if high < key { highest = key }
      }
    }
    if let lowest, let highest { range = lowest...highest } else { range = nil }
  }

  func mayMeet(_ other: BatchKeys) -> Bool {
    guard let range, let others = other.range else { return false }
    return range.overlaps(others)
  }

  /// Every key, made once; `changes` are those of `init`.
  mutating func all<Rows>(of changes: [LogRowChange<Rows>]) -> Set<RowKey> {
    if let set { return set }
    var keys = Set<RowKey>(minimumCapacity: changes.reduce(0) { $0 + $1.rowCount })
    for change in changes { change.forEachKey { keys.insert($0) } }
    set = keys
    return keys
  }
}

/// A delivery that waits to be confirmed: the pchannel's ledger and the number in it.
struct LogReceipt: Sendable, Hashable {
  var pchannel: String
  var number: Int
}

/// Several changes of one collection as one write: deletes first, then the inserts that remain. Pure.
///
/// A delete cancels earlier inserts of its key in the batch. Inserts that repeat a key without a delete between them stay repeated, as
/// Milvus keeps them (D16). A key that is deleted and then inserted once becomes one replacing write where such a write reaches the same rows.
struct RowBatchPlan<Rows: Sendable>: Sendable {
  struct Write: Sendable {
    var rows: Rows
    var selection: RowSelection
    var partition: String?
    /// The target may have a row of each key, which goes: Upsert.
    var isReplacing: Bool
  }
  private(set) var receipts: [LogReceipt] = []
  private(set) var deletes: [LogRowChange<Rows>.Delete] = []
  private(set) var writes: [Write] = []
  private(set) var isUncertain = false
  /// Inserts have to wait until the deletes are confirmed.
  private(set) var deletesFirst = false
  private(set) var bytes = 0
  private(set) var lastTick = TimeTick(0)

  /// `upsertReachesAll`: an Upsert replaces a row in whatever partition it lies (partition key, or one partition only).
  init(_ changes: [LogRowChange<Rows>], upsertReachesAll: Bool) {
    isUncertain = changes.contains(where: \.isUncertain)
    receipts = changes.map(\.receipt)
    bytes = changes.reduce(0) { $0 + $1.bytes }
    lastTick = changes.map(\.tick).max() ?? TimeTick(0)
    guard changes.contains(where: { !$0.deletes.isEmpty || !$0.kept.isEmpty }) else {
      for insert in changes.lazy.flatMap(\.inserts) where !insert.keys.isEmpty {
        writes.append(Write(rows: insert.rows, selection: .all, partition: insert.partition, isReplacing: false))
      }
      return
    }
    merge(changes, upsertReachesAll: upsertReachesAll)
  }

  private struct Place: Hashable {
    var insert: Int
    var row: Int32
  }

  private mutating func merge(_ changes: [LogRowChange<Rows>], upsertReachesAll: Bool) {
    var inserts: [LogRowChange<Rows>.Insert] = []
    /// Rows that still stand, by key.
    var standing: [RowKey: [Place]] = [:]
    /// Partitions from which a key is deleted; nil in the set: from all.
    var doomed: [RowKey: Set<String?>] = [:]
    /// Keys in the order of their first delete.
    var order: [RowKey] = []
    for change in changes {
      for delete in change.deletes {
        for key in delete.keys where !change.kept.contains(key) {
          standing[key]?.removeAll { delete.partition == nil || inserts[$0.insert].partition == delete.partition }
          if doomed[key] == nil { order.append(key) }
          doomed[key, default: []].insert(delete.partition)
        }
      }
      for insert in change.inserts {
        for (row, key) in insert.keys.enumerated() where !change.kept.contains(key) {
          standing[key, default: []].append(Place(insert: inserts.count, row: Int32(clamping: row)))
        }
        inserts.append(insert)
      }
    }
    var replacing: Set<Place> = []
    for (key, partitions) in doomed {
      guard let places = standing[key], places.count == 1, let place = places.first else { continue }
      let reaches = upsertReachesAll || partitions == [inserts[place.insert].partition]
      guard reaches else { continue }
      replacing.insert(place)
      doomed[key] = nil
    }
    deletes = Self.grouped(order, doomed)
    deletesFirst = doomed.keys.contains { standing[$0]?.isEmpty == false }
    addWrites(inserts, standing, replacing)
  }

  private static func grouped(
    _ order: [RowKey], _ doomed: [RowKey: Set<String?>]
  ) -> [LogRowChange<Rows>.Delete] {
    var byPartition: [String?: [RowKey]] = [:]
    for key in order {
      guard let partitions = doomed[key] else { continue }
      // From everywhere covers from one.
      for partition in partitions.contains(nil) ? [nil] : partitions { byPartition[partition, default: []].append(key) }
    }
    return byPartition.sorted { ($0.key ?? "") < ($1.key ?? "") }.map {
      LogRowChange<Rows>.Delete(keys: $0.value, partition: $0.key)
    }
  }

  private mutating func addWrites(
    _ inserts: [LogRowChange<Rows>.Insert], _ standing: [RowKey: [Place]], _ replacing: Set<Place>
  ) {
    var plain: [[Int32]] = Array(repeating: [], count: inserts.count)
    var updates: [[Int32]] = Array(repeating: [], count: inserts.count)
    for place in standing.values.joined() {
      if replacing.contains(place) { updates[place.insert].append(place.row) } else { plain[place.insert].append(place.row) }
    }
    for (at, insert) in inserts.enumerated() {
      for (rows, isReplacing) in [(plain[at], false), (updates[at], true)] where !rows.isEmpty {
        writes.append(
          Write(
            rows: insert.rows, selection: rows.count == insert.keys.count ? .all : .rows(rows.sorted()),
            partition: insert.partition, isReplacing: isReplacing))
      }
    }
  }
}
