/// The vectors of one `schema.VectorField`, as numbers, row by row (`public-rpc.md` §4.2).
struct VectorRows {
  /// The types of dense and sparse vectors, by their number in `VectorField.data`.
  let slot: VectorSlot
  /// 0 for sparse ones.
  let dimension: Int
  /// One slice of bytes for each row.
  let rows: [ArraySlice<UInt8>]
  /// VectorField.valid_data (9), which servers after 3.0 send.
  let flags: [Bool]

  /// nil where the message has no vectors, or they are not of the announced dimension: then it is shown as it is.
  init?(_ message: MessageParts) throws(ProtobufError) {
    var dimension: UInt64 = 0
    var found: (slot: VectorSlot, range: Range<Int>)?
    var flags: [Bool] = []
    for field in try message.fields() {
      switch (field.number, field.content) {
      case (1, .varint(let value)): dimension = value
      case (9, let content): flags += try Self.flags(content, message.bytes)
      case (let number, .lengthDelimited(let range)):
        if let slot = VectorSlot(rawValue: number) { found = (slot, range) }
      default: break
      }
    }
    guard let found, found.slot != .array else { return nil }
    self.flags = flags
    slot = found.slot
    if slot == .sparse {
      self.dimension = 0
      rows = try Self.sparse(found.range, message.bytes)
      return
    }
    guard let dimension = Int(exactly: dimension), let width = slot.rowWidth(dimension: dimension) else { return nil }
    let bytes = slot == .float ? try Self.floats(found.range, message.bytes)[...] : message.bytes[found.range]
    guard bytes.count % width == 0 else { return nil }
    self.dimension = dimension
    rows = stride(from: bytes.startIndex, to: bytes.endIndex, by: width).map { bytes[$0..<($0 + width)] }
  }

  /// FloatArray.data, packed or not, as the bytes of its floats.
  private static func floats(_ range: Range<Int>, _ bytes: [UInt8]) throws(ProtobufError) -> [UInt8] {
    var reader = WireReader(bytes, in: range)
    var floats = WireWriter(capacity: range.count)
    while let field = try reader.next() {
      guard field.number == 1 else { continue }
      switch field.content {
      case .lengthDelimited(let range): floats.raw(bytes[range])
      case .fixed32(let bits): floats.rawFixed(bits)
      case .varint, .fixed64: throw ProtobufError(.wrongType, "a list of floats holds something else")
      }
    }
    return floats.bytes
  }

  /// SparseFloatArray.contents.
  private static func sparse(_ range: Range<Int>, _ bytes: [UInt8]) throws(ProtobufError) -> [ArraySlice<UInt8>] {
    var reader = WireReader(bytes, in: range)
    var rows: [ArraySlice<UInt8>] = []
    while let field = try reader.next() {
      if field.number == 1, let row = field.range { rows.append(bytes[row]) }
    }
    return rows
  }

  /// A list of flags, packed or one by one.
  static func flags(_ content: WireField.Content, _ bytes: [UInt8]) throws(ProtobufError) -> [Bool] {
    switch content {
    case .varint(let value): return [value != 0]
    case .lengthDelimited(let range):
      var reader = WireReader(bytes, in: range)
      var flags: [Bool] = []
      while !reader.isAtEnd { flags.append(try reader.varint() != 0) }
      return flags
    case .fixed32, .fixed64: return []
    }
  }
}

/// One vector as JSON, in full or in short, and back.
enum VectorJSON {
  /// Values that a summary shows.
  private static let shownCount = 4

  /// `{"type": "FloatVector", "dim": 128, "first": [0.1, …], "norm": 1.0}`; sparse ones have `entries` for `dim`, and `first` by index.
  static func summary(_ row: ArraySlice<UInt8>, _ slot: VectorSlot) -> JSONValue {
    var object = JSONObject([("type", .string(typeName(slot)))])
    switch slot {
    case .sparse:
      let entries = sparse(row)
      object["entries"] = .int(entries.count)
      object["first"] = .object(JSONObject(entries.prefix(shownCount).map { (String($0.index), float($0.value)) }))
      object["norm"] = norm(entries.map { Double($0.value) })
    case .binary:
      object["dim"] = .int(row.count * 8)
      object["first"] = .string(row.prefix(shownCount).map(bits).joined(separator: " "))
      object["ones"] = .int(row.reduce(0) { $0 + $1.nonzeroBitCount })
    case .float, .float16, .bfloat16, .int8, .array:
      let values = numbers(row, slot)
      object["dim"] = .int(values.count)
      object["first"] = .array(values.prefix(shownCount).map { value($0, slot) })
      object["norm"] = norm(values.map(Double.init))
    }
    return .object(object)
  }

