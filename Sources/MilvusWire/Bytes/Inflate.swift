/// Unpacks what gRPC peers compress: gzip (RFC 1952) and zlib (RFC 1950, which gRPC calls "deflate"), both around DEFLATE (RFC 1951). Pure.
///
/// Only for showing what goes through; nothing here is on the way of rows. Any bytes may be given: what is damaged, ends early, or would become
/// larger than `bytesMax`, is an error.
package enum Inflate {
  /// What is unpacked to be shown, at most.
  package static let shownBytesMax = 64 << 20

  package enum Failure: Error, Sendable, Equatable {
    /// The bytes end inside.
    case truncated
    /// Not what the format has there.
    case malformed(String)
    /// The sum or the length behind the data is another one.
    case wrongSum
    case tooLarge(bytesMax: Int)
  }

  /// By gRPC's name of an encoding (gRPC compression.md); nil: one that is not known here, such as snappy or zstd.
  package static func decompress(_ bytes: [UInt8], encoding: String, bytesMax: Int) throws(Failure) -> [UInt8]? {
    switch encoding {
    case "identity": return bytes
    case "gzip": return try gzip(bytes, bytesMax: bytesMax)
    case "deflate": return try zlib(bytes, bytesMax: bytesMax)
    default: return nil
    }
  }

  /// One member or several, each `| 1F 8B | 08 | flags u8 | mtime u32 | u16 | optional fields | DEFLATE … | CRC-32 u32 | length u32 |`.
  package static func gzip(_ bytes: [UInt8], bytesMax: Int) throws(Failure) -> [UInt8] {
    var out: [UInt8] = []
    var position = 0
    repeat {
      position = try gzipHead(bytes, position)
      let begin = out.count
      var decoder = InflateDecoder(bytes, from: position, out: out, bytesMax: bytesMax)
      // Handed over: with a second owner each of many small members would copy everything before it.
      out = []
      position = try decoder.run()
      out = decoder.out
      guard bytes.count - position >= 8 else { throw .truncated }
      let data = out[begin...]
      guard number(bytes, position) == CRC32.of(data), number(bytes, position + 4) == UInt32(truncatingIfNeeded: data.count) else {
        throw .wrongSum
      }
      position += 8
    } while position < bytes.count
    return out
  }

  /// `| method u8 | flags u8 | DEFLATE … | Adler-32 u32 BE |`.
  package static func zlib(_ bytes: [UInt8], bytesMax: Int) throws(Failure) -> [UInt8] {
    guard bytes.count >= 2 else { throw .truncated }
    guard bytes[0] & 15 == 8, (Int(bytes[0]) << 8 | Int(bytes[1])) % 31 == 0 else { throw .malformed("no zlib head") }
    guard bytes[1] & 32 == 0 else { throw .malformed("it needs a dictionary") }
    var decoder = InflateDecoder(bytes, from: 2, out: [], bytesMax: bytesMax)
    let end = try decoder.run()
    guard bytes.count - end >= 4 else { throw .truncated }
    guard number(bytes, end).byteSwapped == adler32(decoder.out) else { throw .wrongSum }
    return decoder.out
  }

  /// Where the data begins.
  private static func gzipHead(_ bytes: [UInt8], _ start: Int) throws(Failure) -> Int {
    guard bytes.count - start >= 10 else { throw .truncated }
    guard bytes[start] == 0x1F, bytes[start + 1] == 0x8B, bytes[start + 2] == 8 else { throw .malformed("no gzip head") }
    let flags = bytes[start + 3]
    guard flags & 0xE0 == 0 else { throw .malformed("gzip flags \(flags)") }
    var position = start + 10
    if flags & 4 != 0 {
      guard bytes.count - position >= 2 else { throw .truncated }
      position += 2 + (Int(bytes[position]) | Int(bytes[position + 1]) << 8)
    }
    for flag in [UInt8(8), 16] where flags & flag != 0 {
      guard position < bytes.count, let end = bytes[position...].firstIndex(of: 0) else { throw .truncated }
      position = end + 1
    }
    if flags & 2 != 0 { position += 2 }
    guard position <= bytes.count else { throw .truncated }
    return position
  }

  /// Little endian; the caller has looked that four bytes are there.
  private static func number(_ bytes: [UInt8], _ at: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
  }

  private static func adler32(_ bytes: [UInt8]) -> UInt32 {
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a &+ UInt32(byte)) % 65521
      b = (b &+ a) % 65521
    }
    return b << 16 | a
  }
}

