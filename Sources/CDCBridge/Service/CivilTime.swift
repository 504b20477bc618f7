internal import MilvusWire

/// An instant as year, month, day and time of day in UTC, and its texts. Pure integer arithmetic on the proleptic Gregorian calendar.
package struct CivilTime: Sendable, Equatable {
  package var year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int, millisecond: Int

  package init(unixSeconds: Int64) { self.init(unixMilliseconds: unixSeconds * 1000) }

  package init(unixMilliseconds: Int64) {
    let dayMs: Int64 = 86_400_000
    var days = unixMilliseconds / dayMs
    var rest = unixMilliseconds % dayMs
    if rest < 0 {
      days -= 1
      rest += dayMs
    }
    let date = CivilDate(daysSince1970: days)
    (year, month, day) = (Int(date.year), Int(date.month), Int(date.day))
    hour = Int(rest / 3_600_000)
    minute = Int(rest / 60_000 % 60)
    second = Int(rest / 1000 % 60)
    millisecond = Int(rest % 1000)
  }

  package var unixMilliseconds: Int64 {
    let days = CivilDate(year: Int64(year), month: Int64(month), day: Int64(day)).daysSince1970
    return (days * 86_400 + Int64(hour * 3600 + minute * 60 + second)) * 1000 + Int64(millisecond)
  }

  /// `2026-11-21T02:33:40.123Z`.
  package var rfc3339: String {
    "\(pad(year, 4))-\(pad(month))-\(pad(day))T\(pad(hour)):\(pad(minute)):\(pad(second)).\(pad(millisecond, 3))Z"
  }

  /// `Sat, 21 Nov 2026 02:33:40 GMT` (RFC 9110 §5.6.7).
  package var httpDate: String {
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    let days = Int(
      (unixMilliseconds - (unixMilliseconds % 86_400_000 + 86_400_000) % 86_400_000) / 86_400_000)
    let weekday = weekdays[((days % 7) + 7) % 7]
    return "\(weekday), \(pad(day)) \(months[month - 1]) \(pad(year, 4)) "
      + "\(pad(hour)):\(pad(minute)):\(pad(second)) GMT"
  }

  /// RFC 3339 §5.6 as Unix milliseconds: `2026-11-21T02:33:40[.123](Z|+01:00)`; nil where the text is not that or no such day exists.
  package static func unixMilliseconds(rfc3339 text: String) -> Int64? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 20, bytes.count <= 40 else { return nil }
    func number(_ range: Range<Int>) -> Int? {
      guard range.upperBound <= bytes.count else { return nil }
      var value = 0
      for byte in bytes[range] {
        guard byte &- UInt8(ascii: "0") < 10 else { return nil }
        value = value * 10 + Int(byte - UInt8(ascii: "0"))
      }
      return value
    }
    guard let year = number(0..<4), bytes[4] == UInt8(ascii: "-"), let month = number(5..<7),
      bytes[7] == UInt8(ascii: "-"), let day = number(8..<10), bytes[10] | 0x20 == UInt8(ascii: "t"),
      let hour = number(11..<13), bytes[13] == UInt8(ascii: ":"), let minute = number(14..<16),
      bytes[16] == UInt8(ascii: ":"), let second = number(17..<19),
      (1...12).contains(month), hour < 24, minute < 60, second < 60
    else { return nil }
    var position = 19
    var millisecond = 0
    if bytes[position] == UInt8(ascii: ".") {
      let digits = bytes[(position + 1)...].prefix { $0 &- UInt8(ascii: "0") < 10 }
      guard !digits.isEmpty else { return nil }
      for index in 0..<3 {
        let digit = index < digits.count ? Int(digits[digits.startIndex + index] - UInt8(ascii: "0")) : 0
        millisecond = millisecond * 10 + digit
      }
      position = digits.endIndex
    }
    guard let offset = offsetMinutes(bytes[position...]) else { return nil }
    var time = CivilTime(unixSeconds: 0)
    (time.year, time.month, time.day) = (year, month, day)
    (time.hour, time.minute, time.second, time.millisecond) = (hour, minute, second, millisecond)
    // A day that does not exist comes back as another one.
    guard CivilTime(unixMilliseconds: time.unixMilliseconds) == time else { return nil }
    return time.unixMilliseconds - Int64(offset) * 60_000
  }

  private static func offsetMinutes(_ bytes: ArraySlice<UInt8>) -> Int? {
    let text = Array(bytes)
    if text.count == 1, text[0] | 0x20 == UInt8(ascii: "z") { return 0 }
    guard text.count == 6, text[0] == UInt8(ascii: "+") || text[0] == UInt8(ascii: "-"),
      text[3] == UInt8(ascii: ":")
    else { return nil }
    let digits = [text[1], text[2], text[4], text[5]].map { Int($0) - Int(UInt8(ascii: "0")) }
    guard digits.allSatisfy({ (0...9).contains($0) }) else { return nil }
    let (hours, minutes) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3])
    guard hours < 24, minutes < 60 else { return nil }
    return (text[0] == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes)
  }

  private func pad(_ value: Int, _ width: Int = 2) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }
}
