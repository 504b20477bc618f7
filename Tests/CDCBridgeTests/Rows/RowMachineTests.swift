@testable import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// The pure parts of the row engine, each as a transcript.
@Suite struct RowMachineTests {
  static func page(_ keys: [Int64], values: [Int64]? = nil) throws -> RowColumns {
    var key = FieldSchema(name: "id", dataType: .int64)
    key.isPrimaryKey = true
    let value = FieldSchema(name: "v", dataType: .int64)
    let a = FakeColumn.encode(key, keys.map { .int($0) })
    let b = FakeColumn.encode(value, (values ?? keys).map { .int($0) })
    return try RowColumns.parse(
      RowPage(bytes: a + b, columns: [0..<a.count, a.count..<a.count + b.count]), fields: [key, value], key: "id")
  }

  // MARK: Page size

  @Test func `the page size follows the rows and comes back slowly after an answer that was too large`() {
    var sizer = PageSizer(pageBytes: 1_000_000, estimatedRowBytes: 100)
    #expect(sizer.rows == 10_000)
    sizer.received(rows: 10_000, bytes: 10_000_000, took: .milliseconds(300))
    #expect(sizer.rows == 1_000, "larger rows count at once")
    sizer.received(rows: 1_000, bytes: 100_000, took: .milliseconds(300))
    #expect(sizer.rows == 1_818, "smaller ones slowly")
    let canBeSmaller = sizer.answerWasTooLarge()
    #expect(canBeSmaller && sizer.rows == 909)
    sizer.received(rows: 909, bytes: 90_900, took: .milliseconds(300))
    #expect(sizer.rows == 1_136)
    for _ in 0..<20 { _ = sizer.answerWasTooLarge() }
    let isEnd = !sizer.answerWasTooLarge()
    #expect(sizer.rows == 1 && isEnd, "one row is the end")
  }

  @Test(arguments: [(4, 16_384), (1 << 20, 4), (1 << 30, 1), (Int.max, 1)])
  func `the page size stays within what a server takes`(rowBytes: Int, rows: Int) {
    #expect(PageSizer(pageBytes: 4 << 20, estimatedRowBytes: rowBytes).rows == rows)
  }

  @Test func `a slow server is asked for larger pages, up to a limit, and for smaller ones when it is quick again`() {
    var sizer = PageSizer(pageBytes: 1 << 20, estimatedRowBytes: 4_096)
    for _ in 0..<10 { sizer.received(rows: 100, bytes: 409_600, took: .seconds(2)) }
    #expect(sizer.rows == PageSizer.slowPageBytesMax / 4_096 && sizer.isSlow)
    for _ in 0..<10 { sizer.received(rows: 100, bytes: 409_600, took: .milliseconds(5)) }
    #expect(sizer.rows == 256 && !sizer.isSlow)
  }

  // MARK: Scan

  private func scan(startAfter: RowKey? = nil) -> OrderedScan {
    OrderedScan(
      path: CollectionPath(database: "", name: "c"), partition: "p", key: FieldSchema(name: "id", dataType: .int64),
      outputFields: ["id", "v"], consistency: .strong, pageBytes: 100, estimatedRowBytes: 10, startAfter: startAfter)
  }

  @Test func `a scan begins without an expression, goes on after the largest key and ends on an empty page only`() throws {
    var scan = scan()
    #expect(scan.nextQuery.expression == "" && scan.nextQuery.isScan && scan.nextQuery.partitions == ["p"])
    #expect(scan.nextQuery.limit == 6 && scan.nextQuery.outputFields == ["id", "v"])
    let first = try scan.received(Self.page([5, -3, 9, 5]), took: .zero)
    let page = try #require(first)
    #expect((0..<page.count).map { page.key($0) } == [.int(-3), .int(5), .int(9)])
    #expect(page.foldedCount == 1)
    #expect(scan.nextQuery.expression == "id > 9")
    let short = try scan.received(Self.page([10]), took: .zero)
    #expect(short?.count == 1 && !scan.isEnded, "a short page is not the end")
    let last = try scan.received(Self.page([]), took: .zero)
    let isLast = last == nil
    #expect(isLast && scan.isEnded)
  }

