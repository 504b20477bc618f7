internal import Glibc

/// SIGINT and SIGTERM as something a task can wait for.
///
/// The handler writes one byte into a pipe, which is all that is safe in a handler, and a thread of its own reads it. After the first
/// signal the default action is back: a second Ctrl-C ends the process at once.
package enum TerminationSignal {
  // SAFETY: written once by `install` before the handler is set, and only read afterwards.
  nonisolated(unsafe) private static var pipeWriteEnd: CInt = -1
  private static let isInstalled = Locked(false)

  /// Installs the handlers; nil where the system has no pipe or no thread to give, or when called a second time.
  package static func install() -> AsyncStream<Void>? {
    let isFirst = isInstalled.withLock { installed in
      defer { installed = true }
      return !installed
    }
    guard isFirst else { return nil }
    var ends: [CInt] = [-1, -1]
    // The process starts no other, so nobody inherits the two descriptors.
    guard pipe(&ends) == 0 else { return nil }
    let readEnd = ends[0]
    pipeWriteEnd = ends[1]
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let started = DedicatedThread.start {
      var byte: UInt8 = 0
      while read(readEnd, &byte, 1) < 0, errno == EINTR {}
      _ = signal(SIGINT, SIG_DFL)
      _ = signal(SIGTERM, SIG_DFL)
      continuation.yield()
      continuation.finish()
    }
    guard started else { return nil }
    for number in [SIGINT, SIGTERM] {
      _ = signal(number) { _ in
        var byte: UInt8 = 1
        let saved = errno
        _ = write(TerminationSignal.pipeWriteEnd, &byte, 1)
        errno = saved
      }
    }
    return stream
  }

  /// A terminal that closes must not end a service.
  package static func ignoreHangups() { _ = signal(SIGHUP, SIG_IGN) }
}
