internal import Glibc

/// The keys that somebody presses, one by one, without waiting for Enter and without showing them.
///
/// The terminal is as it was when `restore` has been called, or the last reference is gone. Ctrl-C and Ctrl-Z go on to mean what they mean.
package final class TerminalKeys: Sendable {
  private static let look: CInt = 200

  package let keys: AsyncStream<UInt8>
  private let before: termios
  private let isRestored = Locked(false)

  /// nil where standard input is no terminal, or its settings cannot be changed.
  package init?() {
    var settings = termios()
    // SAFETY: `tcgetattr` writes one termios, which lives for the call.
    guard isatty(STDIN_FILENO) == 1, unsafe tcgetattr(STDIN_FILENO, &settings) == 0 else { return nil }
    before = settings
    settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
    // SAFETY: `tcsetattr` reads one termios, which lives for the call.
    guard unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings) == 0 else { return nil }
    let (stream, continuation) = AsyncStream.makeStream(of: UInt8.self, bufferingPolicy: .bufferingNewest(16))
    keys = stream
    let isRestored = isRestored
    let started = DedicatedThread.start {
      while !isRestored.withLock({ $0 }) {
        var waiting = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        // SAFETY: one pollfd, which lives for the call.
        guard unsafe poll(&waiting, 1, Self.look) > 0 else { continue }
        var byte: UInt8 = 0
        // SAFETY: `read` writes at most the one byte.
        guard unsafe read(STDIN_FILENO, &byte, 1) == 1 else { break }
        continuation.yield(byte)
      }
      continuation.finish()
    }
    if !started { continuation.finish() }
  }

  deinit { restore() }

  /// May be called more than once.
  package func restore() {
    let isFirst = isRestored.withLock { restored in
      defer { restored = true }
      return !restored
    }
    guard isFirst else { return }
    var settings = before
    // SAFETY: `tcsetattr` reads one termios, which lives for the call.
    _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &settings)
  }
}