  @Test func `nothing is asked for after the largest key`() throws {
    var scan = scan()
    _ = try scan.received(Self.page([1, .max]), took: .zero)
    #expect(scan.isEnded)
  }

  @Test func `rows that were not asked for are an error, not an endless loop`() throws {
    var scan = scan(startAfter: .int(7))
    #expect(scan.nextQuery.expression == "id > 7")
    let page = try Self.page([7, 8])
    do {
      _ = try scan.received(page, took: .zero)
      Issue.record("the rows were taken")
    } catch { #expect(error.code == .malformed) }
  }

  // MARK: Merge

  @Test func `a merge tells every key once and asks for no page of a side that has ended`() throws {
    var merge = RowMerge()
    func expectNothing(_ why: Comment) {
      let isNone = merge.next() == nil
      #expect(isNone, why)
    }
    expectNothing("no page is there")
    merge.receive(ScanPage(try Self.page([1, 2, 4])), from: .source)
    expectNothing("the target may have smaller keys")
    merge.receive(ScanPage(try Self.page([0, 2, 3], values: [0, 20, 3])), from: .target)
    expectNothing("the target may have a 4")
    #expect(merge.wantsPage(.source, readsAhead: true) && !merge.wantsPage(.source, readsAhead: false))
    merge.receive(nil, from: .target)
    var given = merge.next()
    let first = try #require(given)
    #expect(first.sourceOnly == [0, 2] && first.different == [1] && first.equalCount == 0)
    #expect(first.targetOnly == [.int(0), .int(3)] && first.through == .int(4))
    #expect(!merge.wantsPage(.target, readsAhead: true))
    merge.receive(ScanPage(try Self.page([7, 9])), from: .source)
    given = merge.next()
    let second = try #require(given)
    #expect(second.sourceOnly == [0, 1] && second.isWholePageNew && second.through == .int(9))
    merge.receive(nil, from: .source)
    expectNothing("all has been told")
    #expect(merge.isFinished)
  }

  @Test func `very many keys of the target alone come out in pieces`() throws {
    var merge = RowMerge()
    merge.receive(nil, from: .source)
    merge.receive(ScanPage(try Self.page(Array(0..<2_500))), from: .target)
    merge.receive(nil, from: .target)
    var counts: [Int] = []
    while let stretch = merge.next() {
      counts.append(stretch.targetOnly.count)
      #expect(stretch.through == stretch.targetOnly.last)
    }
    #expect(counts == [1_000, 1_000, 500] && merge.isFinished)
  }

  // MARK: Progress

  @Test func `progress moves in the order of the keys, whatever is confirmed first`() {
    var progress = ConfirmedProgress(startAfter: .int(0))
    let a = progress.add(through: .int(10), open: 2), b = progress.add(through: .int(20), open: 1)
    let c = progress.add(through: nil, open: 0)
    progress.closed(b)
    #expect(progress.through == .int(0))
    progress.opened(2, of: a)
    for _ in 0..<3 { progress.closed(a) }
    #expect(progress.through == .int(0))
    progress.closed(a)
    #expect(progress.through == .int(20))
    _ = c
    _ = progress.add(through: .int(30), open: 0)
    #expect(progress.through == .int(30))
  }

  // MARK: Writes

  private func queue(inFlight: Int = 2) -> WriteQueue {
    WriteQueue(
      collection: "c", policy: ErrorPolicy(sourceIsLite: true, targetIsLite: false), inFlightMax: inFlight, refusedRowsMax: 3)
  }
  private func sent(_ queue: inout WriteQueue) -> WriteJob? {
    if case .send(let job) = queue.next() { job } else { nil }
  }
  private func job(_ queue: inout WriteQueue) throws -> WriteJob {
    let job = sent(&queue)
    return try #require(job)
  }
  private func isQuiet(_ queue: inout WriteQueue) -> Bool { sent(&queue) == nil }
  private static let away = CallError.rpc(RPCError(.unavailable, "refused", initiator: .connection, isUnsent: true), method: "Insert")
  private static let dropped = CallError.rpc(RPCError(.unavailable, "reset", initiator: .connection), method: "Insert")

  @Test func `a refused connection pauses all writes, longer each time, and one goes ahead`() throws {
    var queue = queue()
    for _ in 0..<3 { queue.add(.delete([.int(1)]), stretches: [], isUncertain: false) }
    let a = try job(&queue), b = try job(&queue)
    var quiet = isQuiet(&queue)
    #expect(quiet && queue.isFull)
    for job in [a, b] {
      let isOpen = queue.finished(job, .failed(Self.away)) == nil
      #expect(isOpen)
    }
    guard case .pause(.milliseconds(100), _, 1) = queue.next() else { Issue.record("no pause"); return }
    quiet = isQuiet(&queue)
    #expect(quiet)
    queue.pauseEnded()
    let again = try job(&queue)
    quiet = isQuiet(&queue)
    #expect(!again.isUncertain && quiet, "one goes ahead")
    _ = queue.finished(again, .failed(Self.away))
    guard case .pause(.milliseconds(200), _, 2) = queue.next() else { Issue.record("no pause"); return }
    queue.pauseEnded()
    let last = try job(&queue)
    let settled = queue.finished(last, .done(rows: 1, bytes: 0))
    #expect(settled?.confirmed?.rows == 1)
    // All go again.
    _ = try job(&queue)
    _ = try job(&queue)
  }

  @Test func `the wait doubles up to ten seconds`() {
    #expect(
      (1...9).map { WriteQueue.delay(attempt: $0) } == [100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000].map { .milliseconds($0) })
    #expect(WriteQueue.delay(attempt: .max) == .seconds(10))
  }

