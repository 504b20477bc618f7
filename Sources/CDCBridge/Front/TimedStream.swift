internal import MilvusWire

/// A byte stream whose calls end at a deadline. Failures and deadlines are the same to an HTTP server: the connection is over.
struct TimedStream: Sendable {
  enum Read: Sendable, Equatable { case bytes([UInt8]), end, timedOut, failed }

  let stream: any ByteStream
  let timekeeper: any Timekeeper

  /// `onTimeout` runs while the read still waits, because a cancelled read leaves the stream good for nothing but `close`.
  func read(until deadline: Duration, onTimeout: @escaping @Sendable () async -> Void) async -> Read {
    await withTaskGroup(of: Read.self) { group in
      group.addTask { [stream] in
        do throws(WireError) {
          let bytes = try await stream.read(maxBytes: 16 << 10)
          return bytes.isEmpty ? .end : .bytes(bytes)
        } catch { return .failed }
      }
      group.addTask { [timekeeper] in
        do { try await timekeeper.wait(until: deadline) } catch { return .failed }
        return .timedOut
      }
      let first = await group.next() ?? .failed
      if first == .timedOut {
        await onTimeout()
        stream.close()
      }
      group.cancelAll()
      return first
    }
  }

  /// False when the bytes were not taken in time or the connection failed; the stream is closed then.
  func write(_ bytes: [UInt8], until deadline: Duration) async -> Bool {
    await run(until: deadline) { stream throws(WireError) in
      try await stream.write(bytes)
      return true
    } ?? false
  }

  /// The result of `body`, or nil when it failed or did not end in time; the stream is closed then.
  func run<Value: Sendable>(
    until deadline: Duration, _ body: @escaping @Sendable (any ByteStream) async throws(WireError) -> Value
  ) async -> Value? {
    await withTaskGroup(of: Value?.self) { group in
      group.addTask { [stream] in
        do throws(WireError) { return try await body(stream) } catch { return nil }
      }
      group.addTask { [timekeeper] in
        try? await timekeeper.wait(until: deadline)
        return nil
      }
      let first = await group.next() ?? nil
      if first == nil { stream.close() }
      group.cancelAll()
      return first
    }
  }

  /// After a refusal: says that nothing more comes, then reads and drops what the peer still sends. Closing with unread input would reset
  /// the connection and take the answer with it (RFC 9112 §9.6).
  func linger(until deadline: Duration) async {
    _ = await run(until: deadline) { stream throws(WireError) in
      try await stream.endWriting()
      var dropped = 0
      while dropped < 64 << 20 {
        let bytes = try await stream.read(maxBytes: 64 << 10)
        if bytes.isEmpty { break }
        dropped += bytes.count
      }
      return true
    }
  }
}
