import MilvusWire
import TestSupport
import Testing

@testable import CDCBridge

@Suite struct BarrierBoardTests {
  private typealias Board = BarrierBoard<String>
  private func broadcast(_ id: UInt64, _ lanes: String...) -> Board.Broadcast { Board.Broadcast(id: id, lanes: lanes) }
  private let tick = TimeTick(1)

  @Test func `rows behind a copy wait, those of other lanes do not`() {
    var board = Board()
    let create = broadcast(1, "p0_1v0", "p1_1v1", "p0_vcchan")
    let found1 = board.receive("early", on: "p0_1v0")
    #expect(found1)
    let found2 = board.receive("copy", copyOf: create, on: "p0_1v0", tick: tick)
    #expect(!found2)
    let found3 = board.receive("late", on: "p0_1v0")
    #expect(!found3)
    let found4 = board.receive("another", on: "p0_2v0")
    #expect(found4)
    let found5 = board.nextReady()
    #expect(found5 == nil)
    #expect(board.awaitedLanes == ["p1_1v1", "p0_vcchan"])
    let found6 = board.receive("copy", copyOf: create, on: "p1_1v1", tick: tick)
    #expect(!found6)
    let found7 = board.receive("copy", copyOf: create, on: "p0_vcchan", tick: tick)
    #expect(!found7)
    let found8 = board.nextReady()
    #expect(found8?.copies.count == 3)
    let found9 = board.nextReady()
    #expect(found9 == nil, "given out once")
    let release = board.applied(1)
    #expect(release.copies.count == 3)
    #expect(release.items == ["late"])
    #expect(board.isIdle)
  }

  @Test func `copies of an applied broadcast and repeated copies pass`() {
    var board = Board(applied: [7])
    let found10 = board.receive("old", copyOf: broadcast(7, "p0_1v0", "p0_vcchan"), on: "p0_1v0", tick: tick)
    #expect(found10)
    let next = broadcast(8, "p0_1v0", "p0_vcchan")
    let found11 = board.receive("new", copyOf: next, on: "p0_1v0", tick: tick)
    #expect(!found11)
    let found12 = board.receive("again", copyOf: next, on: "p0_1v0", tick: tick)
    #expect(!found12)
    let found13 = board.receive("new", copyOf: next, on: "p0_vcchan", tick: tick)
    #expect(!found13)
    let found14 = board.nextReady()
    #expect(found14?.id == 8)
    let found15 = board.applied(8)
    #expect(found15.items == ["again"])
    let found16 = board.receive("once more", copyOf: next, on: "p0_1v0", tick: tick)
    #expect(found16)
  }

  @Test func `without a control copy all data copies are enough`() {
    var board = Board()
    let load = broadcast(3, "p0_1v0", "p1_1v1")
    _ = board.receive("a", copyOf: load, on: "p0_1v0", tick: tick)
    let found17 = board.nextReady()
    #expect(found17 == nil)
    _ = board.receive("b", copyOf: load, on: "p1_1v1", tick: tick)
    let found18 = board.nextReady()
    #expect(found18?.id == 3)
  }

  @Test func `broadcasts of two collections that cross on two pchannels`() {
    var board = Board()
    let a = broadcast(1, "p0_1v0", "p1_1v1", "p0_vcchan")
    let b = broadcast(2, "p0_2v0", "p1_2v1", "p0_vcchan")
    // pchannel 0 shows a, b and then the control copies; pchannel 1 shows b before a.
    for (copy, lane) in [(a, "p0_1v0"), (b, "p0_2v0"), (a, "p0_vcchan"), (b, "p0_vcchan")] {
      _ = board.receive("\(copy.id)", copyOf: copy, on: lane, tick: tick)
    }
    _ = board.receive("2", copyOf: b, on: "p1_2v1", tick: tick)
    let found19 = board.nextReady()
    #expect(found19 == nil, "b comes after a on the control channel")
    _ = board.receive("1", copyOf: a, on: "p1_1v1", tick: tick)
    let found20 = board.nextReady()
    #expect(found20?.id == 1)
    _ = board.applied(1)
    let found21 = board.nextReady()
    #expect(found21?.id == 2)
  }

