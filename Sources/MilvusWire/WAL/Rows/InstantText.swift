/// Instants of the log (`timestamptz_data`, microseconds since 1970 in UTC) as the text that Insert wants (`wal-protocol.md` §3.6):
/// `2026-11-21T02:33:40.123456+00:00`, the fraction left out where it is zero. Proleptic Gregorian calendar.
package enum InstantText {
  /// From year 0 to the end of year 9999: what four digits can say. A server takes no other year from a client.
  package static let range: ClosedRange<Int64> = -62_167_219_200_000_000...253_402_300_799_999_999

  /// nil where the year has no four digits.
  package static func text(_ microseconds: Int64) -> String? {
    var text: [UInt8] = []
    return append(microseconds, to: &text) ? String(decoding: text, as: UTF8.self) : nil
  }

  /// Any spelling that a server takes; no offset means UTC. nil for what is no instant.
  package static func microseconds(_ text: String) -> Int64? { TimestamptzText.microseconds(Array(text.utf8)[...]) }

  /// False where the year has no four digits; nothing is appended then.
  static func append(_ microseconds: Int64, to text: inout [UInt8]) -> Bool {
    guard range.contains(microseconds) else { return false }
    let dayLength: Int64 = 86_400_000_000
    var (days, rest) = microseconds.quotientAndRemainder(dividingBy: dayLength)
    if rest < 0 {
      days -= 1
      rest += dayLength
    }
    let date = CivilDate(daysSince1970: days)
    append(date.year, 4, &text)
    append(date.month, 2, after: "-", &text)
    append(date.day, 2, after: "-", &text)
    append(rest / 3_600_000_000, 2, after: "T", &text)
    append(rest / 60_000_000 % 60, 2, after: ":", &text)
    append(rest / 1_000_000 % 60, 2, after: ":", &text)
    if rest % 1_000_000 != 0 { append(rest % 1_000_000, 6, after: ".", &text) }
    text.append(contentsOf: "+00:00".utf8)
    return true
  }

  private static func append(_ value: Int64, _ width: Int, after sign: String = "", _ text: inout [UInt8]) {
    text.append(contentsOf: sign.utf8)
    let digits = String(value).utf8
    text.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: max(0, width - digits.count)))
    text.append(contentsOf: digits)
  }
}
