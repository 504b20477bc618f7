internal import MilvusWire

/// Where a row goes: the hash that Milvus takes of keys for shards and of partition keys for partitions. Integers: MurmurHash3 (32 bits,
/// seed 0) of their eight bytes, little endian, without the top bit; texts: CRC-32 (IEEE) of at most 100 bytes. The recorded inserts of
/// `fixtures/wal-live` confirm both.
enum KeyHash {
  static func hash(_ key: RowKey) -> UInt32 {
    switch key {
    case .int(let value): murmur3(value) & 0x7FFF_FFFF
    case .text(let bytes): crc32(bytes.prefix(100))
    }
  }

  static func place(_ key: RowKey, among count: Int) -> Int {
    count > 1 ? Int(hash(key) % UInt32(clamping: count)) : 0
  }

  private static func murmur3(_ value: Int64) -> UInt32 {
    let bits = UInt64(bitPattern: value)
    var hash: UInt32 = 0
    for word in [UInt32(truncatingIfNeeded: bits), UInt32(truncatingIfNeeded: bits >> 32)] {
      var k = word &* 0xCC9E_2D51
      k = (k << 15 | k >> 17) &* 0x1B87_3593
      hash ^= k
      hash = (hash << 13 | hash >> 19) &* 5 &+ 0xE654_6B64
    }
    hash ^= 8
    hash = (hash ^ (hash >> 16)) &* 0x85EB_CA6B
    hash = (hash ^ (hash >> 13)) &* 0xC2B2_AE35
    return hash ^ (hash >> 16)
  }

  private static let crcTable: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 != 0 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
  }

  private static func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(0xFFFF_FFFF) { crc, byte in crc >> 8 ^ crcTable[Int(UInt8(truncatingIfNeeded: crc) ^ byte)]
    }
  }
}
