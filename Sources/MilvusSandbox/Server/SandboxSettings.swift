package import MilvusWire

/// What a sandbox is started with.
package struct SandboxSettings: Sendable {
  /// The part of pchannel names before `-rootcoord-dml_`: the replication id.
  package var clusterID = "by-dev"
  package var pchannelCount = 4
  package var log: LogKind = .woodPecker
  /// The answer of GetVersion.
  package var version = "2.6.23-sandbox"
  package var seed: UInt64 = 1
  /// One upsert in so many has its insert before its delete; 0: none (`wal-protocol.md` §4.2).
  package var insertFirstOneIn = 16
  /// 3.x leaves messages out that say they are unreplicable; 2.6 does not know the flag.
  package var knowsUnreplicable = false
  /// Unix milliseconds.
  package var now: @Sendable () -> Int64
  /// Bytes of one log message above which an insert is split (`wal-protocol.md` §3.3).
  package var messageBytesMax = 2 << 20

  package init(now: @escaping @Sendable () -> Int64) { self.now = now }
}
