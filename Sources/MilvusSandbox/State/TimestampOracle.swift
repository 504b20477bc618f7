/// The one source of hybrid timestamps of a cluster: Unix milliseconds << 18 | counter (`wal-protocol.md` §2.7). Every value is
/// larger than every earlier one; a clock that stands still or goes back only makes the counter run.
struct TimestampOracle {
  private var last: UInt64 = 0
  private let now: @Sendable () -> Int64

  /// `now`: Unix milliseconds.
  init(now: @escaping @Sendable () -> Int64) { self.now = now }

  /// What the clock says now, without taking it.
  var clockMilliseconds: Int64 { max(0, now()) }

  /// The first of `count` new values in a row.
  mutating func next(_ count: UInt64 = 1) -> UInt64 {
    let clock = UInt64(clockMilliseconds) << 18
    let first = max(clock, last &+ 1)
    last = first &+ (max(count, 1) &- 1)
    return first
  }

  /// Nothing at or below `tick` is given out any more.
  mutating func advance(past tick: UInt64) { last = max(last, tick) }
}

/// Numbers by chance that a seed repeats (SplitMix64).
struct SandboxRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
  /// True once in `count` times.
  mutating func oneIn(_ count: Int) -> Bool { count > 0 && next() % UInt64(count) == 0 }
}
