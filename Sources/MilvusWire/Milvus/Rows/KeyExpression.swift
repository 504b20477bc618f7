/// Expressions over the primary key that every server parses (`public-rpc.md` §5, §6.3).
package enum KeyExpression {
  /// Keys and bytes of one `in` list: parse time is linear, and 10,000 keys is the documented good size.
  package static let keyCountMax = 10_000
  package static let bytesMax = 4 << 20

  /// Rows after a key. `-9223372036854775808` cannot be written for 2.3.5, its successor can.
  package static func after(_ key: RowKey, field: String) -> String {
    if case .int(.min) = key { return "\(field) >= \(Int64.min + 1)" }
    return "\(field) > \(literal(key))"
  }

  /// True for the one key that no `in` list can name on 2.3.5 and Lite.
  package static func canBeNamed(_ key: RowKey) -> Bool { key != .int(.min) }

  /// `pk in [a, b]` for a first part of the keys within both limits, and how many that are (at least 1). Keys that cannot be named must
  /// have been taken out. nil for no keys: Lite deletes every row for an empty expression.
  package static func list(_ keys: ArraySlice<RowKey>, field: String) -> (expression: String, count: Int)? {
    guard !keys.isEmpty else { return nil }
    var text = "\(field) in ["
    var count = 0
    for key in keys {
      let one = literal(key)
      if count > 0 {
        if count >= keyCountMax || text.utf8.count + one.utf8.count + 2 > bytesMax { break }
        text += ", "
      }
      text += one
      count += 1
    }
    return (text + "]", count)
  }

  /// A literal by the one rule that works on all servers: double quotes; `\`, `"`, LF, CR and TAB escaped; everything else raw.
  package static func literal(_ key: RowKey) -> String {
    switch key {
    case .int(let value): return String(value)
    case .text(let bytes):
      var out: [UInt8] = [UInt8(ascii: "\"")]
      out.reserveCapacity(bytes.count + 2)
      for byte in bytes {
        switch byte {
        case UInt8(ascii: "\\"): out += [0x5C, 0x5C]
        case UInt8(ascii: "\""): out += [0x5C, 0x22]
        case 0x0A: out += [0x5C, UInt8(ascii: "n")]
        case 0x0D: out += [0x5C, UInt8(ascii: "r")]
        case 0x09: out += [0x5C, UInt8(ascii: "t")]
        default: out.append(byte)
        }
      }
      out.append(UInt8(ascii: "\""))
      return String(decoding: out, as: UTF8.self)
    }
  }
}
