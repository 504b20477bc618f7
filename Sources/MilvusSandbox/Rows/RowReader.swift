internal import MilvusWire

/// The stored columns of an Insert or Upsert, checked against the collection: turns the columns of a request into rows.
struct RowReader {
  private struct Source {
    var field: FieldSchema
    /// nil: left out, every row has the default.
    var column: Column?
  }
  private var sources: [Source] = []
  private let rowCount: Int
  private let keyName: String
  /// True where the request carries the key.
  let hasKeys: Bool
  private let storedFields: [FieldSchema]
  /// False where a partial request leaves out what a new row needs.
  private(set) var isComplete = true

  /// `isPartial`: columns may be missing that a partial upsert takes from the row before.
  init(
    _ ranges: [Range<Int>], of bytes: [UInt8], rowCount: Int, collection: CollectionRecord,
    isPartial: Bool = false
  ) throws(Refusal) {
    var columns = try Self.columns(ranges, of: bytes, collection)
    keyName = collection.key?.name ?? ""
    hasKeys = columns[keyName] != nil
    self.rowCount = rowCount
    storedFields = collection.storedFields
    for field in collection.storedFields {
      let column = columns.removeValue(forKey: field.name)
      if let column, column.rowCount != rowCount {
        throw .invalid(
          "the num_rows (\(column.rowCount)) of field (\(field.name)) is not equal to passed num_rows (\(rowCount))"
        )
      }
      let mayBeMissing =
        field.isPrimaryKey && field.autoID || field.nullable || field.defaultValue != nil || field.isDynamic
        || isPartial
      if column == nil, !mayBeMissing {
        throw .invalid("fieldSchema(\(field.name)) has no corresponding fieldData pass in")
      }
      if column == nil && isPartial {
        let mayDefault =
          field.nullable || field.defaultValue != nil || field.isDynamic
          || (field.isPrimaryKey && field.autoID)
        isComplete = isComplete && mayDefault
        continue
      }
      try column.map { (column) throws(Refusal) in try Self.check(column, field) }
      sources.append(Source(field: field, column: column))
    }
    if let strange = columns.keys.min() {
      throw .invalid("more fieldData has pass in: \(strange)")
    }
  }

  /// By the names of stored fields; struct arrays are taken apart.
  private static func columns(_ ranges: [Range<Int>], of bytes: [UInt8], _ collection: CollectionRecord)
    throws(Refusal) -> [String: Column]
  {
    var columns: [String: Column] = [:]
    for range in ranges {
      do throws(ColumnError) {
        for column in try columnsOf(range, of: bytes, collection) {
          guard columns.updateValue(column.1, forKey: column.0) == nil else {
            throw ColumnError(.malformed, field: column.0, what: "the column stands twice")
          }
        }
      } catch {
        throw Refusal(error)
      }
    }
    return columns
  }

  private static func columnsOf(_ range: Range<Int>, of bytes: [UInt8], _ collection: CollectionRecord)
    throws(ColumnError) -> [(String, Column)]
  {
    let name = try Column.name(of: range, in: bytes)
    if let structure = collection.schema.structArrayFields.first(where: { $0.name == name }) {
      var field = FieldSchema(name: name, dataType: .arrayOfStruct)
      field.nullable = structure.nullable
      let column = try Column.parse(bytes, range, as: field)
      var columns: [(String, Column)] = []
      for inner in structure.fields {
        guard
          let part = column.structFields?.first(where: {
            $0.name == inner.name || $0.name == "\(name)[\(inner.name)]"
          })
        else {
          throw ColumnError(.malformed, field: name, what: "field \(inner.name) of the struct is missing")
        }
        var expected = inner
        // Clients say it inside the rows only.
        if inner.dataType == .arrayOfVector { expected.typeParams.removeAll { $0.key == "dim" } }
        columns.append(("\(name)[\(inner.name)]", try part.checked(as: expected)))
      }
      return columns
    }
    let isMeta = name == CollectionRecord.metaField
    guard
      let field = collection.schema.fields.first(where: {
        ($0.name == name && $0.fieldID >= CollectionRecord.firstUserField) || (isMeta && $0.isDynamic)
      }), !collection.isComputed(field)
    else { throw ColumnError(.malformed, field: name, what: "more fieldData has pass in") }
    return [(field.name, try Column.parse(bytes, range, as: field))]
  }

  private static func checkArrays(_ column: Column, _ field: FieldSchema) throws(Refusal) {
    guard let limit = field.typeParams["max_capacity"].flatMap({ Int($0) }) else { return }
    for row in 0..<column.rowCount {
      guard let bytes = column.bytes(row), let count = try? elementCount(Array(bytes)), count > limit else { continue }
      throw .invalid("the length (\(count)) of \(row)th array of field \(field.name) exceeds max capacity (\(limit))")
    }
  }

  /// Elements of one `schema.ScalarField`: every kind of array has them in its field 1, numbers packed or not.
  private static func elementCount(_ scalar: [UInt8]) throws(ProtobufError) -> Int {
    var count = 0
    var reader = WireReader(scalar)
    while let kind = try reader.next() {
      guard let range = kind.range else { continue }
      var values = WireReader(scalar, in: range)
      while let value = try values.next() {
        guard value.number == 1 else { continue }
        guard let packed = value.range else {
          count += 1
          continue
        }
        switch kind.number {
        // bool_data, int_data, long_data: the last byte of a varint has no high bit.
        case 1...3: count += scalar[packed].count { $0 < 0x80 }
        case 4: count += packed.count / 4
        case 5: count += packed.count / 8
        default: count += 1
        }
      }
    }
    return count
  }

