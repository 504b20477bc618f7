/// The form in which a target wants one column of an Insert or Upsert (`public-rpc.md` §4.3–§4.7).
package struct ColumnForm: Sendable, Equatable {
  package var name: String
  package var dataType: DataType
  package var elementType: DataType
  /// Of a vector; 0 for everything else.
  package var dimension: Int
  package var isDynamic: Bool
  /// True: `valid_data` stands beside the values of the rows that are not null (nullable fields, fields with a default).
  /// False: all rows have a value and no `valid_data` is sent.
  package var hasFlags: Bool
  /// The fields of a struct array.
  package var fields: [ColumnForm] = []

  /// `acceptsFlags` is false for servers before 2.5: they ignore `valid_data` and would store nulls as zeros (§8.1).
  package init(_ field: FieldSchema, acceptsFlags: Bool) {
    name = field.name
    dataType = field.dataType
    elementType = field.elementType
    dimension = field.dataType.isVector ? field.dimension ?? 0 : 0
    isDynamic = field.isDynamic
    hasFlags = acceptsFlags && (field.nullable || field.defaultValue != nil)
  }
  /// A struct array travels as one column that holds the columns of its fields. A null struct is a null in each of them: `valid_data` stands
  /// there and not beside the struct, as a 3.0 server was sent it and took it.
  package init(_ field: StructArrayFieldSchema, acceptsFlags: Bool) {
    name = field.name
    dataType = .arrayOfStruct
    elementType = .none
    dimension = 0
    isDynamic = false
    hasFlags = false
    fields = field.fields.map { inner in
      var inner = inner
      inner.nullable = inner.nullable || field.nullable
      var form = ColumnForm(inner, acceptsFlags: acceptsFlags)
      form.name = Self.bareName(inner.name)
      return form
    }
  }

  /// `struct[field]` is how newer servers store the name of a struct's field; columns carry the bare name.
  static func bareName(_ name: String) -> String {
    guard name.hasSuffix("]"), let open = name.firstIndex(of: "[") else { return name }
    return String(name[name.index(after: open)...].dropLast())
  }
}

/// Rows of a page, in the order in which they are to be sent.
package enum RowSelection: Sendable, Equatable {
  case all
  case rows([Int32])

  package func count(of rowCount: Int) -> Int {
    switch self {
    case .all: rowCount
    case .rows(let rows): rows.count
    }
  }
}
