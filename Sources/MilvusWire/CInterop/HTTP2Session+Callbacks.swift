internal import CNghttp2

/// The session behind a callback's `user_data`.
///
/// SAFETY: it is the unretained session that was given to nghttp2, which owns the nghttp2 session: callbacks run only inside
/// calls that the session itself makes, so it is alive.
private func session(_ userData: UnsafeMutableRawPointer?) -> HTTP2Session? {
  userData.map { Unmanaged<HTTP2Session>.fromOpaque($0).takeUnretainedValue() }
}

extension HTTP2Session {
  /// Pulls a stream's body. The bytes themselves are copied by the send-data callback, straight behind their frame header.
  static var bodyProvider: nghttp2_data_provider {
    nghttp2_data_provider(source: nghttp2_data_source(fd: 0)) { _, stream, _, length, flags, _, userData in
      session(userData)?.nextFrame(stream: stream, bytesMax: length, flags: flags)
        ?? Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
    }
  }

  static func setCallbacks(_ callbacks: OpaquePointer) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, _, userData in
      session(userData)?.beganBlock()
      return 0
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) { _, frame, name, nameBytes, value, valueBytes, _, userData in
      guard let frame, let session = session(userData) else { return 0 }
      return session.receivedField(
        stream: frame.pointee.hd.stream_id, UnsafeBufferPointer(start: name, count: nameBytes),
        UnsafeBufferPointer(start: value, count: valueBytes))
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, userData in
      if let frame { session(userData)?.received(frame) }
      return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, stream, bytes, count, userData in
      guard let bytes, let session = session(userData) else { return 0 }
      return session.received(data: bytes, count: count, stream: stream)
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, stream, code, userData in
      session(userData)?.closed(stream: stream, HTTP2ErrorCode(rawValue: code))
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, userData in
      if let frame { session(userData)?.sent(frame) }
      return 0
    }
    nghttp2_session_callbacks_set_send_data_callback(callbacks) { _, frame, header, length, _, userData in
      guard let frame, let header, let session = session(userData) else {
        return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
      }
      return session.sendData(stream: frame.pointee.hd.stream_id, frameHeader: header, bytes: length)
    }
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks) { _, frame, code, userData in
      guard let frame, let session = session(userData) else { return 0 }
      session.receivedInvalidFrame(stream: frame.pointee.hd.stream_id, String(cString: nghttp2_strerror(code)))
      return 0
    }
    nghttp2_session_callbacks_set_error_callback2(callbacks) { _, _, text, count, userData in
      guard let text else { return 0 }
      let bytes = UnsafeRawBufferPointer(start: text, count: count)
      session(userData)?.complain(String(decoding: bytes, as: UTF8.self), isDetail: true)
      return 0
    }
  }
}