  /// What the log could not hold, or the schema forbids.
  private static func check(_ column: Column, _ field: FieldSchema) throws(Refusal) {
    if field.dataType == .array { return try checkArrays(column, field) }
    let limit = field.dataType == .varChar ? field.typeParams["max_length"].flatMap { Int($0) } : nil
    guard limit != nil || field.dataType == .timestamptz || field.dataType == .geometry else { return }
    for row in 0..<column.rowCount {
      guard let text = column.bytes(row) else { continue }
      if let limit, text.count > limit {
        throw .invalid(
          "length of varchar field \(field.name) exceeds max length, row number: \(row), length: \(text.count), max length: \(limit)"
        )
      }
      guard limit != nil || field.canonical(Array(text)) != nil else {
        throw .invalid("invalid value of field \(field.name) in row \(row)")
      }
    }
  }

  /// The key of a row; nil where the request has none.
  func key(_ row: Int) -> RowKey? {
    sources.first { $0.field.name == keyName }?.column.flatMap { RowKey(of: $0, row) }
  }

  /// The partition key of a row; nil for null.
  func value(_ row: Int, of field: String) -> RowKey? {
    sources.first { $0.field.name == field }?.column.flatMap { RowKey(of: $0, row) }
  }

  /// The stored form of a row; `key` is the one that it has, whether sent or made by the server. Columns that a partial request leaves
  /// out come from `old`.
  func row(_ row: Int, key: RowKey, old: [UInt8]? = nil) -> [UInt8] {
    var writer = WireWriter()
    var given: Set<UInt32> = []
    var scratch: [UInt8] = []
    for source in sources {
      let number = UInt32(clamping: source.field.fieldID)
      if source.field.name == keyName {
        writer.lengthDelimited(number, key.storedBytes)
        given.insert(number)
        continue
      }
      scratch.removeAll(keepingCapacity: true)
      if let column = source.column, column.appendValue(row, to: &scratch) {
        writer.lengthDelimited(number, source.field.canonical(scratch) ?? scratch)
        given.insert(number)
      } else if source.column != nil, source.field.defaultValue == nil {
        // A null that was asked for is not the old row's value.
        given.insert(number)
      }
    }
    if let old {
      var reader = WireReader(old)
      while let field = try? reader.next() {
        guard let range = field.range, given.insert(field.number).inserted else { continue }
        writer.lengthDelimited(field.number, old[range])
      }
    }
    for field in storedFields where !given.contains(UInt32(clamping: field.fieldID)) {
      if let value = field.storedDefault { writer.lengthDelimited(UInt32(clamping: field.fieldID), value) }
    }
    return writer.bytes
  }
}

extension RowKey {
  init?(of column: Column, _ row: Int) {
    if let bytes = column.bytes(row) {
      self = .text(Array(bytes))
      return
    }
    var bytes: [UInt8] = []
    guard column.appendValue(row, to: &bytes), !bytes.isEmpty, bytes.count <= 8 else { return nil }
    // Smaller integers hash as their int64.
    let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let unused = UInt64(64 - bytes.count * 8)
    self = .int(Int64(bitPattern: bits << unused) >> Int64(unused))
  }

  var storedBytes: [UInt8] {
    switch self {
    case .int(let value): (0..<8).map { UInt8(truncatingIfNeeded: value >> Int64($0 * 8)) }
    case .text(let bytes): bytes
    }
  }
}

extension FieldSchema {
  /// The one spelling of an instant or a geometry, which is how servers answer whatever was sent; nil for what is none. Every other
  /// value as it is.
  func canonical(_ bytes: [UInt8]) -> [UInt8]? {
    switch dataType {
    case .timestamptz:
      let text = InstantText.microseconds(String(decoding: bytes, as: UTF8.self)).flatMap {
        InstantText.text($0)
      }
      return text.map { Array($0.utf8) }
    case .geometry:
      return (try? WellKnownText.binary(of: bytes)).flatMap { try? WellKnownBinary.text(of: $0) }.map {
        Array($0.utf8)
      }
    default: return bytes
    }
  }

  /// What a row that leaves this field out holds: the default's bytes as in a row, `{}` for `$meta`, nil for null.
  var storedDefault: [UInt8]? {
    if isDynamic { return Array("{}".utf8) }
    switch defaultValue {
    case nil: return nil
    case .bool(let value): return [value ? 1 : 0]
    case .int(let value): return Self.littleEndian(UInt32(bitPattern: value))
    case .long(let value): return Self.littleEndian(UInt64(bitPattern: value))
    case .float(let value): return Self.littleEndian(value.bitPattern)
    case .double(let value): return Self.littleEndian(value.bitPattern)
    case .string(let value): return Array(value.utf8)
    case .bytes(let value): return value
    case .timestamptz(let value): return InstantText.text(value).map { Array($0.utf8) }
    case .date, .time: return nil
    }
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }
}