/// The sum of gzip (RFC 1952 §8), bit-reflected polynomial 0xEDB88320.
package enum CRC32 {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
  }

  package static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var value = UInt32.max
    for byte in bytes { value = value >> 8 ^ table[Int(truncatingIfNeeded: value & 0xFF) ^ Int(byte)] }
    return value ^ UInt32.max
  }
}

/// One DEFLATE stream (RFC 1951), bit by bit.
private struct InflateDecoder {
  private let bytes: [UInt8]
  private var position: Int
  private var bits: UInt32 = 0
  private var bitCount = 0
  private(set) var out: [UInt8]
  /// Where this stream's own output begins: distances do not reach behind it.
  private let begin: Int
  private let bytesMax: Int

  init(_ bytes: [UInt8], from position: Int, out: [UInt8], bytesMax: Int) {
    (self.bytes, self.position, self.out, self.bytesMax) = (bytes, position, out, bytesMax)
    begin = out.count
  }

  /// Where the stream ends, in whole bytes.
  mutating func run() throws(Inflate.Failure) -> Int {
    var isLast = false
    while !isLast {
      isLast = try take(1) == 1
      switch try take(2) {
      case 0: try stored()
      case 1: try coded(Self.fixedLiterals, Self.fixedDistances)
      case 2:
        let (literals, distances) = try codes()
        try coded(literals, distances)
      default: throw .malformed("a block of type 3")
      }
    }
    // Bits that were fetched and not used are whole bytes that belong to what follows.
    return position - bitCount / 8
  }

  // MARK: Bits

  private mutating func take(_ count: Int) throws(Inflate.Failure) -> Int {
    while bitCount < count {
      guard position < bytes.count else { throw .truncated }
      bits |= UInt32(bytes[position]) << UInt32(bitCount)
      position += 1
      bitCount += 8
    }
    defer {
      bits >>= UInt32(count)
      bitCount -= count
    }
    return Int(bits & ((1 << UInt32(count)) - 1))
  }

  private mutating func symbol(_ code: Code) throws(Inflate.Failure) -> Int {
    // Codes come with their first bit first (§3.1.1): one more bit while the value lies beyond this length's last code.
    var (value, first, index) = (0, 0, 0)
    for length in 1...15 {
      value |= try take(1)
      let count = code.counts[length]
      if value - first < count { return code.symbols[index + value - first] }
      index += count
      first = (first + count) << 1
      value <<= 1
    }
    throw .malformed("a code that is not in its table")
  }

  // MARK: Blocks

  private mutating func stored() throws(Inflate.Failure) {
    position -= bitCount / 8
    (bits, bitCount) = (0, 0)
    guard bytes.count - position >= 4 else { throw .truncated }
    let count = Int(bytes[position]) | Int(bytes[position + 1]) << 8
    guard count ^ 0xFFFF == Int(bytes[position + 2]) | Int(bytes[position + 3]) << 8 else {
      throw .malformed("the length of a stored block")
    }
    position += 4
    guard bytes.count - position >= count else { throw .truncated }
    guard out.count + count <= bytesMax else { throw .tooLarge(bytesMax: bytesMax) }
    out += bytes[position..<position + count]
    position += count
  }

