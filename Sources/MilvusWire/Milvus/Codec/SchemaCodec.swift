internal import CProtobuf

extension CollectionSchema {
  /// The bytes that `CreateCollectionRequest.schema` carries (`public-rpc.md` §3.2).
  package func encoded() throws(ProtobufError) -> [UInt8] {
    try ProtobufMessage.encode(Schema__CollectionSchema.self) { (message, arena) throws(ProtobufError) in
      try fill(&message, arena)
    }
  }

  package init(encoded bytes: [UInt8]) throws(ProtobufError) {
    self = try ProtobufMessage.decode(bytes, as: Schema__CollectionSchema.self) { CollectionSchema($0) }
  }

  init(_ message: borrowing Schema__CollectionSchema) {
    self.init(name: Borrowed.text(message.name))
    description = Borrowed.text(message.description)
    autoID = message.autoid != 0
    fields = Borrowed.messages(message.n_fields, message.fields) { FieldSchema($0) }
    enableDynamicField = message.enable_dynamic_field != 0
    properties = [KeyValuePair](message.n_properties, message.properties)
    functions = Borrowed.messages(message.n_functions, message.functions) { FunctionSchema($0) }
    dbName = Borrowed.text(message.dbname)
    structArrayFields = Borrowed.messages(message.n_struct_array_fields, message.struct_array_fields) {
      StructArrayFieldSchema($0)
    }
    version = message.version
    externalSource = Borrowed.text(message.external_source)
    externalSpec = Borrowed.text(message.external_spec)
    doPhysicalBackfill = message.do_physical_backfill != 0
    fileResourceIDs = Borrowed.numbers(message.n_file_resource_ids, message.file_resource_ids)
    enableNamespace = message.enable_namespace != 0
  }

  private func fill(_ message: inout Schema__CollectionSchema, _ arena: PackArena) throws(ProtobufError) {
    message.name = try arena.string(name, "schema.name")
    message.description = try arena.string(description, "schema.description")
    message.autoid = autoID ? 1 : 0
    (message.n_fields, message.fields) = try arena.fields(fields)
    message.enable_dynamic_field = enableDynamicField ? 1 : 0
    (message.n_properties, message.properties) = try arena.pairs(properties, "schema.properties")
    (message.n_functions, message.functions) = try arena.messages(functions, as: Schema__FunctionSchema.self) {
      (function, target) throws(ProtobufError) in try function.fill(&target, arena)
    }
    message.dbname = try arena.string(dbName, "schema.dbName")
    (message.n_struct_array_fields, message.struct_array_fields) = try arena.messages(
      structArrayFields, as: Schema__StructArrayFieldSchema.self
    ) { (field, target) throws(ProtobufError) in try field.fill(&target, arena) }
    message.version = version
    message.external_source = try arena.string(externalSource, "schema.external_source")
    message.external_spec = try arena.string(externalSpec, "schema.external_spec")
    message.do_physical_backfill = doPhysicalBackfill ? 1 : 0
    (message.n_file_resource_ids, message.file_resource_ids) = arena.numbers(fileResourceIDs)
    message.enable_namespace = enableNamespace ? 1 : 0
  }
}

extension FieldSchema {
  /// The bytes that `AddCollectionFieldRequest.schema` carries (`public-rpc.md` §3.2).
  package func encoded() throws(ProtobufError) -> [UInt8] {
    try ProtobufMessage.encode(Schema__FieldSchema.self) { (message, arena) throws(ProtobufError) in
      try fill(&message, arena)
    }
  }

  init(_ message: borrowing Schema__FieldSchema) {
    self.init(name: Borrowed.text(message.name), dataType: DataType(rawValue: Int32(message.data_type)))
    fieldID = message.fieldid
    isPrimaryKey = message.is_primary_key != 0
    description = Borrowed.text(message.description)
    typeParams = [KeyValuePair](message.n_type_params, message.type_params)
    indexParams = [KeyValuePair](message.n_index_params, message.index_params)
    autoID = message.autoid != 0
    state = Int32(message.state)
    elementType = DataType(rawValue: Int32(message.element_type))
    defaultValue = Borrowed.message(message.default_value) { DefaultValue($0) } ?? nil
    isDynamic = message.is_dynamic != 0
    isPartitionKey = message.is_partition_key != 0
    isClusteringKey = message.is_clustering_key != 0
    nullable = message.nullable != 0
    isFunctionOutput = message.is_function_output != 0
    externalField = Borrowed.text(message.external_field)
  }

