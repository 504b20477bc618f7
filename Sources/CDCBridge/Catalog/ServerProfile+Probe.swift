package import MilvusWire

extension ServerProfile {
  /// Finds out what a server is by the read-only steps of `public-rpc.md` §7.2.
  ///
  /// Only UNIMPLEMENTED means that a method is absent; every other answer, also a refusal, means that it is there. A server that
  /// cannot be reached, or that refuses the credentials, ends the probe with that error. Nothing mutating is called, with whatever argument:
  /// what only a mutating call could tell (truncate, add field) is taken from the version.
  package static func probe(_ cluster: any MilvusCluster) async throws(CallError) -> ServerProfile {
    var info = ServerInfo()
    do {
      info = try await cluster.connect()
    } catch {
      // Older than 2.2.9: GetVersion still tells the number.
      guard error.isUnimplemented else { throw error }
    }
    // Every Milvus knows this one: what does not is something else on that port.
    let versionText = try await cluster.getVersion()
    var profile = identify(info: info, versionText: versionText)
    profile.hasAllocTimestamp = try await has { () async throws(CallError) in
      _ = try await cluster.allocTimestamp()
    }
    profile.hasDatabases = try await has { () async throws(CallError) in
      _ = try await cluster.listDatabases()
    }
    profile.hasDescribeDatabase = try await has { () async throws(CallError) in
      _ = try await cluster.describeDatabase("default")
    }
    return profile
  }

  /// Kind, version and what follows from the version. Lite is told by its own name, never by the suffix `-lite`: the full embedded
  /// 2.3.5 calls itself `v2.3.5-lite` (`public-rpc.md` §1.4).
  package static func identify(info: ServerInfo, versionText: String) -> ServerProfile {
    let text = versionText.isEmpty ? info.buildTags : versionText
    let isLite = info.buildTags == "milvus_lite" || text.hasPrefix("milvus_lite")
    var profile = ServerProfile(
      kind: isLite ? .lite : .milvus, version: parseVersion(text), versionText: text)
    let number = profile.version
    profile.hasTruncate = isLite || number.map { $0 >= Version(2, 6, 11) } ?? false
    profile.hasAddField = !isLite && (number.map { $0 >= Version(2, 6, 0) } ?? true)
    profile.hasLog = !isLite && (number.map { $0 >= Version(2, 6, 20) } ?? false)
    return profile
  }

  /// The first `n.n.n` of a text; nil where there is none (cloud builds).
  package static func parseVersion(_ text: String) -> Version? {
    let scalars = Array(text.utf8)
    var start = 0
    while start < scalars.count {
      guard isDigit(scalars[start]) else {
        start += 1
        continue
      }
      var numbers: [Int] = []
      var at = start
      while let (number, next) = number(in: scalars, at: at) {
        numbers.append(number)
        at = next
        guard numbers.count < 3, at < scalars.count, scalars[at] == UInt8(ascii: ".") else { break }
        at += 1
      }
      if numbers.count == 3 { return Version(numbers[0], numbers[1], numbers[2]) }
      start = max(at, start + 1)
      // The rest of a number that was too long is not the beginning of another one.
      while start < scalars.count, isDigit(scalars[start]) { start += 1 }
    }
    return nil
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  /// A run of digits; nil where it is empty or longer than nine, which is no version and might not fit.
  private static func number(in bytes: [UInt8], at start: Int) -> (Int, Int)? {
    var value = 0
    var at = start
    while at < bytes.count, isDigit(bytes[at]) {
      guard at - start < 9 else { return nil }
      value = value * 10 + Int(bytes[at] - UInt8(ascii: "0"))
      at += 1
    }
    return at > start ? (value, at) : nil
  }

  /// False only where the server does not have the method; a lost connection and refused credentials are thrown on.
  private static func has(
    _ call: () async throws(CallError) -> Void
  ) async throws(CallError) -> Bool {
    do {
      try await call()
      return true
    } catch {
      if error.isUnimplemented { return false }
      if error.isConnectionLoss || error.rpcCode == .unauthenticated { throw error }
      return true
    }
  }

  /// The product and version as a person knows them.
  package var title: String {
    isLite
      ? "Milvus Lite \(version?.description ?? versionText)"
      : "Milvus \(version?.description ?? (versionText.isEmpty ? "of unknown version" : versionText))"
  }
}
