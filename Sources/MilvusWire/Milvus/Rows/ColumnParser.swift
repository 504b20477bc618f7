/// Reads one `schema.FieldData` message into a `Column` (`public-rpc.md` §4.2–§4.4).
///
/// Accepts packed and unpacked numbers, the full and the compact form of nullable columns, and `valid_data` in all three places
/// where servers put it. Anything that does not fit together is an error; nothing traps.
///
/// Columns of the log (`wal-protocol.md` §3.6) are read by the same rules; they have two members of ScalarField more, see `LoggedSlot`.
struct ColumnParser {
  let bytes: [UInt8]
  private var name = ""
  private var fieldID: Int64 = 0
  private var type: Int32 = 0
  private var isDynamic = false
  private var scalars: Range<Int>?
  private var vectors: Range<Int>?
  private var structs: Range<Int>?
  private var flags: [UInt8] = []
  /// Those of `ScalarField` or `VectorField`; they count before the ones beside the data.
  private var innerFlags: [UInt8] = []
  private var hasInnerFlags = false
  /// Struct arrays hold columns; those hold no struct arrays.
  private let isNested: Bool
  private let isLogged: Bool

  private init(bytes: [UInt8], isNested: Bool, isLogged: Bool = false) {
    self.bytes = bytes
    self.isNested = isNested
    self.isLogged = isLogged
  }

  /// The name of a column, for choosing columns before reading them whole.
  static func name(of range: Range<Int>, in bytes: [UInt8]) throws(ColumnError) -> String {
    var cursor = WireReader(bytes, in: range)
    var name = ""
    do throws(ProtobufError) {
      while let field = try cursor.next() {
        let (number, value) = (field.number, field.content)
        if number == 2, case .lengthDelimited(let text) = value { name = String(decoding: bytes[text], as: UTF8.self) }
      }
    } catch {
      throw ColumnError(.malformed, field: name, what: error.message)
    }
    return name
  }

  static func parse(_ bytes: [UInt8], _ range: Range<Int>, isNested: Bool = false) throws(ColumnError) -> Column {
    guard bytes.count <= Int(UInt32.max) else {
      throw ColumnError(.malformed, field: "", what: "the message is larger than 4 GiB")
    }
    return try ColumnParser(bytes: bytes, isNested: isNested).parsed(range).column
  }

  /// One column of a log's insert: its field id, what it holds, and the slot in which the log alone keeps it, if it is one of those.
  static func parseLogged(_ bytes: [UInt8], _ range: Range<Int>) throws(ColumnError) -> LoggedColumn {
    guard bytes.count <= Int(UInt32.max) else {
      throw ColumnError(.malformed, field: "", what: "the message is larger than 4 GiB")
    }
    return try ColumnParser(bytes: bytes, isNested: true, isLogged: true).parsed(range)
  }

  private consuming func parsed(_ range: Range<Int>) throws(ColumnError) -> LoggedColumn {
    do throws(ProtobufError) {
      try readEnvelope(range)
    } catch {
      throw ColumnError(.malformed, field: name, what: error.message)
    }
    let (column, slot) = try column()
    return LoggedColumn(column: column, fieldID: fieldID, slot: slot)
  }

  // MARK: Envelope

  private mutating func readEnvelope(_ range: Range<Int>) throws(ProtobufError) {
    var cursor = WireReader(bytes, in: range)
    while let field = try cursor.next() {
      let (number, value) = (field.number, field.content)
      switch (number, value) {
      case (1, .varint(let raw)): type = Int32(truncatingIfNeeded: raw)
      case (2, .lengthDelimited(let text)): name = String(decoding: bytes[text], as: UTF8.self)
      case (3, .lengthDelimited(let payload)): try Self.set(&scalars, payload)
      case (4, .lengthDelimited(let payload)): try Self.set(&vectors, payload)
      case (5, .varint(let raw)): fieldID = Int64(bitPattern: raw)
      case (6, .varint(let raw)): isDynamic = raw != 0
      case (7, _): try Self.append(value, of: bytes, to: &flags)
      case (8, .lengthDelimited(let payload)): try Self.set(&structs, payload)
      case (1...6, _), (8, _): throw ProtobufError(.malformed, "field \(number) has the wrong wire type")
      default: break
      }
    }
    if [scalars, vectors, structs].count(where: { $0 != nil }) > 1 {
      throw ProtobufError(.malformed, "the column has more than one kind of data")
    }
  }

