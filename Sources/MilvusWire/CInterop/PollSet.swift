internal import CPlatform
internal import Glibc

/// What happened to one watched file descriptor.
struct Readiness: Equatable {
  var token: UInt64
  var isReadable: Bool
  var isWritable: Bool
  /// The peer ended its direction, or the connection failed: reading finds the end or the error without waiting.
  var isHungUp: Bool
}

/// One epoll instance and the eventfd that wakes it. Edge-triggered: each descriptor is registered once and never changed.
///
/// `@unchecked Sendable`: `wake` may be called from any thread. Everything else belongs to the thread that waits; the owner serialises it.
final class PollSet: @unchecked Sendable {
  /// Descriptors reported by one call; more are reported by the next.
  private static let eventCountMax = 256
  private static let wakeToken = UInt64.max

  private let pollFD: Int32
  private let wakeFD: Int32
  private let events: UnsafeMutablePointer<epoll_event>

  init() throws(WireError) {
    let pollFD = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard pollFD >= 0 else { throw WireError.system("cannot create an epoll instance", errno) }
    let wakeFD = eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC))
    guard wakeFD >= 0 else {
      let reason = errno
      close(pollFD)
      throw WireError.system("cannot create an eventfd", reason)
    }
    guard cdc_epoll_add(pollFD, wakeFD, EPOLLIN.rawValue | EPOLLET.rawValue, Self.wakeToken) == 0
    else {
      let reason = errno
      close(wakeFD)
      close(pollFD)
      throw WireError.system("cannot watch an eventfd", reason)
    }
    self.pollFD = pollFD
    self.wakeFD = wakeFD
    // SAFETY: owned by this object alone, freed in deinit; epoll_wait fills at most `eventCountMax` entries.
    self.events = .allocate(capacity: Self.eventCountMax)
  }

  deinit {
    close(wakeFD)
    close(pollFD)
    events.deallocate()
  }

  /// Watches `fd` in both directions. Closing the descriptor ends the watch.
  func add(_ fd: Int32, token: UInt64) throws(WireError) {
    let interest = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
    guard cdc_epoll_add(pollFD, fd, interest, token) == 0 else {
      throw WireError.system("cannot watch a socket", errno)
    }
  }

  /// Ends a waiting `wait`, or the next one.
  func wake() {
    // The counter cannot overflow in practice, and a full counter would still mean "awake": the result is of no use.
    // It is never read back: edge-triggered, every write is a new event.
    _ = eventfd_write(wakeFD, 1)
  }

  /// Waits for readiness, at most `timeoutMs` (-1: without limit), and hands each event to `body`.
  func wait(timeoutMs: Int32, _ body: (Readiness) -> Void) {
    let count = epoll_wait(pollFD, events, Int32(Self.eventCountMax), timeoutMs)
    // A signal ends the wait with EINTR; the loop then looks at its timers and comes back.
    guard count > 0 else { return }
    for index in 0..<Int(count) {
      // SAFETY: epoll_wait filled the first `count` entries.
      let event = events[index]
      guard event.data.u64 != Self.wakeToken else { continue }
      let failed = event.events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
      let ended = failed || event.events & EPOLLRDHUP.rawValue != 0
      body(
        Readiness(
          token: event.data.u64, isReadable: ended || event.events & EPOLLIN.rawValue != 0,
          isWritable: failed || event.events & EPOLLOUT.rawValue != 0, isHungUp: ended))
    }
  }
}

extension WireError {
  /// A failed call of the operating system: `what: reason`.
  static func system(_ what: String, _ reason: Int32) -> WireError {
    var error = system(reason)
    error.message = "\(what): \(error.message)"
    return error
  }

  /// A failed call of the operating system: the reason alone.
  static func system(_ reason: Int32) -> WireError {
    let code: Code
    switch reason {
    case ECONNREFUSED: code = .refused
    case ECONNRESET, EPIPE: code = .reset
    case ETIMEDOUT: code = .timedOut
    case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN: code = .unreachable
    case EMFILE, ENFILE, ENOMEM, ENOBUFS: code = .resourceLimit
    default: code = .system
    }
    return WireError(code, SystemErrorText.describe(reason))
  }
}

/// The words for an errno, spelled the way people search for them.
enum SystemErrorText {
  static let addressInUse = "address already in use"

  static func describe(_ reason: Int32) -> String {
    switch reason {
    case ECONNREFUSED: return "connection refused"
    case ECONNRESET: return "connection reset by peer"
    case EPIPE: return "connection closed by peer"
    case ETIMEDOUT: return "connection timed out"
    case EADDRINUSE: return addressInUse
    case EMFILE: return "too many open files (raise the limit with ulimit -n)"
    default:
      var buffer = [CChar](repeating: 0, count: 128)
      guard strerror_r(reason, &buffer, buffer.count) == 0 else { return "system error \(reason)" }
      let text = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      return String(decoding: text, as: UTF8.self)
    }
  }
}