  @Test func `a copy that was lost is excused and named`() {
    var board = Board()
    let first = broadcast(1, "p0_1v0", "p1_1v1", "p0_vcchan")
    let second = broadcast(2, "p0_1v0", "p1_1v1", "p0_vcchan")
    _ = board.receive("1", copyOf: first, on: "p0_1v0", tick: tick)
    _ = board.receive("1", copyOf: first, on: "p0_vcchan", tick: tick)
    _ = board.receive("2", copyOf: second, on: "p1_1v1", tick: tick)
    let found22 = board.nextReady()
    #expect(found22 == nil, "the other channel may only lag")
    _ = board.receive("2", copyOf: second, on: "p0_vcchan", tick: tick)
    let ready = board.nextReady()
    #expect(ready?.id == 1)
    #expect(ready?.missing == ["p1_1v1"])
    _ = board.applied(1)
    _ = board.receive("2", copyOf: second, on: "p0_1v0", tick: tick)
    let found23 = board.nextReady()
    #expect(found23?.id == 2)
    let found24 = board.applied(2)
    #expect(found24.copies.count == 3)
    #expect(board.isIdle)
  }

  @Test func `a lost part of the log holds nothing back`() {
    var board = Board()
    let known = broadcast(1, "p0_1v0", "p1_1v1", "p0_vcchan")
    _ = board.receive("1", copyOf: known, on: "p0_1v0", tick: TimeTick(5))
    _ = board.receive("1", copyOf: known, on: "p0_vcchan", tick: TimeTick(6))
    board.lost(pchannel: "p1", until: TimeTick(100))
    let found25 = board.nextReady()
    #expect(found25?.missing == ["p1_1v1"])
    _ = board.applied(1)
    // Its other copies come only now, but are as old as what was lost.
    let later = broadcast(2, "p0_1v0", "p1_1v1", "p0_vcchan")
    _ = board.receive("2", copyOf: later, on: "p0_1v0", tick: TimeTick(50))
    _ = board.receive("2", copyOf: later, on: "p0_vcchan", tick: TimeTick(51))
    let found26 = board.nextReady()
    #expect(found26?.missing == ["p1_1v1"])
    _ = board.applied(2)
    let newer = broadcast(3, "p0_1v0", "p1_1v1", "p0_vcchan")
    _ = board.receive("3", copyOf: newer, on: "p0_1v0", tick: TimeTick(150))
    _ = board.receive("3", copyOf: newer, on: "p0_vcchan", tick: TimeTick(151))
    let found27 = board.nextReady()
    #expect(found27 == nil)
  }

  @Test func `a copy in the lost part, older than its siblings, is waited for with patience`() {
    func at(_ seconds: UInt64) -> TimeTick { TimeTick((1_000 + seconds) * 1_000 << 18) }
    for isRestart in [false, true] {
      // The second time a run goes on behind the loss, and knows of it only where it began.
      var board = Board(starts: isRestart ? ["p0": at(0), "p1": at(0)] : [:])
      if !isRestart { board.lost(pchannel: "p1", until: at(0)) }
      let known = broadcast(1, "p0_1v0", "p1_1v1", "p0_vcchan")
      _ = board.receive("1", copyOf: known, on: "p0_1v0", tick: at(2))
      _ = board.receive("1", copyOf: known, on: "p0_vcchan", tick: at(3))
      board.reached(pchannel: "p1", tick: at(30))
      board.reached(pchannel: "p2", tick: at(90))
      let early = board.nextReady()
      #expect(early == nil, "it may only lag")
      board.reached(pchannel: "p1", tick: at(33))
      let ready = board.nextReady()
      #expect(ready?.missing == ["p1_1v1"])
      _ = board.applied(1)
      let passes = board.receive("1", copyOf: known, on: "p1_1v1", tick: at(34))
      #expect(passes)
      // Long after the loss a copy is on its way.
      let newer = broadcast(2, "p0_1v0", "p1_1v1", "p0_vcchan")
      _ = board.receive("2", copyOf: newer, on: "p0_1v0", tick: at(100))
      _ = board.receive("2", copyOf: newer, on: "p0_vcchan", tick: at(100))
      board.reached(pchannel: "p1", tick: at(200))
      let waiting = board.nextReady()
      #expect(waiting == nil)
    }
  }

  /// Collections on several pchannels with rows between schema changes; pchannels lag behind each other at random, copies come twice,
  /// broadcasts that were applied before a restart come again. Every row must meet the schema that its lane says.
  @Test(arguments: 0..<80) func `any lag of any channel`(_ seed: Int) {
    var world = BarrierWorld(seed: UInt64(seed))
    world.run()
    #expect(world.faults == [])
  }
}

