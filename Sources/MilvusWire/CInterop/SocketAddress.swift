internal import CPlatform
internal import Glibc

/// One IPv4 or IPv6 address with a port: the bytes of the system's `sockaddr`.
struct SocketAddress: Sendable, Equatable {
  enum Family: Sendable, Equatable { case ipv4, ipv6 }

  let family: Family
  private let storage: [UInt8]

  /// Copies an address that the system filled; nil for other families and short buffers.
  init?(_ bytes: UnsafeRawBufferPointer) {
    // sa_family_t is the first member on Linux; the rest is read by the system only.
    guard bytes.count >= MemoryLayout<sockaddr>.size else { return nil }
    // SAFETY: the length was just checked, and loadUnaligned does not care for alignment.
    switch Int32(bytes.loadUnaligned(as: sa_family_t.self)) {
    case AF_INET where bytes.count >= MemoryLayout<sockaddr_in>.size:
      family = .ipv4
      storage = [UInt8](bytes.prefix(MemoryLayout<sockaddr_in>.size))
    case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
      family = .ipv6
      storage = [UInt8](bytes.prefix(MemoryLayout<sockaddr_in6>.size))
    default: return nil
    }
  }

  var systemFamily: Int32 { family == .ipv4 ? AF_INET : AF_INET6 }

  /// The port is at the same place in both kinds of address, in network order (bytes 2 and 3).
  var port: Int { Int(storage[2]) << 8 | Int(storage[3]) }

  /// The numeric host without port or brackets.
  var host: String {
    var buffer = [CChar](repeating: 0, count: 64)
    let code = withSystemAddress { address, length in
      getnameinfo(address, length, &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST)
    }
    guard code == 0 else { return "?" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// `host:port`, IPv6 in brackets.
  var description: String { Endpoint(host: host, port: port).authority }

  func withSystemAddress<Result>(
    _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
  ) -> Result {
    var copy = sockaddr_storage()
    return withUnsafeMutableBytes(of: &copy) { bytes in
      bytes.copyBytes(from: storage)
      // SAFETY: sockaddr_storage is aligned and large enough for every address; the pointer ends with the call.
      let address = bytes.baseAddress.map { UnsafePointer($0.assumingMemoryBound(to: sockaddr.self)) }
      guard let address else { preconditionFailure("sockaddr_storage has no bytes") }
      return body(address, socklen_t(storage.count))
    }
  }

  /// Reads an address that a call such as getsockname fills.
  static func filled(
    by call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutableBytes(of: &storage) { bytes in
      guard let base = bytes.baseAddress else { return nil }
      // SAFETY: as above; the call writes at most `length` bytes.
      guard call(base.assumingMemoryBound(to: sockaddr.self), &length) == 0 else { return nil }
      return SocketAddress(UnsafeRawBufferPointer(bytes))
    }
  }

  // MARK: Names

  /// Why a name has no address.
  enum LookupFailure: Error, Equatable { case noSuchHost, failed(String) }

  /// Asks the system for the addresses of a name. Blocks: never on a loop or on the cooperative pool,
  /// unless `isNumeric`, which never leaves the process.
  static func lookUp(
    host: String, port: Int, isNumeric: Bool, isPassive: Bool = false
  ) throws(LookupFailure) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICSERV | (isNumeric ? AI_NUMERICHOST : 0) | (isPassive ? AI_PASSIVE : 0)
    // A name with a NUL would be cut by the C call and mean another host.
    guard !host.utf8.contains(0) else { throw .noSuchHost }
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, String(port), &hints, &list)
    guard code == 0 else {
      switch code {
      case EAI_NONAME, -5: throw .noSuchHost  // -5: EAI_NODATA, a known name without addresses (netdb.h)
      default: throw .failed(String(cString: gai_strerror(code)))
      }
    }
    // SAFETY: the list is ours until freeaddrinfo; addresses are copied out.
    defer { freeaddrinfo(list) }
    var addresses: [SocketAddress] = []
    var entry = list
    while let current = entry {
      entry = current.pointee.ai_next
      guard let raw = current.pointee.ai_addr else { continue }
      let bytes = UnsafeRawBufferPointer(start: raw, count: Int(current.pointee.ai_addrlen))
      if let address = SocketAddress(bytes), !addresses.contains(address) { addresses.append(address) }
    }
    return addresses
  }
}
