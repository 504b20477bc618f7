/// The `grpc-timeout` header (gRPC PROTOCOL-HTTP2 "Timeout"): at most eight digits and one unit letter.
package enum Deadline {
  private static let valueMax: Int64 = 99_999_999
  /// Units from fine to coarse.
  private static let units: [(letter: Character, duration: Duration)] = [
    ("n", .nanoseconds(1)), ("u", .microseconds(1)), ("m", .milliseconds(1)), ("S", .seconds(1)),
    ("M", .seconds(60)), ("H", .seconds(3600)),
  ]

  /// The header value, in the finest unit that fits and rounded up: a server must not give up before the client does.
  ///
  /// The specification wants a positive number, so a timeout that has run out is sent as one nanosecond.
  package static func encode(_ timeout: Duration) -> String {
    guard timeout > .zero else { return "1n" }
    for unit in units {
      let (seconds, attoseconds) = unit.duration.components
      let (value, isOverflow) = dividedUp(timeout, seconds: seconds, attoseconds: attoseconds)
      if !isOverflow && value <= valueMax { return "\(value)\(unit.letter)" }
    }
    return "\(valueMax)H"
  }

  /// The timeout of a header value; nil where it is malformed. Zero is accepted and means that the time is up.
  package static func decode(_ text: String) -> Duration? {
    guard let letter = text.last, let unit = units.first(where: { $0.letter == letter }) else { return nil }
    let digits = text.utf8.dropLast()
    guard (1...8).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    let value = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    return unit.duration * value
  }

  /// `timeout / unit`, rounded up, where the unit is either below one second or a whole number of seconds.
  private static func dividedUp(
    _ timeout: Duration, seconds unitSeconds: Int64, attoseconds unitAttoseconds: Int64
  ) -> (value: Int64, isOverflow: Bool) {
    let (seconds, attoseconds) = timeout.components
    if unitSeconds > 0 {
      let whole = seconds / unitSeconds
      let isExact = seconds % unitSeconds == 0 && attoseconds == 0
      // Cannot overflow: `whole` was divided by at least one and then has a remainder.
      return isExact || whole == .max ? (whole, false) : (whole + 1, false)
    }
    let perSecond = 1_000_000_000_000_000_000 / unitAttoseconds
    let fraction = attoseconds / unitAttoseconds + (attoseconds % unitAttoseconds == 0 ? 0 : 1)
    let (scaled, isScaledOverflow) = seconds.multipliedReportingOverflow(by: perSecond)
    let (sum, isSumOverflow) = scaled.addingReportingOverflow(fraction)
    return (sum, isScaledOverflow || isSumOverflow)
  }
}
