package import MilvusWire

extension TaskRequest {
  /// What `TaskRequest(decoding:)` reads back as an equal value. With `secrets` for the store only; views leave them out.
  package func json(revealingSecrets secrets: Bool) -> JSONObject {
    var object = JSONObject([
      ("milvus_connect_param", .object(target.json(revealingSecrets: secrets))),
      ("collection_infos", .array(collectionInfos.map(\.json))),
      ("db_collections", .object(databasesJSON)),
      ("name_mapping", .array(mappings.map(\.json))),
      (
        "rpc_channel_info",
        ["name": .string(rpcChannelName), "position": .string(rpcChannelPosition)]
      ),
      ("extra_info", ["enable_user_role": .bool(enableUserRole)]),
      ("buffer_config", ["period": .int(bufferPeriod), "size": .int(bufferSize)]),
      ("disable_auto_start", .bool(disableAutoStart)), ("task_id", .string(taskID)),
      ("capture", .string(capture.rawValue)), ("apply", .string(apply.rawValue)),
      ("initial_copy", .bool(initialCopy)), ("reconcile_interval", .double(reconcileIntervalSeconds)),
      ("ddl", .string(ddl.rawValue)), ("on_gap", .string(onGap.rawValue)), ("adopt", .bool(adopt)),
    ])
    if let source { object["source_connect_param"] = .object(source.json(revealingSecrets: secrets)) }
    if let endAt { object["end_at"] = .string(endAt.description) }
    return object
  }

  package var databasesJSON: JSONObject {
    JSONObject(databases.map { ($0.name, .array($0.collections.map(\.json))) })
  }
}

extension TaskRequest.Connection {
  /// The keys of a view (`task-api.md` §2.8), then the secrets.
  package func json(revealingSecrets secrets: Bool) -> JSONObject {
    var dialJSON = JSONObject()
    for (key, value) in [
      ("server_name", dial.serverName), ("server_pem_path", dial.serverPEMPath),
      ("ca_pem_path", dial.caPEMPath), ("client_pem_path", dial.clientPEMPath),
      ("client_key_path", dial.clientKeyPath),
    ] where !value.isEmpty {
      dialJSON[key] = .string(value)
    }
    var object = JSONObject([
      ("host", .string(secrets ? host : Redaction.address(host))), ("port", .int(port)),
      ("enable_tls", .bool(enableTLS)), ("uri", .string(secrets ? uri : Redaction.address(uri))),
      ("dial_config", .object(dialJSON)), ("channel_num", .int(channelNum)),
      ("ignore_partition", .bool(ignorePartition)), ("connect_timeout", .int(connectTimeout)),
    ])
    if secrets {
      object["token"] = .string(token.revealed)
      object["username"] = .string(username.revealed)
      object["password"] = .string(password.revealed)
    }
    return object
  }
}

extension TaskRequest.Collection {
  package var json: JSONValue {
    [
      "name": .string(name),
      "positions": .object(JSONObject(positions.map { ($0.channel, .string($0.position)) })),
      "use_start_position": .bool(useStartPosition),
    ]
  }
}

extension TaskRequest.Mapping {
  package var json: JSONValue {
    [
      "source_db": .string(sourceDatabase), "target_db": .string(targetDatabase),
      "collection_mapping": .object(JSONObject(collections.map { ($0.source, .string($0.target)) })),
    ]
  }
}
