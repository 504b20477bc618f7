internal import CNghttp2

/// Limits and windows that one side of a connection announces and keeps. Sizes are bytes.
package struct HTTP2Limits: Sendable, Equatable {
  /// How much a peer may send on one stream before its messages are taken (SETTINGS_INITIAL_WINDOW_SIZE).
  package var streamWindowBytes: Int32 = 4 << 20
  /// How much a peer may have on the way on all streams together.
  package var connectionWindowBytes: Int32 = 16 << 20
  /// Largest header block accepted, counted as RFC 9113 §6.5.2 does.
  package var headerListBytesMax = 64 << 10
  /// Streams that a client may have open at a time; a server announces it.
  package var concurrentStreamsMax: UInt32 = 100
  package init() {}
}

/// What nghttp2 found in the bytes of the peer, or did with ours, in order.
enum HTTP2Event: Equatable {
  /// A whole header block. For a server the first one of a stream is a request.
  case headers(stream: Int32, HeaderList, isEnd: Bool)
  /// A header block beyond `headerListBytesMax`; the stream has been reset.
  case headersTooLarge(stream: Int32)
  /// Bytes of a DATA frame, as a range of the bytes that were given to `receive`.
  case data(stream: Int32, Range<Int>)
  /// END_STREAM on a DATA frame.
  case end(stream: Int32)
  case reset(stream: Int32, HTTP2ErrorCode)
  /// The peer broke HTTP/2 in a frame of this stream; nghttp2 resets the stream or ends the connection.
  case violation(stream: Int32, String)
  /// nghttp2 has forgotten the stream; the last event of every stream.
  case closed(stream: Int32, HTTP2ErrorCode)
  /// `concurrentStreamsMax` is the peer's current limit, the largest number where it named none.
  case settings(concurrentStreamsMax: UInt32, headerListBytesMax: UInt32)
  case settingsAcknowledged
  case ping
  case pingAcknowledged
  case goAway(lastStream: Int32, HTTP2ErrorCode, debug: [UInt8])
  /// The request's header block is among the bytes to write.
  case headersSent(stream: Int32)
  /// The frame that ends our direction of a stream is among the bytes to write.
  case endSent(stream: Int32)
  /// A stream's queue has fallen to `queueBytesMax` or below.
  case drained(stream: Int32)
}

/// One HTTP/2 connection's framing, HPACK and flow control: nghttp2 behind a value-typed door.
///
/// Not thread-safe: confined to the actor that holds it. Bytes in with `receive`, bytes out with `takeOutput`; both return
/// events. nghttp2's callbacks only note what happened; nothing of nghttp2 that reads or writes frames runs inside one.
/// Windows are opened by `consume` alone. A peer's mistake is thrown once; the session is then only good for `takeOutput`
/// (which says GOAWAY).
final class HTTP2Session {
  enum Role { case client, server }

  private let raw: OpaquePointer
  private let limits: HTTP2Limits
  private let queueBytesMax: Int
  private var outgoing: [Int32: OutgoingBody] = [:]
  private var events: [HTTP2Event] = []
  /// The block that is being received (header blocks never interleave, RFC 9113 §4.3).
  private var block = HeaderList()
  private var blockBytes = 0
  /// Where `receive`'s bytes begin, during the call.
  private var inputBase: UnsafePointer<UInt8>?
  private var inputCount = 0
  private var output = OutputChain()
  private var outputBytesMax = 0
  /// Streams whose data is all framed and whose trailers must follow.
  private var trailersDue: [Int32] = []
  /// What nghttp2 says about a mistake in the bytes received last.
  private var complaint = ""

  /// `queueBytesMax`: how much of one stream's body its sender wants to have queued at most; it is told when it may go on.
  init(role: Role, limits: HTTP2Limits, queueBytesMax: Int) throws(WireError) {
    self.limits = limits
    self.queueBytesMax = queueBytesMax
    raw = try HTTP2Session.makeRaw(role: role)
    // SAFETY: `deinit` deletes the session, so no callback outlives `self`.
    nghttp2_session_set_user_data(raw, Unmanaged.passUnretained(self).toOpaque())
    try submitSettings(role: role)
  }

