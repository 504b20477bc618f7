/// Numbers as people read them.
enum NumberText {
  /// 1234567 → `1,234,567`.
  static func grouped(_ number: Int64) -> String {
    let digits = String(number.magnitude)
    var text = ""
    for (position, digit) in digits.enumerated() {
      if position > 0, (digits.count - position) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return number < 0 ? "-" + text : text
  }
  /// One digit after the point.
  static func tenths(_ number: Double) -> String {
    guard number.isFinite, number.magnitude < 1e15 else { return "-" }
    let tenths = Int64((number * 10).rounded())
    return (tenths < 0 ? "-" : "") + "\(grouped(Int64(tenths.magnitude / 10))).\(tenths.magnitude % 10)"
  }
  static func whole(_ number: Double) -> String {
    guard number.isFinite, number.magnitude < 1e15 else { return "-" }
    return grouped(Int64(number.rounded()))
  }
  /// `850 ms`, `7 s`, `3 min 20 s`, `2 h 5 min`.
  static func duration(seconds: Double) -> String {
    guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return "-" }
    if seconds < 1 { return "\(Int64(seconds * 1000)) ms" }
    if seconds < 10 { return tenths(seconds) + " s" }
    let whole = Int64(seconds.rounded())
    if whole < 120 { return "\(whole) s" }
    if whole < 7200 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(grouped(whole / 3600)) h \(whole % 3600 / 60) min"
  }
}
