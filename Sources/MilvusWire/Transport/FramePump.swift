/// Moves bytes between one byte stream and one HTTP/2 session. Shared by both sides of a connection.
///
/// Confined to the actor that holds it: its async methods run on the caller's actor. One task runs `read`, another `write`.
final class FramePump {
  /// Bytes asked of the stream at once: large reads make few events (`toolchain.md` C).
  static let readBytesMax = LoopCore.receiveBytesMax
  /// Bytes of frames collected for one write. Frames overshoot it by at most one.
  static let writeBytesMax = 512 << 10
  /// An idle connection keeps no larger buffer than this.
  private static let idleBufferBytesMax = 16 << 10

  let stream: any ByteStream
  let session: HTTP2Session
  /// Sees all bytes of both directions; nil: nobody wants frames.
  var watch: FrameWatch?
  private let work = Wakeup()
  /// Set once: the writer ends after everything queued is written.
  private var isFinishing = false

  init(stream: any ByteStream, session: HTTP2Session) {
    self.stream = stream
    self.session = session
  }

  /// Reads until the peer ends the stream, handing over events with the bytes their ranges point into. Throws when HTTP/2
  /// has come to its end: a mistake of the peer, or GOAWAY and nothing left to do.
  func read(_ handle: ([HTTP2Event], [UInt8]) throws(WireError) -> Void) async throws(WireError) {
    while true {
      let bytes = try await stream.read(maxBytes: FramePump.readBytesMax)
      guard !bytes.isEmpty else { return }
      watch?.received(bytes)
      let events = try session.receive(bytes)
      try handle(events, bytes)
      wake()
      if !session.wantsRead { throw session.endReason }
    }
  }

  /// Writes whatever the session has to say, until `finish`, an error or the end of HTTP/2 as in `read`.
  func write(_ handle: ([HTTP2Event]) throws(WireError) -> Void) async throws(WireError) {
    var buffer = OutputChain()
    while true {
      let events = try session.takeOutput(into: &buffer, bytesMax: FramePump.writeBytesMax)
      try handle(events)
      if !buffer.isEmpty {
        watch?.sent(buffer.flat)
        try await stream.write(buffer)
        buffer.removeAll()
        // The last words were a GOAWAY: nothing that comes now would be read.
        if !session.wantsRead && !session.wantsWrite { throw session.endReason }
      } else if isFinishing {
        return
      } else {
        if buffer.capacity > FramePump.idleBufferBytesMax { buffer = OutputChain() }
        await work.waitForSignal()
      }
    }
  }

  /// The session may have something to write.
  func wake() { work.signal() }

  /// Lets the writer end once everything is written.
  func finish() {
    isFinishing = true
    wake()
  }
}
