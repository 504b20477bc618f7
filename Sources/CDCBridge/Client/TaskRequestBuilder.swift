package import MilvusWire

/// The `request_data` of a `create` (`docs/API.md`) from what a command line says.
package enum TaskRequestBuilder {
  package static func request(target: ClusterConnection, source: ClusterConnection?, selection: ObjectSelection)
    -> JSONObject
  {
    var request: JSONObject = ["milvus_connect_param": .object(parameters(target))]
    if let source { request["source_connect_param"] = .object(parameters(source)) }
    var databases = JSONObject()
    for pattern in selection.patterns {
      let others = databases[pattern.database]?.arrayValue ?? []
      databases[pattern.database] = .array(others + [["name": .string(pattern.collection)]])
    }
    request["db_collections"] = .object(databases)
    if !selection.mappings.isEmpty {
      request["name_mapping"] = .array(
        selection.mappings.map { mapping in
          let names = mapping.collections.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
          return [
            "source_db": .string(mapping.sourceDatabase), "target_db": .string(mapping.targetDatabase),
            "collection_mapping": .object(JSONObject(names)),
          ]
        })
    }
    return request
  }

  private static func parameters(_ cluster: ClusterConnection) -> JSONObject {
    let endpoint = cluster.endpoint
    var object: JSONObject = [
      "uri": .string("\(endpoint.tls == nil ? "http" : "https")://\(endpoint.authority)")
    ]
    if !cluster.token.isEmpty { object["token"] = .string(cluster.token.revealed) }
    guard let tls = endpoint.tls else { return object }
    let files = [
      ("server_pem_path", tls.caPath), ("client_pem_path", tls.clientCertificatePath),
      ("client_key_path", tls.clientKeyPath), ("server_name", tls.serverName),
    ].compactMap { name, path in path.map { (name, JSONValue.string($0)) } }
    if !files.isEmpty { object["dial_config"] = .object(JSONObject(files)) }
    return object
  }
}
