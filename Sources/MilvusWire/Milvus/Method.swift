/// One RPC of a service in `protos/`. protobuf-c keeps no streaming flags, so the table is ours
/// (`MethodTable.swift`).
package struct Method: Sendable, Hashable {
  /// Full name of the service, such as `milvus.proto.milvus.MilvusService`.
  package let service: String
  package let name: String
  /// Full names of the message types.
  package let requestType: String
  package let responseType: String
  package let clientStreaming: Bool
  package let serverStreaming: Bool

  init(
    _ service: String, _ name: String, _ requestType: String, _ responseType: String,
    clientStreaming: Bool = false,
    serverStreaming: Bool = false
  ) {
    self.service = service
    self.name = name
    self.requestType = requestType
    self.responseType = responseType
    self.clientStreaming = clientStreaming
    self.serverStreaming = serverStreaming
  }

  /// The `:path` of the call (gRPC PROTOCOL-HTTP2 "Path").
  package var path: String { "/\(service)/\(name)" }
  package var isUnary: Bool { !clientStreaming && !serverStreaming }

  /// A method by its bare name (`Query`), by service and name (`milvus.proto.milvus.MilvusService/Query`) or
  /// by path. The first service that has the bare name wins, and MilvusService stands first.
  package static func named(_ text: String) -> Method? {
    let wanted = text.hasPrefix("/") ? String(text.dropFirst()) : text
    return all.first { $0.name == wanted || "\($0.service)/\($0.name)" == wanted }
  }
}
