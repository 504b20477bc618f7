/// The LZ4 block format (lz4 "Block Format Description"): sequences of literals and matches, without a frame and without a checksum.
///
/// ```
/// token u8: literals (high half), match − 4 (low half); 15 goes on in bytes until one is not 255 | literals | offset u16 LE | …
/// ```
/// The last sequence is literals alone. Compressing is greedy with one table of places, which is enough for what repeats in a log: property
/// names, channel names, schemas. Vectors do not shrink.
package enum LZ4Block {
  private static let matchBytesMin = 4
  /// The last match ends this far before the end, and starts farther (the format's own rule for decoders that copy in steps).
  private static let tailBytes = 5
  private static let lastStartBytes = 12
  private static let hashBits = 14

  /// nil where it would not get smaller.
  package static func compress(_ input: [UInt8]) -> [UInt8]? {
    guard input.count > 64, input.count < 1 << 30 else { return nil }
    var table = [Int32](repeating: -1, count: 1 << hashBits)
    var output: [UInt8] = []
    output.reserveCapacity(input.count / 2)
    var (anchor, position) = (0, 0)
    let lastStart = input.count - lastStartBytes
    while position < lastStart {
      let word = word(input, position)
      let slot = Int((word &* 2_654_435_761) >> UInt32(32 - hashBits))
      let candidate = Int(table[slot])
      table[slot] = Int32(position)
      guard candidate >= 0, position - candidate <= 65_535, self.word(input, candidate) == word else {
        // What has not repeated for long is passed over faster.
        position += 1 + (position - anchor) >> 6
        continue
      }
      var length = matchBytesMin
      let end = input.count - tailBytes
      while position + length < end, input[candidate + length] == input[position + length] { length += 1 }
      append(input[anchor..<position], match: length, offset: position - candidate, to: &output)
      position += length
      anchor = position
      if output.count >= input.count { return nil }
    }
    append(input[anchor...], match: nil, offset: 0, to: &output)
    return output.count < input.count ? output : nil
  }

  private static func word(_ bytes: [UInt8], _ position: Int) -> UInt32 {
    UInt32(bytes[position]) | UInt32(bytes[position + 1]) << 8 | UInt32(bytes[position + 2]) << 16 | UInt32(bytes[position + 3]) << 24
  }

  private static func append(_ literals: ArraySlice<UInt8>, match: Int?, offset: Int, to output: inout [UInt8]) {
    let matchExtra = match.map { $0 - matchBytesMin } ?? 0
    output.append(UInt8(min(15, literals.count)) << 4 | UInt8(min(15, matchExtra)))
    appendLength(literals.count, to: &output)
    output += literals
    guard match != nil else { return }
    output.append(UInt8(truncatingIfNeeded: offset))
    output.append(UInt8(truncatingIfNeeded: offset >> 8))
    appendLength(matchExtra, to: &output)
  }

  private static func appendLength(_ length: Int, to output: inout [UInt8]) {
    guard length >= 15 else { return }
    var rest = length - 15
    while rest >= 255 {
      output.append(255)
      rest -= 255
    }
    output.append(UInt8(rest))
  }

  /// The `count` bytes that were compressed; nil where the input is none of this format or makes another number of bytes.
  package static func decompress(_ input: ArraySlice<UInt8>, count: Int) -> [UInt8]? {
    guard count >= 0 else { return nil }
    var output: [UInt8] = []
    // A damaged count must not make us allocate: a byte of input makes at most 255 bytes.
    guard count / 255 <= input.count else { return nil }
    output.reserveCapacity(count)
    var rest = input
    while let token = rest.popFirst() {
      guard let literalCount = length(Int(token >> 4), &rest), literalCount <= rest.count, literalCount <= count - output.count else {
        return nil
      }
      output += rest.prefix(literalCount)
      rest = rest.dropFirst(literalCount)
      if rest.isEmpty { break }
      guard let low = rest.popFirst(), let high = rest.popFirst() else { return nil }
      let offset = Int(low) | Int(high) << 8
      guard let extra = length(Int(token & 15), &rest), offset > 0, offset <= output.count else { return nil }
      let matchCount = extra + matchBytesMin
      guard matchCount <= count - output.count else { return nil }
      // A match may reach into what it makes.
      for _ in 0..<matchCount { output.append(output[output.count - offset]) }
    }
    return output.count == count ? output : nil
  }

  private static func length(_ start: Int, _ rest: inout ArraySlice<UInt8>) -> Int? {
    guard start == 15 else { return start }
    var length = start
    while let byte = rest.popFirst() {
      length += Int(byte)
      if byte < 255 { return length }
      if length > 1 << 30 { return nil }
    }
    return nil
  }
}
