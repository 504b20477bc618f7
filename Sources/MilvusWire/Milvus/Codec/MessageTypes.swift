internal import CProtobuf

// Which message of `protos/` each generated structure stands for; `describe` compares their sizes.

extension Common__KeyValuePair: ProtobufStructure {
  static let descriptor = describe("milvus.proto.common.KeyValuePair")
}
extension Common__ClientInfo: ProtobufStructure {
  static let descriptor = describe("milvus.proto.common.ClientInfo")
}
extension Schema__CollectionSchema: ProtobufStructure {
  static let descriptor = describe("milvus.proto.schema.CollectionSchema")
}
extension Schema__FieldSchema: ProtobufStructure {
  static let descriptor = describe("milvus.proto.schema.FieldSchema")
}
extension Schema__StructArrayFieldSchema: ProtobufStructure {
  static let descriptor = describe("milvus.proto.schema.StructArrayFieldSchema")
}
extension Schema__FunctionSchema: ProtobufStructure {
  static let descriptor = describe("milvus.proto.schema.FunctionSchema")
}
extension Schema__ValueField: ProtobufStructure {
  static let descriptor = describe("milvus.proto.schema.ValueField")
}
extension Milvus__ConnectRequest: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.ConnectRequest")
}
extension Milvus__ConnectResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.ConnectResponse")
}
extension Milvus__GetVersionResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.GetVersionResponse")
}
extension Milvus__CheckHealthResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.CheckHealthResponse")
}
extension Milvus__AllocTimestampResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.AllocTimestampResponse")
}
extension Milvus__ListDatabasesResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.ListDatabasesResponse")
}
extension Milvus__DescribeDatabaseRequest: DatabaseRequest {
  static let descriptor = describe("milvus.proto.milvus.DescribeDatabaseRequest")
}
extension Milvus__DescribeDatabaseResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.DescribeDatabaseResponse")
}
extension Milvus__CreateDatabaseRequest: DatabaseRequest {
  static let descriptor = describe("milvus.proto.milvus.CreateDatabaseRequest")
}
extension Milvus__AlterDatabaseRequest: DatabaseRequest {
  static let descriptor = describe("milvus.proto.milvus.AlterDatabaseRequest")
}
extension Milvus__DropDatabaseRequest: DatabaseRequest {
  static let descriptor = describe("milvus.proto.milvus.DropDatabaseRequest")
}
extension Milvus__ShowCollectionsRequest: DatabaseRequest {
  static let descriptor = describe("milvus.proto.milvus.ShowCollectionsRequest")
}
extension Milvus__ShowCollectionsResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.ShowCollectionsResponse")
}
extension Milvus__HasCollectionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.HasCollectionRequest")
}
extension Milvus__BoolResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.BoolResponse")
}
extension Milvus__DescribeCollectionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.DescribeCollectionRequest")
}
extension Milvus__DescribeCollectionResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.DescribeCollectionResponse")
}
extension Milvus__CreateCollectionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.CreateCollectionRequest")
}
extension Milvus__DropCollectionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.DropCollectionRequest")
}
extension Milvus__RenameCollectionRequest: DatabaseRequest {
  static let descriptor = describe("milvus.proto.milvus.RenameCollectionRequest")
}
extension Milvus__AlterCollectionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.AlterCollectionRequest")
}
extension Milvus__AlterCollectionFieldRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.AlterCollectionFieldRequest")
}
extension Milvus__AddCollectionFieldRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.AddCollectionFieldRequest")
}
extension Milvus__TruncateCollectionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.TruncateCollectionRequest")
}
extension Milvus__ShowPartitionsRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.ShowPartitionsRequest")
}
extension Milvus__ShowPartitionsResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.ShowPartitionsResponse")
}
extension Milvus__CreatePartitionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.CreatePartitionRequest")
}
extension Milvus__DropPartitionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.DropPartitionRequest")
}
extension Milvus__DescribeIndexRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.DescribeIndexRequest")
}
extension Milvus__DescribeIndexResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.DescribeIndexResponse")
}
extension Milvus__CreateIndexRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.CreateIndexRequest")
}
extension Milvus__DropIndexRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.DropIndexRequest")
}
extension Milvus__LoadCollectionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.LoadCollectionRequest")
}
extension Milvus__ReleaseCollectionRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.ReleaseCollectionRequest")
}
extension Milvus__LoadPartitionsRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.LoadPartitionsRequest")
}
extension Milvus__ReleasePartitionsRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.ReleasePartitionsRequest")
}
extension Milvus__GetLoadStateRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.GetLoadStateRequest")
}
extension Milvus__GetLoadStateResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.GetLoadStateResponse")
}
extension Milvus__ListAliasesRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.ListAliasesRequest")
}
extension Milvus__ListAliasesResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.ListAliasesResponse")
}
extension Milvus__DescribeAliasRequest: DatabaseRequest {
  static let descriptor = describe("milvus.proto.milvus.DescribeAliasRequest")
}
extension Milvus__DescribeAliasResponse: ProtobufStructure {
  static let descriptor = describe("milvus.proto.milvus.DescribeAliasResponse")
}
extension Milvus__CreateAliasRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.CreateAliasRequest")
}
extension Milvus__AlterAliasRequest: CollectionRequest {
  static let descriptor = describe("milvus.proto.milvus.AlterAliasRequest")
}
extension Milvus__DropAliasRequest: DatabaseRequest {
  static let descriptor = describe("milvus.proto.milvus.DropAliasRequest")
}
extension Milvus__FlushRequest: DatabaseRequest {
  static let descriptor = describe("milvus.proto.milvus.FlushRequest")
}
