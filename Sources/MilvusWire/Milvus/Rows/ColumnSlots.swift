/// The members of `ScalarField.data` that a query answers (`public-rpc.md` §4.2).
enum ScalarSlot: UInt32 {
  case bool = 1, int = 2, long = 3, float = 4, double = 5, string = 6, array = 8, json = 9, geometryText = 12

  /// The slot that Insert wants for a type (§4.3); nil for types without a public form that we know.
  init?(_ type: DataType) {
    switch type {
    case .bool: self = .bool
    case .int8, .int16, .int32: self = .int
    case .int64: self = .long
    case .float: self = .float
    case .double: self = .double
    case .varChar, .string, .text, .timestamptz: self = .string
    case .array: self = .array
    case .json: self = .json
    case .geometry: self = .geometryText
    default: return nil
    }
  }
}

/// The members of `ScalarField.data` that only the log has (`wal-protocol.md` §3.6).
enum LoggedSlot: UInt32, Sendable {
  /// `geometry_data`: well-known binary.
  case geometryBinary = 10
  /// `timestamptz_data`: microseconds since 1970.
  case microseconds = 11
}

/// One column of a log's insert as it was parsed. Where `slot` is set, its values are not yet what a request carries.
struct LoggedColumn: Sendable {
  let column: Column
  let fieldID: Int64
  let slot: LoggedSlot?
}

/// The members of `VectorField.data`.
enum VectorSlot: UInt32 {
  case float = 2, binary = 3, float16 = 4, bfloat16 = 5, sparse = 6, int8 = 7, array = 8

  init?(_ type: DataType) {
    switch type {
    case .floatVector: self = .float
    case .binaryVector: self = .binary
    case .float16Vector: self = .float16
    case .bfloat16Vector: self = .bfloat16
    case .sparseFloatVector: self = .sparse
    case .int8Vector: self = .int8
    case .arrayOfVector: self = .array
    default: return nil
    }
  }

  /// Bytes of one row; nil where the dimension cannot be, and for slots whose rows differ in length.
  func rowWidth(dimension: Int) -> Int? {
    guard dimension > 0, dimension <= 1 << 24 else { return nil }
    switch self {
    case .float: return dimension * 4
    case .binary: return dimension % 8 == 0 ? dimension / 8 : nil
    case .float16, .bfloat16: return dimension * 2
    case .int8: return dimension
    case .sparse, .array: return nil
    }
  }
}
