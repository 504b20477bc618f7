import CDCBridge
import MilvusWire
import TestSupport
import Testing

/// Random histories over several collections and channels, with kills: in the end the target is what the source is, and no key stands twice
/// that does not stand twice there.
@Suite struct LogHistoryTests {
  @Test(arguments: 0..<SearchDepth.rounds(12)) func `any history, whatever is killed`(_ seed: Int) async throws {
    var random = SeededGenerator(seed: UInt64(seed))
    let harness = try LogHarness(seed % 3 == 2 ? .lite : .milvus235, pchannels: 1 + seed % 3)
    var history = LogHistory(scene: harness.scene, random: random)
    for _ in 0..<Int.random(in: 0...3, using: &random) { try await history.create(isLogged: false) }
    harness.start()
    for round in 0..<6 {
      for _ in 0..<Int.random(in: 3...15, using: &random) { try await history.step() }
      switch Int.random(in: 0..<4, using: &random) {
      case 0: await harness.kill()
      case 1: await harness.stop()
      case 2: await harness.waitUntilEqual()
      default: continue
      }
      if round % 2 == 0 { for _ in 0..<3 { try await history.step() } }
      await harness.stop()
      harness.start()
    }
    await harness.waitUntilEqual()
    let stop = await harness.stop()
    #expect(stop == nil, "seed \(seed)")
  }
}

/// Draws what an application does next.
struct LogHistory {
  let scene: LogScene
  var random: SeededGenerator
  private var names: [String] = []
  private var keys: [String: [Int64]] = [:]
  private var partitions: [String: Int] = [:]
  private var nextName = 0
  private var nextKey: Int64 = 1

  init(scene: LogScene, random: SeededGenerator) {
    self.scene = scene
    self.random = random
  }

  mutating func create(isLogged: Bool = true) async throws {
    nextName += 1
    let name = "c\(nextName)"
    let shards = Int.random(in: 1...scene.pchannels.count, using: &random)
    try await scene.create(name, shards: shards, isLogged: isLogged, isLoaded: true)
    names.append(name)
    if !isLogged {
      let old = newKeys(Int.random(in: 0...30, using: &random))
      scene.putSilently(name, old)
      keys[name] = old
    }
  }

  private mutating func newKeys(_ count: Int) -> [Int64] {
    (0..<count).map { _ in
      nextKey += 1
      return nextKey
    }
  }

  private mutating func some(_ name: String) -> [Int64] {
    Array((keys[name] ?? []).shuffled(using: &random).prefix(Int.random(in: 1...4, using: &random)))
  }

  mutating func step() async throws {
    guard let name = names.randomElement(using: &random) else { return try await create() }
    switch Int.random(in: 0..<20, using: &random) {
    case 0: try await create()
    case 1:
      try await scene.drop(name)
      names.removeAll { $0 == name }
      keys[name] = nil
    case 2:
      nextName += 1
      let new = "r\(nextName)"
      try await scene.rename(name, to: new)
      names.removeAll { $0 == name }
      names.append(new)
      keys[new] = keys.removeValue(forKey: name)
    case 3:
      try scene.truncate(name)
      keys[name] = []
    case 4...6:
      let chosen = some(name)
      guard !chosen.isEmpty else { return }
      try scene.delete(name, chosen)
      keys[name]?.removeAll { chosen.contains($0) }
    case 7...10:
      let chosen = some(name)
      guard !chosen.isEmpty else { return }
      try scene.upsert(name, chosen, value: Int64.random(in: 1...1_000, using: &random), insertFirst: Bool.random(using: &random))
    default:
      let new = newKeys(Int.random(in: 1...5, using: &random))
      try scene.insert(name, new, value: Int64.random(in: 1...1_000, using: &random))
      keys[name, default: []] += new
    }
  }
}