  private mutating func coded(_ literals: Code, _ distances: Code) throws(Inflate.Failure) {
    while true {
      let symbol = try symbol(literals)
      if symbol == 256 { return }
      if symbol < 256 {
        guard out.count < bytesMax else { throw .tooLarge(bytesMax: bytesMax) }
        out.append(UInt8(truncatingIfNeeded: symbol))
        continue
      }
      guard symbol - 257 < Self.lengths.count else { throw .malformed("length symbol \(symbol)") }
      let (base, extra) = Self.lengths[symbol - 257]
      let length = base + (try take(extra))
      let place = try self.symbol(distances)
      guard place < Self.distances.count else { throw .malformed("distance symbol \(place)") }
      let (start, more) = Self.distances[place]
      let distance = start + (try take(more))
      guard distance <= out.count - begin else { throw .malformed("a distance behind the beginning") }
      guard out.count + length <= bytesMax else { throw .tooLarge(bytesMax: bytesMax) }
      // What is copied may be what this copy has just written.
      for _ in 0..<length { out.append(out[out.count - distance]) }
    }
  }

  /// The codes of a block of type 2 (§3.2.7): lengths of codes, themselves coded.
  private mutating func codes() throws(Inflate.Failure) -> (Code, Code) {
    let literalCount = try take(5) + 257, distanceCount = try take(5) + 1, lengthCount = try take(4) + 4
    var small = [Int](repeating: 0, count: 19)
    for index in 0..<lengthCount { small[Self.lengthOrder[index]] = try take(3) }
    let code = try Code(small)
    var lengths: [Int] = []
    let total = literalCount + distanceCount
    while lengths.count < total {
      switch try symbol(code) {
      case 16:
        guard let last = lengths.last else { throw .malformed("a repeat of nothing") }
        lengths += [Int](repeating: last, count: 3 + (try take(2)))
      case 17: lengths += [Int](repeating: 0, count: 3 + (try take(3)))
      case 18: lengths += [Int](repeating: 0, count: 11 + (try take(7)))
      case let length: lengths.append(length)
      }
    }
    guard lengths.count == total, lengths[256] > 0 else { throw .malformed("the lengths of the codes") }
    return (try Code(Array(lengths[..<literalCount])), try Code(Array(lengths[literalCount...])))
  }

  // MARK: Tables

  /// A canonical Huffman code (§3.2.2): how many codes have each length, and the symbols in the order of their codes.
  struct Code {
    var counts = [Int](repeating: 0, count: 16)
    var symbols: [Int] = []

    /// By symbol: the length of its code, 0 to 15.
    init(_ lengths: [Int]) throws(Inflate.Failure) {
      for length in lengths where length > 0 { counts[length] += 1 }
      var left = 1
      for length in 1...15 {
        left = left * 2 - counts[length]
        guard left >= 0 else { throw .malformed("more codes than their lengths allow") }
      }
      symbols = lengths.indices.filter { lengths[$0] > 0 }.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
    }

    fileprivate init(known lengths: [Int]) {
      for length in lengths { counts[length] += 1 }
      symbols = lengths.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
    }
  }

  private static let fixedLiterals = Code(
    known: (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 })
  private static let fixedDistances = Code(known: [Int](repeating: 5, count: 30))
  private static let lengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
  /// Base and extra bits of the symbols 257 to 285.
  private static let lengths: [(Int, Int)] = bases(from: 3, pairs: [8, 4, 4, 4, 4, 4], first: 0) + [(258, 0)]
  private static let distances: [(Int, Int)] = bases(from: 1, pairs: [4] + [Int](repeating: 2, count: 13), first: 0)

  /// `pairs[n]` symbols with n extra bits each.
  private static func bases(from start: Int, pairs: [Int], first: Int) -> [(Int, Int)] {
    var base = start
    var list: [(Int, Int)] = []
    for (extra, count) in pairs.enumerated() {
      for _ in 0..<count {
        list.append((base, extra + first))
        base += 1 << (extra + first)
      }
    }
    return list
  }
}
