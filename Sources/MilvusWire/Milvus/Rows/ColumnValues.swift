/// The values of one column, laid out for comparing and copying without an object per row.
enum ColumnValues: Sendable {
  /// `bool_data`: one byte per value, 0 or 1.
  case bools([UInt8])
  /// `int_data`: Int8, Int16, Int32.
  case ints([Int32])
  /// `long_data`.
  case longs([Int64])
  /// Float, Double and every dense vector: equal widths, little endian.
  case fixed(FixedValues)
  /// Texts, JSON, rows of arrays, sparse vectors, rows of vector arrays.
  case variable(VariableValues)
  /// The fields of a struct array (`struct_arrays`), each with one value per row.
  case structs([Column])

  var count: Int {
    switch self {
    case .bools(let values): values.count
    case .ints(let values): values.count
    case .longs(let values): values.count
    case .fixed(let values): values.count
    case .variable(let values): values.count
    case .structs(let columns): columns.first?.rowCount ?? 0
    }
  }
}

/// `count` values of `width` bytes each, back to back from `start` in `bytes` (the page itself where the wire allowed it).
struct FixedValues: Sendable {
  let bytes: [UInt8]
  let start: Int
  let width: Int
  let count: Int

  /// Checks that all values lie inside `bytes`; nil where they do not.
  init?(bytes: [UInt8], start: Int, width: Int, count: Int) {
    guard width > 0, count >= 0, start >= 0, start <= bytes.count,
      count <= (bytes.count - start) / width
    else { return nil }
    (self.bytes, self.start, self.width, self.count) = (bytes, start, width, count)
  }

  /// Where value `index` lies in `bytes`. `index` comes from our own row numbers.
  func range(_ index: Int) -> Range<Int> {
    precondition(index >= 0 && index < count)
    return start + index * width..<start + (index + 1) * width
  }
}

/// Values of different length: value `i` is `bytes[starts[i]..<ends[i]]`.
struct VariableValues: Sendable {
  let bytes: [UInt8]
  private(set) var starts: [UInt32] = []
  private(set) var ends: [UInt32] = []

  /// `bytes` is at most 4 GiB; the parser checks that before.
  init(bytes: [UInt8]) { self.bytes = bytes }

  var count: Int { starts.count }

  /// `range` lies inside `bytes`, which is what `WireReader` promises.
  mutating func append(_ range: Range<Int>) {
    starts.append(UInt32(range.lowerBound))
    ends.append(UInt32(range.upperBound))
  }
  mutating func reserve(_ count: Int) {
    starts.reserveCapacity(count)
    ends.reserveCapacity(count)
  }
  func range(_ index: Int) -> Range<Int> { Int(starts[index])..<Int(ends[index]) }
}