  deinit { nghttp2_session_del(raw) }

  /// False once the connection is finished for reading: a fatal mistake, or GOAWAY sent and nothing open.
  var wantsRead: Bool { nghttp2_session_want_read(raw) != 0 }
  var wantsWrite: Bool { nghttp2_session_want_write(raw) != 0 }

  /// Takes bytes of the peer and returns what was in them. Data ranges point into `bytes`.
  func receive(_ bytes: [UInt8]) throws(WireError) -> [HTTP2Event] {
    complaint = ""
    let result = bytes.withUnsafeBufferPointer { buffer in
      // SAFETY: the callbacks run inside this call only and use the base while `bytes` is borrowed.
      (inputBase, inputCount) = (buffer.baseAddress, buffer.count)
      defer { inputBase = nil }
      return nghttp2_session_mem_recv(raw, buffer.baseAddress, buffer.count)
    }
    guard result >= 0 else {
      complain(String(cString: nghttp2_strerror(CInt(clamping: result))), isDetail: false)
      throw endReason
    }
    return takeEvents()
  }

  /// Why nothing more is read, once `wantsRead` is false.
  var endReason: WireError {
    complaint.isEmpty
      ? WireError(.closed, "the connection is finished")
      : WireError(.protocolViolation, "the peer broke HTTP/2: \(complaint)")
  }

  /// Appends frames that are ready to `buffer` until it holds about `bytesMax`. Call again while it adds something.
  func takeOutput(into buffer: inout OutputChain, bytesMax: Int) throws(WireError) -> [HTTP2Event] {
    swap(&output, &buffer)
    defer { swap(&output, &buffer) }
    outputBytesMax = bytesMax
    repeat {
      while output.count < bytesMax {
        var chunk: UnsafePointer<UInt8>?
        let count = nghttp2_session_mem_send(raw, &chunk)
        guard count >= 0 else { throw failure("cannot write frames", CInt(clamping: count)) }
        guard count > 0, let chunk else { break }
        // SAFETY: valid until the next nghttp2 call; copied out here.
        output.append(UnsafeBufferPointer(start: chunk, count: count))
      }
    } while submitDueTrailers()
    return takeEvents()
  }

  // MARK: Streams

  /// Opens a stream with a body that follows through `send` and `finish`; returns its id.
  func openStream(_ headers: HeaderList) throws(WireError) -> Int32 {
    var provider = HTTP2Session.bodyProvider
    let id = HTTP2Session.withNameValues(headers) { nghttp2_submit_request(raw, nil, $0, $1, &provider, nil) }
    guard id > 0 else { throw failure("cannot open a stream", id) }
    outgoing[id] = OutgoingBody()
    return id
  }

  /// Answers a request; the body follows through `send` and `finish`.
  func respond(stream: Int32, _ headers: HeaderList) throws(WireError) {
    var provider = HTTP2Session.bodyProvider
    outgoing[stream] = OutgoingBody()
    try check(
      HTTP2Session.withNameValues(headers) { nghttp2_submit_response(raw, stream, $0, $1, &provider) },
      "cannot answer a stream")
  }

  /// Answers a request with one header block and nothing else (gRPC "Trailers-Only").
  func respondTrailersOnly(stream: Int32, _ headers: HeaderList) throws(WireError) {
    try check(
      HTTP2Session.withNameValues(headers) { nghttp2_submit_response(raw, stream, $0, $1, nil) },
      "cannot answer a stream")
  }

  /// Queues body bytes. The caller bounds what is queued: see `queuedBytes`.
  func send(stream: Int32, _ chunks: [UInt8]...) throws(WireError) {
    guard let body = outgoing[stream] else { return }
    for chunk in chunks { body.append(chunk[...]) }
    try resume(stream, body)
  }

  /// The same for parts of arrays, which are kept and not copied until they are framed.
  func send(stream: Int32, _ chunks: [ArraySlice<UInt8>]) throws(WireError) {
    guard let body = outgoing[stream] else { return }
    for chunk in chunks { body.append(chunk) }
    try resume(stream, body)
  }

