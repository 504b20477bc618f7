import MilvusWire
import TestSupport
import Testing

@testable import CDCBridge

/// What a Milvus makes of writes: repeated keys stay, a delete takes all of its key in its scope.
private struct ModelTarget: Equatable {
  struct Place: Hashable {
    var partition: String
    var key: RowKey
  }
  var rows: [Place: [Int]] = [:]

  mutating func delete(_ keys: [RowKey], _ partition: String?) {
    for place in rows.keys where keys.contains(place.key) && (partition == nil || place.partition == partition) {
      rows[place] = nil
    }
  }
  mutating func insert(_ key: RowKey, _ value: Int, _ partition: String?) {
    rows[Place(partition: partition ?? "", key: key), default: []].append(value)
  }
  mutating func apply(_ change: LogRowChange<[Int]>) {
    for delete in change.deletes { self.delete(delete.keys, delete.partition) }
    for insert in change.inserts {
      for (key, value) in zip(insert.keys, insert.rows) { self.insert(key, value, insert.partition) }
    }
  }
  /// A batch as the target gets it.
  mutating func apply(_ plan: RowBatchPlan<[Int]>, keys: [Int: RowKey], upsertReachesAll: Bool) {
    for delete in plan.deletes { self.delete(delete.keys, delete.partition) }
    for write in plan.writes {
      let chosen: [Int] =
        switch write.selection {
        case .all: write.rows
        case .rows(let rows): rows.map { write.rows[Int($0)] }
        }
      let pairs = chosen.compactMap { value in keys[value].map { ($0, value) } }
      if write.isReplacing { delete(pairs.map(\.0), upsertReachesAll ? nil : write.partition) }
      for (key, value) in pairs { insert(key, value, write.partition) }
    }
  }
  var sorted: [Place: [Int]] { rows.mapValues { $0.sorted() } }
}

@Suite struct RowCoalescingTests {
  private typealias Change = LogRowChange<[Int]>

  private static func change(
    _ number: Int, deletes: [Change.Delete] = [], inserts: [Change.Insert] = [], isUncertain: Bool = false
  ) -> Change {
    Change(
      receipt: LogReceipt(pchannel: "p", number: number), tick: TimeTick(UInt64(number)), bytes: 10,
      isUncertain: isUncertain, deletes: deletes, inserts: inserts)
  }

  @Test func `a delete cancels earlier inserts of its key, and goes out before the rest`() {
    let plan = RowBatchPlan(
      [
        Self.change(1, inserts: [Change.Insert(rows: [10, 20], keys: [.int(1), .int(2)])]),
        Self.change(2, deletes: [Change.Delete(keys: [.int(1), .int(9)])]),
        Self.change(3, inserts: [Change.Insert(rows: [30], keys: [.int(3)])]),
      ], upsertReachesAll: true)
    #expect(plan.deletes.map(\.keys) == [[.int(1), .int(9)]])
    #expect(plan.writes.map(\.rows) == [[10, 20], [30]])
    #expect(plan.writes.first?.selection == .rows([1]))
    #expect(!plan.deletesFirst, "no key is both deleted and inserted")
    #expect(plan.receipts.map(\.number) == [1, 2, 3])
  }

  @Test func `an upsert is one replacing write, where that reaches the row`() {
    let upsert = [
      Self.change(
        1, deletes: [Change.Delete(keys: [.int(1)])],
        inserts: [Change.Insert(rows: [10], keys: [.int(1)], partition: "a")])
    ]
    let reaching = RowBatchPlan(upsert, upsertReachesAll: true)
    #expect(reaching.deletes.isEmpty)
    #expect(reaching.writes.map(\.isReplacing) == [true])
    let notReaching = RowBatchPlan(upsert, upsertReachesAll: false)
    #expect(notReaching.deletes.map(\.keys) == [[.int(1)]])
    #expect(notReaching.writes.map(\.isReplacing) == [false])
    #expect(notReaching.deletesFirst)
  }

  @Test func `keys that are kept are neither written nor deleted`() {
    var first = Self.change(
      1, deletes: [Change.Delete(keys: [.int(1), .int(2)])], inserts: [Change.Insert(rows: [30, 40], keys: [.int(3), .int(4)])])
    first.kept = [.int(2), .int(3)]
    let plan = RowBatchPlan([first], upsertReachesAll: true)
    #expect(plan.deletes.map(\.keys) == [[.int(1)]])
    #expect(plan.writes.map(\.selection) == [.rows([1])])
    // Without a delete too.
    var second = Self.change(2, inserts: [Change.Insert(rows: [10, 20], keys: [.int(1), .int(2)])])
    second.kept = [.int(1), .int(2)]
    #expect(RowBatchPlan([second], upsertReachesAll: true).writes.isEmpty)
    #expect(RowBatchPlan([second], upsertReachesAll: true).receipts.map(\.number) == [2])
  }

