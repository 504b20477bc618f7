package import MilvusWire

/// One value of a row, as the fake cluster keeps it: a plain object per value, decoded and encoded without the product's row codec,
/// so that both can be held against each other.
package indirect enum FakeValue: Sendable, Hashable {
  case null
  case bool(Bool)
  case int(Int64)
  case float(Float)
  case double(Double)
  /// VarChar, Text, Timestamptz, Geometry, JSON: bytes as they came.
  case text([UInt8])
  /// A dense vector's bytes, or a sparse vector's pairs.
  case vector([UInt8])
  case array([FakeValue])

  package static func text(_ string: String) -> FakeValue { .text(Array(string.utf8)) }
  package static func floats(_ values: [Float]) -> FakeValue {
    .vector(values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } })
  }
}

/// FieldData by objects: slow, plain, and independent of `Column`.
package enum FakeColumn {
  package struct Broken: Error, Equatable { package var what: String }

  package struct Decoded {
    package var name = ""
    package var type: Int32 = 0
    package var isDynamic = false
    package var hasFlags = false
    package var dimension = 0
    package var values: [FakeValue] = []
    /// Values before nulls were put between them.
    package var valueCount = 0
    /// A row of an array column had no element slot: the real 2.3.5 panics.
    package var hasRowWithoutSlot = false
  }

  // MARK: Decoding

  package static func decode(_ bytes: [UInt8]) throws -> Decoded {
    var result = Decoded()
    var flags: [Bool] = []
    var values: [FakeValue] = []
    var vectors: [UInt8]?
    var reader = WireReader(bytes)
    while let field = try reader.next() {
      switch field.number {
      case 1: result.type = Int32(truncatingIfNeeded: field.varint ?? 0)
      case 2: result.name = String(decoding: bytes[field.range ?? 0..<0], as: UTF8.self)
      case 3: values = try scalars(Array(bytes[field.range ?? 0..<0]), &result)
      case 4: vectors = Array(bytes[field.range ?? 0..<0])
      case 6: result.isDynamic = field.varint == 1
      case 7: flags += try packedVarints(bytes, field).map { $0 != 0 }
      default: break
      }
    }
    if let vectors { values = try rows(ofVectors: vectors, &result) }
    result.valueCount = values.count
    result.hasFlags = !flags.isEmpty
    result.values = values
    if !flags.isEmpty {
      if values.count == flags.count {
        result.values = zip(values, flags).map { $1 ? $0 : .null }
      } else if values.count == flags.count(where: { $0 }) {
        var next = values.makeIterator()
        result.values = flags.map { $0 ? next.next() ?? .null : .null }
      } else {
        throw Broken(what: "the length of field \(result.name) is wrong")
      }
    }
    return result
  }

  private static func packedVarints(_ bytes: [UInt8], _ field: WireField) throws -> [UInt64] {
    if let one = field.varint { return [one] }
    var result: [UInt64] = []
    var reader = WireReader(bytes, in: field.range ?? 0..<0)
    while !reader.isAtEnd { result.append(try reader.varint()) }
    return result
  }

  private static func scalars(_ bytes: [UInt8], _ decoded: inout Decoded) throws -> [FakeValue] {
    var reader = WireReader(bytes)
    var result: [FakeValue] = []
    while let field = try reader.next() {
      guard let range = field.range else { throw Broken(what: "scalars") }
      let inner = Array(bytes[range])
      switch field.number {
      case 1: result = try numbers(inner).map { .bool($0 != 0) }
      case 2: result = try numbers(inner).map { .int(Int64(Int32(truncatingIfNeeded: $0))) }
      case 3: result = try numbers(inner).map { .int(Int64(bitPattern: $0)) }
      case 4: result = try fixed(inner, 4).map { .float(Float(bitPattern: UInt32(truncatingIfNeeded: $0))) }
      case 5: result = try fixed(inner, 8).map { .double(Double(bitPattern: $0)) }
      case 6, 9, 12: result = try elements(inner, 1).map { .text($0) }
      case 8:
        for row in try elements(inner, 1) {
          if row.isEmpty { decoded.hasRowWithoutSlot = true }
          result.append(.array(try scalars(row, &decoded)))
        }
      default: break
      }
    }
    return result
  }

  private static func rows(ofVectors bytes: [UInt8], _ decoded: inout Decoded) throws -> [FakeValue] {
    var reader = WireReader(bytes)
    var slot: (UInt32, [UInt8])?
    while let field = try reader.next() {
      if field.number == 1 { decoded.dimension = Int(field.varint ?? 0) }
      if let range = field.range, field.number > 1, field.number < 8 { slot = (field.number, Array(bytes[range])) }
    }
    guard let (number, data) = slot else { return [] }
    let width: Int
    switch number {
    case 2: return try split(fixed(data, 4).flatMap { littleBytes($0, 4) }, decoded.dimension * 4)
    case 3: width = decoded.dimension / 8
    case 4, 5: width = decoded.dimension * 2
    case 6: return try elements(data, 1).map { .vector($0) }
    default: width = decoded.dimension
    }
    return try split(data, width)
  }

  private static func split(_ data: [UInt8], _ width: Int) throws -> [FakeValue] {
    if data.isEmpty { return [] }
    guard width > 0, data.count % width == 0 else { throw Broken(what: "vector width") }
    return stride(from: 0, to: data.count, by: width).map { .vector(Array(data[$0..<$0 + width])) }
  }

  private static func numbers(_ bytes: [UInt8]) throws -> [UInt64] {
    var reader = WireReader(bytes)
    var result: [UInt64] = []
    while let field = try reader.next() { if field.number == 1 { result += try packedVarints(bytes, field) } }
    return result
  }
  private static func fixed(_ bytes: [UInt8], _ width: Int) throws -> [UInt64] {
    var reader = WireReader(bytes)
    var result: [UInt64] = []
    while let field = try reader.next() {
      guard field.number == 1 else { continue }
      switch field.content {
      case .fixed32(let value): result.append(UInt64(value))
      case .fixed64(let value): result.append(value)
      case .varint: throw Broken(what: "fixed")
      case .lengthDelimited(let range):
        var packed = WireReader(bytes, in: range)
        while !packed.isAtEnd { result.append(width == 4 ? UInt64(try packed.fixed32()) : try packed.fixed64()) }
      }
    }
    return result
  }
  private static func elements(_ bytes: [UInt8], _ number: UInt32) throws -> [[UInt8]] {
    var reader = WireReader(bytes)
    var result: [[UInt8]] = []
    while let field = try reader.next() {
      guard field.number == number else { continue }
      result.append(Array(bytes[field.range ?? 0..<0]))
    }
    return result
  }
  private static func littleBytes(_ value: UInt64, _ width: Int) -> [UInt8] {
    (0..<width).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  // MARK: Encoding

  /// How an answer spells what the wire leaves open.
  package struct Spelling: Sendable {
    /// 2.3.5 says an empty array as a row of zero length (`public-rpc.md` §6.5).
    package var emptyArrayHasNoSlot = false
    /// Nulls as zero values beside flags (true), or left out (false).
    package var isFull = true
    /// Numbers one by one instead of packed.
    package var isUnpacked = false
    package init(emptyArrayHasNoSlot: Bool = false, isFull: Bool = true, isUnpacked: Bool = false) {
      (self.emptyArrayHasNoSlot, self.isFull, self.isUnpacked) = (emptyArrayHasNoSlot, isFull, isUnpacked)
    }
  }

  /// One `schema.FieldData`. Flags are written where a value is null, or always with `alwaysFlags`.
  package static func encode(
    _ field: FieldSchema, _ values: [FakeValue], spelling: Spelling = Spelling(), fieldID: Int64 = 0,
    alwaysFlags: Bool = false
  ) -> [UInt8] {
    var writer = WireWriter()
    writer.varint(1, UInt64(UInt32(bitPattern: field.dataType.rawValue)))
    writer.string(2, field.name)
    let hasNull = values.contains(.null)
    let present = hasNull ? values.compactMap { $0 == .null ? (spelling.isFull ? zero(field) : nil) : $0 } : values
    if field.dataType.isVector {
      writer.lengthDelimited(4, vectors(field, present))
    } else {
      writer.lengthDelimited(3, scalars(field.dataType, field.elementType, present, spelling))
    }
    if fieldID != 0 { writer.varint(5, UInt64(fieldID)) }
    if field.isDynamic { writer.varint(6, 1) }
    if hasNull || alwaysFlags { writer.lengthDelimited(7, values.map { $0 == .null ? 0 : 1 }) }
    return writer.bytes
  }

  private static func zero(_ field: FieldSchema) -> FakeValue {
    switch field.dataType {
    case .bool: .bool(false)
    case .int8, .int16, .int32, .int64: .int(0)
    case .float: .float(0)
    case .double: .double(0)
    case .array: .array([])
    case .floatVector: .vector(Array(repeating: 0, count: 4 * (field.dimension ?? 0)))
    case .binaryVector: .vector(Array(repeating: 0, count: (field.dimension ?? 0) / 8))
    case .float16Vector, .bfloat16Vector: .vector(Array(repeating: 0, count: 2 * (field.dimension ?? 0)))
    case .int8Vector: .vector(Array(repeating: 0, count: field.dimension ?? 0))
    case .sparseFloatVector: .vector([])
    default: .text([])
    }
  }

  private static func scalars(_ type: DataType, _ element: DataType, _ values: [FakeValue], _ spelling: Spelling) -> [UInt8] {
    var inner = WireWriter()
    let slot: UInt32
    switch type {
    case .bool: slot = 1
    case .int8, .int16, .int32: slot = 2
    case .int64: slot = 3
    case .float: slot = 4
    case .double: slot = 5
    case .array: slot = 8
    case .json: slot = 9
    case .geometry: slot = 12
    default: slot = 6
    }
    if slot <= 5 {
      var packed = WireWriter()
      for value in values {
        switch value {
        case .bool(let bool): spelling.isUnpacked ? inner.varint(1, bool ? 1 : 0) : packed.rawVarint(bool ? 1 : 0)
        case .int(let int):
          let raw = UInt64(bitPattern: int)
          spelling.isUnpacked ? inner.varint(1, raw) : packed.rawVarint(raw)
        case .float(let float): spelling.isUnpacked ? inner.fixed32(1, float.bitPattern) : packed.rawFixed(float.bitPattern)
        case .double(let double):
          spelling.isUnpacked ? inner.fixed64(1, double.bitPattern) : packed.rawFixed(double.bitPattern)
        case .null, .text, .vector, .array: break
        }
      }
      if !packed.bytes.isEmpty { inner.lengthDelimited(1, packed.bytes) }
    } else {
      for value in values {
        switch value {
        case .text(let bytes): inner.lengthDelimited(1, bytes)
        case .array(let elements):
          let row = elements.isEmpty && spelling.emptyArrayHasNoSlot ? [] : scalars(element, .none, elements, spelling)
          inner.lengthDelimited(1, row)
        default: break
        }
      }
      if type == .array { inner.varint(2, UInt64(UInt32(bitPattern: element.rawValue))) }
    }
    var writer = WireWriter()
    writer.lengthDelimited(slot, inner.bytes)
    return writer.bytes
  }

  private static func vectors(_ field: FieldSchema, _ values: [FakeValue]) -> [UInt8] {
    let rows = values.map { value -> [UInt8] in if case .vector(let bytes) = value { bytes } else { [] } }
    var writer = WireWriter()
    if let dim = field.dimension { writer.varint(1, UInt64(dim)) }
    switch field.dataType {
    case .floatVector:
      var inner = WireWriter()
      let flat = Array(rows.joined())
      if !flat.isEmpty { inner.lengthDelimited(1, flat) }
      writer.lengthDelimited(2, inner.bytes)
    case .binaryVector: writer.lengthDelimited(3, Array(rows.joined()))
    case .float16Vector: writer.lengthDelimited(4, Array(rows.joined()))
    case .bfloat16Vector: writer.lengthDelimited(5, Array(rows.joined()))
    case .int8Vector: writer.lengthDelimited(7, Array(rows.joined()))
    default:
      var inner = WireWriter()
      for row in rows { inner.lengthDelimited(1, row) }
      writer.lengthDelimited(6, inner.bytes)
    }
    return writer.bytes
  }
}