  /// Ends our direction after what is queued: with END_STREAM, or with `trailers`, which then carry it.
  func finish(stream: Int32, trailers: HeaderList? = nil) throws(WireError) {
    guard let body = outgoing[stream], !body.isFinished else { return }
    body.isFinished = true
    body.trailers = trailers
    try resume(stream, body)
  }

  /// Body bytes of a stream that are not in frames yet.
  func queuedBytes(stream: Int32) -> Int { outgoing[stream]?.queuedBytes ?? 0 }

  /// Ends a stream in both directions, ahead of what is queued. Nothing happens when it is not open.
  func reset(stream: Int32, _ code: HTTP2ErrorCode) throws(WireError) {
    try check(
      nghttp2_submit_rst_stream(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, code.rawValue),
      "cannot reset a stream")
  }

  /// Returns received bytes of one stream to its window.
  func consume(stream: Int32, bytes: Int) throws(WireError) {
    try check(nghttp2_session_consume_stream(raw, stream, bytes), "cannot open the window of a stream")
  }

  /// Returns received bytes to the connection's window.
  func consumeConnection(bytes: Int) throws(WireError) {
    try check(nghttp2_session_consume_connection(raw, bytes), "cannot open the window of the connection")
  }

  // MARK: Connection

  func ping() throws(WireError) {
    try check(nghttp2_submit_ping(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil), "cannot ping")
  }

  /// Tells the peer to open no more streams; those up to `lastStream` go on. The largest id announces a shutdown.
  func goAway(lastStream: Int32, _ code: HTTP2ErrorCode, debug: String = "") throws(WireError) {
    var text = Array(debug.utf8)
    let count = text.count
    try check(
      text.withUnsafeMutableBufferPointer {
        nghttp2_submit_goaway(
          raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), lastStream, code.rawValue, $0.baseAddress, count)
      }, "cannot announce the end of the connection")
  }

  /// The highest id among the peer's streams that reached the owner.
  var lastPeerStream: Int32 { nghttp2_session_get_last_proc_stream_id(raw) }
}

// MARK: - What the callbacks note

extension HTTP2Session {
  private static let frameHeaderBytes = 9

  func beganBlock() {
    block = HeaderList()
    blockBytes = 0
  }

