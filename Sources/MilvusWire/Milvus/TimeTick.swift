/// Milvus's hybrid timestamp: Unix milliseconds << 18 | logical counter (`public-rpc.md` §6.3).
package struct TimeTick: Sendable, Hashable, Comparable, CustomStringConvertible {
  package var rawValue: UInt64
  package init(_ rawValue: UInt64) { self.rawValue = rawValue }
  /// The physical part, milliseconds since 1970-01-01T00:00:00Z.
  package var unixMilliseconds: Int64 { Int64(rawValue >> 18) }
  package var logical: UInt64 { rawValue & 0x3FFFF }
  package static func < (a: TimeTick, b: TimeTick) -> Bool { a.rawValue < b.rawValue }
  package var description: String { String(rawValue) }
}