  /// All values: an array of numbers, of bytes for binary vectors; an object by index for sparse ones.
  static func full(_ row: ArraySlice<UInt8>, _ slot: VectorSlot) -> JSONValue {
    switch slot {
    case .sparse: .object(JSONObject(sparse(row).map { (String($0.index), float($0.value)) }))
    case .binary: .array(row.map { .int($0) })
    case .float, .float16, .bfloat16, .int8, .array: .array(numbers(row, slot).map { value($0, slot) })
    }
  }

  /// The bytes of one row from what `full` shows; nil where the JSON is no such vector.
  static func bytes(_ json: JSONValue, _ slot: VectorSlot) -> [UInt8]? {
    var writer = WireWriter()
    if slot == .sparse {
      guard let object = json.objectValue else { return nil }
      var entries: [(UInt32, Float)] = []
      for (key, value) in object.members {
        guard let index = UInt32(key), let number = value.numberValue.flatMap({ Float($0.text) }) else { return nil }
        entries.append((index, number))
      }
      for (index, number) in entries.sorted(by: { $0.0 < $1.0 }) {
        writer.rawFixed(index)
        writer.rawFixed(number.bitPattern)
      }
      return writer.bytes
    }
    guard let list = json.arrayValue else { return nil }
    for element in list {
      guard let number = element.numberValue else { return nil }
      switch slot {
      case .float:
        guard let value = Float(number.text) else { return nil }
        writer.rawFixed(value.bitPattern)
      case .float16:
        guard let value = Float(number.text) else { return nil }
        writer.rawFixed(Float16(value).bitPattern)
      case .bfloat16:
        guard let value = Float(number.text) else { return nil }
        writer.rawFixed(bfloat16(value))
      case .int8:
        guard let value = number.int64.flatMap({ Int8(exactly: $0) }) else { return nil }
        writer.rawFixed(value)
      case .binary:
        guard let value = number.int64.flatMap({ UInt8(exactly: $0) }) else { return nil }
        writer.rawFixed(value)
      case .sparse, .array: return nil
      }
    }
    return writer.bytes
  }

  static func typeName(_ slot: VectorSlot) -> String {
    switch slot {
    case .float: "FloatVector"
    case .binary: "BinaryVector"
    case .float16: "Float16Vector"
    case .bfloat16: "BFloat16Vector"
    case .sparse: "SparseFloatVector"
    case .int8: "Int8Vector"
    case .array: "ArrayOfVector"
    }
  }

  private static func numbers(_ row: ArraySlice<UInt8>, _ slot: VectorSlot) -> [Float] {
    switch slot {
    case .float: words(row, UInt32.self).map(Float.init(bitPattern:))
    case .float16: words(row, UInt16.self).map { Float(Float16(bitPattern: $0)) }
    case .bfloat16: words(row, UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
    case .int8: row.map { Float(Int8(bitPattern: $0)) }
    case .binary, .sparse, .array: []
    }
  }

  /// Pairs of index and value, four bytes each, little endian.
  private static func sparse(_ row: ArraySlice<UInt8>) -> [(index: UInt32, value: Float)] {
    let words = words(row, UInt32.self)
    return stride(from: 0, to: words.count - 1, by: 2).map { (words[$0], Float(bitPattern: words[$0 + 1])) }
  }

  /// Little endian; what is left over at the end is dropped.
  private static func words<Word: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>, _: Word.Type) -> [Word] {
    let width = Word.bitWidth / 8
    return (0..<(bytes.count / width)).map { index in
      let start = bytes.startIndex + index * width
      return bytes[start..<(start + width)].reversed().reduce(0) { $0 << 8 | Word($1) }
    }
  }

  /// Rounds to nearest, ties to even, as hardware does.
  private static func bfloat16(_ value: Float) -> UInt16 {
    guard !value.isNaN else { return 0x7FC0 }
    let bits = value.bitPattern
    return UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }

  private static func value(_ number: Float, _ slot: VectorSlot) -> JSONValue {
    slot == .int8 ? .int(Int(number)) : float(number)
  }
  private static func float(_ value: Float) -> JSONValue {
    guard value.isFinite, let number = JSONNumber(text: value.description) else {
      return .string(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
    }
    return .number(number)
  }
  private static func norm(_ values: [Double]) -> JSONValue {
    float(Float(values.reduce(0) { $0 + $1 * $1 }.squareRoot()))
  }
  private static func bits(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 2)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}