  func receivedField(
    stream: Int32, _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>
  ) -> Int32 {
    blockBytes += HeaderList.byteCount(name: name.count, value: value.count)
    guard blockBytes <= limits.headerListBytesMax else {
      events.append(.headersTooLarge(stream: stream))
      // Resets this stream; the rest of the block is still decoded, so the connection's tables stay right.
      return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    block.append(String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
    return 0
  }

  func received(_ frame: UnsafePointer<nghttp2_frame>) {
    let header = frame.pointee.hd
    let isEnd = UInt32(header.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0
    let isAcknowledgement = UInt32(header.flags) & NGHTTP2_FLAG_ACK.rawValue != 0
    switch UInt32(header.type) {
    case NGHTTP2_HEADERS.rawValue:
      events.append(.headers(stream: header.stream_id, block, isEnd: isEnd))
      block = HeaderList()
    case NGHTTP2_DATA.rawValue:
      if isEnd { events.append(.end(stream: header.stream_id)) }
    case NGHTTP2_RST_STREAM.rawValue:
      let code = HTTP2ErrorCode(rawValue: frame.pointee.rst_stream.error_code)
      events.append(.reset(stream: header.stream_id, code))
    case NGHTTP2_SETTINGS.rawValue:
      events.append(isAcknowledgement ? .settingsAcknowledged : peerSettings)
    case NGHTTP2_PING.rawValue:
      events.append(isAcknowledgement ? .pingAcknowledged : .ping)
    case NGHTTP2_GOAWAY.rawValue:
      let goAway = frame.pointee.goaway
      let debug = UnsafeBufferPointer(start: goAway.opaque_data, count: goAway.opaque_data_len)
      events.append(
        .goAway(
          lastStream: goAway.last_stream_id, HTTP2ErrorCode(rawValue: goAway.error_code), debug: Array(debug)))
    default: break
    }
  }

  private var peerSettings: HTTP2Event {
    .settings(
      concurrentStreamsMax: nghttp2_session_get_remote_settings(raw, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS),
      headerListBytesMax: nghttp2_session_get_remote_settings(raw, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE))
  }

  /// nghttp2 hands out slices of the bytes it was given, which the event names without a copy.
  func received(data: UnsafePointer<UInt8>, count: Int, stream: Int32) -> Int32 {
    guard let inputBase else { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    let start = data - inputBase
    guard start >= 0, start + count <= inputCount else { return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    events.append(.data(stream: stream, start..<(start + count)))
    return 0
  }

  func closed(stream: Int32, _ code: HTTP2ErrorCode) {
    outgoing[stream] = nil
    events.append(.closed(stream: stream, code))
  }

  func sent(_ frame: UnsafePointer<nghttp2_frame>) {
    let header = frame.pointee.hd
    if UInt32(header.type) == NGHTTP2_GOAWAY.rawValue { return sent(goAway: frame.pointee.goaway) }
    let isHeaders = UInt32(header.type) == NGHTTP2_HEADERS.rawValue
    guard isHeaders || UInt32(header.type) == NGHTTP2_DATA.rawValue else { return }
    if isHeaders { events.append(.headersSent(stream: header.stream_id)) }
    if UInt32(header.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0 {
      events.append(.endSent(stream: header.stream_id))
    }
  }

  /// nghttp2 ends a connection by itself after some mistakes of the peer, and only its GOAWAY says why.
  private func sent(goAway: nghttp2_goaway) {
    guard goAway.error_code != HTTP2ErrorCode.noError.rawValue else { return }
    let debug = UnsafeBufferPointer(start: goAway.opaque_data, count: goAway.opaque_data_len)
    let code = HTTP2ErrorCode(rawValue: goAway.error_code)
    complain(debug.isEmpty ? "\(code)" : String(decoding: debug, as: UTF8.self), isDetail: false)
  }

  /// How many bytes the next DATA frame of a stream holds, and whether it is the last.
  func nextFrame(stream: Int32, bytesMax: Int, flags: UnsafeMutablePointer<UInt32>?) -> Int {
    guard let body = outgoing[stream], let flags else { return Int(NGHTTP2_ERR_DEFERRED.rawValue) }
    let count = min(body.queuedBytes, bytesMax)
    guard count > 0 || body.isFinished else {
      body.isDeferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    if body.isFinished && count == body.queuedBytes {
      flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
      if body.trailers != nil {
        flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        trailersDue.append(stream)
      }
    }
    return count
  }

  /// Writes one whole DATA frame behind what is already in the output.
  func sendData(stream: Int32, frameHeader: UnsafePointer<UInt8>, bytes: Int) -> Int32 {
    guard output.count < outputBytesMax else { return Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue) }
    // The stream was closed between the announcement of the frame and now.
    guard let body = outgoing[stream] else { return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
    output.append(UnsafeBufferPointer(start: frameHeader, count: HTTP2Session.frameHeaderBytes))
    body.move(bytes, to: &output)
    if body.queuedBytes <= queueBytesMax && body.queuedBytes + bytes > queueBytesMax { events.append(.drained(stream: stream)) }
    return 0
  }

  /// A frame on a stream is that stream's matter; whether it also ends the connection shows when GOAWAY is sent.
  /// The call's error gets the short text only: the long one quotes header values.
  func receivedInvalidFrame(stream: Int32, _ text: String) {
    complain(text, isDetail: false)
    if stream != 0 { events.append(.violation(stream: stream, text)) }
  }

  /// Keeps the first complaint, and the library's longer text rather than its short one.
  func complain(_ text: String, isDetail: Bool) {
    if complaint.isEmpty || isDetail { complaint = String(text.prefix(300)) }
  }
}

// MARK: - Set-up and helpers

extension HTTP2Session {
  private static func makeRaw(role: Role) throws(WireError) -> OpaquePointer {
    var callbacks: OpaquePointer?
    var options: OpaquePointer?
    guard nghttp2_session_callbacks_new(&callbacks) == 0, let callbacks else { throw outOfMemory }
    defer { nghttp2_session_callbacks_del(callbacks) }
    guard nghttp2_option_new(&options) == 0, let options else { throw outOfMemory }
    defer { nghttp2_option_del(options) }
    nghttp2_option_set_no_auto_window_update(options, 1)
    nghttp2_option_set_no_closed_streams(options, 1)
    nghttp2_option_set_max_reserved_remote_streams(options, 0)
    setCallbacks(callbacks)
    var raw: OpaquePointer?
    let result =
      switch role {
      case .client: nghttp2_session_client_new2(&raw, callbacks, nil, options)
      case .server: nghttp2_session_server_new2(&raw, callbacks, nil, options)
      }
    guard result == 0, let raw else { throw outOfMemory }
    return raw
  }

  private static var outOfMemory: WireError { WireError(.resourceLimit, "no memory for an HTTP/2 session") }

  private func submitSettings(role: Role) throws(WireError) {
    var entries = [
      HTTP2Session.setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UInt32(limits.streamWindowBytes)),
      HTTP2Session.setting(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(clamping: limits.headerListBytesMax)),
    ]
    switch role {
    case .client: entries.append(HTTP2Session.setting(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
    case .server:
      entries.append(HTTP2Session.setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.concurrentStreamsMax))
    }
    try check(
      nghttp2_submit_settings(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count), "cannot begin")
    try check(
      nghttp2_session_set_local_window_size(
        raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, limits.connectionWindowBytes), "cannot begin")
  }

  private static func setting(_ id: nghttp2_settings_id, _ value: UInt32) -> nghttp2_settings_entry {
    nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: value)
  }

  private func resume(_ stream: Int32, _ body: OutgoingBody) throws(WireError) {
    guard body.isDeferred else { return }
    body.isDeferred = false
    let result = nghttp2_session_resume_data(raw, stream)
    // The stream may be gone already: then its bytes have nowhere to go, and its `closed` event says so.
    guard result == 0 || result == Int32(NGHTTP2_ERR_INVALID_ARGUMENT.rawValue) else {
      throw failure("cannot send", result)
    }
  }

  /// Trailers may be submitted once the body's last frame is made. True where some were.
  private func submitDueTrailers() -> Bool {
    guard !trailersDue.isEmpty else { return false }
    let due = trailersDue
    trailersDue = []
    for stream in due {
      guard let trailers = outgoing[stream]?.trailers else { continue }
      // Fails only where the stream has been closed meanwhile, which its own event tells.
      _ = HTTP2Session.withNameValues(trailers) {
        nghttp2_submit_trailer(raw, stream, UnsafePointer($0), $1)
      }
    }
    return true
  }

  private func takeEvents() -> [HTTP2Event] {
    defer { events = [] }
    return events
  }

  private func check(_ result: Int32, _ doing: String) throws(WireError) {
    guard result == 0 else { throw failure(doing, result) }
  }

  private func failure(_ doing: String, _ code: Int32) -> WireError {
    WireError(.protocolViolation, "\(doing): \(String(cString: nghttp2_strerror(code)))")
  }

  /// Lends a block's fields as nghttp2 wants them. Everything points into one flat buffer that lives for the call.
  private static func withNameValues<R>(
    _ headers: HeaderList, _ body: (UnsafeMutablePointer<nghttp2_nv>?, Int) -> R
  ) -> R {
    var flat: [UInt8] = []
    for field in headers.fields {
      flat += field.name.utf8
      flat += field.value.utf8
    }
    // An empty array has no address, and nghttp2 wants one for empty values too.
    flat.append(0)
    return flat.withUnsafeMutableBufferPointer { buffer in
      var offset = 0
      var pairs = headers.fields.map { field in
        let (nameBytes, valueBytes) = (field.name.utf8.count, field.value.utf8.count)
        defer { offset += nameBytes + valueBytes }
        // Secrets stay out of compression tables (RFC 7541 §7.1.3).
        let flags = field.name == "authorization" ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE
        return nghttp2_nv(
          name: buffer.baseAddress.map { $0 + offset }, value: buffer.baseAddress.map { $0 + offset + nameBytes },
          namelen: nameBytes, valuelen: valueBytes, flags: UInt8(flags.rawValue))
      }
      let count = pairs.count
      return pairs.withUnsafeMutableBufferPointer { body($0.baseAddress, count) }
    }
  }
}
