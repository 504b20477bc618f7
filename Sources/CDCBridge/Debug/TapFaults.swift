package import MilvusWire

/// Something that goes wrong on purpose, to test a client.
package struct TapFault: Sendable, Equatable, CustomStringConvertible {
  package enum Kind: Sendable, Equatable {
    /// The request is held back.
    case delay(Duration)
    /// The call ends with this status; the server never sees it.
    case status(RPCStatusCode, String)
    /// The client's connection breaks after so many answers of the call; 0: before the server sees it.
    case cut(after: Int)
  }
  package var kind: Kind
  /// `*`, or the last part of a method's path.
  package var method: String
  /// Every nth call of the method.
  package var every: Int

  var cutAfter: Int? { if case .cut(let count) = kind, count > 0 { count } else { nil } }

  /// `METHOD=delay:200ms`, `METHOD=status:UNAVAILABLE[:TEXT]`, `METHOD=cut[:N]`, each with `/N` at the end for every nth call; nil for anything else.
  package init?(_ text: String) {
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { return nil }
    method = String(text[..<equals])
    var rule = String(text[text.index(after: equals)...])
    every = 1
    if let slash = rule.lastIndex(of: "/"), let number = Int(rule[rule.index(after: slash)...]) {
      guard number >= 1 else { return nil }
      every = number
      rule = String(rule[..<slash])
    }
    let parts = rule.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    switch (parts.first, parts.count) {
    case ("delay", 2):
      guard let duration = Self.duration(parts[1]) else { return nil }
      kind = .delay(duration)
    case ("status", 2...3):
      guard let code = Self.code(parts[1]), code != .ok else { return nil }
      kind = .status(code, parts.count == 3 ? parts[2] : "a fault that the tap was asked for")
    case ("cut", 1): kind = .cut(after: 0)
    case ("cut", 2):
      guard let count = Int(parts[1]), count >= 0 else { return nil }
      kind = .cut(after: count)
    default: return nil
    }
  }

  /// `200ms`, `1.5s`, `2m`.
  package static func duration(_ text: String) -> Duration? {
    for (unit, milliseconds) in [("ms", 1.0), ("s", 1000), ("m", 60_000)] where text.hasSuffix(unit) {
      guard let number = Double(text.dropLast(unit.count)), number.isFinite, number >= 0, number * milliseconds <= 86_400_000 else {
        return nil
      }
      return .microseconds(Int64(number * milliseconds * 1000))
    }
    return nil
  }

  /// `UNAVAILABLE`, `unavailable`, `14`.
  static func code(_ text: String) -> RPCStatusCode? {
    if let number = Int(text) { return RPCStatusCode(rawValue: number) }
    let wanted = text.lowercased().filter { $0 != "_" }
    return RPCStatusCode.allCases.first { "\($0)".lowercased() == wanted }
  }

  package var description: String {
    switch kind {
    case .delay(let duration): "delay \(duration)"
    case .status(let code, _): "status \(code)"
    case .cut(let after): after == 0 ? "cut" : "cut after \(after)"
    }
  }
}

/// The faults of a tap. The first rule that a call's method matches and whose turn it is counts.
package final class TapFaults: Sendable {
  private let rules: [TapFault]
  private let seen: Locked<[Int]>

  package init(_ rules: [TapFault] = []) {
    self.rules = rules
    seen = Locked(Array(repeating: 0, count: rules.count))
  }

  func next(for path: String) -> TapFault? {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return seen.withLock { seen in
      var found: TapFault?
      for (index, rule) in rules.enumerated() where rule.method == "*" || rule.method == name {
        seen[index] = seen[index].addingReportingOverflow(1).partialValue
        if found == nil, seen[index] % rule.every == 0 { found = rule }
      }
      return found
    }
  }
}
