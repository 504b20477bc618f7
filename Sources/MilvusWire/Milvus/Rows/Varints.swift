/// Packed varints, the hot part of integer columns.
enum Varints {
  /// How many numbers a packed run holds: each ends with one byte below 0x80.
  static func count(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
    bytes[range].reduce(into: 0) { $0 += $1 < 0x80 ? 1 : 0 }
  }

  /// Appends all numbers of a packed run; false where it is cut off or a number is longer than 64 bits. `range` lies inside `bytes`.
  static func decode<T>(
    _ bytes: [UInt8], _ range: Range<Int>, into result: inout [T], _ convert: (UInt64) -> T
  ) -> Bool {
    precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
    return bytes.withUnsafeBufferPointer { buffer in
      // SAFETY: `position` stays below `range.upperBound`, which the precondition keeps inside the buffer.
      var position = range.lowerBound
      while position < range.upperBound {
        var number: UInt64 = 0
        var shift: UInt64 = 0
        while true {
          guard position < range.upperBound else { return false }
          let byte = buffer[position]
          position += 1
          if shift == 63, byte > 1 { return false }
          number |= UInt64(byte & 0x7F) << shift
          if byte < 0x80 { break }
          shift += 7
          if shift > 63 { return false }
        }
        result.append(convert(number))
      }
      return true
    }
  }

  static func length(_ value: UInt64) -> Int { (70 - (value | 1).leadingZeroBitCount) / 7 }

  static func append(_ value: UInt64, to out: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    out.append(UInt8(truncatingIfNeeded: rest))
  }
}
