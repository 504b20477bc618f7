internal import CProtobuf

/// Decodes answers of MilvusService. Their Status has been read and was success.
enum Responses {
  static func serverInfo(_ answer: [UInt8]) throws(ProtobufError) -> ServerInfo {
    try ProtobufMessage.decode(answer, as: Milvus__ConnectResponse.self) { message in
      var info = ServerInfo()
      info.identifier = message.identifier
      guard let server = Borrowed.message(message.server_info, { $0 }) else { return info }
      info.buildTags = Borrowed.text(server.build_tags)
      info.buildTime = Borrowed.text(server.build_time)
      info.gitCommit = Borrowed.text(server.git_commit)
      info.deployMode = Borrowed.text(server.deploy_mode)
      return info
    }
  }

  static func version(_ answer: [UInt8]) throws(ProtobufError) -> String {
    try ProtobufMessage.decode(answer, as: Milvus__GetVersionResponse.self) { Borrowed.text($0.version) }
  }

  static func health(_ answer: [UInt8]) throws(ProtobufError) -> HealthReport {
    try ProtobufMessage.decode(answer, as: Milvus__CheckHealthResponse.self) { message in
      var report = HealthReport()
      report.isHealthy = message.ishealthy != 0
      report.reasons = Borrowed.texts(message.n_reasons, message.reasons)
      report.quotaStates = Borrowed.numbers(message.n_quota_states, message.quota_states).map { Int32($0) }
      return report
    }
  }

  static func timestamp(_ answer: [UInt8]) throws(ProtobufError) -> TimeTick {
    try ProtobufMessage.decode(answer, as: Milvus__AllocTimestampResponse.self) { TimeTick($0.timestamp) }
  }

  static func databaseNames(_ answer: [UInt8]) throws(ProtobufError) -> [String] {
    try ProtobufMessage.decode(answer, as: Milvus__ListDatabasesResponse.self) {
      Borrowed.texts($0.n_db_names, $0.db_names)
    }
  }

  static func database(_ answer: [UInt8]) throws(ProtobufError) -> DatabaseDescription {
    try ProtobufMessage.decode(answer, as: Milvus__DescribeDatabaseResponse.self) { message in
      var database = DatabaseDescription(name: Borrowed.text(message.db_name))
      database.id = message.dbid
      database.properties = [KeyValuePair](message.n_properties, message.properties)
      return database
    }
  }

  /// Ids and times are parallel lists; Lite leaves them out.
  static func collections(_ answer: [UInt8]) throws(ProtobufError) -> [CollectionSummary] {
    try ProtobufMessage.decode(answer, as: Milvus__ShowCollectionsResponse.self) { message in
      let ids = Borrowed.numbers(message.n_collection_ids, message.collection_ids)
      let times = Borrowed.numbers(message.n_created_timestamps, message.created_timestamps)
      return Borrowed.texts(message.n_collection_names, message.collection_names).enumerated().map {
        index, name in
        var summary = CollectionSummary(name: name)
        summary.id = index < ids.count ? ids[index] : 0
        summary.createdAt = TimeTick(index < times.count ? times[index] : 0)
        return summary
      }
    }
  }

  static func bool(_ answer: [UInt8]) throws(ProtobufError) -> Bool {
    try ProtobufMessage.decode(answer, as: Milvus__BoolResponse.self) { $0.value != 0 }
  }

  static func collection(_ answer: [UInt8]) throws(ProtobufError) -> CollectionDescription {
    try ProtobufMessage.decode(answer, as: Milvus__DescribeCollectionResponse.self) {
      (message) throws(ProtobufError) in
      guard let schema = Borrowed.message(message.schema, { CollectionSchema($0) }) else {
        throw ProtobufError(.malformed, "the answer has no schema")
      }
      var collection = CollectionDescription(schema: schema)
      collection.id = message.collectionid
      collection.virtualChannelNames = Borrowed.texts(
        message.n_virtual_channel_names, message.virtual_channel_names)
      collection.physicalChannelNames = Borrowed.texts(
        message.n_physical_channel_names, message.physical_channel_names)
      collection.createdAt = TimeTick(message.created_timestamp)
      collection.shardsNum = message.shards_num
      collection.aliases = Borrowed.texts(message.n_aliases, message.aliases)
      collection.consistencyLevel = Int32(message.consistency_level)
      collection.name = Borrowed.text(message.collection_name)
      collection.properties = [KeyValuePair](message.n_properties, message.properties)
      collection.dbName = Borrowed.text(message.db_name)
      collection.numPartitions = message.num_partitions
      collection.updatedAt = TimeTick(message.update_timestamp)
      return collection
    }
  }

  static func partitions(_ answer: [UInt8]) throws(ProtobufError) -> [PartitionDescription] {
    try ProtobufMessage.decode(answer, as: Milvus__ShowPartitionsResponse.self) { message in
      let ids = Borrowed.numbers(message.n_partitionids, message.partitionids)
      return Borrowed.texts(message.n_partition_names, message.partition_names).enumerated().map {
        index, name in
        var partition = PartitionDescription(name: name)
        partition.id = index < ids.count ? ids[index] : 0
        return partition
      }
    }
  }

  static func indexes(_ answer: [UInt8]) throws(ProtobufError) -> [IndexDescription] {
    try ProtobufMessage.decode(answer, as: Milvus__DescribeIndexResponse.self) { message in
      Borrowed.messages(message.n_index_descriptions, message.index_descriptions) { item in
        var index = IndexDescription(
          fieldName: Borrowed.text(item.field_name), indexName: Borrowed.text(item.index_name))
        index.id = item.indexid
        index.params = [KeyValuePair](item.n_params, item.params)
        index.state = Int32(item.state)
        index.failReason = Borrowed.text(item.index_state_fail_reason)
        return index
      }
    }
  }

  static func loadState(_ answer: [UInt8]) throws(ProtobufError) -> LoadState {
    try ProtobufMessage.decode(answer, as: Milvus__GetLoadStateResponse.self) {
      (message) throws(ProtobufError) in
      guard let state = LoadState(rawValue: Int32(message.state)) else {
        throw ProtobufError(.malformed, "load state \(message.state.rawValue) is not known")
      }
      return state
    }
  }

  static func aliases(_ answer: [UInt8]) throws(ProtobufError) -> [String] {
    try ProtobufMessage.decode(answer, as: Milvus__ListAliasesResponse.self) {
      Borrowed.texts($0.n_aliases, $0.aliases)
    }
  }

  static func collectionOfAlias(_ answer: [UInt8]) throws(ProtobufError) -> String {
    try ProtobufMessage.decode(answer, as: Milvus__DescribeAliasResponse.self) {
      Borrowed.text($0.collection)
    }
  }
}

extension CollectionDescription {
  /// A `DescribeCollectionResponse` whose Status was success.
  package init(answer: [UInt8]) throws(ProtobufError) { self = try Responses.collection(answer) }
}
