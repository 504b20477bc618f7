internal import Glibc
internal import Synchronization

/// The process's standard output and error, unbuffered, and what is behind them.
package enum StandardStreams {
  package enum Stream: Int32, Sendable { case output = 1, error = 2 }

  /// Writes all of `text`; what a closed pipe does not take is dropped.
  package static func write(_ text: String, to stream: Stream) { write(Array(text.utf8), to: stream) }

  /// Writes all of `bytes`; what a closed pipe does not take is dropped.
  package static func write(_ bytes: [UInt8], to stream: Stream) {
    var remaining = bytes[...]
    while !remaining.isEmpty {
      // SAFETY: the pointer is used only inside the closure and only for the slice's own length.
      let written = unsafe remaining.withUnsafeBytes {
        unsafe Glibc.write(stream.rawValue, $0.baseAddress, $0.count)
      }
      if written > 0 {
        remaining = remaining.dropFirst(written)
      } else if written < 0, errno == EINTR || errno == EAGAIN {
        continue
      } else {
        if stream == .output, written < 0, errno == EPIPE { outputIsGone.store(true, ordering: .relaxed) }
        return
      }
    }
  }

  private static let outputIsGone = Atomic<Bool>(false)
  /// Whoever read the standard output (`| head`) has gone: nothing that is written arrives any more. Known once something was written.
  package static var isOutputGone: Bool { outputIsGone.load(ordering: .relaxed) }

  /// The next `count` bytes of standard input, fewer at its end, where nothing follows. Blocks the calling thread.
  package static func readInput(bytes count: Int) -> [UInt8] {
    var taken = 0
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initializedCount in
      while taken < count {
        // SAFETY: the slice lies inside the array's own buffer, and `read` writes at most its length.
        let result = unsafe Glibc.read(STDIN_FILENO, buffer.baseAddress.map { $0 + taken }, count - taken)
        if result < 0 && errno == EINTR { continue }
        guard result > 0 else { break }
        taken += result
      }
      initializedCount = taken
    }
  }

  /// What standard input has next, as soon as there is anything: at most 64 KiB. nil at its end, after an error, and when the task is
  /// cancelled; what arrives after a cancellation is lost. One task reads.
  package static func nextInput() async -> [UInt8]? {
    let (stream, continuation) = AsyncStream.makeStream(of: [UInt8].self)
    let started = DedicatedThread.start {
      let bytes = [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, initializedCount in
        var result = -1
        repeat {
          // SAFETY: `read` writes at most the buffer's own length into it.
          result = unsafe Glibc.read(STDIN_FILENO, buffer.baseAddress, buffer.count)
        } while result < 0 && errno == EINTR
        initializedCount = max(0, result)
      }
      if !bytes.isEmpty { continuation.yield(bytes) }
      continuation.finish()
    }
    if !started { continuation.finish() }
    for await bytes in stream { return bytes }
    return nil
  }

  /// True where a person watches: progress may be redrawn and coloured.
  package static func isTerminal(_ stream: Stream) -> Bool { isatty(stream.rawValue) == 1 }

  /// How large the terminal behind a stream is; nil where there is none.
  package static func terminalSize(_ stream: Stream = .output) -> (columns: Int, rows: Int)? {
    var size = winsize()
    // SAFETY: TIOCGWINSZ writes one winsize, which lives for the call.
    guard unsafe ioctl(stream.rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return nil
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// A reader that goes away (`| head`) must not end the process in the middle of its work.
  package static func ignoreBrokenPipes() {
    _ = signal(SIGPIPE, SIG_IGN)
  }
}