  @Test func `jobs that were out when the connection broke go out one at a time until three breaks name one`() throws {
    var queue = queue()
    for key in [1, 2] as [Int64] { queue.add(.delete([.int(key)]), stretches: [], isUncertain: false) }
    let a = try job(&queue), b = try job(&queue)
    _ = queue.finished(a, .failed(Self.dropped))
    _ = queue.finished(b, .failed(Self.dropped))
    _ = queue.next()
    queue.pauseEnded()
    let first = try job(&queue)
    let quiet = isQuiet(&queue)
    #expect(first.isUncertain && quiet)
    let isSettled = queue.finished(first, .done(rows: 1, bytes: 0)) != nil
    #expect(isSettled)
    var second = try job(&queue)
    for _ in 0..<1 {
      _ = queue.finished(second, .failed(Self.dropped))
      _ = queue.next()
      queue.pauseEnded()
      second = try job(&queue)
    }
    #expect(queue.failure == nil)
    _ = queue.finished(second, .failed(Self.dropped))
    #expect(queue.failure?.code == .dangerousValue)
    #expect(queue.failure?.message.contains("the same 1 rows") == true)
  }

  @Test func `more refused rows than allowed stop the collection by name`() throws {
    var queue = queue(inFlight: 1)
    let status = MilvusStatus(code: 1100, reason: "the length (70) of 'secret' exceeds")
    for key in 0..<4 as Range<Int64> {
      queue.add(.delete([.int(key)]), stretches: [], isUncertain: false)
      let job = try job(&queue)
      let settled = queue.finished(job, .failed(.status(status, method: "Insert")))
      #expect((settled?.refusedReason == nil) == (key == 3))
      if let reason = settled?.refusedReason { #expect(reason == "code 1100: the length (N) of … exceeds") }
    }
    #expect(queue.failure?.code == .targetUnsupported)
  }
}
