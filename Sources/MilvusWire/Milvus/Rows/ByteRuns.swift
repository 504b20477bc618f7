internal import Glibc

/// Comparing and copying runs of bytes at the speed of libc. Ranges come from parsed columns; each function checks them again.
enum ByteRuns {
  static func isEqual(_ a: [UInt8], _ aRange: Range<Int>, _ b: [UInt8], _ bRange: Range<Int>) -> Bool {
    guard aRange.count == bRange.count else { return false }
    return order(a, aRange, b, bRange) == 0
  }

  /// -1, 0 or 1, by unsigned bytes, a prefix first.
  static func order(_ a: [UInt8], _ aRange: Range<Int>, _ b: [UInt8], _ bRange: Range<Int>) -> Int {
    precondition(aRange.lowerBound >= 0 && aRange.upperBound <= a.count)
    precondition(bRange.lowerBound >= 0 && bRange.upperBound <= b.count)
    let common = min(aRange.count, bRange.count)
    // SAFETY: `common` bytes from either lower bound stay inside the buffers by the preconditions; memcmp is not called for none,
    // since the buffer of an empty array may have no address.
    let result =
      common == 0
      ? 0
      : a.withUnsafeBytes { aBytes in
        b.withUnsafeBytes { bBytes in
          memcmp(
            aBytes.baseAddress.unsafelyUnwrapped + aRange.lowerBound,
            bBytes.baseAddress.unsafelyUnwrapped + bRange.lowerBound, common)
        }
      }
    if result != 0 { return result < 0 ? -1 : 1 }
    return aRange.count == bRange.count ? 0 : aRange.count < bRange.count ? -1 : 1
  }
}