  fileprivate func fill(_ message: inout Schema__FieldSchema, _ arena: PackArena) throws(ProtobufError) {
    message.fieldid = fieldID
    message.name = try arena.string(name, "field.name")
    message.is_primary_key = isPrimaryKey ? 1 : 0
    message.description = try arena.string(description, "field.description")
    message.data_type = Schema__DataType(dataType.rawValue)
    (message.n_type_params, message.type_params) = try arena.pairs(typeParams, "field.type_params")
    (message.n_index_params, message.index_params) = try arena.pairs(indexParams, "field.index_params")
    message.autoid = autoID ? 1 : 0
    message.state = Schema__FieldState(state)
    message.element_type = Schema__DataType(elementType.rawValue)
    if let defaultValue {
      message.default_value = try arena.message(Schema__ValueField.self) { (value) throws(ProtobufError) in
        try defaultValue.fill(&value, arena)
      }
    }
    message.is_dynamic = isDynamic ? 1 : 0
    message.is_partition_key = isPartitionKey ? 1 : 0
    message.is_clustering_key = isClusteringKey ? 1 : 0
    message.nullable = nullable ? 1 : 0
    message.is_function_output = isFunctionOutput ? 1 : 0
    message.external_field = try arena.string(externalField, "field.external_field")
  }
}

extension StructArrayFieldSchema {
  init(_ message: borrowing Schema__StructArrayFieldSchema) {
    self.init(name: Borrowed.text(message.name))
    fieldID = message.fieldid
    description = Borrowed.text(message.description)
    fields = Borrowed.messages(message.n_fields, message.fields) { FieldSchema($0) }
    typeParams = [KeyValuePair](message.n_type_params, message.type_params)
    nullable = message.nullable != 0
  }

  fileprivate func fill(_ message: inout Schema__StructArrayFieldSchema, _ arena: PackArena)
    throws(ProtobufError)
  {
    message.fieldid = fieldID
    message.name = try arena.string(name, "struct field.name")
    message.description = try arena.string(description, "struct field.description")
    (message.n_fields, message.fields) = try arena.fields(fields)
    (message.n_type_params, message.type_params) = try arena.pairs(typeParams, "struct field.type_params")
    message.nullable = nullable ? 1 : 0
  }
}

extension FunctionSchema {
  init(_ message: borrowing Schema__FunctionSchema) {
    self.init(name: Borrowed.text(message.name), type: Int32(message.type))
    id = message.id
    description = Borrowed.text(message.description)
    inputFieldNames = Borrowed.texts(message.n_input_field_names, message.input_field_names)
    inputFieldIDs = Borrowed.numbers(message.n_input_field_ids, message.input_field_ids)
    outputFieldNames = Borrowed.texts(message.n_output_field_names, message.output_field_names)
    outputFieldIDs = Borrowed.numbers(message.n_output_field_ids, message.output_field_ids)
    params = [KeyValuePair](message.n_params, message.params)
  }

  fileprivate func fill(_ message: inout Schema__FunctionSchema, _ arena: PackArena) throws(ProtobufError) {
    message.name = try arena.string(name, "function.name")
    message.id = id
    message.description = try arena.string(description, "function.description")
    message.type = Schema__FunctionType(type)
    (message.n_input_field_names, message.input_field_names) = try arena.strings(
      inputFieldNames, "function.input_field_names")
    (message.n_input_field_ids, message.input_field_ids) = arena.numbers(inputFieldIDs)
    (message.n_output_field_names, message.output_field_names) = try arena.strings(
      outputFieldNames, "function.output_field_names")
    (message.n_output_field_ids, message.output_field_ids) = arena.numbers(outputFieldIDs)
    (message.n_params, message.params) = try arena.pairs(params, "function.params")
  }
}

extension DefaultValue {
  /// nil where no member of the oneof is set, or one that this version does not know.
  init?(_ message: borrowing Schema__ValueField) {
    switch message.data_case {
    case SCHEMA__VALUE_FIELD__DATA_BOOL_DATA: self = .bool(message.bool_data != 0)
    case SCHEMA__VALUE_FIELD__DATA_INT_DATA: self = .int(message.int_data)
    case SCHEMA__VALUE_FIELD__DATA_LONG_DATA: self = .long(message.long_data)
    case SCHEMA__VALUE_FIELD__DATA_FLOAT_DATA: self = .float(message.float_data)
    case SCHEMA__VALUE_FIELD__DATA_DOUBLE_DATA: self = .double(message.double_data)
    case SCHEMA__VALUE_FIELD__DATA_STRING_DATA: self = .string(Borrowed.text(message.string_data))
    case SCHEMA__VALUE_FIELD__DATA_BYTES_DATA: self = .bytes(Borrowed.bytes(message.bytes_data))
    case SCHEMA__VALUE_FIELD__DATA_TIMESTAMPTZ_DATA: self = .timestamptz(message.timestamptz_data)
    case SCHEMA__VALUE_FIELD__DATA_DATE_DATA: self = .date(message.date_data)
    case SCHEMA__VALUE_FIELD__DATA_TIME_DATA: self = .time(message.time_data)
    default: return nil
    }
  }

