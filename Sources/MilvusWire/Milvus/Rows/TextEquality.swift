/// Instants as servers spell them (`public-rpc.md` §4.3, Timestamptz): ISO 8601 with an offset or `Z`.
enum TimestamptzText {
  static func isEqual(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
    guard let x = microseconds(a), let y = microseconds(b) else { return false }
    return x == y
  }

  /// Microseconds since 1970, nil for what is no such text. `2024-01-01T00:00:00.5+08:00`, `2024-01-01 00:00:00Z`; no offset means UTC.
  static func microseconds(_ text: ArraySlice<UInt8>) -> Int64? {
    var rest = text
    func digits(_ count: Int) -> Int64? {
      guard rest.count >= count, rest.prefix(count).allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      let value = rest.prefix(count).reduce(Int64(0)) { $0 * 10 + Int64($1 - 0x30) }
      rest = rest.dropFirst(count)
      return value
    }
    func skip(_ choices: String) -> UInt8? {
      guard let first = rest.first, choices.utf8.contains(first) else { return nil }
      rest = rest.dropFirst()
      return first
    }
    guard let year = digits(4), skip("-") != nil, let month = digits(2), skip("-") != nil, let day = digits(2),
      skip("Tt ") != nil, let hour = digits(2), skip(":") != nil, let minute = digits(2), skip(":") != nil,
      let second = digits(2), (1...12).contains(month), (1...31).contains(day), hour < 25, minute < 60, second < 61
    else { return nil }
    var micro: Int64 = 0
    if skip(".,") != nil {
      let fraction = rest.prefix { (0x30...0x39).contains($0) }
      guard !fraction.isEmpty else { return nil }
      for index in 0..<6 {
        micro = micro * 10 + (index < fraction.count ? Int64(fraction[fraction.startIndex + index] - 0x30) : 0)
      }
      rest = rest.dropFirst(fraction.count)
    }
    var offsetMinutes: Int64 = 0
    if let sign = skip("+-") {
      guard let hours = digits(2) else { return nil }
      _ = skip(":")
      let minutes = rest.isEmpty ? 0 : digits(2)
      guard let minutes else { return nil }
      offsetMinutes = (hours * 60 + minutes) * (sign == UInt8(ascii: "-") ? -1 : 1)
    } else {
      _ = skip("Zz")
    }
    guard rest.isEmpty else { return nil }
    let seconds =
      CivilDate(year: year, month: month, day: day).daysSince1970 * 86_400 + hour * 3_600 + (minute - offsetMinutes) * 60 + second
    return seconds * 1_000_000 + micro
  }
}

/// Well-known text of a geometry: `POINT (1 2)` and `Point(1.0 2)` are one.
enum GeometryText {
  private enum Token: Equatable { case word([UInt8]), number(Double), sign(UInt8) }

  static func isEqual(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Bool {
    guard let x = tokens(a), let y = tokens(b) else { return false }
    return x == y
  }

  private static func tokens(_ text: ArraySlice<UInt8>) -> [Token]? {
    var result: [Token] = []
    var rest = text
    while let first = rest.first {
      switch first {
      case 0x20, 0x09, 0x0A, 0x0D: rest = rest.dropFirst()
      case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "="):
        result.append(.sign(first))
        rest = rest.dropFirst()
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."):
        let run = rest.prefix { (0x2B...0x39).contains($0) && $0 != 0x2C && $0 != 0x2F || $0 | 0x20 == UInt8(ascii: "e") }
        guard let value = Double(String(decoding: run, as: UTF8.self)) else { return nil }
        result.append(.number(value))
        rest = rest.dropFirst(run.count)
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"):
        let run = rest.prefix { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) }
        result.append(.word(run.map { $0 | 0x20 }))
        rest = rest.dropFirst(run.count)
      default: return nil
      }
    }
    return result
  }
}