  /// A message field that stands twice would have to be merged; no server sends that.
  private static func set(_ place: inout Range<Int>?, _ range: Range<Int>) throws(ProtobufError) {
    guard place == nil else { throw ProtobufError(.malformed, "the column's data stands twice") }
    place = range
  }

  private static func append(_ value: WireField.Content, of bytes: [UInt8], to flags: inout [UInt8]) throws(ProtobufError) {
    switch value {
    case .varint(let raw): flags.append(raw == 0 ? 0 : 1)
    case .lengthDelimited(let range):
      var cursor = WireReader(bytes, in: range)
      while !cursor.isAtEnd { flags.append(try cursor.varint() == 0 ? 0 : 1) }
    case .fixed32, .fixed64: throw ProtobufError(.malformed, "valid_data has the wrong wire type")
    }
  }

  // MARK: Column

  private mutating func column() throws(ColumnError) -> (Column, LoggedSlot?) {
    var data = ParsedData()
    do throws(ProtobufError) {
      if let scalars {
        data = try readScalars(scalars)
      } else if let vectors {
        data = try readVectors(vectors)
      }
    } catch {
      throw ColumnError(.malformed, field: name, what: error.message)
    }
    if let structs { data.values = .structs(try readStructs(structs)) }
    let values = data.values ?? .variable(VariableValues(bytes: []))
    if !innerFlags.isEmpty {
      guard flags.isEmpty || flags == innerFlags else {
        throw ColumnError(.malformed, field: name, what: "the null flags in the data and beside it differ")
      }
      flags = innerFlags
    }
    let (rowCount, slots) = try rows(of: values.count)
    let payload = scalars ?? vectors ?? structs
    let column = Column(
      name: name, dataType: DataType(rawValue: type), isDynamic: isDynamic, rowCount: rowCount, values: values,
      slots: slots, elementType: data.elementType, dimension: data.dimension,
      payload: hasInnerFlags || data.values == nil ? nil : payload.map { (bytes, $0) })
    return (column, data.loggedSlot)
  }

  /// Full or compact form is decided by length, not by type (`public-rpc.md` §4.4).
  private func rows(of valueCount: Int) throws(ColumnError) -> (Int, [Int32]?) {
    guard !flags.isEmpty else { return (valueCount, nil) }
    let validCount = flags.count { $0 != 0 }
    guard valueCount == flags.count || valueCount == validCount else {
      throw ColumnError(
        .malformed, field: name, what: "\(valueCount) values do not fit \(flags.count) null flags")
    }
    if validCount == flags.count { return (valueCount, nil) }
    let isFull = valueCount == flags.count
    var slots: [Int32] = []
    slots.reserveCapacity(flags.count)
    var next: Int32 = 0
    for flag in flags {
      slots.append(flag != 0 ? next : -1)
      if isFull || flag != 0 { next += 1 }
    }
    return (flags.count, slots)
  }

  struct ParsedData {
    var values: ColumnValues?
    var loggedSlot: LoggedSlot?
    var elementType: Int32 = 0
    var dimension = 0
  }

  private mutating func readScalars(_ range: Range<Int>) throws(ProtobufError) -> ParsedData {
    var cursor = WireReader(bytes, in: range)
    var data = ParsedData()
    while let field = try cursor.next() {
      let (number, value) = (field.number, field.content)
      if number == 17 {
        hasInnerFlags = true
        try Self.append(value, of: bytes, to: &innerFlags)
        continue
      }
      if isLogged, let slot = LoggedSlot(rawValue: number) {
        try readLogged(slot, value, &data)
        continue
      }
      guard let slot = ScalarSlot(rawValue: number) else { continue }
      guard case .lengthDelimited(let payload) = value else {
        throw ProtobufError(.malformed, "scalars.\(number) has the wrong wire type")
      }
      guard data.values == nil else { throw ProtobufError(.malformed, "the column's data stands twice") }
      switch slot {
      case .bool: data.values = .bools(try numbers(payload) { $0 == 0 ? 0 : 1 })
      case .int: data.values = .ints(try numbers(payload) { Int32(truncatingIfNeeded: $0) })
      case .long: data.values = .longs(try numbers(payload) { Int64(bitPattern: $0) })
      case .float: data.values = .fixed(try fixedNumbers(payload, width: 4, perValue: 1))
      case .double: data.values = .fixed(try fixedNumbers(payload, width: 8, perValue: 1))
      case .string, .json, .geometryText: data.values = .variable(try elements(payload, &data.elementType))
      case .array: data.values = .variable(try elements(payload, &data.elementType))
      }
    }
    return data
  }

