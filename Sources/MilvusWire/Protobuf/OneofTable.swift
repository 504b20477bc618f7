// Written by dev/generate-protos. Do not edit.
// swift-format-ignore-file

/// Names of oneofs: message, then each member's field by its oneof. Those of one member alone, proto3's `optional`, are left out.
enum OneofTable {
  static let names: [String: [String: String]] = [
    "milvus.proto.schema.FunctionChainExprArg": ["column": "arg", "literal": "arg"],
    "milvus.proto.schema.FunctionParamValue": ["bool_value": "value", "int64_value": "value", "double_value": "value", "string_value": "value", "array_value": "value", "object_value": "value", "bytes_value": "value"],
    "milvus.proto.schema.ValueField": ["bool_data": "data", "int_data": "data", "long_data": "data", "float_data": "data", "double_data": "data", "string_data": "data", "bytes_data": "data", "timestamptz_data": "data", "date_data": "data", "time_data": "data"],
    "milvus.proto.schema.ScalarField": ["bool_data": "data", "int_data": "data", "long_data": "data", "float_data": "data", "double_data": "data", "string_data": "data", "bytes_data": "data", "array_data": "data", "json_data": "data", "geometry_data": "data", "timestamptz_data": "data", "geometry_wkt_data": "data", "mol_data": "data", "mol_smiles_data": "data", "date_data": "data", "time_data": "data"],
    "milvus.proto.schema.VectorField": ["float_vector": "data", "binary_vector": "data", "float16_vector": "data", "bfloat16_vector": "data", "sparse_float_vector": "data", "int8_vector": "data", "vector_array": "data"],
    "milvus.proto.schema.FieldData": ["scalars": "field", "vectors": "field", "struct_arrays": "field"],
    "milvus.proto.schema.IDs": ["int_id": "id_field", "str_id": "id_field"],
    "milvus.proto.schema.MetricValue": ["int_val": "value", "double_val": "value", "string_val": "value", "bool_val": "value"],
    "milvus.proto.schema.BucketKeyEntry": ["int_val": "value", "string_val": "value", "bool_val": "value"],
    "milvus.proto.schema.AggHit": ["int_pk": "pk", "str_pk": "pk"],
    "milvus.proto.schema.AggHitField": ["int_val": "value", "bool_val": "value", "float_val": "value", "double_val": "value", "string_val": "value", "bytes_val": "value"],
    "milvus.proto.schema.TemplateValue": ["bool_val": "val", "int64_val": "val", "float_val": "val", "string_val": "val", "array_val": "val", "bytes_val": "val"],
    "milvus.proto.schema.TemplateArrayValue": ["bool_data": "data", "long_data": "data", "double_data": "data", "string_data": "data", "array_data": "data", "json_data": "data"],
    "milvus.proto.milvus.SearchRequest": ["placeholder_group": "search_input", "ids": "search_input"],
    "milvus.proto.milvus.QueryCursor": ["str_pk": "cursor_pk", "int_pk": "cursor_pk"],
    "milvus.proto.milvus.VectorsArray": ["id_array": "array", "data_array": "array"],
    "milvus.proto.milvus.CalcDistanceResults": ["int_dist": "array", "float_dist": "array"],
    "milvus.proto.milvus.ReplicateRequest": ["replicate_message": "request"],
    "milvus.proto.milvus.ReplicateResponse": ["replicate_confirmed_message_info": "response"],
    "milvus.proto.milvus.DumpMessagesResponse": ["status": "response", "message": "response"],
    "milvus.proto.milvus.AlterCollectionSchemaRequest.DropRequest": ["field_name": "identifier", "field_id": "identifier", "function_name": "identifier"],
    "milvus.proto.milvus.AlterCollectionSchemaRequest.Action": ["add_request": "op", "drop_request": "op"],
    "milvus.proto.messages.CacheExpiration": ["legacy_proxy_collection_meta_cache": "cache"],
  ]
}
