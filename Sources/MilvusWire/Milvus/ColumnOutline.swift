/// The structure of one encoded `schema.FieldData`: names, slots and lengths, no values (`public-rpc.md`
/// §4.2).
struct ColumnOutline: Sendable {
  /// Which value list is set: a member of ScalarField's or VectorField's oneof, by its number.
  enum Slot: Sendable, Hashable, CustomStringConvertible {
    case none, structs
    case scalar(UInt32)
    case vector(UInt32)
    var description: String {
      switch self {
      case .none: "no value list"
      case .structs: "struct_arrays"
      case .scalar(let number): "scalar slot \(number)"
      case .vector(let number): "vector slot \(number)"
      }
    }
  }

  private(set) var name = ""
  private(set) var isDynamic = false
  private(set) var slot = Slot.none
  /// `vectors.dim`.
  private(set) var dimension: Int64 = 0
  /// Bytes of the vectors' list: of the floats or of the one bytes member.
  private(set) var vectorBytes = 0
  private(set) var flagCount = 0
  private(set) var trueFlagCount = 0
  /// Where the content of the slot lies.
  private var content = 0..<0
  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) throws(ColumnFault) {
    self.bytes = bytes
    do throws(ProtobufError) {
      try read()
    } catch {
      throw ColumnFault(.malformed, field: name, error.message)
    }
  }

  private mutating func read() throws(ProtobufError) {
    var reader = WireReader(bytes)
    while let field = try reader.next() {
      switch (field.number, field.content) {
      case (2, .lengthDelimited(let range)): name = reader.text(range)
      case (3, .lengthDelimited(let range)): try readScalars(range)
      case (4, .lengthDelimited(let range)): try readVectors(range)
      case (6, .varint(let value)): isDynamic = value != 0
      case (7, let flags): try readFlags(flags)
      case (8, .lengthDelimited(let range)): (slot, content) = (.structs, range)
      default: break
      }
    }
  }

  /// valid_data moved into ScalarField (17) after 3.0.
  private mutating func readScalars(_ range: Range<Int>) throws(ProtobufError) {
    var reader = WireReader(bytes, in: range)
    slot = .none
    while let field = try reader.next() {
      if field.number == 17 {
        try readFlags(field.content)
      } else if let range = field.range {
        (slot, content) = (.scalar(field.number), range)
      }
    }
  }

  /// valid_data moved into VectorField (9) after 3.0.
  private mutating func readVectors(_ range: Range<Int>) throws(ProtobufError) {
    var reader = WireReader(bytes, in: range)
    slot = .none
    while let field = try reader.next() {
      switch (field.number, field.content) {
      case (1, .varint(let value)): dimension = Int64(bitPattern: value)
      case (9, let flags): try readFlags(flags)
      case (let number, .lengthDelimited(let range)):
        (slot, content) = (.vector(number), range)
        vectorBytes = number == 2 ? try floatBytes(range) : range.count
      default: break
      }
    }
  }

  /// FloatArray.data, packed or not.
  private func floatBytes(_ range: Range<Int>) throws(ProtobufError) -> Int {
    var reader = WireReader(bytes, in: range)
    var count = 0
    while let field = try reader.next() {
      if field.number == 1 { count += field.range?.count ?? 4 }
    }
    return count
  }

  private mutating func readFlags(_ flags: WireField.Content) throws(ProtobufError) {
    switch flags {
    case .varint(let value): add(flag: value)
    case .lengthDelimited(let range):
      var reader = WireReader(bytes, in: range)
      while !reader.isAtEnd { add(flag: try reader.varint()) }
    case .fixed32, .fixed64: throw ProtobufError(.wrongType, "valid_data is not a list of flags")
    }
  }

  private mutating func add(flag: UInt64) {
    flagCount += 1
    if flag != 0 { trueFlagCount += 1 }
  }

  /// How many values the slot holds. Its message has them in field 1: numbers packed or not, others one by
  /// one.
  func valueCount(of type: DataType) throws(ColumnFault) -> Int {
    do throws(ProtobufError) {
      var reader = WireReader(bytes, in: content)
      var count = 0
      while let field = try reader.next() {
        guard field.number == 1 else { continue }
        count += try valueCount(in: field, of: type)
      }
      return count
    } catch {
      throw ColumnFault(.malformed, field: name, error.message)
    }
  }

  private func valueCount(in field: WireField, of type: DataType) throws(ProtobufError) -> Int {
    guard let range = field.range else { return 1 }
    switch slot {
    case .scalar(4): return range.count / 4
    case .scalar(5): return range.count / 8
    case .scalar(1), .scalar(2), .scalar(3), .scalar(11), .scalar(15), .scalar(16):
      // Every varint ends with the one byte that has no continuation bit.
      return bytes[range].reduce(0) { $0 + ($1 < 0x80 ? 1 : 0) }
    case .scalar, .vector, .structs, .none: return 1
    }
  }

  /// Every row of an array column must have the slot of its element type: 2.3.5 panics on a row without, and
  /// answers such rows itself where an array is empty (`public-rpc.md` §6.5).
  func checkArrayRows(elementSlots: Set<Slot>) throws(ColumnFault) {
    let rows = try slotsOfRows()
    for (row, slot) in rows.enumerated() {
      guard let slot else {
        throw ColumnFault(.rowWithoutSlot, field: name, "array row \(row) has no element slot")
      }
      guard elementSlots.contains(slot) else {
        throw ColumnFault(.wrongSlot, field: name, "array row \(row) has \(slot)")
      }
    }
  }

  /// ArrayArray.data (1), one ScalarField for each row.
  private func slotsOfRows() throws(ColumnFault) -> [Slot?] {
    do throws(ProtobufError) {
      var reader = WireReader(bytes, in: content)
      var slots: [Slot?] = []
      while let field = try reader.next() {
        guard field.number == 1, let range = field.range else { continue }
        var row = WireReader(bytes, in: range)
        var slot: Slot?
        while let member = try row.next() {
          if member.range != nil { slot = .scalar(member.number) }
        }
        slots.append(slot)
      }
      return slots
    } catch {
      throw ColumnFault(.malformed, field: name, error.message)
    }
  }
}
