internal import CPlatform
internal import Glibc

/// Memory that one loop receives into. Loop-confined.
final class ReceiveBuffer {
  private let memory: UnsafeMutableRawBufferPointer

  init(byteCount: Int) {
    // Untouched pages cost nothing: the memory is not initialised.
    memory = .allocate(byteCount: byteCount, alignment: 16)
  }

  deinit { memory.deallocate() }

  /// Receives at most `maxBytes` into an array of that size: for a socket that fills it.
  static func receiveWhole(from fd: Int32, maxBytes: Int) -> ReceiveResult {
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: maxBytes) { memory, count in
      while true {
        // SAFETY: the memory has `maxBytes` bytes; recv fills the first `received` of them.
        let received = recv(fd, memory.baseAddress, maxBytes, 0)
        count = max(0, received)
        if received >= 0 { return }
        if errno != EINTR {
          failure = errno
          return
        }
      }
    }
    switch failure {
    case 0: return .bytes(bytes, isShort: bytes.count < maxBytes)
    case EAGAIN: return .wouldBlock
    case let reason: return .failed(reason)
    }
  }

  /// Receives at most `maxBytes` and copies them out.
  func receive(from fd: Int32, maxBytes: Int) -> ReceiveResult {
    let wanted = min(maxBytes, memory.count)
    while true {
      // SAFETY: `wanted` is at most the size of the memory, which nobody else uses during the call.
      let count = recv(fd, memory.baseAddress, wanted, 0)
      if count >= 0 {
        // SAFETY: recv filled the first `count` bytes.
        return .bytes([UInt8](memory[..<count]), isShort: count < wanted)
      }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      case let reason: return .failed(reason)
      }
    }
  }
}

/// What one non-blocking receive brought.
enum ReceiveResult {
  /// Empty at the end of the stream. `isShort`: the socket had no more at that moment.
  case bytes([UInt8], isShort: Bool)
  case wouldBlock
  case failed(Int32)
}

/// What one non-blocking call that moves or starts something did.
enum SocketResult: Equatable {
  case done(Int)
  case wouldBlock
  case failed(Int32)
}

/// The system's socket calls, non-blocking, with plain values in and out. Who owns a descriptor is `WatchedSocket`'s matter.
enum SocketCalls {
  static func open(_ address: SocketAddress) -> SocketResult {
    let fd = cdc_tcp_socket(address.systemFamily)
    return fd >= 0 ? .done(Int(fd)) : .failed(errno)
  }

  static func close(_ fd: Int32) {
    // EINTR is not retried: on Linux the descriptor is gone in any case.
    _ = Glibc.close(fd)
  }

  /// Small messages go out at once, and a peer that vanished is noticed after about two minutes even where nobody sends.
  static func tune(_ fd: Int32) {
    // Failures are of no consequence: these are wishes.
    _ = cdc_set_option(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    _ = cdc_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    _ = cdc_set_option(fd, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
    _ = cdc_set_option(fd, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15)
    _ = cdc_set_option(fd, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
  }

  /// Starts to connect; `.wouldBlock` means that writability will tell.
  static func connect(_ fd: Int32, to address: SocketAddress) -> SocketResult {
    let code = address.withSystemAddress { Glibc.connect(fd, $0, $1) }
    if code == 0 { return .done(0) }
    switch errno {
    // An interrupted connect goes on in the background (POSIX connect).
    case EINPROGRESS, EINTR: return .wouldBlock
    case let reason: return .failed(reason)
    }
  }

  /// The result of a connect that writability announced; 0 when it worked.
  static func takeError(_ fd: Int32) -> Int32 {
    var reason: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &length) == 0 else { return errno }
    return reason
  }

  static func send(_ fd: Int32, _ bytes: [UInt8], from offset: Int) -> SocketResult {
    bytes.withUnsafeBytes { buffer in
      // SAFETY: rebasing checks `offset`; the kernel reads inside this closure only.
      let rest = UnsafeRawBufferPointer(rebasing: buffer[offset...])
      while true {
        let count = Glibc.send(fd, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
        if count >= 0 { return .done(count) }
        switch errno {
        case EINTR: continue
        case EAGAIN: return .wouldBlock
        case let reason: return .failed(reason)
        }
      }
    }
  }

  /// Sends what stands from `offset` on, as much as the socket takes at once.
  static func send(_ fd: Int32, _ output: OutputChain, from offset: Int) -> SocketResult {
    output.copied.withUnsafeBytes { copied in
      var pieces: [iovec] = []
      pieces.reserveCapacity(2 * output.links.count + 1)
      var skipped = offset
      func add(_ bytes: UnsafeRawBufferPointer) {
        guard skipped < bytes.count else { return skipped -= bytes.count }
        guard pieces.count < piecesMax else { return }
        // SAFETY: rebasing checks the place; the kernel only reads.
        let rest = UnsafeRawBufferPointer(rebasing: bytes[skipped...])
        skipped = 0
        pieces.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: rest.baseAddress), iov_len: rest.count))
      }
      var start = 0
      for link in output.links {
        add(UnsafeRawBufferPointer(rebasing: copied[start..<link.copiedEnd]))
        // SAFETY: `output` holds the slice's array until this call has returned, and nobody else may change an array that is held.
        link.slice.withUnsafeBytes { add($0) }
        start = link.copiedEnd
      }
      add(UnsafeRawBufferPointer(rebasing: copied[start...]))
      return pieces.withUnsafeMutableBufferPointer { buffer in
        var message = msghdr()
        message.msg_iov = buffer.baseAddress
        message.msg_iovlen = buffer.count
        while true {
          let count = Glibc.sendmsg(fd, &message, Int32(MSG_NOSIGNAL))
          if count >= 0 { return .done(count) }
          switch errno {
          case EINTR: continue
          case EAGAIN: return .wouldBlock
          case let reason: return .failed(reason)
          }
        }
      }
    }
  }

  /// Pieces of one call; the system's limit is 1024.
  private static let piecesMax = 512

  /// Ends our direction; the peer reads the end after everything that was sent.
  static func endWriting(_ fd: Int32) -> SocketResult {
    Glibc.shutdown(fd, Int32(SHUT_WR)) == 0 ? .done(0) : .failed(errno)
  }

  static func listen(_ fd: Int32, at address: SocketAddress, backlog: Int32) -> SocketResult {
    // A restarted server must not wait for connections of its predecessor that are still in TIME_WAIT.
    _ = cdc_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    // `::` takes IPv4 clients too.
    if address.family == .ipv6 { _ = cdc_set_option(fd, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
    guard address.withSystemAddress({ Glibc.bind(fd, $0, $1) }) == 0 else { return .failed(errno) }
    guard Glibc.listen(fd, backlog) == 0 else { return .failed(errno) }
    return .done(0)
  }

  static func accept(_ fd: Int32) -> SocketResult {
    let connection = cdc_accept(fd)
    if connection >= 0 { return .done(Int(connection)) }
    return errno == EAGAIN ? .wouldBlock : .failed(errno)
  }

  static func localAddress(_ fd: Int32) -> SocketAddress? {
    SocketAddress.filled { getsockname(fd, $0, $1) }
  }

  static func peerAddress(_ fd: Int32) -> SocketAddress? {
    SocketAddress.filled { getpeername(fd, $0, $1) }
  }
}
