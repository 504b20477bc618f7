/// One thing that happened on a connection, as a person who debugs the protocol wants to see it.
///
/// It never holds a payload: messages appear as sizes. Values of secret headers are replaced before an event is made.
package struct WireEvent: Equatable, Sendable {
  package enum Kind: Equatable, Sendable {
    case connecting
    case connected
    /// The connection takes no more calls or is gone; the reason is safe to log.
    case ended(String)
    case sentHeaders(HeaderList)
    case receivedHeaders(HeaderList)
    case sentMessage(bytes: Int)
    case receivedData(bytes: Int)
    case sentEnd
    case receivedReset(HTTP2ErrorCode)
    case receivedSettings(concurrentStreamsMax: UInt32)
    case receivedGoAway(lastStream: Int32, HTTP2ErrorCode)
    case sentPing
    /// How a call ended, on whichever side that was decided.
    case finished(RPCStatusCode, String)
    /// Only for a tracer that wants frames: the frame as it went over the wire. Everything above it is told besides.
    case sentFrame(FrameView)
    case receivedFrame(FrameView)
  }

  /// The server as `host:port`.
  package var peer: String
  /// 0: the connection itself.
  package var stream: Int32
  package var kind: Kind
}

/// Who wants to see the wire. Called on connection loops, so it must not block.
package protocol WireTracer: Sendable {
  func record(_ event: WireEvent)
  /// True: every frame is looked at as well, which costs a second reading of all bytes.
  var wantsFrames: Bool { get }
}

extension WireTracer {
  package var wantsFrames: Bool { false }
}

/// The tracer of channels that are made without one of their own: what `--trace-frames` sets before a command makes any.
package enum WireTracing {
  private static let held = Locked<(any WireTracer)?>(nil)

  package static var standard: (any WireTracer)? { held.withLock { $0 } }
  package static func trace(with tracer: any WireTracer) { held.withLock { $0 = tracer } }
}

/// Frames of both directions of one connection, read beside the session that speaks. Confined to the actor that holds the connection.
final class FrameWatch {
  private let peer: String
  private let tracer: any WireTracer
  private var sent = FrameInspector()
  private var received = FrameInspector(mayBePreface: false)

  init(peer: String, tracer: any WireTracer) {
    self.peer = peer
    self.tracer = tracer
  }

  func sent(_ bytes: [UInt8]) { tell(sent.feed(bytes)) { .sentFrame($0) } }
  func received(_ bytes: [UInt8]) { tell(received.feed(bytes)) { .receivedFrame($0) } }

  private func tell(_ outputs: [FrameInspector.Output], _ kind: (FrameView) -> WireEvent.Kind) {
    for output in outputs {
      guard case .frame(let frame) = output else { continue }
      tracer.record(WireEvent(peer: peer, stream: Int32(bitPattern: frame.stream), kind: kind(frame)))
    }
  }
}

extension HeaderList {
  /// Names whose values nobody may print.
  private static let secretNames: Set<String> = ["authorization", "cookie", "set-cookie", "proxy-authorization"]

  /// The same block with secrets replaced. Binary metadata may be anything, so it counts as secret.
  package var redacted: HeaderList {
    var list = HeaderList()
    for field in fields {
      let isSecret = HeaderList.secretNames.contains(field.name) || field.name.hasSuffix("-bin")
      list.append(field.name, isSecret ? "<redacted>" : field.value)
    }
    return list
  }
}