/// A history of broadcasts and rows, and what a reader of lagging channels makes of it.
private struct BarrierWorld {
  enum Message {
    case row(lane: String, epoch: Int)
    case copy(BarrierBoard<Item>.Broadcast, lane: String)
  }
  enum Item: Sendable {
    case row(lane: String, epoch: Int)
    case copy
  }
  var random: SeededGenerator
  var channels: [String: [Message]]
  var faults: [String] = []
  private var executed: [UInt64] = []
  private var epochs: [String: Int] = [:]
  private var rowsSeen = 0
  private var rowsMade = 0
  private var order: [UInt64] = []
  private var lanesOf: [UInt64: [String]] = [:]
  private var applied: Set<UInt64> { Set(1...Self.appliedMax) }

  init(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let names = ["p0", "p1", "p2"]
    let control = "p1_vcchan"
    var collections: [[String]] = []
    for id in 1...4 {
      let chosen = names.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random))
      collections.append(chosen.enumerated().map { "\($1)_\(id)v\($0)" })
    }
    var channels: [String: [Message]] = [:]
    var epoch = Array(repeating: 0, count: collections.count)
    for id in UInt64(1)...40 {
      let at = Int.random(in: 0..<collections.count, using: &random)
      for _ in 0..<Int.random(in: 0...6, using: &random) {
        let other = Int.random(in: 0..<collections.count, using: &random)
        guard let lane = collections[other].randomElement(using: &random) else { continue }
        channels[Self.channel(lane), default: []].append(.row(lane: lane, epoch: epoch[other]))
        rowsMade += 1
      }
      // Every seventh is one of those that the control channel does not carry.
      let lanes = collections[at] + (id % 7 != 0 ? [control] : [])
      epoch[at] += 1
      lanesOf[id] = lanes
      if id > Self.appliedMax { order.append(id) }
      let broadcast = BarrierBoard<Item>.Broadcast(id: id, lanes: lanes.shuffled(using: &random))
      for lane in lanes {
        channels[Self.channel(lane), default: []].append(.copy(broadcast, lane: lane))
        if Int.random(in: 0..<9, using: &random) == 0 {
          channels[Self.channel(lane), default: []].append(.copy(broadcast, lane: lane))
        }
      }
    }
    self.random = random
    self.channels = channels
  }

  /// Broadcasts up to this one were applied before a restart.
  private static let appliedMax: UInt64 = 5

  private static func channel(_ lane: String) -> String { String(lane.prefix(2)) }

  mutating func run() {
    var board = BarrierBoard<Item>(applied: applied)
    var places: [String: Int] = [:]
    while true {
      let open = channels.keys.filter { places[$0, default: 0] < (channels[$0]?.count ?? 0) }.sorted()
      guard let channel = open.randomElement(using: &random) else { break }
      // One channel runs ahead for a while.
      for _ in 0..<Int.random(in: 1...25, using: &random) {
        let place = places[channel, default: 0]
        guard let list = channels[channel], place < list.count else { break }
        places[channel] = place + 1
        switch list[place] {
        case .row(let lane, let epoch):
          if board.receive(.row(lane: lane, epoch: epoch), on: lane) { take(.row(lane: lane, epoch: epoch)) }
        case .copy(let broadcast, let lane):
          if applied.contains(broadcast.id), !executed.contains(broadcast.id) { bump(lane, broadcast.id) }
          if board.receive(.copy, copyOf: broadcast, on: lane, tick: TimeTick(1)) { take(.copy) }
        }
      }
      while let ready = board.nextReady() {
        if !ready.missing.isEmpty { faults.append("\(ready.id) misses \(ready.missing)") }
        if executed.contains(ready.id) { faults.append("\(ready.id) executed twice") }
        executed.append(ready.id)
        for lane in lanesOf[ready.id] ?? [] { epochs[lane, default: 0] += 1 }
        for item in board.applied(ready.id).items { take(item) }
      }
    }
    if !board.isIdle { faults.append("lanes are still held") }
    let controlled = order.filter { $0 % 7 != 0 }
    if executed.filter({ $0 % 7 != 0 }) != controlled { faults.append("order \(executed)") }
    if Set(executed) != Set(order) { faults.append("executed \(executed.count) of \(order.count)") }
    if rowsSeen != rowsMade { faults.append("\(rowsSeen) of \(rowsMade) rows") }
  }

  private var bumped: Set<String> = []
  /// A broadcast that was applied before the restart counts for its lane when its copy passes.
  private mutating func bump(_ lane: String, _ id: UInt64) {
    if bumped.insert("\(lane) \(id)").inserted { epochs[lane, default: 0] += 1 }
  }

  private mutating func take(_ item: Item) {
    guard case .row(let lane, let epoch) = item else { return }
    rowsSeen += 1
    if epochs[lane, default: 0] != epoch { faults.append("\(lane): a row of epoch \(epoch) in \(epochs[lane, default: 0])") }
  }
}
