/// `schema.DataType`. Unknown numbers are kept: a newer server may send them.
package struct DataType: Sendable, Hashable, RawRepresentable {
  package var rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }
  package static let none = DataType(rawValue: 0)
  package static let bool = DataType(rawValue: 1)
  package static let int8 = DataType(rawValue: 2)
  package static let int16 = DataType(rawValue: 3)
  package static let int32 = DataType(rawValue: 4)
  package static let int64 = DataType(rawValue: 5)
  package static let float = DataType(rawValue: 10)
  package static let double = DataType(rawValue: 11)
  package static let string = DataType(rawValue: 20)
  package static let varChar = DataType(rawValue: 21)
  package static let array = DataType(rawValue: 22)
  package static let json = DataType(rawValue: 23)
  package static let geometry = DataType(rawValue: 24)
  package static let text = DataType(rawValue: 25)
  package static let timestamptz = DataType(rawValue: 26)
  package static let mol = DataType(rawValue: 27)
  package static let date = DataType(rawValue: 28)
  package static let time = DataType(rawValue: 29)
  package static let decimal = DataType(rawValue: 30)
  package static let binaryVector = DataType(rawValue: 100)
  package static let floatVector = DataType(rawValue: 101)
  package static let float16Vector = DataType(rawValue: 102)
  package static let bfloat16Vector = DataType(rawValue: 103)
  package static let sparseFloatVector = DataType(rawValue: 104)
  package static let int8Vector = DataType(rawValue: 105)
  package static let arrayOfVector = DataType(rawValue: 106)
  package static let arrayOfStruct = DataType(rawValue: 200)
  package static let structType = DataType(rawValue: 201)
  package var isVector: Bool { (100...106).contains(rawValue) }
}

/// `common.KeyValuePair`, in the order of the wire.
package struct KeyValuePair: Sendable, Hashable {
  package var key: String
  package var value: String
  package init(_ key: String, _ value: String) {
    self.key = key
    self.value = value
  }
}

extension [KeyValuePair] {
  /// The last value of `key`, as Milvus reads a list with repeats.
  package subscript(key: String) -> String? { last { $0.key == key }?.value }
}

/// `schema.ValueField`: the default of a field.
package enum DefaultValue: Sendable, Hashable {
  case bool(Bool), int(Int32), long(Int64), float(Float), double(Double), string(String)
  case bytes([UInt8]), timestamptz(Int64), date(Int32), time(Int64)
}

/// `schema.FieldSchema` (`public-rpc.md` §4.1).
package struct FieldSchema: Sendable, Hashable {
  package var fieldID: Int64 = 0
  package var name: String
  package var isPrimaryKey = false
  package var description = ""
  package var dataType: DataType
  package var typeParams: [KeyValuePair] = []
  package var indexParams: [KeyValuePair] = []
  package var autoID = false
  package var state: Int32 = 0
  package var elementType: DataType = .none
  package var defaultValue: DefaultValue?
  package var isDynamic = false
  package var isPartitionKey = false
  package var isClusteringKey = false
  package var nullable = false
  package var isFunctionOutput = false
  package var externalField = ""
  package init(name: String, dataType: DataType) {
    self.name = name
    self.dataType = dataType
  }
  /// `dim` of a vector field, nil where absent or not a number.
  package var dimension: Int? { typeParams["dim"].flatMap { Int($0) } }
}

/// `schema.StructArrayFieldSchema`.
package struct StructArrayFieldSchema: Sendable, Hashable {
  package var fieldID: Int64 = 0
  package var name: String
  package var description = ""
  package var fields: [FieldSchema] = []
  package var typeParams: [KeyValuePair] = []
  package var nullable = false
  package init(name: String) { self.name = name }
}

/// `schema.FunctionSchema`. `type`: 1 BM25, 2 TextEmbedding, 3 Rerank, 4 MinHash, 5 MolFingerprint.
package struct FunctionSchema: Sendable, Hashable {
  package var name: String
  package var id: Int64 = 0
  package var description = ""
  package var type: Int32
  package var inputFieldNames: [String] = []
  package var inputFieldIDs: [Int64] = []
  package var outputFieldNames: [String] = []
  package var outputFieldIDs: [Int64] = []
  package var params: [KeyValuePair] = []
  package init(name: String, type: Int32) {
    self.name = name
    self.type = type
  }
}

/// `schema.CollectionSchema` (`public-rpc.md` §4.1).
package struct CollectionSchema: Sendable, Hashable {
  package var name: String
  package var description = ""
  package var autoID = false
  package var fields: [FieldSchema] = []
  package var enableDynamicField = false
  package var properties: [KeyValuePair] = []
  package var functions: [FunctionSchema] = []
  package var dbName = ""
  package var structArrayFields: [StructArrayFieldSchema] = []
  package var version: Int32 = 0
  package var externalSource = ""
  package var externalSpec = ""
  package var doPhysicalBackfill = false
  package var fileResourceIDs: [Int64] = []
  package var enableNamespace = false
  package init(name: String) { self.name = name }
  package var primaryKey: FieldSchema? { fields.first { $0.isPrimaryKey } }
  package var partitionKey: FieldSchema? { fields.first { $0.isPartitionKey } }
}
