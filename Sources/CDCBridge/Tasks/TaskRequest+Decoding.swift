internal import MilvusWire

extension TaskRequest {
  /// Reads a request; what is wrong goes to the decoder of `fields`, and the value is only good when that has no problems.
  package init(decoding fields: RequestDecoder.Fields) {
    self.init()
    if let target = fields.object("milvus_connect_param") { self.target = Connection(decoding: target) }
    if let kafka = fields.object("kafka_connect_param") { self.kafka = Kafka(decoding: kafka) }
    source = fields.object("source_connect_param").map { Connection(decoding: $0) }
    collectionInfos = fields.objects("collection_infos").map { Collection(decoding: $0) }
    if let map = fields.object("db_collections") {
      databases = map.object.members.map { member in
        let path = "\(map.path)[\(member.key)]"
        let list = member.value.isNull ? [] : map.objects(of: member.value, path: path)
        return Database(name: member.key, collections: list.map { Collection(decoding: $0) })
      }
    }
    mappings = fields.objects("name_mapping").map { Mapping(decoding: $0) }
    if let channel = fields.object("rpc_channel_info") {
      rpcChannelName = channel.string("name")
      rpcChannelPosition = channel.string("position")
    }
    if let extra = fields.object("extra_info") { enableUserRole = extra.bool("enable_user_role") }
    if let buffer = fields.object("buffer_config") {
      bufferPeriod = buffer.int("period")
      bufferSize = buffer.int("size")
    }
    _ = fields.strings("positions")
    disableAutoStart = fields.bool("disable_auto_start")
    taskID = fields.string("task_id")
    capture = fields.choice("capture", default: .auto)
    apply = fields.choice("apply", default: .public)
    initialCopy = fields.bool("initial_copy", default: true)
    reconcileIntervalSeconds = fields.seconds("reconcile_interval", default: 30, in: 0.1...86400)
    ddl = fields.choice("ddl", default: .apply)
    endAt = Self.endAt(fields)
    onGap = fields.choice("on_gap", default: .heal)
    dryRun = fields.bool("dry_run")
    adopt = fields.bool("adopt")
  }

  /// An RFC 3339 time, or a hybrid timestamp as number or text: numbers above 2^53 do not survive every JSON library.
  private static func endAt(_ fields: RequestDecoder.Fields) -> TimeTick? {
    guard let value = fields.value("end_at") else { return nil }
    if let tick = value.uint64Value ?? value.stringValue.flatMap({ UInt64($0) }), tick > 0 {
      return TimeTick(tick)
    }
    if let text = value.stringValue, let ms = CivilTime.unixMilliseconds(rfc3339: text), ms > 0 {
      return TimeTick(UInt64(ms) << 18)
    }
    fields.report("end_at", "expected an RFC 3339 time or a hybrid timestamp", value)
    return nil
  }
}

extension TaskRequest.Connection {
  init(decoding fields: RequestDecoder.Fields) {
    self.init()
    uri = fields.string("uri")
    token = Secret(fields.string("token", isSecret: true))
    host = fields.string("host")
    port = fields.int("port")
    enableTLS = fields.bool("enable_tls")
    username = Secret(fields.string("username", isSecret: true))
    password = Secret(fields.string("password", isSecret: true))
    connectTimeout = fields.int("connect_timeout")
    channelNum = fields.int("channel_num")
    ignorePartition = fields.bool("ignore_partition")
    guard let dial = fields.object("dial_config") else { return }
    self.dial.serverName = dial.string("server_name")
    self.dial.serverPEMPath = dial.string("server_pem_path")
    self.dial.caPEMPath = dial.string("ca_pem_path")
    self.dial.clientPEMPath = dial.string("client_pem_path")
    self.dial.clientKeyPath = dial.string("client_key_path")
  }
}

extension TaskRequest.Kafka {
  init(decoding fields: RequestDecoder.Fields) {
    self.init()
    address = fields.string("address")
    topic = fields.string("topic")
    enableSASL = fields.bool("enable_sasl")
    guard let sasl = fields.object("sasl", hidesValues: true) else { return }
    // Read for their types only: nothing keeps them.
    _ = (sasl.string("username"), sasl.string("password"))
    mechanisms = sasl.string("mechanisms")
    securityProtocol = sasl.string("security_protocol")
  }
}

extension TaskRequest.Collection {
  init(decoding fields: RequestDecoder.Fields) {
    self.init(name: fields.string("name"))
    positions = fields.strings("positions").map { TaskRequest.Position(channel: $0.key, position: $0.value) }
    useStartPosition = fields.bool("use_start_position")
  }
}

extension TaskRequest.Mapping {
  init(decoding fields: RequestDecoder.Fields) {
    self.init()
    sourceDatabase = fields.string("source_db")
    targetDatabase = fields.string("target_db")
    collections = fields.strings("collection_mapping").map { Rename(source: $0.key, target: $0.value) }
  }
}
