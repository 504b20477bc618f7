import MilvusWire
import Testing

@testable import MilvusSandbox

/// Keys and the shards on which a real server put them (`fixtures/wal-live/source`, collections with two shards).
@Suite struct KeyHashTests {
  @Test func `integers go where a server put them`() {
    let first: [Int64] = [1, 2, 4, 10, 12, 15, 16, 18, 19, 24, 26, 27, 29, 36, 37, 38, 41, 100, 701]
    let second: [Int64] = [11, 13, 14, 20]
    for key in first { #expect(KeyHash.place(.int(key), among: 2) == 0, "\(key)") }
    for key in second { #expect(KeyHash.place(.int(key), among: 2) == 1, "\(key)") }
  }

  @Test func `texts go where a server put them`() {
    for key in ["k3", "nokey"] { #expect(KeyHash.place(.text(key), among: 2) == 1, "\(key)") }
  }

  @Test func `one shard takes everything`() {
    #expect(KeyHash.place(.int(-5), among: 1) == 0)
  }
}
