package import MilvusWire

/// Everything `serve` runs with, after flags, environment and file have been merged and checked (`design.md` §5).
package struct BridgeConfig: Sendable {
  /// nil: chosen by `listenAddress`.
  package var listen: ListenAddress?
  package var dataDirectory: String
  /// For tasks that name none.
  package var source: ClusterConnection?
  /// Bearer token of the front.
  package var apiToken: Secret?
  package var tls: TLSServerSettings?
  package var logLevel = Log.Level.info
  package var logFormat = Log.Format.text
  package var limits = TaskLimits()
  /// The HTTP status repeats the envelope's `code`.
  package var mirrorsCode = false
  package var server = HTTPServer.Settings()

  package init(dataDirectory: String) { self.dataDirectory = dataDirectory }

  package static let defaultPort = 8444

  /// Without a token and without TLS only this host may ask, unless the operator says otherwise.
  package var listenAddress: ListenAddress {
    listen
      ?? ListenAddress(host: apiToken == nil && tls == nil ? "127.0.0.1" : "0.0.0.0", port: Self.defaultPort)
  }
  /// True where anybody who reaches the address may create and delete tasks.
  package var isOpenToStrangers: Bool {
    apiToken == nil && tls?.clientCAPath == nil && !listenAddress.isLoopback
  }

  /// For `serve --check`: what will be used, without secrets.
  package var redacted: JSONValue {
    [
      "listen": .string(listenAddress.description), "data_dir": .string(dataDirectory),
      "source": source.map(Self.json(of:)) ?? .null,
      "api_token": apiToken == nil ? .null : .string(Redaction.mark),
      "tls": tls.map {
        [
          "certificate": .string($0.certificatePath), "key": .string($0.keyPath),
          "client_ca": .text($0.clientCAPath),
        ]
      } ?? .null,
      "log_level": .string(logLevel.name), "log_format": .string(logFormat.rawValue),
      "max_task_num": .int(limits.taskCountMax), "max_name_length": .int(limits.nameBytesMax),
      "http_status_from_code": .bool(mirrorsCode),
    ]
  }

  private static func json(of connection: ClusterConnection) -> JSONValue {
    let tls = connection.endpoint.tls
    return [
      "uri": .string("\(tls == nil ? "http" : "https")://\(connection.endpoint.authority)"),
      "token": connection.token.isEmpty ? .null : .string(Redaction.mark),
      "server_name": .text(tls?.serverName), "ca": .text(tls?.caPath),
      "client_certificate": .text(tls?.clientCertificatePath), "client_key": .text(tls?.clientKeyPath),
    ]
  }
}

/// `host:port` to listen on; an empty host means every address.
package struct ListenAddress: Sendable, Equatable, CustomStringConvertible {
  package var host: String
  package var port: Int
  package init(host: String, port: Int) {
    self.host = host
    self.port = port
  }

  /// `127.0.0.1:8444`, `[::1]:8444`, `:8444` (every address), `localhost`; port 0 takes a free one. nil where the text is none of them,
  /// and where it has no port and there is none by default.
  package init?(parsing text: String, defaultPort: Int? = BridgeConfig.defaultPort) {
    var host = text[...]
    var port = (defaultPort.map(String.init) ?? "")[...]
    if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
      host = text[..<colon]
      port = text[text.index(after: colon)...]
    }
    if host.hasPrefix("["), host.hasSuffix("]"), host.count > 2 {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !port.isEmpty, port.allSatisfy({ ("0"..."9").contains($0) }), let number = Int(port),
      (0...65535).contains(number), !text.isEmpty,
      host.utf8.allSatisfy({ HTTPSyntax.isHostByte($0) && $0 != UInt8(ascii: "[") })
    else { return nil }
    self.init(host: String(host), port: number)
  }

  package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
  package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