  @Test func `repeated inserts of a key stay repeated`() {
    let plan = RowBatchPlan(
      [
        Self.change(1, inserts: [Change.Insert(rows: [10], keys: [.int(1)])]),
        Self.change(2, inserts: [Change.Insert(rows: [11], keys: [.int(1)])]),
      ], upsertReachesAll: true)
    #expect(plan.writes.map(\.rows) == [[10], [11]])
    #expect(plan.writes.allSatisfy { $0.selection == .all && !$0.isReplacing })
  }

  /// Random changes over a few keys, by themselves and through a flow with batches side by side that end in any order.
  @Test(arguments: 0..<60) func `any history comes to the same rows`(_ seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    let partitions: [String?] = seed % 3 == 0 ? [""] : ["a", "b"]
    let reachesAll = partitions.count == 1
    var keys: [Int: RowKey] = [:]
    var value = 0
    var wanted = ModelTarget()
    var flow = RowFlow<[Int]>(limits: RowFlow.Limits(batchesMax: 3, rowsMax: 8, bytesMax: 1_000))
    var target = ModelTarget()
    var flying: [(number: Int, plan: RowBatchPlan<[Int]>)] = []
    var confirmed: Set<Int> = []
    var touched: [Int: Set<RowKey>] = [:]

    func randomKeys() -> [RowKey] {
      (0..<Int.random(in: 1...3, using: &random)).map { _ in .int(Int64.random(in: 0..<8, using: &random)) }
    }
    func randomChange(_ number: Int) -> Change {
      var change = Self.change(number)
      if Bool.random(using: &random) {
        change.deletes = [
          Change.Delete(
            keys: randomKeys(), partition: Bool.random(using: &random) ? nil : partitions.randomElement(using: &random) ?? nil)
        ]
      }
      if change.deletes.isEmpty || Bool.random(using: &random) {
        let chosen = randomKeys()
        change.inserts = [
          Change.Insert(
            rows: chosen.map { key in
              value += 1
              keys[value] = key
              return value
            }, keys: chosen, partition: partitions.randomElement(using: &random) ?? nil)
        ]
      }
      return change
    }
    func keysOf(_ plan: RowBatchPlan<[Int]>) -> Set<RowKey> {
      plan.receipts.reduce(into: []) { $0.formUnion(touched[$1.number] ?? []) }
    }
    func finishOne() {
      let chosen = flying.remove(at: Int.random(in: 0..<flying.count, using: &random))
      for receipt in flow.confirmed(chosen.number) { #expect(confirmed.insert(receipt.number).inserted) }
    }
    for number in 1...200 {
      let change = randomChange(number)
      change.forEachKey { touched[number, default: []].insert($0) }
      wanted.apply(change)
      flow.add(change)
      while Int.random(in: 0..<3, using: &random) > 0 {
        if let next = flow.next(upsertReachesAll: reachesAll) {
          // Batches beside each other share no key, so that the instant of their effect is free.
          target.apply(next.plan, keys: keys, upsertReachesAll: reachesAll)
          flying.append(next)
        } else if !flying.isEmpty {
          finishOne()
        } else {
          break
        }
      }
    }
    while !flow.isEmpty {
      while let next = flow.next(upsertReachesAll: reachesAll) {
        #expect(flying.allSatisfy { keysOf($0.plan).isDisjoint(with: keysOf(next.plan)) })
        target.apply(next.plan, keys: keys, upsertReachesAll: reachesAll)
        flying.append(next)
      }
      finishOne()
    }
    #expect(target.sorted == wanted.sorted)
    #expect(confirmed == Set(1...200))
  }

  @Test func `a rewound flow sends everything again, in order and uncertain`() {
    var flow = RowFlow<[Int]>(limits: RowFlow.Limits(batchesMax: 4, rowsMax: 1))
    for number in 1...3 {
      flow.add(Self.change(number, inserts: [Change.Insert(rows: [number], keys: [.int(Int64(number))])]))
    }
    let first = flow.next(upsertReachesAll: true)
    let second = flow.next(upsertReachesAll: true)
    #expect(second?.plan.receipts.map(\.number) == [2])
    let confirmed = flow.confirmed(second?.number ?? 0)
    #expect(confirmed.map(\.number) == [2])
    flow.rewind()
    let again = flow.next(upsertReachesAll: true)
    #expect(again?.plan.receipts == first?.plan.receipts)
    #expect(again?.plan.isUncertain == true)
    let third = flow.next(upsertReachesAll: true)
    #expect(third?.plan.receipts.map(\.number) == [3])
    #expect(third?.plan.isUncertain == false)
    let given = flow.abandon()
    #expect(given.map(\.number) == [1, 3])
    #expect(flow.isEmpty)
  }
}