  fileprivate func fill(_ message: inout Schema__ValueField, _ arena: PackArena) throws(ProtobufError) {
    switch self {
    case .bool(let value):
      (message.data_case, message.bool_data) = (SCHEMA__VALUE_FIELD__DATA_BOOL_DATA, value ? 1 : 0)
    case .int(let value): (message.data_case, message.int_data) = (SCHEMA__VALUE_FIELD__DATA_INT_DATA, value)
    case .long(let value):
      (message.data_case, message.long_data) = (SCHEMA__VALUE_FIELD__DATA_LONG_DATA, value)
    case .float(let value):
      (message.data_case, message.float_data) = (SCHEMA__VALUE_FIELD__DATA_FLOAT_DATA, value)
    case .double(let value):
      (message.data_case, message.double_data) = (SCHEMA__VALUE_FIELD__DATA_DOUBLE_DATA, value)
    case .string(let value):
      // A member of a oneof is sent also when it is empty: the list form never gives NULL.
      let (_, texts) = try arena.strings([value], "field.default_value")
      (message.data_case, message.string_data) = (SCHEMA__VALUE_FIELD__DATA_STRING_DATA, texts?.pointee)
    case .bytes(let value):
      (message.data_case, message.bytes_data) = (SCHEMA__VALUE_FIELD__DATA_BYTES_DATA, arena.bytes(value))
    case .timestamptz(let value):
      (message.data_case, message.timestamptz_data) = (SCHEMA__VALUE_FIELD__DATA_TIMESTAMPTZ_DATA, value)
    case .date(let value):
      (message.data_case, message.date_data) = (SCHEMA__VALUE_FIELD__DATA_DATE_DATA, value)
    case .time(let value):
      (message.data_case, message.time_data) = (SCHEMA__VALUE_FIELD__DATA_TIME_DATA, value)
    }
  }
}

extension [KeyValuePair] {
  init(_ count: Int, _ list: UnsafeMutablePointer<UnsafeMutablePointer<Common__KeyValuePair>?>?) {
    self = Borrowed.messages(count, list) { KeyValuePair(Borrowed.text($0.key), Borrowed.text($0.value)) }
  }
}

extension PackArena {
  func pairs(_ pairs: [KeyValuePair], _ field: StaticString) throws(ProtobufError)
    -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<Common__KeyValuePair>?>?)
  {
    try messages(pairs, as: Common__KeyValuePair.self) { (pair, target) throws(ProtobufError) in
      target.key = try string(pair.key, field)
      target.value = try string(pair.value, field)
    }
  }

  fileprivate func fields(_ fields: [FieldSchema]) throws(ProtobufError)
    -> (Int, UnsafeMutablePointer<UnsafeMutablePointer<Schema__FieldSchema>?>?)
  {
    try messages(fields, as: Schema__FieldSchema.self) { (field, target) throws(ProtobufError) in
      try field.fill(&target, self)
    }
  }
}

/// protoc-c's enums are C enums of `int` size; an unknown number of a newer server passes through unchanged.
protocol GeneratedEnum: RawRepresentable where RawValue == UInt32 {
  init(_ rawValue: UInt32)
}
extension GeneratedEnum {
  init(_ number: Int32) { self.init(UInt32(bitPattern: number)) }
}
extension Int32 {
  init(_ value: some GeneratedEnum) { self.init(bitPattern: value.rawValue) }
}
extension Schema__DataType: GeneratedEnum {}
extension Schema__FieldState: GeneratedEnum {}
extension Schema__FunctionType: GeneratedEnum {}
extension Common__ConsistencyLevel: GeneratedEnum {}
extension Common__IndexState: GeneratedEnum {}
extension Common__LoadState: GeneratedEnum {}
extension Milvus__QuotaState: GeneratedEnum {}
