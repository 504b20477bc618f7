/// Which field of a schema a column of the log belongs to.
///
/// Field ids decide, because a field may be renamed, or dropped and added again under its old name. Names decide where the schema has no ids, as
/// one from a server without them, or where the column has none.
struct LogColumnPlaces: Sendable {
  enum Place: Hashable, Sendable {
    /// An index of the wanted fields.
    case field(Int)
    /// A field of the struct array at that index.
    case member(Int, Int)
    /// Known and not wanted: a system field, the output of a function.
    case left
    case unknown
  }

  /// Below it are the server's own fields: RowID 0, Timestamp 1.
  static let firstFieldID: Int64 = 100
  static let systemNames: Set<String> = ["RowID", "Timestamp", "$namespace_id"]

  private var byID: [Int64: Place] = [:]
  private var byName: [String: Place] = [:]
  private var dynamic: Place = .left

  init(schema: CollectionSchema, fields: [FieldSchema]) {
    var indexes: [String: Int] = [:]
    for (index, field) in fields.enumerated() {
      if field.isDynamic { dynamic = .field(index) } else { indexes[field.name] = index }
    }
    for field in schema.fields where !field.isDynamic {
      let isSystem = Self.systemNames.contains(field.name)
      add(field.fieldID, field.name, isSystem ? .left : indexes[field.name].map { .field($0) } ?? .left)
    }
    for whole in schema.structArrayFields {
      for (member, field) in whole.fields.enumerated() {
        let name = "\(whole.name)[\(ColumnForm.bareName(field.name))]"
        add(field.fieldID, name, indexes[whole.name].map { .member($0, member) } ?? .left)
      }
    }
  }

  private mutating func add(_ id: Int64, _ name: String, _ place: Place) {
    byName[name] = place
    if id >= Self.firstFieldID { byID[id] = place }
  }

  func place(of column: LogColumnHead) -> Place {
    if column.isDynamic { return dynamic }
    if column.fieldID >= Self.firstFieldID, !byID.isEmpty { return byID[column.fieldID] ?? .unknown }
    if Self.systemNames.contains(column.name) { return .left }
    return byName[column.name] ?? .unknown
  }
}

/// What tells a column from others, read before its data.
struct LogColumnHead: Sendable {
  private(set) var name = ""
  private(set) var fieldID: Int64 = 0
  private(set) var isDynamic = false

  init(_ bytes: [UInt8], _ range: Range<Int>) throws(ColumnError) {
    var reader = WireReader(bytes, in: range)
    do throws(ProtobufError) {
      while let field = try reader.next() {
        switch (field.number, field.content) {
        case (2, .lengthDelimited(let text)): name = String(decoding: bytes[text], as: UTF8.self)
        case (5, .varint(let raw)): fieldID = Int64(bitPattern: raw)
        case (6, .varint(let raw)): isDynamic = raw != 0
        default: break
        }
      }
    } catch {
      throw ColumnError(.malformed, field: name, what: error.message)
    }
  }
}
