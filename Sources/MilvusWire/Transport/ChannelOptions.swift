/// How a channel behaves towards every cluster. The defaults suit all known servers (`public-rpc.md` §1.1).
package struct ChannelOptions: Sendable {
  package var limits = HTTP2Limits()
  /// Connections to share the calls among.
  package var connectionCount = 1
  /// Silence on a connection with an open RPC before it is probed with a PING.
  package var keepalivePeriod: Duration = .seconds(60)
  /// How long a probed connection may stay silent.
  package var keepaliveTimeout: Duration = .seconds(20)
  /// Body bytes of one call that may wait for the peer's window before `send` suspends.
  package var sendQueueBytesMax = 256 << 10
  /// Custom metadata of one call. Servers accept 8 KiB and more, with gRPC's own fields.
  package var metadataBytesMax = 8 << 10
  /// Largest message sent, in bytes; nil: as much as the format can carry.
  package var sendMessageBytesMax: Int?
  package var userAgent = "cdc-bridge/\(ProductVersion.text)"
  /// Pauses between failed attempts to connect: the first one and the longest.
  package var backoffFirst: Duration = .milliseconds(100)
  package var backoffMax: Duration = .seconds(5)
  /// Sees what happens on every connection; nil: nothing is recorded and nothing is spent on it.
  package var tracer: (any WireTracer)? = WireTracing.standard
  /// For a proxy: messages are received with gRPC's prefix, and sent by `sendFramed`, so that compressed ones go through as they are.
  package var keepsMessagePrefix = false
  package init() {}
}