  private func readLogged(_ slot: LoggedSlot, _ value: WireField.Content, _ data: inout ParsedData) throws(ProtobufError) {
    guard case .lengthDelimited(let payload) = value else {
      throw ProtobufError(.malformed, "scalars.\(slot.rawValue) has the wrong wire type")
    }
    guard data.values == nil else { throw ProtobufError(.malformed, "the column's data stands twice") }
    data.loggedSlot = slot
    switch slot {
    case .geometryBinary: data.values = .variable(try elements(payload, &data.elementType))
    case .microseconds: data.values = .longs(try numbers(payload) { Int64(bitPattern: $0) })
    }
  }

  private mutating func readVectors(_ range: Range<Int>) throws(ProtobufError) -> ParsedData {
    var cursor = WireReader(bytes, in: range)
    var data = ParsedData()
    var slot: (VectorSlot, Range<Int>)?
    while let field = try cursor.next() {
      let (number, value) = (field.number, field.content)
      switch (number, value) {
      case (1, .varint(let dim)): data.dimension = Int(exactly: dim) ?? 0
      case (2...8, .lengthDelimited(let payload)):
        guard slot == nil else { throw ProtobufError(.malformed, "the column's data stands twice") }
        slot = VectorSlot(rawValue: number).map { ($0, payload) }
      case (9, _):
        hasInnerFlags = true
        try Self.append(value, of: bytes, to: &innerFlags)
      case (1...8, _): throw ProtobufError(.malformed, "vectors.\(number) has the wrong wire type")
      default: break
      }
    }
    guard let (kind, payload) = slot else { return data }
    switch kind {
    case .sparse: data.values = .variable(try elements(payload, &data.elementType))
    case .array:
      data.values = .variable(try elements(payload, &data.elementType, isVectorArray: true))
      // Clients and the log say the dimension inside the array only.
      if data.dimension == 0 { data.dimension = try dimension(ofVectorArray: payload) }
    case .float: data.values = .fixed(try fixedNumbers(payload, width: 4, perValue: data.dimension))
    case .binary, .float16, .bfloat16, .int8:
      data.values = .fixed(try denseBytes(payload, width: kind.rowWidth(dimension: data.dimension)))
    }
    return data
  }

  private func dimension(ofVectorArray range: Range<Int>) throws(ProtobufError) -> Int {
    var cursor = WireReader(bytes, in: range)
    var dimension = 0
    while let field = try cursor.next() {
      if field.number == 1, case .varint(let raw) = field.content { dimension = Int(exactly: raw) ?? 0 }
    }
    return dimension
  }

  private func readStructs(_ range: Range<Int>) throws(ColumnError) -> [Column] {
    guard !isNested else {
      throw ColumnError(.unsupported, field: name, what: "a struct array inside a struct array")
    }
    var cursor = WireReader(bytes, in: range)
    var ranges: [Range<Int>] = []
    do throws(ProtobufError) {
      while let field = try cursor.next() {
        let (number, value) = (field.number, field.content)
        if number == 1, case .lengthDelimited(let field) = value { ranges.append(field) }
      }
    } catch {
      throw ColumnError(.malformed, field: name, what: error.message)
    }
    var columns: [Column] = []
    for range in ranges { columns.append(try Self.parse(bytes, range, isNested: true)) }
    guard columns.allSatisfy({ $0.rowCount == columns[0].rowCount }) else {
      throw ColumnError(.malformed, field: name, what: "the fields of the struct have different row counts")
    }
    return columns
  }

  // MARK: Inner arrays: every one has only `data` = 1, packed or not

