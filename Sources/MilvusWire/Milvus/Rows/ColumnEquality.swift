/// When two rows hold the same value, for a copy that must come to rest: a difference that a server makes by storing a value must not
/// count, or the row would be written again in every pass.
///
/// Equal bytes are equal. Otherwise:
///
/// | type | equal when |
/// |---|---|
/// | Float, Double, dense vectors | IEEE-equal per element; every NaN equals every NaN; 0.0 equals −0.0, since no query can tell them apart |
/// | JSON, `$meta` | the same value: spaces, escapes and the order of members do not count; the last of repeated members counts; `1` and `1.0` differ (Lite keeps that difference, clients see it), `1e2` and `100.0` do not |
/// | Array | the same elements, by the rules above; both spellings of the empty array are equal (§6.5) |
/// | SparseFloatVector | the same index → value pairs in any order |
/// | Timestamptz | the same instant: `Z` and `+00:00` are one |
/// | Geometry | the same WKT tokens: case of words, spaces and the spelling of numbers do not count |
/// | null | equals null only |
extension Column {
  package func isEqual(_ row: Int, _ other: Column, _ otherRow: Int) -> Bool {
    let (a, b) = (slot(row), other.slot(otherRow))
    if a < 0 || b < 0 { return a < 0 && b < 0 }
    switch (values, other.values) {
    case (.bools(let x), .bools(let y)): return x[a] == y[b]
    case (.ints(let x), .ints(let y)): return x[a] == y[b]
    case (.longs(let x), .longs(let y)): return x[a] == y[b]
    case (.fixed(let x), .fixed(let y)):
      let (xRange, yRange) = (x.range(a), y.range(b))
      if ByteRuns.isEqual(x.bytes, xRange, y.bytes, yRange) { return true }
      return FloatEquality(dataType).isEqual(x.bytes[xRange], y.bytes[yRange])
    case (.variable(let x), .variable(let y)):
      let (xRange, yRange) = (x.range(a), y.range(b))
      if ByteRuns.isEqual(x.bytes, xRange, y.bytes, yRange) { return true }
      return isVariableEqual(x.bytes, xRange, y.bytes, yRange)
    case (.structs(let x), .structs(let y)):
      guard x.count == y.count else { return false }
      return x.allSatisfy { field in
        y.first { $0.name == field.name }.map { field.isEqual(a, $0, b) } ?? false
      }
    case (.bools, _), (.ints, _), (.longs, _), (.fixed, _), (.variable, _), (.structs, _): return false
    }
  }

  /// Rules for values whose bytes differ.
  private func isVariableEqual(_ x: [UInt8], _ xRange: Range<Int>, _ y: [UInt8], _ yRange: Range<Int>) -> Bool {
    switch dataType {
    case .json: JSONEquality.isEqual(x[xRange], y[yRange])
    case .array: ArrayRow.isEqual(x, xRange, y, yRange)
    case .sparseFloatVector: SparseRow.isEqual(x[xRange], y[yRange])
    case .arrayOfVector: VectorArrayRow.isEqual(x, xRange, y, yRange)
    case .timestamptz: TimestamptzText.isEqual(x[xRange], y[yRange])
    case .geometry: GeometryText.isEqual(x[xRange], y[yRange])
    default: false
    }
  }
}

/// IEEE equality of runs of little-endian floats whose bytes differ.
struct FloatEquality {
  private enum Kind { case single, double, half, bfloat, bytes }
  private let kind: Kind

  init(_ type: DataType) {
    switch type {
    case .float, .floatVector: kind = .single
    case .double: kind = .double
    case .float16Vector: kind = .half
    case .bfloat16Vector: kind = .bfloat
    default: kind = .bytes
    }
  }

  func isEqual(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
    guard a.count == b.count else { return false }
    switch kind {
    case .bytes: return a == b
    case .single:
      return all(a, b, width: 4) { x, y in
        let (p, q) = (Float(bitPattern: UInt32(truncatingIfNeeded: x)), Float(bitPattern: UInt32(truncatingIfNeeded: y)))
        return p == q || (p.isNaN && q.isNaN)
      }
    case .double:
      return all(a, b, width: 8) { x, y in
        let (p, q) = (Double(bitPattern: x), Double(bitPattern: y))
        return p == q || (p.isNaN && q.isNaN)
      }
    case .half: return all(a, b, width: 2) { Self.isSmallEqual($0, $1, exponent: 0x7C00) }
    case .bfloat: return all(a, b, width: 2) { Self.isSmallEqual($0, $1, exponent: 0x7F80) }
    }
  }

  /// 16-bit floats: both zero, or both NaN (exponent all ones, fraction not zero).
  private static func isSmallEqual(_ x: UInt64, _ y: UInt64, exponent: UInt64) -> Bool {
    let (p, q) = (x & 0x7FFF, y & 0x7FFF)
    return (p == 0 && q == 0) || (p > exponent && q > exponent)
  }

  private func all(
    _ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>, width: Int, _ isSame: (UInt64, UInt64) -> Bool
  ) -> Bool {
    guard a.count % width == 0 else { return false }
    for offset in stride(from: 0, to: a.count, by: width) {
      let (x, y) = (Self.little(a, offset, width), Self.little(b, offset, width))
      if x != y, !isSame(x, y) { return false }
    }
    return true
  }

  static func little(_ bytes: ArraySlice<UInt8>, _ offset: Int, _ width: Int) -> UInt64 {
    var result: UInt64 = 0
    for index in 0..<width { result |= UInt64(bytes[bytes.startIndex + offset + index]) << UInt64(8 * index) }
    return result
  }
}