  private func numbers<T>(_ range: Range<Int>, _ convert: (UInt64) -> T) throws(ProtobufError) -> [T] {
    var result: [T] = []
    var cursor = WireReader(bytes, in: range)
    while let field = try cursor.next() {
      let (number, value) = (field.number, field.content)
      guard number == 1 else { continue }
      switch value {
      case .varint(let raw): result.append(convert(raw))
      case .lengthDelimited(let packed):
        result.reserveCapacity(result.count + Varints.count(bytes, packed))
        guard Varints.decode(bytes, packed, into: &result, convert) else {
          throw ProtobufError(.malformed, "a packed number is cut off or too long")
        }
      case .fixed32, .fixed64: throw ProtobufError(.malformed, "numbers have the wrong wire type")
      }
    }
    return result
  }

  /// Numbers of 4 or 8 bytes; `perValue` of them make one value. One packed run stays in the page, others are laid out again.
  private func fixedNumbers(_ range: Range<Int>, width: Int, perValue: Int) throws(ProtobufError) -> FixedValues {
    var runs: [Range<Int>] = []
    var loose: [UInt8] = []
    var cursor = WireReader(bytes, in: range)
    while let field = try cursor.next() {
      let (number, value) = (field.number, field.content)
      guard number == 1 else { continue }
      switch value {
      case .lengthDelimited(let packed):
        if packed.isEmpty { continue }
        if loose.isEmpty, runs.isEmpty { runs = [packed]; continue }
        loose += runs.flatMap { bytes[$0] }
        runs = []
        loose += bytes[packed]
      case .fixed32(let raw) where width == 4: appendLoose(raw, &runs, &loose)
      case .fixed64(let raw) where width == 8: appendLoose(raw, &runs, &loose)
      case .varint, .fixed32, .fixed64: throw ProtobufError(.malformed, "numbers have the wrong wire type")
      }
    }
    if let run = runs.first { return try Self.fixed(bytes, run, width: width, perValue: perValue) }
    return try Self.fixed(loose, 0..<loose.count, width: width, perValue: perValue)
  }

  private func appendLoose(_ raw: some FixedWidthInteger, _ runs: inout [Range<Int>], _ loose: inout [UInt8]) {
    loose += runs.flatMap { bytes[$0] }
    runs = []
    withUnsafeBytes(of: raw.littleEndian) { loose.append(contentsOf: $0) }
  }

  private static func fixed(_ bytes: [UInt8], _ range: Range<Int>, width: Int, perValue: Int)
    throws(ProtobufError) -> FixedValues
  {
    if range.isEmpty, let none = FixedValues(bytes: [], start: 0, width: width, count: 0) { return none }
    let (valueWidth, isTooWide) = width.multipliedReportingOverflow(by: perValue)
    guard perValue > 0, !isTooWide else { throw ProtobufError(.malformed, "the dimension is out of range") }
    guard range.count % valueWidth == 0,
      let values = FixedValues(bytes: bytes, start: range.lowerBound, width: valueWidth, count: range.count / valueWidth)
    else { throw ProtobufError(.malformed, "the data is no whole number of values") }
    return values
  }

  /// A dense vector whose slot is plain bytes, not a message.
  private func denseBytes(_ range: Range<Int>, width: Int?) throws(ProtobufError) -> FixedValues {
    guard range.isEmpty || width != nil else { throw ProtobufError(.malformed, "the dimension is out of range") }
    return try Self.fixed(bytes, range, width: width ?? 1, perValue: 1)
  }

  /// The length-delimited elements of a repeated field: `data` = 1, or 2 in a vector array, whose `dim` is 1.
  private func elements(_ range: Range<Int>, _ elementType: inout Int32, isVectorArray: Bool = false)
    throws(ProtobufError) -> VariableValues
  {
    let dataNumber: UInt32 = isVectorArray ? 2 : 1
    let typeNumber: UInt32 = isVectorArray ? 3 : 2
    var result = VariableValues(bytes: bytes)
    var cursor = WireReader(bytes, in: range)
    while let field = try cursor.next() {
      let (number, value) = (field.number, field.content)
      if number == dataNumber {
        guard case .lengthDelimited(let element) = value else { throw ProtobufError(.malformed, "an element has the wrong wire type") }
        result.append(element)
      } else if number == typeNumber, case .varint(let raw) = value {
        elementType = Int32(truncatingIfNeeded: raw)
      }
    }
    return result
  }
}
